// Figures of a load, beside figures worked out by hand.
#include "tools/common/loadgen/Figures.h"

#include <gtest/gtest.h>

namespace jinx::loadgen {
namespace {

Record completed(double at_s, double ttft_s, std::vector<double> gaps_s, double e2e_s, int64_t outputTokens) {
  Record record;
  record.at_s = at_s;
  record.ttft_s = ttft_s;
  record.gaps_s = std::move(gaps_s);
  record.e2e_s = e2e_s;
  record.promptTokens = 10;
  record.cachedTokens = 4;
  record.outputTokens = outputTokens;
  record.hasUsage = true;
  record.status = 200;
  return record;
}

Record failed(double at_s, double e2e_s, const char* failure) {
  Record record;
  record.at_s = at_s;
  record.e2e_s = e2e_s;
  record.failure = failure;
  return record;
}

TEST(Figures, DistributionsAreThoseOfHand) {
  const Distribution times = distributionOf({4, 1, 3, 2, 5}); // ranks 0 to 4: p90 is at 3.6, p99 at 3.96
  EXPECT_EQ(times.count, 5u);
  EXPECT_DOUBLE_EQ(times.mean, 3);
  EXPECT_DOUBLE_EQ(times.p50, 3);
  EXPECT_DOUBLE_EQ(times.p90, 4.6);
  EXPECT_DOUBLE_EQ(times.p99, 4.96);
  const Distribution one = distributionOf({7});
  EXPECT_EQ(one.p50, 7);
  EXPECT_EQ(one.p99, 7);
  EXPECT_EQ(distributionOf({}).count, 0u);
}

TEST(Figures, CountOnlyWhatWasAnswered) {
  const std::vector<Record> records = {completed(0, 0.5, {0.25, 0.25}, 1, 3), completed(1, 1, {}, 3, 1), failed(0, 0.1, "429"), failed(0, 0.1, "429"), failed(2, 8, "timeout"), failed(0, 1, "500")};
  const Figures figures = figuresOf(records, {});
  EXPECT_EQ(figures.requests, 6u);
  EXPECT_EQ(figures.completed, 2u);
  EXPECT_EQ(figures.rejected, 2u);
  EXPECT_EQ(figures.failures, (std::map<std::string, size_t>{{"500", 1}, {"timeout", 1}}));
  EXPECT_DOUBLE_EQ(figures.duration_s, 10) << "to the end of the last request, also of one that failed";
  EXPECT_EQ(figures.outputTokens, 4);
  EXPECT_EQ(figures.promptTokens, 20);
  EXPECT_EQ(figures.cachedTokens, 8);
  EXPECT_DOUBLE_EQ(figures.ttft_s.mean, 0.75);
  EXPECT_EQ(figures.tpot_s.count, 1u) << "a single token has no later ones";
  EXPECT_DOUBLE_EQ(figures.tpot_s.p50, 0.25); // (1 - 0.5) / 2
  EXPECT_EQ(figures.itl_s.count, 2u);
  const auto json = toJson(figures);
  EXPECT_DOUBLE_EQ(json["requests_per_s"], 0.2);
  EXPECT_DOUBLE_EQ(json["output_tokens_per_s"], 0.4);
  EXPECT_DOUBLE_EQ(json["total_tokens_per_s"], 2.4);
  EXPECT_FALSE(json.contains("goodput"));
  EXPECT_NE(tableOf(figures).find("2 of 6 requests answered in 10 s, 2 rejected (429), 1 failed (500), 1 failed (timeout)"), std::string::npos) << tableOf(figures);
}

TEST(Figures, GoodRequestsKeepAllLimits) {
  const auto limits = parseGoodput("ttft=0.5,itl=0.25");
  ASSERT_TRUE(limits);
  EXPECT_TRUE(limits->keeps(completed(0, 0.5, {0.5}, 0.75, 2))) << "a limit itself is kept";
  EXPECT_FALSE(limits->keeps(completed(0, 0.6, {}, 0.7, 2)));
  EXPECT_FALSE(limits->keeps(completed(0, 0.1, {}, 0.4, 2)));
  EXPECT_TRUE(limits->keeps(completed(0, 0.1, {}, 9, 1))) << "no later tokens";
  EXPECT_FALSE(limits->keeps(failed(0, 0.1, "timeout")));
  EXPECT_FALSE(limits->keeps(completed(0, -1, {}, 1, 0))) << "no first token";
  EXPECT_FALSE(parseGoodput("e2e=1")->keeps(completed(0, 0.5, {}, 1.5, 1)));
  const auto json = toJson(figuresOf({completed(0, 0.1, {}, 0.2, 1), completed(0, 0.9, {}, 2, 1), failed(0, 1, "429"), failed(0, 1, "429")}, *limits));
  EXPECT_DOUBLE_EQ(json["goodput"]["share"], 0.25) << "of all requests";
  EXPECT_DOUBLE_EQ(json["goodput"]["requests_per_s"], 0.5);
}

TEST(Figures, LimitsAreRead) {
  EXPECT_EQ(parseGoodput("e2e=2")->e2e_s, 2);
  for (const char* wrong : {"", "ttft", "ttft=", "ttft=0", "ttft=-1", "ttft=inf", "ttft=1s", "ttft=1,", "ttft=1,ttft=2", "tpot=1", ",ttft=1"})
    EXPECT_FALSE(parseGoodput(wrong)) << wrong;
}

TEST(Figures, WithoutAnythingThereAreNoTimes) {
  const auto json = toJson(figuresOf({}, {}));
  EXPECT_TRUE(json["ttft_s"]["p50"].is_null());
  EXPECT_EQ(json["requests_per_s"], 0);
}

} // namespace
} // namespace jinx::loadgen
