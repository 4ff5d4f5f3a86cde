// Formulas of collectives against closed forms that are typed in here once more, in microseconds and GB/s, as the tuner's tables have them.
#include <gtest/gtest.h>

#include <cmath>

#include "runtime/comm/model/Cheapest.h"
#include "tests/property/Property.h"

namespace jinx::comm::model {
namespace {

constexpr double kMiB = 1 << 20;

const Network& h100() {
  static const Network network = *networkNamed("h100-8");
  return network;
}

/// Microseconds of one algorithm and protocol.
double us(const Network& network, Op op, const Group& group, Algorithm algorithm, Protocol protocol, double bytes) {
  const auto line = lineOf(network, op, group, algorithm, protocol, bytes);
  EXPECT_TRUE(line);
  return line ? line->at(bytes) * 1e6 : 0;
}
/// S/b in microseconds, with b in GB/s.
double over(double bytes, double gigabytes) { return bytes / gigabytes / 1e3; }

void expectClose(double got, double want) { EXPECT_NEAR(got, want, 1e-9 * std::abs(want)); }

TEST(Cost, RingAllReduceIsTheNotesFormula) {
  // Two nodes of 8: 16 channels of 22.5. 2(n-N) = 28 steps inside, 2(N-1) = 2 between.
  const Group two{16, 8};
  for (const double bytes : {64.0 * 1024, kMiB, 64 * kMiB, 1024 * kMiB}) {
    expectClose(us(h100(), Op::kAllReduce, two, Algorithm::kRing, Protocol::kSimple, bytes), 1.4 * (8.4 + 28 * 3.4 + 2 * 14) + over(bytes, 360.0 * 16 / 30));
    expectClose(us(h100(), Op::kAllReduce, two, Algorithm::kRing, Protocol::kLl, bytes), 6.6 + 28 * 1.0 + 2 * 2.7 + over(bytes, 39.0 * 16 / 30));
    expectClose(us(h100(), Op::kAllReduce, two, Algorithm::kRing, Protocol::kLl128, bytes), 14 + 28 * 1.9 + 2 * 4.0 + over(bytes, 360 * 0.92 * 16 / 30));
  }
  // One node: 24 channels of 15, nothing of the network's.
  expectClose(us(h100(), Op::kAllReduce, {8, 8}, Algorithm::kRing, Protocol::kSimple, kMiB), 8.4 + 14 * 3.4 + over(kMiB, 360.0 * 8 / 14));
  expectClose(us(h100(), Op::kAllReduce, {8, 8}, Algorithm::kRing, Protocol::kLl, kMiB), 6.6 + 14 * 0.6 + over(kMiB, 141.0 * 8 / 14));
  // One rank on each of 4 nodes: steps as slow as a tree's; half of 2 channels of 22.5 is above the bound of 20.4.
  expectClose(us(h100(), Op::kAllReduce, {4, 1}, Algorithm::kRing, Protocol::kLl, kMiB), 6.6 + 6 * 5.0 + over(kMiB, 20.4 * 4 / 6));
}

TEST(Cost, StepsOfWholeBuffersAreMpis) {
  Network host = *networkNamed("host"); // 1 us, 5 GB/s
  EXPECT_FALSE(lineOf(host, Op::kAllReduce, {4, 1}, Algorithm::kDoubling, Protocol::kSimple, kMiB)) << "no network with a name has it";
  host.hasWholeSteps = true;
  const auto time = [&](int ranks, Algorithm algorithm) { return us(host, Op::kAllReduce, {ranks, 1}, algorithm, Protocol::kSimple, kMiB); };
  for (const auto& [ranks, doubling, binomial] : {std::tuple{2, 1, 2}, {3, 3, 4}, {4, 2, 4}, {6, 4, 6}, {8, 3, 6}}) {
    expectClose(time(ranks, Algorithm::kDoubling), doubling * (1 + over(kMiB, 5)));
    expectClose(time(ranks, Algorithm::kBinomial), binomial * (1 + over(kMiB, 5)));
  }
  EXPECT_FALSE(lineOf(host, Op::kAllGather, {4, 1}, Algorithm::kDoubling, Protocol::kSimple, kMiB));
  // Three ranks: the third gives its own to another and gets the sum; those two change theirs.
  EXPECT_DOUBLE_EQ(wireBytes(Op::kAllReduce, {3, 1}, Algorithm::kDoubling, 30), 40);
  EXPECT_DOUBLE_EQ(wireBytes(Op::kAllReduce, {4, 1}, Algorithm::kDoubling, 30), 60);
  EXPECT_DOUBLE_EQ(wireBytes(Op::kAllReduce, {4, 1}, Algorithm::kBinomial, 30), 45);
}

TEST(Cost, WhoIsFasterInWords) {
  const Network host = *networkNamed("host");
  EXPECT_EQ(fasterText(host, Op::kAllReduce, {2, 1}, Algorithm::kRing, Algorithm::kTree), "ring at every size");
  EXPECT_EQ(fasterText(host, Op::kAllReduce, {4, 1}, Algorithm::kRing, Algorithm::kTree), "tree below 20 KiB, ring above");
  EXPECT_EQ(fasterText(host, Op::kAllReduce, {4, 1}, Algorithm::kTree, Algorithm::kRing), "tree below 20 KiB, ring above");
  EXPECT_EQ(fasterText(host, Op::kAllToAll, {4, 1}, Algorithm::kRing, Algorithm::kTree), "no choice");
  EXPECT_EQ(fasterText(h100(), Op::kAllReduce, {64, 8}, Algorithm::kRing, Algorithm::kTree), "tree below 384 MiB, ring to 512 MiB, tree to 1.1 GiB, ring above");
}

TEST(Cost, SmallMessagesDoNotReachTheRingsPlateau) {
  const Group two{16, 8};  // 16 channels, 16 ranks: 64 bytes for each are 16 KiB
  expectClose(us(h100(), Op::kAllReduce, two, Algorithm::kRing, Protocol::kSimple, 16383), 131.6 + over(16383, 192));
  expectClose(us(h100(), Op::kAllReduce, two, Algorithm::kRing, Protocol::kSimple, 16384), 1.4 * 131.6 + over(16384, 192));
}

TEST(Cost, TreeAllReduceIsTheNotesFormula) {
  // Four nodes: 0.92 of 360 is 331.2, below 16 channels of 36.0. Half of it, times the factor of the size.
  const Group four{32, 8};
  const double latency = 8.4 + 2 * (7 * 4.0 + 2 * 14);
  expectClose(us(h100(), Op::kAllReduce, four, Algorithm::kTree, Protocol::kSimple, 1 * kMiB), latency + over(kMiB, 331.2 / 2 * 0.5));
  expectClose(us(h100(), Op::kAllReduce, four, Algorithm::kTree, Protocol::kSimple, 16 * kMiB), latency + over(16 * kMiB, 331.2 / 2 * 0.7));
  expectClose(us(h100(), Op::kAllReduce, four, Algorithm::kTree, Protocol::kSimple, 256 * kMiB), latency + over(256 * kMiB, 331.2 / 2 * 0.9));
  expectClose(us(h100(), Op::kAllReduce, four, Algorithm::kTree, Protocol::kSimple, 1024 * kMiB), latency + over(1024 * kMiB, 331.2 / 2));
  expectClose(us(h100(), Op::kAllReduce, four, Algorithm::kTree, Protocol::kLl, 4096), 6.8 + 2 * (7 * 0.6 + 2 * 5.0) + over(4096, 20.4 / 2 * 0.7));
  expectClose(us(h100(), Op::kAllReduce, four, Algorithm::kTree, Protocol::kLl128, 1 * kMiB),
              14 + 2 * (7 * 1.25 + 2 * 8.5) + over(kMiB, 331.2 * 120 / 128 / 2 * 0.6));
  // On one node LL128 has 7 of 9 bytes, and three quarters of 24 channels' 38.7 are more than there is.
  expectClose(us(h100(), Op::kAllReduce, {8, 8}, Algorithm::kTree, Protocol::kLl128, 1 * kMiB), 14 + 2 * 7 * 1.25 + over(kMiB, 331.2 * 7 / 9 / 2 * 0.6));
  // 9 nodes are 3 steps up and down.
  expectClose(us(h100(), Op::kAllReduce, {72, 8}, Algorithm::kTree, Protocol::kSimple, 1024 * kMiB),
              8.4 + 2 * (7 * 4.0 + 3 * 14) + over(1024 * kMiB, 331.2 / 2));
  // The A100's channels carry 12, of which 0.92 are below the bound of 17.8.
  expectClose(us(*networkNamed("a100-8"), Op::kAllReduce, four, Algorithm::kTree, Protocol::kSimple, 1024 * kMiB), latency + over(1024 * kMiB, 192 * 0.92 / 2));
}

TEST(Cost, SwitchesReduceInOneStep) {
  // 15 of 16 channels of 20 at 0.85, twice, since going up and coming down run beside each other; n/(2(n-1)).
  expectClose(us(h100(), Op::kAllReduce, {8, 8}, Algorithm::kNvls, Protocol::kSimple, 64 * kMiB), 25 + over(64 * kMiB, 2 * 15 * 20 * 0.85 * 8 / 14));
  expectClose(us(h100(), Op::kAllGather, {8, 8}, Algorithm::kNvls, Protocol::kSimple, 64 * kMiB), 25 + over(64 * kMiB, 15 * 20 * 0.85 * 7 / 8));
  // Between nodes: 22.5 for each channel, on two nodes 31.875 that the switch carries.
  expectClose(us(h100(), Op::kAllReduce, {32, 8}, Algorithm::kNvlsTree, Protocol::kSimple, 64 * kMiB),
              25 + 2 * 2 * 20.9 + over(64 * kMiB, 16 * 22.5 * 32 / 62));
  expectClose(us(h100(), Op::kAllReduce, {16, 8}, Algorithm::kNvlsTree, Protocol::kSimple, 64 * kMiB),
              25 + 2 * 20.9 + over(64 * kMiB, 15 * 2 * 20 * 0.85 * 16 / 30));
  EXPECT_FALSE(lineOf(h100(), Op::kAllReduce, {16, 8}, Algorithm::kNvls, Protocol::kSimple, kMiB));
  EXPECT_FALSE(lineOf(h100(), Op::kAllReduce, {8, 1}, Algorithm::kNvlsTree, Protocol::kSimple, kMiB));
  EXPECT_FALSE(lineOf(*networkNamed("a100-8"), Op::kAllReduce, {8, 8}, Algorithm::kNvls, Protocol::kSimple, kMiB));
}

TEST(Cost, TheOtherOpsAreTheTablesFormulas) {
  const Group two{16, 8}, spread{16, 1};
  for (const Op op : {Op::kAllGather, Op::kReduceScatter}) {
    expectClose(us(h100(), op, two, Algorithm::kRing, Protocol::kSimple, 64 * kMiB), 8.4 + 14 * 3.4 + 14 + over(64 * kMiB, 360.0 * 16 / 15));
    expectClose(us(h100(), op, spread, Algorithm::kPat, Protocol::kSimple, 64 * kMiB), 8 + 4 * 4 + 16 * 2.8 + over(64 * kMiB, 45 * 0.75));
  }
  expectClose(us(h100(), Op::kBroadcast, two, Algorithm::kRing, Protocol::kSimple, kMiB), 8.4 + 14 * 3.4 + 14 + over(kMiB, 360));
  expectClose(us(h100(), Op::kSend, {2, 2}, Algorithm::kDirect, Protocol::kSimple, kMiB), 8.4 + 3.4 + over(kMiB, 360));
  expectClose(us(h100(), Op::kPermute, two, Algorithm::kDirect, Protocol::kSimple, kMiB), 8.4 + 14 + over(kMiB, 45));
  // 7 messages at once on the node; 8 to the other, in one round; half of the buffer leaves the node at 45.
  expectClose(us(h100(), Op::kAllToAll, two, Algorithm::kDirect, Protocol::kSimple, kMiB), 8.4 + 3.4 + 14 + over(kMiB / 2, 45));
  expectClose(us(h100(), Op::kAllToAll, {8, 8}, Algorithm::kDirect, Protocol::kSimple, kMiB), 8.4 + 3.4 + over(kMiB * 7 / 8, 360));
}

TEST(Cost, RanksOfAHostAreTextbookAlphaAndBeta) {
  const Network host = *networkNamed("host");  // 1 us, 5 GB/s
  const double s = kMiB;
  for (const int n : {2, 3, 4, 8, 13}) {
    const Group group{n, 1};
    const double log = std::floor(std::log2(n)), logUp = std::ceil(std::log2(n));
    expectClose(us(host, Op::kAllReduce, group, Algorithm::kRing, Protocol::kSimple, s), 2 * (n - 1) + over(2 * (n - 1) * s / n, 5));
    expectClose(us(host, Op::kAllReduce, group, Algorithm::kTree, Protocol::kSimple, s), 2 * log + over(2 * s, 5));
    expectClose(us(host, Op::kAllGather, group, Algorithm::kRing, Protocol::kSimple, s), n - 1 + over((n - 1) * s / n, 5));
    expectClose(us(host, Op::kBroadcast, group, Algorithm::kTree, Protocol::kSimple, s), logUp * (1 + over(s, 5)));
    expectClose(us(host, Op::kAllToAll, group, Algorithm::kDirect, Protocol::kSimple, s), n - 1 + over((n - 1) * s / n, 5));
  }
}

TEST(Cost, BytesOnTheWireAreTheLawsOfEachOp) {
  const Group eight{8, 8};
  EXPECT_DOUBLE_EQ(wireBytes(Op::kAllReduce, eight, Algorithm::kRing, 800), 1400);
  EXPECT_DOUBLE_EQ(wireBytes(Op::kAllReduce, eight, Algorithm::kTree, 800), 1400);
  EXPECT_DOUBLE_EQ(wireBytes(Op::kAllReduce, eight, Algorithm::kNvls, 800), 900);
  for (const Op op : {Op::kAllGather, Op::kReduceScatter, Op::kAllToAll, Op::kBroadcast})
    EXPECT_DOUBLE_EQ(wireBytes(op, eight, Algorithm::kRing, 800), 700);
  EXPECT_DOUBLE_EQ(wireBytes(Op::kSend, {2, 2}, Algorithm::kDirect, 800), 800);
  EXPECT_DOUBLE_EQ(wireBytes(Op::kRecv, {2, 2}, Algorithm::kDirect, 800), 0);
  EXPECT_DOUBLE_EQ(wireBytes(Op::kAllReduce, {1, 1}, Algorithm::kRing, 800), 0);
  // An all_reduce is a reduce_scatter and an all_gather, in bytes too.
  EXPECT_DOUBLE_EQ(wireBytes(Op::kAllReduce, eight, Algorithm::kRing, 800),
                   wireBytes(Op::kReduceScatter, eight, Algorithm::kRing, 800) + wireBytes(Op::kAllGather, eight, Algorithm::kRing, 800));
}

TEST(Cost, TheWholeIsSaidFromACallsCount) {
  EXPECT_EQ(wholeBytes(Op::kAllReduce, DType::kF16, 100, 8), 200);
  EXPECT_EQ(wholeBytes(Op::kAllGather, DType::kF16, 100, 8), 1600);
  EXPECT_EQ(wholeBytes(Op::kReduceScatter, DType::kF16, 100, 8), 1600);
  EXPECT_EQ(wholeBytes(Op::kAllToAll, DType::kF16, 100, 8), 1600);
  EXPECT_EQ(wholeBytes(Op::kBroadcast, DType::kF16, 100, 8), 200);
  EXPECT_EQ(wholeBytes(Op::kSend, DType::kF16, 100, 8), 200);
  EXPECT_EQ(wholeBytes(Op::kAllGather, DType::kI4, 3, 3), 5); // packed as a whole
}

TEST(Cost, ErrorsNameTheOp) {
  EXPECT_EQ(costsOf(h100(), Op::kAllGather, {12, 8}, 1).status().message(),
            "all_gather: got a group of 12 ranks with 8 on a node, expected the same number on each node; give a divisor of 12");
  EXPECT_EQ(costsOf(h100(), Op::kAllGather, {8, 8}, -1).status().message(), "all_gather: got -1 bytes, expected 0 to 1e18");
  Network network = h100();
  network.hasProtocol = {true, false, false};
  EXPECT_EQ(costsOf(network, Op::kAllToAll, {8, 8}, 1).status().message(),
            "all_to_all: network h100-8 has no algorithm for it with its protocols; add Simple, which all ops have");
}

TEST(Cheapest, SaysWhy) {
  const auto choice = cheapest(h100(), Op::kAllReduce, {8, 8}, 64 * kMiB);
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice.value().best.algorithm, Algorithm::kNvls);
  EXPECT_EQ(choice.value().candidates.size(), 3u);
  EXPECT_EQ(choice.value().why.substr(0, choice.value().why.find(':')), "NVLS (Simple) 255 us, ring (Simple) 382 us, tree (Simple) 571 us");
  EXPECT_EQ(cheapest(h100(), Op::kAllReduce, {1, 1}, kMiB).value().why, "one rank: nothing moves");
  EXPECT_EQ(cheapest(h100(), Op::kSend, {2, 1}, kMiB).value().why, "direct (Simple) 46 us: no other algorithm has send here");
  const Network host = *networkNamed("host");
  // Ring 6 + 1.5 S/β, tree 4 + 2 S/β on 4 ranks: they cross where S/β is 4 us, at 20,000 bytes.
  EXPECT_EQ(cheapest(host, Op::kAllReduce, {4, 1}, kMiB).value().why, "ring 321 us, tree 423 us: 1 MiB is above the crossover of 20 KiB");
  EXPECT_EQ(cheapest(host, Op::kAllReduce, {4, 1}, 1024).value().why, "tree 4.4 us, ring 6.3 us: 1 KiB is below the crossover of 20 KiB");
  EXPECT_EQ(cheapest(host, Op::kAllReduce, {2, 1}, 1024).value().why, "ring 2.2 us, tree 2.4 us: ring is the faster one of the two at every size");
}

TEST(Cheapest, ALineCrossesAnotherWhereTheFormulaSays) {
  EXPECT_DOUBLE_EQ(*crossover(Line{6e-6, 5e9 / 1.5}, Line{4e-6, 5e9 / 2}), 20000);
  EXPECT_DOUBLE_EQ(*crossover(Line{4e-6, 5e9 / 2}, Line{6e-6, 5e9 / 1.5}), 20000);
  EXPECT_FALSE(crossover(Line{4e-6, 5e9}, Line{6e-6, 4e9}));  // better in both
  EXPECT_FALSE(crossover(Line{4e-6, 5e9}, Line{6e-6, 5e9}));
  const auto sizes = crossings(*networkNamed("host"), Op::kAllReduce, {4, 1}, Algorithm::kRing, Algorithm::kTree);
  ASSERT_EQ(sizes.size(), 1u);
  EXPECT_NEAR(static_cast<double>(sizes[0]), 20000, 1.01);
}

TEST(Cheapest, OneNodeTakesRingsOverTreesAndManyNodesTrees) {
  // The notes' table for nodes of 8 H100 with NVLS off.
  const auto last = [&](int nodes) {
    const auto sizes = crossings(h100(), Op::kAllReduce, {8 * nodes, 8}, Algorithm::kRing, Algorithm::kTree);
    return sizes.empty() ? 0.0 : static_cast<double>(sizes.back()) / kMiB;
  };
  EXPECT_EQ(last(1), 0);
  EXPECT_GT(last(4), last(2));
  EXPECT_GT(last(8), last(4));
  for (const int nodes : {2, 4, 8, 16, 32})
    EXPECT_EQ(cheapest(h100(), Op::kAllReduce, {8 * nodes, 8}, 4096).value().best.algorithm, Algorithm::kTree) << nodes;
}

// ---- laws ----

rc::Gen<Network> networks() {
  return rc::gen::map(rc::gen::elementOf(networkNames()), [](const std::string& name) { return *networkNamed(name); });
}
rc::Gen<Op> ops() { return rc::gen::element(Op::kAllReduce, Op::kAllGather, Op::kReduceScatter, Op::kAllToAll, Op::kBroadcast, Op::kPermute, Op::kSend); }

Group groupOn(const Network& network) {
  const int perNode = 1 << *rc::gen::inRange(0, network.ranksPerNode == 1 ? 1 : 4);
  return {perNode * *rc::gen::inRange(1, 40), perNode};
}

JINX_PROPERTY(CostLaws, MoreBytesNeverTakeLess, 400) {
  // But for trees, whose factors rise from one power of two to the next, so that more bytes may take less time.
  const Network network = *networks();
  const Group group = groupOn(network);
  const Op op = *ops();
  const double bytes = *rc::gen::inRange<int64_t>(0, 1ll << 33);
  for (const Algorithm algorithm : {Algorithm::kRing, Algorithm::kNvls, Algorithm::kNvlsTree, Algorithm::kPat, Algorithm::kDirect})
    for (const Protocol protocol : {Protocol::kLl, Protocol::kLl128, Protocol::kSimple}) {
      const auto one = lineOf(network, op, group, algorithm, protocol, bytes), more = lineOf(network, op, group, algorithm, protocol, 2 * bytes + 1);
      RC_ASSERT(one.has_value() == more.has_value());
      if (one) RC_ASSERT(one->at(bytes) < more->at(2 * bytes + 1));
    }
}

JINX_PROPERTY(CostLaws, MoreNodesNeverTakeLessForARing, 300) {
  const Network network = *networks();
  const int perNode = network.ranksPerNode, nodes = *rc::gen::inRange(3, 200);  // bounds of LL are the same from three nodes on
  const Op op = *rc::gen::element(Op::kAllReduce, Op::kAllGather, Op::kReduceScatter, Op::kBroadcast);
  const double bytes = *rc::gen::inRange<int64_t>(1 << 20, 1ll << 33);
  for (const Protocol protocol : {Protocol::kLl, Protocol::kLl128, Protocol::kSimple}) {
    const auto few = lineOf(network, op, {nodes * perNode, perNode}, Algorithm::kRing, protocol, bytes);
    const auto more = lineOf(network, op, {(nodes + 1) * perNode, perNode}, Algorithm::kRing, protocol, bytes);
    if (few) RC_ASSERT(few->at(bytes) <= more->at(bytes));
  }
}

JINX_PROPERTY(CostLaws, TheCheapestIsTheLeastAndInOrder, 300) {
  const Network network = *networks();
  const Group group = groupOn(network);
  const auto choice = test::must(cheapest(network, *ops(), group, static_cast<double>(*rc::gen::inRange<int64_t>(0, 1ll << 33))));
  for (size_t i = 1; i < choice.candidates.size(); ++i)
    RC_ASSERT(choice.candidates[i - 1].seconds <= choice.candidates[i].seconds);
  RC_ASSERT(choice.best.seconds == choice.candidates[0].seconds);
  RC_ASSERT(!choice.why.empty());
}

JINX_PROPERTY(CostLaws, AtEachCrossingTheOrderChanges, 60) {
  const Network network = *networks();
  const Group group = groupOn(network);
  RC_PRE(group.ranks > 1);
  const auto fastest = [&](Algorithm algorithm, int64_t bytes) {
    double best = INFINITY;
    for (const Protocol protocol : {Protocol::kLl, Protocol::kLl128, Protocol::kSimple})
      if (const auto line = lineOf(network, Op::kAllReduce, group, algorithm, protocol, static_cast<double>(bytes)))
        best = std::min(best, line->at(static_cast<double>(bytes)));
    return best;
  };
  const auto isRingFaster = [&](int64_t bytes) { return fastest(Algorithm::kRing, bytes) < fastest(Algorithm::kTree, bytes); };
  const auto sizes = crossings(network, Op::kAllReduce, group, Algorithm::kRing, Algorithm::kTree);
  for (const int64_t size : sizes)
    RC_ASSERT(isRingFaster(size - 1) != isRingFaster(size));
  // Between crossings it does not.
  const int64_t anywhere = *rc::gen::inRange<int64_t>(1, 1ll << 34);
  const auto above = std::count_if(sizes.begin(), sizes.end(), [&](int64_t size) { return size <= anywhere; });
  RC_ASSERT(isRingFaster(anywhere) == (isRingFaster(1) != (above % 2 == 1)));
}

TEST(Cheapest, FindsEveryCrossingThatADenseLookFinds) {
  for (const int nodes : {1, 2, 3, 4, 6, 8, 16, 24, 32, 64}) {
    const Group group{8 * nodes, 8};
    const auto seconds = [&](Algorithm algorithm, double bytes) {
      const auto costs = *costsOf(h100(), Op::kAllReduce, group, bytes);
      return std::find_if(costs.begin(), costs.end(), [&](const Cost& cost) { return cost.algorithm == algorithm; })->seconds;
    };
    size_t changes = 0;
    std::optional<bool> before;
    for (int look = 0; look <= 40 * 100; ++look) {
      const double bytes = std::round(std::exp2(look / 100.0));
      const bool isRingFaster = seconds(Algorithm::kRing, bytes) < seconds(Algorithm::kTree, bytes);
      if (before && *before != isRingFaster) ++changes;
      before = isRingFaster;
    }
    EXPECT_EQ(crossings(h100(), Op::kAllReduce, group, Algorithm::kRing, Algorithm::kTree).size(), changes) << nodes << " nodes";
  }
}

JINX_PROPERTY(CostLaws, CrossingsOfLinesAreTheClosedForm, 200) {
  // A host's ring and tree are lines.
  Network host = *networkNamed("host");
  const double latency = *rc::gen::inRange(1, 1000) * 1e-7, bandwidth = *rc::gen::inRange(1, 400) * 1e8;
  host.between.ringLatency.fill(latency);
  host.between.treeLatency.fill(latency);
  host.between.bandwidth = bandwidth;
  const int n = *rc::gen::inRange(3, 500);
  const double ringSteps = 2 * (n - 1), treeSteps = 2 * std::floor(std::log2(n)), ringBytes = 2.0 * (n - 1) / n, treeBytes = 2;
  const double want = (ringSteps - treeSteps) * latency * bandwidth / (treeBytes - ringBytes);
  const auto sizes = crossings(host, Op::kAllReduce, {n, 1}, Algorithm::kRing, Algorithm::kTree);
  if (ringSteps == treeSteps || want > (1ll << 40)) {
    RC_ASSERT(sizes.empty());
    return;
  }
  RC_ASSERT(sizes.size() == 1u);
  RC_ASSERT(std::abs(static_cast<double>(sizes[0]) - want) <= 1 + 1e-9 * want);
}

}  // namespace
}  // namespace jinx::comm::model
