// `inspect`: what is in a plan?
#pragma once

#include "tools/common/Arguments.h"
#include "tools/common/PlanReport.h"

namespace jinx::tools {

void addInspect(CLI::App& app, Action& action);

} // namespace jinx::tools
