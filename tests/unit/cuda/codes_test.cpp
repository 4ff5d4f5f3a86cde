// Products of codes on the emulator, against float64: tails of m, n and k, groups that do and do not fit the slots, levels, offsets, clusters.
#include <cmath>

#include "CodeKernels.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

namespace jinx::cuda::testing {

using namespace mlir;
using schedules::CodeTile;

const std::vector<float> &someLevels() {
  static const std::vector<float> levels = {-1.0f, -0.6961928f, -0.5250731f, -0.3949175f, -0.2844414f, -0.1847734f, -0.0910500f, 0.0f,
                                            0.0795803f, 0.1609302f, 0.2461123f, 0.3379152f, 0.4407098f, 0.5626170f, 0.7229568f, 1.0f};
  return levels;
}

Built buildCodes(const CodeProblem &problem) {
  OpBuilder b(&context());
  Location loc = b.getUnknownLoc();
  Built built;
  built.module = ModuleOp::create(loc);
  b.setInsertionPointToEnd(built.module->getBody());
  Type half = problem.isF16 ? Type(b.getF16Type()) : b.getBF16Type();
  auto pointer = [&](Type element) { return tile::PtrType::get(b.getContext(), element); };
  auto named = [&](Value v, const char *name) { return v.setLoc(NameLoc::get(b.getStringAttr(name))), v; };
  auto kernel = tile::KernelOp::create(b, loc, "codes", TypeRange{pointer(half), pointer(b.getI8Type()), pointer(half), pointer(half), pointer(b.getF32Type()), pointer(half)}, 5, 1,
                                       "/mlp/MatMul");
  b.setInsertionPointToEnd(&kernel.getBody().front());
  schedules::CodeMatmul p;
  p.a = named(kernel.buffer(0), "a"), p.codes = named(kernel.buffer(1), "codes"), p.scales = named(kernel.buffer(2), "scales");
  Value offsets = named(kernel.buffer(3), "offsets"), bias = named(kernel.buffer(4), "bias");
  if (problem.withOffsets) p.offsets = offsets;
  p.c = named(kernel.buffer(5), "c");
  p.m = named(kernel.size(0), "m");
  p.n = p.cRowStride = arith::ConstantIndexOp::create(b, loc, problem.n);
  p.k = p.aRowStride = arith::ConstantIndexOp::create(b, loc, problem.k);
  p.bits = problem.bits, p.group = problem.group, p.zero = problem.zero;
  if (problem.withLevels) p.levels = someLevels();
  p.isConstant = problem.isConstant;
  p.tile = tile::ProgramIdOp::create(b, loc, b.getIndexType());
  if (problem.tile.splits > 1) p.tile = arith::DivUIOp::create(b, loc, p.tile, arith::ConstantIndexOp::create(b, loc, problem.tile.splits));
  kernel.setPrograms(schedules::codePrograms(problem.tile, SizeExpr::symbol("a0"), SizeExpr(problem.n)).str());
  schedules::emitCodeMatmul(b, kernel, p, problem.tile, [&](OpBuilder &b, Location loc, Value acc, const schedules::TilePlace &at) -> Value {
    auto type = cast<VectorType>(acc.getType());
    if (problem.withHole) {
      Value zero = arith::ConstantIndexOp::create(b, loc, 0), one = arith::ConstantIndexOp::create(b, loc, 1);
      Value rows = arith::SubIOp::create(b, loc, p.m, at.row), columns = arith::SubIOp::create(b, loc, p.n, at.column);
      Value row = tile::LoadOp::create(b, loc, type, bias, at.column, ValueRange{zero, one}, ValueRange{rows, columns});
      acc = arith::MaximumFOp::create(b, loc, arith::AddFOp::create(b, loc, acc, row), arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, 0.0f)));
    }
    return arith::TruncFOp::create(b, loc, type.clone(half), acc);
  });
  auto emitted = emitCuda(kernel, {.arch = problem.arch});
  EXPECT_TRUE(succeeded(emitted));
  if (succeeded(emitted)) built.kernel = *emitted;
  return built;
}

std::vector<uint8_t> packCodes(const std::vector<int> &codes, const CodeProblem &problem) {
  const int64_t n = problem.n, k = problem.k, chunks = (k + 63) / 64, panels = (n + 63) / 64, bytes = problem.bits * 128;
  std::vector<uint8_t> packed(panels * chunks * 4 * bytes, 0);
  for (int64_t channel = 0; channel < n; ++channel)
    for (int64_t at = 0; at < k; ++at) {
      // The formula of the head of TileCodeOps.td, solved for lane, step and place.
      const int64_t within = at % 64, h = within / 32, c = within / 8 % 4, t = within / 4 % 2, s = 2 * h + t, e = within % 2;
      const int64_t j = within / 2 % 2 * 2 + channel % 2, lane = channel % 16 / 2 * 4 + c;
      uint8_t *chunk = packed.data() + ((channel / 64 * chunks + at / 64) * 4 + channel / 16 % 4) * bytes;
      const int code = codes[channel * k + at];
      if (problem.bits == 8) {
        chunk[h * 512 + lane * 16 + t * 8 + j / 2 * 4 + j % 2 + 2 * e] = uint8_t(code);
      } else {
        const int64_t nibble = problem.withLevels ? 2 * j + e : j + 4 * e;
        chunk[lane * 16 + s * 4 + nibble / 2] |= uint8_t(code << nibble % 2 * 4);
      }
    }
  return packed;
}

std::vector<uint16_t> packScales(const std::vector<uint16_t> &scales, int64_t n, int64_t groups) {
  std::vector<uint16_t> packed((n + 15) / 16 * groups * 16, 0);
  for (int64_t channel = 0; channel < n; ++channel)
    for (int64_t g = 0; g < groups; ++g) packed[(channel / 16 * groups + g) * 16 + channel % 16] = scales[channel * groups + g];
  return packed;
}

namespace {

// f16 by its definition; the kernel's own conversions are not asked.
uint16_t toF16(float v) {
  const int exponent = std::max(v == 0 ? -14 : std::ilogb(v), -14);
  const float units = std::nearbyint(std::ldexp(std::abs(v), 10 - exponent));  // 2^10 to 2^11 where it is a normal number
  return uint16_t((v < 0 ? 0x8000 : 0) + (exponent + 14) * 1024 + int(units));
}
float fromF16(uint16_t v) {
  const int exponent = v >> 10 & 31, mantissa = v & 1023;
  const float size = exponent ? std::ldexp(1024.0f + mantissa, exponent - 25) : std::ldexp(float(mantissa), -24);
  return v & 0x8000 ? -size : size;
}

struct CodeData {
  int64_t m;
  std::vector<uint16_t> a, scales, offsets, c;
  std::vector<uint8_t> codes;
  std::vector<float> bias;
  std::vector<double> expected, size;  ///< size: the sum of what is added, without signs
};
CodeData makeData(const CodeProblem &p, int64_t m, uint64_t seed) {
  const int64_t groups = (p.k + p.group - 1) / p.group;
  auto to = [&](float v) { return p.isF16 ? toF16(v) : toBf16(v); };
  auto from = [&](uint16_t v) { return double(p.isF16 ? fromF16(v) : fromBf16(v)); };
  auto rounded = [&](std::vector<float> values) {
    std::vector<uint16_t> bits(values.size());
    for (size_t i = 0; i < values.size(); ++i) bits[i] = to(values[i]);
    return bits;
  };
  std::mt19937_64 random(seed);
  std::vector<int> codes(p.n * p.k);
  for (int &code : codes) code = p.bits == 4 ? int(random() % 16) : int(random() % 256) - 128;
  CodeData d{.m = m, .a = rounded(randomFloats(m * p.k, seed))};
  auto scales = rounded(randomFloats(p.n * groups, seed + 1, 0.1f)), offsets = rounded(randomFloats(p.n * groups, seed + 2, 0.1f));
  d.scales = packScales(scales, p.n, groups), d.offsets = packScales(offsets, p.n, groups), d.codes = packCodes(codes, p);
  d.bias = randomFloats(p.n, seed + 3);
  d.c.assign((m + 1) * p.n, 0x7FC1);  // a guard row behind C must stay as it is
  d.expected.resize(m * p.n), d.size.resize(m * p.n);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < p.n; ++j) {
      double sum = 0, size = 0;
      for (int64_t at = 0; at < p.k; ++at) {
        const int code = codes[j * p.k + at];
        const double value = p.withLevels ? from(to(someLevels()[code])) : code - p.zero;
        const double weight = value * from(scales[j * groups + at / p.group]) + (p.withOffsets ? from(offsets[j * groups + at / p.group]) : 0);
        sum += from(d.a[i * p.k + at]) * weight, size += std::abs(from(d.a[i * p.k + at]) * weight);
      }
      d.expected[i * p.n + j] = p.withHole ? std::max(0.0, sum + d.bias[j]) : sum;
      d.size[i * p.n + j] = size;
    }
  return d;
}

/// What f32 sums of 2k terms and one rounding of the result may be off.
void check(Runner &r, const CodeProblem &p, int64_t m, uint64_t seed) {
  CodeData d = makeData(p, m, seed);
  emulated::LaunchOptions options;
  options.seed = seed;
  auto report = r.run({in(d.a), in(d.codes), in(d.scales), in(d.offsets), in(d.bias), out(d.c)}, {m}, options);
  ASSERT_TRUE(report.isOk()) << report.status().message();
  double worst = 0;
  for (int64_t i = 0; i < m * p.n; ++i) {
    const double got = p.isF16 ? fromF16(d.c[i]) : fromBf16(d.c[i]), allowed = std::abs(d.expected[i]) * (p.isF16 ? 0x1p-11 : 0x1p-8) + d.size[i] * 0x1p-24 * 16 + 1e-6;
    const double error = std::abs(got - d.expected[i]) / allowed;
    worst = std::isnan(error) ? INFINITY : std::max(worst, error);
  }
  EXPECT_LT(worst, 1.0) << m << "x" << p.n << "x" << p.k << " bits " << p.bits << " group " << p.group << " seed " << seed;
  for (int64_t j = 0; j < p.n; ++j) EXPECT_EQ(d.c[m * p.n + j], 0x7FC1) << "wrote past the last row";
}

const CodeTile kSmall{.rows = 8, .columns = 64, .warpsN = 1, .warpsK = 4};

TEST(CudaCodes, TextAndGate) {
  Built i4 = buildCodes({.n = 14336, .k = 4096, .isConstant = true}), levels = buildCodes({.tile = {.warpsK = 16, .splits = 2}, .n = 4096, .k = 14336, .group = 32, .zero = 0, .withLevels = true, .withHole = true});
  expectGolden("codes_i4.cu", i4.kernel.text);
  expectGolden("codes_levels.cu", levels.kernel.text);
  if (!haveNvrtc()) GTEST_SKIP() << "no NVRTC on this machine";
  for (const CodeProblem &problem : {CodeProblem{.n = 14336, .k = 4096}, CodeProblem{.tile = {.rows = 16}, .n = 4096, .k = 4096}, CodeProblem{.tile = {.rows = 16, .columns = 32, .warpsK = 16}, .n = 4096, .k = 4096, .withOffsets = true}, CodeProblem{.n = 4096, .k = 4096, .bits = 8, .zero = 0},
                                     CodeProblem{.n = 4096, .k = 4096, .zero = 0, .withLevels = true, .isF16 = true},
                                     CodeProblem{.tile = {.rows = 16}, .n = 14336, .k = 4096, .isConstant = true}, CodeProblem{.n = 14336, .k = 4096, .group = 32, .isConstant = true}, CodeProblem{.tile = {.rows = 16}, .n = 14336, .k = 4096, .group = 32, .isConstant = true}, CodeProblem{.tile = {.rows = 16, .warpsK = 16, .splits = 2}, .n = 4096, .k = 14336, .group = 32, .isConstant = true}, CodeProblem{.tile = {.rows = 16, .columns = 32, .warpsK = 16}, .n = 4096, .k = 14336, .isConstant = true},
                                     CodeProblem{.tile = {.rows = 16}, .n = 14336, .k = 4096, .zero = 0, .withLevels = true, .isConstant = true}})
    compileThroughGate(buildCodes(problem).kernel);
  compileThroughGate(levels.kernel);
}

TEST(CudaCodes, RowsAndTails) {
  // n that is no multiple of 16, k that is no multiple of 64, of the slot or of the group.
  for (int64_t k : {8, 64, 200, 1032}) {
    CodeProblem p{.tile = kSmall, .n = 72 + k % 16, .k = k};
    Runner r(buildCodes(p).kernel);
    for (int64_t m : {1, 7, 8, 17}) check(r, p, m, k + m);
  }
}

TEST(CudaCodes, Groups) {
  // Within a warp's 64 k, across them, of several slots, beside the slots, and one for all.
  for (int64_t group : {32, 64, 96, 128, 160, 256, 512, 320, 1024}) {
    CodeProblem p{.tile = kSmall, .n = 64, .k = 776, .group = group, .withOffsets = group % 64 == 0 || group == 32};
    Runner r(buildCodes(p).kernel);
    check(r, p, 5, group);
  }
}

TEST(CudaCodes, KindsOfCodes) {
  for (bool isF16 : {false, true})
    for (CodeProblem p : {CodeProblem{.bits = 4, .zero = 8}, CodeProblem{.bits = 4, .zero = 0, .withOffsets = true}, CodeProblem{.bits = 8, .zero = 0},
                          CodeProblem{.bits = 4, .group = 32, .zero = 0, .withLevels = true}, CodeProblem{.bits = 8, .group = 32, .zero = 0, .withOffsets = true}}) {
      p.tile = kSmall, p.n = 80, p.k = 328, p.isF16 = isF16;
      Runner r(buildCodes(p).kernel);
      for (uint64_t seed : {1, 2}) check(r, p, 3, seed);
    }
}

TEST(CudaCodes, TilesAndClusters) {
  for (CodeTile tile : {CodeTile{16, 64, 1, 8}, CodeTile{16, 128, 2, 4}, CodeTile{32, 128, 4, 2}, CodeTile{64, 128, 4, 1}, CodeTile{8, 64, 1, 4, 2}, CodeTile{8, 64, 1, 2, 4},
                        CodeTile{16, 32, 1, 4, 4}, CodeTile{32, 128, 4, 2, 4}}) {
    CodeProblem p{.tile = tile, .n = 200, .k = 600, .withHole = true};
    Runner r(buildCodes(p).kernel);
    for (int64_t m : {1, 16, 33}) check(r, p, m, m);
  }
}

TEST(CudaCodes, Constants) {
  // Codes that are fetched before the launch before has ended.
  for (CodeTile tile : {kSmall, CodeTile{16, 32, 1, 4}, CodeTile{8, 64, 1, 4, 2}}) {
    CodeProblem p{.tile = tile, .n = 168, .k = 600, .withHole = true, .isConstant = true};
    Runner r(buildCodes(p).kernel);
    for (int64_t m : {1, 11}) check(r, p, m, m);
    p.withLevels = true, p.zero = 0, p.group = 32;
    Runner levels(buildCodes(p).kernel);
    check(levels, p, 5, 3);
  }
}

TEST(CudaCodes, ScalesOfLanes) {
  // Groups of 32 and four blocks a warp: a lane loads the scales of one block. Three, one and two blocks are left of the last 64 columns, and k ends in either half of a chunk.
  for (CodeTile tile : {kSmall, CodeTile{16, 64, 1, 4, 2}, CodeTile{16, 128, 2, 2}})
    for (int64_t n : {112, 136, 160}) {
      CodeProblem p{.tile = tile, .n = n, .k = 8 * n - 600, .group = 32, .withOffsets = n == 136, .isConstant = n == 160};
      Runner r(buildCodes(p).kernel);
      for (int64_t m : {3, 16}) check(r, p, m, n + m);
    }
}

TEST(CudaCodes, ForEarlierGpus) {
  if (!haveNvrtc()) GTEST_SKIP() << "no NVRTC on this machine";
  for (const char *arch : {"sm_80", "sm_86", "sm_89"}) {
    auto compiled = compileCuda(buildCodes({.n = 4096, .k = 4096, .arch = arch}).kernel.source(), "codes", {.arch = arch});
    EXPECT_TRUE(compiled.isOk()) << compiled.status().message();
  }
}

}  // namespace
}  // namespace jinx::cuda::testing
