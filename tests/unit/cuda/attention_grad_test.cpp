// The gradients of attention on the emulator, against float64, with tails in every dimension.
#include "AttentionGradKernels.h"

namespace jinx::cuda::testing {
namespace {

using schedules::GradOf;
using Tile = schedules::WgmmaAttentionGradTile;

void check(AttentionGradCase what, const std::vector<AttentionGradShape> &shapes, int seeds = 1) {
  for (GradOf of : {GradOf::keys, GradOf::queries}) {
    what.of = of;
    Runner r(buildAttentionGrad(what).kernel);
    ASSERT_TRUE(r.ok());
    uint64_t seed = 0;
    for (const AttentionGradShape &shape : shapes)
      for (int i = 0; i < seeds; ++i) {
        SCOPED_TRACE(what.name() + " " + std::to_string(shape.queries) + "x" + std::to_string(shape.keys) + " seed " + std::to_string(++seed));
        AttentionGradData data(what, shape, seed);
        emulated::LaunchOptions options;
        options.seed = seed;
        auto report = data.run(r, options);
        ASSERT_TRUE(report.isOk()) << report.status().message();
        EXPECT_LE(data.error(), 1.0);
        EXPECT_FALSE(data.overruns()) << "wrote past the last row";
      }
  }
}

TEST(CudaAttentionGrad, FullOnOddLengths) {
  for (int64_t d : {64, 128}) check({.headDim = d}, {{1, 1, 1, 1}, {1, 2, 129, 129}, {2, 1, 200, 333}, {1, 1, 333, 70}});
}
TEST(CudaAttentionGrad, CausalOnOddLengths) {
  for (int64_t d : {64, 128})
    check({.headDim = d, .causal = true}, {{1, 1, 1, 1}, {1, 2, 129, 129}, {1, 1, 200, 333}, {1, 1, 70, 520}, {1, 1, 333, 200}, {1, 1, 260, 3}});
}
TEST(CudaAttentionGrad, SeveralSeeds) { check({.headDim = 64, .causal = true}, {{1, 2, 300, 300}}, 4); }
TEST(CudaAttentionGrad, GroupedHeads) {
  check({.headDim = 64, .causal = true, .group = 2}, {{2, 4, 70, 150}, {1, 2, 150, 70}});
  check({.headDim = 128, .group = 3, .headsInRows = true}, {{1, 6, 33, 140}});
}
TEST(CudaAttentionGrad, HalfPrecision) {
  check({.headDim = 64, .bf16 = false}, {{1, 1, 100, 260}});
  check({.headDim = 128, .causal = true, .bf16 = false}, {{1, 1, 129, 140}});
}

TEST(CudaAttentionGrad, OtherHeadDimensions) {
  for (int64_t d : {32, 80, 96})
    for (bool causal : {false, true}) check({.headDim = d, .causal = causal}, {{1, 1, 139, 177}});
}
TEST(CudaAttentionGrad, OtherTiles) {
  check({.headDim = 64, .causal = true, .tile = Tile{64, 64, 1}}, {{1, 1, 139, 200}});
  check({.headDim = 64, .causal = true, .tile = Tile{128, 96, 3}}, {{1, 1, 200, 139}});
  check({.headDim = 128, .causal = true, .tile = Tile{128, 32, 3}}, {{1, 1, 200, 200}});
}

// Mistakes in what is computed, not in its order: only the values show them.
struct Mistake {
  GradOf of;
  const char *find, *replace;
};
TEST(CudaAttentionGrad, WrongValuesShow) {
  const Mistake mistakes[] = {
      {GradOf::keys, "fragment_column + j * 8 + e >= seen_from_here[h] ? ", "true ? "},
      {GradOf::keys, "lse_[2 * j + e] * kMinusLog2e", "lse_[2 * j] * kMinusLog2e"},
      {GradOf::keys, " - delta_[2 * j + e]", " - delta_[0]"},
      {GradOf::keys, "dk2[4 * j + 2 * h + e] * kScale", "dk2[4 * j + 2 * h + e]"},
      {GradOf::keys, "kStageBytesQ, kPanelBytesQ)", "kStageBytesQ, 4 * 1024)"},
      {GradOf::queries, "fragment_column + j * 8 + e < visible_here[h] ? ", "true ? "},
      {GradOf::queries, " - delta_[h]", " - delta_[0]"},
      {GradOf::queries, "dq2[4 * j + 2 * h + e] * kScale", "dq2[4 * j + 2 * h + e]"},
  };
  for (const Mistake &mistake : mistakes) {
    const AttentionGradCase what{.of = mistake.of, .headDim = 128, .causal = true};
    CudaKernel kernel = buildAttentionGrad(what).kernel;
    std::string text = kernel.source();
    size_t at = text.find(mistake.find);
    ASSERT_NE(at, std::string::npos) << mistake.find;
    Runner r(kernel, text.replace(at, std::string(mistake.find).size(), mistake.replace));
    ASSERT_TRUE(r.ok());
    AttentionGradData data(what, {1, 1, 200, 180}, 1);
    auto report = data.run(r);
    ASSERT_TRUE(report.isOk()) << report.status().message();
    EXPECT_GT(data.error(), 1.0) << mistake.find;
  }
}

TEST(CudaAttentionGrad, Infeasible) {
  auto why = [](GradOf of, Tile tile, int64_t d) { return schedules::wgmmaAttentionGradInfeasible(of, tile, d); };
  EXPECT_EQ(why(GradOf::keys, {100, 64, 2}, 64), "a block has one or two consumers of 64 rows");
  EXPECT_EQ(why(GradOf::queries, {192, 64, 2}, 64), "a block has one or two consumers of 64 rows");
  EXPECT_EQ(why(GradOf::keys, {128, 112, 2}, 64), "too many values for a thread's registers");
  EXPECT_EQ(why(GradOf::queries, {128, 112, 2}, 128), "too many values for a thread's registers");
  EXPECT_EQ(why(GradOf::queries, {128, 100, 2}, 64), "a step takes a multiple of 16 rows, up to 256");
  EXPECT_EQ(why(GradOf::keys, {128, 128, 2}, 128), "too many values for a thread's registers");
  EXPECT_EQ(why(GradOf::keys, {128, 64, 5}, 128), "more shared memory than a block may have");
  EXPECT_EQ(why(GradOf::queries, {128, 64, 2}, 72), "the head dimension is a multiple of 16 up to 256");
  EXPECT_EQ(why(GradOf::queries, {128, 64, 0}, 64), "a ring has at least one slot");
}

TEST(CudaAttentionGrad, Text) {
  expectGolden("attention_grad_keys_causal_hd128.cu", buildAttentionGrad({.of = GradOf::keys, .causal = true}).kernel.text);
  expectGolden("attention_grad_queries_full_hd128.cu", buildAttentionGrad({.of = GradOf::queries}).kernel.text);
}

TEST(CudaAttentionGrad, InstancesThroughTheGate) {
  for (GradOf of : {GradOf::keys, GradOf::queries})
    for (int64_t d : {64, 96, 128})
      for (bool causal : {false, true})
        for (int64_t group : {1, 4}) {
          if (group > 1 && d == 96) continue;
          AttentionGradCase what{.of = of, .headDim = d, .causal = causal, .group = group};
          Built built = buildAttentionGrad(what);
          dumpForGpu(built.kernel, what.name());
          if (!haveNvrtc()) continue;
          CompiledCuda compiled = compileThroughGate(built.kernel);
          EXPECT_GT(countSass(compiled.cubin, kSassHgmma), 0) << "the products must be HGMMA instructions";
          EXPECT_EQ(countSass(compiled.cubin, kSassLdl) + countSass(compiled.cubin, kSassStl), 0) << "local memory";
        }
  if (!haveNvrtc()) GTEST_SKIP() << "no NVRTC on this machine";
}

}  // namespace
}  // namespace jinx::cuda::testing
