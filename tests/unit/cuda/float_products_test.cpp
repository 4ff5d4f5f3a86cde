// Products of f32 on tensor cores, by three products of TF32 and by one: groups as the compiler makes them, scheduled, emitted, emulated, and
// compared with float64. Errors are parts of the sum of the sizes of what is added up.
#include <bit>
#include <cmath>

#include "MatmulKernels.h"

namespace jinx::cuda::testing {
namespace {

struct Problem {
  int64_t m, n, k;
  bool tf32 = false;
  std::string text() const { return std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k) + (tf32 ? " tf32" : ""); }
};

CudaKernel kernelOf(const Problem &p) {
  auto type = [](int64_t rows, int64_t columns) { return "tensor<" + std::to_string(rows) + "x" + std::to_string(columns) + "xf32>"; };
  const std::string a = type(p.m, p.k), b = type(p.n, p.k), y = type(p.m, p.n), operands = "(" + a + ", " + b + ")";
  return scheduleForCuda("func.func @f(%arg0: " + a + ", %arg1: " + b + ") -> " + y + " {\n  %0 = jinx.group \"matmul\"(%arg0, %arg1) : " + operands + " -> " + y +
                         " {\n  ^bb0(%a: " + a + ", %b: " + b + "):\n    %y = jinx.packed_matmul %a, %b by_rows" + (p.tf32 ? " tf32" : "") + " : " + a + ", " + b +
                         " -> " + y + "\n    jinx.yield %y : " + y + "\n  }\n  return %0 : " + y + "\n}")
      .kernel;
}

struct Data {
  std::vector<float> a, b;
};
Data randomData(const Problem &p, uint64_t seed) { return {randomFloats(p.m * p.k, seed), randomFloats(p.n * p.k, seed + 1000)}; }

std::vector<float> multiplied(const Problem &p, Data data, const CudaKernel &kernel, uint64_t seed) {
  std::vector<float> y(p.m * p.n, NAN);
  Runner runner(kernel);
  EXPECT_TRUE(runner.ok());
  if (!runner.ok()) return y;
  emulated::LaunchOptions options;
  options.seed = seed;
  auto report = runner.run({in(data.a), in(data.b), out(y)}, {}, options);
  EXPECT_TRUE(report.isOk()) << report.status().message();
  return y;
}

/// max |got − want| / Σ|a||b|
double worst(const Problem &p, const Data &data, const std::vector<float> &y) {
  double most = 0;
  for (int64_t i = 0; i < p.m; ++i)
    for (int64_t j = 0; j < p.n; ++j) {
      double sum = 0, size = 0;
      for (int64_t q = 0; q < p.k; ++q) {
        const double product = double(data.a[i * p.k + q]) * data.b[j * p.k + q];
        sum += product, size += std::fabs(product);
      }
      const double off = std::fabs(y[i * p.n + j] - sum) / size;
      if (!(off <= most)) most = off;  // NaN too
    }
  return most;
}
double errorOf(const Problem &p, uint64_t seed) {
  Data data = randomData(p, seed);
  return worst(p, data, multiplied(p, data, kernelOf(p), seed));
}

// a2*b2 is below 2^-20 of a product, and half a unit of TF32 in a2 and b2 2^-21 twice. Sums of f32 are off by less here.
constexpr double kSplit = 0x1p-19;
// Each operand loses less than 2^-10.
constexpr double kTf32 = 0x1p-9;

TEST(FloatProducts, AreNearFloat64) {
  uint64_t seed = 0;
  for (auto [m, n, k] : {std::array<int64_t, 3>{200, 136, 36}, {300, 200, 100}, {65, 30, 264}, {7, 130, 132}, {64, 257, 64}, {130, 8, 4}})
    for (bool tf32 : {false, true})
      for (int repeat = 0; repeat < 2; ++repeat) {
        Problem p{m, n, k, tf32};
        const double error = errorOf(p, ++seed);
        EXPECT_LT(error, tf32 ? kTf32 : kSplit) << p.text() << ", seed " << seed;
        if (tf32) EXPECT_GT(error, kSplit) << p.text() << " is one product, not three";
      }
}

// Blocks of a cluster share what they fetch: each has a splitter of its own.
TEST(FloatProducts, OfClusters) {
  for (schedules::WgmmaTile tile : {schedules::WgmmaTile{128, 128, 3, 2, 1, 2, 8, false}, {128, 64, 3, 1, 2, 2, 8, false}, {64, 64, 4, 2, 1, 1, 64, true},
                                    {128, 80, 3, 2, 2, 2, 8, true}}) {
    tile.promotes = tile.highLow = true, tile.storedBytes = tile.elementBytes = 4;
    ASSERT_EQ(schedules::wgmmaInfeasible(tile), "");
    Built built = buildFloatWgmma(tile, 8);
    Runner runner(built.kernel);
    ASSERT_TRUE(runner.ok());
    for (uint64_t seed : {1, 2, 3}) {
      Problem p{300, 200, 100};
      Data data = randomData(p, seed);
      std::vector<float> y(p.m * p.n, NAN);
      emulated::LaunchOptions options;
      options.seed = seed;
      auto report = runner.run({in(data.a), in(data.b), out(y)}, {p.m, p.n, p.k}, options);
      ASSERT_TRUE(report.isOk()) << report.status().message();
      EXPECT_LT(worst(p, data, y), kSplit) << tile.m << "x" << tile.n << ", seed " << seed;
    }
  }
}

TEST(FloatProducts, OfFewTilesShareK) {
  for (bool tf32 : {false, true}) {
    Problem p{70, 72, 400, tf32};
    EXPECT_EQ(kernelOf(p).cluster, 4) << p.text();
    for (uint64_t seed : {1, 2, 3}) EXPECT_LT(errorOf(p, seed), tf32 ? kTf32 : kSplit) << p.text();
  }
}

// 2,000 terms of one sign: a tensor core cuts each sum, which promotion keeps from building up.
TEST(FloatProducts, OfLongDepthStayExact) {
  for (int64_t m : {70, 130}) {
    Problem p{m, 72, 2048};
    Data data = randomData(p, 5);
    for (auto *operand : {&data.a, &data.b})
      for (float &v : *operand) v = std::fabs(v);
    EXPECT_LT(worst(p, data, multiplied(p, data, kernelOf(p), 5)), 0x1p-20) << p.text();
  }
}

// Whole numbers of 24 bits have parts of 11 and of 13: products of such with powers of two are exact.
TEST(FloatProducts, SeeAllBitsOfAnOperand) {
  Problem p{64, 64, 32};
  Data data{std::vector<float>(p.m * p.k, 0.0f), std::vector<float>(p.n * p.k, 0.0f)};
  for (int64_t i = 0; i < p.m; ++i) data.a[i * p.k + i % p.k] = float(0xFFF001 - 64 * i);
  for (int64_t j = 0; j < p.n; ++j) data.b[j * p.k + j % p.k] = std::ldexp(j % 2 ? -1.0f : 1.0f, int(j % 7));
  auto y = multiplied(p, data, kernelOf(p), 1);
  EXPECT_LT(worst({p.m, p.n, p.k}, data, y), INFINITY);
  for (int64_t i = 0; i < p.m; ++i)
    for (int64_t j = 0; j < p.n; ++j) {
      const double want = i % p.k == j % p.k ? double(data.a[i * p.k + i % p.k]) * data.b[j * p.k + j % p.k] : 0;
      ASSERT_NEAR(y[i * p.n + j], want, std::fabs(want) * 0x1p-22) << i << ", " << j;
    }
}

TEST(FloatProducts, OfNaNAreNaN) {
  Problem p{100, 80, 64};
  Data data = randomData(p, 9);
  data.a[3 * p.k + 5] = NAN;
  data.b[7 * p.k + 40] = std::bit_cast<float>(0x7FFFFFFFu);
  auto y = multiplied(p, data, kernelOf(p), 9);
  for (int64_t i = 0; i < p.m; ++i)
    for (int64_t j = 0; j < p.n; ++j) ASSERT_EQ(std::isnan(y[i * p.n + j]), i == 3 || j == 7) << i << ", " << j;
}

// Infinity times a number whose low part is 0 is infinity; times 0 it is NaN, as infinities of both signs together are.
TEST(FloatProducts, OfInfinityAreInfinity) {
  Problem p{100, 80, 64};
  Data data = randomData(p, 9);
  data.a[3 * p.k + 5] = INFINITY;
  data.b[7 * p.k + 40] = -INFINITY;
  for (int64_t j = 10; j < 40; ++j) data.b[j * p.k + 5] = float(j - 20) / 16;
  for (int64_t i = 10; i < 40; ++i) data.a[i * p.k + 40] = float(i - 20) / 16;
  auto y = multiplied(p, data, kernelOf(p), 9);
  for (int64_t i = 0; i < p.m; ++i)
    for (int64_t j = 0; j < p.n; ++j) {
      double want = 0;
      for (int64_t q = 0; q < p.k; ++q) want += double(data.a[i * p.k + q]) * data.b[j * p.k + q];
      if (std::isfinite(want)) ASSERT_TRUE(std::isfinite(y[i * p.n + j])) << i << ", " << j;
      if (std::isinf(want)) ASSERT_EQ(y[i * p.n + j], want) << i << ", " << j;
      if (std::isnan(want)) ASSERT_TRUE(std::isnan(y[i * p.n + j])) << i << ", " << j;
    }
}

TEST(FloatProducts, TextAndGate) {
  Problem split{4096, 4096, 4096}, tf32{4096, 4096, 4096, true};
  expectGolden("wgmma_f32.cu", kernelOf(split).text);
  expectGolden("wgmma_tf32.cu", kernelOf(tf32).text);
  if (!haveNvrtc()) GTEST_SKIP() << "no NVRTC on this machine";
  for (const Problem &p : {split, tf32, Problem{128, 4096, 4096}, Problem{8, 4096, 4096}}) {
    CompiledCuda compiled = compileThroughGate(kernelOf(p));
    EXPECT_GT(countSass(compiled.cubin, p.tf32 ? kSassHgmma : kSassHgmmaRegisters), 0) << p.text() << ": the products must be HGMMA instructions";
  }
}

TEST(FloatProducts, ShapesThroughTheGate) {
  if (!haveNvrtc()) GTEST_SKIP() << "no NVRTC on this machine";
  for (schedules::WgmmaTile tile : {schedules::WgmmaTile{128, 256, 4, 2, 1, 2, 8, false}, {128, 128, 4, 2, 1, 2, 8, false}, {128, 64, 5, 2, 1, 2, 16, true},
                                    {64, 128, 4, 1, 2, 1, 16, false}, {64, 64, 6, 2, 1, 1, 64, true}, {64, 64, 6, 1, 1, 1, 64, true}}) {
    tile.storedBytes = tile.elementBytes = 4;
    for (bool highLow : {false, true}) {
      tile.highLow = tile.promotes = highLow;
      if (!schedules::wgmmaInfeasible(tile).empty()) continue;
      Built built = buildFloatWgmma(tile);
      dumpForGpu(built.kernel, std::string(highLow ? "f32_" : "tf32_") + std::to_string(tile.m) + "x" + std::to_string(tile.n) + (tile.cluster() > 1 ? "" : "_alone"));
      compileThroughGate(built.kernel);
    }
  }
}

}  // namespace
}  // namespace jinx::cuda::testing
