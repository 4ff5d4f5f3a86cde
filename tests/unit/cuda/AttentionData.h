// Operands of the CUDA attention, its launch on the emulator, and float64 to judge the result by.
#pragma once

#include <cmath>

#include "AttentionKernels.h"
#include "runtime/base/DType.h"

namespace jinx::cuda::testing {

/// Sizes of a problem.
struct Shape {
  int64_t batch, heads, queries, keys;
};

struct AttentionData {
  AttentionCase what;
  Shape s;
  std::vector<uint16_t> q, k, v, o;
  std::vector<float> extra, lse;

  /// \param grows  keys become greater from right to left, the way they are walked, so that rows find a new greatest logit again and again
  AttentionData(const AttentionCase &what, Shape s, uint64_t seed, bool grows = false) : what(what), s(s) {
    auto halves = [&](size_t n, uint64_t seed, float scale) {
      auto values = randomFloats(n, seed, scale);
      std::vector<uint16_t> bits(n);
      for (size_t i = 0; i < n; ++i) bits[i] = what.bf16 ? floatToBFloat16(values[i]) : floatToHalf(values[i]);
      return bits;
    };
    size_t rowsQ = s.batch * s.heads * s.queries, rowsK = s.batch * (s.heads / what.group) * s.keys;
    q = halves(rowsQ * what.headDim, seed, 1.5f);
    k = halves(rowsK * what.headDim, seed + 100, 1.0f);
    if (grows) growKeys();
    v = halves(rowsK * what.headDim, seed + 200, 1.0f);
    o.assign((rowsQ + 1) * what.headDim, 0x7FC1);  // a guard row behind it must stay as it is
    lse.assign(rowsQ + 1, -123.0f);
    extra = {0.0f};
    if (what.hole == Hole::kBias) extra = randomFloats(s.heads * s.queries * s.keys, seed + 300);
    if (what.hole == Hole::kMask) makeMask(seed);
  }
  void growKeys() {
    for (int64_t b = 0; b < s.batch; ++b)
      for (int64_t h = 0; h < s.heads / what.group; ++h)
        for (int64_t j = 0; j < s.keys; ++j)
          for (int64_t c = 0; c < what.headDim; ++c) {
            uint16_t &bits = k[at(b, h, j, s.heads / what.group, s.keys) + c];
            const float grown = load(bits) * (1.0f + 11.0f * float(s.keys - 1 - j) / float(s.keys));
            bits = what.bf16 ? floatToBFloat16(grown) : floatToHalf(grown);
          }
  }
  /// Half of the columns, whole rows here and there, and all columns but the last few for others.
  void makeMask(uint64_t seed) {
    auto values = randomFloats(s.batch * s.queries * s.keys, seed + 400);
    extra.resize(values.size());
    for (int64_t i = 0; i < int64_t(values.size()); ++i) {
      int64_t row = i / s.keys % s.queries, column = i % s.keys;
      bool hidden = row % 7 == 3 || values[i] < 0 || (row % 7 == 5 && column + 3 < s.keys);
      extra[i] = hidden ? -INFINITY : 0.0f;
    }
  }
  float load(uint16_t bits) const { return what.bf16 ? bfloat16ToFloat(bits) : halfToFloat(bits); }
  size_t at(int64_t b, int64_t h, int64_t row, int64_t heads, int64_t rows) const {
    return (what.headsInRows ? (b * rows + row) * heads + h : (b * heads + h) * rows + row) * what.headDim;
  }

  Expected<emulated::LaunchReport> run(Runner &r, emulated::LaunchOptions options = {}) {
    return r.run({in(q), in(k), in(v), in(extra), out(o), out(lse)}, {s.batch, s.heads, s.queries, s.keys}, options);
  }

  double logit(double score, int64_t b, int64_t h, int64_t i, int64_t j) const {
    if (what.causal && j > i + s.keys - s.queries) return -INFINITY;
    if (what.hole == Hole::kSoftcap) return 2.0 * std::tanh(0.5 * score);
    if (what.hole == Hole::kBias) return score + extra[(h * s.queries + i) * s.keys + j];
    if (what.hole == Hole::kMask) return score + extra[(b * s.queries + i) * s.keys + j];
    return score;
  }

  /// Of results, in units of `tolerance`; of the log-sum-exp, absolute.
  struct Errors {
    double out = 0, lse = 0;
  };
  /// Weights and the result are rounded to 16 bits (unit roundoff u), which costs u of the sum of |weight * value| and u of the result;
  /// 1e-4 of the former is for scores and exponentials in f32.
  double tolerance(double size, double result) const {
    const double u = what.bf16 ? 0x1p-8 : 0x1p-11;
    return u * (size + std::abs(result)) + 1e-4 * size;
  }
  Errors errors() const {
    const int64_t d = what.headDim, kvHeads = s.heads / what.group;
    Errors e;
    for (int64_t b = 0; b < s.batch; ++b)
      for (int64_t h = 0; h < s.heads; ++h)
        for (int64_t i = 0; i < s.queries; ++i) {
          const uint16_t *row = q.data() + at(b, h, i, s.heads, s.queries);
          std::vector<double> x(s.keys), want(d, 0.0), size(d, 0.0);
          double largest = -INFINITY, sum = 0;
          for (int64_t j = 0; j < s.keys; ++j) {
            const uint16_t *key = k.data() + at(b, h / what.group, j, kvHeads, s.keys);
            double score = 0;
            for (int64_t c = 0; c < d; ++c) score += double(load(row[c])) * load(key[c]);
            x[j] = logit(score * what.scale(), b, h, i, j);
            largest = std::max(largest, x[j]);
          }
          for (int64_t j = 0; j < s.keys && largest > -INFINITY; ++j) {
            const uint16_t *value = v.data() + at(b, h / what.group, j, kvHeads, s.keys);
            double weight = std::exp(x[j] - largest);
            sum += weight;
            for (int64_t c = 0; c < d; ++c) want[c] += weight * load(value[c]), size[c] += weight * std::abs(load(value[c]));
          }
          for (int64_t c = 0; c < d; ++c) {
            double w = sum > 0 ? want[c] / sum : 0.0, got = load(o[at(b, h, i, s.heads, s.queries) + c]), error = std::abs(got - w);
            if (error == 0) continue;
            e.out = std::isnan(got) ? INFINITY : std::max(e.out, error / tolerance(sum > 0 ? size[c] / sum : 0.0, w));
          }
          if (!what.logSumExp) continue;
          double wantLse = sum > 0 ? largest + std::log(sum) : -INFINITY, got = lse[(b * s.heads + h) * s.queries + i];
          double error = got == wantLse ? 0.0 : std::abs(got - wantLse);
          e.lse = std::isnan(error) ? INFINITY : std::max(e.lse, error);
        }
    return e;
  }
  void check(uint64_t seed) {
    const Errors e = errors();
    EXPECT_LE(e.out, 1.0) << what.name() << " " << s.queries << "x" << s.keys << " seed " << seed;
    EXPECT_LT(e.lse, 2e-5) << what.name() << " " << s.queries << "x" << s.keys << " seed " << seed;
    for (size_t i = s.batch * s.heads * s.queries * what.headDim; i < o.size(); ++i) ASSERT_EQ(o[i], 0x7FC1) << "wrote past the last row";
    EXPECT_EQ(lse.back(), -123.0f) << "wrote past the last row";
  }
};

}  // namespace jinx::cuda::testing
