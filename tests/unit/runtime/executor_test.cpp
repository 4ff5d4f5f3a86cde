// Sessions: binding, launches, host steps, dynamic sizes, outputs, memory.
#include "runtime/executor/Executor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <new>
#include <random>

#include "runtime/device/CpuDevice.h"
#include "tests/unit/runtime/TestSession.h"

// Counts every allocation through operator new in this executable; sanitizers bring their own.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(JINX_SANITIZED)
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define JINX_SANITIZED 1
#endif
#endif
#else
#define JINX_SANITIZED 1
#endif

#if !JINX_SANITIZED
namespace {
std::atomic<int64_t> newCalls{0};
}
void* operator new(size_t size) {
  newCalls.fetch_add(1, std::memory_order_relaxed);
  void* block = std::malloc(size ? size : 1);
  if (!block) throw std::bad_alloc();
  return block;
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, size_t) noexcept { std::free(block); }
#endif

namespace jinx {
namespace {

using namespace jinx::test;

/// y[i] = s0 * a[i] + b[i], one program a row of s1 elements.
void axpyKernel(void* const* b, const int64_t* s, int64_t begin, int64_t end, void*) {
  for (int64_t i = begin * s[1]; i < end * s[1]; ++i)
    static_cast<float*>(b[2])[i] =
        static_cast<float>(s[0]) * static_cast<const float*>(b[0])[i] + static_cast<const float*>(b[1])[i];
}
/// Writes through scratch: y = x, reversed within a row of s0 elements.
void reverseKernel(void* const* b, const int64_t* s, int64_t begin, int64_t end, void* scratch) {
  float* row = static_cast<float*>(scratch);
  for (int64_t r = begin; r < end; ++r) {
    const float* x = static_cast<const float*>(b[0]) + r * s[0];
    float* y = static_cast<float*>(b[1]) + r * s[0];
    for (int64_t i = 0; i < s[0]; ++i)
      row[i] = x[s[0] - 1 - i];
    for (int64_t i = 0; i < s[0]; ++i)
      y[i] = row[i];
  }
}
const std::map<std::string, CpuKernelFn> kKernels = {{"k_axpy", axpyKernel}, {"k_reverse", reverseKernel}};

/// y = reverse(3*x + w) + ... over x [n, 4].
TestPlan launchPlan() {
  TestPlan t;
  t.symbol("n", 1, 1000);
  uint32_t x = t.input("x", {"n", "4"});
  uint32_t w = t.constant("w", floats({4}, {1, 2, 3, 4}));
  uint32_t wide = t.arena("wide", {"n", "4"}), sum = t.arena("sum", {"n", "4"}), y = t.output("y", {"n", "4"});
  uint32_t axpy = t.kernel("k_axpy", 3, 2), reverse = t.kernel("k_reverse", 2, 1);
  t.hostCall("test.Tile", {w, x}, {wide});
  t.launch(axpy, {x, wide}, {sum}, {"3", "4"}, "n").set_work("n*8");
  plan::Launch& l = t.launch(reverse, {sum}, {y}, {"4"}, "n");
  l.set_scratch_bytes("16");
  l.set_granule(2);
  return t;
}

TEST(Session, RunsLaunchesAndHostSteps) {
  TestPlan t = launchPlan();
  auto session = makeSession(t, {.threads = 2, .kernels = kKernels});
  ASSERT_TRUE(session);
  for (int64_t n : {1, 3, 8}) {
    Tensor x = Tensor::make(DType::kF32, {n, 4});
    for (int64_t i = 0; i < x.size(); ++i)
      x.as<float>()[i] = static_cast<float>(i);
    auto y = session->run({{"x", x}});
    ASSERT_TRUE(y.isOk()) << y.status().message();
    const Tensor& result = std::get<Tensor>((*y)[0].value);
    EXPECT_EQ((*y)[0].name, "y");
    EXPECT_EQ(result.shape(), (Shape{n, 4}));
    for (int64_t r = 0; r < n; ++r)
      for (int64_t c = 0; c < 4; ++c)
        EXPECT_EQ(result.as<float>()[r * 4 + c], 3.0f * static_cast<float>(r * 4 + 3 - c) + static_cast<float>(4 - c));
  }
}

TEST(Session, SaysWhatIsWrongWithInputs) {
  TestPlan t;
  t.symbol("n", 2, 8).set_multiple_of(2);
  uint32_t a = t.input("a", {"n", "4"}), b = t.input("b", {"n", "2*n"});
  uint32_t y = t.output("y", {"n", "4"});
  t.hostCall("test.First", {a, b}, {y});
  auto session = makeSession(t);
  auto message = [&](Value va, Value vb) {
    std::vector<Value> in = {std::move(va), std::move(vb)}, out(1);
    Status s = session->run(in, out);
    EXPECT_NE(s.code(), Code::kInternal);
    return s.message();
  };
  auto f = [](Shape shape) { return Tensor::make(DType::kF32, std::move(shape)); };
  EXPECT_EQ(message(f({2, 4}), f({2, 4})), "");
  EXPECT_EQ(message(f({2, 5}), f({2, 4})), "input \"a\" has shape 2x5, expected nx4: dimension 1 is 5, not 4");
  EXPECT_EQ(message(f({2, 4}), f({4, 8})),
            "input \"b\" has shape 4x8, expected nx(2*n): dimension 0 is 4, but n is 2 in input \"a\"");
  EXPECT_EQ(message(f({2, 4}), f({2, 5})), "input \"b\" has shape 2x5, expected nx(2*n): dimension 1 is 5, not 4");
  EXPECT_EQ(message(f({10, 4}), f({10, 20})),
            "input \"a\" has shape 10x4, expected nx4: dimension 0 is 10: n must be at most 8");
  EXPECT_EQ(message(f({0, 4}), f({0, 0})),
            "input \"a\" has shape 0x4, expected nx4: dimension 0 is 0: n must be at least 2");
  EXPECT_EQ(message(f({3, 4}), f({3, 6})),
            "input \"a\" has shape 3x4, expected nx4: dimension 0 is 3: n must be a multiple of 2");
  EXPECT_EQ(message(f({4}), f({2, 4})), "input \"a\": has shape 4, expected nx4");
  EXPECT_EQ(message(Tensor::make(DType::kI64, {2, 4}), f({2, 4})), "input \"a\": is i64[2x4], expected f32");
  EXPECT_EQ(message({}, {}), "missing inputs: \"a\", \"b\"");
  EXPECT_EQ(session->run({{"z", f({1})}}).status().message(), "unknown inputs: \"z\"; the plan has \"a\", \"b\"");
  EXPECT_EQ(session->run({{"a", f({2, 4})}}).status().message(), "missing inputs: \"b\"");
  char bytes[64];
  EXPECT_EQ(message(Tensor::wrap(DType::kF32, {2, 4}, bytes + 1), f({2, 4})),
            "input \"a\": is not aligned to its element size, 4 bytes");
  EXPECT_EQ(*session->inputShape(1, {{"n", 4}}), (Shape{4, 8}));
  EXPECT_EQ(session->inputShape(1, {}).status().message(), "input \"b\" needs a value for \"n\"");
}

TEST(Session, AnyInputSize) {
  TestPlan t;
  t.symbol("n");
  uint32_t a = t.input("a", {"n"}), b = t.input("b", {"n"}), y = t.output("y", {"n"});
  t.p.mutable_values(static_cast<int>(b))->set_any_input_size(true);
  t.hostCall("test.First", {a, b}, {y});
  auto session = makeSession(t);
  std::vector<Value> in = {floats({2}, {1, 2}), floats({3}, {1, 2, 3})}, out(1);
  EXPECT_TRUE(session->run(in, out).isOk());
}

TEST(Session, OutputsInPlaceAndNot) {
  TestPlan t = launchPlan();
  uint32_t copy = t.output("copy", {"n", "4"}), arenaOut = t.arena("arenaOut", {"n", "4"});
  t.p.add_outputs(arenaOut);
  t.step(0, "copy", {t.p.outputs(0)}, {copy}).mutable_copy();
  t.step(0, "copy2", {copy}, {arenaOut}).mutable_copy();
  t.p.add_outputs(t.p.inputs(0)); // an input as output
  t.p.add_outputs(1);             // a constant as output
  auto session = makeSession(t, {.threads = 1, .kernels = kKernels});
  ASSERT_TRUE(session);
  Tensor x = floats({1, 4}, {0, 1, 2, 3}), given = Tensor::make(DType::kF32, {1, 4}),
         given2 = Tensor::make(DType::kF32, {1, 4});
  std::vector<Value> in = {x}, out = {given, {}, given2, {}, {}};
  Status status = session->run(in, out);
  ASSERT_TRUE(status.isOk()) << status.message();
  std::vector<float> expected = {13, 9, 5, 1};
  EXPECT_EQ(toFloats(given), expected) << "written in place";
  EXPECT_EQ(toFloats(std::get<Tensor>(out[1])), expected);
  EXPECT_EQ(toFloats(given2), expected) << "copied into the caller's tensor";
  EXPECT_EQ(toFloats(std::get<Tensor>(out[3])), toFloats(x));
  EXPECT_NE(std::get<Tensor>(out[3]).data(), x.data()) << "an output never shares bytes with an input";
  std::get<Tensor>(out[4]).as<float>()[0] = 5; // nor with the plan
  out[0] = Tensor::make(DType::kF32, {2, 4});
  EXPECT_EQ(session->run(in, out).message(), "output \"y\" was given a tensor f32[2x4], expected f32 of shape 1x4");
  out[0] = Value();
  out[2] = Tensor::make(DType::kF64, {1, 4});
  EXPECT_EQ(session->run(in, out).message(),
            "output \"arenaOut\" was given a tensor f64[1x4], expected f32 of shape 1x4");
}

TEST(Session, RepeatedCallsDoNotAllocate) {
  TestPlan t;
  t.symbol("n");
  uint32_t x = t.input("x", {"n", "4"}), a = t.arena("a", {"n", "4"}), b = t.arena("b", {"n", "4"}),
           y = t.output("y", {"n", "4"});
  uint32_t axpy = t.kernel("k_axpy", 3, 2), reverse = t.kernel("k_reverse", 2, 1);
  for (int i = 0; i < 3; ++i) {
    t.launch(axpy, {x, x}, {a}, {"3", "4"}, "n");
    t.launch(reverse, {a}, {b}, {"4"}, "n").set_scratch_bytes("16*n");
  }
  t.launch(axpy, {b, x}, {y}, {"1", "4"}, "n");
  auto device = std::make_shared<CpuDevice>(DeviceOptions{.threads = 2, .kernels = kKernels});
  auto session = take(Session::create(t.finish(), device, testOptions()));
  std::vector<Value> small = {Tensor::make(DType::kF32, {2, 4})}, large = {Tensor::make(DType::kF32, {64, 4})};
  std::vector<Value> smallOut(1), largeOut(1);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(session->run(small, smallOut).isOk());
    ASSERT_TRUE(session->run(large, largeOut).isOk());
  }
  int64_t device0 = device->memoryStatistics().allocations;
#if !JINX_SANITIZED
  int64_t before = newCalls.load();
#endif
  bool good = true;
  for (int i = 0; i < 100; ++i)
    good &= session->run(small, smallOut).isOk() && session->run(large, largeOut).isOk();
#if !JINX_SANITIZED
  EXPECT_EQ(newCalls.load() - before, 0);
#endif
  EXPECT_TRUE(good);
  EXPECT_EQ(device->memoryStatistics().allocations, device0);
  EXPECT_EQ(session->statistics().bindingsMade, 2);
}

TEST(Session, KeepsTheLastBindings) {
  TestPlan t = launchPlan();
  SessionOptions options = testOptions();
  options.bindingCacheSize = 3;
  auto session =
      take(Session::create(t.finish(), take(makeDevice("cpu", {.threads = 1, .kernels = kKernels})), options));
  auto run = [&](int64_t n) { ASSERT_TRUE(session->run({{"x", Tensor::make(DType::kF32, {n, 4})}}).isOk()); };
  for (int64_t n : {1, 2, 3, 1, 2, 3, 1})
    run(n);
  EXPECT_EQ(session->statistics().bindingsMade, 3);
  run(4); // evicts 2, used longest ago
  run(3);
  run(1);
  EXPECT_EQ(session->statistics().bindingsMade, 4);
  run(2);
  EXPECT_EQ(session->statistics().bindingsMade, 5);
}

TEST(Session, AliasesShareBytes) {
  TestPlan t;
  t.symbol("n");
  uint32_t x = t.input("x", {"n", "4"}), whole = t.arena("whole", {"2*n", "4"});
  uint32_t top = t.alias("top", whole, {"n", "4"}), bottom = t.alias("bottom", whole, {"n", "4"}, DType::kF32, "4*n");
  uint32_t flat = t.alias("flat", whole, {"8*n"}), y = t.output("y", {"8*n"});
  uint32_t reverse = t.kernel("k_reverse", 2, 1);
  t.launch(reverse, {x}, {top}, {"4"}, "n").set_scratch_bytes("16");
  t.hostCall("test.Negate", {x}, {bottom});
  t.launch(reverse, {flat}, {y}, {"8*n"}, "1").set_scratch_bytes("32*n");
  auto session = makeSession(t, {.threads = 1, .kernels = kKernels});
  auto out = session->run({{"x", floats({1, 4}, {1, 2, 3, 4})}});
  ASSERT_TRUE(out.isOk()) << out.status().message();
  EXPECT_EQ(toFloats(std::get<Tensor>((*out)[0].value)), (std::vector<float>{-4, -3, -2, -1, 1, 2, 3, 4}));
}

/// x = 2*x + w, in place; then y = reverse(reverse(x + w)), whose arena would fit where x was.
TestPlan inPlacePlan() {
  TestPlan t;
  uint32_t x = t.input("x", {"4"}), w = t.input("w", {"4"}), written = t.alias("written", x, {"4"});
  uint32_t sum = t.arena("sum", {"4"}), turned = t.arena("turned", {"4"}), y = t.output("y", {"4"});
  uint32_t axpy = t.kernel("k_axpy", 3, 2), reverse = t.kernel("k_reverse", 2, 1);
  t.launch(axpy, {x, w}, {written}, {"2", "4"}, "1");
  t.launch(axpy, {written, w}, {sum}, {"1", "4"}, "1");
  t.launch(reverse, {sum}, {turned}, {"4"}, "1").set_scratch_bytes("16");
  t.launch(reverse, {turned}, {y}, {"4"}, "1").set_scratch_bytes("16");
  return t;
}

TEST(Session, InputsAreWrittenInPlaceWhereALaunchTakesThem) {
  auto check = [](Session& session) {
    std::vector<Value> in = {floats({4}, {1, 2, 3, 4}), floats({4}, {10, 20, 30, 40})}, out(1);
    for (const auto& [x, y] : {std::pair<std::vector<float>, std::vector<float>>({12, 24, 36, 48}, {22, 44, 66, 88}),
                               {{34, 68, 102, 136}, {44, 88, 132, 176}}}) {
      Status status = session.run(in, out);
      ASSERT_TRUE(status.isOk()) << status.message();
      EXPECT_EQ(toFloats(std::get<Tensor>(in[0])), x);
      EXPECT_EQ(toFloats(std::get<Tensor>(in[1])), (std::vector<float>{10, 20, 30, 40}));
      EXPECT_EQ(toFloats(std::get<Tensor>(out[0])), y);
    }
  };
  TestPlan t = inPlacePlan(), u = inPlacePlan();
  check(*makeSession(t, {.threads = 1, .kernels = kKernels}));
  auto separate = Session::create(
      u.finish(), std::make_shared<SeparateDevice>(DeviceOptions{.threads = 1, .kernels = kKernels}), testOptions());
  ASSERT_TRUE(separate.isOk()) << separate.status().message();
  check(**separate);
}

TEST(Session, AliasBeyondItsValueIsRefused) {
  TestPlan t;
  t.symbol("n");
  uint32_t x = t.input("x", {"n"}), y = t.output("y", {"n"});
  uint32_t a = t.alias("a", x, {"4"}, DType::kF32, "1");
  t.hostCall("test.First", {a}, {y});
  auto session = makeSession(t);
  EXPECT_EQ(session->run({{"x", floats({4}, {1, 2, 3, 4})}}).status().message(),
            "value \"a\": needs 16 bytes at offset 4 of \"x\", which has 16");
}

TEST(Session, SizesDecidedByASteps) {
  TestPlan t; // nonzero elements of x, then kernels and host steps on them
  t.symbol("n");
  t.stepSymbol("m");
  uint32_t x = t.input("x", {"n"}), kept = t.host("kept", {"m"}), twice = t.arena("twice", {"m"});
  uint32_t back = t.output("back", {"m"}), half = t.arena("half", {"m"}), alias = t.alias("alias", half, {"m", "1"});
  uint32_t host = t.host("host", {"m", "1"});
  uint32_t axpy = t.kernel("k_axpy", 3, 2), reverse = t.kernel("k_reverse", 2, 1);
  t.hostCall("test.Compress", {x}, {kept});
  t.launch(axpy, {kept, kept}, {twice}, {"1", "1"}, "m");
  t.launch(reverse, {twice}, {back}, {"m"}, "1").set_scratch_bytes("4*m");
  t.hostCall("test.Negate", {back}, {half});
  t.hostCall("test.First", {alias}, {host});
  t.p.add_outputs(host);
  auto session = makeSession(t, {.threads = 1, .kernels = kKernels});
  ASSERT_TRUE(session);
  for (int repeat = 0; repeat < 3; ++repeat) {
    auto out = session->run({{"x", floats({5}, {0, 1, 0, 2, 3})}});
    ASSERT_TRUE(out.isOk()) << out.status().message();
    EXPECT_EQ(toFloats(std::get<Tensor>((*out)[0].value)), (std::vector<float>{6, 4, 2}));
    EXPECT_EQ(toFloats(std::get<Tensor>((*out)[1].value)), (std::vector<float>{-6, -4, -2}));
    EXPECT_EQ(std::get<Tensor>((*out)[1].value).shape(), (Shape{3, 1}));
    out = session->run({{"x", floats({5}, {0, 0, 0, 0, 9})}});
    ASSERT_TRUE(out.isOk()) << out.status().message();
    EXPECT_EQ(toFloats(std::get<Tensor>((*out)[0].value)), (std::vector<float>{18}));
  }
  EXPECT_EQ(session->statistics().bindingsMade, 1);
  EXPECT_LE(session->statistics().dynamicAllocations, 4) << "recurring sizes come from the cache";
}

TEST(Session, ChecksWhatHostStepsReturn) {
  TestPlan t;
  t.symbol("n");
  uint32_t x = t.input("x", {"n"}), y = t.output("y", {"n + 1"});
  t.hostCall("test.First", {x}, {y});
  auto session = makeSession(t);
  EXPECT_EQ(session->run({{"x", floats({2}, {1, 2})}}).status().message(),
            "step \"test.First1\": value \"y\" has shape 2, expected 3");
  TestPlan u;
  uint32_t a = u.input("a", {"2"}), b = u.host("b", {"3"});
  u.hostCall("test.First", {a}, {b});
  u.p.add_outputs(b);
  EXPECT_EQ(makeSession(u)->run({{"a", floats({2}, {1, 2})}}).status().message(),
            "step \"test.First1\": value \"b\" has shape 2, expected 3: dimension 0 is 2, not 3");
  TestPlan v;
  v.hostCall("test.Unheard", {}, {v.host("unheard", {})}, 0, 7);
  auto failed = Session::create(v.finish(), take(makeDevice("cpu", {.threads = 1})), testOptions());
  EXPECT_EQ(failed.status().code(), Code::kUnimplemented);
  EXPECT_EQ(failed.status().message(),
            "loading plan: step \"test.Unheard1\": operator test.Unheard (opset 7) has no host implementation");
  TestPlan w;
  uint32_t z = w.input("z", {"2"}), out = w.output("out", {"2"});
  w.hostCall("test.Fail", {z}, {out});
  EXPECT_EQ(makeSession(w)->run({{"z", floats({2}, {1, 2})}}).status().message(),
            "step \"test.Fail1\": test.Fail 'test.Fail1': cannot do this");
  TestPlan e;
  uint32_t q = e.input("q", {"2"}), r = e.output("r", {"2"});
  e.hostCall("test.Exhaust", {q}, {r});
  EXPECT_EQ(makeSession(e)->run({{"q", floats({2}, {1, 2})}}).status().code(), Code::kResource);
}

void sizeCheck(TestPlan& t, const std::string& left, const std::string& right, const std::string& node) {
  plan::SizeCheck& c = *t.p.add_size_checks();
  c.set_left(left);
  c.set_right(right);
  c.set_node(node);
}

TEST(Session, SizesThatMustBeEqualAreCompared) {
  TestPlan t; // the sum of x and z, if they are equally long
  t.symbol("n");
  t.symbol("k");
  uint32_t x = t.input("x", {"n"}), z = t.input("z", {"2*k"}), y = t.output("y", {"n"});
  uint32_t axpy = t.kernel("k_axpy", 3, 2);
  t.launch(axpy, {x, z}, {y}, {"1", "1"}, "n");
  t.input("w", {"k"});
  sizeCheck(t, "n", "2*k", "Add.7");
  auto session = makeSession(t, {.threads = 1, .kernels = kKernels});
  ASSERT_TRUE(session);
  auto run = [&](size_t n, size_t k) {
    auto zeros = [](size_t count) { return floats({static_cast<int64_t>(count)}, std::vector<float>(count)); };
    return session->run({{"x", zeros(n)}, {"z", zeros(2 * k)}, {"w", zeros(k)}}).status().message();
  };
  EXPECT_EQ(run(4, 2), "");
  EXPECT_EQ(run(5, 2), "Add.7: sizes must be equal: n = 5 and 2*k = 4");
  EXPECT_EQ(run(2, 1), "");
}

TEST(Session, SizesOfStepsThatMustBeEqualAreCompared) {
  TestPlan t; // as many elements of x must be nonzero as of z: known when both steps have run
  t.symbol("n");
  t.stepSymbol("a");
  t.stepSymbol("b");
  uint32_t x = t.input("x", {"n"}), z = t.input("z", {"n"});
  uint32_t first = t.host("first", {"a"}), second = t.host("second", {"b"}), y = t.arena("y", {"a"});
  uint32_t axpy = t.kernel("k_axpy", 3, 2);
  t.hostCall("test.Compress", {x}, {first});
  t.hostCall("test.Compress", {z}, {second});
  t.launch(axpy, {first, second}, {y}, {"1", "1"}, "a");
  t.p.add_outputs(y);
  sizeCheck(t, "b", "a", "Add.8");
  auto session = makeSession(t, {.threads = 1, .kernels = kKernels});
  ASSERT_TRUE(session);
  for (int repeat = 0; repeat < 2; ++repeat) {
    EXPECT_TRUE(session->run({{"x", floats({3}, {1, 0, 2})}, {"z", floats({3}, {0, 3, 4})}}).isOk());
    auto failed = session->run({{"x", floats({3}, {1, 0, 2})}, {"z", floats({3}, {0, 0, 4})}});
    EXPECT_NE(failed.status().message().find("Add.8: sizes must be equal: b = 1 and a = 2"), std::string::npos) << failed.status().message();
  }
}

TEST(Session, UnrankedValuesStringsAndSequences) {
  TestPlan t;
  uint32_t x = t.input("x", {});
  t.p.mutable_values(static_cast<int>(x))->set_unranked(true);
  uint32_t s = t.input("s", {"2"}, DType::kString), a = t.any("a"), b = t.any("b", plan::Value::SEQUENCE);
  uint32_t named = t.constant("w", floats({1}, {3}));
  t.hostCall("test.First", {x}, {a});
  t.hostCall("test.Pair", {a, named}, {b});
  uint32_t text = t.output("text", {"2"}, DType::kString);
  t.hostCall("test.First", {s}, {text});
  t.p.add_outputs(a);
  t.p.add_outputs(b);
  auto session = makeSession(t);
  ASSERT_TRUE(session);
  Tensor strings = Tensor::make(DType::kString, {2});
  strings.setString(0, "hello");
  for (const Shape& shape : {Shape{}, Shape{3}, Shape{2, 2}}) {
    Tensor given = Tensor::make(DType::kF32, shape);
    auto out = session->run({{"x", given}, {"s", strings}});
    ASSERT_TRUE(out.isOk()) << out.status().message();
    EXPECT_EQ(std::get<Tensor>((*out)[0].value).getString(0), "hello");
    EXPECT_NE(std::get<Tensor>((*out)[0].value).data(), strings.data());
    EXPECT_EQ(std::get<Tensor>((*out)[1].value).shape(), shape);
    EXPECT_NE(std::get<Tensor>((*out)[1].value).data(), given.data());
    EXPECT_EQ(std::get<std::shared_ptr<Sequence>>((*out)[2].value)->items.size(), 2u);
  }
}

TEST(Session, TracesSteps) {
  TestPlan t = launchPlan();
  auto session = makeSession(t, {.threads = 2, .kernels = kKernels});
  Trace trace;
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(session->run({{"x", Tensor::make(DType::kF32, {8, 4})}}, &trace).isOk());
  std::vector<StepTiming> timings = trace.timings();
  ASSERT_EQ(timings.size(), 3u);
  for (const StepTiming& timing : timings) {
    EXPECT_EQ(timing.count, 3);
    EXPECT_LE(timing.minMs, timing.maxMs);
    EXPECT_LE(timing.maxMs, timing.totalMs);
  }
  std::string json = trace.toJson(session->steps());
  EXPECT_NE(json.find("\"kernel\":\"k_reverse\",\"nodes\":[\"launch3\"]"), std::string::npos) << json;
  EXPECT_NE(json.find("\"cat\":\"host\""), std::string::npos);
  EXPECT_NE(json.find("\"name\":\"thread 0\""), std::string::npos); // thread 1 may have come too late to help
  Trace tiny(2);
  ASSERT_TRUE(session->run({{"x", Tensor::make(DType::kF32, {8, 4})}}, &tiny).isOk());
  EXPECT_EQ(tiny.events().size(), 2u);
  EXPECT_EQ(tiny.dropped(), 3);
}

TEST(Session, ShowsWhatStepsCompute) {
  TestPlan t;
  t.symbol("n");
  uint32_t x = t.input("x", {"n"}), w = t.constant("w", floats({1}, {2}));
  uint32_t pair = t.any("pair", plan::Value::SEQUENCE), sum = t.arena("sum", {"n"}), y = t.output("y", {"n"});
  t.hostCall("test.Pair", {x, w}, {pair});
  t.hostCall("test.Negate", {x}, {sum});
  t.launch(t.kernel("k_axpy", 3, 2), {x, sum}, {y}, {"3", "1"}, "n");
  const std::shared_ptr<const PlanFile> plan = t.finish();
  for (bool separate : {false, true}) {
    DeviceOptions options{.threads = 1, .kernels = kKernels};
    std::shared_ptr<Device> device;
    if (separate)
      device = std::make_shared<SeparateDevice>(options);
    else
      device = std::make_shared<CpuDevice>(options);
    auto session = take(Session::create(plan, device, testOptions()));
    std::vector<Value> inputs = {floats({2}, {1, 5})}, outputs(1);
    std::vector<std::string> seen;
    auto observer = [&](uint32_t step, size_t output, const Value& value) {
      std::string text = std::to_string(step) + "." + std::to_string(output);
      if (const Tensor* tensor = tensorOrNull(value))
        for (float v : toFloats(*tensor))
          text += " " + std::to_string(static_cast<int>(v));
      seen.push_back(text);
      return Status::ok();
    };
    ASSERT_TRUE(session->run(inputs, outputs, nullptr, observer).isOk());
    EXPECT_EQ(seen, (std::vector<std::string>{"0.0", "1.0 -1 -5", "2.0 2 10"}));
    ASSERT_TRUE(session->run(inputs, outputs).isOk());
    EXPECT_EQ(seen.size(), 3u) << "one run is observed, not the next";
    auto refuse = [](uint32_t step, size_t, const Value&) {
      return step == 1 ? invalidArgument("seen enough") : Status::ok();
    };
    const Status status = session->run(inputs, outputs, nullptr, refuse);
    EXPECT_NE(status.message().find("seen enough"), std::string::npos) << status.message();
    EXPECT_NE(status.message().find("looking at step"), std::string::npos) << status.message();
  }
}

TEST(Session, ValuesOnDevicesBeginWithLines) {
  TestPlan t;
  t.symbol("n");
  uint32_t x = t.input("x", {"n"}), w = t.constant("w", floats({1}, {2})), v = t.constant("v", floats({1}, {3}));
  uint32_t first = t.arena("first", {"n"}), second = t.arena("second", {"n"}), y = t.output("y", {"n"});
  const uint32_t axpy = t.kernel("k_axpy", 3, 2);
  t.launch(axpy, {x, w}, {first}, {"n", "1"}, "n");
  t.launch(axpy, {first, v}, {second}, {"n", "1"}, "n");
  t.launch(axpy, {first, second}, {y}, {"n", "1"}, "n");
  auto device = std::make_shared<SeparateDevice>(DeviceOptions{.threads = 1, .kernels = kKernels});
  auto session = take(Session::create(t.finish(), device, testOptions()));
  ASSERT_TRUE(session->run({{"x", floats({1}, {5})}}).isOk());
  EXPECT_EQ(device->launched.size(), 9u);
  for (const void* buffer : device->launched)
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer) % kDeviceAlignment, 0u);
}

TEST(Session, ReportsMemory) {
  TestPlan t;
  t.symbol("n");
  uint32_t at = t.input("x", {"n"});
  for (int i = 0; i < 6; ++i) {
    uint32_t next = i == 5 ? t.output("y", {"n"}) : t.arena("a" + std::to_string(i), {"n"});
    t.hostCall("test.Negate", {at}, {next});
    at = next;
  }
  auto session = makeSession(t);
  ASSERT_TRUE(session->run({{"x", Tensor::make(DType::kF32, {1024})}}).isOk());
  SessionStatistics s = session->statistics();
  EXPECT_EQ(s.plannedBytes, 8192);
  EXPECT_EQ(s.largestLiveBytes, 8192);
  EXPECT_EQ(s.activationBytes, 5 * 4096);
  EXPECT_EQ(session->arenaEntries().size(), 5u);
}

TEST(Session, WorksOnADeviceWithMemoryOfItsOwn) {
  TestPlan t;
  t.symbol("n");
  t.stepSymbol("m");
  uint32_t x = t.input("x", {"n"}), w = t.constant("w", floats({1}, {2})), sum = t.arena("sum", {"n"});
  uint32_t kept = t.host("kept", {"m"}), twice = t.arena("twice", {"m"}), y = t.output("y", {"n"}),
           z = t.output("z", {"m"});
  uint32_t whole = t.host("whole", {"m"});
  uint32_t axpy = t.kernel("k_axpy", 3, 2), reverse = t.kernel("k_reverse", 2, 1);
  t.hostCall("test.Tile", {w, x}, {sum});
  t.launch(axpy, {x, sum}, {y}, {"1", "1"}, "n");
  t.hostCall("test.Compress", {x}, {kept});
  t.launch(axpy, {kept, kept}, {twice}, {"1", "1"}, "m");
  t.launch(reverse, {twice}, {whole}, {"m"}, "1").set_scratch_bytes("4*m");
  t.hostCall("test.Negate", {whole}, {z});
  auto device = std::make_shared<SeparateDevice>(DeviceOptions{.threads = 1, .kernels = kKernels});
  auto session = take(Session::create(t.finish(), device, testOptions()));
  for (int repeat = 0; repeat < 2; ++repeat) {
    auto out = session->run({{"x", floats({3}, {0, 5, 7})}});
    ASSERT_TRUE(out.isOk()) << out.status().message();
    EXPECT_EQ(toFloats(std::get<Tensor>((*out)[0].value)), (std::vector<float>{2, 7, 9}));
    EXPECT_EQ(toFloats(std::get<Tensor>((*out)[1].value)), (std::vector<float>{-14, -10}));
  }
}

TEST(Session, EnqueuesOnTheDevicesOwnMemory) {
  TestPlan t;
  t.symbol("n");
  uint32_t x = t.input("x", {"n"}), y = t.output("y", {"n"}), sum = t.arena("sum", {"n"});
  t.p.add_outputs(t.alias("last", sum, {"1"}, DType::kF32, "n - 1")); // no place of its own
  uint32_t copied = t.output("copied", {"n", "1"});
  uint32_t axpy = t.kernel("k_axpy", 3, 2);
  t.launch(axpy, {x, x}, {sum}, {"1", "1"}, "n");
  t.launch(axpy, {sum, x}, {y}, {"1", "1"}, "n");
  t.step(0, "copy", {x}, {copied}).mutable_copy();
  auto device = std::make_shared<SeparateDevice>(DeviceOptions{.threads = 1, .kernels = kKernels});
  auto session = take(Session::create(t.finish(), device, testOptions()));
  auto stream = take(device->wrapStream(nullptr));
  auto onDevice = [&](const Tensor& like) { return Tensor::wrap(like.dtype(), like.shape(), take(device->allocate(64))); };
  auto download = [&](const Value& from) {
    Tensor host = Tensor::make(DType::kF32, tensorOrNull(from)->shape());
    EXPECT_TRUE(device->copyToHost(host.data(), tensorOrNull(from)->data(), static_cast<size_t>(host.sizeBytes()), *stream).isOk());
    return toFloats(host);
  };
  for (const Tensor& given : {floats({3}, {1, 5, 7}), floats({2}, {2, 4}), floats({3}, {0, 2, 8})}) {
    Tensor placed = onDevice(given);
    ASSERT_TRUE(device->copyToDevice(placed.data(), given.data(), static_cast<size_t>(given.sizeBytes()), *stream).isOk());
    std::vector<Value> inputs = {placed}, outputs = {onDevice(given), onDevice(floats({1}, {0})), onDevice(floats({given.dim(0), 1}, {}))};
    Status status = session->enqueue(inputs, outputs, *stream);
    ASSERT_TRUE(status.isOk()) << status.message();
    std::vector<float> want = toFloats(given), thrice;
    for (float v : want)
      thrice.push_back(3 * v);
    EXPECT_EQ(download(outputs[0]), thrice);
    EXPECT_EQ(download(outputs[1]), (std::vector<float>{2 * want.back()}));
    EXPECT_EQ(download(outputs[2]), want);
    auto ran = session->run({{"x", given}}); // beside it, the way through the host
    ASSERT_TRUE(ran.isOk()) << ran.status().message();
    EXPECT_EQ(toFloats(std::get<Tensor>((*ran)[0].value)), thrice);
  }
  std::vector<Value> inputs = {floats({3}, {1, 2, 3})}, outputs(3);
  EXPECT_NE(session->enqueue(inputs, outputs, *stream).message().find("output \"y\" has no memory"), std::string::npos);
  EXPECT_NE(session->enqueue({}, {}, *stream).message().find("got 0 inputs"), std::string::npos);
  EXPECT_EQ(device->wrapStream(&inputs).status().code(), Code::kInvalidArgument);
}

TEST(Session, WhatNeedsTheHostIsNotEnqueued) {
  auto refusal = [](TestPlan& t, std::vector<Value> inputs) {
    auto session = makeSession(t);
    auto stream = take(session->device().createStream());
    std::vector<Value> outputs(session->outputs().size(), floats({3}, {0, 0, 0}));
    Status status = session->enqueue(inputs, outputs, *stream);
    EXPECT_EQ(status.code(), Code::kUnimplemented);
    return status.message();
  };
  Tensor x = floats({3}, {1, 2, 3});
  TestPlan step;
  step.symbol("n");
  step.hostCall("test.Negate", {step.input("x", {"n"})}, {step.output("y", {"n"})});
  EXPECT_NE(refusal(step, {x}).find("runs on the host"), std::string::npos);
  TestPlan read;
  read.hostCall("test.Negate", {read.input("x", {"3"}, DType::kString)}, {read.output("y", {"3"})});
  EXPECT_NE(refusal(read, {Tensor::make(DType::kString, {3})}).find("input \"x\" is read on the host"), std::string::npos);
  TestPlan sized;
  sized.symbol("n");
  sized.stepSymbol("m");
  uint32_t in = sized.input("x", {"n"}), kept = sized.host("kept", {"m"});
  sized.hostCall("test.Compress", {in}, {kept});
  sized.p.add_outputs(kept);
  EXPECT_NE(refusal(sized, {x}).find("output \"kept\" is made on the host"), std::string::npos);
}

TEST(Session, CopiesBetweenShapes) {
  TestPlan t;
  t.symbol("n");
  t.stepSymbol("m");
  uint32_t x = t.input("x", {"n", "2"}), y = t.output("y", {"2*n"}), kept = t.host("kept", {"m"});
  uint32_t a = t.arena("a", {"m"}), b = t.output("b", {"m", "1"});
  t.step(0, "flatten", {x}, {y}).mutable_copy();
  t.hostCall("test.Compress", {x}, {kept});
  t.step(0, "place", {kept}, {a}).mutable_copy();
  t.step(0, "unsqueeze", {a}, {b}).mutable_copy();
  auto session = makeSession(t);
  auto out = session->run({{"x", floats({2, 2}, {1, 0, 3, 4})}});
  ASSERT_TRUE(out.isOk()) << out.status().message();
  EXPECT_EQ(toFloats(std::get<Tensor>((*out)[0].value)), (std::vector<float>{1, 0, 3, 4}));
  EXPECT_EQ(std::get<Tensor>((*out)[1].value).shape(), (Shape{3, 1}));
}

TEST(Session, EveryDeviceAllocationMayFail) {
  TestPlan t;
  t.symbol("n");
  t.stepSymbol("m");
  uint32_t x = t.input("x", {"n"}), w = t.constant("w", floats({1}, {2})), kept = t.host("kept", {"m"});
  uint32_t sum = t.arena("sum", {"n"}), twice = t.arena("twice", {"m"}), y = t.output("y", {"m"});
  uint32_t axpy = t.kernel("k_axpy", 3, 2);
  t.hostCall("test.Tile", {w, x}, {sum});
  t.hostCall("test.Compress", {sum}, {kept});
  t.launch(axpy, {kept, kept}, {twice}, {"1", "1"}, "m");
  t.hostCall("test.Negate", {twice}, {y});
  auto plan = t.finish();
  int failures = 0;
  for (int k = 1; k < 12; ++k) {
    auto device = std::make_shared<SeparateDevice>(DeviceOptions{.threads = 1, .kernels = kKernels});
    device->failIn = k;
    auto session = Session::create(plan, device, testOptions());
    if (!session) {
      EXPECT_EQ(session.status().code(), Code::kResource);
      ++failures;
      continue;
    }
    auto out = (*session)->run({{"x", floats({2}, {1, 2})}});
    if (!out) EXPECT_EQ(out.status().code(), Code::kResource) << out.status().message();
    failures += !out.isOk();
    device->failIn = 0;
    out = (*session)->run({{"x", floats({2}, {1, 2})}});
    ASSERT_TRUE(out.isOk()) << out.status().message();
    EXPECT_EQ(toFloats(std::get<Tensor>((*out)[0].value)), (std::vector<float>{-4, -4}));
  }
  EXPECT_GE(failures, 2);
}

TEST(Session, LargePlansLoadFast) {
  TestPlan t;
  t.symbol("n");
  const Dims dims = {"n", "64", "(n - 1) floordiv 2 + 1"};
  uint32_t at = t.input("x", dims), axpy = t.kernel("k_axpy", 3, 2);
  for (int i = 0; i < 2000; ++i) {
    uint32_t next = i == 1999 ? t.output("y", dims) : t.arena("v" + std::to_string(i), dims);
    t.launch(axpy, {at, at}, {next}, {"1", "64"}, "n");
    at = next;
  }
  TempPath path("many.jxp");
  ASSERT_TRUE(t.writer.writeFile(path.str()).isOk());
  double best[3] = {1e9, 1e9, 1e9};
  auto now = [] { return std::chrono::steady_clock::now(); };
  auto ms = [](auto a, auto b) { return std::chrono::duration<double, std::milli>(b - a).count(); };
  for (int i = 0; i < 3; ++i) {
    auto t0 = now();
    auto plan = take(PlanFile::open(path.str()));
    auto device = take(makeDevice("cpu", {.threads = 1, .kernels = kKernels}));
    auto session = take(Session::create(plan, std::move(device), testOptions()));
    auto t1 = now();
    std::vector<Value> in = {Tensor::make(DType::kF32, {1, 64, 1})}, out(1);
    ASSERT_TRUE(session->run(in, out).isOk());
    auto t2 = now();
    for (int k = 0; k < 20; ++k)
      ASSERT_TRUE(session->run(in, out).isOk());
    auto t3 = now();
    best[0] = std::min(best[0], ms(t0, t1));
    best[1] = std::min(best[1], ms(t1, t2));
    best[2] = std::min(best[2], ms(t2, t3) / 20);
  }
  std::printf("2000 launches: loaded in %.2f ms, first run %.2f ms, later runs %.1f us (%.0f ns a launch)\n", best[0],
              best[1], best[2] * 1e3, best[2] * 1e6 / 2000);
}

} // namespace
} // namespace jinx
