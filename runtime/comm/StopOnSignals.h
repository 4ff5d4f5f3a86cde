// A program that is asked to end, by mpirun when another rank has died, say, ends its waits with an error that says in which call it was.
//
//   int main() {
//     auto comm = openCommunicator("mpi", {.stop = &stopOnSignals()});
//     …                                   // "stopped by signal 15 while it waited in #12 all_reduce sum f32[4096] of /layer.3/down, …"
//
// It is for `main` alone: handlers of signals are the process's, and so is the number that they leave.
#pragma once

#include <atomic>

namespace jinx::comm {

/// Takes SIGTERM and SIGINT from now on: the number of the first that comes, 0 before.
const std::atomic<int>& stopOnSignals();

} // namespace jinx::comm
