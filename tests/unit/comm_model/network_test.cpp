// Networks: their names, which groups they have, and files that describe them. Every message is seen once.
#include "runtime/comm/model/Network.h"

#include <gtest/gtest.h>

#include "runtime/comm/model/CollectiveCost.h"
#include "runtime/comm/model/NetworkFile.h"
#include "runtime/comm/model/Units.h"

namespace jinx::comm::model {
namespace {

std::string messageOf(const Status& status) { return status.message(); }

TEST(Network, EveryNameIsANetworkThatCanBe) {
  for (const std::string& name : networkNames()) {
    const auto network = networkNamed(name);
    ASSERT_TRUE(network) << name;
    EXPECT_EQ(network.value().name, name);
    EXPECT_TRUE(checkNetwork(network.value()).isOk()) << name;
  }
  EXPECT_EQ(networkNamed("h200-8").value().ranksPerNode, 8);
  EXPECT_EQ(networkNamed("host").value().ranksPerNode, 1);
}

TEST(Network, AnUnknownNameIsAnErrorWithThoseThatThereAre) {
  const Status status = networkNamed("tpu").status();
  EXPECT_EQ(status.code(), Code::kNotFound);
  EXPECT_EQ(status.message(), "got network \"tpu\", expected one of h100-8, h200-8, a100-8, host; or give a file that describes it");
}

TEST(Network, AxesOfAMeshAreGroups) {
  const Network network = *networkNamed("h100-8");
  const auto along = [&](int stride, int size) {
    const Group group = groupAlong(network, stride, size);
    return std::tuple(group.ranks, group.perNode, group.nodes());
  };
  EXPECT_EQ(along(1, 4), std::tuple(4, 4, 1));
  EXPECT_EQ(along(1, 16), std::tuple(16, 8, 2));
  EXPECT_EQ(along(2, 8), std::tuple(8, 4, 2));
  EXPECT_EQ(along(8, 16), std::tuple(16, 1, 16));
  EXPECT_EQ(along(64, 4), std::tuple(4, 1, 4));
  EXPECT_EQ(along(4, 2), std::tuple(2, 2, 1));
}

TEST(Network, GroupsThatCannotBeAreErrors) {
  const Network network = *networkNamed("h100-8");
  EXPECT_TRUE(checkGroup(network, {16, 8}).isOk());
  EXPECT_EQ(messageOf(checkGroup(network, {0, 1})),
            "got a group of 0 ranks with 1 on a node, expected at least 1 of each; give the ranks that the mesh axis has");
  EXPECT_EQ(messageOf(checkGroup(network, {32, 16})),
            "got a group of 32 ranks with 16 on a node, but a node of network h100-8 has 8; give fewer on a node, or a network of larger nodes");
  EXPECT_EQ(messageOf(checkGroup(network, {12, 8})), "got a group of 12 ranks with 8 on a node, expected the same number on each node; give a divisor of 12");
}

TEST(Network, NumbersThatNoNetworkHasAreErrors) {
  Network network = *networkNamed("host");
  network.between.bandwidth = 0;
  EXPECT_EQ(messageOf(checkNetwork(network)), "got a bandwidth of 0.000000 bytes/s between nodes of network host, expected more than 0");
  network = *networkNamed("host");
  network.inside.channels = 0;
  EXPECT_EQ(messageOf(checkNetwork(network)), "got 0 channels inside nodes of network host, expected at least 1");
  network = *networkNamed("host");
  network.hasProtocol.fill(false);
  EXPECT_EQ(messageOf(checkNetwork(network)), "got no protocol of network host, expected at least one of LL, LL128, Simple");
  network = *networkNamed("host");
  network.between.treeLatency[2] = -1;
  EXPECT_EQ(messageOf(checkNetwork(network)), "got a negative latency between nodes of network host, expected seconds, 0 or more");
  network = *networkNamed("host");
  network.ranksPerNode = 0;
  EXPECT_EQ(messageOf(checkNetwork(network)), "got 0 ranks per node of network host, expected at least 1");
}

TEST(NetworkFile, SaysWhatIsOtherThanInTheNetworkItIsLike) {
  const auto network = networkFromJson(R"({"like": "h100-8", "name": "rack 7", "ranks_per_node": 4,
      "inside": {"latency_us": 2, "bandwidth_gb_s": 10, "channels": 12},
      "between": {"latency_us": {"LL": 3, "Simple": 20}}, "protocols": ["LL", "Simple"], "base_us": 9, "ring_plateau": 1.0, "nvls": false})");
  ASSERT_TRUE(network) << network.status().message();
  const Network& n = network.value();
  EXPECT_EQ(n.name, "rack 7");
  EXPECT_EQ(n.ranksPerNode, 4);
  EXPECT_EQ(n.inside.channels, 12);
  EXPECT_DOUBLE_EQ(n.inside.bandwidth, 10e9);
  EXPECT_DOUBLE_EQ(n.inside.treeLatency[1], 2e-6);
  EXPECT_DOUBLE_EQ(n.between.ringLatency[0], 3e-6);
  EXPECT_DOUBLE_EQ(n.between.ringLatency[1], 4e-6);  // as h100-8 has it
  EXPECT_DOUBLE_EQ(n.between.treeLatency[2], 20e-6);
  EXPECT_EQ(n.hasProtocol, (PerProtocol<bool>{true, false, true}));
  EXPECT_DOUBLE_EQ(n.treeBase[2], 9e-6);
  EXPECT_EQ(n.ringPlateau, 1);
  EXPECT_EQ(n.nvls.channels, 0);
}

TEST(NetworkFile, WhatIsWrittenIsRead) {
  Network network = *networkNamed("host");
  network.name = "fitted";
  for (Level* level : {&network.inside, &network.between}) {
    level->ringLatency.fill(1.25e-6);
    level->treeLatency.fill(1.25e-6);
    level->bandwidth = 3.5e9;
  }
  const auto read = networkFromJson(*networkToJson(network, "host"));
  ASSERT_TRUE(read) << read.status().message();
  for (const Op op : {Op::kAllReduce, Op::kAllGather, Op::kBroadcast, Op::kAllToAll}) {
    const auto want = costsOf(network, op, {4, 1}, 1 << 20), got = costsOf(read.value(), op, {4, 1}, 1 << 20);
    ASSERT_TRUE(want && got);
    ASSERT_EQ(want.value().size(), got.value().size());
    EXPECT_NEAR(got.value()[0].seconds, want.value()[0].seconds, 1e-15);
  }
}

TEST(NetworkFile, ANetworkThatIsLikeItselfStaysWhatItIs) {
  for (const std::string& name : networkNames()) {
    const Network network = *networkNamed(name), read = *networkFromJson(*networkToJson(network, name));
    const Group group{4 * network.ranksPerNode, network.ranksPerNode};
    for (const Op op : {Op::kAllReduce, Op::kAllGather, Op::kSend}) {
      const std::vector<Cost> want = *costsOf(network, op, group, 1 << 16), got = *costsOf(read, op, group, 1 << 16);
      ASSERT_EQ(got.size(), want.size());
      for (size_t i = 0; i < want.size(); ++i)
        EXPECT_NEAR(got[i].seconds, want[i].seconds, 1e-12) << name;
    }
  }
  EXPECT_EQ(networkToJson(*networkNamed("host"), "tpu").status().message(),
            "like: got network \"tpu\", expected one of h100-8, h200-8, a100-8, host; or give a file that describes it");
}

TEST(NetworkFile, EveryFaultSaysWhatIsThereAndWhatWasExpected) {
  const std::pair<const char*, const char*> kFaults[] = {
      {"{", "network: got text that is no JSON, expected an object as runtime/comm/model/NetworkFile.h describes it"},
      {"[1]", "network: got [1], expected an object"},
      {R"({"bandwith": 1})", "network: got a field \"bandwith\", expected one of like, name, ranks_per_node, inside, between, protocols, base_us, "
                             "ring_plateau, nvls; correct or remove it"},
      {R"({"like": "tpu"})", "like: got network \"tpu\", expected one of h100-8, h200-8, a100-8, host; or give a file that describes it"},
      {R"({"like": 3})", "like: got 3, expected the name of a network"},
      {R"({"name": 3})", "name: got 3, expected text"},
      {R"({"ranks_per_node": 0})", "ranks_per_node: got 0, expected an integer from 1 to 1000000"},
      {R"({"ranks_per_node": 1.5})", "ranks_per_node: got 1.5, expected an integer from 1 to 1000000"},
      {R"({"inside": {"speed": 1}})", "inside: got a field \"speed\", expected one of latency_us, bandwidth_gb_s, channels; correct or remove it"},
      {R"({"inside": 3})", "inside: got 3, expected an object"},
      {R"({"inside": {"latency_us": -1}})", "inside.latency_us: got -1, expected a number of at least 0"},
      {R"({"inside": {"latency_us": "fast"}})", "inside.latency_us: got \"fast\", expected a number of at least 0, or an object with one for each protocol"},
      {R"({"between": {"latency_us": {"LL64": 1}}})", "between.latency_us: got \"LL64\", expected one of LL, LL128, Simple"},
      {R"({"between": {"latency_us": {"LL": null}}})", "between.latency_us.LL: got null, expected a number of at least 0"},
      {R"({"between": {"bandwidth_gb_s": 0}})", "between.bandwidth_gb_s: got 0, expected a number above 0"},
      {R"({"between": {"channels": "two"}})", "between.channels: got \"two\", expected an integer from 1 to 1000000"},
      {R"({"protocols": "LL"})", "protocols: got \"LL\", expected an array of LL, LL128, Simple"},
      {R"({"protocols": [1]})", "protocols: got 1, expected one of LL, LL128, Simple"},
      {R"({"protocols": []})", "network: got no protocol of network host, expected at least one of LL, LL128, Simple"},
      {R"({"base_us": true})", "base_us: got true, expected a number of at least 0"},
      {R"({"ring_plateau": 0.5})", "ring_plateau: got 0.5, expected a number of at least 1"},
      {R"({"nvls": true})", "nvls: got true, expected false, which switches it off; a network that has it is named by \"like\""},
  };
  for (const auto& [text, message] : kFaults) {
    const auto network = networkFromJson(text);
    EXPECT_FALSE(network) << text;
    EXPECT_EQ(network.status().message(), message);
    EXPECT_EQ(network.status().code(), Code::kInvalidArgument);
  }
}

TEST(Units, AreReadable) {
  EXPECT_EQ(bytesText(0), "0 B");
  EXPECT_EQ(bytesText(1023), "1023 B");
  EXPECT_EQ(bytesText(1024), "1 KiB");
  EXPECT_EQ(bytesText(1536), "1.5 KiB");
  EXPECT_EQ(bytesText(31.4 * 1048576), "31 MiB");
  EXPECT_EQ(bytesText(64ll << 30), "64 GiB");
  EXPECT_EQ(secondsText(0), "0 s");
  EXPECT_EQ(secondsText(8.4e-6), "8.4 us");
  EXPECT_EQ(secondsText(45.2e-6), "45 us");
  EXPECT_EQ(secondsText(1.94e-3), "1.9 ms");
  EXPECT_EQ(secondsText(2), "2 s");
  EXPECT_EQ(secondsText(999.7e-6), "1 ms");
}

}  // namespace
}  // namespace jinx::comm::model
