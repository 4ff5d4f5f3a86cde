// The CUDA attention schedule on the emulator, against float64, with tails in every dimension.
#include "AttentionData.h"

namespace jinx::cuda::testing {
namespace {

void checkAttention(const AttentionCase &what, const std::vector<Shape> &shapes, int seeds = 1, bool grows = false) {
  Runner r(buildAttention(what).kernel);
  ASSERT_TRUE(r.ok());
  uint64_t seed = 0;
  for (const Shape &shape : shapes)
    for (int i = 0; i < seeds; ++i) {
      AttentionData data(what, shape, ++seed, grows);
      emulated::LaunchOptions options;
      options.seed = seed;
      auto report = data.run(r, options);
      ASSERT_TRUE(report.isOk()) << what.name() << " " << shape.queries << "x" << shape.keys << ": " << report.status().message();
      data.check(seed);
    }
}

// Few blocks, so that each walks several tiles.
TEST(CudaAttention, FullOnOddLengths) {
  for (int64_t d : {64, 128}) checkAttention({.headDim = d, .logSumExp = true, .sms = 2}, {{1, 1, 1, 1}, {1, 2, 129, 129}, {2, 1, 200, 333}});
}
TEST(CudaAttention, CausalOnOddLengths) {
  for (int64_t d : {64, 128})
    checkAttention({.headDim = d, .causal = true, .logSumExp = true, .sms = 2},
                   {{1, 1, 1, 1}, {1, 2, 129, 129}, {1, 1, 200, 333}, {1, 1, 70, 520}, {1, 1, 333, 200}, {1, 1, 260, 3}});
}
TEST(CudaAttention, SeveralSeeds) {
  checkAttention({.headDim = 64, .causal = true, .sms = 3}, {{1, 3, 300, 300}}, 4);
  checkAttention({.headDim = 128, .sms = 1}, {{1, 1, 130, 400}}, 4);
}
TEST(CudaAttention, GreatestLogitsComeLate) {
  for (int64_t d : {64, 128})
    for (bool causal : {false, true}) checkAttention({.headDim = d, .causal = causal, .logSumExp = true, .sms = 2}, {{1, 1, 130, 700}, {1, 2, 330, 330}}, 1, true);
  for (bool causal : {false, true}) checkAttention({.headDim = 256, .causal = causal, .logSumExp = true, .sms = 2}, {{1, 1, 130, 500}}, 1, true);
  checkAttention({.headDim = 128, .bf16 = false, .logSumExp = true, .sms = 1}, {{1, 1, 70, 500}}, 1, true);
  checkAttention({.headDim = 128, .causal = true, .hole = Hole::kBias, .sms = 1}, {{1, 1, 70, 500}}, 1, true);
}
TEST(CudaAttention, GroupedHeads) {
  checkAttention({.headDim = 64, .causal = true, .group = 2, .sms = 3}, {{2, 4, 70, 150}});
  checkAttention({.headDim = 128, .group = 3, .headsInRows = true, .sms = 3}, {{1, 6, 33, 140}});
}
TEST(CudaAttention, HalfPrecision) {
  checkAttention({.headDim = 64, .bf16 = false, .logSumExp = true, .sms = 2}, {{1, 1, 100, 260}});
  checkAttention({.headDim = 128, .causal = true, .bf16 = false, .sms = 2}, {{1, 1, 129, 140}});
}
TEST(CudaAttention, Holes) {
  for (int64_t d : {64, 128})
    for (Hole hole : {Hole::kSoftcap, Hole::kBias, Hole::kMask})
      for (bool causal : {false, true}) checkAttention({.headDim = d, .causal = causal, .hole = hole, .logSumExp = true, .sms = 2}, {{1, 2, 139, 277}});
}
TEST(CudaAttention, OtherHeadDimensions) {
  for (int64_t d : {96, 256, 32, 80})
    for (bool causal : {false, true}) checkAttention({.headDim = d, .causal = causal, .logSumExp = true, .sms = 2}, {{1, 1, 139, 277}});
}
TEST(CudaAttention, OtherTiles) {
  using Tile = schedules::WgmmaAttentionTile;
  checkAttention({.headDim = 64, .causal = true, .sms = 2, .tile = Tile{64, 64, 1}}, {{1, 1, 139, 277}});
  checkAttention({.headDim = 64, .causal = true, .sms = 2, .tile = Tile{128, 176, 3}}, {{1, 1, 139, 400}});
  checkAttention({.headDim = 128, .causal = true, .sms = 2, .tile = Tile{128, 64, 3}}, {{1, 1, 300, 300}});
}

// Mistakes in what is computed, not in its order: only the values show them.
struct Mistake {
  const char *find, *replace;
  bool grows = false;  ///< shows where the greatest logits come late
};
void checkMistakes(const AttentionCase &what, llvm::ArrayRef<Mistake> mistakes) {
  CudaKernel kernel = buildAttention(what).kernel;
  for (const Mistake &mistake : mistakes) {
    std::string text = kernel.source();
    size_t at = text.find(mistake.find);
    ASSERT_NE(at, std::string::npos) << mistake.find;
    Runner r(kernel, text.replace(at, std::string(mistake.find).size(), mistake.replace));
    ASSERT_TRUE(r.ok());
    AttentionData data(what, mistake.grows ? Shape{1, 1, 330, 600} : Shape{1, 1, 330, 300}, 1, mistake.grows);
    auto report = data.run(r);
    ASSERT_TRUE(report.isOk()) << report.status().message();
    EXPECT_GT(data.errors().out, 1.0) << mistake.find;
  }
}
TEST(CudaAttention, WrongValuesShow) {
  const Mistake mistakes[] = {
      {"fragment_column + j * 8 + e < visible_here[h] ? scores[4 * j + 2 * h + e] : -INFINITY", "scores[4 * j + 2 * h + e]"},
      {"fragment_column + j * 8 + e < visible_here2[h] ? scores2[4 * j + 2 * h + e] : -INFINITY", "scores2[4 * j + 2 * h + e]"},
      {"out[4 * j + 2 * h + e] * rescale[h]", "out[4 * j + 2 * h + e]", true},
      {"out[4 * j + 2 * h + e] * rescale2[h]", "out[4 * j + 2 * h + e]", true},
      {"if (grows2) {", "if (false) {", true},
      {"sum[h] = sum[h] * rescale2[h];", ";", true},
      {"grows2 ? greatest2[h] : largest2[h]", "greatest2[h]"},
      {"kStageBytesV, kPanelBytesV)", "kStageBytesV, 8 * 1024)"},
      {"quad_sum(sum[h])", "sum[h]"},
      {"largest[h] == -INFINITY ? 0.0f : largest[h]", "largest[h]"},
  };
  checkMistakes({.headDim = 128, .causal = true, .logSumExp = true, .sms = 2}, mistakes);
}
// Three consumers of 64 rows mask their own steps, in the main loop.
TEST(CudaAttention, WrongMasksShow) {
  const Mistake mistakes[] = {
      {"const i64 whole = ", "const i64 whole = 1 + "},
      {"if (step2 < masked)", "if (false)"},
      {"if (grows) {", "if (false) {", true},
  };
  checkMistakes({.headDim = 64, .causal = true, .logSumExp = true, .sms = 2}, mistakes);
}

TEST(CudaAttention, Infeasible) {
  using Tile = schedules::WgmmaAttentionTile;
  EXPECT_EQ(schedules::wgmmaAttentionInfeasible(Tile{100, 128, 2}, 64), "a block has one to three consumers of 64 rows");
  EXPECT_EQ(schedules::wgmmaAttentionInfeasible(Tile{192, 128, 2}, 128), "too many values for a thread's registers");
  EXPECT_EQ(schedules::wgmmaAttentionInfeasible(Tile{128, 128, 4}, 128), "more shared memory than a block may have");
  EXPECT_EQ(schedules::wgmmaAttentionInfeasible(Tile{128, 120, 2}, 128), "a step takes a multiple of 16 keys, up to 256");
  EXPECT_EQ(schedules::wgmmaAttentionInfeasible(Tile{128, 128, 2}, 264), "the head dimension is a multiple of 16 up to 256");
}

TEST(CudaAttention, Text) {
  expectGolden("attention_causal_hd128.cu", buildAttention({.headDim = 128, .causal = true, .logSumExp = true}).kernel.text);
  EXPECT_EQ(buildAttention({.headDim = 64}).kernel.source(), buildAttention({.headDim = 64}).kernel.source());
}

TEST(CudaAttention, InstancesThroughTheGate) {
  for (int64_t d : {64, 96, 128, 256})
    for (bool causal : {false, true})
      for (Hole hole : {Hole::kNone, Hole::kSoftcap, Hole::kBias}) {
        if (hole != Hole::kNone && d != 128) continue;
        AttentionCase what{.headDim = d, .causal = causal, .hole = hole, .logSumExp = hole == Hole::kNone};
        Built built = buildAttention(what);
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
