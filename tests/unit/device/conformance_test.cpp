// What every device must do, whatever it is: the same tests over the CPU, emulated CUDA and a GPU where there is one. What is asked only
// of some is asked by capability.
#include <gtest/gtest.h>

#include <numeric>

#include "runtime/device/CpuDevice.h"
#include "runtime/device/cuda/Nvrtc.h"
#include "runtime/device/emulated/EmulatedDevice.h"
#include "runtime/executor/Executor.h"
#include "runtime/executor/Trace.h"
#include "tests/unit/runtime/TestPlan.h"

namespace jinx {
namespace {

using namespace jinx::test;

constexpr int64_t kBlock = 128; // programs of the CPU's kernel are such blocks, too

/// z = x + y, of [n].
void addOnCpu(void* const* buffers, const int64_t* sizes, int64_t begin, int64_t end, void*) {
  auto *x = static_cast<const float*>(buffers[0]), *y = static_cast<const float*>(buffers[1]);
  auto* z = static_cast<float*>(buffers[2]);
  for (int64_t i = begin * kBlock; i < std::min(end * kBlock, sizes[0]); ++i)
    z[i] = x[i] + y[i];
}
constexpr const char* kAddText = R"(
extern "C" __global__ void __launch_bounds__(128) add(const float* __restrict__ x, const float* __restrict__ y, float* __restrict__ z, long n) {
  const long i = blockIdx.x * 128l + threadIdx.x;
  if (i < n) z[i] = x[i] + y[i];
}
)";

Expected<std::unique_ptr<Device>> makeNamed(const std::string& name) {
  DeviceRegistry devices = DeviceRegistry::standard();
  devices.add("emulated", emulated::makeEmulatedDevice);
  DeviceOptions options;
  options.threads = 2;
  options.kernels["add"] = addOnCpu;
  return devices.make(name, options);
}

/// The kernel `add`, for the CPU by name and as CUDA text. \param shared  bytes of shared memory, a formula of a0 = n
void addKernel(TestPlan& t, const std::string& shared = "0") {
  t.kernel("add", 3, 1);
  plan::Kernel& kernel = *t.p.mutable_kernels(0);
  kernel.add_grid("(a0 + 127) floordiv 128");
  kernel.set_block_threads(kBlock);
  kernel.set_shared_bytes(shared);
  t.code("cuda:sm_90a", "cuda", std::string(kAddText));
}
std::shared_ptr<const PlanFile> addPlan(const std::string& shared = "0") {
  TestPlan t;
  addKernel(t, shared);
  return t.finish();
}

class DeviceConformance : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
    if (GetParam() == std::string("emulated")) GTEST_SKIP() << "ThreadSanitizer crashes on the stacks of the emulator's fibres";
#endif
#endif
    auto made = makeNamed(GetParam());
    if (!made && GetParam() == std::string("cuda")) GTEST_SKIP() << made.status().message();
    ASSERT_TRUE(made.isOk()) << made.status().message();
    device = std::move(*made);
    stream = take(device->createStream());
  }
  void TearDown() override {
    for (auto [block, bytes] : blocks)
      device->release(block, bytes);
  }

  void* allocate(size_t bytes) {
    void* block = take(device->allocate(bytes));
    blocks.push_back({block, bytes});
    return block;
  }
  void* upload(const std::vector<float>& values) {
    void* block = allocate(values.size() * 4);
    EXPECT_TRUE(device->copyToDevice(block, values.data(), values.size() * 4, *stream).isOk());
    EXPECT_TRUE(stream->synchronize().isOk());
    return block;
  }
  std::vector<float> download(const void* block, size_t count, Stream& from) {
    std::vector<float> values(count);
    EXPECT_TRUE(device->copyToHost(values.data(), block, count * 4, from).isOk());
    EXPECT_TRUE(from.synchronize().isOk());
    return values;
  }
  std::vector<float> download(const void* block, size_t count) { return download(block, count, *stream); }

  /// The module of `plan`; null, and the test failed, where there is none.
  std::unique_ptr<Module> load(std::shared_ptr<const PlanFile> plan) {
    auto module = device->loadModule(std::move(plan));
    EXPECT_TRUE(module.isOk()) << module.status().message();
    return module.isOk() ? std::move(*module) : nullptr;
  }
  struct Add {
    void* buffers[3];
    int64_t sizes[1];
    KernelLaunch launch;
    Add(const Module& module, void* x, void* y, void* z, int64_t n) : buffers{x, y, z}, sizes{n} {
      launch.kernel = *module.kernel(0);
      launch.buffers = buffers;
      launch.sizes = sizes;
      launch.programs = (n + kBlock - 1) / kBlock;
    }
  };
  Status run(const KernelLaunch& launch, Stream& on) {
    JINX_TRY(device->prepare(launch));
    return device->launch(launch, on);
  }
  Status run(const KernelLaunch& launch) { return run(launch, *stream); }

  std::unique_ptr<Device> device;
  std::unique_ptr<Stream> stream;
  std::vector<std::pair<void*, size_t>> blocks;
};

std::vector<float> ramp(size_t count, float from) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), from);
  return values;
}

TEST_P(DeviceConformance, SaysWhatItIs) {
  EXPECT_EQ(device->name().substr(0, std::string(GetParam()).size()), GetParam());
  EXPECT_FALSE(device->description().empty());
}

/// Memory that another device of the process has open is one memory, as long as either has it.
TEST_P(DeviceConformance, PeersReachOneMemory) {
  auto own = device->allocatePeerMemory(4096);
  if (GetParam() == std::string("cpu")) {
    EXPECT_EQ(own.status().message(), "cpu has no memory that other devices reach");
    EXPECT_EQ(device->openPeerMemory({}).status().code(), Code::kUnimplemented);
    return;
  }
  std::unique_ptr<PeerMemory> memory = take(std::move(own));
  EXPECT_GE(memory->sizeBytes(), 4096u);
  const PeerMemoryName name = take(device->nameOf(*memory));
  std::unique_ptr<Device> other = take(makeNamed(GetParam()));
  std::unique_ptr<Stream> others = take(other->createStream());
  std::unique_ptr<PeerMemory> opened = take(other->openPeerMemory(name));
  const std::vector<float> values = ramp(1024, 3);
  ASSERT_TRUE(other->copyToDevice(opened->data(), values.data(), 4096, *others).isOk());
  ASSERT_TRUE(others->synchronize().isOk());
  EXPECT_EQ(download(memory->data(), 1024), values);
  memory.reset();
  std::vector<float> kept(1024);
  ASSERT_TRUE(other->copyToHost(kept.data(), opened->data(), 4096, *others).isOk());
  ASSERT_TRUE(others->synchronize().isOk());
  EXPECT_EQ(kept, values);
}

TEST_P(DeviceConformance, MemoryOfOthersIsRefused) {
  if (GetParam() == std::string("cpu")) GTEST_SKIP() << "has none";
  EXPECT_EQ(device->openPeerMemory({}).status().code(), Code::kUnimplemented);
  if (GetParam() != std::string("emulated")) return;
  std::unique_ptr<PeerMemory> memory = take(device->allocatePeerMemory(64));
  PeerMemoryName name = take(device->nameOf(*memory));
  name.bytes[8] ^= std::byte{1}; // of the process that has named it
  EXPECT_EQ(device->openPeerMemory(name).status().message(), "emulated devices reach each other's memory within one process only");
}

TEST_P(DeviceConformance, CopiesKeepEveryByte) {
  for (size_t bytes : {size_t{0}, size_t{1}, size_t{63}, size_t{4099}}) {
    std::vector<unsigned char> in(bytes), out(bytes, 0xAA);
    for (size_t i = 0; i < bytes; ++i)
      in[i] = static_cast<unsigned char>(i * 37);
    void *a = allocate(bytes), *b = allocate(bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(a) % 64, 0u);
    ASSERT_TRUE(device->copyToDevice(a, in.data(), bytes, *stream).isOk());
    ASSERT_TRUE(device->copyOnDevice(b, a, bytes, *stream).isOk());
    ASSERT_TRUE(device->copyToHost(out.data(), b, bytes, *stream).isOk());
    ASSERT_TRUE(stream->synchronize().isOk());
    EXPECT_EQ(in, out);
  }
}

TEST_P(DeviceConformance, ClearsAsManyBytesAsAsked) {
  for (size_t bytes : {size_t{0}, size_t{1}, size_t{63}, size_t{4099}}) {
    std::vector<unsigned char> in(bytes + 1, 0x5A), out(bytes + 1, 0xAA), expected(bytes + 1, 0);
    expected.back() = 0x5A;
    void* a = allocate(bytes + 1);
    ASSERT_TRUE(device->copyToDevice(a, in.data(), bytes + 1, *stream).isOk());
    ASSERT_TRUE(device->clear(a, bytes, *stream).isOk());
    ASSERT_TRUE(device->copyToHost(out.data(), a, bytes + 1, *stream).isOk());
    ASSERT_TRUE(stream->synchronize().isOk());
    EXPECT_EQ(out, expected);
  }
}

TEST_P(DeviceConformance, RunsOutOfMemoryWithAnErrorAndGoesOn) {
  auto all = device->allocate(size_t{1} << 50);
  ASSERT_FALSE(all.isOk());
  EXPECT_EQ(all.status().code(), Code::kResource) << all.status().message();
  EXPECT_EQ(download(upload({1, 2, 3}), 3), (std::vector<float>{1, 2, 3}));
}

TEST_P(DeviceConformance, EventsKeepTime) {
  auto before = take(device->createEvent()), after = take(device->createEvent());
  ASSERT_TRUE(before->record(*stream).isOk());
  upload(ramp(1000, 0));
  ASSERT_TRUE(after->record(*stream).isOk());
  ASSERT_TRUE(after->synchronize().isOk());
  auto ms = after->millisecondsSince(*before);
  ASSERT_TRUE(ms.isOk()) << ms.status().message();
  EXPECT_GE(*ms, 0);
  EXPECT_LT(*ms, 60e3);
}

TEST_P(DeviceConformance, LaunchesReachEveryElementAndNoOther) {
  auto module = load(addPlan());
  ASSERT_TRUE(module);
  for (int64_t n : {0, 1, 127, 128, 129, 10000}) {
    const size_t count = static_cast<size_t>(n);
    void *x = upload(ramp(count, 1)), *y = upload(ramp(count, 100)), *z = upload(std::vector<float>(count + 8, -1));
    Add add(*module, x, y, z, n);
    Status status = run(add.launch);
    ASSERT_TRUE(status.isOk()) << status.message();
    std::vector<float> got = download(z, count + 8);
    for (size_t i = 0; i < count + 8; ++i)
      ASSERT_EQ(got[i], i < count ? static_cast<float>(2 * i + 101) : -1) << "element " << i << " of " << n;
  }
}

TEST_P(DeviceConformance, WorkOfAStreamIsInOrder) {
  auto module = load(addPlan());
  ASSERT_TRUE(module);
  void *x = upload({1}), *y = upload({1}), *z = upload({0});
  Add there(*module, x, y, z, 1), back(*module, z, y, x, 1);
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(run(there.launch).isOk());
    ASSERT_TRUE(run(back.launch).isOk());
  }
  EXPECT_EQ(download(x, 1)[0], 41);
}

TEST_P(DeviceConformance, AnEventOrdersStreams) {
  auto module = load(addPlan());
  ASSERT_TRUE(module);
  const size_t n = 50000;
  auto other = take(device->createStream());
  auto done = take(device->createEvent());
  void *x = upload(ramp(n, 0)), *y = upload(ramp(n, 0)), *z = upload(std::vector<float>(n)), *w = upload(std::vector<float>(n));
  Add first(*module, x, y, z, n), second(*module, z, y, w, n);
  ASSERT_TRUE(run(first.launch).isOk());
  ASSERT_TRUE(done->record(*stream).isOk());
  ASSERT_TRUE(done->wait(*other).isOk());
  ASSERT_TRUE(run(second.launch, *other).isOk());
  EXPECT_EQ(download(w, n, *other)[n - 1], 3 * static_cast<float>(n - 1));
}

TEST_P(DeviceConformance, ALaunchIsTraced) {
  auto module = load(addPlan());
  ASSERT_TRUE(module);
  void *x = upload({1}), *y = upload({2}), *z = upload({0});
  Add add(*module, x, y, z, 1);
  Trace trace;
  add.launch.trace = &trace;
  add.launch.step = 7;
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(run(add.launch).isOk());
  ASSERT_TRUE(stream->synchronize().isOk());
  auto timings = trace.timings();
  ASSERT_EQ(timings.size(), 1u);
  EXPECT_EQ(timings[0].step, 7u);
  EXPECT_EQ(timings[0].count, 3);
  EXPECT_GT(timings[0].totalMs, 0);
  EXPECT_EQ(download(z, 1)[0], 3);
}

TEST_P(DeviceConformance, RecordedLaunchesRunWhenReplayed) {
  if (!device->has(capability::kGraphs)) GTEST_SKIP() << "records no launches";
  auto module = load(addPlan("a0 * 64"));
  ASSERT_TRUE(module);
  void *x = upload({1}), *y = upload({1}), *z = upload({0});
  std::unique_ptr<LaunchGraph> graph;
  {
    Add there(*module, x, y, z, 1), back(*module, z, y, x, 1); // what they point to is gone at replay
    ASSERT_TRUE(device->beginCapture(*stream).isOk());
    ASSERT_TRUE(run(there.launch).isOk());
    ASSERT_TRUE(run(back.launch).isOk());
    graph = take(device->endCapture(*stream));
  }
  EXPECT_EQ(download(x, 1)[0], 1) << "recording runs nothing";
  for (int i = 0; i < 5; ++i)
    ASSERT_TRUE(device->replay(*graph, *stream).isOk());
  EXPECT_EQ(download(x, 1)[0], 11);
  // A launch that cannot be ends in an error, and the stream goes on.
  Add large(*module, x, y, z, 100000), small(*module, x, y, z, 1);
  ASSERT_TRUE(device->beginCapture(*stream).isOk());
  EXPECT_EQ(device->launch(large.launch, *stream).code(), Code::kUnimplemented);
  (void)device->endCapture(*stream);
  ASSERT_TRUE(run(small.launch).isOk());
  EXPECT_EQ(download(z, 1)[0], 12);
}

/// A session between device memory and device memory, with a stream of the caller's and without; runs through the host go on beside it.
TEST_P(DeviceConformance, ASessionIsEnqueuedOnDeviceMemory) {
  TestPlan t;
  t.symbol("n", 0, 100000);
  const uint32_t x = t.input("x", {"n"}), y = t.input("y", {"n"}), sum = t.arena("sum", {"n"}), out = t.output("out", {"n"});
  addKernel(t);
  t.launch(0, {x, y}, {sum}, {"n"}, "(n + 127) floordiv 128");
  t.launch(0, {sum, y}, {out}, {"n"}, "(n + 127) floordiv 128");
  std::shared_ptr<Device> own = take(makeNamed(GetParam()));
  auto session = Session::create(t.finish(), own, {});
  ASSERT_TRUE(session.isOk()) << session.status().message();
  auto callers = take(own->wrapStream(nullptr));
  for (int run = 0; run < 6; ++run) {
    const int64_t n = run % 3 == 2 ? 3000 : 300; // the larger one moves the arena
    std::vector<float> a(static_cast<size_t>(n)), b(a.size(), static_cast<float>(run));
    std::iota(a.begin(), a.end(), 0.0f);
    void *da = upload(a), *db = upload(b), *dz = upload(std::vector<float>(a.size(), -1));
    auto wrap = [&](void* data) { return Value(Tensor::wrap(DType::kF32, {n}, data)); };
    std::vector<Value> inputs = {wrap(da), wrap(db)}, outputs = {wrap(dz)};
    Status status = (*session)->enqueue(inputs, outputs, *callers);
    ASSERT_TRUE(status.isOk()) << status.message();
    ASSERT_TRUE(callers->synchronize().isOk());
    for (size_t i = 0; i < a.size(); ++i)
      a[i] += 2 * b[i];
    EXPECT_EQ(download(dz, a.size()), a);
    EXPECT_EQ(download(db, b.size()), b);
    std::vector<Value> onHost = {Tensor::wrap(DType::kF32, {n}, a.data()), Tensor::wrap(DType::kF32, {n}, b.data())}, results(1);
    ASSERT_TRUE((*session)->run(onHost, results).isOk());
    EXPECT_EQ(toFloats(std::get<Tensor>(results[0])).back(), a.back() + 2 * b.back());
  }
}

/// Launches that come again with their addresses are recorded: new values at the same place are seen, other places and sizes are not mixed up.
TEST_P(DeviceConformance, AnEnqueuedSessionRecordsWhatComesAgain) {
  TestPlan t;
  t.symbol("n", 0, 100000);
  const uint32_t x = t.input("x", {"n"}), y = t.input("y", {"n"}), sum = t.arena("sum", {"n"}), out = t.output("out", {"n"}), copied = t.output("copied", {"n"});
  addKernel(t);
  t.launch(0, {x, y}, {sum}, {"n"}, "(n + 127) floordiv 128");
  t.step(0, "copy", {sum}, {copied}).mutable_copy(); // between two runs of launches
  t.launch(0, {sum, y}, {out}, {"n"}, "(n + 127) floordiv 128");
  const std::shared_ptr<Device> kept(device.get(), [](Device*) {}); // whose memory the places are
  auto session = take(Session::create(t.finish(), kept, {.recordsRuns = true}));
  struct Place {
    int64_t n;
    void *x, *y, *copied, *out;
  };
  const auto place = [&](int64_t n) {
    const std::vector<float> some(static_cast<size_t>(n), -1);
    return Place{n, upload(some), upload(some), upload(some), upload(some)};
  };
  const Place places[] = {place(300), place(300), place(3000)}; // the last one moves the arena
  float value = 0;
  for (int at : {0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 2, 0, 0, 0, 0, 2, 2, 2, 2}) {
    const Place& p = places[at];
    const std::vector<float> a(static_cast<size_t>(p.n), ++value), b(a.size(), 100 * value);
    ASSERT_TRUE(device->copyToDevice(p.x, a.data(), a.size() * 4, *stream).isOk());
    ASSERT_TRUE(device->copyToDevice(p.y, b.data(), b.size() * 4, *stream).isOk());
    const auto wrap = [&](void* data) { return Value(Tensor::wrap(DType::kF32, {p.n}, data)); };
    std::vector<Value> inputs = {wrap(p.x), wrap(p.y)}, outputs = {wrap(p.out), wrap(p.copied)};
    const Status status = session->enqueue(inputs, outputs, *stream);
    ASSERT_TRUE(status.isOk()) << status.message();
    ASSERT_TRUE(stream->synchronize().isOk());
    EXPECT_EQ(download(p.copied, a.size()), std::vector<float>(a.size(), 101 * value));
    EXPECT_EQ(download(p.out, a.size()), std::vector<float>(a.size(), 201 * value));
  }
}

/// out = (x + y) + y through an activation, as a session runs it: again and again, with sizes that come back.
TEST_P(DeviceConformance, ASessionRunsTheSameEveryTime) {
  TestPlan t;
  t.symbol("n", 0, 100000);
  const uint32_t x = t.input("x", {"n"}), y = t.input("y", {"n"}), sum = t.arena("sum", {"n"}), out = t.output("out", {"n"});
  addKernel(t);
  t.launch(0, {x, y}, {sum}, {"n"}, "(n + 127) floordiv 128");
  t.launch(0, {sum, y}, {out}, {"n"}, "(n + 127) floordiv 128");
  auto session = Session::create(t.finish(), take(makeNamed(GetParam())), {});
  ASSERT_TRUE(session.isOk()) << session.status().message();
  Trace trace;
  for (int run = 0; run < 12; ++run) {
    const int64_t n = run % 3 == 2 ? 70000 : run == 5 ? 0 : 300; // the larger one moves the arena once
    Tensor a = Tensor::make(DType::kF32, {n}), b = Tensor::make(DType::kF32, {n});
    for (int64_t i = 0; i < n; ++i) {
      a.as<float>()[i] = static_cast<float>(i);
      b.as<float>()[i] = static_cast<float>(run);
    }
    std::vector<Value> inputs = {a, b}, outputs(1);
    Status status = (*session)->run(inputs, outputs, run == 9 ? &trace : nullptr);
    ASSERT_TRUE(status.isOk()) << status.message();
    const Tensor& got = std::get<Tensor>(outputs[0]);
    ASSERT_EQ(got.shape(), Shape{n});
    for (int64_t i = 0; i < n; ++i)
      ASSERT_EQ(got.as<float>()[i], static_cast<float>(i + 2 * run)) << "element " << i << " in run " << run;
  }
  EXPECT_EQ(trace.timings().size(), 2u) << "a traced run shows each launch";
}

TEST_P(DeviceConformance, RefusesCodeOfAnotherKind) {
  TestPlan t;
  t.kernel("other", 1, 0);
  t.code("z80", "rom", std::string("text"));
  Status status = device->loadModule(t.finish()).status();
  EXPECT_EQ(status.code(), Code::kUnimplemented);
  EXPECT_NE(status.message().find("plan carries code for z80"), std::string::npos) << status.message();
}

/// The plan of `add` with a cubin under the text's key that subtracts, or that is none: the answer says what has run.
std::shared_ptr<const PlanFile> planWithCubin(bool isBroken) {
  std::string text = kAddText;
  text.replace(text.find("x[i] + y[i]"), 11, "x[i] - y[i]");
  auto subtracts = cuda::compileCuda(text, "subtracts", {.cacheDir = testing::TempDir() + "/conformance"});
  EXPECT_TRUE(subtracts.isOk()) << subtracts.status().message();
  if (!subtracts) return nullptr;
  if (isBroken) std::fill(subtracts->cubin.begin() + 16, subtracts->cubin.end(), uint8_t{0x5a});
  TestPlan t;
  addKernel(t);
  t.code("cuda:sm_90a", "cubin", std::string(subtracts->cubin.begin(), subtracts->cubin.end()));
  t.p.mutable_code(1)->set_text_key(cuda::textKey(kAddText));
  return t.finish();
}

TEST_P(DeviceConformance, ACubinOfThePlanIsWhatRuns) {
  if (!cuda::haveNvrtc()) GTEST_SKIP() << "no NVRTC on this machine to make a cubin";
  void *x = upload(ramp(1000, 0)), *y = upload(ramp(1000, 5)), *z = upload(std::vector<float>(1000));
  for (bool isBroken : {false, true}) { // what the driver refuses is compiled from the text
    auto plan = planWithCubin(isBroken);
    ASSERT_TRUE(plan);
    auto module = load(plan);
    ASSERT_TRUE(module);
    Add add(*module, x, y, z, 1000);
    ASSERT_TRUE(run(add.launch).isOk());
    const bool hasCubins = GetParam() == std::string("cuda") && module->isa() == "cuda:sm_90a";
    const float got = download(z, 1000)[9];
    EXPECT_EQ(got, hasCubins && !isBroken ? 9.0f - 14.0f : 9.0f + 14.0f);
  }
}

TEST_P(DeviceConformance, APlanWithoutKernelsIsAnEmptyModule) {
  TestPlan t;
  auto module = load(t.finish());
  ASSERT_TRUE(module);
  EXPECT_FALSE(module->kernel(0).isOk());
}

TEST_P(DeviceConformance, LaunchesThatCannotBeAreRefusedBeforeAndHurtNothing) {
  if (device->has(capability::kHostMemory)) GTEST_SKIP() << "a processor has no shared memory to run out of";
  auto module = load(addPlan("a0 * 1024"));
  ASSERT_TRUE(module);
  void *x = upload(ramp(1000, 0)), *y = upload(ramp(1000, 0)), *z = upload(std::vector<float>(1000));
  Add large(*module, x, y, z, 1000), small(*module, x, y, z, 10), wrong(*module, x, y, z, 10);
  Status status = device->prepare(large.launch);
  EXPECT_EQ(status.code(), Code::kUnimplemented);
  EXPECT_NE(status.message().find("kernel add wants 1024000 bytes of shared memory"), std::string::npos) << status.message();
  wrong.launch.buffers = wrong.launch.buffers.first(2);
  EXPECT_EQ(device->prepare(wrong.launch).code(), Code::kInternal);
  ASSERT_TRUE(run(small.launch).isOk());
  EXPECT_EQ(download(z, 10)[9], 18);
}

INSTANTIATE_TEST_SUITE_P(Devices, DeviceConformance, testing::Values("cpu", "emulated", "cuda"), [](const auto& info) { return std::string(info.param); });

} // namespace
} // namespace jinx
