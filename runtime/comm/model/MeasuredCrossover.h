// Where do two measured curves cross, and does a fit that has not seen the place know it?
//
//   bytes            32 KiB   64 KiB   128 KiB   256 KiB
//   ring      µs         60       75       100       200
//   doubling  µs         35       50        90       240
//   ratio              1.71     1.50      1.11      0.83      crosses where its logarithm is 0: at 162 KiB
//
// Measured curves are rough, and may cross more than once where they are close. The crossover is the size for which the
// least is on the wrong side: the sum of |log ratio| of the smaller sizes where the second curve is slower, and of the
// larger ones where the first is, is least. It lies between two neighbours with different signs, and there on the
// straight line over the logarithms. `first` and `last` are the outermost such places.
//
// The check: of each curve some points are fitted (`Fit.h`), and the lines of the two fits cross at (L_a - L_b) /
// (1/b_b - 1/b_a). All other points, which the fits have not seen, say where the curves cross.
#pragma once

#include <functional>
#include <optional>
#include <span>

#include "runtime/comm/model/Fit.h"

namespace jinx::comm::model {

struct MeasuredCrossover {
  double bytes = 0;
  double first = 0, last = 0;
};

/// From which size on `a` is faster, where it is slower below. None where one is at every size. kInvalidArgument where
/// the curves are not of the same sizes, ascending.
Expected<std::optional<MeasuredCrossover>> measuredCrossover(std::span<const Measurement> a,
                                                             std::span<const Measurement> b);

struct CrossoverCheck {
  Fit a, b;
  std::optional<double> predicted;           ///< of the points that were fitted
  std::optional<MeasuredCrossover> measured; ///< of the others
  double least = 0, most = 0;                ///< sizes of the others
  /// How many times one is the other, 1 or more; none where either is missing.
  std::optional<double> times() const;
  /// Within so many times; where nothing was measured to cross, whether nothing was predicted to, among these sizes.
  bool agrees(double factor) const;
};

/// Two curves of one group. \param isFitted  of a size: whether its points are fitted
Expected<CrossoverCheck> checkCrossover(std::span<const Measurement> a, std::span<const Measurement> b,
                                        const std::function<bool(double bytes)>& isFitted);

} // namespace jinx::comm::model
