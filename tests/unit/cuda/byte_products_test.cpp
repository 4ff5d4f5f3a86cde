// Products of bytes and of 8-bit floats on tensor cores: groups as the compiler makes them, scheduled, emitted, emulated. Bytes are exact,
// compared with integers; 8-bit floats with float64 of the same operands.
#include <cmath>

#include "MatmulKernels.h"
#include "runtime/base/DType.h"

namespace jinx::cuda::testing {
namespace {

struct Problem {
  int64_t m, n, k;
  const char *a, *b;        ///< element types, as the graph calls them
  bool fast = false;
  std::string type(const char *element, int64_t rows, int64_t columns) const {
    return "tensor<" + std::to_string(rows) + "x" + std::to_string(columns) + "x" + element + ">";
  }
  bool ofBytes() const { return a[0] != 'f'; }
  const char *sum() const { return ofBytes() ? "i32" : "f32"; }
  std::string text() const { return std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k) + " " + a + " " + b + (fast ? " fast" : ""); }
};

/// The group of a product and what follows: lines that make %y, of `result` elements, from %p.
CudaKernel kernelOf(const Problem &p, const std::string &lines = "", const char *result = nullptr) {
  if (!result) result = p.sum();
  const std::string a = p.type(p.a, p.m, p.k), b = p.type(p.b, p.n, p.k), sums = p.type(p.sum(), p.m, p.n), y = p.type(result, p.m, p.n);
  return scheduleForCuda("func.func @f(%arg0: " + a + ", %arg1: " + b + ") -> " + y + " {\n  %0 = jinx.group \"matmul\"(%arg0, %arg1) : (" + a + ", " + b + ") -> " + y +
                         " {\n  ^bb0(%a: " + a + ", %b: " + b + "):\n    " + (lines.empty() ? "%y" : "%p") + " = jinx.packed_matmul %a, %b by_rows" +
                         (p.fast ? " fast_sums" : "") + " : " + a + ", " + b + " -> " + sums + "\n" + lines + "    jinx.yield %y : " + y + "\n  }\n  return %0 : " + y + "\n}")
      .kernel;
}

std::vector<uint8_t> randomBytes(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint8_t> bytes(n);
  for (uint8_t &byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}
int64_t integer(const char *type, uint8_t byte) { return type[0] == 'u' ? byte : static_cast<int8_t>(byte); }

DType dtypeOf(const char *type) { return std::string(type) == "f8E5M2" ? DType::kF8E5M2 : DType::kF8E4M3FN; }
std::vector<uint8_t> randomFloats8(const char *type, size_t n, uint64_t seed, float shift = 0) {
  auto floats = randomFloats(n, seed);
  std::vector<uint8_t> bytes(n);
  for (size_t i = 0; i < n; ++i) storeFromDouble(dtypeOf(type), bytes.data(), static_cast<int64_t>(i), floats[i] + shift);
  return bytes;
}

void checkBytes(const Problem &p, uint64_t seed) {
  SCOPED_TRACE(p.text() + ", seed " + std::to_string(seed));
  auto a = randomBytes(p.m * p.k, seed), b = randomBytes(p.n * p.k, seed + 1);
  std::vector<int32_t> y(p.m * p.n, 0x55555555);
  Runner runner(kernelOf(p));
  ASSERT_TRUE(runner.ok());
  emulated::LaunchOptions options;
  options.seed = seed;
  auto report = runner.run({in(a), in(b), out(y)}, {}, options);
  ASSERT_TRUE(report.isOk()) << report.status().message();
  int64_t wrong = 0;
  for (int64_t i = 0; i < p.m; ++i)
    for (int64_t j = 0; j < p.n; ++j) {
      int64_t sum = 0;
      for (int64_t q = 0; q < p.k; ++q) sum += integer(p.a, a[i * p.k + q]) * integer(p.b, b[j * p.k + q]);
      wrong += y[i * p.n + j] != sum;
    }
  EXPECT_EQ(wrong, 0) << "of " << p.m * p.n;
}

TEST(ByteProducts, AreExact) {
  uint64_t seed = 0;
  for (const char *a : {"i8", "ui8"})
    for (const char *b : {"i8", "ui8"})
      for (auto [m, n, k] : {std::array<int64_t, 3>{200, 136, 80}, {65, 30, 272}, {7, 130, 144}}) checkBytes({m, n, k, a, b}, ++seed);
}

TEST(ByteProducts, OfFewTilesShareK) {
  Problem p{70, 72, 1600, "i8", "ui8"};
  EXPECT_EQ(kernelOf(p).cluster, 4);
  for (uint64_t seed : {1, 2, 3}) checkBytes(p, seed);
}

TEST(ByteProducts, AreRoundedToBytes) {
  Problem p{130, 80, 208, "i8", "i8"};
  const std::string f = p.type("f32", p.m, p.n), s = "tensor<f32>";
  CudaKernel kernel = kernelOf(p, "    %f = jinx.cast %p : " + p.type("i32", p.m, p.n) + " -> " + f + "\n    %c = jinx.constant dense<0.00390625> : " + s + "\n    %s = jinx.mul %f, %c : " + f +
                                      ", " + s + " -> " + f + "\n    %r = jinx.round %s : " + f + " -> " + f + "\n    %low = jinx.constant dense<-128.0> : " + s +
                                      "\n    %high = jinx.constant dense<127.0> : " + s + "\n    %t = jinx.max %r, %low : " + f + ", " + s + " -> " + f + "\n    %u = jinx.min %t, %high : " + f +
                                      ", " + s + " -> " + f + "\n    %y = jinx.cast %u : " + f + " -> " + p.type("i8", p.m, p.n) + "\n",
                               "i8");
  EXPECT_NE(kernel.text.find("tma_store_2d"), std::string::npos) << "rows of 80 bytes can be stored in bulk";
  auto a = randomBytes(p.m * p.k, 5), b = randomBytes(p.n * p.k, 6);
  std::vector<int8_t> y(p.m * p.n);
  Runner runner(kernel);
  ASSERT_TRUE(runner.ok());
  auto report = runner.run({in(a), in(b), out(y)}, {});
  ASSERT_TRUE(report.isOk()) << report.status().message();
  int64_t wrong = 0;
  for (int64_t i = 0; i < p.m; ++i)
    for (int64_t j = 0; j < p.n; ++j) {
      int64_t sum = 0;
      for (int64_t q = 0; q < p.k; ++q) sum += integer("i8", a[i * p.k + q]) * integer("i8", b[j * p.k + q]);
      wrong += y[i * p.n + j] != std::clamp(std::nearbyint(sum / 256.0), -128.0, 127.0);
    }
  EXPECT_EQ(wrong, 0);
}

/// ‖got − want‖ / ‖want‖
double errorOfFloats(const Problem &p, uint64_t seed, float shift = 0) {
  auto a = randomFloats8(p.a, p.m * p.k, seed, shift), b = randomFloats8(p.b, p.n * p.k, seed + 1, shift);
  std::vector<float> y(p.m * p.n, NAN);
  Runner runner(kernelOf(p));
  EXPECT_TRUE(runner.ok());
  if (!runner.ok()) return INFINITY;
  emulated::LaunchOptions options;
  options.seed = seed;
  auto report = runner.run({in(a), in(b), out(y)}, {}, options);
  EXPECT_TRUE(report.isOk()) << report.status().message();
  double off = 0, all = 0;
  for (int64_t i = 0; i < p.m; ++i)
    for (int64_t j = 0; j < p.n; ++j) {
      double sum = 0;
      for (int64_t q = 0; q < p.k; ++q) sum += loadAsDouble(dtypeOf(p.a), a.data(), i * p.k + q) * loadAsDouble(dtypeOf(p.b), b.data(), j * p.k + q);
      off += (y[i * p.n + j] - sum) * (y[i * p.n + j] - sum);
      all += sum * sum;
    }
  return std::sqrt(off / all);
}

TEST(Float8Products, AreNearFloat64) {
  uint64_t seed = 0;
  for (const char *a : {"f8E4M3FN", "f8E5M2"})
    for (const char *b : {"f8E4M3FN", "f8E5M2"})
      for (auto [m, n, k] : {std::array<int64_t, 3>{200, 136, 80}, {65, 30, 400}, {7, 130, 144}})
        for (bool fast : {false, true}) {
          Problem p{m, n, k, a, b, fast};
          EXPECT_LT(errorOfFloats(p, ++seed), 0x1p-10) << p.text() << ", seed " << seed;
        }
}

// 2,000 terms of one sign: old sums push the products' last bits out of 14.
TEST(Float8Products, AreSummedApartUnlessFast) {
  for (int64_t m : {70, 130}) {  // with a long k shared by the blocks of a cluster, and not
    Problem p{m, 72, 2048, "f8E4M3FN", "f8E4M3FN"}, fast = p;
    fast.fast = true;
    const double apart = errorOfFloats(p, 3, 2), rough = errorOfFloats(fast, 3, 2);
    EXPECT_LT(apart, 5e-3) << p.text();
    EXPECT_GT(rough, 3 * apart) << fast.text();
  }
}

TEST(ByteProducts, TextAndGate) {
  Problem bytes{4096, 4096, 4096, "i8", "i8"}, floats{4096, 4096, 4096, "f8E4M3FN", "f8E4M3FN"}, fast = floats;
  fast.fast = true;
  expectGolden("wgmma_i8.cu", kernelOf(bytes).text);
  expectGolden("wgmma_f8.cu", kernelOf(floats).text);
  if (!haveNvrtc()) GTEST_SKIP() << "no NVRTC on this machine";
  for (const Problem &p : {bytes, floats, fast}) {
    CompiledCuda compiled = compileThroughGate(kernelOf(p));
    EXPECT_GT(countSass(compiled.cubin, p.ofBytes() ? kSassIgmma : kSassQgmma), 0) << p.text() << ": the products must be IGMMA or QGMMA instructions";
  }
}

TEST(ByteProducts, ShapesThroughTheGate) {
  if (!haveNvrtc()) GTEST_SKIP() << "no NVRTC on this machine";
  auto check = [](schedules::WgmmaTile tile, bool ofBytes) {
    tile.storedBytes = ofBytes ? 4 : 2;
    ASSERT_EQ(schedules::wgmmaInfeasible(tile), "");
    Built built = buildNarrowWgmma(tile, ofBytes ? Narrow::kBytes : Narrow::kFloats);
    dumpForGpu(built.kernel, std::string("narrow_") + (ofBytes ? "i8" : "f8") + (tile.promotes ? "_promotes" : "") + "_" + std::to_string(tile.m) + "x" + std::to_string(tile.n));
    compileThroughGate(built.kernel);
  };
  for (schedules::WgmmaTile tile : {schedules::WgmmaTile{128, 256, 4, 2, 1, 2, 8, false}, {256, 128, 4, 1, 2, 2, 8, false}, {128, 192, 4, 2, 1, 2, 8, false},
                                    {128, 128, 6, 2, 1, 2, 8, false}, {64, 64, 12, 2, 1, 1, 64, true}}) {
    check(tile, true);
    check(tile, false);
    tile.promotes = true;
    if (tile.m / tile.consumers == 64 && tile.n <= 192) check(tile, false);
  }
}

}  // namespace
}  // namespace jinx::cuda::testing
