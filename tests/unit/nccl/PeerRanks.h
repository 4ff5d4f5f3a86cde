// Ranks of a test of peers' memory: emulated devices, a thread each, and what runs on them.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "runtime/comm/Calls.h"
#include "runtime/comm/peers/PeerReduce.h"
#include "runtime/device/emulated/EmulatedDevice.h"
#include "tests/unit/comm/Cases.h"
#include "tests/unit/comm/Ranks.h"
#include "tests/unit/nccl/Peers.h"

namespace jinx::comm::test {

using Bytes = std::vector<std::byte>;

inline std::shared_ptr<Device> emulatedDevice(const std::map<std::string, std::string>& extra = {}) {
  DeviceOptions options{.threads = 1};
  options.extra = extra;
  return std::move(*emulated::makeEmulatedDevice(options));
}

/// One rank of a test: its device, and all_reduces over peers' memory.
class Peer {
 public:
  Peer(Communicator& world, std::shared_ptr<Device> device, std::unique_ptr<PeerReduce> reduce)
      : world_(world), device_(std::move(device)), reduce_(std::move(reduce)),
        stream_(std::move(*device_->createStream())) {}
  ~Peer() {
    for (void* block : blocks_)
      device_->release(block, kBlock);
  }

  Communicator& world() { return world_; }
  int rank() const { return world_.rank(); }
  int size() const { return world_.size(); }
  Device& device() { return *device_; }
  PeerReduce& reduce() { return *reduce_; }
  Stream& stream() { return *stream_; }
  /// Room for an operand, until the end.
  std::byte* allocate() {
    blocks_.push_back(*device_->allocate(kBlock));
    return static_cast<std::byte*>(blocks_.back());
  }
  void write(void* to, const Bytes& from) { (void)device_->copyToDevice(to, from.data(), from.size(), *stream_); }
  Bytes read(const void* from, size_t bytes) {
    Bytes to(bytes);
    (void)device_->copyToHost(to.data(), from, bytes, *stream_);
    return to;
  }
  /// What all ranks draw for a call, by rank.
  std::vector<Bytes> inputsOf(const Call& call, Values values) const {
    std::vector<Bytes> inputs;
    for (int rank = 0; rank < size(); ++rank)
      inputs.push_back(valuesOf(call.dtype, call.count, values,
                                mix(static_cast<uint64_t>(call.sequence), static_cast<uint64_t>(rank))));
    return inputs;
  }

  /// What is wrong with the call's result. Operands begin `offset` elements behind a boundary, and nothing around the
  /// result changes.
  std::string judge(const Call& call, Values values, bool inPlace, int offset) {
    const std::vector<Bytes> inputs = inputsOf(call, values);
    const auto skipped = static_cast<size_t>(packedBytes(call.dtype, offset)), bytes = inputs[0].size();
    const Bytes around(bytes + skipped + 64, std::byte{0xa5});
    if (!in_) in_ = allocate(), out_ = allocate();
    std::byte *const in = in_ + skipped, *const whole = inPlace ? in_ : out_, *const out = whole + skipped;
    write(whole, around);
    write(in, inputs[static_cast<size_t>(rank())]);
    if (Status status = reduce_->enqueue(call, in, out, *stream_); !status.isOk()) return status.message();
    Bytes got = read(whole, around.size());
    const Bytes result(got.begin() + static_cast<int64_t>(skipped),
                       got.begin() + static_cast<int64_t>(skipped + bytes));
    std::string wrong =
        compare(call.dtype, result, reduced(call.reduction, call.dtype, inputs, call.count), call.count);
    std::fill_n(got.begin() + static_cast<int64_t>(skipped), bytes, std::byte{0xa5});
    if (wrong.empty() && got != around) wrong = "bytes around the result have changed";
    return wrong.empty() ? ""
                         : identify(call) + (inPlace ? ", in place, " : ", ") + std::to_string(offset) +
                               " elements behind a boundary: " + wrong;
  }

 private:
  static constexpr size_t kBlock = 1 << 20;
  Communicator& world_;
  std::shared_ptr<Device> device_;
  std::unique_ptr<PeerReduce> reduce_;
  std::unique_ptr<Stream> stream_;
  std::vector<void*> blocks_;
  std::byte *in_ = nullptr, *out_ = nullptr;
};

/// Stops the kernels of all ranks when one has failed, or when it takes too long: or a test that is wrong would not
/// end.
class Guard {
 public:
  Guard() : thread_([this] { watch(); }) {}
  ~Guard() {
    isOver_ = true;
    thread_.join();
  }
  void add(PeerReduce& reduce) {
    std::lock_guard lock(mutex_);
    all_.push_back(&reduce);
  }
  void forget(PeerReduce& reduce) {
    std::lock_guard lock(mutex_);
    std::erase(all_, &reduce);
  }
  void failed() { hasFailed_ = true; }

 private:
  void watch() {
    const auto end = Clock::now() + std::chrono::minutes(1);
    for (; !isOver_; std::this_thread::sleep_for(std::chrono::milliseconds(5))) {
      if (!hasFailed_ && Clock::now() < end) continue;
      std::lock_guard lock(mutex_);
      for (PeerReduce* reduce : all_)
        (void)reduce->stop();
    }
  }
  using Clock = std::chrono::steady_clock;
  std::mutex mutex_;
  std::vector<PeerReduce*> all_;
  std::atomic<bool> isOver_{false}, hasFailed_{false};
  std::thread thread_;
};

/// What each rank says; each runs `body` once all can reach all.
inline std::vector<std::string> onEveryPeer(int size, const PeerReduceOptions& options,
                                            const std::function<std::string(Peer&)>& body) {
  Guard guard;
  return onEveryRank(size, kPatient, [&](Communicator& world) -> std::string {
    const std::shared_ptr<Device> device = emulatedDevice({{"seed", std::to_string(17 * world.rank())}});
    auto opened = PeerReduce::open(world, 0, device, options);
    if (!opened) return opened.status().message();
    if (!opened->reduce) return opened->why;
    guard.add(*opened->reduce);
    Peer peer(world, device, std::move(opened->reduce));
    std::string wrong = body(peer);
    if (!wrong.empty()) {
      guard.failed();
      world.abort(internalError(wrong));
    }
    guard.forget(peer.reduce());
    return wrong;
  });
}

} // namespace jinx::comm::test
