// Texts of kernels whose lanes depend on each other, through the gate; and what holds of them bit by bit. Numbers in general are judged by
// tests/numeric/cuda_ops.py, orders between threads by fault_test.cpp.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "LaneKernels.h"

namespace jinx::cuda::testing {
namespace {

emulated::LaunchOptions seeded(uint64_t seed) {
  emulated::LaunchOptions options;
  options.seed = seed;
  return options;
}

TEST(CudaLanes, Texts) {
  for (auto [name, group] : {std::pair{"cumsum.cu", kRunningSum}, {"scatter_nd.cu", kScatterAdd}, {"top_k.cu", kTopFive}, {"lstm.cu", kLstm}}) {
    CudaKernel kernel = scheduleForCuda(group).kernel;
    expectGolden(name, kernel.text);
    if (haveNvrtc()) compileThroughGate(kernel);
  }
  CudaKernel strips = sumOfParts();
  expectGolden("column_strips.cu", strips.text);
  if (haveNvrtc()) compileThroughGate(strips);
}

TEST(CudaLanes, PartsOfRowsEndWithTheRows) {
  Runner runner(sumOfParts());
  ASSERT_TRUE(runner.ok());
  for (uint64_t seed = 0; seed < 5; ++seed) {
    std::vector<float> x = randomFloats(130 * 76, seed), y(3 * 76, NAN);
    auto report = runner.run({in(x), out(y)}, {}, seeded(seed));
    ASSERT_TRUE(report.isOk()) << report.status().message();
    for (size_t i = 0; i < y.size(); ++i) {
      double sum = 0, size = 0;
      for (size_t r = i / 76 * 48; r < std::min<size_t>(130, (i / 76 + 1) * 48); ++r) sum += x[r * 76 + i % 76], size += std::abs(x[r * 76 + i % 76]);
      EXPECT_NEAR(y[i], sum, 34 * 0x1p-24 * size) << "part " << i / 76 << ", column " << i % 76 << ", seed " << seed;  // 2 rows a team, 32 teams
    }
  }
}

TEST(CudaLanes, UpdatesOfOneElementAreAddedInTheirOrder) {
  Runner runner(scheduleForCuda(kScatterAdd).kernel);
  ASSERT_TRUE(runner.ok());
  for (uint64_t seed = 0; seed < 5; ++seed) {
    std::vector<float> x = randomFloats(21, seed), u = randomFloats(600, seed + 100), expected = x, y(21, NAN);
    std::vector<int64_t> rows(200);
    std::mt19937_64 draw(seed);
    for (int64_t &row : rows) row = int64_t(draw() % 16) - 8;  // -8 and 7 are out of range
    for (size_t r = 0; r < rows.size(); ++r)
      for (size_t j = 0; j < 3; ++j)
        if (rows[r] >= -7 && rows[r] < 7) expected[size_t((rows[r] + 7) % 7) * 3 + j] += u[3 * r + j];
    auto report = runner.run({in(x), in(rows), in(u), out(y)}, {}, seeded(seed));
    ASSERT_TRUE(report.isOk()) << report.status().message();
    EXPECT_EQ(std::memcmp(y.data(), expected.data(), 21 * 4), 0) << "seed " << seed;
  }
}

TEST(CudaLanes, OfEqualElementsTheFirstComesFirst) {
  Runner runner(scheduleForCuda(kTopFive).kernel);
  ASSERT_TRUE(runner.ok());
  for (uint64_t seed = 0; seed < 3; ++seed) {
    std::vector<float> x(10000), values(10, NAN);
    std::vector<int64_t> indices(10, -1);
    std::mt19937_64 draw(seed);
    for (float &v : x) v = float(draw() % 900);
    auto report = runner.run({in(x), out(values), out(indices)}, {}, seeded(seed));
    ASSERT_TRUE(report.isOk()) << report.status().message();
    for (size_t row = 0; row < 2; ++row) {
      std::vector<int64_t> order(5000);
      std::iota(order.begin(), order.end(), 0);
      const float *of = x.data() + 5000 * row;
      std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return of[a] != of[b] ? of[a] > of[b] : a < b; });
      for (size_t k = 0; k < 5; ++k) {
        EXPECT_EQ(indices[5 * row + k], order[k]);
        EXPECT_EQ(values[5 * row + k], of[order[k]]);
      }
    }
  }
}

}  // namespace
}  // namespace jinx::cuda::testing
