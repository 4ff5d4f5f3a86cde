// Sessions over hand-built plans, with a few host operators of their own and a device that hides its memory.
#pragma once

#include <sys/mman.h>

#include "runtime/device/CpuDevice.h"
#include "runtime/executor/Executor.h"
#include "tests/unit/runtime/TestPlan.h"

namespace jinx::test {

/// Returns its first input itself, as Identity may.
inline Status firstOp(HostOpCall& call) {
  if (call.inputs.empty()) return call.error("got no inputs, expected one");
  call.outputs[0] = call.inputs[0];
  return Status::ok();
}
inline Status negateOp(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  Tensor y = Tensor::make(x.dtype(), x.shape());
  for (int64_t i = 0; i < x.size(); ++i)
    y.setDouble(i, -x.getDouble(i));
  call.outputs[0] = y;
  return Status::ok();
}
/// Input 0 repeated until it fills the shape of input 1.
inline Status tileOp(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor w, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor like, call.tensor(1));
  Tensor y = Tensor::make(w.dtype(), like.shape());
  for (int64_t i = 0; i < y.size(); ++i)
    y.setDouble(i, w.getDouble(i % w.size()));
  call.outputs[0] = y;
  return Status::ok();
}
/// The elements that are not zero.
inline Status compressOp(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  std::vector<float> kept;
  for (int64_t i = 0; i < x.size(); ++i)
    if (x.getDouble(i) != 0) kept.push_back(static_cast<float>(x.getDouble(i)));
  call.outputs[0] = floats({static_cast<int64_t>(kept.size())}, kept);
  return Status::ok();
}
inline Status addOp(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor a, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor b, call.tensor(1));
  Tensor y = Tensor::make(a.dtype(), a.shape());
  for (int64_t i = 0; i < a.size(); ++i)
    y.setDouble(i, a.getDouble(i) + b.getDouble(b.size() == 1 ? 0 : i));
  call.outputs[0] = y;
  return Status::ok();
}
inline Status lessOp(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor a, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor b, call.tensor(1));
  call.outputs[0] = Tensor::scalarInt(a.getDouble(0) < b.getDouble(0), DType::kBool);
  return Status::ok();
}
/// Two tensors as a sequence.
inline Status pairOp(HostOpCall& call) {
  if (call.inputs.size() < 2) return call.error("got fewer than two inputs");
  auto s = std::make_shared<Sequence>();
  s->items = {call.inputs[0], call.inputs[1]};
  call.outputs[0] = s;
  return Status::ok();
}
/// Both of rank 1, one after the other.
inline Status concatOp(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor a, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor b, call.tensor(1));
  Tensor y = Tensor::make(a.dtype(), {a.size() + b.size()});
  for (int64_t i = 0; i < y.size(); ++i)
    y.setDouble(i, i < a.size() ? a.getDouble(i) : b.getDouble(i - a.size()));
  call.outputs[0] = y;
  return Status::ok();
}
inline Status failOp(HostOpCall& call) { return call.error("cannot do this"); }
inline Status exhaustOp(HostOpCall&) { throw std::bad_alloc(); }

inline SessionOptions testOptions() {
  static constexpr HostOpEntry kOps[] = {
      {"", "test.First", 1, firstOp},       {"", "test.Negate", 1, negateOp}, {"", "test.Tile", 1, tileOp},
      {"", "test.Compress", 1, compressOp}, {"", "test.Add", 1, addOp},       {"", "test.Less", 1, lessOp},
      {"", "test.Pair", 1, pairOp},         {"", "test.Concat", 1, concatOp}, {"", "test.Fail", 1, failOp},
      {"", "test.Exhaust", 1, exhaustOp},
  };
  auto table = std::make_shared<HostOpTable>();
  table->add(kOps);
  SessionOptions options;
  options.hostOps = table;
  options.parallelWork = 16;
  return options;
}

inline std::unique_ptr<Session> makeSession(TestPlan& t, DeviceOptions options = {.threads = 1}) {
  Expected<std::unique_ptr<Device>> device = makeDevice("cpu", options);
  EXPECT_TRUE(device.isOk());
  Expected<std::unique_ptr<Session>> session = Session::create(t.finish(), std::move(*device), testOptions());
  EXPECT_TRUE(session.isOk()) << session.status().message();
  return session ? std::move(*session) : nullptr;
}

/// A CPU device that does not admit that its memory is the host's, and makes it unreadable outside copies and launches:
/// what touches device memory from the host crashes.
class SeparateDevice final : public Device {
 public:
  explicit SeparateDevice(const DeviceOptions& options) : cpu_(options) {
    pool_ = static_cast<std::byte*>(mmap(nullptr, kPoolBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  }
  ~SeparateDevice() override { munmap(pool_, kPoolBytes); }
  int failIn = 0;     ///< counts down; the allocation that reaches 0 fails
  int failCopyIn = 0; ///< … the copy to the device
  bool hasGraphs = false;
  int recordings = 0, replays = 0;
  std::vector<const void*> launched; ///< buffers of all launches
  std::string_view name() const override { return "separate"; }
  std::string description() const override { return "test device"; }
  std::span<const std::string_view> capabilities() const override {
    static constexpr std::string_view kAll[] = {capability::kGraphs};
    return std::span(kAll).first(hasGraphs ? 1 : 0);
  }
  Expected<void*> allocate(size_t sizeBytes) override {
    if (failIn > 0 && --failIn == 0) return resourceError("injected failure");
    if (sizeBytes > kPoolBytes || used_ + sizeBytes > kPoolBytes) return resourceError("test device is full");
    void* block = pool_ + used_;
    used_ += static_cast<size_t>(alignUp(static_cast<int64_t>(sizeBytes), kDeviceAlignment) + kDeviceAlignment); // a gap is behind it
    return block;
  }
  void release(void*, size_t) noexcept override {}
  Expected<std::unique_ptr<Stream>> createStream() override { return cpu_.createStream(); }
  Expected<std::unique_ptr<Event>> createEvent() override { return cpu_.createEvent(); }
  Status copyToDevice(void* d, const void* h, size_t n, Stream& s) override {
    if (failCopyIn > 0 && --failCopyIn == 0) return internalError("injected failure");
    Open open(*this);
    return cpu_.copyToDevice(d, h, n, s);
  }
  Status copyToHost(void* h, const void* d, size_t n, Stream& s) override {
    Open open(*this);
    return cpu_.copyToHost(h, d, n, s);
  }
  Status copyOnDevice(void* t, const void* f, size_t n, Stream& s) override {
    Open open(*this);
    return cpu_.copyOnDevice(t, f, n, s);
  }
  Status clear(void* d, size_t n, Stream& s) override {
    Open open(*this);
    return cpu_.clear(d, n, s);
  }
  Expected<std::unique_ptr<Module>> loadModule(std::shared_ptr<const PlanFile> plan) override {
    return cpu_.loadModule(plan);
  }
  Status prepare(const KernelLaunch& launch) override { return cpu_.prepare(launch); }
  Status launch(const KernelLaunch& launch, Stream& s) override {
    for (void* b : launch.buffers)
      if (b < pool_ || b >= pool_ + kPoolBytes) return internalError("launch on host memory");
    launched.insert(launched.end(), launch.buffers.begin(), launch.buffers.end());
    if (graph_) {
      graph_->launches.push_back({launch, {launch.buffers.begin(), launch.buffers.end()}, {launch.sizes.begin(), launch.sizes.end()}});
      return Status::ok();
    }
    Open open(*this);
    return cpu_.launch(launch, s);
  }
  Status beginCapture(Stream&) override {
    graph_ = std::make_unique<Graph>();
    return Status::ok();
  }
  Expected<std::unique_ptr<LaunchGraph>> endCapture(Stream&) override {
    ++recordings;
    return std::unique_ptr<LaunchGraph>(std::move(graph_));
  }
  Status replay(const LaunchGraph& graph, Stream& s) override {
    ++replays;
    Open open(*this);
    for (const Graph::Kept& kept : static_cast<const Graph&>(graph).launches) {
      KernelLaunch launch = kept.launch;
      launch.buffers = kept.buffers;
      launch.sizes = kept.sizes;
      JINX_TRY(cpu_.launch(launch, s));
    }
    return Status::ok();
  }

 private:
  struct Graph : LaunchGraph {
    struct Kept {
      KernelLaunch launch;
      std::vector<void*> buffers;
      std::vector<int64_t> sizes;
    };
    std::vector<Kept> launches;
  };
  static constexpr size_t kPoolBytes = 1 << 20;
  struct Open {
    explicit Open(SeparateDevice& d) : device(d) { mprotect(d.pool_, kPoolBytes, PROT_READ | PROT_WRITE); }
    ~Open() { mprotect(device.pool_, kPoolBytes, PROT_NONE); }
    SeparateDevice& device;
  };
  CpuDevice cpu_;
  std::byte* pool_;
  size_t used_ = 0;
  std::unique_ptr<Graph> graph_; ///< that is being recorded
};

} // namespace jinx::test
