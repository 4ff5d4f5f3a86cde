// Products of warps on the emulator, against float64: tails in every dimension, rows at every alignment, operands that lie the other way.
#include <cmath>

#include "MatmulKernels.h"

namespace jinx::cuda::testing {
namespace {

using schedules::MmaTile;

void checkHalves(Runner &r, const MmaProblem &problem, int64_t m, int64_t n, int64_t k, uint64_t seed) {
  auto af = randomFloats(m * k, seed), bf = randomFloats(n * k, seed + 1), bias = randomFloats(n, seed + 2);
  std::vector<uint16_t> a(m * k), b(n * k), d((m + 1) * n, 0x7FC1);  // a guard row behind D must stay as it is
  for (size_t i = 0; i < a.size(); ++i) a[i] = toBf16(af[i]);
  for (size_t i = 0; i < b.size(); ++i) b[i] = toBf16(bf[i]);
  auto ofB = [&](int64_t j, int64_t p) { return fromBf16(b[problem.isTurned ? p * n + j : j * k + p]); };
  emulated::LaunchOptions options;
  options.seed = seed;
  if (!problem.isTurned) options.maxBankConflict = 1;
  auto report = r.run({in(a), in(b), in(bias), out(d)}, {m, n, k}, options);
  ASSERT_TRUE(report.isOk()) << report.status().message();
  double worst = 0;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t p = 0; p < k; ++p) sum += double(fromBf16(a[i * k + p])) * ofB(j, p);
      if (problem.withHole) sum = std::max(0.0, sum + bias[j]);
      double error = std::abs(fromBf16(d[i * n + j]) - sum) / (std::sqrt(double(k)) * 0.25 + std::abs(sum));
      worst = std::isnan(error) ? INFINITY : std::max(worst, error);
    }
  EXPECT_LT(worst, 4e-3) << m << "x" << n << "x" << k << " seed " << seed;  // bf16 rounds the result by 2^-9
  for (int64_t j = 0; j < n; ++j) EXPECT_EQ(d[m * n + j], 0x7FC1) << "wrote past the last row";
}

TEST(CudaMma, TextAndGate) {
  Built plain = buildMma({.tile = {}, .k = 4096}), hole = buildMma({.tile = {64, 64, 2, 2, 4}, .withHole = true}), bytes = buildMma({.tile = {}, .ofBytes = true, .k = 4096});
  expectGolden("mma.cu", plain.kernel.text);
  expectGolden("mma_bias_relu.cu", hole.kernel.text);
  dumpForGpu(plain.kernel, "mma");
  dumpForGpu(hole.kernel, "mma_bias_relu");
  EXPECT_EQ(std::stoll(plain.kernel.sharedBytes), schedules::mmaSharedBytes({}));
  if (!haveNvrtc()) GTEST_SKIP() << "no NVRTC on this machine";
  for (const Built *built : {&plain, &hole, &bytes}) {
    CompiledCuda compiled = compileThroughGate(built->kernel);
    EXPECT_EQ(countSass(compiled.cubin, kSassLdl) + countSass(compiled.cubin, kSassStl), 0) << "local memory";
  }
}

/// What the emitter says of the kernel when it is to be text for `arch`; "" when it makes it.
std::string saidOf(const Built &built, const std::string &arch) {
  std::string said;
  mlir::ScopedDiagnosticHandler handler(built.module.get()->getContext(), [&](mlir::Diagnostic &d) { said += d.str(); });
  tile::KernelOp kernel;
  built.module.get()->walk([&](tile::KernelOp op) { kernel = op; });
  bool isMade = succeeded(emitCuda(kernel, {.arch = arch}));
  EXPECT_EQ(isMade, said.empty());
  return said;
}

TEST(CudaMma, KeepsWithinTheArchitecture) {
  EXPECT_EQ(saidOf(buildMma({}), "sm_80"), "");
  EXPECT_EQ(saidOf(buildMma({}), "sm_89"), "");
  EXPECT_NE(saidOf(buildMma({.tile = {128, 256, 2, 4, 3}}), "sm_89").find("needs 147456 bytes of shared memory, of 101376 on sm_89; take fewer stages"), std::string::npos);
  EXPECT_NE(saidOf(buildWgmma({}, false), "sm_80").find("copies in bulk, has roles or a cluster; expected an architecture from sm_90 on, got sm_80"), std::string::npos);
  EXPECT_NE(saidOf(buildMma({}), "sm_10").find("expected one of sm_80, sm_86, sm_89, sm_90a"), std::string::npos);
}

TEST(CudaMma, CompilesForEarlierGpus) {
  if (!haveNvrtc()) GTEST_SKIP() << "no NVRTC on this machine";
  for (const char *arch : {"sm_80", "sm_89"})
    for (MmaProblem problem : {MmaProblem{.k = 4096}, MmaProblem{.tile = {64, 64, 2, 2, 4}, .withHole = true, .k = 67}, MmaProblem{.ofBytes = true, .k = 4096}}) {
      problem.arch = arch;
      auto compiled = compileCuda(buildMma(problem).kernel.source(), "mma", {.arch = arch});
      ASSERT_TRUE(compiled) << arch << ": " << compiled.status().message();
      EXPECT_EQ(compiled->spillBytes(), 0) << arch;
      EXPECT_TRUE(compiled->badAdvisories().empty());
    }
}

TEST(CudaMma, OddShapes) {
  uint64_t seed = 100;
  for (bool hole : {false, true})
    for (MmaTile tile : {MmaTile{64, 64, 2, 2, 3, 2}, MmaTile{128, 64, 4, 1, 2, 1}, MmaTile{16, 128, 1, 4, 4, 8}}) {
      MmaProblem problem{.tile = tile, .withHole = hole};
      Runner r(buildMma(problem).kernel);
      ASSERT_TRUE(r.ok());
      for (auto [m, n, k] : {std::array<int64_t, 3>{1, 1, 1}, {65, 67, 72}, {129, 130, 66}, {200, 66, 131}, {64, 128, 256}}) checkHalves(r, problem, m, n, k, ++seed);
    }
}

TEST(CudaMma, KnownDepthsAreCopiedAsTheirRowsLie) {
  uint64_t seed = 200;
  for (auto [k, copy] : {std::pair<int64_t, const char *>{72, "kThreads, 16, RowKey<0, 1, 2>"}, {76, "kThreads, 8, RowKey<0, 1, 2>"}, {70, "kThreads, 4, RowKey<0, 1, 2>"}, {67, "kThreads, 2, RowKey<0, 1, 2>"}}) {
    MmaProblem problem{.tile = {64, 64, 2, 2, 3}, .k = k};
    Built built = buildMma(problem);
    EXPECT_NE(built.kernel.text.find(copy), std::string::npos) << "k = " << k;
    Runner r(built.kernel);
    ASSERT_TRUE(r.ok());
    checkHalves(r, problem, 70, 65, k, ++seed);
  }
}

TEST(CudaMma, OperandsThatLieTheOtherWay) {
  MmaProblem problem{.tile = {64, 64, 2, 2, 3}, .isTurned = true};
  Runner r(buildMma(problem).kernel);
  ASSERT_TRUE(r.ok());
  for (auto [m, n, k] : {std::array<int64_t, 3>{65, 67, 72}, {30, 130, 129}}) checkHalves(r, problem, m, n, k, uint64_t(k));
}

TEST(CudaMma, Bytes) {
  for (MmaTile tile : {MmaTile{64, 64, 2, 2, 3}, MmaTile{32, 128, 1, 4, 2}}) {
    Runner r(buildMma({.tile = tile, .ofBytes = true}).kernel);
    ASSERT_TRUE(r.ok());
    uint64_t seed = 300;
    for (auto [m, n, k] : {std::array<int64_t, 3>{1, 1, 1}, {65, 67, 144}, {70, 130, 131}, {64, 64, 516}}) {
      auto af = randomFloats(m * k, ++seed), bf = randomFloats(n * k, seed + 1);
      std::vector<int8_t> a(m * k);
      std::vector<uint8_t> b(n * k);
      for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<int8_t>(std::lround(127 * af[i]));
      for (size_t i = 0; i < b.size(); ++i) b[i] = static_cast<uint8_t>(std::lround(100 * std::abs(bf[i])));
      std::vector<float> bias(n);
      std::vector<int32_t> d(m * n, -1);
      emulated::LaunchOptions options;
      options.seed = seed;
      auto report = r.run({in(a), in(b), in(bias), out(d)}, {m, n, k}, options);
      ASSERT_TRUE(report.isOk()) << report.status().message();
      for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j) {
          int32_t sum = 0;
          for (int64_t p = 0; p < k; ++p) sum += a[i * k + p] * b[j * k + p];
          ASSERT_EQ(d[i * n + j], sum) << i << ", " << j << " of " << m << "x" << n << "x" << k;
        }
    }
  }
}

}  // namespace
}  // namespace jinx::cuda::testing
