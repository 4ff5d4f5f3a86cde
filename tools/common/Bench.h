// `bench`: how fast is a model, and how fast beside another?
#pragma once

#include "tools/common/Arguments.h"

namespace jinx::tools {

/// \param canCompile  offers `--vs unfused`
void addBench(CLI::App& app, Action& action, const PlanSource& source, bool canCompile);

} // namespace jinx::tools
