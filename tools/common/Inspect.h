// `inspect`: what is in a plan?
#pragma once

#include "tools/common/Arguments.h"
#include "tools/common/PlanReport.h"

namespace jinx::tools {

void addInspect(CLI::App& app, Action& action);

/// Writes text to a file, or standard output for "-".
Status writeText(const std::string& path, const std::string& text);

} // namespace jinx::tools
