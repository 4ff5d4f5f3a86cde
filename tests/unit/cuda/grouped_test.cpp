// Grouped products on tensor cores: their text, the gate, and the emulator against float64. tests/numeric/cuda_grouped.py has more shapes.
#include <cmath>

#include "GroupedKernels.h"

namespace jinx::cuda::testing {
namespace {

// A prompt's tokens by expert, and a step of a decoder, whose tokens are columns.
constexpr GroupedProblem kPrompt{8192, 4096, 14336, 8}, kDecoder{384, 2048, 1408, 64};

TEST(CudaGrouped, TextAndGate) {
  const CudaKernel prompt = kPrompt.kernel(), decoder = kDecoder.kernel();
  expectGolden("grouped.cu", prompt.text);
  expectGolden("grouped_transposed.cu", decoder.text);
  dumpForGpu(prompt, "grouped");
  dumpForGpu(decoder, "grouped_transposed");
  if (!haveNvrtc()) GTEST_SKIP() << "no NVRTC on this machine";
  for (const CudaKernel *kernel : {&prompt, &decoder}) {
    CompiledCuda compiled = compileThroughGate(*kernel);
    EXPECT_GT(countSass(compiled.cubin, kSassHgmma), 0) << "the products must be HGMMA instructions";
    EXPECT_EQ(countSass(compiled.cubin, kSassLdl) + countSass(compiled.cubin, kSassStl), 0) << "local memory";
  }
  compileThroughGate(GroupedProblem{300, 136, 77, 3}.kernel());  // rows of y are no multiple of 16 bytes
  // Nor those of x: warps fetch them, through registers, of which the place in the group takes one too many.
  constexpr int64_t kSpilled = 8;
  compileThroughGate(GroupedProblem{300, 37, 77, 3}.kernel(), kSpilled);
}

TEST(CudaGrouped, PairTextAndGate) {
  GroupedProblem prompt = kPrompt, decoder = kDecoder;
  prompt.isPair = decoder.isPair = true;
  const CudaKernel many = prompt.kernel(), few = decoder.kernel();
  expectGolden("grouped_pair.cu", many.text);
  expectGolden("grouped_pair_transposed.cu", few.text);
  dumpForGpu(many, "grouped_pair");
  dumpForGpu(few, "grouped_pair_transposed");
  if (!haveNvrtc()) GTEST_SKIP() << "no NVRTC on this machine";
  for (const CudaKernel *kernel : {&many, &few}) {
    CompiledCuda compiled = compileThroughGate(*kernel);
    EXPECT_GT(countSass(compiled.cubin, kSassHgmma), 0) << "the products must be HGMMA instructions";
    EXPECT_EQ(countSass(compiled.cubin, kSassLdl) + countSass(compiled.cubin, kSassStl), 0) << "local memory";
  }
}

void check(const GroupedProblem &p, std::vector<int32_t> ends, uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  auto xf = randomFloats(p.t * p.k, seed), wf = randomFloats(p.g * p.n * p.k, seed + 1);
  std::vector<uint16_t> x, w, y(p.t * p.n, 0x7FC1);
  for (float v : xf) x.push_back(toBf16(v));
  for (float v : wf) w.push_back(toBf16(v));
  std::vector<double> expected(p.t * p.n, 0.0);
  for (int64_t t = 0; t < p.t; ++t) {
    int64_t g = 0;
    while (g < p.g && ends[g] <= t) ++g;
    if (g == p.g) continue;
    for (int64_t j = 0; j < p.n; ++j)
      for (int64_t q = 0; q < p.k; ++q) expected[t * p.n + j] += double(fromBf16(x[t * p.k + q])) * fromBf16(w[(g * p.n + j) * p.k + q]);
  }
  Runner runner(p.kernel());
  ASSERT_TRUE(runner.ok());
  emulated::LaunchOptions options;
  options.seed = seed;
  auto report = runner.run({in(x), in(w), in(ends), out(y)}, {}, options);
  ASSERT_TRUE(report.isOk()) << report.status().message();
  std::vector<float> got;
  for (uint16_t v : y) got.push_back(fromBf16(v));
  EXPECT_LT(worstError(got, expected, std::sqrt(double(p.k))), 1.0 / 256);
}

TEST(CudaGrouped, Rows) {
  for (uint64_t seed : {1, 2, 3}) {
    check({300, 136, 136, 3}, {67, 67, 225}, seed);
    check({300, 72, 136, 2}, {1, 300}, seed);
  }
}

TEST(CudaGrouped, TokensAreColumns) {
  for (uint64_t seed : {1, 2, 3}) {
    check({20, 136, 136, 5}, {0, 1, 1, 17, 19}, seed);
    check({20, 136, 72, 5}, {20, 20, 20, 20, 20}, seed);
  }
}

}  // namespace
}  // namespace jinx::cuda::testing
