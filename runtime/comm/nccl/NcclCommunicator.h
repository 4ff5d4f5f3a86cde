// Ranks with a GPU each, whose collectives NCCL carries out.
//
//   JINX_TRY_ASSIGN(auto world, openCommunicator("mpi"));                  // or a VirtualWorld's, of threads
//   JINX_TRY_ASSIGN(auto gpus, openNccl(world, device, {.timeout = …}));   // each rank; device: its own GPU
//   SessionOptions options{.communicator = gpus};                          // enqueues collectives between launches
//
// It is the world below with calls on devices (`onDevice`): what lies in the host's memory, schedules that are
// compared, errors that all ranks must hear go as before. NCCL itself does not say who has not come, and its kernels
// wait without end: a thread of each rank looks how long the oldest call is on its way (DeviceWatch.h). One that is
// over its time asks the other ranks where they are, through the world below, ends the calls on this device and breaks
// the world with what it has learnt. A signal that asks the process to end does the same.
//
// An all_reduce of few bytes, of ranks whose devices reach each other's memory, is not NCCL's: a kernel of our own
// makes it in two thirds of the time (peers/PeerReduce.h). Who carries what is decided when a group is opened, by all
// its members alike; `carriersOf` and `recentCalls` say it, with the reason where NCCL carries everything.
//
// NCCL's sums of 16-bit floats are rounded at each rank, in the order of NCCL's algorithm, which is the same on all
// ranks and in each run of one configuration; max and min pass NaN by.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>

#include "runtime/comm/Communicator.h"
#include "runtime/comm/peers/PeerReduce.h"
#include "runtime/device/Device.h"

namespace jinx::comm {

struct NcclOptions {
  std::chrono::milliseconds timeout =
      std::chrono::minutes(5);            ///< of a call on its way, from the end of the one in front of it
  const std::atomic<int>* stop = nullptr; ///< not 0: a signal asks the program to end
  static constexpr int64_t kUsualPeerBytes = PeerReduceOptions::kUsual;
  int64_t peerBytes = kUsualPeerBytes; ///< an all_reduce of at most so many goes over peers' memory; 0: none does
};

/// \param device  of this rank alone; one whose memory is its own
/// \returns kNotFound where NCCL is not installed, kUnimplemented for one that is too old
Expected<std::unique_ptr<Communicator>> openNccl(std::shared_ptr<Communicator> world, std::shared_ptr<Device> device,
                                                 const NcclOptions& options = {});

} // namespace jinx::comm
