#include "tools/driver/Observers.h"

#include <algorithm>
#include <cmath>

namespace jinx::driver {
namespace {

constexpr double kTail = 0.5e-4; ///< of all values, at either end: percentile 99.99
constexpr int64_t kLevels = 128; ///< entropy: codes of one sign
constexpr int kTrials = 80;      ///< mse: clippings that are tried

/// Kullback-Leibler divergence of `p`'s first `length` bins, what is beyond added to the last, from the same in `kLevels` levels.
double divergence(const std::vector<double>& sizes, int64_t length) {
  std::vector<double> p(sizes.begin(), sizes.begin() + length), q(static_cast<size_t>(length));
  for (size_t i = static_cast<size_t>(length); i < sizes.size(); ++i)
    p.back() += sizes[i];
  double pSum = 0, qSum = 0;
  for (int64_t level = 0; level < kLevels; ++level) {
    const int64_t begin = level * length / kLevels, end = (level + 1) * length / kLevels;
    double sum = 0;
    int64_t filled = 0;
    for (int64_t i = begin; i < end; ++i)
      sum += sizes[static_cast<size_t>(i)], filled += sizes[static_cast<size_t>(i)] > 0;
    for (int64_t i = begin; i < end; ++i)
      if (sizes[static_cast<size_t>(i)] > 0) q[static_cast<size_t>(i)] = sum / static_cast<double>(filled);
  }
  for (size_t i = 0; i < p.size(); ++i)
    pSum += p[i], qSum += q[i];
  double sum = 0;
  constexpr double kFloor = 1e-9; // where q has nothing and p has
  for (size_t i = 0; i < p.size(); ++i)
    if (p[i] > 0) sum += p[i] / pSum * std::log(p[i] / pSum / std::max(qSum > 0 ? q[i] / qSum : 0, kFloor));
  return sum;
}

} // namespace

std::optional<Method> methodNamed(const std::string& name) {
  if (name == "min-max") return Method::kMinMax;
  if (name == "percentile") return Method::kPercentile;
  if (name == "entropy") return Method::kEntropy;
  if (name == "mse") return Method::kMse;
  return std::nullopt;
}

void Histogram::grow() {
  std::vector<uint64_t> joined(kBins);
  for (int64_t i = 0; i < kBins; ++i)
    joined[static_cast<size_t>(kBins / 4 + i / 2)] += counts_[static_cast<size_t>(i)];
  counts_ = std::move(joined);
  limit_ *= 2;
}

Status Histogram::add(const Tensor& tensor) {
  auto value = [&](int64_t i) { return tensor.dtype() == DType::kF32 ? static_cast<double>(tensor.as<float>()[i]) : tensor.getDouble(i); };
  double low = 0, high = 0;
  for (int64_t i = 0; i < tensor.size(); ++i) {
    const double v = value(i);
    if (!std::isfinite(v)) return invalidArgument(std::isnan(v) ? "holds NaN" : "holds an infinity");
    low = std::min(low, v);
    high = std::max(high, v);
  }
  if (tensor.size() == 0) return Status::ok();
  low_ = std::min(low_, low);
  high_ = std::max(high_, high);
  const double size = std::max(-low, high);
  if (counts_.empty()) counts_.resize(kBins);
  if (limit_ == 0) limit_ = size; // zeros alone fit any limit
  while (limit_ > 0 && size > limit_)
    grow();
  const double perUnit = limit_ > 0 ? kBins / (2 * limit_) : 0;
  for (int64_t i = 0; i < tensor.size(); ++i)
    ++counts_[static_cast<size_t>(std::clamp<int64_t>(static_cast<int64_t>(std::floor(value(i) * perUnit)) + kBins / 2, 0, kBins - 1))];
  total_ += static_cast<uint64_t>(tensor.size());
  return Status::ok();
}

passes::Range Histogram::percentile() const {
  const double most = kTail * static_cast<double>(total_);
  const double width = 2 * limit_ / kBins;
  int64_t first = 0, last = kBins - 1;
  for (double below = 0; first < last && below + static_cast<double>(counts_[static_cast<size_t>(first)]) <= most; ++first)
    below += static_cast<double>(counts_[static_cast<size_t>(first)]);
  for (double above = 0; last > first && above + static_cast<double>(counts_[static_cast<size_t>(last)]) <= most; --last)
    above += static_cast<double>(counts_[static_cast<size_t>(last)]);
  return {std::max(low_, center(first) - width / 2), std::min(high_, center(last) + width / 2)};
}

double Histogram::entropyLimit() const {
  std::vector<double> sizes(kBins / 2); // of |x|
  for (int64_t i = 0; i < kBins / 2; ++i)
    sizes[static_cast<size_t>(i)] = static_cast<double>(counts_[static_cast<size_t>(kBins / 2 + i)] + counts_[static_cast<size_t>(kBins / 2 - 1 - i)]);
  int64_t best = kBins / 2;
  double least = divergence(sizes, best);
  for (int64_t length = kBins / 2 - 1; length >= kLevels; --length) {
    const double d = divergence(sizes, length);
    if (d < least) least = d, best = length;
  }
  return static_cast<double>(best) * (2 * limit_ / kBins);
}

double Histogram::squaredErrorFactor() const {
  double best = 1, least = -1;
  for (int t = 0; t < kTrials; ++t) {
    const double factor = 1 - static_cast<double>(t) / (kTrials + 1);
    const double low = low_ * factor, high = high_ * factor, step = (high - low) / 255;
    double error = 0;
    for (int64_t i = 0; i < kBins; ++i) {
      const double count = static_cast<double>(counts_[static_cast<size_t>(i)]), x = center(i);
      const double off = x < low ? low - x : x > high ? x - high : 0;
      error += count * (off > 0 ? off * off : step * step / 12);
    }
    if (least < 0 || error < least) least = error, best = factor;
  }
  return best;
}

passes::Range Histogram::range(Method method, bool isFloat) const {
  if (limit_ == 0 || method == Method::kMinMax || (isFloat && method != Method::kPercentile)) return {low_, high_};
  if (method == Method::kPercentile) return percentile();
  if (method == Method::kMse) {
    const double factor = squaredErrorFactor();
    return {low_ * factor, high_ * factor};
  }
  const double limit = entropyLimit();
  return {std::max(low_, -limit), std::min(high_, limit)};
}

} // namespace jinx::driver
