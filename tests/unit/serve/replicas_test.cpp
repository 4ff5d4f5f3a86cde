// Which replica gets a request: the same for equal beginnings, another where that one is busy or does not answer.
#include <map>
#include <set>

#include "gtest/gtest.h"
#include "runtime/serve/Replicas.h"

namespace jinx::serve {
namespace {

Replicas three() { return Replicas({{"a", "1"}, {"b", "2"}, {"c", "3"}}); }

TEST(Replicas, AreReadFromUrls) {
  const auto replica = parseReplica("http://127.0.0.1:8080/");
  ASSERT_TRUE(replica);
  EXPECT_EQ(replica->host, "127.0.0.1");
  EXPECT_EQ(replica->port, "8080");
  EXPECT_EQ(parseReplica("[::1]:80")->host, "::1");
  for (const char* wrong : {"", "http://", "host", ":80", "host:", "host:8x", "https://host:80", "http://host:80/v1", "http://user@host:80", "host:123456"})
    EXPECT_FALSE(parseReplica(wrong)) << wrong;
}

TEST(Replicas, AreSharedByBeginnings) {
  const Replicas replicas = three();
  std::map<size_t, int> counts;
  for (uint64_t affinity = 0; affinity < 3000; ++affinity) {
    const std::vector<size_t> order = replicas.order(affinity, 0);
    EXPECT_EQ(std::set<size_t>(order.begin(), order.end()).size(), 3u);
    EXPECT_EQ(order, replicas.order(affinity, 1));
    ++counts[order[0]];
  }
  for (const auto& [replica, count] : counts)
    EXPECT_NEAR(count, 1000, 150) << replica;
}

TEST(Replicas, LoseTheirOwnRequestsOnly) {
  const Replicas all = three(), fewer({{"a", "1"}, {"b", "2"}});
  for (uint64_t affinity = 0; affinity < 200; ++affinity) {
    const size_t first = all.order(affinity, 0)[0];
    if (first < 2) EXPECT_EQ(fewer.order(affinity, 0)[0], first);
  }
}

TEST(Replicas, TakeOverFromBusyOnes) {
  Replicas replicas = three();
  const std::vector<size_t> liked = replicas.order(5, 0);
  for (int i = 0; i < 4; ++i)
    replicas.begin(liked[0]);
  EXPECT_EQ(replicas.order(5, 0), liked) << "four more are no reason to leave";
  replicas.begin(liked[0]);
  EXPECT_EQ(replicas.order(5, 0), (std::vector<size_t>{liked[1], liked[2], liked[0]}));
  replicas.end(liked[0]);
  EXPECT_EQ(replicas.order(5, 0), liked);
}

TEST(Replicas, RestWhereTheyDoNotAnswer) {
  Replicas replicas = three();
  const std::vector<size_t> liked = replicas.order(5, 100);
  replicas.fail(liked[0], 100);
  EXPECT_EQ(replicas.order(5, 101), (std::vector<size_t>{liked[1], liked[2], liked[0]}));
  EXPECT_EQ(replicas.order(5, 106), liked);
}

TEST(Replicas, SeeConversationsByTheirBeginning) {
  const auto affinity = [](const char* body) { return affinityOf(body, "Bearer a"); };
  const uint64_t first = affinity(R"({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "hi"}], "seed": 1})");
  EXPECT_EQ(affinity(R"({"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"hi"},{"role":"assistant","content":"yes"},{"role":"user","content":"go"}]})"), first);
  EXPECT_NE(affinity(R"({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "ho"}]})"), first);
  const std::string text(600, 'x');
  EXPECT_EQ(affinityOf("{\"prompt\": \"" + text + "a\"}", ""), affinityOf("{\"prompt\": \"" + text + "b\"}", ""));
  EXPECT_NE(affinityOf("{\"prompt\": \"x\"}", "Bearer a"), affinityOf("{\"prompt\": \"x\"}", "Bearer b")) << "tenants share no pages";
  affinity("no JSON");
}

} // namespace
} // namespace jinx::serve
