// Small all_reduces between GPUs of one machine, by a kernel of our own: each rank writes its part into the memory of
// the others and adds up what they have written into its own. NCCL's ring needs some 15 us for a few KiB, in two trips
// at least (docs/benchmarks/multi-gpu-h200.md); here there is one, and nobody asks for room. (The words are those of
// NCCL's LL protocol, the single shot that of other small all-reduces of the field.)
//
//   JINX_TRY_ASSIGN(auto opened, PeerReduce::open(world, group, device, {}));     // all members come
//   opened.why                                                                    // why there is none, the same at all
//   if (opened.reduce->takes(call)) JINX_TRY(opened.reduce->enqueue(call, in, out, stream));
//
// A *unit* is eight bytes of an operand. It travels as two words of four bytes of data and, above them, the *tag* of
// its call: a word that carries the tag has arrived, data and all, since eight bytes that are written together are seen
// together. So there is no flag beside the data, no barrier and no fence. Of f32[6] on ranks 0 and 1, call 7 of the
// room:
//
//   rank 0 in  a0 a1 | a2 a3 | a4 a5               three units
//   pushes     {a0,7'} {a1,7'} | {a2,7'} … into rank 1's memory, slot [room][from 0][7 mod 2]
//   polls      its own memory, slot [room][from 1][7 mod 2], until {b0,7'} {b1,7'} | … are there
//   out        a0+b0 a1+b1 | …                     in the order of ranks, by both: equal bits
//
// A *room* has two slots for what each other rank sends, and a counter of its calls in the device's memory, from which
// the tag and the slot follow: parameters stay the same when a graph is replayed. In a call a block has rooms of its
// own: our kernel's block b has room b, a program of a plan's kernel as many as its part of the operand needs.
//
// A plan's kernel that reads the sum may make it itself (decision 0055): it is handed the same table of memory, takes
// part in the same count of calls, and writes the sum where the call would have. That is a launch less.
//
// Why a slot is free again two calls later. (Calls of a room are meant, here and below.) A rank pushes call c + 2 when
// its kernel of call c + 1 has ended, for which it has seen what each other rank pushed in call c + 1; that one pushed
// it after its kernel of call c had ended, and so had read what is written over now. (Launches of one rank follow each
// other: on one stream they do, and `enqueue` makes those of several.) This needs that each room that counts a call has
// a part of it; and blocks have as many as the operand needs, so it has.
//
// Why calls of different sizes may follow each other. Rooms do not move with the size of a call, and whoever has one
// reads and writes it alone. Sizes are the same at all ranks, so counters are, too. Words of a longer call stay behind
// those of a shorter one; their tag is an older one. It comes again after 2^31 calls, and each slot is cleaned every
// 2^29, when nobody writes there: between the end of the call in front of it and the push that lets others go on.
//
// What is assumed. All blocks of a launch get to run beside whatever else waits on the GPU: at most 64 of 128 threads
// of ours, 256 of a plan's, of the 270,336 threads that an H200 runs at once. Blocks wait for the same block of other
// ranks only, in no order. A store of eight bytes arrives whole (`st.relaxed.sys` of 64-bit elements: PTX's memory
// model has each as one).
//
// A rank that does not come keeps the others' kernels waiting: now and then they look at a word of their device's
// memory, which `stop` sets from the host. What they write then is nothing.
//
// Sums of 16-bit floats are made in f32 and rounded once; NaN stays, in max and min, too.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/comm/Communicator.h"
#include "runtime/device/Device.h"

namespace jinx::comm {

struct PeerReduceOptions {
  static constexpr int64_t kUsual = -1;
  int64_t mostBytes = kUsual; ///< of an operand; 0: nothing is taken. kUsual: 512 KiB on two ranks, fewer on more
};
/// The most bytes that go over peers' memory where nobody says otherwise: a rank pushes 2 (ranks - 1) times as many.
int64_t usualPeerBytes(int ranks);
/// What a group of so many takes of each rank's memory: twice, for two calls, what each other rank pushes at most.
int64_t peerMemoryBytes(int ranks, int64_t mostBytes);
/// The CUDA text of a group of so many.
std::string peerKernels(int ranks);

class PeerReduce {
 public:
  struct Opened {
    std::unique_ptr<PeerReduce> reduce; ///< null at all members or at none
    std::string why;                    ///< "rank 1: …"
  };
  /// All members of the group come, and meet in calls of `world`, whose errors are returned. What a device or machine
  /// cannot do is no error.
  static Expected<Opened> open(Communicator& world, int group, std::shared_ptr<Device> device,
                               const PeerReduceOptions& options);
  ~PeerReduce();

  /// By what is the same at all members.
  bool takes(const Call& call) const;
  int64_t mostBytes() const { return mostBytes_; }
  /// \pre `takes(call)`. `in` and `out` are addresses of the device, at multiples of an element
  Status enqueue(const Call& call, const void* in, void* out, Stream& stream);
  /// Whether a plan's kernel may carry the call out (plan::Kernel::sum_ranks), by so many programs with as many elements
  /// each, in order. It may be kFusedMore times as large as one that we take.
  bool fuses(const Call& call, int64_t programs) const;
  static constexpr int64_t kFusedMore = 4;
  /// \pre `fuses(call, launch.programs)`
  Status enqueue(const Call& call, KernelLaunch launch, Stream& stream);

  /// Calls from here to `endRecording` are recorded, and follow each other within the recording.
  void beginRecording();
  void endRecording() { isRecording_ = false; }
  /// A recording is enqueued on `stream`: in front of it, and behind.
  Status replaying(Stream& stream) { return follow(eager_, stream); }
  Status replayed(Stream& stream) { return lead(eager_, stream); }

  /// As if so many calls had been made, for tests of what comes after days. All members', between the same calls.
  Status countFrom(uint32_t calls);

  /// Kernels on their way end, and so do later ones. From any thread.
  Status stop();

 private:
  /// The last call, for one on another stream.
  struct Order {
    std::unique_ptr<Event> end;
    const Stream* stream = nullptr;
  };
  PeerReduce(std::shared_ptr<Device> device, int ranks, int place, int64_t mostBytes)
      : device_(std::move(device)), mostBytes_(mostBytes), table_{.rank = place, .ranks = ranks} {}
  struct Offer;
  static std::string difference(std::span<const int> ranks, std::span<const Offer> offers);
  static Status left(std::unique_ptr<PeerReduce> made, Status why);
  Status prepare();
  Status reach(std::span<const Offer> offers);
  static Status follow(const Order& order, Stream& stream);
  static Status lead(Order& order, Stream& stream);

  const std::shared_ptr<Device> device_;
  const int64_t mostBytes_;
  PeerTable table_; ///< that kernels get
  std::unique_ptr<Module> module_;
  std::unique_ptr<PeerMemory> own_;
  std::vector<std::unique_ptr<PeerMemory>> others_; ///< by place; null at this one
  uint32_t* one_ = nullptr;                         ///< of the host, to be copied to `stop`
  std::unique_ptr<Stream> beside_;                  ///< where it is copied
  Order eager_, recorded_;
  bool isRecording_ = false;
};

} // namespace jinx::comm
