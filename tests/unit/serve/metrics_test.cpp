// Histograms, the text that Prometheus reads, and keys.
#include <sstream>

#include "gtest/gtest.h"
#include "runtime/serve/Auth.h"
#include "runtime/serve/Http.h"
#include "runtime/serve/Metrics.h"

namespace jinx::serve {
namespace {

TEST(Histogram, CountsUpToBounds) {
  Histogram histogram;
  for (double value : {0.0, 0.0005, 0.00051, 0.3, 100.0, 1000.0})
    histogram.observe(value);
  const Histogram::Snapshot snapshot = histogram.snapshot();
  EXPECT_EQ(snapshot.count(), 6u);
  EXPECT_EQ(snapshot.counts[0], 2u);                        // a value that is equal to the bound is below it
  EXPECT_EQ(snapshot.counts[1], 1u);
  EXPECT_EQ(snapshot.counts[9], 1u);                        // (0.25, 0.5]
  EXPECT_EQ(snapshot.counts[Histogram::kBuckets - 1], 1u);
  EXPECT_DOUBLE_EQ(snapshot.sum, 0.0 + 0.0005 + 0.00051 + 0.3 + 100 + 1000);
}

TEST(Histogram, Interpolates) {
  Histogram histogram;
  EXPECT_EQ(histogram.snapshot().quantile(0.5), 0);
  for (int i = 0; i < 100; ++i)
    histogram.observe(0.3);
  EXPECT_DOUBLE_EQ(histogram.snapshot().quantile(0.5), 0.375);
  EXPECT_DOUBLE_EQ(histogram.snapshot().quantile(1), 0.5);
  Histogram late;
  late.observe(1e6);
  EXPECT_DOUBLE_EQ(late.snapshot().quantile(0.5), 100);
}

/// As the format says: each family has HELP and TYPE, buckets are cumulative, and the last is the count.
TEST(Metrics, AreInPrometheusFormat) {
  Metrics metrics;
  metrics.firstToken.observe(0.002);
  metrics.firstToken.observe(7);
  metrics.count(Outcome::kSlowReader);
  metrics.setEngine({.pages = 10, .pagesFree = 7});
  const std::string text = exposition(metrics);
  EXPECT_NE(text.find("\njinx_requests_total{outcome=\"slow_reader\"} 1\n"), std::string::npos);
  EXPECT_NE(text.find("\njinx_pages{state=\"free\"} 7\njinx_pages{state=\"used\"} 3\n"), std::string::npos);
  EXPECT_NE(text.find("\njinx_ttft_seconds_bucket{le=\"0.0025\"} 1\n"), std::string::npos);
  EXPECT_NE(text.find("\njinx_ttft_seconds_bucket{le=\"10\"} 2\n"), std::string::npos);
  EXPECT_NE(text.find("\njinx_ttft_seconds_bucket{le=\"+Inf\"} 2\njinx_ttft_seconds_sum 7.002\njinx_ttft_seconds_count 2\n"), std::string::npos);
  std::istringstream lines(text);
  std::string line, family;
  while (std::getline(lines, line)) {
    if (line.starts_with("# TYPE ")) family = line.substr(7, line.find(' ', 7) - 7);
    if (!line.starts_with("#")) EXPECT_TRUE(line.starts_with(family)) << line;
  }
}

TEST(Auth, WithoutKeysIsOpen) {
  EXPECT_EQ(Auth().tenantOf(""), TenantId{0});
  EXPECT_EQ(Auth().tenantOf("Bearer whatever"), TenantId{0});
}

TEST(Auth, KnowsItsTenants) {
  auto auth = Auth::parse("# keys\nsk-first-key alice 3\n\nsk-second-key bob   # two\nsk-third-key alice\n");
  ASSERT_TRUE(auth) << auth.status().message();
  EXPECT_EQ(auth->tenantOf("Bearer sk-first-key"), TenantId{1});
  EXPECT_EQ(auth->tenantOf("Bearer sk-second-key"), TenantId{2});
  EXPECT_EQ(auth->tenantOf("Bearer sk-third-key"), TenantId{1});
  EXPECT_EQ(auth->weights().at(2), 1);
  for (const char* wrong : {"", "sk-first-key", "bearer sk-first-key", "Bearer ", "Bearer sk-first-ke", "Bearer sk-first-key ", "Bearer sk-first-kex", "Basic sk-first-key"})
    EXPECT_FALSE(auth->tenantOf(wrong)) << wrong;
}

TEST(Auth, RefusesFilesThatAreNone) {
  for (const char* text : {"", "# nothing\n", "short", "sk-first-key a 0", "sk-first-key a -1", "sk-first-key a nan", "sk-first-key a 1x", "sk-first-key a 1 more", "sk-first-key a\nsk-first-key b"})
    EXPECT_FALSE(Auth::parse(text)) << text;
}

TEST(Http, SaysWhenToComeAgain) {
  const HttpReply reply = replyOf(errorOf(engine::Refusal{engine::Refusal::Reason::kQueueFull, "full", 0.2}));
  EXPECT_EQ(reply.status, 429);
  ASSERT_EQ(reply.headers.size(), 1u);
  EXPECT_EQ(reply.headers[0].second, "1");
  EXPECT_EQ(errorOf(engine::Refusal{engine::Refusal::Reason::kTooLong, "long"}).status, 400);
}

} // namespace
} // namespace jinx::serve
