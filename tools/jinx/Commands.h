// The subcommands of `jinx` that need the compiler, one file each.
#pragma once

#include "tools/common/Arguments.h"

namespace jinx::tools {

void addCompile(CLI::App& app, Action& action);
void addQuantize(CLI::App& app, Action& action);
void addPlanShards(CLI::App& app, Action& action);
void addTune(CLI::App& app, Action& action);
void addCompare(CLI::App& app, Action& action);
void addVerifyOnnx(CLI::App& app, Action& action);

} // namespace jinx::tools
