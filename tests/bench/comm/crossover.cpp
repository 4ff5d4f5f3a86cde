// Does the model know from which size on a ring beats trees? Judges what crossover.py has measured of MPI_Allreduce.
//
//     jinx_bench_comm_crossover FILE.json [--json FILE]
//
// For each number of ranks the ring's points and each tree's become a fit (runtime/comm/model/MeasuredCrossover.h),
// which has not seen the sizes in the middle; there the curves themselves say where they cross. What is fitted follows
// from the number of ranks alone:
//
//   all messages at least 4 KiB, from where on Open MPI hands them over in another way (its eager limit; a ring's
//   message is S/n): on 4 ranks sizes from 16 KiB on. Of those the smallest third says the latency, the largest third
//   the bandwidth: these are fitted.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "runtime/comm/model/MeasuredCrossover.h"
#include "runtime/comm/model/Units.h"

namespace jinx::comm::model {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kEager = 4096;
constexpr Algorithm kAlgorithms[] = {Algorithm::kRing, Algorithm::kDoubling, Algorithm::kBinomial};

/// What was measured of one number of ranks: a curve for each algorithm, the ring's first.
struct Group {
  int ranks = 0;
  std::vector<std::vector<Measurement>> curves;

  /// Of the sizes that count.
  double leastFitted() const { return kEager * ranks; }
  bool isFitted(double bytes) const {
    std::vector<double> sizes;
    for (const Measurement& m : curves[0])
      if (m.bytes >= leastFitted()) sizes.push_back(m.bytes);
    const auto place = static_cast<size_t>(std::lower_bound(sizes.begin(), sizes.end(), bytes) - sizes.begin());
    return bytes >= leastFitted() && std::exp2(std::round(std::log2(bytes))) == bytes &&
           (place < sizes.size() / 3 || place >= sizes.size() - sizes.size() / 3);
  }
  /// Without the sizes that do not count.
  std::vector<Measurement> counting(size_t curve) const {
    std::vector<Measurement> some;
    for (const Measurement& m : curves[curve])
      if (m.bytes >= leastFitted()) some.push_back(m);
    return some;
  }
};

Expected<std::vector<Measurement>> curveOf(const Json& json, int ranks, Algorithm algorithm) {
  for (const Json& curve : json.at("curves")) {
    if (curve.at("ranks") != ranks || curve.at("algorithm") != nameOf(algorithm)) continue;
    std::vector<Measurement> points;
    for (size_t i = 0; i < curve.at("bytes").size(); ++i)
      points.push_back({Op::kAllReduce, algorithm, ranks, curve.at("bytes")[i], curve.at("seconds")[i]});
    return points;
  }
  return notFound("there is no " + std::string(nameOf(algorithm)) + " of " + std::to_string(ranks) + " ranks");
}

Expected<std::vector<Group>> groupsOf(const Json& json) {
  std::vector<Group> groups;
  for (const Json& curve : json.at("curves")) {
    const int ranks = curve.at("ranks");
    if (std::any_of(groups.begin(), groups.end(), [&](const Group& g) { return g.ranks == ranks; })) continue;
    Group group{ranks, {}};
    for (Algorithm algorithm : kAlgorithms) {
      JINX_TRY_ASSIGN(auto points, curveOf(json, ranks, algorithm));
      group.curves.push_back(std::move(points));
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

/// How far the points that were not fitted are from the fit, in the mean.
std::string missText(const Fit& fit, const Group& group, size_t curve) {
  double sum = 0, count = 0;
  for (const Measurement& m : group.counting(curve)) {
    if (group.isFitted(m.bytes)) continue;
    sum += std::abs(std::log(m.seconds / fit.predicted(m)));
    ++count;
  }
  return fixedText(100 * std::expm1(sum / count), 0) + " %";
}

std::string fitText(const Fit& fit) {
  return secondsText(fit.latency) + ", " + fixedText(fit.bandwidth / 1e9, 2) + " GB/s";
}

void printRow(const Group& group, size_t tree, const CrossoverCheck& check) {
  const auto times = check.times();
  std::cout << "| " << group.ranks << " | " << nameOf(kAlgorithms[tree]) << " | " << fitText(check.a) << " | "
            << fitText(check.b) << " | " << missText(check.a, group, 0) << ", " << missText(check.b, group, tree)
            << " | " << (check.predicted ? bytesText(*check.predicted) : "none") << " | "
            << (check.measured ? bytesText(check.measured->bytes) : "none");
  if (check.measured && check.measured->first < check.measured->last)
    std::cout << " (" << bytesText(check.measured->first) << " to " << bytesText(check.measured->last) << ")";
  std::cout << " | " << (times ? fixedText(*times, 2) : "–") << " | " << (check.agrees(2) ? "yes" : "no") << " |\n";
}

Json curveJson(const Group& group, size_t curve, const Fit& fit) {
  const Line line = fit.line(group.ranks);
  Json json = {{"algorithm", nameOf(kAlgorithms[curve])}, {"latency", line.latency}, {"bandwidth", line.bandwidth}};
  for (const Measurement& m : group.curves[curve]) {
    json["bytes"].push_back(static_cast<int64_t>(m.bytes));
    json["seconds"].push_back(m.seconds);
    json["fitted"].push_back(group.isFitted(m.bytes));
  }
  return json;
}

Status run(const std::string& path, const std::string& jsonPath) {
  std::ifstream file(path);
  if (!file) return notFound("cannot open " + path);
  const Json measured = Json::parse(file, nullptr, false);
  if (measured.is_discarded() || !measured.contains("curves"))
    return invalidArgument(path + " is nothing that crossover.py has measured");
  JINX_TRY_ASSIGN(const std::vector<Group> groups, groupsOf(measured), path);
  Json out = {{"groups", Json::array()}};
  int judged = 0, within = 0;
  std::cout << "| ranks | against | ring α, β | the other's α, β | off, not fitted | predicted | measured | times "
               "| agree |\n|---|---|---|---|---|---|---|---|---|\n";
  for (const Group& group : groups) {
    Json entry = {{"ranks", group.ranks}, {"curves", Json::array()}, {"checks", Json::array()}};
    const std::vector<Measurement> ring = group.counting(0);
    for (size_t tree = 1; tree < std::size(kAlgorithms); ++tree) {
      JINX_TRY_ASSIGN(const CrossoverCheck check,
                      checkCrossover(ring, group.counting(tree), [&](double bytes) { return group.isFitted(bytes); }),
                      std::to_string(group.ranks) + " ranks");
      printRow(group, tree, check);
      if (tree == 1) entry["curves"].push_back(curveJson(group, 0, check.a));
      entry["curves"].push_back(curveJson(group, tree, check.b));
      Json judgement = {{"tree", nameOf(kAlgorithms[tree])}, {"predicted", nullptr}, {"measured", nullptr}};
      if (check.predicted) judgement["predicted"] = *check.predicted;
      if (check.measured) judgement["measured"] = check.measured->bytes;
      entry["checks"].push_back(std::move(judgement));
      ++judged;
      within += check.agrees(2);
    }
    out["groups"].push_back(std::move(entry));
  }
  std::cout << "\n" << within << " of " << judged << " agree: within a factor of two, or nothing crosses\n";
  if (jsonPath.empty()) return Status::ok();
  std::ofstream written(jsonPath);
  written << out.dump() << "\n";
  return written ? Status::ok() : resourceError("cannot write " + jsonPath);
}

} // namespace
} // namespace jinx::comm::model

int main(int argc, char** argv) {
  std::string path, json;
  CLI::App app("From which size on does a ring beat trees: predicted and measured");
  app.add_option("FILE", path, "What crossover.py has measured")->required();
  app.add_option("--json", json, "File for curves, fits and crossovers: for the picture");
  CLI11_PARSE(app, argc, argv);
  const jinx::Status status = jinx::comm::model::run(path, json);
  if (!status.isOk()) std::fprintf(stderr, "error: %s\n", status.message().c_str());
  return status.isOk() ? 0 : 1;
}
