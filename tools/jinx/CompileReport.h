// What a compilation adds to the report on its plan: times, passes, remarks, the graph before fusion.
#pragma once

#include "tools/common/PlanReport.h"
#include "tools/driver/Compiler.h"

namespace jinx::tools {

/// \param report  on the plan that `compiled` holds; its `compile` is filled
void addCompileReport(PlanReport& report, const driver::Compiled& compiled);

} // namespace jinx::tools
