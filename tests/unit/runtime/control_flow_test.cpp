// If, Loop, Scan and SequenceMap against what ONNX says.
#include <gtest/gtest.h>

#include "runtime/executor/TensorSlices.h"
#include "tests/fuzz/Mutator.h"
#include "tests/unit/runtime/TestSession.h"

namespace jinx {
namespace {

using namespace jinx::test;

Tensor boolean(bool v) { return Tensor::scalarInt(v, DType::kBool); }
std::vector<float> result(const Expected<std::vector<NamedValue>>& out, size_t k) {
  EXPECT_TRUE(out.isOk()) << out.status().message();
  return out ? toFloats(std::get<Tensor>((*out)[k].value)) : std::vector<float>();
}
Shape shapeOf(const Expected<std::vector<NamedValue>>& out, size_t k) {
  return out ? std::get<Tensor>((*out)[k].value).shape() : Shape{};
}

TEST(ControlFlow, IfRunsOneBranch) {
  TestPlan t;
  t.symbol("n");
  uint32_t c = t.input("c", {}, DType::kBool), x = t.input("x", {"n"});
  uint32_t pre = t.arena("pre", {"n"}), a = t.arena("a", {"n"}), b = t.host("b", {"n"}), y = t.output("y", {"n"});
  t.hostCall("test.Add", {x, x}, {pre});
  uint32_t yes = t.block({}, {a}), no = t.block({}, {b});
  t.hostCall("test.Negate", {pre}, {a}, yes);
  t.hostCall("test.First", {x}, {b}, no);
  t.control(plan::Control::IF, {c}, {y}, {yes, no});
  auto session = makeSession(t);
  EXPECT_EQ(result(session->run({{"c", boolean(true)}, {"x", floats({2}, {1, 2})}}), 0), (std::vector<float>{-2, -4}));
  EXPECT_EQ(result(session->run({{"c", boolean(false)}, {"x", floats({2}, {1, 2})}}), 0), (std::vector<float>{1, 2}));
}

TEST(ControlFlow, IfBranchesOfDifferentShape) {
  TestPlan t;
  t.stepSymbol("m");
  uint32_t c = t.input("c", {}, DType::kBool), x = t.input("x", {"2"});
  uint32_t a = t.any("a"), b = t.host("b", {"2"}), y = t.host("y", {"m"}), z = t.output("z", {"m"});
  uint32_t yes = t.block({}, {a}), no = t.block({}, {b});
  t.hostCall("test.Concat", {x, x}, {a}, yes);
  t.hostCall("test.First", {x}, {b}, no);
  t.control(plan::Control::IF, {c}, {y}, {yes, no});
  t.hostCall("test.Negate", {y}, {z});
  auto session = makeSession(t);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(result(session->run({{"c", boolean(true)}, {"x", floats({2}, {1, 2})}}), 0),
              (std::vector<float>{-1, -2, -1, -2}));
    EXPECT_EQ(result(session->run({{"c", boolean(false)}, {"x", floats({2}, {1, 2})}}), 0),
              (std::vector<float>{-1, -2}));
  }
}

/// sum' = sum + x, until sum < limit no longer holds; scan output: every sum. Optionally with placed body values.
TestPlan loopPlan(bool withCount, bool withCondition, bool placed) {
  TestPlan t;
  t.stepSymbol("k");
  uint32_t count = t.input("count", {}, DType::kI64), go = t.input("go", {}, DType::kBool);
  uint32_t x = t.input("x", {"2"}), limit = t.constant("limit", floats({}, {5}));
  auto make = [&](const std::string& name, const Dims& dims, DType type = DType::kF32) {
    return placed ? t.arena(name, dims, type) : t.host(name, dims, type);
  };
  uint32_t i = make("i", {}, DType::kI64), g = make("g", {}, DType::kBool), s = make("s", {"2"});
  uint32_t next = make("next", {"2"}), again = make("again", {}, DType::kBool), copy = make("copy", {"2"});
  uint32_t final = t.output("final", {"2"}), all = t.output("all", {"k", "2"});
  uint32_t body = t.block({i, g, s}, {again, next, copy});
  t.hostCall("test.Add", {s, x}, {next}, body);
  t.hostCall("test.First", {next}, {copy}, body);
  t.hostCall("test.Less", {next, limit}, {again}, body);
  t.control(plan::Control::LOOP, {withCount ? count : kNoValue, withCondition ? go : kNoValue, x}, {final, all},
            {body});
  return t;
}

TEST(ControlFlow, Loop) {
  for (bool placed : {false, true}) {
    auto run = [&](bool withCount, bool withCondition, int64_t count, bool go) {
      TestPlan t = loopPlan(withCount, withCondition, placed);
      auto session = makeSession(t);
      std::map<std::string, Value> inputs = {
          {"count", Tensor::scalarInt(count)}, {"go", boolean(go)}, {"x", floats({2}, {1, 10})}};
      auto first = session->run(inputs);
      auto second = session->run(inputs);
      EXPECT_EQ(result(first, 1), result(second, 1));
      return second;
    };
    auto out = run(true, true, 2, true);
    EXPECT_EQ(result(out, 0), (std::vector<float>{3, 30}));
    EXPECT_EQ(result(out, 1), (std::vector<float>{2, 20, 3, 30}));
    EXPECT_EQ(shapeOf(out, 1), (Shape{2, 2}));
    out = run(true, true, 100, true);
    EXPECT_EQ(result(out, 0), (std::vector<float>{5, 50})) << "ends when the condition fails";
    EXPECT_EQ(shapeOf(out, 1), (Shape{4, 2}));
    out = run(false, false, 0, false);
    EXPECT_EQ(result(out, 0), (std::vector<float>{5, 50})) << "no count, no condition";
    out = run(true, true, 7, false);
    EXPECT_EQ(result(out, 0), (std::vector<float>{1, 10})) << "no iteration";
    EXPECT_EQ(shapeOf(out, 1), (Shape{0, 2}));
    out = run(true, false, -3, false);
    EXPECT_EQ(shapeOf(out, 1), (Shape{0, 2}));
  }
}

TEST(ControlFlow, LoopCarriesGrowingShapesAndSequences) {
  TestPlan t;
  t.stepSymbol("k");
  t.stepSymbol("m");
  uint32_t count = t.input("count", {}, DType::kI64), x = t.input("x", {"2"}), v0 = t.host("v0", {"k"});
  uint32_t i = t.host("i", {}, DType::kI64), g = t.host("g", {}, DType::kBool), v = t.host("v", {"m"});
  uint32_t longer = t.arena("longer", {"m + 2"}), yes = t.constant("yes", boolean(true)), out = t.any("out");
  t.hostCall("test.Negate", {x}, {v0});
  uint32_t body = t.block({i, g, v}, {yes, longer});
  t.hostCall("test.Concat", {v, x}, {longer}, body);
  t.control(plan::Control::LOOP, {count, kNoValue, v0}, {out}, {body});
  t.p.add_outputs(out);
  auto session = makeSession(t);
  auto got = session->run({{"count", Tensor::scalarInt(3)}, {"x", floats({2}, {1, 2})}});
  EXPECT_EQ(result(got, 0), (std::vector<float>{-1, -2, 1, 2, 1, 2, 1, 2}));
}

TEST(ControlFlow, LoopSwapsCarriedValues) {
  for (bool placed : {false, true}) {
    TestPlan t;
    uint32_t count = t.input("count", {}, DType::kI64), a0 = t.input("a0", {"1"}), b0 = t.input("b0", {"1"});
    auto make = [&](const std::string& name, const Dims& dims, DType type = DType::kF32) {
      return placed ? t.arena(name, dims, type) : t.host(name, dims, type);
    };
    uint32_t i = make("i", {}, DType::kI64), g = make("g", {"1"}, DType::kBool), a = make("a", {"1"}),
             b = make("b", {"1"});
    uint32_t aOut = t.output("aOut", {"1"}), bOut = t.output("bOut", {"1"});
    uint32_t body = t.block({i, g, a, b}, {g, b, a});
    t.control(plan::Control::LOOP, {count, kNoValue, a0, b0}, {aOut, bOut}, {body});
    auto session = makeSession(t);
    auto out = session->run({{"count", Tensor::scalarInt(3)}, {"a0", floats({1}, {1})}, {"b0", floats({1}, {2})}});
    EXPECT_EQ(result(out, 0), (std::vector<float>{2}));
    EXPECT_EQ(result(out, 1), (std::vector<float>{1}));
  }
}

TEST(ControlFlow, ValuesFromOutsideStayAliveThroughTheLoop) {
  TestPlan t; // `outside` is read in the first step of the body; later steps must not reuse its memory
  uint32_t count = t.input("count", {}, DType::kI64), x = t.input("x", {"64"});
  uint32_t outside = t.arena("outside", {"64"}), i = t.arena("i", {}, DType::kI64), g = t.arena("g", {}, DType::kBool),
           s = t.arena("s", {"64"});
  uint32_t a = t.arena("a", {"64"}), b = t.arena("b", {"64"}), c = t.arena("c", {"64"}), y = t.output("y", {"64"});
  t.hostCall("test.First", {x}, {outside});
  uint32_t body = t.block({i, g, s}, {g, c});
  t.hostCall("test.Add", {s, outside}, {a}, body);
  t.hostCall("test.Negate", {a}, {b}, body);
  t.hostCall("test.Negate", {b}, {c}, body);
  t.control(plan::Control::LOOP, {count, kNoValue, x}, {y}, {body});
  auto session = makeSession(t);
  auto out = session->run({{"count", Tensor::scalarInt(5)}, {"x", floats({64}, std::vector<float>(64, 1))}});
  EXPECT_EQ(result(out, 0), std::vector<float>(64, 6));
}

TEST(ControlFlow, ScanWithAxesAndDirections) {
  TestPlan t; // running sum over the columns of x, backwards; outputs on axis 1
  uint32_t s0 = t.input("s0", {"2"}), x = t.input("x", {"2", "3"});
  uint32_t s = t.host("s", {"2"}), e = t.host("e", {"2"}), sum = t.host("sum", {"2"}), copy = t.host("copy", {"2"});
  uint32_t final = t.output("final", {"2"}), all = t.output("all", {"2", "3"});
  uint32_t body = t.block({s, e}, {sum, copy});
  t.hostCall("test.Add", {s, e}, {sum}, body);
  t.hostCall("test.First", {sum}, {copy}, body);
  plan::Control& scan = t.control(plan::Control::SCAN, {s0, x}, {final, all}, {body});
  (*scan.mutable_attributes())["num_scan_inputs"].set_i(1);
  (*scan.mutable_attributes())["scan_input_axes"].mutable_ints()->add_v(-1);
  (*scan.mutable_attributes())["scan_input_directions"].mutable_ints()->add_v(1);
  (*scan.mutable_attributes())["scan_output_axes"].mutable_ints()->add_v(1);
  (*scan.mutable_attributes())["scan_output_directions"].mutable_ints()->add_v(1);
  auto session = makeSession(t);
  auto out = session->run({{"s0", floats({2}, {0, 100})}, {"x", floats({2, 3}, {1, 2, 3, 4, 5, 6})}});
  EXPECT_EQ(result(out, 0), (std::vector<float>{6, 115}));
  EXPECT_EQ(result(out, 1), (std::vector<float>{6, 5, 3, 115, 111, 106}));
}

TEST(ControlFlow, ScanEightHasABatch) {
  TestPlan t;
  uint32_t lens = t.input("lens", {"2"}, DType::kI64), s0 = t.input("s0", {"2", "1"}),
           x = t.input("x", {"2", "3", "1"});
  uint32_t s = t.host("s", {"1"}), e = t.host("e", {"1"}), sum = t.host("sum", {"1"}), copy = t.host("copy", {"1"});
  uint32_t final = t.output("final", {"2", "1"}), all = t.output("all", {"2", "3", "1"});
  uint32_t body = t.block({s, e}, {sum, copy});
  t.hostCall("test.Add", {s, e}, {sum}, body);
  t.hostCall("test.First", {sum}, {copy}, body);
  plan::Control& scan = t.control(plan::Control::SCAN, {lens, s0, x}, {final, all}, {body});
  scan.set_opset(8);
  (*scan.mutable_attributes())["num_scan_inputs"].set_i(1);
  auto session = makeSession(t);
  auto out = session->run(
      {{"lens", ints({2}, {3, 2})}, {"s0", floats({2, 1}, {0, 10})}, {"x", floats({2, 3, 1}, {1, 2, 3, 4, 5, 6})}});
  EXPECT_EQ(result(out, 0), (std::vector<float>{6, 19}));
  EXPECT_EQ(result(out, 1), (std::vector<float>{1, 3, 6, 14, 19, 0}));
  auto bad = session->run(
      {{"lens", ints({2}, {3, 4})}, {"s0", floats({2, 1}, {0, 10})}, {"x", floats({2, 3, 1}, {1, 2, 3, 4, 5, 6})}});
  EXPECT_NE(bad.status().message().find("sequence_lens holds 4, expected at most 3"), std::string::npos);
}

TEST(ControlFlow, SequenceMap) {
  TestPlan t;
  uint32_t a = t.input("a", {"2"}), b = t.input("b", {"1"}), pair = t.any("pair", plan::Value::SEQUENCE);
  uint32_t item = t.any("item"), addend = t.any("addend"), sum = t.any("sum"),
           out = t.any("out", plan::Value::SEQUENCE);
  t.hostCall("test.Pair", {a, b}, {pair});
  uint32_t body = t.block({item, addend}, {sum});
  t.hostCall("test.Add", {item, addend}, {sum}, body);
  t.control(plan::Control::SEQUENCE_MAP, {pair, b}, {out}, {body});
  t.p.add_outputs(out);
  auto session = makeSession(t);
  auto got = session->run({{"a", floats({2}, {1, 2})}, {"b", floats({1}, {10})}});
  ASSERT_TRUE(got.isOk()) << got.status().message();
  const auto& items = std::get<std::shared_ptr<Sequence>>((*got)[0].value)->items;
  ASSERT_EQ(items.size(), 2u);
  EXPECT_EQ(toFloats(std::get<Tensor>(items[0])), (std::vector<float>{11, 12}));
  EXPECT_EQ(toFloats(std::get<Tensor>(items[1])), (std::vector<float>{20}));
}

TEST(ControlFlow, NestedLoopsAndBranches) {
  TestPlan t; // for i < n: for j < n: s += x when s < 5 else s = -s
  uint32_t n = t.input("n", {}, DType::kI64), x = t.input("x", {"1"}), limit = t.constant("limit", floats({}, {5}));
  uint32_t i = t.arena("i", {}, DType::kI64), g = t.arena("g", {}, DType::kBool), s = t.arena("s", {"1"}),
           r = t.arena("r", {"1"});
  uint32_t j = t.arena("j", {}, DType::kI64), h = t.arena("h", {}, DType::kBool), u = t.arena("u", {"1"}),
           w = t.arena("w", {"1"});
  uint32_t less = t.host("less", {}, DType::kBool), up = t.arena("up", {"1"}), down = t.host("down", {"1"}),
           y = t.output("y", {"1"});
  uint32_t outer = t.block({i, g, s}, {g, r}), inner = t.block({j, h, u}, {h, w});
  t.control(plan::Control::LOOP, {n, kNoValue, x}, {y}, {outer});
  t.control(plan::Control::LOOP, {n, kNoValue, s}, {r}, {inner}, outer);
  t.hostCall("test.Less", {u, limit}, {less}, inner);
  uint32_t yes = t.block({}, {up}), no = t.block({}, {down});
  t.hostCall("test.Add", {u, x}, {up}, yes);
  t.hostCall("test.Negate", {u}, {down}, no);
  t.control(plan::Control::IF, {less}, {w}, {yes, no}, inner);
  auto session = makeSession(t);
  float expected = 2;
  for (int k = 0; k < 9; ++k)
    expected = expected < 5 ? expected + 2 : -expected;
  for (int repeat = 0; repeat < 2; ++repeat)
    EXPECT_EQ(result(session->run({{"n", Tensor::scalarInt(3)}, {"x", floats({1}, {2})}}), 0),
              (std::vector<float>{expected}));
  auto failing = session->run({{"n", ints({}, {3})}, {"x", floats({1}, {2})}});
  EXPECT_TRUE(failing.isOk());
}

/// Host steps, aliases, sizes that steps decide, an If.
TestPlan branchPlan() {
  TestPlan t;
  t.symbol("n");
  t.stepSymbol("m");
  uint32_t c = t.input("c", {}, DType::kBool), x = t.input("x", {"n"}), kept = t.host("kept", {"m"});
  uint32_t a = t.arena("a", {"m"}), b = t.arena("b", {"2*n"}), lower = t.alias("lower", b, {"n"});
  uint32_t upper = t.alias("upper", b, {"n"}, DType::kF32, "n"), y = t.output("y", {"2*n"}), z = t.host("z", {"m"});
  t.hostCall("test.Negate", {x}, {lower});
  t.hostCall("test.Negate", {lower}, {upper});
  t.step(0, "copy", {b}, {y}).mutable_copy();
  t.hostCall("test.Compress", {y}, {kept});
  uint32_t yes = t.block({}, {a}), no = t.block({}, {kept});
  t.hostCall("test.Add", {kept, kept}, {a}, yes);
  t.control(plan::Control::IF, {c}, {z}, {yes, no});
  t.p.add_outputs(z);
  return t;
}

/// Mutated plans that pass the checks are run: they may fail, not crash. No launches: those are native code.
TEST(ControlFlow, SurvivesMutatedPlans) {
  auto device = std::shared_ptr<Device>(take(makeDevice("cpu", {.threads = 1})));
  int ran = 0, failed = 0;
  for (unsigned seed = 0; seed < 4000; ++seed) {
    TestPlan t = seed % 2 ? loopPlan(true, true, seed % 4 == 1) : branchPlan();
    Mutator mutator(seed);
    for (unsigned i = 0; i <= seed / 2 % 3; ++i)
      mutator.mutate(t.p);
    auto plan = std::move(t.writer).toMemory();
    if (!plan) continue;
    auto session = Session::create(*plan, device, testOptions());
    if (!session) continue;
    std::map<std::string, Value> inputs;
    for (size_t k = 0; k < (*session)->inputs().size(); ++k) {
      const Port& port = (*session)->inputs()[k];
      auto shape = (*session)->inputShape(k, {{"n", 3}, {"h", 2}, {"m", 2}, {"k", 1}});
      if (!shape || numElements(*shape) < 0 || numElements(*shape) > 1000 || port.dtype == DType::kInvalid) continue;
      Tensor given = Tensor::make(port.dtype, *shape);
      if (given.size() && port.dtype != DType::kString) given.setDouble(0, 1);
      inputs[port.name] = given;
    }
    for (int repeat = 0; repeat < 2; ++repeat) {
      auto out = (*session)->run(inputs);
      ran += out.isOk();
      failed += !out.isOk();
    }
  }
  EXPECT_GT(ran, 500);
  EXPECT_GT(failed, 100);
}

TEST(TensorSlices, EveryWidth) {
  for (DType type : {DType::kF32, DType::kI4, DType::kU2, DType::kBool, DType::kC128, DType::kF4E2M1}) {
    Tensor t = Tensor::make(type, {3, 5, 3});
    for (int64_t i = 0; i < t.sizeBytes(); ++i)
      t.as<uint8_t>()[i] = static_cast<uint8_t>(i * 37 + 11);
    if (t.size() * bitWidth(type) % 8)
      t.as<uint8_t>()[t.sizeBytes() - 1] &= static_cast<uint8_t>((1 << (t.size() * bitWidth(type) % 8)) - 1);
    for (int64_t axis : {0, 1, 2, -1, -3}) {
      std::vector<Tensor> slices;
      for (int64_t i = 0; i < t.dim(axis); ++i)
        slices.push_back(sliceAlong(t, axis, i));
      Tensor back = *stackAlong(slices, axis, false);
      EXPECT_EQ(back.describe(), t.describe());
      EXPECT_EQ(std::memcmp(back.data(), t.data(), static_cast<size_t>(t.sizeBytes())), 0)
          << name(type) << " axis " << axis;
      std::reverse(slices.begin(), slices.end());
      EXPECT_EQ(std::memcmp(stackAlong(slices, axis, true)->data(), t.data(), static_cast<size_t>(t.sizeBytes())), 0);
    }
  }
  std::vector<Tensor> mixed = {Tensor::make(DType::kF32, {2}), Tensor::make(DType::kF32, {3})};
  EXPECT_EQ(stackAlong(mixed, 0, false).status().message(), "iterations yield f32[2] and f32[3], which do not stack");
}

} // namespace
} // namespace jinx
