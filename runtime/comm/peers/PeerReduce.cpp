#include "runtime/comm/peers/PeerReduce.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "runtime/comm/Calls.h"
#include "runtime/comm/peers/PeerSources.h"
#include "runtime/plan/PlanFile.h"

namespace jinx::comm {
namespace {

/// A reason, or that there is none. Fixed bytes, so that all members' can be gathered.
struct Reason {
  std::array<char, 256> text{};

  void set(const std::string& why) {
    const size_t length = std::min(why.size(), text.size() - 1);
    std::copy_n(why.begin(), length, text.begin());
  }
  bool isNone() const { return text[0] == 0; }
};

} // namespace

struct PeerReduce::Offer {
  PeerMemoryName name;
  int64_t mostBytes = 0;
  Reason why;
};

namespace {

constexpr int kMostRanks = PeerTable::kMostRanks;
constexpr int64_t kThreads = 128, kMostBlocks = 64; // of our own kernel
constexpr int64_t kRooms = kMostBlocks * PeerReduce::kFusedMore;
constexpr int64_t kUnitBytes = 8, kPairBytes = 16;
constexpr size_t kFirstCounter = 32; // as in words.cuh: `stop` has a line of its own
constexpr size_t kStateBytes = (kFirstCounter + kRooms) * sizeof(uint32_t);
constexpr uintptr_t kBoundary = 16; // where buffers of a launch begin

struct Type {
  DType dtype;
  const char* text; ///< in all_reduce.cuh
};
constexpr Type kTypes[] = {{DType::kF32, "float"},  {DType::kF16, "f16"}, {DType::kBF16, "bf16"},
                           {DType::kF64, "double"}, {DType::kI32, "i32"}, {DType::kU32, "u32"},
                           {DType::kI64, "i64"},    {DType::kU64, "u64"}};

int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Units of a block, and blocks, of an operand: whole rounds of its threads, so that each block has some.
struct Parts {
  int64_t blockUnits = 0, blocks = 0;
};
Parts partsOf(int64_t bytes) {
  const int64_t units = ceilDiv(bytes, kUnitBytes);
  const int64_t blockUnits = ceilDiv(ceilDiv(units, kMostBlocks), kThreads) * kThreads;
  return {blockUnits, ceilDiv(units, blockUnits)};
}

// ---- kernels ----

std::string kernelName(const Type& type) { return "all_reduce_" + std::string(name(type.dtype)); }

std::string kernelText(const Type& type) {
  return "extern \"C\" __global__ void __launch_bounds__(kThreads) " + kernelName(type) +
         "(const char* in, char* out, i64 in_offset, i64 out_offset, i64 bytes, i64 block_units, i64 reduction, "
         "const __grid_constant__ PeerTable peers) {\n  all_reduce<" +
         type.text +
         ">(Call{in + in_offset, out + out_offset, bytes, block_units, static_cast<int>(reduction)}, peers);\n}\n";
}

} // namespace

std::string peerKernels(int ranks) {
  std::string text = "constexpr int kRanks = " + std::to_string(ranks) + ", kThreads = " + std::to_string(kThreads) +
                     ";\n";
  for (std::string_view part : {kMachineSource, kWordsSource, kAllReduceSource})
    text += part;
  for (const Type& type : kTypes)
    text += kernelText(type);
  return text;
}

namespace {

/// Kernels in the order of kTypes, as devices load them: for every GPU from sm_80 on.
Expected<std::shared_ptr<const PlanFile>> planOf(int ranks) {
  PlanWriter writer;
  plan::Plan& plan = writer.plan();
  plan.set_producer("jinx");
  plan.set_target("cuda:sm_80");
  plan.add_blocks();
  for (const Type& type : kTypes) {
    plan::Kernel& kernel = *plan.add_kernels();
    kernel.set_symbol(kernelName(type));
    kernel.set_num_buffers(2);
    kernel.set_num_sizes(5);
    kernel.set_block_threads(kThreads);
    kernel.set_waits_for_grid(true);
    kernel.set_sum_ranks(static_cast<uint32_t>(ranks));
  }
  plan::CodeObject& code = *plan.add_code();
  code.set_isa("cuda:sm_80");
  code.set_format("cuda");
  code.set_segment(writer.addSegment("all_reduce of " + std::to_string(ranks) + " ranks", peerKernels(ranks)));
  return std::move(writer).toMemory();
}

// ---- what members tell each other ----

template <typename T>
Expected<std::vector<T>> gathered(Communicator& world, int group, const T& own, const std::string& what) {
  std::vector<T> all(world.members(group).size());
  JINX_TRY(world.run({.op = Op::kAllGather, .dtype = DType::kU8, .count = sizeof(T), .group = group, .name = what},
                     &own, all.data()));
  return all;
}

/// "rank 5: …" of the first member that has a reason; empty where none has.
template <typename T, typename ReasonOf>
std::string firstReason(std::span<const int> ranks, const std::vector<T>& all, ReasonOf reasonOf) {
  for (size_t i = 0; i < all.size(); ++i)
    if (const Reason& why = reasonOf(all[i]); !why.isNone())
      return "rank " + std::to_string(ranks[i]) + ": " + why.text.data();
  return "";
}

} // namespace

/// "rank 1: takes 0 bytes, rank 0 524288"; empty where all take the same.
std::string PeerReduce::difference(std::span<const int> ranks, std::span<const Offer> offers) {
  for (size_t i = 1; i < offers.size(); ++i)
    if (offers[i].mostBytes != offers[0].mostBytes)
      return "rank " + std::to_string(ranks[i]) + ": takes " + std::to_string(offers[i].mostBytes) + " bytes, rank " +
             std::to_string(ranks[0]) + " " + std::to_string(offers[0].mostBytes);
  return "";
}

/// Where members do not meet any more, others may be opening this rank's memory, now or later: it stays.
Status PeerReduce::left(std::unique_ptr<PeerReduce> made, Status why) {
  if (made->own_) (void)made.release();
  return why;
}

int64_t usualPeerBytes(int ranks) {
  constexpr int64_t kOfTwo = 512 << 10;   // measured (decision 0054)
  constexpr uint64_t kPushed = 128 << 10; // by a rank of more than two: a guess
  if (ranks <= 2) return ranks == 2 ? kOfTwo : 0;
  return static_cast<int64_t>(std::bit_floor(kPushed / static_cast<uint64_t>(ranks - 1)));
}

int64_t peerMemoryBytes(int ranks, int64_t mostBytes) {
  return kRooms * (ranks - 1) * 2 * partsOf(mostBytes).blockUnits * kPairBytes;
}

// ---- opening ----

Expected<PeerReduce::Opened> PeerReduce::open(Communicator& world, int group, std::shared_ptr<Device> device,
                                              const PeerReduceOptions& options) {
  const std::span<const int> ranks = world.members(group);
  const int n = static_cast<int>(ranks.size());
  if (n < 2 || n > kMostRanks)
    return Opened{nullptr,
                  "the group has " + std::to_string(n) + " ranks, expected 2 to " + std::to_string(kMostRanks)};
  const int place = static_cast<int>(std::ranges::find(ranks, world.rank()) - ranks.begin());
  const int64_t mostBytes = options.mostBytes == PeerReduceOptions::kUsual ? usualPeerBytes(n) : options.mostBytes;
  std::unique_ptr<PeerReduce> made(new PeerReduce(std::move(device), n, place, mostBytes));
  const std::string what = "reaching the memory of " + ranksText(ranks);

  Offer own{.name = {}, .mostBytes = mostBytes, .why = {}};
  if (mostBytes <= 0) own.why.set("it is turned off");
  if (mostBytes > 0)
    if (Status ready = made->prepare(); !ready.isOk()) own.why.set(ready.message());
  if (made->own_ && own.why.isNone()) {
    auto name = made->device_->nameOf(*made->own_);
    if (name) own.name = *name;
    if (!name) own.why.set(name.status().message());
  }
  const auto offers = gathered(world, group, own, what);
  if (!offers) return left(std::move(made), offers.status());
  std::string why = firstReason(ranks, *offers, [](const Offer& offer) -> const Reason& { return offer.why; });
  if (why.empty()) why = difference(ranks, *offers);
  if (!why.empty()) return Opened{nullptr, why};

  Reason unreached;
  if (Status reached = made->reach(*offers); !reached.isOk()) unreached.set(reached.message());
  const auto answers = gathered(world, group, unreached, what);
  if (!answers) return left(std::move(made), answers.status());
  why = firstReason(ranks, *answers, [](const Reason& reason) -> const Reason& { return reason; });
  if (!why.empty()) return Opened{nullptr, why};
  return Opened{std::move(made), ""};
}

/// Opens the others' memory.
Status PeerReduce::reach(std::span<const Offer> offers) {
  others_.resize(offers.size());
  for (size_t i = 0; i < offers.size(); ++i) {
    table_.memory[i] = own_->data();
    if (static_cast<int>(i) == table_.rank) continue;
    JINX_TRY_ASSIGN(others_[i], device_->openPeerMemory(offers[i].name));
    table_.memory[i] = others_[i]->data();
  }
  return Status::ok();
}

/// This rank's part: kernels, its memory, which is written by nobody yet.
Status PeerReduce::prepare() {
  JINX_TRY_ASSIGN(const auto plan, planOf(table_.ranks));
  const auto bytes = static_cast<size_t>(peerMemoryBytes(table_.ranks, mostBytes_));
  JINX_TRY_ASSIGN(own_, device_->allocatePeerMemory(bytes));
  JINX_TRY_ASSIGN(module_, device_->loadModule(plan));
  JINX_TRY_ASSIGN(beside_, device_->createStream());
  JINX_TRY_ASSIGN(eager_.end, device_->createEvent());
  JINX_TRY_ASSIGN(recorded_.end, device_->createEvent());
  JINX_TRY_ASSIGN(void* one, device_->allocateHost(sizeof(uint32_t)));
  one_ = static_cast<uint32_t*>(one);
  *one_ = 1;
  JINX_TRY_ASSIGN(void* state, device_->allocate(kStateBytes));
  table_.state = static_cast<uint32_t*>(state);
  table_.own = own_->data();
  table_.roomUnits = partsOf(mostBytes_).blockUnits;
  JINX_TRY(device_->clear(state, kStateBytes, *beside_));
  JINX_TRY(device_->clear(own_->data(), bytes, *beside_));
  return beside_->synchronize();
}

Status PeerReduce::countFrom(uint32_t calls) {
  const std::vector<uint32_t> counters(kRooms, calls);
  JINX_TRY(
      device_->copyToDevice(table_.state + kFirstCounter, counters.data(), counters.size() * sizeof(uint32_t), *beside_));
  return beside_->synchronize();
}

PeerReduce::~PeerReduce() {
  if (table_.state) device_->release(table_.state, kStateBytes);
  if (one_) device_->releaseHost(one_, sizeof(uint32_t));
}

// ---- calls ----

bool PeerReduce::takes(const Call& call) const {
  const int64_t bytes = packedBytes(call.dtype, call.count);
  return call.op == Op::kAllReduce && bytes > 0 && bytes <= mostBytes_ &&
         std::ranges::any_of(kTypes, [&](const Type& type) { return type.dtype == call.dtype; });
}

Status PeerReduce::enqueue(const Call& call, const void* in, void* out, Stream& stream) {
  static_assert(static_cast<int>(Reduction::kSum) == 0 && static_cast<int>(Reduction::kProd) == 1 &&
                static_cast<int>(Reduction::kMax) == 2 && static_cast<int>(Reduction::kMin) == 3); // in all_reduce.cuh
  const auto type = std::ranges::find(kTypes, call.dtype, &Type::dtype) - std::begin(kTypes);
  const int64_t bytes = packedBytes(call.dtype, call.count);
  const Parts parts = partsOf(bytes);
  // Launches want buffers at a boundary; an operand may begin behind one.
  auto offsetOf = [](const void* p) { return static_cast<int64_t>(reinterpret_cast<uintptr_t>(p) % kBoundary); };
  const int64_t sizes[] = {offsetOf(in), offsetOf(out), bytes, parts.blockUnits, static_cast<int64_t>(call.reduction)};
  void* const buffers[] = {static_cast<char*>(const_cast<void*>(in)) - sizes[0], static_cast<char*>(out) - sizes[1]};
  KernelLaunch launch;
  JINX_TRY_ASSIGN(launch.kernel, module_->kernel(static_cast<uint32_t>(type)));
  launch.buffers = buffers;
  launch.sizes = sizes;
  launch.programs = parts.blocks;
  return enqueue(call, launch, stream);
}

/// A program has whole rooms of its own.
bool PeerReduce::fuses(const Call& call, int64_t programs) const {
  const bool isSum = call.op == Op::kAllReduce && call.reduction == Reduction::kSum;
  const bool isSummed = call.dtype == DType::kF32 || call.dtype == DType::kF16 || call.dtype == DType::kBF16;
  const int64_t bytes = packedBytes(call.dtype, call.count);
  if (!isSum || !isSummed || programs <= 0 || bytes % programs != 0) return false;
  const int64_t rooms = ceilDiv(bytes / programs, table_.roomUnits * kUnitBytes);
  return bytes > 0 && bytes <= kFusedMore * mostBytes_ && programs <= kRooms / rooms;
}

Status PeerReduce::enqueue(const Call& call, KernelLaunch launch, Stream& stream) {
  launch.peers = &table_;
  Order& order = isRecording_ ? recorded_ : eager_;
  JINX_TRY(follow(order, stream));
  JINX_TRY(device_->launch(launch, stream), identify(call));
  return lead(order, stream);
}

void PeerReduce::beginRecording() {
  isRecording_ = true;
  recorded_.stream = nullptr;
}

Status PeerReduce::follow(const Order& order, Stream& stream) {
  return order.stream && order.stream != &stream ? order.end->wait(stream) : Status::ok();
}

Status PeerReduce::lead(Order& order, Stream& stream) {
  order.stream = &stream;
  return order.end->record(stream);
}

Status PeerReduce::stop() { return device_->copyToDevice(table_.state, one_, sizeof(uint32_t), *beside_); }

} // namespace jinx::comm
