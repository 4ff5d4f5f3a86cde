// A simulated run for people: as a Chrome trace, which Perfetto shows, and as a table.
#pragma once

#include <string>

#include "runtime/comm/model/Simulator.h"

namespace jinx::comm::model {

/// Chrome trace-event JSON as `runtime/executor/Trace.h` writes it: a process for each class of ranks (of at most `mostClasses`), a thread for each
/// stream, and a counter of bytes where tasks allocate. An event's category is "compute" or the op.
std::string toChromeTrace(const World& world, const Timeline& timeline, int mostClasses = 64);

/// A line for each class of ranks, and one for all:
///
///   rank  like it  program  computes  exposed  idle  peak
///   0     127      stage 0  82.1 %    3.0 %    14.9 %  12 GiB
std::string toTable(const World& world, const Timeline& timeline);

} // namespace jinx::comm::model
