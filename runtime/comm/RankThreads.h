// Ranks of one process: a thread each.
#pragma once

#include <functional>
#include <thread>

#include "runtime/base/Status.h"

namespace jinx::comm {

/// kResource where the system has no thread left.
Expected<std::thread> startRank(int rank, int ranks, std::function<void()> body);

/// Calls `body` for each rank from 0 on, all at once; rank 0 in the caller's thread.
///
/// \param abort  called in front of the first rank that gets no thread: ends the waits of those that have one
/// \returns the error of a rank, which begins with its number; of several, the first that is the rank's own
Status onEveryRank(int ranks, const std::function<Status(int rank)>& body,
                   const std::function<void(int rank, const Status& why)>& abort);

} // namespace jinx::comm
