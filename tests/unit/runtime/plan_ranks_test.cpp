// What PlanCheck tells of plans of ranks: meshes, parts, collectives and their waits.
#include "runtime/plan/Mesh.h"
#include "tests/unit/runtime/TestPlan.h"

namespace jinx::test {
namespace {

using plan::Collective;

std::string faultOf(TestPlan& t) {
  auto file = std::move(t.writer).toMemory();
  return file ? "" : file.status().message();
}
#define EXPECT_FAULT(t, part)                            \
  do {                                                   \
    const std::string fault = faultOf(t);                \
    EXPECT_NE(fault.find(part), std::string::npos) << fault; \
  } while (false)

/// One collective of two ranks, and what makes it wrong.
struct Plan : TestPlan {
  uint32_t x, y;
  Collective* call;
  explicit Plan(Collective::Op op = Collective::ALL_REDUCE) {
    mesh({{"dp", 2}, {"tp", 3}});
    x = input("x", {"6"});
    y = output("y", {"6"});
    call = &collective(op, {x}, {y}, "6", {1});
  }
};

TEST(PlanRanks, AGoodOne) {
  Plan t;
  t.whole(t.x, {{"18", {1}}});
  t.p.mutable_mesh()->add_coordinates()->set_at(1);
  EXPECT_EQ(faultOf(t), "");
}

TEST(PlanRanks, Meshes) {
  Plan twice;
  twice.p.mutable_mesh()->mutable_axes(1)->set_name("dp");
  EXPECT_FAULT(twice, "axis dp of the mesh is there twice");
  Plan nameless;
  nameless.p.mutable_mesh()->mutable_axes(1)->set_name("");
  EXPECT_FAULT(nameless, "has no name");
  Plan empty;
  empty.p.mutable_mesh()->mutable_axes(0)->set_size(0);
  EXPECT_FAULT(empty, "axis dp of the mesh has 0 ranks");
  Plan many;
  many.p.mutable_mesh()->mutable_axes(0)->set_size(1 << 24);
  EXPECT_FAULT(many, "expected 1 to 16777216 in all");
  Plan outside;
  outside.p.mutable_mesh()->add_coordinates()->set_at(2);
  EXPECT_FAULT(outside, "coordinate 2 of an axis of 2 ranks");
  Plan none;
  none.p.mutable_mesh()->add_coordinates()->set_axis(2);
  EXPECT_FAULT(none, "axis 2 is none of the mesh");
}

TEST(PlanRanks, Parts) {
  Plan rank;
  rank.whole(rank.x, {{"18", {1}}, {"4", {}}});
  EXPECT_FAULT(rank, "has 1 dimensions, its whole 2");
  Plan axis;
  axis.whole(axis.y, {{"18", {2}}});
  EXPECT_FAULT(axis, "whole: axis 2 is none of the mesh");
  Plan formula;
  formula.whole(formula.y, {{"m", {1}}});
  EXPECT_FAULT(formula, "undeclared symbol \"m\"");
  Plan size;
  size.p.mutable_values(static_cast<int>(size.x))->set_only_size(true);
  EXPECT_FAULT(size, "is there for its size, expected an input of shape [n, 0]");
}

TEST(PlanRanks, Collectives) {
  Plan axis;
  axis.call->set_axes(0, 7);
  EXPECT_FAULT(axis, "axis 7 is none of the mesh, which has 2");
  Plan twice;
  twice.call->add_axes(1);
  EXPECT_FAULT(twice, "axis tp is there twice");
  Plan count;
  count.call->set_count("k");
  EXPECT_FAULT(count, "undeclared symbol \"k\"");
  Plan root(Collective::BROADCAST);
  root.call->set_root(3);
  EXPECT_FAULT(root, "root 3 is no place in a group of 3");
  Plan few(Collective::PERMUTE);
  few.call->add_sources(0);
  EXPECT_FAULT(few, "has 1 sources, expected one for each of the 3 ranks");
  Plan source(Collective::PERMUTE);
  for (int s : {0, 1, 3})
    source.call->add_sources(s);
  EXPECT_FAULT(source, "source 3 is no place in a group of 3");
  Plan send(Collective::SEND);
  EXPECT_FAULT(send, "has 1 operands and 1 results, expected 1 and 0");
  Plan none;
  none.p.clear_mesh();
  EXPECT_FAULT(none, "is a collective, and the plan has no mesh");
  Plan type;
  type.p.mutable_values(static_cast<int>(type.y))->set_dtype(static_cast<uint32_t>(DType::kI32));
  EXPECT_FAULT(type, "operand and result have different element types");
}

/// Rows, and how many of them go and come.
struct RowsPlan : TestPlan {
  uint32_t counts;
  Collective* call;
  explicit RowsPlan(DType of = DType::kI64) {
    mesh({{"ep", 2}});
    const uint32_t x = input("x", {"6", "2"});
    counts = input("counts", {"2"}, of);
    call = &collective(Collective::ALL_TO_ALL_V, {x, counts, counts}, {output("y", {"9", "2"})}, "2");
  }
};

TEST(PlanRanks, Counts) {
  RowsPlan good;
  EXPECT_EQ(faultOf(good), "");
  RowsPlan narrow(DType::kI32);
  EXPECT_FAULT(narrow, "counts \"counts\" are no i64");
  RowsPlan starts;
  starts.call->set_starts(true);
  EXPECT_FAULT(starts, "starts an all_to_all_v, expected one that ends: the host reads its counts");
  Plan none(Collective::ALL_TO_ALL_V);
  EXPECT_FAULT(none, "has 1 operands and 1 results, expected 3 and 1");
  TestPlan step;
  step.mesh({{"ep", 2}});
  step.stepSymbol("m");
  const uint32_t x = step.input("x", {"4"}), c = step.arena("c", {"m"}, DType::kI64);
  step.hostCall("Compress", {x}, {c});
  step.collective(Collective::ALL_TO_ALL_V, {x, c, c}, {step.output("y", {"4"})}, "1");
  EXPECT_FAULT(step, "has size \"m\", which a step tells");
}

TEST(PlanRanks, SizesThatAStepTells) {
  TestPlan t;
  t.mesh({{"tp", 2}});
  t.stepSymbol("m");
  const uint32_t x = t.input("x", {"4"}), a = t.arena("a", {"m"}), y = t.output("y", {"m"});
  t.hostCall("Compress", {x}, {a});
  t.collective(Collective::ALL_REDUCE, {a}, {y}, "4");
  EXPECT_FAULT(t, "has size \"m\", which a step tells");
}

TEST(PlanRanks, NotInABody) {
  TestPlan t;
  t.mesh({{"tp", 2}});
  const uint32_t c = t.input("c", {}, DType::kBool), x = t.input("x", {"2"}), y = t.output("y", {"2"}), a = t.arena("a", {"2"}), b = t.arena("b", {"2"});
  const uint32_t then = t.block({}, {a}), otherwise = t.block({}, {b});
  t.control(plan::Control::IF, {c}, {y}, {then, otherwise});
  t.hostCall("Neg", {x}, {b}, otherwise);
  plan::Step& step = t.step(then, "inside", {x}, {a});
  step.mutable_collective()->set_count("2");
  EXPECT_FAULT(t, "is a collective in a body of control flow");
}

/// A call that starts, one step, the wait.
struct Started : TestPlan {
  uint32_t x, sum, other, y;
  Started(const char* op, bool readsSum, bool writesOperand) {
    mesh({{"tp", 2}});
    x = input("x", {"2"});
    const uint32_t a = arena("a", {"2"});
    sum = arena("sum", {"2"});
    other = arena("other", {"2"});
    y = output("y", {"2"});
    hostCall("Neg", {x}, {a});
    collective(Collective::ALL_REDUCE, {a}, {sum}, "2").set_starts(true);
    hostCall(op, {readsSum ? sum : x}, {writesOperand ? a : other});
    wait(1, {a}, {sum});
    hostCall("Neg", {sum}, {y});
  }
  plan::Step& waits() { return *p.mutable_blocks(0)->mutable_steps(3); }
};

TEST(PlanRanks, Waits) {
  Started good("Neg", false, false);
  EXPECT_EQ(faultOf(good), "");
  Started reads("Neg", true, false);
  EXPECT_FAULT(reads, "reads \"sum\" before it is written");
  Started writes("Neg", false, true);
  EXPECT_FAULT(writes, "writes \"a\", which \"ALL_REDUCE2\" is using: wait for it first");
  Started operands("Neg", false, false);
  operands.waits().set_inputs(0, operands.x);
  EXPECT_FAULT(operands, "has other operands than \"ALL_REDUCE2\"");
  Started nothing("Neg", false, false);
  nothing.waits().mutable_wait()->set_start(0);
  EXPECT_FAULT(nothing, "waits for step 0 of the block, which has started no collective");
  Started none("Neg", false, false);
  none.waits().mutable_copy();
  none.waits().set_inputs(0, none.x);
  none.waits().set_outputs(0, none.other);
  none.p.mutable_blocks(0)->mutable_steps(4)->set_inputs(0, none.other);
  EXPECT_FAULT(none, "starts a collective that nothing waits for");
}

/// An all_reduce, and a launch that may carry it out.
struct Summed : TestPlan {
  uint32_t x, sum, y;
  Collective* call;
  plan::Step* step;
  Summed() {
    mesh({{"tp", 3}});
    x = input("x", {"6"});
    sum = arena("sum", {"6"});
    y = output("y", {"6"});
    call = &collective(Collective::ALL_REDUCE, {x}, {sum}, "6");
    plan::Kernel& kernel = *p.add_kernels();
    kernel.set_symbol("norm");
    kernel.set_num_buffers(3);
    kernel.set_sum_ranks(3);
    step = p.mutable_blocks(0)->add_steps();
    step->set_name("norm");
    for (uint32_t i : {sum, x})
      step->add_inputs(i);
    step->add_outputs(y);
    step->mutable_launch()->set_programs("1");
    step->mutable_launch()->set_sum_of(0);
  }
};

TEST(PlanRanks, SumsThatKernelsMake) {
  Summed good;
  EXPECT_EQ(faultOf(good), "");
  Summed later;
  later.step->mutable_launch()->set_sum_of(1);
  EXPECT_FAULT(later, "makes the sum of step 1, expected one in front of it");
  Summed largest;
  largest.call->set_reduction(Collective::MAX);
  EXPECT_FAULT(largest, "makes the sum of \"ALL_REDUCE1\", expected an all_reduce by sum");
  Summed apart;
  apart.step->set_inputs(1, apart.sum);
  EXPECT_FAULT(apart, "expected its operand and its result among the inputs");
  Summed needed;
  needed.hostCall("Neg", {needed.sum}, {needed.arena("negative", {"6"})});
  needed.p.mutable_blocks(0)->mutable_steps()->SwapElements(1, 2);
  EXPECT_FAULT(needed, "makes the sum of \"ALL_REDUCE1\", which \"Neg2\" in front of it needs");
  Summed other;
  other.p.mutable_kernels(0)->set_sum_ranks(2);
  EXPECT_FAULT(other, "makes a sum of 3 ranks, its kernel of 2");
}

/// A send that starts has no result; its operand is in use until the wait. A receive has its result from the wait on.
TEST(PlanRanks, StartedSendsAndReceives) {
  for (const bool isEarly : {false, true}) {
    TestPlan t;
    t.mesh({{"pp", 2}});
    const uint32_t x = t.input("x", {"2"}), a = t.arena("a", {"2"}), b = t.arena("b", {"2"}), y = t.output("y", {"2"});
    t.hostCall("Neg", {x}, {a});
    plan::Collective& send = t.collective(Collective::SEND, {a}, {}, "2");
    send.set_root(1);
    send.set_starts(true);
    t.collective(Collective::RECV, {}, {b}, "2").set_starts(true);
    if (isEarly) t.hostCall("Neg", {x}, {a});
    t.wait(1, {a}, {});
    t.wait(2, {}, {b});
    t.hostCall("Neg", {b}, {y});
    if (isEarly) EXPECT_FAULT(t, "which \"SEND2\" is using: wait for it first");
    else EXPECT_EQ(faultOf(t), "");
  }
}

TEST(Mesh, PlacesAndGroups) {
  TestPlan t;
  t.mesh({{"dp", 2}, {"tp", 4}});
  const plan::Mesh& mesh = t.p.mesh();
  const std::vector<uint32_t> tp = {1}, both = {1, 0}, none = {};
  EXPECT_EQ(numRanks(mesh), 8);
  EXPECT_EQ(coordinatesOf(mesh, 6), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(groupOf(mesh, tp, 6), (std::vector<int>{4, 5, 6, 7}));
  EXPECT_EQ(placeIn(mesh, tp, 6), 2);
  EXPECT_EQ(groupOf(mesh, both, 6), (std::vector<int>{0, 4, 1, 5, 2, 6, 3, 7}));
  EXPECT_EQ(placeIn(mesh, both, 6), 5);
  EXPECT_EQ(groupOf(mesh, none, 6), (std::vector<int>{6}));
  EXPECT_EQ(describeRank(mesh, 6), "rank 6 of 8 (dp = 1, tp = 2)");
}

} // namespace
} // namespace jinx::test
