// One rank of a world of any size, without the others: what does a step send? Nothing is moved, and outputs are left as they are.
//
//   auto comm = fakeCommunicator(0, 16384);
//   (*comm)->run({.op = Op::kAllReduce, .count = 1 << 20}, buffer, buffer);
//   (*comm)->traffic().receivedBytes        8388096: 2 * 16383/16384 of 4 MiB
//
// Calls are checked as in any world. `agree` (Schedule.h) asks nobody here.
#pragma once

#include <memory>

#include "runtime/comm/Communicator.h"

namespace jinx::comm {

/// kInvalidArgument for a rank that is not in a world of this size.
Expected<std::unique_ptr<Communicator>> fakeCommunicator(int rank, int size);

} // namespace jinx::comm
