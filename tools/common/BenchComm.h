// `bench comm`: how fast are collectives here, what are α and β, and when does a ring beat a tree?
#pragma once

#include "tools/common/Arguments.h"

namespace jinx::tools {

/// \param bench  the command that this is a part of
void addBenchComm(CLI::App& bench, Action& action);

} // namespace jinx::tools
