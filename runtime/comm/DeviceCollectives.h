// Collectives between the memories of devices, enqueued where kernels are: the host goes on.
//
//   DeviceCollectives* calls = comm.onDevice();            // null for a world that moves the host's bytes only
//   JINX_TRY(calls->open(tp));                             // a group of comm.makeGroup; all its members come
//   JINX_TRY(calls->enqueue(call, in, out, stream));       // behind what `stream` has, in front of what it gets later
//
//   JINX_TRY_ASSIGN(Ticket t, calls->start(call, in, out, stream));  // behind what `stream` has, beside what it gets
//   …                                                                // kernels that neither read out nor write in
//   JINX_TRY(calls->wait(t, stream));                                // behind the call: what `stream` gets from now on
//
// Calls mean what Communicator.h says, with two differences: `in` and `out` are addresses of the device, and sums of
// 16-bit floats may be rounded at each member. A member that does not come keeps the stream waiting; the first error is
// found by a thread of the world, which ends the calls that are on their way and lets streams go on: whoever has
// synchronized a stream asks `status` before it believes what came out.
#pragma once

#include "runtime/comm/Communicator.h"

namespace jinx {
class Stream;
struct KernelLaunch;
}

namespace jinx::comm {

/// One thread of a rank calls it at a time. A stream outlives the calls on it.
class DeviceCollectives {
 public:
  virtual ~DeviceCollectives() = default;

  /// A group is ready for calls. Members come in one order, as to `makeGroup`; again is nothing.
  virtual Status open(int group) = 0;
  /// kUnimplemented, naming it, for what devices cannot do; the world's first error once there is one.
  virtual Status enqueue(const Call& call, const void* in, void* out, Stream& stream) = 0;
  virtual Expected<Ticket> start(const Call& call, const void* in, void* out, Stream& stream) = 0;
  virtual Status wait(Ticket ticket, Stream& stream) = 0;

  /// Whether a kernel of a plan may carry the call out, as it does where its launch has a table of peers
  /// (plan::Kernel::sum_ranks): by so many programs, which have as many elements each, in order. The same at all
  /// members.
  virtual bool fuses(const Call& call, int64_t programs) const = 0;
  /// The call, by such a launch. \pre fuses(call, launch.programs). `in`, `out`: operands of the launch, too
  virtual Status enqueueFused(const Call& call, const void* in, void* out, const KernelLaunch& launch,
                              Stream& stream) = 0;

  /// Calls between these two are recorded (Device::beginCapture), not carried out, and nobody waits for them. They are
  /// enqueued again with each replay: `replaying` stands in front of it, and behind it `replayed` says which calls they
  /// are, in their order; it may be none.
  virtual void beginRecording() = 0;
  virtual void endRecording() = 0;
  virtual Status replaying(Stream& stream) = 0;
  virtual Status replayed(std::span<const Call> calls, Stream& stream) = 0;

  /// Whether the call goes over memory that ranks reach of each other, and by a kernel of our own.
  virtual bool isOverPeers(const Call& call) const = 0;
  /// For people: "all_reduce of at most 524288 bytes over peers' memory, by kernels of plans of at most 2097152, all
  /// else by NCCL", or why all is.
  virtual std::string carriersOf(int group) const = 0;
  /// OK, or what broke the world.
  virtual Status status() const = 0;
};

} // namespace jinx::comm
