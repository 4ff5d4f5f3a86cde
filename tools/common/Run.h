// `run`: runs a model or plan once or several times, shows and writes its outputs.
#pragma once

#include "tools/common/Arguments.h"

namespace jinx::tools {

void addRun(CLI::App& app, Action& action, const PlanSource& source);

/// `/` in an output's name becomes `_`.
std::string outputFileName(const std::string& output);

} // namespace jinx::tools
