// `bench serve`: how does a server of OpenAI's interface hold up under load?
#pragma once

#include "tools/common/Arguments.h"

namespace jinx::tools {

/// \param bench  the command that this is a part of
void addBenchServe(CLI::App& bench, Action& action);

} // namespace jinx::tools
