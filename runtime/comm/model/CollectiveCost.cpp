#include "runtime/comm/model/CollectiveCost.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "runtime/comm/model/Units.h"

namespace jinx::comm::model {
namespace {

constexpr Algorithm kAlgorithms[] = {Algorithm::kRing, Algorithm::kTree, Algorithm::kNvls, Algorithm::kNvlsTree, Algorithm::kPat, Algorithm::kDirect,
                                    Algorithm::kDoubling, Algorithm::kBinomial};
constexpr Protocol kProtocols[] = {Protocol::kLl, Protocol::kLl128, Protocol::kSimple};

int floorLog2(int n) { return std::bit_width(static_cast<unsigned>(n)) - 1; }
int ceilLog2(int n) { return std::bit_width(static_cast<unsigned>(n - 1)); }
/// Ranks beyond a power of two give theirs to another one first, and get the sum from it last.
int doublingSteps(int n) { return floorLog2(n) + (std::has_single_bit(static_cast<unsigned>(n)) ? 0 : 2); }
double bounded(double value, double most) { return most > 0 ? std::min(value, most) : value; }

/// One collective on one group, with what all formulas ask for.
struct Setting {
  const Network& network;
  Op op;
  Group group;
  int p;         ///< protocol
  double bytes;
  int n, nodes;
  size_t row;    ///< of ByNodes
  int channels;
  double total;  ///< bytes a second of all channels

  Setting(const Network& net, Op o, const Group& g, Protocol protocol, double s)
      : network(net), op(o), group(g), p(static_cast<int>(protocol)), bytes(s), n(g.ranks), nodes(g.nodes()), row(static_cast<size_t>(std::min(nodes, 3) - 1)) {
    const double inside = net.inside.bandwidth * net.inside.channels;
    channels = nodes == 1 ? net.inside.channels : net.between.channels * g.perNode;
    // A node's adapters may carry more than the links of one GPU, through which all of a ring goes.
    total = nodes == 1 ? inside : bounded(net.between.bandwidth * channels, g.perNode > 1 ? inside : 0);
  }
  bool isSimple() const { return p == static_cast<int>(Protocol::kSimple); }
  bool isGather() const { return op == Op::kAllGather || op == Op::kReduceScatter; }
};

/// Time of the steps of a ring, of which `times` go round.
double ringSteps(const Setting& s, int times) {
  const Network& net = s.network;
  double inside = net.inside.ringLatency[s.p];
  if (s.nodes > 1) inside = std::max(inside, net.networkPost * (s.isSimple() ? 3 : 1));
  // Where each node has one rank nothing hides a step between nodes, and it is as slow as a tree's.
  const double between = s.group.perNode == 1 ? net.between.treeLatency[s.p] : net.between.ringLatency[s.p];
  return times * ((s.n - s.nodes) * inside + (s.nodes - 1) * between);
}

std::optional<Line> ring(const Setting& s) {
  const Network& net = s.network;
  double carried = s.total * net.ringShare[s.p];
  if (s.p == static_cast<int>(Protocol::kLl)) carried = bounded(carried, net.llMost[s.row]);
  if (s.p == static_cast<int>(Protocol::kLl128)) carried = bounded(carried, s.channels * net.ringLl128ChannelMost[s.row]);
  if (s.op == Op::kBroadcast) return Line{net.ringBase[s.p] + ringSteps(s, 1), carried};
  if (s.isGather()) return Line{net.ringBase[s.p] + ringSteps(s, 1), carried * s.n / (s.n - 1)};
  if (s.op != Op::kAllReduce) return std::nullopt;
  double latency = net.ringBase[s.p] + ringSteps(s, 2);
  if (s.isSimple() && s.nodes > 1 && s.bytes / (static_cast<double>(s.channels) * s.n) >= 64) latency *= net.ringPlateau;
  return Line{latency, carried * s.n / (2.0 * (s.n - 1))};
}

double treeFactor(const Setting& s) {
  if (s.bytes < 64) return 1;
  const int power = std::bit_width(static_cast<uint64_t>(s.bytes) >> 6) - 1;
  const TreeFactors& factors = s.network.treeFactors[s.p];
  return power < static_cast<int>(factors.size()) ? factors[static_cast<size_t>(power)] : 1;
}

std::optional<Line> treeBroadcast(const Setting& s) {
  const Network& net = s.network;
  if (!net.hasTreeBroadcast) return std::nullopt;
  const int inside = ceilLog2(s.group.perNode), between = ceilLog2(s.nodes);
  const double secondsPerByte = inside / (net.inside.bandwidth * net.inside.channels) + between / (net.between.bandwidth * net.between.channels);
  return Line{net.treeBase[s.p] + inside * net.inside.treeLatency[s.p] + between * net.between.treeLatency[s.p], 1 / secondsPerByte};
}

std::optional<Line> tree(const Setting& s) {
  if (s.op == Op::kBroadcast) return treeBroadcast(s);
  if (s.op != Op::kAllReduce) return std::nullopt;
  const Network& net = s.network;
  double carried = bounded(s.total * net.treeShare, s.channels * net.treeChannelMost[s.row]);
  carried *= s.nodes == 1 ? net.treeShareOneNode[s.p] : net.treeShareNodes[s.p];
  if (s.p == static_cast<int>(Protocol::kLl)) carried = bounded(carried, net.llMost[s.row]);
  if (s.p == static_cast<int>(Protocol::kLl128)) carried = bounded(carried, s.channels * net.treeLl128ChannelMost[s.row]);
  const double latency = net.treeBase[s.p] + 2 * ((s.group.perNode - 1) * net.inside.treeLatency[s.p] + floorLog2(s.nodes) * net.between.treeLatency[s.p]);
  return Line{latency, carried * 0.5 * treeFactor(s)};
}

/// Steps of the whole buffer, one behind the other.
std::optional<Line> wholeSteps(const Setting& s, int steps) {
  const Network& net = s.network;
  if (!net.hasWholeSteps || s.op != Op::kAllReduce || !s.isSimple() || (s.nodes > 1 && s.group.perNode > 1)) return std::nullopt;
  const Level& level = s.nodes == 1 ? net.inside : net.between;
  return Line{net.treeBase[s.p] + steps * level.treeLatency[s.p], s.total / steps};
}

std::optional<Line> nvls(const Setting& s) {
  const SwitchReduction& nvls = s.network.nvls;
  if (nvls.channels < 2 || s.nodes != 1 || !s.isSimple()) return std::nullopt;
  const double carried = (nvls.channels - 1) * nvls.bandwidth * nvls.efficiency;
  if (s.isGather()) return Line{nvls.latency, carried * (s.n - 1) / s.n};
  if (s.op != Op::kAllReduce) return std::nullopt;
  return Line{nvls.latency, 2 * carried * s.n / (2.0 * (s.n - 1))};
}

std::optional<Line> nvlsTree(const Setting& s) {
  const Network& net = s.network;
  const SwitchReduction& nvls = net.nvls;
  // With one rank on a node there is nothing for the switch to add.
  if (nvls.channels < 2 || s.nodes < 2 || !s.isSimple() || s.op != Op::kAllReduce || s.group.perNode < 2) return std::nullopt;
  const double inside = 2 * nvls.bandwidth * nvls.efficiency * (nvls.channels - 1) / nvls.channels;
  const double between = net.between.bandwidth * net.between.channels * s.group.perNode / nvls.channels * (s.nodes == 2 ? 2 : 1);
  const double channel = bounded(std::min(inside, between), nvls.channelMost[s.row]);
  return Line{nvls.latency + 2 * floorLog2(s.nodes) * nvls.between, nvls.channels * channel * s.n / (2.0 * (s.n - 1))};
}

std::optional<Line> pat(const Setting& s) {
  const ParallelTrees& pat = s.network.pat;
  if (pat.share == 0 || s.group.perNode != 1 || !s.isSimple() || !s.isGather()) return std::nullopt;
  return Line{pat.base + floorLog2(s.nodes) * pat.step + s.n * pat.perRank, s.total * pat.share};
}

std::optional<Line> direct(const Setting& s) {
  const Network& net = s.network;
  if (!s.isSimple()) return std::nullopt;
  const double inside = net.inside.bandwidth * net.inside.channels, between = net.between.bandwidth * net.between.channels;
  const double insideLatency = net.inside.ringLatency[s.p], betweenLatency = net.between.ringLatency[s.p];
  switch (s.op) {
  case Op::kPermute:
  case Op::kSend:
  case Op::kRecv: return s.nodes == 1 ? Line{net.ringBase[s.p] + insideLatency, inside} : Line{net.ringBase[s.p] + betweenLatency, between};
  case Op::kAllToAll:
  case Op::kAllToAllV: {
    const int near = s.group.perNode - 1, far = s.n - s.group.perNode;
    const auto rounds = [&](int messages) { return (messages + net.sendsAtOnce - 1) / net.sendsAtOnce; };
    const double secondsPerByte = std::max(near / inside, far / between) / s.n;
    return Line{net.ringBase[s.p] + rounds(near) * insideLatency + rounds(far) * betweenLatency, 1 / secondsPerByte};
  }
  default: return std::nullopt;
  }
}

} // namespace

bool isInParts(Op op) { return op == Op::kAllGather || op == Op::kReduceScatter || op == Op::kAllToAll; }

int64_t wholeBytes(Op op, DType dtype, int64_t count, int ranks) { return packedBytes(dtype, count * (isInParts(op) ? ranks : 1)); }

std::optional<Line> lineOf(const Network& network, Op op, const Group& group, Algorithm algorithm, Protocol protocol, double bytes) {
  if (group.ranks < 2 || !network.hasProtocol[static_cast<size_t>(protocol)]) return std::nullopt;
  const Setting setting(network, op, group, protocol, bytes);
  switch (algorithm) {
  case Algorithm::kRing: return ring(setting);
  case Algorithm::kTree: return tree(setting);
  case Algorithm::kNvls: return nvls(setting);
  case Algorithm::kNvlsTree: return nvlsTree(setting);
  case Algorithm::kPat: return pat(setting);
  case Algorithm::kDirect: return direct(setting);
  case Algorithm::kDoubling: return wholeSteps(setting, doublingSteps(setting.n));
  case Algorithm::kBinomial: return wholeSteps(setting, 2 * ceilLog2(setting.n));
  }
  return std::nullopt;
}

double wireBytes(Op op, const Group& group, Algorithm algorithm, double bytes) {
  const double n = group.ranks, g = group.perNode, nodes = group.nodes();
  if (n < 2) return 0;
  switch (op) {
  case Op::kAllReduce:
    // A rank gives the switch all of its own, which adds it to the others', and the n-th part of the sum for all.
    if (algorithm == Algorithm::kNvls) return bytes + bytes / n;
    if (algorithm == Algorithm::kNvlsTree) return bytes + bytes / g + 2 * (nodes - 1) / nodes * bytes / g;
    if (algorithm == Algorithm::kDoubling) {
      const int inner = 1 << floorLog2(group.ranks); // those that take part in all steps
      return (inner * floorLog2(inner) + 2 * (group.ranks - inner)) / n * bytes;
    }
    return 2 * (n - 1) / n * bytes;
  case Op::kAllGather: return algorithm == Algorithm::kNvls ? bytes / n : (n - 1) / n * bytes;
  case Op::kReduceScatter: return algorithm == Algorithm::kNvls ? bytes : (n - 1) / n * bytes;
  case Op::kAllToAll:
  case Op::kAllToAllV:
  case Op::kBroadcast: return (n - 1) / n * bytes;
  case Op::kPermute:
  case Op::kSend: return bytes;
  case Op::kRecv: return 0;
  }
  return 0;
}

Expected<std::vector<Cost>> costsOf(const Network& network, Op op, const Group& group, double bytes) {
  JINX_TRY(checkNetwork(network), nameOf(op));
  JINX_TRY(checkGroup(network, group), nameOf(op));
  if (!(bytes >= 0) || bytes > 1e18) return invalidArgument(std::string(nameOf(op)) + ": got " + fixedText(bytes, 0) + " bytes, expected 0 to 1e18");
  if (group.ranks == 1) return std::vector<Cost>{{}};
  std::vector<Cost> costs;
  for (Algorithm algorithm : kAlgorithms) {
    std::optional<Cost> best;
    for (Protocol protocol : kProtocols) {
      const std::optional<Line> line = lineOf(network, op, group, algorithm, protocol, bytes);
      if (line && (!best || line->at(bytes) < best->seconds)) best = Cost{algorithm, protocol, line->at(bytes), wireBytes(op, group, algorithm, bytes), *line};
    }
    if (best) costs.push_back(*best);
  }
  if (costs.empty())
    return unimplemented(std::string(nameOf(op)) + ": network " + network.name + " has no algorithm for it with its protocols; add Simple, which all ops have");
  std::sort(costs.begin(), costs.end(), [](const Cost& a, const Cost& b) { return std::pair(a.seconds, a.algorithm) < std::pair(b.seconds, b.algorithm); });
  return costs;
}

} // namespace jinx::comm::model
