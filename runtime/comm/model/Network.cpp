#include "runtime/comm/model/Network.h"

#include <algorithm>

namespace jinx::comm::model {
namespace {

constexpr double kMicro = 1e-6;
constexpr double kGiga = 1e9;

constexpr TreeFactors kOnes = [] {
  TreeFactors ones{};
  ones.fill(1);
  return ones;
}();

/// What is the same on all GPUs. Microseconds and GB/s, as NCCL's tuner has them.
Network gpuNetwork(std::string_view name) {
  Network n;
  n.name = name;
  n.ranksPerNode = 8;
  n.ringBase = {6.6 * kMicro, 14.0 * kMicro, 8.4 * kMicro};
  n.treeBase = {6.8 * kMicro, 14.0 * kMicro, 8.4 * kMicro};
  n.inside.ringLatency = {0.6 * kMicro, 1.9 * kMicro, 3.4 * kMicro};
  n.inside.treeLatency = {0.6 * kMicro, 1.25 * kMicro, 4.0 * kMicro};
  n.between.ringLatency = {2.7 * kMicro, 4.0 * kMicro, 14.0 * kMicro};
  n.between.treeLatency = {5.0 * kMicro, 8.5 * kMicro, 14.0 * kMicro};
  n.ringShare = {0.5, 0.92, 1};
  n.treeShare = 0.92;
  n.treeShareOneNode = {1 / 3.8, 7.0 / 9.0, 1};
  n.treeShareNodes = {1 / 3.8, 120.0 / 128.0, 1};
  n.treeFactors = {{{1.0, 1.0, 1.0, 1.0, .9, .8, .7, .7, .7, .7, .6, .5, .4, .4, .5, .6, .7, .8, .9, 1.0, 1.0, 1.0, 1.0},
                    {1.0, 1.0, 1.0, 1.0, 1.0, .9, .8, .8, .8, .7, .6, .6, .6, .6, .6, .6, .8, .9, .9, .9, .9, 1.0, 1.0},
                    {.9, .9, .9, .9, .9, .9, .9, .8, .7, .6, .6, .5, .5, .5, .5, .6, .7, .8, .7, .7, .8, .9, .9}}};
  n.ringPlateau = 1.4;
  n.networkPost = 1 * kMicro;
  n.pat = {.share = 0.75, .base = 8.0 * kMicro, .step = 14.0 / 3.5 * kMicro, .perRank = 2.8 * kMicro};
  n.sendsAtOnce = 8;
  return n;
}

ByNodes giga(double one, double two, double more) { return {one * kGiga, two * kGiga, more * kGiga}; }

/// 18 links of 20.6 GB/s are 370 GB/s of a GPU, which rings fill as 24 channels of 15; over nodes 2 channels of 22.5 for each adapter. Over
/// nodes the processor bounds LL: of Intel's here.
Network hopper(std::string_view name) {
  Network n = gpuNetwork(name);
  n.inside.bandwidth = 15 * kGiga;
  n.inside.channels = 24;
  n.between.bandwidth = 22.5 * kGiga;
  n.between.channels = 2;
  n.llMost = giga(141.0, 39.0, 20.4);
  n.ringLl128ChannelMost = giga(36.7, 36.7, 36.7);
  n.treeChannelMost = giga(38.7, 41.4, 36.0);
  n.treeLl128ChannelMost = giga(36.7, 36.7, 29.0);
  n.nvls = {.channels = 16, .bandwidth = 20 * kGiga, .efficiency = 0.85, .latency = 25 * kMicro, .between = 20.9 * kMicro,
            .channelMost = giga(0, 57.7, 45.5)};
  return n;
}

/// 12 links of 20 GB/s: 24 channels of 10; over nodes 2 channels of 12 for each adapter. The
/// processors are AMD's.
Network ampere(std::string_view name) {
  Network n = gpuNetwork(name);
  n.inside.bandwidth = 10 * kGiga;
  n.inside.channels = 24;
  n.between.bandwidth = 12 * kGiga;
  n.between.channels = 2;
  n.llMost = giga(87.7, 22.5, 19.0);
  n.ringLl128ChannelMost = giga(20.0, 20.0, 20.0);
  n.treeChannelMost = giga(24.0, 23.6, 17.8);
  n.treeLl128ChannelMost = giga(20.0, 20.0, 20.0);
  n.networkPost = 2 * kMicro;
  return n;
}

Network host(std::string_view name) {
  Network n;
  n.name = name;
  n.hasProtocol = {false, false, true};
  for (Level* level : {&n.inside, &n.between}) {
    level->ringLatency.fill(1 * kMicro);
    level->treeLatency.fill(1 * kMicro);
    level->bandwidth = 5 * kGiga;
  }
  n.hasTreeBroadcast = true;
  return n;
}

} // namespace

const PerProtocol<TreeFactors> Network::kNoTreeFactors = {kOnes, kOnes, kOnes};

std::string_view nameOf(Algorithm algorithm) {
  constexpr std::string_view kNames[] = {"ring", "tree", "NVLS", "NVLS tree", "PAT", "direct", "recursive doubling", "binomial tree"};
  return kNames[static_cast<size_t>(algorithm)];
}

std::string_view nameOf(Protocol protocol) {
  constexpr std::string_view kNames[] = {"LL", "LL128", "Simple"};
  return kNames[static_cast<size_t>(protocol)];
}

Group groupAlong(const Network& network, int stride, int size) {
  int onNode = std::min(size, std::max(1, network.ranksPerNode / std::max(1, stride)));
  while (onNode > 1 && size % onNode != 0)
    --onNode;
  return {size, onNode};
}

Status checkGroup(const Network& network, const Group& group) {
  const std::string got = "a group of " + std::to_string(group.ranks) + " ranks with " + std::to_string(group.perNode) + " on a node";
  if (group.ranks < 1 || group.perNode < 1) return invalidArgument("got " + got + ", expected at least 1 of each; give the ranks that the mesh axis has");
  if (group.perNode > network.ranksPerNode)
    return invalidArgument("got " + got + ", but a node of network " + network.name + " has " + std::to_string(network.ranksPerNode) +
                           "; give fewer on a node, or a network of larger nodes");
  if (group.ranks % group.perNode != 0)
    return invalidArgument("got " + got + ", expected the same number on each node; give a divisor of " + std::to_string(group.ranks));
  return Status::ok();
}

Status checkNetwork(const Network& network) {
  const std::string of = " of network " + network.name;
  if (network.ranksPerNode < 1)
    return invalidArgument("got " + std::to_string(network.ranksPerNode) + " ranks per node" + of + ", expected at least 1");
  for (const auto& [level, where] : {std::pair{&network.inside, "inside"}, {&network.between, "between"}}) {
    if (!(level->bandwidth > 0))
      return invalidArgument("got a bandwidth of " + std::to_string(level->bandwidth) + " bytes/s " + where + " nodes" + of + ", expected more than 0");
    if (level->channels < 1)
      return invalidArgument("got " + std::to_string(level->channels) + " channels " + where + " nodes" + of + ", expected at least 1");
    for (int p = 0; p < kNumProtocols; ++p)
      if (!(level->ringLatency[p] >= 0) || !(level->treeLatency[p] >= 0))
        return invalidArgument(std::string("got a negative latency ") + where + " nodes" + of + ", expected seconds, 0 or more");
  }
  if (std::none_of(network.hasProtocol.begin(), network.hasProtocol.end(), [](bool has) { return has; }))
    return invalidArgument("got no protocol" + of + ", expected at least one of LL, LL128, Simple");
  return Status::ok();
}

const std::vector<std::string>& networkNames() {
  static const std::vector<std::string> kNames = {"h100-8", "h200-8", "a100-8", "host"};
  return kNames;
}

Expected<Network> networkNamed(std::string_view name) {
  if (name == "h100-8" || name == "h200-8") return hopper(name);
  if (name == "a100-8") return ampere(name);
  if (name == "host") return host(name);
  std::string names;
  for (const std::string& known : networkNames())
    names += (names.empty() ? "" : ", ") + known;
  return notFound("got network \"" + std::string(name) + "\", expected one of " + names + "; or give a file that describes it");
}

} // namespace jinx::comm::model
