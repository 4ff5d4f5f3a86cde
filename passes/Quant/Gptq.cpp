#include "passes/Quant/Gptq.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/base/Parallel.h"

namespace jinx::passes {
namespace {

constexpr double kDamping = 0.01;
constexpr int64_t kTile = 16;  ///< rows of weights at a time: each element of U is read once for all of them

/// A matrix of f64, k x k.
class Square {
 public:
  explicit Square(int64_t k) : k_(k), values_(size_t(k * k)) {}
  double *row(int64_t i) { return values_.data() + i * k_; }
  const double *row(int64_t i) const { return values_.data() + i * k_; }

 private:
  int64_t k_;
  std::vector<double> values_;
};

double dot(const double *a, const double *b, int64_t n) {
  double sums[4] = {};
  int64_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (int64_t l = 0; l < 4; ++l) sums[l] += a[i + l] * b[i + l];
  for (; i < n; ++i) sums[0] += a[i] * b[i];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/// Replaces H by the upper triangular R with H = R·Rᵀ: Cholesky from the last row up.
Status factorize(Square &h, int64_t k) {
  for (int64_t j = k - 1; j >= 0; --j) {
    const int64_t tail = k - 1 - j;
    double *rowJ = h.row(j);
    const double pivot = rowJ[j] - dot(rowJ + j + 1, rowJ + j + 1, tail);
    if (!(pivot > 0) || !std::isfinite(pivot)) return invalidArgument("the inputs' second moments are not positive");
    rowJ[j] = std::sqrt(pivot);
    for (int64_t i = 0; i < j; ++i) {
      double *rowI = h.row(i);
      rowI[j] = (rowI[j] - dot(rowI + j + 1, rowJ + j + 1, tail)) / rowJ[j];
    }
  }
  return Status::ok();
}

/// R⁻¹ of an upper triangular R. H = R·Rᵀ, so H⁻¹ = (R⁻¹)ᵀ·R⁻¹: this is U.
Square inverse(const Square &r, int64_t k) {
  Square u(k);
  for (int64_t i = k - 1; i >= 0; --i) {
    double *row = u.row(i);
    row[i] = 1;
    for (int64_t p = i + 1; p < k; ++p) {
      const double factor = r.row(i)[p];
      const double *below = u.row(p);
      for (int64_t j = p; j < k; ++j) row[j] -= factor * below[j];
    }
    for (int64_t j = i; j < k; ++j) row[j] /= r.row(i)[i];
  }
  return u;
}

/// Columns by the size of their inputs, largest first; of equal ones the first.
std::vector<int64_t> orderOf(const SecondMoments &moments) {
  std::vector<int64_t> order(size_t(moments.k()));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return std::pair(-moments.at(a, a), a) < std::pair(-moments.at(b, b), b); });
  return order;
}

}  // namespace

void SecondMoments::add(std::span<const float> x, int64_t rows, unsigned threads) {
  constexpr int64_t kRows = 8;  // at a time: the sums are read and written once for all of them
  const int64_t piece = std::max<int64_t>(1, k_ / 64);
  inParallel(threads, size_t((k_ + piece - 1) / piece), [&](size_t p) {
    for (int64_t first = 0; first < rows; first += kRows) {
      const int64_t last = std::min(rows, first + kRows);
      for (int64_t i = int64_t(p) * piece; i < std::min(k_, int64_t(p + 1) * piece); ++i)
        for (int64_t r = first; r < last; ++r) {
          const double factor = x[size_t(r * k_ + i)];
          const float *row = x.data() + r * k_;
          double *sums = sums_.data() + i * k_;
          if (factor == 0) continue;
          for (int64_t j = i; j < k_; ++j) sums[j] += factor * row[j];
        }
    }
  });
}

Status roundGptq(WeightCodes &codes, const WeightRows &weights, const SecondMoments &moments, unsigned threads) {
  const int64_t k = weights.k;
  const std::vector<int64_t> order = orderOf(moments);
  double mean = 0;
  for (int64_t i = 0; i < k; ++i) mean += moments.at(i, i) / double(k);
  if (mean == 0) mean = 1;
  Square h(k);
  for (int64_t i = 0; i < k; ++i)
    for (int64_t j = 0; j < k; ++j) h.row(i)[j] = moments.at(order[size_t(i)], order[size_t(j)]) + (i == j ? kDamping * mean : 0);
  JINX_TRY(factorize(h, k));
  const Square u = inverse(h, k);
  const std::array<float, 256> levels = levelsOf(codes.format);

  inParallel(threads, size_t((weights.rows + kTile - 1) / kTile), [&](size_t tile) {
    const int64_t first = int64_t(tile) * kTile, count = std::min(kTile, weights.rows - first);
    std::vector<double> w(size_t(k * kTile));
    for (int64_t i = 0; i < k; ++i)
      for (int64_t r = 0; r < count; ++r) w[size_t(i * kTile + r)] = weights.values[size_t((first + r) * k + order[size_t(i)])];
    for (int64_t i = 0; i < k; ++i) {
      double errors[kTile] = {};
      for (int64_t r = 0; r < count; ++r) {
        const int64_t row = first + r, column = order[size_t(i)], s = codes.scaleOf(row, column);
        const float offset = codes.format.hasOffsets ? codes.offsets[size_t(s)] : 0;
        const double value = w[size_t(i * kTile + r)];
        const uint8_t code = encode(codes.format, float(value), codes.scales[size_t(s)], offset);
        codes.codes[size_t(row * k + column)] = code;
        const double rounded = levels[code] * double(codes.scales[size_t(s)]) + offset;
        errors[r] = (value - rounded) / u.row(i)[i];
      }
      for (int64_t j = i + 1; j < k; ++j) {
        const double factor = u.row(i)[j];
        double *column = w.data() + j * kTile;
        for (int64_t r = 0; r < kTile; ++r) column[r] -= errors[r] * factor;
      }
    }
  });
  return Status::ok();
}

}  // namespace jinx::passes
