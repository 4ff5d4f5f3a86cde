// Spans: whose trace a request belongs to, when the whole of it ends, what a collector gets, and what is dropped instead of waited for.
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>

#include "gtest/gtest.h"
#include "runtime/serve/Json.h"
#include "runtime/serve/OtlpExporter.h"
#include "runtime/serve/OtlpJson.h"
#include "runtime/serve/RequestTrace.h"

namespace jinx::serve {
namespace {

constexpr const char* kTrace = "0af7651916cd43dd8448eb211c80319c";
constexpr const char* kParent = "b7ad6b7169203331";

std::string header(const std::string& version, const std::string& flags, const std::string& more = "") { return version + "-" + kTrace + "-" + kParent + "-" + flags + more; }

TEST(TraceContext, IsTheClients) {
  for (const std::string& good : {header("00", "01"), header("00", "03"), header("cc", "01"), header("cc", "01", "-more")}) {
    const TraceContext context = traceContextOf(good);
    EXPECT_EQ(hexOf(context.trace), kTrace) << good;
    ASSERT_TRUE(context.parent) << good;
    EXPECT_EQ(hexOf(*context.parent), kParent) << good;
    EXPECT_TRUE(context.isSampled) << good;
    EXPECT_NE(context.span, SpanId{});
    EXPECT_NE(context.span, *context.parent);
  }
  EXPECT_FALSE(traceContextOf(header("00", "00")).isSampled);
}

TEST(TraceContext, BeginsItsOwnWhereThereIsNone) {
  const std::string zeros(32, '0');
  std::set<TraceId> seen;
  for (const std::string& bad : {std::string(), std::string("x"), header("00", "01", "-more"), header("00", "01", "0"), header("cc", "01", "0"), header("ff", "01"), header("00", "0g"), header("0A", "01"),
                                 "00-" + zeros + "-" + kParent + "-01", std::string("00-") + kTrace + "-0000000000000000-01", std::string("00_") + kTrace + "-" + kParent + "-01",
                                 "00-0AF7651916CD43DD8448EB211C80319C-" + std::string(kParent) + "-01", header("00", "01").substr(0, 54), std::string(1000, '-')}) {
    const TraceContext context = traceContextOf(bad);
    EXPECT_NE(hexOf(context.trace), kTrace) << bad;
    EXPECT_FALSE(context.parent) << bad;
    EXPECT_TRUE(context.isSampled) << bad;
    EXPECT_TRUE(seen.insert(context.trace).second) << "ids are random";
  }
}

/// What a tracer's writer has seen; it can be held up.
struct Written {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Span> spans;
  bool isHeld = false, isWaiting = false;

  SpanWriter writer() {
    return [this](const std::vector<Span>& more, bool) {
      std::unique_lock lock(mutex);
      isWaiting = true;
      changed.notify_all();
      changed.wait(lock, [this] { return !isHeld; });
      spans.insert(spans.end(), more.begin(), more.end());
    };
  }
};

TEST(RequestTrace, EndsWithWhatEndsLast) {
  Metrics metrics;
  Written written;
  {
    Tracer tracer({written.writer()}, metrics);
    auto trace = std::make_shared<RequestTrace>(tracer, "cmpl-1", "chat toy", 10, traceContextOf(header("00", "01")));
    const auto engines = trace;
    trace->add("prepare", 10, 11);
    trace->set("gen_ai.usage.input_tokens", int64_t{3});
    trace->endAfter(12);
    trace->fail("disconnected");
    trace->fail("500");
    trace.reset();
    engines->add("decode", 11, 14, 1, {{"jinx.tokens", int64_t{5}}});
  }
  ASSERT_EQ(written.spans.size(), 3u);
  const Span& whole = written.spans[2];
  EXPECT_TRUE(whole.isWhole);
  EXPECT_EQ(whole.name, "chat toy");
  EXPECT_EQ(whole.begin_s, 10);
  EXPECT_EQ(whole.end_s, 14);
  EXPECT_EQ(whole.error, "disconnected");
  EXPECT_EQ(written.spans[1].choice, 1);
  for (const Span& span : written.spans) {
    EXPECT_EQ(span.request, "cmpl-1");
    EXPECT_EQ(span.context.span, whole.context.span);
  }
}

TEST(Tracer, DropsWhatDoesNotFit) {
  Metrics metrics;
  Written written;
  written.isHeld = true;
  {
    Tracer tracer({written.writer()}, metrics);
    tracer.add({.name = "first", .request = ""});
    {
      std::unique_lock lock(written.mutex);
      written.changed.wait(lock, [&] { return written.isWaiting; });
    }
    for (size_t i = 0; i < Tracer::kMostPending + 7; ++i)
      tracer.add({.name = "more", .request = ""});
    EXPECT_EQ(metrics.spansDropped, 7u);
    std::lock_guard lock(written.mutex);
    written.isHeld = false;
    written.changed.notify_all();
  }
  EXPECT_EQ(written.spans.size(), Tracer::kMostPending + 1);
}

TEST(OtlpJson, IsAsTheProtocolHasIt) {
  const TraceContext context = traceContextOf(header("00", "01"));
  const std::vector<Span> spans = {
      {.name = "chat toy", .request = "cmpl-1", .begin_s = 1.5, .end_s = 2, .values = {{"n", int64_t{1} << 60}, {"t", 0.5}, {"s", std::string("x\xff")}, {"l", std::vector<std::string>{"a", "b"}}}, .context = context, .isWhole = true, .error = "429"},
      {.name = "decode", .request = "cmpl-1", .choice = 2, .begin_s = 1.5, .end_s = 1.75, .context = context}};
  const Json json = *parseJson(otlpBody(spans, 1'700'000'000'000'000'000));
  EXPECT_EQ(json["resourceSpans"][0]["resource"]["attributes"][0], Json::parse(R"({"key": "service.name", "value": {"stringValue": "jinx"}})"));
  const Json& list = json["resourceSpans"][0]["scopeSpans"][0]["spans"];
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0]["traceId"], kTrace);
  EXPECT_EQ(list[0]["parentSpanId"], kParent);
  EXPECT_EQ(list[0]["spanId"], hexOf(context.span));
  EXPECT_EQ(list[0]["kind"], 2);
  EXPECT_EQ(list[0]["startTimeUnixNano"], "1700000001500000000");
  EXPECT_EQ(list[0]["endTimeUnixNano"], "1700000002000000000");
  EXPECT_EQ(list[0]["status"]["code"], 2);
  EXPECT_EQ(list[0]["attributes"], Json::parse(R"([{"key": "n", "value": {"intValue": "1152921504606846976"}}, {"key": "t", "value": {"doubleValue": 0.5}}, {"key": "s", "value": {"stringValue": "x\ufffd"}},
    {"key": "l", "value": {"arrayValue": {"values": [{"stringValue": "a"}, {"stringValue": "b"}]}}}, {"key": "jinx.request", "value": {"stringValue": "cmpl-1"}}, {"key": "error.type", "value": {"stringValue": "429"}}])"));
  EXPECT_EQ(list[1]["traceId"], kTrace);
  EXPECT_EQ(list[1]["parentSpanId"], hexOf(context.span));
  EXPECT_NE(list[1]["spanId"], list[0]["spanId"]);
  EXPECT_EQ(list[1]["spanId"].get<std::string>().size(), 16u);
  EXPECT_EQ(list[1]["kind"], 1);
  EXPECT_FALSE(list[1].contains("status"));
}

TEST(OtlpJson, ReadsWhatWasRejected) {
  EXPECT_EQ(rejectedSpans(R"({"partialSuccess": {"rejectedSpans": "3"}})"), 3u);
  EXPECT_EQ(rejectedSpans(R"({"partialSuccess": {"rejectedSpans": 4}})"), 4u);
  for (const char* none : {"", "{}", "[]", R"({"partialSuccess": {}})", R"({"partialSuccess": null})", R"({"partialSuccess": {"rejectedSpans": "x"}})", R"({"partialSuccess": {"rejectedSpans": -1}})"})
    EXPECT_EQ(rejectedSpans(none), 0u) << none;
}

TEST(OtlpExporter, ReadsUrls) {
  const auto read = [](const char* url) {
    const auto parsed = parseCollectorUrl(url);
    return parsed ? parsed->host + " " + parsed->port + " " + parsed->path : parsed.status().message();
  };
  EXPECT_EQ(read("http://collector:4318"), "collector 4318 /v1/traces");
  EXPECT_EQ(read("http://collector"), "collector 4318 /v1/traces");
  EXPECT_EQ(read("http://10.0.0.1:80/otel/"), "10.0.0.1 80 /otel/v1/traces");
  EXPECT_EQ(read("http://[::1]:99"), "::1 99 /v1/traces");
  EXPECT_EQ(read("http://[::1]"), "::1 4318 /v1/traces");
  for (const char* bad : {"", "collector:4318", "https://collector:4318", "http://", "http://:4318", "http://a:b", "http://a:", "http://a:123456", "http://user@a:1", "http://a:1/x y", "http://a:1/?q", "http://::1:4318", "http://a:1/\r\nX: y"})
    EXPECT_EQ(read(bad), "collector \"" + std::string(bad) + "\", expected http://HOST:PORT") << bad;
}

/// Nobody listens there: what is on its way and what waits is bounded, the rest is dropped at once, and ending takes no longer than it may.
TEST(OtlpExporter, DropsWhereNobodyListens) {
  Metrics metrics;
  const auto begin = std::chrono::steady_clock::now();
  {
    OtlpExporter exporter({"127.0.0.1", "1", "/v1/traces"}, metrics, {.mostPending = 4, .mostOfBatch = 2, .attempts = 100, .firstPause_s = 0.05, .end_s = 0.3});
    std::vector<Span> spans(10);
    spans[3].context.isSampled = false;
    spans[4].name = "flush";
    exporter.add(spans); // one call: eight spans for four places
    EXPECT_EQ(metrics.spansDropped, 4u);
  }
  EXPECT_EQ(metrics.spansDropped, 8u);
  EXPECT_EQ(metrics.spansExported, 0u);
  EXPECT_GE(metrics.spanExportFailures, 2u);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
}

} // namespace
} // namespace jinx::serve
