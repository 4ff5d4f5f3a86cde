// The CUDA matmul schedules on the emulator, against float64, on shapes with tails in every dimension.
#include <cmath>

#include "MatmulKernels.h"

namespace jinx::cuda::testing {
namespace {

std::vector<double> product(const std::vector<float> &a, const std::vector<float> &b, int64_t m, int64_t n, int64_t k) {
  std::vector<double> c(m * n, 0.0);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t p = 0; p < k; ++p)
      for (int64_t j = 0; j < n; ++j) c[i * n + j] += double(a[i * k + p]) * b[p * n + j];
  return c;
}

TEST(CudaMatmul, SimtTextAndGate) {
  Built built = buildSimt({128, 128, 8, 3}, true);
  expectGolden("simt_bias_relu.cu", built.kernel.text);
  dumpForGpu(built.kernel, "simt_bias_relu");
  dumpForGpu(buildSimt({64, 64, 16, 3}, true).kernel, "simt_bias_relu_64");
  if (haveNvrtc()) compileThroughGate(built.kernel);
}

TEST(CudaMatmul, Simt) {
  for (auto tile : {schedules::SimtTile{64, 64, 16, 3}, schedules::SimtTile{128, 128, 8, 3}, schedules::SimtTile{64, 64, 8, 4}}) {
    for (bool hole : {true, false}) {
      Runner r(buildSimt(tile, hole).kernel);
      ASSERT_TRUE(r.ok());
      int64_t seed = 0;
      for (auto [m, n, k] : {std::array<int64_t, 3>{1, 1, 1}, {65, 33, 17}, {128, 128, 40}, {130, 200, 3}, {7, 150, 64}}) {
        auto a = randomFloats(m * k, ++seed), b = randomFloats(k * n, ++seed), bias = randomFloats(n, ++seed);
        auto packed = packPanels(b, k, n);
        auto expected = product(a, b, m, n, k);
        if (hole)
          for (int64_t i = 0; i < m * n; ++i) expected[i] = std::max(0.0, expected[i] + bias[i % n]);
        std::vector<float> x = a, y(m * n, NAN);
        int64_t rowStride = k, columnStride = 1;
        if (!hole) {  // A transposed
          for (int64_t i = 0; i < m; ++i)
            for (int64_t p = 0; p < k; ++p) x[p * m + i] = a[i * k + p];
          rowStride = 1, columnStride = m;
        }
        emulated::LaunchOptions options;
        options.seed = seed;
        auto report = r.run({in(x), in(packed), in(bias), out(y)}, {m, n, k, rowStride, columnStride}, options);
        ASSERT_TRUE(report.isOk()) << report.status().message();
        EXPECT_LT(worstError(y, expected, std::sqrt(double(k))), 1e-5) << m << "x" << n << "x" << k;
      }
    }
  }
}

TEST(CudaMatmul, SimtHasNoBankConflictsInItsLoop) {
  Runner r(buildSimt({128, 128, 8, 3}, true).kernel);
  ASSERT_TRUE(r.ok());
  int64_t m = 128, n = 128, k = 32;
  auto x = randomFloats(m * k, 1), b = randomFloats(k * n, 2), bias = randomFloats(n, 3);
  auto packed = packPanels(b, k, n);
  std::vector<float> y(m * n);
  emulated::LaunchOptions options;
  options.countBankConflicts = true;
  auto report = r.run({in(x), in(packed), in(bias), out(y)}, {m, n, k, k, 1}, options);
  ASSERT_TRUE(report.isOk()) << report.status().message();
  EXPECT_FALSE(report->bankConflicts.empty());
  for (auto &[line, count] : report->bankConflicts) EXPECT_EQ(count.wavefronts, count.ideal) << "line " << line;
}

// ---- wgmma ------------------------------------------------------------------------------------------------------------------------

TEST(CudaMatmul, WgmmaTextAndGate) {
  Built plain = buildWgmma({}, false), hole = buildWgmma({}, true);
  expectGolden("wgmma.cu", plain.kernel.text);
  expectGolden("wgmma_bias_relu.cu", hole.kernel.text);
  dumpForGpu(plain.kernel, "wgmma");
  dumpForGpu(hole.kernel, "wgmma_bias_relu");
  EXPECT_EQ(std::stoll(plain.kernel.sharedBytes), schedules::wgmmaSharedBytes({}));
  if (!haveNvrtc()) GTEST_SKIP() << "no NVRTC on this machine";
  for (const Built *built : {&plain, &hole}) {
    CompiledCuda compiled = compileThroughGate(built->kernel);
    EXPECT_GT(countSass(compiled.cubin, kSassHgmma), 0) << "the products must be HGMMA instructions";
    EXPECT_EQ(countSass(compiled.cubin, kSassLdl) + countSass(compiled.cubin, kSassStl), 0) << "local memory";
  }
}

TEST(CudaMatmul, WgmmaShapesThroughTheGate) {
  if (!haveNvrtc()) GTEST_SKIP() << "no NVRTC on this machine";
  for (schedules::WgmmaTile tile : {schedules::WgmmaTile{256, 160, 4, 1, 2, 2, 8, false}, {128, 128, 6, 2, 1, 2, 8, false},
                                    {64, 64, 13, 2, 1, 1, 64, true}, {128, 80, 8, 2, 2, 2, 16, true},
                                    {128, 160, 5, 2, 1, 2, 8, false, 1, true}}) {
    ASSERT_EQ(schedules::wgmmaInfeasible(tile), "");
    Built built = buildWgmma(tile, true);
    dumpForGpu(built.kernel, "wgmma_bias_relu_" + std::to_string(tile.m) + "x" + std::to_string(tile.n));
    CompiledCuda compiled = compileThroughGate(built.kernel);
    EXPECT_GT(countSass(compiled.cubin, kSassHgmma), 0);
  }
}

void checkWgmma(Runner &r, bool hole, int64_t m, int64_t n, int64_t k, uint64_t seed) {
  auto af = randomFloats(m * k, seed), bf = randomFloats(n * k, seed + 1), bias = randomFloats(n, seed + 2);
  // A guard row behind D must stay as it is.
  std::vector<uint16_t> a(m * k), b(n * k), d((m + 1) * n, 0x7FC1);
  for (size_t i = 0; i < a.size(); ++i) a[i] = toBf16(af[i]);
  for (size_t i = 0; i < b.size(); ++i) b[i] = toBf16(bf[i]);
  emulated::LaunchOptions options;
  options.seed = seed;
  auto report = r.run({in(a), in(b), in(bias), out(d)}, {m, n, k}, options);
  ASSERT_TRUE(report.isOk()) << report.status().message();
  double worst = 0;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t p = 0; p < k; ++p) sum += double(fromBf16(a[i * k + p])) * fromBf16(b[j * k + p]);
      if (hole) sum = std::max(0.0, sum + bias[j]);
      double error = std::abs(fromBf16(d[i * n + j]) - sum) / (std::sqrt(double(k)) * 0.25 + std::abs(sum));
      worst = std::isnan(error) ? INFINITY : std::max(worst, error);
    }
  EXPECT_LT(worst, 4e-3) << m << "x" << n << "x" << k << " seed " << seed;  // bf16 rounds the result by 2^-9
  for (int64_t j = 0; j < n; ++j) EXPECT_EQ(d[m * n + j], 0x7FC1) << "wrote past the last row";
}

TEST(CudaMatmul, WgmmaOnOddShapes) {
  // Few blocks, so that each walks several tiles.
  for (bool hole : {false, true}) {
    Runner r(buildWgmma({128, 128, 3, 1, 1, 2, 8, false}, hole, 2).kernel);
    ASSERT_TRUE(r.ok());
    uint64_t seed = 10;
    for (auto [m, n, k] : {std::array<int64_t, 3>{1, 8, 8}, {200, 136, 72}, {128, 256, 320}, {300, 264, 200}}) checkWgmma(r, hole, m, n, k, ++seed);
  }
}

TEST(CudaMatmul, WgmmaInClusters) {
  for (schedules::WgmmaTile tile : {schedules::WgmmaTile{128, 64, 3, 2, 1, 2, 2, false}, {128, 96, 2, 2, 2, 2, 2, true}, {64, 80, 3, 1, 2, 1, 4, false},
                                    {256, 32, 2, 1, 2, 2, 4, false}}) {
    ASSERT_EQ(schedules::wgmmaInfeasible(tile), "");
    Runner r(buildWgmma(tile, true, 4).kernel);
    ASSERT_TRUE(r.ok());
    for (uint64_t seed : {1, 2, 3}) checkWgmma(r, true, 300, 200, 136, seed);
  }
}

TEST(CudaMatmul, WgmmaConsumersThatTakeTurns) {
  Built clusters = buildWgmma({64, 64, 5, 2, 1, 2, 2, false, 1, true}, true, 4);
  expectGolden("wgmma_turns.cu", clusters.kernel.text);
  dumpForGpu(clusters.kernel, "wgmma_turns");
  // An odd number of tiles for some blocks, one or none for others; steps that are and are not a multiple of the slots.
  for (schedules::WgmmaTile tile : {schedules::WgmmaTile{64, 64, 5, 2, 1, 2, 2, false, 1, true}, {128, 32, 3, 1, 1, 2, 4, true, 1, true},
                                    {64, 48, 4, 1, 2, 3, 4, false, 1, true}}) {
    ASSERT_EQ(schedules::wgmmaInfeasible(tile), "");
    Runner r(buildWgmma(tile, true, 4).kernel);
    ASSERT_TRUE(r.ok());
    uint64_t seed = 40;
    for (auto [m, n, k] : {std::array<int64_t, 3>{1, 8, 8}, {300, 200, 136}, {64, 64, 320}, {200, 136, 640}}) checkWgmma(r, true, m, n, k, ++seed);
  }
}

// ---- pairs of products --------------------------------------------------------------------------------------------------------------

schedules::WgmmaTile pairOf(schedules::WgmmaPair pair, schedules::WgmmaTile tile) {
  tile.pair = pair;
  return tile;
}
schedules::WgmmaTile rowPair(schedules::WgmmaTile tile) { return pairOf(schedules::WgmmaPair::rows, tile); }
schedules::WgmmaTile columnPair(schedules::WgmmaTile tile) { return pairOf(schedules::WgmmaPair::columns, tile); }

TEST(CudaMatmul, WgmmaPairTextAndGate) {
  Built columns = buildPairWgmma(columnPair({128, 256, 4, 2, 1, 2, 8, false})), rows = buildPairWgmma(rowPair({128, 8, 12, 1, 1, 1, 64, true}));
  expectGolden("wgmma_pair.cu", columns.kernel.text);
  expectGolden("wgmma_pair_rows.cu", rows.kernel.text);
  dumpForGpu(columns.kernel, "wgmma_pair");
  dumpForGpu(rows.kernel, "wgmma_pair_rows");
  if (!haveNvrtc()) GTEST_SKIP() << "no NVRTC on this machine";
  for (const Built *built : {&columns, &rows}) {
    CompiledCuda compiled = compileThroughGate(built->kernel);
    EXPECT_GT(countSass(compiled.cubin, kSassHgmma), 0) << "the products must be HGMMA instructions";
    EXPECT_EQ(countSass(compiled.cubin, kSassLdl) + countSass(compiled.cubin, kSassStl), 0) << "local memory";
  }
}

/// D = relu(X W0^T) * (X W1^T), a guard row behind D. \param isApart  W0 and W1 are two buffers
void checkPair(Runner &r, int64_t m, int64_t n, int64_t k, uint64_t seed, bool isApart = false) {
  auto xf = randomFloats(m * k, seed), wf = randomFloats(2 * n * k, seed + 1);
  std::vector<uint16_t> x(m * k), w(2 * n * k), d((m + 1) * n, 0x7FC1);
  for (size_t i = 0; i < x.size(); ++i) x[i] = toBf16(xf[i]);
  for (size_t i = 0; i < w.size(); ++i) w[i] = toBf16(wf[i]);
  emulated::LaunchOptions options;
  options.seed = seed;
  std::vector<uint16_t> w0(w.begin(), w.begin() + n * k), w1(w.begin() + n * k, w.end());
  auto report = isApart ? r.run({in(x), in(w0), in(w1), out(d)}, {m, n, k}, options) : r.run({in(x), in(w), out(d)}, {m, n, k}, options);
  ASSERT_TRUE(report.isOk()) << report.status().message();
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum[2] = {}, off[2] = {};
      for (int64_t which = 0; which < 2; ++which)
        for (int64_t p = 0; p < k; ++p) {
          const double product = double(fromBf16(x[i * k + p])) * fromBf16(w[(which * n + j) * k + p]);
          sum[which] += product, off[which] += double(k) * std::ldexp(std::abs(product), -24);
        }
      const double gate = std::max(0.0, sum[0]), want = gate * sum[1];
      const double allowed = std::ldexp(std::abs(want), -8) + off[0] * (std::abs(sum[1]) + off[1]) + gate * off[1] + std::ldexp(1.0, -24);
      ASSERT_LE(std::abs(fromBf16(d[i * n + j]) - want), allowed) << "at " << i << ", " << j << " of " << m << "x" << n << "x" << k << " seed " << seed;
    }
  for (int64_t j = 0; j < n; ++j) EXPECT_EQ(d[m * n + j], 0x7FC1) << "wrote past the last row";
}

TEST(CudaMatmul, WgmmaPairs) {
  // Few blocks, so that each walks several tiles: clusters that share the weights, or the activations; consumers that take turns; 128 rows of a consumer.
  for (schedules::WgmmaTile tile : {schedules::WgmmaTile{128, 128, 3, 1, 1, 2, 8, false}, {128, 64, 3, 2, 1, 2, 2, false}, {64, 96, 3, 1, 2, 1, 4, true},
                                    {256, 32, 2, 1, 2, 2, 4, false}, {64, 64, 5, 2, 1, 2, 2, false, 1, true}}) {
    tile = columnPair(tile);
    ASSERT_EQ(schedules::wgmmaInfeasible(tile), "");
    for (bool isApart : {false, true}) {
      Runner r(buildPairWgmma(tile, 4, isApart).kernel);
      ASSERT_TRUE(r.ok());
      uint64_t seed = 70;
      for (auto [m, n, k] : {std::array<int64_t, 3>{1, 8, 8}, {200, 136, 72}, {300, 264, 200}}) checkPair(r, m, n, k, ++seed, isApart);
    }
  }
  // Transposed: one and two consumers, and blocks that share k.
  for (schedules::WgmmaTile tile : {schedules::WgmmaTile{128, 8, 3, 1, 1, 1, 64, true}, {256, 16, 3, 1, 1, 2, 64, true}, {128, 24, 3, 1, 1, 1, 64, true, 3}, {128, 32, 2, 1, 1, 1, 64, true, 4}}) {
    tile = rowPair(tile);
    ASSERT_EQ(schedules::wgmmaInfeasible(tile), "");
    for (bool isApart : {false, true}) {
      Runner r(buildPairWgmma(tile, 12, isApart).kernel);
      ASSERT_TRUE(r.ok());
      uint64_t seed = 80;
      for (auto [m, n, k] : {std::array<int64_t, 3>{1, 8, 8}, {5, 200, 328}, {40, 72, 712}}) checkPair(r, m, n, k, ++seed, isApart);
    }
  }
}

TEST(CudaMatmul, PairsThatCannotBe) {
  EXPECT_NE(schedules::wgmmaInfeasible(rowPair({64, 8, 12, 1, 1, 1, 64, true})), "") << "64 rows are of one product";
  EXPECT_NE(schedules::wgmmaInfeasible(columnPair({128, 24, 4, 1, 1, 2, 8, false})), "") << "12 columns of each";
  EXPECT_NE(schedules::wgmmaInfeasible(columnPair({64, 64, 4, 1, 1, 1, 8, false, 2})), "") << "a block would store one product's columns";
}

// ---- residuals in pieces ------------------------------------------------------------------------------------------------------------

schedules::WgmmaTile tileWithPieces(schedules::WgmmaTile tile, int64_t pieces, int64_t bytes = 2) {
  tile.residuals = 1, tile.pieces = pieces, tile.storedBytes = bytes;
  return tile;
}

/// D = A B^T + residual, a guard row behind D.
template <typename T, typename To, typename From>
void checkResidual(Runner &r, int64_t m, int64_t n, int64_t k, uint64_t seed, To to, From from, double unit) {
  auto af = randomFloats(m * k, seed), bf = randomFloats(n * k, seed + 1), rf = randomFloats(m * n, seed + 2);
  const T guard = to(12345.0f);
  std::vector<uint16_t> a(m * k), b(n * k);
  std::vector<T> residual(m * n), d((m + 1) * n, guard);
  for (size_t i = 0; i < a.size(); ++i) a[i] = toBf16(af[i]);
  for (size_t i = 0; i < b.size(); ++i) b[i] = toBf16(bf[i]);
  for (size_t i = 0; i < residual.size(); ++i) residual[i] = to(8 * rf[i]);
  emulated::LaunchOptions options;
  options.seed = seed;
  auto report = r.run({in(a), in(b), in(residual), out(d)}, {m, n, k}, options);
  ASSERT_TRUE(report.isOk()) << report.status().message();
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum = from(residual[i * n + j]), size = std::abs(sum);
      for (int64_t p = 0; p < k; ++p) {
        double product = double(fromBf16(a[i * k + p])) * fromBf16(b[j * k + p]);
        sum += product, size += std::abs(product);
      }
      const double got = from(d[i * n + j]), allowed = unit * std::abs(sum) + double(k + 1) * std::ldexp(size, -24);
      ASSERT_LE(std::abs(got - sum), allowed) << "at " << i << ", " << j << " of " << m << "x" << n << "x" << k << " seed " << seed;
    }
  for (int64_t j = 0; j < n; ++j) EXPECT_EQ(d[m * n + j], guard) << "wrote past the last row";
}
void checkResidual(Runner &r, bool ofFloats, int64_t m, int64_t n, int64_t k, uint64_t seed) {
  auto same = [](float x) { return x; };
  if (ofFloats) return checkResidual<float>(r, m, n, k, seed, same, same, std::ldexp(1.0, -24));
  checkResidual<uint16_t>(r, m, n, k, seed, toBf16, fromBf16, std::ldexp(1.0, -8));
}

TEST(CudaMatmul, WgmmaResidualTextAndGate) {
  Built whole = buildResidualWgmma(tileWithPieces({128, 256, 3, 2, 1, 2, 8, false}, 3));
  expectGolden("wgmma_residual.cu", whole.kernel.text);
  dumpForGpu(whole.kernel, "wgmma_residual");
  dumpForGpu(buildResidualWgmma(tileWithPieces({128, 128, 4, 2, 1, 2, 8, false, 1, true}, 8)).kernel, "wgmma_residual_turns");
  EXPECT_EQ(std::stoll(whole.kernel.sharedBytes), schedules::wgmmaSharedBytes(tileWithPieces({128, 256, 3, 2, 1, 2, 8, false}, 3)));
  if (!haveNvrtc()) GTEST_SKIP() << "no NVRTC on this machine";
  for (schedules::WgmmaTile tile : {tileWithPieces({128, 256, 3, 2, 1, 2, 8, false}, 3), tileWithPieces({256, 128, 3, 1, 2, 2, 8, false}, 3),
                                    tileWithPieces({128, 128, 4, 2, 1, 2, 8, false, 1, true}, 8), tileWithPieces({128, 192, 4, 2, 1, 2, 8, false}, 2)}) {
    ASSERT_EQ(schedules::wgmmaInfeasible(tile), "");
    CompiledCuda compiled = compileThroughGate(buildResidualWgmma(tile).kernel);
    EXPECT_EQ(countSass(compiled.cubin, kSassLdl) + countSass(compiled.cubin, kSassStl), 0) << "local memory";
  }
}

TEST(CudaMatmul, WgmmaResidualsOnOddShapes) {
  // Few blocks, so that each walks several tiles and the ring of residuals comes round at another place in each.
  for (bool ofFloats : {false, true}) {
    const int64_t bytes = ofFloats ? 4 : 2;
    for (schedules::WgmmaTile tile : {tileWithPieces({128, 128, 3, 1, 1, 2, 8, false}, 3, bytes), tileWithPieces({128, 64, 2, 2, 1, 2, 2, false}, 1, bytes),
                                      tileWithPieces({256, 64, 2, 1, 2, 2, 4, false}, 3, bytes), tileWithPieces({64, 64, 3, 1, 1, 1, 4, true}, 2, bytes),
                                      tileWithPieces({64, 64, 5, 2, 1, 2, 2, false, 1, true}, 2 * (bytes / 2), bytes),
                                      tileWithPieces({128, 64, 3, 1, 1, 2, 4, true, 1, true}, 4 * (bytes / 2), bytes)}) {
      ASSERT_EQ(schedules::wgmmaInfeasible(tile), "");
      Runner r(buildResidualWgmma(tile, ofFloats, 4).kernel);
      ASSERT_TRUE(r.ok());
      uint64_t seed = 70;
      for (auto [m, n, k] : {std::array<int64_t, 3>{1, 8, 8}, {300, 200, 136}, {200, 136, 64}}) checkResidual(r, ofFloats, m, n, k, ++seed);
    }
  }
}

TEST(CudaMatmul, WgmmaResidualsThatDoNotFit) {
  EXPECT_EQ(schedules::wgmmaInfeasible(tileWithPieces({128, 160, 3, 2, 1, 2, 8, false}, 2)), "residuals come for a tile of one block, a multiple of 128 bytes wide");
  EXPECT_EQ(schedules::wgmmaInfeasible(tileWithPieces({128, 128, 4, 2, 1, 2, 8, false, 1, true}, 4)), "by turns the ring of residuals holds a tile of each consumer");
}

}  // namespace
}  // namespace jinx::cuda::testing
