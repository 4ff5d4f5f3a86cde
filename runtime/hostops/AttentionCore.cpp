#include "runtime/hostops/AttentionCore.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace jinx::dense {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Softmax of `row` with an extra logit `sink` (-inf: none) in the denominator. A row of -inf gives zeros.
void softmax(double* row, int64_t n, double sink) {
  double most = sink;
  for (int64_t j = 0; j < n; ++j)
    most = row[j] > most || std::isnan(row[j]) ? row[j] : most;
  if (most == -kInfinity) {
    std::fill_n(row, n, 0.0);
    return;
  }
  double sum = sink == -kInfinity ? 0 : std::exp(sink - most);
  for (int64_t j = 0; j < n; ++j)
    sum += row[j] = std::exp(row[j] - most);
  for (int64_t j = 0; j < n; ++j)
    row[j] /= sum;
}

} // namespace

AttentionResult attend(const AttentionShape& s, const AttentionOptions& o, const Doubles& q, const Doubles& k,
                       const Doubles& v) {
  AttentionResult out;
  out.y.assign(s.batch * s.heads * s.queries * s.vDim, 0.0);
  const int64_t plane = s.queries * s.keys, group = s.kvHeads == 0 ? 1 : s.heads / s.kvHeads;
  if (o.stage != ScoreStage::kNone) out.scores.assign(s.batch * s.heads * plane, 0.0);
  Doubles scores(plane), biasRow(s.keys);
  for (int64_t b = 0; b < s.batch; ++b)
    for (int64_t h = 0; h < s.heads; ++h) {
      const int64_t at = b * s.heads + h, kv = b * s.kvHeads + h / group;
      auto capture = [&](ScoreStage stage) {
        if (o.stage == stage) std::copy(scores.begin(), scores.end(), out.scores.begin() + at * plane);
      };
      std::fill(scores.begin(), scores.end(), 0.0);
      gemm(s.queries, s.keys, s.dim, rowMajor(q.data() + at * s.queries * s.dim, s.dim),
           transposed(k.data() + kv * s.keys * s.dim, s.dim), scores.data(), s.keys);
      for (double& x : scores)
        x *= o.scale;
      capture(ScoreStage::kScaled);
      if (o.softcap > 0)
        for (double& x : scores)
          x = std::tanh(x / o.softcap) * o.softcap;
      capture(ScoreStage::kSoftcapped);
      std::vector<bool> masked(s.queries, false);
      if (o.bias)
        for (int64_t i = 0; i < s.queries; ++i) {
          std::fill(biasRow.begin(), biasRow.end(), 0.0);
          o.bias(b, h, i, biasRow.data());
          masked[i] =
              s.keys > 0 && std::all_of(biasRow.begin(), biasRow.end(), [](double x) { return x == -kInfinity; });
          for (int64_t j = 0; j < s.keys; ++j)
            scores[i * s.keys + j] += biasRow[j];
        }
      capture(ScoreStage::kBiased);
      for (int64_t i = 0; i < s.queries; ++i) {
        double* row = scores.data() + i * s.keys;
        if (masked[i])
          std::fill_n(row, s.keys, 0.0);
        else
          softmax(row, s.keys, o.sink.empty() ? -kInfinity : o.sink[h]);
      }
      capture(ScoreStage::kProbabilities);
      gemm(s.queries, s.vDim, s.keys, rowMajor(scores.data(), s.keys),
           rowMajor(v.data() + kv * s.keys * s.vDim, s.vDim), out.y.data() + at * s.queries * s.vDim, s.vDim);
    }
  return out;
}

Doubles splitHeads(const Doubles& x, int64_t batch, int64_t length, int64_t heads, int64_t dim) {
  return permuted(x, {batch, length, heads, dim}, {0, 2, 1, 3});
}

Doubles joinHeads(const Doubles& x, int64_t batch, int64_t heads, int64_t length, int64_t dim) {
  return permuted(x, {batch, heads, length, dim}, {0, 2, 1, 3});
}

Doubles appendRows(const Doubles& past, int64_t pastLength, const Doubles& x, int64_t length, int64_t rows,
                   int64_t dim) {
  if (pastLength == 0) return x;
  Doubles out;
  out.reserve(past.size() + x.size());
  for (int64_t r = 0; r < rows; ++r) {
    out.insert(out.end(), past.begin() + r * pastLength * dim, past.begin() + (r + 1) * pastLength * dim);
    out.insert(out.end(), x.begin() + r * length * dim, x.begin() + (r + 1) * length * dim);
  }
  return out;
}

void rotate(double* x, const double* cos, const double* sin, int64_t half, bool interleaved) {
  for (int64_t i = 0; i < half; ++i) {
    double &a = x[interleaved ? 2 * i : i], &b = x[interleaved ? 2 * i + 1 : i + half];
    const double real = cos[i] * a - sin[i] * b, imaginary = sin[i] * a + cos[i] * b;
    a = real;
    b = imaginary;
  }
}

} // namespace jinx::dense
