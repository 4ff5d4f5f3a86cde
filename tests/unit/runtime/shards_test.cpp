// Cutting whole tensors into the parts of ranks, and joining them: sizes that divide and that do not, several axes, packed elements.
#include "runtime/executor/Shards.h"
#include "tests/unit/runtime/TestPlan.h"

namespace jinx::test {
namespace {

struct Split {
  TestPlan t;
  uint32_t x = 0;
  const plan::Whole& of() { return t.p.values(static_cast<int>(x)).whole(); }
  const plan::Mesh& mesh() { return t.p.mesh(); }
};

Split splitOf(const std::vector<std::pair<std::string, int64_t>>& axes, const std::vector<std::pair<std::string, Ids>>& dims) {
  Split s;
  s.t.mesh(axes);
  Dims sizes;
  for (const auto& dim : dims)
    sizes.push_back(dim.first);
  s.x = s.t.input("x", sizes);
  s.t.whole(s.x, dims);
  return s;
}

Tensor counting(Shape shape, DType type = DType::kF32) {
  Tensor t = Tensor::make(type, std::move(shape));
  for (int64_t i = 0; i < t.size(); ++i)
    t.setInt(i, i + 1);
  return t;
}

TEST(Shards, RowsThatDoNotDivideAreFilledUp) {
  Split s = splitOf({{"tp", 4}}, {{"7", {0}}, {"2", {}}});
  const Tensor whole = counting({7, 2});
  EXPECT_EQ(toFloats(take(cutPart(whole, s.of(), s.mesh(), 0))), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(toFloats(take(cutPart(whole, s.of(), s.mesh(), 3))), (std::vector<float>{13, 14, 0, 0}));
}

TEST(Shards, ColumnsAreGathered) {
  Split s = splitOf({{"tp", 2}}, {{"2", {}}, {"3", {0}}});
  EXPECT_EQ(toFloats(take(cutPart(counting({2, 3}), s.of(), s.mesh(), 1))), (std::vector<float>{3, 0, 6, 0}));
}

TEST(Shards, MoreRanksThanElements) {
  Split s = splitOf({{"tp", 4}}, {{"2", {0}}});
  EXPECT_EQ(toFloats(take(cutPart(counting({2}), s.of(), s.mesh(), 3))), (std::vector<float>{0}));
}

TEST(Shards, TheFirstAxisIsTheMajorOne) {
  Split s = splitOf({{"dp", 2}, {"tp", 2}}, {{"4", {1, 0}}});
  EXPECT_EQ(toFloats(take(cutPart(counting({4}), s.of(), s.mesh(), 1))), (std::vector<float>{3})); // dp = 0, tp = 1: place 2
}

TEST(Shards, CutAndPlacedIsTheWhole) {
  for (DType type : {DType::kF32, DType::kU8, DType::kI4, DType::kI64})
    for (int64_t rows : {0, 1, 5, 8})
      for (int64_t columns : {1, 3, 4}) {
        Split s = splitOf({{"dp", 2}, {"tp", 3}}, {{std::to_string(rows), {0}}, {"2", {}}, {std::to_string(columns), {1}}});
        Tensor whole = counting({rows, 2, columns}, type), joined = Tensor::make(type, whole.shape());
        for (int64_t rank = 0; rank < 6; ++rank) {
          const Tensor part = take(cutPart(whole, s.of(), s.mesh(), rank));
          ASSERT_TRUE(placePart(part, s.of(), s.mesh(), rank, joined).isOk());
        }
        for (int64_t i = 0; i < whole.size(); ++i)
          ASSERT_EQ(joined.getInt(i), whole.getInt(i)) << whole.describe() << " element " << i;
      }
}

/// x, split by tp; the size n, which no input has; y, split; z, the same on all.
TestPlan portsPlan() {
  TestPlan t;
  t.mesh({{"dp", 2}, {"tp", 2}});
  t.symbol("n");
  const uint32_t x = t.input("x", {"ceildiv(n, 2)", "2"});
  t.whole(x, {{"n", {1}}, {"2", {}}});
  const uint32_t size = t.input("size.n", {"n", "0"}, DType::kU8);
  t.p.mutable_values(static_cast<int>(size))->set_only_size(true);
  const uint32_t y = t.output("y", {"ceildiv(n, 2)", "2"}), z = t.output("z", {"2"});
  t.whole(y, {{"n", {1}}, {"2", {}}});
  t.step(0, "y", {x}, {y}).mutable_copy();
  t.hostCall("Anything", {x}, {z});
  return t;
}

TEST(WholePorts, CallersSeeWholes) {
  TestPlan t = portsPlan();
  const WholePorts ports(t.p);
  ASSERT_EQ(ports.inputs().size(), 1u);
  EXPECT_EQ(ports.inputs()[0].dims, (Dims{"n", "2"}));
  EXPECT_EQ(ports.outputs()[0].dims, (Dims{"n", "2"}));
  EXPECT_EQ(ports.outputs()[1].dims, (Dims{"2"}));
}

TEST(WholePorts, CutsAndJoins) {
  TestPlan t = portsPlan();
  const WholePorts ports(t.p);
  const std::vector<Value> wholes = {counting({3, 2})};
  std::vector<std::vector<Value>> parts;
  for (int64_t rank = 0; rank < 4; ++rank) {
    std::vector<Value> own = take(ports.cut(wholes, rank));
    ASSERT_EQ(own.size(), 2u);
    EXPECT_EQ(std::get<Tensor>(own[1]).shape(), (Shape{3, 0}));
    parts.push_back({own[0], floats({2}, {1, 2})});
  }
  std::vector<Value> joined = take(ports.join(parts, wholes));
  EXPECT_EQ(toFloats(std::get<Tensor>(joined[0])), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(toFloats(std::get<Tensor>(joined[1])), (std::vector<float>{1, 2}));
  parts[2][1] = floats({2}, {1, 3});
  EXPECT_EQ(ports.join(parts, wholes).status().message(), "output \"z\": ranks 0 and 2 should have the same, and do not");
  parts[2][1] = parts[0][1];
  parts[3][0] = floats({2, 2}, {5, 7, 0, 0}); // ranks 1 and 3 have one part
  EXPECT_EQ(ports.join(parts, wholes).status().message(), "output \"y\": ranks 1 and 3 should have the same, and do not");
}

TEST(WholePorts, WhatIsTold) {
  TestPlan t = portsPlan();
  const WholePorts ports(t.p);
  EXPECT_EQ(ports.cut(std::vector<Value>{}, 0).status().message(), "got 0 inputs, expected 1");
  EXPECT_EQ(ports.cut(std::vector<Value>{counting({3, 4})}, 0).status().message(), "input \"x\" is f32[3x4], expected 2 in dimension 1");
  TestPlan other = portsPlan();
  other.p.mutable_values(2)->mutable_whole()->mutable_dims(0)->set_axes(0, 0);
  EXPECT_FALSE(ports.expectSame(other.p).isOk());
  EXPECT_TRUE(ports.expectSame(portsPlan().p).isOk());
}

} // namespace
} // namespace jinx::test
