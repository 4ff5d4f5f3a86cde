// Models as plans: what `jinx` runs and times, compiled on the spot.
#pragma once

#include "tools/common/PlanSource.h"
#include "tools/driver/Compiler.h"

namespace jinx::tools {

/// Opens a plan, or compiles a model in memory for the processor at hand.
Expected<LoadedPlan> openOrCompile(const PlanRequest& request);

/// Compile options for a device: its target, and code for one instruction-set level only.
driver::CompileOptions optionsFor(const PlanRequest& request);

/// A compiled model as a loaded plan.
Expected<LoadedPlan> toLoadedPlan(driver::Compiled compiled, double compileSeconds);

} // namespace jinx::tools
