// What joins ranks: nodes of a few ranks each, fast links inside a node, slower ones between nodes.
//
// A message of S bytes over a link takes α + S/β: α is the time until the first byte is there, β the bytes a second from then on. A
// collective is many messages, in steps that wait for each other, cut into *channels* that run beside each other. For one algorithm on one
// group its time is again a line:
//
//   t(S) = L + S/b      L: α of its steps, one after the other; b: what all channels carry, over how often each byte travels
//
// For example a ring all-reduce of n = 16 ranks on N = 2 nodes of "h100-8" (16 channels of 22.5 GB/s together: B = 360 GB/s):
//
//   steps            2(n-1) = 30, of which 2(N-1) = 2 go between nodes
//   L                8.4 + 28 * 3.4 + 2 * 14 = 131.6 µs, times 1.4 for rings over several nodes
//   b                B * n / (2(n-1)) = 192 GB/s: each byte travels 2(n-1)/n times
//   t(64 MiB)        184 µs + 350 µs
//
// The constants are those of NCCL 2.30.7's own tuner (its src/graph/tuning.cc), which chooses algorithms by the same lines. There are three
// *protocols*, ways to say that data is there: a flag beside each 4 bytes (LL: soonest, half of the bandwidth), beside each 120 (LL128), or
// one behind each chunk (Simple: last, all of it).
//
// What the tuner knows and this does not: PCI, collnet (reductions in the network's switches), trees of less than full balance, links slower
// than the adapters' own. Times of NCCL's tuner are for choosing; `Fit.h` makes a network of measured ones.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/Status.h"

namespace jinx::comm::model {

enum class Algorithm : uint8_t { kRing, kTree, kNvls, kNvlsTree, kPat, kDirect, kDoubling, kBinomial };
enum class Protocol : uint8_t { kLl, kLl128, kSimple };

inline constexpr int kNumProtocols = 3;
template <typename T>
using PerProtocol = std::array<T, kNumProtocols>;
/// Of groups on one node, on two, on more.
using ByNodes = std::array<double, 3>;

/// "ring", "LL128".
std::string_view nameOf(Algorithm algorithm);
std::string_view nameOf(Protocol protocol);

/// The links at one level. Seconds; bytes a second.
struct Level {
  PerProtocol<double> ringLatency{};  ///< of a step
  PerProtocol<double> treeLatency{};
  double bandwidth = 0;               ///< of one channel
  int channels = 1;                   ///< inside a node: of a rank. Between nodes: of each rank of a group that a node has (its own adapter)
};

/// In-switch reductions (NVLS): the switch adds, ranks write once. Absent where `channels` is 0.
struct SwitchReduction {
  int channels = 0;
  double bandwidth = 0;    ///< of one channel, before `efficiency`
  double efficiency = 0;
  double latency = 0;      ///< on one node, all of it
  double between = 0;      ///< of a step between nodes, in the tree of switches
  ByNodes channelMost{};   ///< bytes a second that a channel of that tree carries
};

/// Rotated parallel trees (PAT): all_gather and reduce_scatter in log2 n steps, where each node has one rank of the group. Absent where
/// `share` is 0.
struct ParallelTrees {
  double share = 0;    ///< of the channels' bandwidth
  double base = 0;     ///< seconds before the first step
  double step = 0;     ///< of each of log2 n steps
  double perRank = 0;  ///< of each rank besides
};

/// Trees carry less than their channels at sizes in the middle: a factor for each power of two, from 64 bytes on.
using TreeFactors = std::array<double, 23>;

struct Network {
  std::string name;
  int ranksPerNode = 1;
  Level inside;   ///< a node
  Level between;  ///< nodes

  PerProtocol<bool> hasProtocol{true, true, true};
  PerProtocol<double> ringBase{};  ///< seconds before the first step
  PerProtocol<double> treeBase{};
  /// Of the channels' bandwidth that a protocol carries.
  PerProtocol<double> ringShare{1, 1, 1};
  PerProtocol<double> treeShareOneNode{1, 1, 1};
  PerProtocol<double> treeShareNodes{1, 1, 1};
  double treeShare = 1;           ///< of all protocols, before the above
  ByNodes llMost{};               ///< bytes a second that LL carries, of all channels together; 0: no bound. So are those that follow
  ByNodes ringLl128ChannelMost{}; ///< that a channel carries
  ByNodes treeChannelMost{};
  ByNodes treeLl128ChannelMost{};
  PerProtocol<TreeFactors> treeFactors = kNoTreeFactors;
  double ringPlateau = 1;         ///< times the latency of Simple rings over several nodes
  double networkPost = 0;         ///< seconds of the processor for each step of a ring over several nodes; three times for Simple

  SwitchReduction nvls;
  ParallelTrees pat;
  bool hasTreeBroadcast = false;  ///< a binomial tree
  bool hasWholeSteps = false;     ///< all_reduce in steps of whole buffers, as MPI has it: recursive doubling, binomial trees
  int sendsAtOnce = 1;            ///< messages of an all_to_all that a rank has on their way

  static const PerProtocol<TreeFactors> kNoTreeFactors;
};

/// The ranks of a collective: how many, and how many of them a node has.
struct Group {
  int ranks = 1;
  int perNode = 1;
  int nodes() const { return (ranks + perNode - 1) / perNode; }
};

/// The group of `size` ranks that are `stride` apart: those along a mesh axis whose inner axes have `stride` ranks together. With nodes of
/// 8, {stride 1, size 16} has 8 on each of two nodes; {stride 8, size 16} has one on each of 16. Nodes are
/// filled alike: {stride 1, size 12} has 6 on each of two.
Group groupAlong(const Network& network, int stride, int size);

/// kInvalidArgument for a group that the network cannot have.
Status checkGroup(const Network& network, const Group& group);
/// kInvalidArgument for numbers that no network has: a bandwidth of 0, no protocol.
Status checkNetwork(const Network& network);

/// Names that `networkNamed` knows: "h100-8", "h200-8", "a100-8", "host".
const std::vector<std::string>& networkNames();
/// kNotFound for others, with the names that there are.
///
/// - h100-8, h200-8: 8 GPUs a node, NVLink 4 through switches, an adapter of 400 Gb/s for each GPU. The H200 has the same links; its faster
///   memory is no part of this model.
/// - a100-8: NVLink 3, 200 Gb/s for each GPU, no in-switch reduction.
/// - host: ranks are processes of one machine, joined by shared memory: each a node of its own, one protocol. Its α (1 µs) and β (5 GB/s) are
///   guesses until `Fit.h` has replaced them.
Expected<Network> networkNamed(std::string_view name);

} // namespace jinx::comm::model
