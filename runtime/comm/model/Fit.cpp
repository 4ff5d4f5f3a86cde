#include "runtime/comm/model/Fit.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "runtime/comm/model/Units.h"

namespace jinx::comm::model {
namespace {

constexpr int kRounds = 100;
constexpr double kHuber = 1.345;
constexpr double kTiny = 1e-18;

Network hostWith(double latency, double bandwidth) {
  Network n = std::move(*networkNamed("host"));
  for (Level* level : {&n.inside, &n.between}) {
    level->ringLatency.fill(latency);
    level->treeLatency.fill(latency);
    level->bandwidth = bandwidth;
  }
  return n;
}

/// t = steps·α + bytes/β, with `bytes` what goes over a link.
struct Row {
  double steps = 0, bytes = 0, seconds = 0;
  double at(double latency, double perByte) const { return steps * latency + bytes * perByte; }
};

/// What a network of unit links asks of α and 1/β.
Expected<Row> rowOf(const Measurement& m) {
  const std::string what = std::string(nameOf(m.op)) + " by " + std::string(nameOf(m.algorithm)) + " of " + bytesText(m.bytes);
  if (!(m.seconds > 0) || !std::isfinite(m.seconds))
    return invalidArgument(what + ": got " + std::to_string(m.seconds) + " seconds, expected more than 0; leave it out");
  if (!(m.bytes >= 0)) return invalidArgument(what + ": got a negative size, expected 0 bytes or more");
  Network unit = hostWith(1, 1);
  unit.hasWholeSteps = true;
  const auto line = lineOf(unit, m.op, {m.ranks, 1}, m.algorithm, Protocol::kSimple, m.bytes);
  if (!line)
    return invalidArgument(what + " on " + std::to_string(m.ranks) +
                           " ranks has no formula on links of one kind; measure at least 2 ranks, and ring, tree, direct, recursive doubling or binomial tree");
  return Row{line->latency, m.bytes / line->bandwidth, m.seconds};
}

/// α and 1/β that make Σ w (log model - log t)² smaller, by one step of Gauss and Newton in their logarithms, which keeps both above 0.
struct Point {
  double latency = 0, perByte = 0;
};

double loss(std::span<const Row> rows, const Point& p, double scale) {
  double sum = 0;
  for (const Row& row : rows) {
    const double r = std::abs(std::log(row.at(p.latency, p.perByte) / row.seconds)), bend = kHuber * scale;
    sum += r <= bend ? r * r : 2 * bend * r - bend * bend;
  }
  return sum;
}

Point step(std::span<const Row> rows, const Point& p, double scale, double damping) {
  double aa = 0, ab = 0, bb = 0, ar = 0, br = 0;
  for (const Row& row : rows) {
    const double model = row.at(p.latency, p.perByte), r = std::log(model / row.seconds);
    const double weight = std::abs(r) <= kHuber * scale ? 1 : kHuber * scale / std::abs(r);
    const double a = row.steps * p.latency / model, b = row.bytes * p.perByte / model;
    aa += weight * a * a, ab += weight * a * b, bb += weight * b * b, ar += weight * a * r, br += weight * b * r;
  }
  aa += damping * (aa + kTiny), bb += damping * (bb + kTiny);
  const double determinant = aa * bb - ab * ab;
  if (!(determinant > 0)) return p;
  const double da = (bb * ar - ab * br) / determinant, db = (aa * br - ab * ar) / determinant;
  const auto limited = [](double d) { return std::exp(-std::clamp(d, -2.0, 2.0)); };
  return {std::max(kTiny, p.latency * limited(da)), std::max(kTiny * 1e-6, p.perByte * limited(db))};
}

/// The standard deviation, from the median of the distances: half of the measurements may be anywhere.
double scaleOf(std::span<const Row> rows, const Point& p) {
  std::vector<double> distances;
  for (const Row& row : rows)
    distances.push_back(std::abs(std::log(row.at(p.latency, p.perByte) / row.seconds)));
  std::nth_element(distances.begin(), distances.begin() + static_cast<ptrdiff_t>(distances.size() / 2), distances.end());
  return std::max(1e-9, distances[distances.size() / 2] / 0.6745);
}

/// Least squares of relative errors, which is linear; where it gives less than 0 of either, half of the least or largest time.
Point start(std::span<const Row> rows) {
  double aa = 0, ab = 0, bb = 0, a1 = 0, b1 = 0;
  Point p{1e30, 0};
  for (const Row& row : rows) {
    const double a = row.steps / row.seconds, b = row.bytes / row.seconds;
    aa += a * a, ab += a * b, bb += b * b, a1 += a, b1 += b;
    if (row.steps > 0) p.latency = std::min(p.latency, row.seconds / row.steps / 2);
    if (row.bytes > 0) p.perByte = std::max(p.perByte, row.seconds / row.bytes / 2);
  }
  const double determinant = aa * bb - ab * ab, latency = (bb * a1 - ab * b1) / determinant, perByte = (aa * b1 - ab * a1) / determinant;
  return determinant > 0 && latency > 0 && perByte > 0 ? Point{latency, perByte} : p;
}

Point minimum(std::span<const Row> rows) {
  Point p = start(rows);
  double damping = 1e-3;
  for (int round = 0; round < kRounds; ++round) {
    const double scale = scaleOf(rows, p);
    const Point next = step(rows, p, scale, damping);
    const bool isBetter = loss(rows, next, scale) <= loss(rows, p, scale);
    const double moved = std::abs(std::log(next.latency / p.latency)) + std::abs(std::log(next.perByte / p.perByte));
    if (isBetter) p = next;
    damping = isBetter ? std::max(1e-12, damping / 4) : damping * 8;
    if (isBetter ? moved < 1e-12 : damping > 1e12) break;
  }
  return p;
}

/// Rows that are all the same multiple of each other say one number, not two.
Status checkRows(std::span<const Row> rows) {
  if (rows.size() < 2) return invalidArgument("got " + std::to_string(rows.size()) + " measurements, expected at least 2; measure more sizes");
  double least = INFINITY, most = 0;
  for (const Row& row : rows) {
    least = std::min(least, row.bytes / row.steps);
    most = std::max(most, row.bytes / row.steps);
  }
  if (most >= 2 * least && most > 0) return Status::ok();
  return invalidArgument("got measurements of " + bytesText(least) + " to " + bytesText(most) +
                         " a step, expected sizes of which one is at least twice another; measure a small and a large one, to tell latency from bandwidth");
}

}  // namespace

Line Fit::line(int ranks) const {
  constexpr double kLarge = 1 << 30;
  const double least = predicted({op, algorithm, ranks, 0, 1});
  return {least, kLarge / (predicted({op, algorithm, ranks, kLarge, 1}) - least)};
}

double Fit::predicted(const Measurement& m) const {
  const auto row = rowOf({m.op, m.algorithm, m.ranks, m.bytes, 1});
  return row ? Row(row.value()).at(latency, 1 / bandwidth) : 0;
}

Expected<Fit> fitTogether(std::span<const Measurement> measurements) {
  std::vector<Row> rows;
  for (const Measurement& m : measurements) {
    JINX_TRY_ASSIGN(Row row, rowOf(m), "fitting");
    rows.push_back(row);
  }
  JINX_TRY(checkRows(rows), "fitting");
  const Point p = minimum(rows);
  Fit fit{measurements[0].op, measurements[0].algorithm, p.latency, 1 / p.perByte, rows.size(), 0, 0, measurements[0]};
  for (size_t i = 0; i < rows.size(); ++i) {
    const double ratio = std::log(rows[i].seconds / rows[i].at(p.latency, p.perByte));
    fit.typical += ratio * ratio / static_cast<double>(rows.size());
    if (std::abs(ratio) < std::abs(fit.worst)) continue;
    fit.worst = ratio;
    fit.worstMeasurement = measurements[i];
  }
  fit.typical = std::sqrt(fit.typical);
  return fit;
}

Expected<std::vector<Fit>> fitEach(std::span<const Measurement> measurements) {
  std::vector<std::vector<Measurement>> kinds;
  for (const Measurement& m : measurements) {
    const auto kind = std::find_if(kinds.begin(), kinds.end(), [&](const auto& k) { return k[0].op == m.op && k[0].algorithm == m.algorithm; });
    if (kind == kinds.end())
      kinds.push_back({m});
    else
      kind->push_back(m);
  }
  if (kinds.empty()) return invalidArgument("fitting: got no measurements, expected at least 2");
  std::vector<Fit> fits;
  for (const auto& kind : kinds) {
    JINX_TRY_ASSIGN(Fit fit, fitTogether(kind), std::string(nameOf(kind[0].op)) + " by " + std::string(nameOf(kind[0].algorithm)));
    fits.push_back(fit);
  }
  return fits;
}

Status checkTold(const Fit& fit, std::span<const Measurement> measurements) {
  constexpr double kLeastShare = 0.2;
  double least = 1, most = 0; // shares of latency in a time
  for (const Measurement& m : measurements) {
    const double share = fit.predicted({m.op, m.algorithm, m.ranks, 0, 1}) / fit.predicted(m);
    least = std::min(least, share);
    most = std::max(most, share);
  }
  if (least > 1 - kLeastShare) return invalidArgument("the largest size takes hardly longer than none at all, which says no bandwidth; measure larger ones");
  if (most < kLeastShare) return invalidArgument("the smallest size takes as long as its bytes, which says no latency; measure smaller ones");
  return Status::ok();
}

Network networkOf(const Fit& fit) { return hostWith(fit.latency, fit.bandwidth); }

}  // namespace jinx::comm::model
