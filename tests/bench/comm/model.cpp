// Ring or tree? What the model says of an all_reduce over whole nodes, by size and by nodes.
//
//     jinx_bench_comm_model [--network h100-8 | --file NETWORK.json] [--nodes 1 2 4 …] [--json FILE]
//
// Three tables in Markdown: which of ring and tree is faster and how much, at which sizes their order changes, and what is the fastest of all
// that the network has. Nothing is measured: the numbers are those of runtime/comm/model.
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "runtime/comm/model/Cheapest.h"
#include "runtime/comm/model/NetworkFile.h"
#include "runtime/comm/model/Units.h"

namespace jinx::comm::model {
namespace {

struct Options {
  std::string network = "h100-8", file, json;
  std::vector<int> nodes = {1, 2, 4, 8, 16, 32, 64, 128};
};

Expected<Network> networkOf(const Options& options) {
  if (options.file.empty()) return networkNamed(options.network);
  std::ifstream file(options.file);
  if (!file) return notFound("cannot open " + options.file);
  auto network = networkFromJson(std::string(std::istreambuf_iterator<char>(file), {}));
  return network ? network : Expected<Network>(network.status().withContext(options.file));
}

Group groupOf(const Network& network, int nodes) { return {nodes * network.ranksPerNode, network.ranksPerNode}; }

/// The cost of one algorithm among all; none where there is no such one.
const Cost* find(const std::vector<Cost>& costs, Algorithm algorithm) {
  for (const Cost& cost : costs)
    if (cost.algorithm == algorithm) return &cost;
  return nullptr;
}

/// A row for each size, a column for each number of nodes.
template <typename Cell>
Status table(const Options& options, const Network& network, const Cell& cell) {
  std::string head = "| bytes |", line = "|---|";
  for (int nodes : options.nodes) {
    head += " " + std::to_string(nodes) + (nodes == 1 ? " node |" : " nodes |");
    line += "---|";
  }
  std::cout << head << "\n" << line << "\n";
  for (double bytes = 4096; bytes <= 16.0 * (1ll << 30); bytes *= 4) {
    std::cout << "| " << bytesText(bytes) << " |";
    for (int nodes : options.nodes) {
      JINX_TRY_ASSIGN(const std::vector<Cost> costs, costsOf(network, Op::kAllReduce, groupOf(network, nodes), bytes));
      std::cout << " " << cell(costs) << " |";
    }
    std::cout << "\n";
  }
  std::cout << "\n";
  return Status::ok();
}

std::string ringOrTree(const std::vector<Cost>& costs) {
  const Cost *ring = find(costs, Algorithm::kRing), *tree = find(costs, Algorithm::kTree);
  if (!ring || !tree) return "–";
  const bool isRing = ring->seconds < tree->seconds;
  const double times = isRing ? tree->seconds / ring->seconds : ring->seconds / tree->seconds;
  return (isRing ? "**ring** " : "tree ") + fixedText(times, times < 9.95 ? 1 : 0);
}

std::string fastest(const std::vector<Cost>& costs) {
  return std::string(nameOf(costs[0].algorithm)) + " " + std::string(nameOf(costs[0].protocol)) + " " + secondsText(costs[0].seconds);
}

/// Times of ring and tree, eight sizes for each power of two: for the picture.
Status writeJson(const Options& options, const Network& network) {
  nlohmann::ordered_json lines = nlohmann::ordered_json::array();
  for (int nodes : options.nodes) {
    nlohmann::ordered_json line = {{"nodes", nodes}, {"bytes", {}}, {"ring", {}}, {"tree", {}}};
    for (int look = 10 * 8; look <= 34 * 8; ++look) {
      const double bytes = std::exp2(look / 8.0);
      JINX_TRY_ASSIGN(const std::vector<Cost> costs, costsOf(network, Op::kAllReduce, groupOf(network, nodes), bytes));
      const Cost *ring = find(costs, Algorithm::kRing), *tree = find(costs, Algorithm::kTree);
      if (!ring || !tree) return unimplemented("network " + network.name + " has not both ring and tree");
      line["bytes"].push_back(bytes);
      line["ring"].push_back(ring->seconds);
      line["tree"].push_back(tree->seconds);
    }
    lines.push_back(std::move(line));
  }
  std::ofstream file(options.json);
  file << nlohmann::ordered_json{{"network", network.name}, {"lines", std::move(lines)}}.dump() << "\n";
  return file ? Status::ok() : resourceError("cannot write " + options.json);
}

Status run(const Options& options) {
  JINX_TRY_ASSIGN(const Network network, networkOf(options));
  std::cout << "all_reduce over whole nodes of " << network.name << "\n\n## Ring or tree\n\n";
  JINX_TRY(table(options, network, ringOrTree));
  std::cout << "| nodes | |\n|---|---|\n";
  for (int nodes : options.nodes)
    std::cout << "| " << nodes << " | " << fasterText(network, Op::kAllReduce, groupOf(network, nodes), Algorithm::kRing, Algorithm::kTree) << " |\n";
  std::cout << "\n## The fastest of all\n\n";
  JINX_TRY(table(options, network, fastest));
  return options.json.empty() ? Status::ok() : writeJson(options, network);
}

} // namespace
} // namespace jinx::comm::model

int main(int argc, char** argv) {
  jinx::comm::model::Options options;
  CLI::App app("Ring or tree: what the model of communication says");
  app.add_option("--network", options.network, "A network that has a name")->capture_default_str();
  app.add_option("--file", options.file, "JSON of a network: runtime/comm/model/NetworkFile.h");
  app.add_option("--nodes", options.nodes, "Numbers of nodes")->check(CLI::Range(1, 1 << 16))->capture_default_str();
  app.add_option("--json", options.json, "File for the times of ring and tree");
  CLI11_PARSE(app, argc, argv);
  const jinx::Status status = jinx::comm::model::run(options);
  if (!status.isOk()) std::fprintf(stderr, "error: %s\n", status.message().c_str());
  return status.isOk() ? 0 : 1;
}
