#include "runtime/comm/model/MeasuredCrossover.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "runtime/comm/model/Cheapest.h"
#include "runtime/comm/model/Units.h"

namespace jinx::comm::model {
namespace {

Status checkSizes(std::span<const Measurement> a, std::span<const Measurement> b) {
  if (a.size() != b.size())
    return invalidArgument("got curves of " + std::to_string(a.size()) + " and " + std::to_string(b.size()) +
                           " points, expected the same sizes of both");
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].bytes != b[i].bytes)
      return invalidArgument("got curves of " + bytesText(a[i].bytes) + " and " + bytesText(b[i].bytes) + " at place " +
                             std::to_string(i) + ", expected the same sizes of both");
    if (i > 0 && !(a[i].bytes > a[i - 1].bytes))
      return invalidArgument("got " + bytesText(a[i].bytes) + " behind " + bytesText(a[i - 1].bytes) +
                             ", expected ascending sizes");
  }
  return Status::ok();
}

/// Where the ratio is 1 on the line between two neighbours, of which the first is above 1 and the second is not.
double between(const Measurement& left, double logLeft, const Measurement& right, double logRight) {
  const double part = logLeft / (logLeft - logRight);
  return left.bytes * std::pow(right.bytes / left.bytes, part);
}

std::vector<Measurement> select(std::span<const Measurement> all, const std::function<bool(double)>& isWanted,
                                bool wanted) {
  std::vector<Measurement> some;
  std::copy_if(all.begin(), all.end(), std::back_inserter(some),
               [&](const Measurement& m) { return isWanted(m.bytes) == wanted; });
  return some;
}

} // namespace

Expected<std::optional<MeasuredCrossover>> measuredCrossover(std::span<const Measurement> a,
                                                             std::span<const Measurement> b) {
  JINX_TRY(checkSizes(a, b));
  const size_t n = a.size();
  std::vector<double> ratios; // logarithms: above 0 where `a` is slower
  double wrong = 0;           // so far from right with the crossover in front of all: of the points where `a` is slower
  for (size_t i = 0; i < n; ++i) {
    ratios.push_back(std::log(a[i].seconds / b[i].seconds));
    wrong += std::max(0.0, ratios[i]);
  }
  size_t best = 0; // the first point from which on `a` is the faster one
  double least = wrong;
  for (size_t i = 0; i < n; ++i) {
    wrong -= ratios[i];
    if (wrong < least) least = wrong, best = i + 1;
  }
  if (best == 0 || best == n) return std::optional<MeasuredCrossover>();
  MeasuredCrossover crossover;
  for (size_t i = 1; i < n; ++i) {
    if (!(ratios[i - 1] > 0 && ratios[i] <= 0)) continue;
    crossover.last = between(a[i - 1], ratios[i - 1], a[i], ratios[i]);
    if (crossover.first == 0) crossover.first = crossover.last;
    if (i == best) crossover.bytes = crossover.last;
  }
  return std::optional(crossover);
}

std::optional<double> CrossoverCheck::times() const {
  if (!predicted || !measured) return std::nullopt;
  return std::max(*predicted / measured->bytes, measured->bytes / *predicted);
}

bool CrossoverCheck::agrees(double factor) const {
  if (measured) return predicted && *times() <= factor;
  return !predicted || *predicted < least || *predicted > most;
}

Expected<CrossoverCheck> checkCrossover(std::span<const Measurement> a, std::span<const Measurement> b,
                                        const std::function<bool(double)>& isFitted) {
  CrossoverCheck check;
  JINX_TRY_ASSIGN(check.a, fitTogether(select(a, isFitted, true)), "first curve");
  JINX_TRY_ASSIGN(check.b, fitTogether(select(b, isFitted, true)), "second curve");
  const Line lineA = check.a.line(a.front().ranks), lineB = check.b.line(b.front().ranks);
  if (lineA.latency > lineB.latency) check.predicted = crossover(lineA, lineB);
  const std::vector<Measurement> othersOfA = select(a, isFitted, false);
  JINX_TRY_ASSIGN(check.measured, measuredCrossover(othersOfA, select(b, isFitted, false)));
  if (!othersOfA.empty()) check.least = othersOfA.front().bytes, check.most = othersOfA.back().bytes;
  return check;
}

} // namespace jinx::comm::model
