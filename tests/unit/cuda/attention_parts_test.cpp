// Attention with keys in parts, and the merge of parts: on the emulator, against float64, and to the last bit where bits must not differ.
#include "AttentionData.h"

namespace jinx::cuda::testing {
namespace {

/// Parts by one kernel, the result by another.
struct SplitRunner {
  AttentionCase what;
  Runner parts, merge;

  explicit SplitRunner(const AttentionCase &what) : what(what), parts(buildAttention(what).kernel), merge(buildAttentionMerge(what).kernel) {}
  bool ok() const { return parts.ok() && merge.ok(); }

  void run(AttentionData &data, uint64_t seed) {
    const Shape &s = data.s;
    const int64_t count = (s.keys + what.partKeys - 1) / what.partKeys, rows = s.batch * s.heads * s.queries;
    std::vector<float> out(size_t(rows * count + 1) * what.headDim, NAN), lse(size_t(rows * count + 1), NAN);
    emulated::LaunchOptions options;
    options.seed = seed;
    auto report = parts.run({in(data.q), in(data.k), in(data.v), in(data.extra), testing::out(out), testing::out(lse)}, {s.batch, s.heads, s.queries, s.keys}, options);
    ASSERT_TRUE(report.isOk()) << what.name() << ": " << report.status().message();
    for (size_t i = size_t(rows * count) * what.headDim; i < out.size(); ++i) ASSERT_TRUE(std::isnan(out[i])) << "wrote past the last part";
    report = merge.run({in(out), in(lse), testing::out(data.o)}, {s.batch, s.heads, s.queries, count}, options);
    ASSERT_TRUE(report.isOk()) << what.name() << "_merge: " << report.status().message();
  }
};

void checkParts(const AttentionCase &what, const std::vector<Shape> &shapes, int seeds = 1) {
  SplitRunner runner(what);
  ASSERT_TRUE(runner.ok());
  uint64_t seed = 0;
  for (const Shape &shape : shapes)
    for (int i = 0; i < seeds; ++i) {
      AttentionData data(what, shape, ++seed);
      runner.run(data, seed);
      data.check(seed);
    }
}

TEST(CudaAttentionParts, OddLengths) {
  for (int64_t d : {64, 128}) checkParts({.headDim = d, .sms = 3, .partKeys = 256}, {{1, 1, 1, 1}, {1, 2, 4, 255}, {2, 1, 16, 257}, {1, 3, 64, 700}, {1, 1, 70, 513}});
}
TEST(CudaAttentionParts, ManyParts) { checkParts({.headDim = 64, .sms = 5, .partKeys = 128}, {{1, 2, 3, 128 * 33 + 5}}, 2); }
TEST(CudaAttentionParts, OtherHeadDimensions) {
  for (int64_t d : {96, 256, 80}) checkParts({.headDim = d, .sms = 2, .partKeys = 256}, {{1, 1, 5, 600}});
}
TEST(CudaAttentionParts, HalfPrecisionInRows) { checkParts({.headDim = 128, .group = 2, .bf16 = false, .headsInRows = true, .sms = 3, .partKeys = 256}, {{2, 4, 3, 400}}); }
TEST(CudaAttentionParts, Causal) {
  checkParts({.headDim = 64, .causal = true, .sms = 3, .partKeys = 128}, {{1, 2, 16, 300}, {1, 1, 40, 140}, {1, 1, 64, 20}, {1, 1, 5, 128}});
}
TEST(CudaAttentionParts, Holes) {
  for (Hole hole : {Hole::kSoftcap, Hole::kBias, Hole::kMask}) checkParts({.headDim = 64, .hole = hole, .sms = 2, .partKeys = 128}, {{2, 2, 9, 277}});
}

// A row's bits are its own: alone, in a batch, with more or fewer blocks to share the work.
TEST(CudaAttentionParts, BitsDoNotDependOnTheBatch) {
  const AttentionCase what{.headDim = 128, .sms = 3, .partKeys = 256};
  const Shape shape{3, 2, 4, 900};
  SplitRunner runner(what);
  AttentionCase wider = what;
  wider.sms = 132;
  SplitRunner other(wider);
  ASSERT_TRUE(runner.ok() && other.ok());
  AttentionData all(what, shape, 7);
  runner.run(all, 1);
  AttentionData again = all;
  other.run(again, 2);
  EXPECT_EQ(all.o, again.o);
  for (int64_t b = 0; b < shape.batch; ++b) {
    AttentionData alone(what, {1, shape.heads, shape.queries, shape.keys}, 7);
    auto row = [&](const std::vector<uint16_t> &of, int64_t each) { return std::vector<uint16_t>(of.begin() + b * each, of.begin() + (b + 1) * each); };
    const int64_t queries = shape.heads * shape.queries * what.headDim, keys = shape.heads * shape.keys * what.headDim;
    alone.q = row(all.q, queries), alone.k = row(all.k, keys), alone.v = row(all.v, keys);
    runner.run(alone, 3);
    alone.o.resize(size_t(queries));
    EXPECT_EQ(alone.o, row(all.o, queries)) << "sequence " << b;
  }
}

// Mistakes that leave every access in order.
TEST(CudaAttentionParts, WrongValuesShow) {
  const AttentionCase what{.headDim = 128, .sms = 2, .partKeys = 256};
  const Shape shape{1, 2, 4, 5000};
  struct Mistake {
    bool inMerge;
    const char *find, *replace;
  };
  const Mistake mistakes[] = {
      {false, "const i64 first_key = part * 256;", "const i64 first_key = part * 128;"},
      {false, "log2f(sum3[h])", "0.0f"},
      {true, "out[i] * exp2_approx(product)", "out[i]"},
      {true, "sum * exp2_approx(product)", "sum"},
      {true, "rest15 > 0 ? lse_value16 : -INFINITY", "rest15 > 0 ? lse_value16 : INFINITY"},
  };
  for (const Mistake &mistake : mistakes) {
    SplitRunner runner(what);
    CudaKernel kernel = mistake.inMerge ? buildAttentionMerge(what).kernel : buildAttention(what).kernel;
    std::string text = kernel.source();
    size_t at = text.rfind(mistake.find);
    ASSERT_NE(at, std::string::npos) << mistake.find << " is not in\n" << kernel.text;
    (mistake.inMerge ? runner.merge : runner.parts) = Runner(kernel, text.replace(at, std::string(mistake.find).size(), mistake.replace));
    ASSERT_TRUE(runner.ok());
    AttentionData data(what, shape, 1);
    runner.run(data, 1);
    EXPECT_GT(data.errors().out, 1.0) << mistake.find;
  }
}

TEST(CudaAttentionParts, Text) {
  expectGolden("attention_parts_hd128.cu", buildAttention({.headDim = 128, .partKeys = 512}).kernel.text);
  expectGolden("attention_merge_hd128.cu", buildAttentionMerge({.headDim = 128, .partKeys = 512}).kernel.text);
}

TEST(CudaAttentionParts, InstancesThroughTheGate) {
  for (int64_t d : {64, 96, 128, 256})
    for (bool causal : {false, true}) {
      AttentionCase what{.headDim = d, .causal = causal, .partKeys = 512};
      Built parts = buildAttention(what), merge = buildAttentionMerge(what);
      dumpForGpu(parts.kernel, what.name());
      dumpForGpu(merge.kernel, what.name() + "_merge");
      if (!haveNvrtc()) continue;
      for (const CudaKernel *kernel : {&parts.kernel, &merge.kernel}) {
        CompiledCuda compiled = compileThroughGate(*kernel);
        EXPECT_EQ(countSass(compiled.cubin, kSassLdl) + countSass(compiled.cubin, kSassStl), 0) << "local memory";
        if (kernel == &parts.kernel) EXPECT_GT(countSass(compiled.cubin, kSassHgmma), 0) << "the products must be HGMMA instructions";
      }
    }
  if (!haveNvrtc()) GTEST_SKIP() << "no NVRTC on this machine";
}

}  // namespace
}  // namespace jinx::cuda::testing
