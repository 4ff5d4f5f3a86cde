// From measured times to α and β.
//
// On a network of one kind of link, each algorithm's time is t = steps·α + volume·S/β, where steps and volume are known (a ring all-reduce of
// n ranks: 2(n-1) and 2(n-1)/n). So measurements of several sizes and groups say what α and β are:
//
//   measured  all_reduce, ring, 4 ranks: 1 KiB 6.4 µs, 1 MiB 317 µs, 16 MiB 5.1 ms
//   fit       α = 1.0 µs (six of them are 6 µs), β = 5 GB/s, residuals of 2 %
//
// Times go over six powers of ten and are noisy in proportion, so what counts is the ratio: the sum of the squared logarithms of measured
// over predicted is made as small as it gets. Measurements far from the others (something else ran) count by their distance and not by its
// square (Huber's weights at 1.345 standard deviations, which are told from the median).
#pragma once

#include <span>
#include <vector>

#include "runtime/comm/model/CollectiveCost.h"

namespace jinx::comm::model {

struct Measurement {
  Op op = Op::kAllReduce;
  Algorithm algorithm = Algorithm::kRing;
  int ranks = 2;
  double bytes = 0;    ///< the whole
  double seconds = 0;
};

struct Fit {
  Op op = Op::kAllReduce;
  Algorithm algorithm = Algorithm::kRing;
  double latency = 0;    ///< α: seconds of a step
  double bandwidth = 0;  ///< β: bytes a second of a link
  size_t count = 0;      ///< measurements
  double typical = 0;    ///< root of the mean squared log ratio: 0.02 is 2 %
  double worst = 0;      ///< the log ratio farthest from 0; above 0 where more was measured than predicted
  Measurement worstMeasurement;

  /// Seconds that the fit predicts for a measurement's op, group and size.
  double predicted(const Measurement& m) const;
  /// Of its op and algorithm on a group of so many ranks.
  Line line(int ranks) const;
};

/// One fit of all measurements, whatever their op and algorithm (those of the first are told). kInvalidArgument for less than two
/// measurements, for times that are not above 0, and for those from which α and β cannot be told apart.
Expected<Fit> fitTogether(std::span<const Measurement> measurements);

/// One fit for each op and algorithm, in the order in which they first come.
Expected<std::vector<Fit>> fitEach(std::span<const Measurement> measurements);

/// Every fit has an α and a β. kInvalidArgument where one of them is chance: where latency or bytes are less than a fifth of all of these times.
Status checkTold(const Fit& fit, std::span<const Measurement> measurements);

/// "host" with these links.
Network networkOf(const Fit& fit);

} // namespace jinx::comm::model
