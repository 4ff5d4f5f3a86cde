// Ranks that compute together.
//
// A *world* has `size` ranks. Each has a `Communicator`, through which it calls collectives on *groups* of ranks: the
// ranks along one or more axes of a mesh, or the two ends of a pipe. All members of a group make the same calls on it
// in the same order; nothing else is asked of ranks, and nothing but bytes goes between them.
//
//   int tp = *comm.makeGroup({4, 5, 6, 7});                              // each of the four, in order of coordinates
//   Call call{.op = Op::kAllReduce, .dtype = DType::kF32, .count = 4096, .group = tp, .sequence = 12, .name = "/down"};
//   JINX_TRY_ASSIGN(Ticket ticket, comm.start(call, in, out), "step");   // does not wait for anybody
//   …                                                                    // kernels that need neither `in` nor `out`
//   JINX_TRY(comm.wait(ticket), "step");                                 // out is whole, in may be written again
//
// What `in` and `out` hold, with n the ranks of the group, in elements:
//
//   op              in          out         out of the member at place i of the group
//   all_reduce      count       count       in_0 ∘ in_1 ∘ … ∘ in_{n-1}
//   all_gather      count       n * count   in_0, in_1, …, in_{n-1}
//   reduce_scatter  n * count   count       the same sum's part i
//   all_to_all      n * count   n * count   part i of in_0, part i of in_1, …
//   broadcast       count       count       in_root; others' in is not read
//   permute         count       count       in of the member that `sources[i]` names; zeros where it names none (-1)
//   send            count       -           to member `root`; the counterpart is its recv from this one
//   recv            -           count       of member `root`
//
// Sends and receives of two members are in one order from each to the other, whatever else happens on the group.
//
// all_to_all_v has parts of different sizes: `sends[j]` elements go to member j, `receives[j]` come from it, both
// behind each other.
//
// Sums of one call are made in one order, the same on each rank and in each run: equal inputs give equal bits
// everywhere. 16-bit floats are added in f32 and rounded once.
//
// Communicators: `VirtualWorld.h` (ranks are threads of one process), `FakeWorld.h` (counts, moves nothing),
// `OpenCommunicator.h` (MPI, a module that is opened when asked for), `nccl/NcclCommunicator.h` (GPUs, over one of the
// others). Failures, and ranks that do not come: `Watch.h`. Whether ranks mean to make the same calls: `Schedule.h`.
// Calls on the memory of devices: `DeviceCollectives.h`.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/DType.h"
#include "runtime/base/Status.h"

namespace jinx::comm {

enum class Op : uint8_t {
  kAllReduce,
  kAllGather,
  kReduceScatter,
  kAllToAll,
  kAllToAllV,
  kBroadcast,
  kPermute,
  kSend,
  kRecv
};
enum class Reduction : uint8_t { kSum, kProd, kMax, kMin };

/// "all_reduce", "sum".
std::string_view nameOf(Op op);
std::string_view nameOf(Reduction reduction);

/// One collective as one rank calls it. Spans and the name outlive the wait.
struct Call {
  Op op = Op::kAllReduce;
  Reduction reduction = Reduction::kSum; ///< all_reduce, reduce_scatter
  DType dtype = DType::kF32;
  int64_t count = 0;                        ///< elements, see the table above
  int group = 0;                            ///< of `makeGroup`; 0 is the whole world
  int root = 0;                             ///< broadcast, send, recv: a member's place in the group
  std::span<const int> sources;             ///< permute: by place
  std::span<const int64_t> sends, receives; ///< all_to_all_v: elements, by place
  int64_t sequence = 0;                     ///< its place in this rank's schedule, for messages
  std::string_view name;                    ///< of the nodes it comes from, for messages
  bool isPatient = false;                   ///< members may come at any time: this rank's wait has no timeout
};

/// A call that was started and not yet waited for.
struct Ticket {
  int64_t id = -1;
};

/// Where a rank is in an order of calls.
struct Whereabouts {
  int rank = 0;
  bool answers = false; ///< false: it has gone, or its process is stopped
  int64_t started = 0;  ///< calls of this order
  std::string text;     ///< "last done #11 all_gather f32[512] of /layer.3/up, ranks 4, 5, 6, 7"
};

class DeviceCollectives;

/// Bytes and calls of one rank since it was made.
struct Traffic {
  int64_t sentBytes = 0;     ///< handed to other ranks
  int64_t receivedBytes = 0; ///< taken from other ranks
  int64_t calls = 0;
};

/// One rank's end. Thread-compatible: one thread of a rank calls it at a time.
///
/// Until a call's wait has ended, with an error or without, others may read and write its buffers. A rank that leaves a
/// call without its wait frees the buffers after its communicator.
class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;

  /// A group of ranks, this one among them, in the given order. Its members all call this, and those that share several
  /// groups make them in one order. kInvalidArgument for a rank that is not in the world, is there twice, or where this
  /// one is missing. The same ranks again are the same group.
  virtual Expected<int> makeGroup(std::span<const int> ranks) = 0;
  /// The members of a group, in order.
  virtual std::span<const int> members(int group) const = 0;

  /// Begins a call. `in` and `out` are not touched by the caller until `wait`; they are the same memory (all_reduce,
  /// broadcast) or do not overlap. kInvalidArgument for a call that no group could make (a root outside, too few
  /// sources, a type that has no such sum).
  virtual Expected<Ticket> start(const Call& call, const void* in, void* out) = 0;
  /// Until the call has ended for this rank. An error names the call and what kept it: a member that came with another
  /// call, a rank that has gone, those that had not come when the time was over. After an error the world is broken:
  /// every later call of every rank fails with the first error, and nothing hangs.
  virtual Status wait(Ticket ticket) = 0;

  /// Ends the world with an error that all other ranks get instead of waiting: this rank has failed in something of its
  /// own. From any thread, also while the rank's own waits.
  virtual void abort(const Status& why) = 0;

  /// OK, or the first error of the world, as far as this rank has heard of it. From any thread.
  virtual Status status() const { return {}; }
  virtual Traffic traffic() const = 0;
  /// This rank's last calls, one a line, with their states and times (`Watch.h`).
  virtual std::string recentCalls() const { return {}; }
  /// False where outputs are left as they are: a world that only counts.
  virtual bool movesData() const { return true; }

  /// Calls on the memory of this rank's device; null where the world has none.
  virtual DeviceCollectives* onDevice() { return nullptr; }
  /// For worlds over this one, whose calls it does not see: what this rank says when it is asked about an order that is
  /// not this world's own. Called from any thread, until it is given another; empty: nothing.
  using Answer = std::function<Whereabouts(uint64_t order)>;
  virtual void answerWith(Answer) {}
  /// What other ranks say about such an order. From any thread; waits some seconds for those that do not answer.
  virtual std::vector<Whereabouts> ask(std::span<const int> /*ranks*/, uint64_t /*order*/) { return {}; }

  /// `start` and `wait`.
  Status run(const Call& call, const void* in, void* out) {
    auto ticket = start(call, in, out);
    return ticket ? wait(*ticket) : ticket.status();
  }
};

} // namespace jinx::comm
