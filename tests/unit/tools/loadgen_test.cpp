// The parts of `bench serve` that need no network: events, answers, arrivals, traces, prompts, addresses.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <sstream>

#include "tools/common/loadgen/AnswerReader.h"
#include "tools/common/loadgen/Arrivals.h"
#include "tools/common/loadgen/SseReader.h"
#include "tools/common/loadgen/Url.h"
#include "tools/common/loadgen/Workload.h"

namespace jinx::loadgen {
namespace {

using Texts = std::vector<std::string>;

// ---- events ----

Texts eventsOf(std::string_view bytes, size_t first, size_t step) {
  SseReader reader;
  Texts events = reader.push(bytes.substr(0, first));
  for (size_t i = first; i < bytes.size(); i += step)
    for (std::string& event : reader.push(bytes.substr(i, step)))
      events.push_back(std::move(event));
  return events;
}

TEST(SseReader, ReadsTheSameFromAnyPortions) {
  const std::string bytes = "\xEF\xBB\xBF"
                            "data: one\n\n"
                            ": a comment\n"
                            "event: ping\nid: 3\nretry: 10\ndata:two\ndata: lines\n\n"
                            "data:  a space stays\r\n\r\n"
                            "data: cr\r\rdata\n\n"
                            "event: nothing\n\n"
                            "dataset: no field of ours\n\n"
                            "data: [DONE]\n\n"
                            "data: never ended\n";
  const Texts wanted = {"one", "two\nlines", " a space stays", "cr", "", "[DONE]"};
  for (size_t first = 0; first <= bytes.size(); ++first)
    EXPECT_EQ(eventsOf(bytes, first, bytes.size()), wanted) << "split at " << first;
  EXPECT_EQ(eventsOf(bytes, 0, 1), wanted);
  EXPECT_EQ(eventsOf(bytes, 0, 7), wanted);
}

TEST(SseReader, GivesUpOnEndlessEvents) {
  SseReader reader;
  const std::string part(1 << 20, 'x');
  EXPECT_TRUE(reader.push("data: ").empty());
  for (int i = 0; i < 5; ++i)
    EXPECT_TRUE(reader.push(part).empty());
  EXPECT_TRUE(reader.isTooLong());
  EXPECT_TRUE(reader.push("\n\ndata: x\n\n").empty());
}

// ---- answers ----

TEST(AnswerReader, KnowsWhenTextCame) {
  Record record;
  AnswerReader reader(record);
  reader.push("data: {\"choices\":[{\"text\":\"\"}]}\n\n", 0.125);
  reader.push("data: {\"choices\":[{\"text\":\"a\"}]}\n\ndata: {\"choices\":[{\"text\":\"b\"}]}\n", 0.5);
  reader.push("\ndata: {\"choices\":[{\"text\":\"c\",\"finish_reason\":\"length\"}]}\n\n", 1);
  reader.push("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":4}}}\n\n", 1.25);
  EXPECT_FALSE(reader.isDone());
  reader.push("data: [DONE]\n\n", 1.5);
  EXPECT_TRUE(reader.isDone());
  reader.finish(1.5);
  EXPECT_EQ(record.failure, "");
  EXPECT_EQ(record.ttft_s, 0.5);
  EXPECT_EQ(record.gaps_s, (std::vector<double>{0.5, 0})) << "the second event was whole at 1, with the third one";
  EXPECT_EQ(record.e2e_s, 1.5);
  EXPECT_EQ(record.promptTokens, 7);
  EXPECT_EQ(record.outputTokens, 5);
  EXPECT_EQ(record.cachedTokens, 4);
  EXPECT_TRUE(record.hasUsage);
  EXPECT_DOUBLE_EQ(record.tpot_s(), 0.25);
}

TEST(AnswerReader, ReadsChatsAndCountsWhereNobodySays) {
  Record record;
  AnswerReader reader(record);
  reader.push(R"(data: {"choices":[{"delta":{"role":"assistant","content":""}}],"usage":null})"
              "\n\n",
              1);
  reader.push(R"(data: {"choices":[{"delta":{"reasoning_content":"hm"}}]})"
              "\n\n",
              2);
  reader.push(R"(data: {"choices":[{"delta":{"content":"x"}}]})"
              "\n\n",
              3);
  reader.push(R"(data: {"choices":[{"delta":{"tool_calls":[{"index":0}]}}]})"
              "\n\n",
              4);
  reader.push(R"(data: {"choices":[{"delta":{},"finish_reason":"stop"}]})"
              "\n\ndata: [DONE]\n\n",
              5);
  reader.finish(5);
  EXPECT_TRUE(record.isCompleted());
  EXPECT_EQ(record.ttft_s, 2);
  EXPECT_EQ(record.gaps_s, (std::vector<double>{1, 1}));
  EXPECT_EQ(record.outputTokens, 3);
  EXPECT_FALSE(record.hasUsage);
}

TEST(AnswerReader, TellsWhatIsWrong) {
  const auto failureOf = [](std::string_view bytes) {
    Record record;
    AnswerReader reader(record);
    reader.push(bytes, 1);
    reader.finish(2);
    return record.failure + "|" + record.message;
  };
  EXPECT_EQ(failureOf("data: {\"error\":{\"message\":\"no room\"}}\n\n"), "error|no room");
  EXPECT_EQ(failureOf("data: {\"error\":\"no room\"}\n\n"), "error|\"no room\"");
  EXPECT_EQ(failureOf("data: {\"choices\":[]}\n\n"), "broken|the stream ended without [DONE]");
  EXPECT_EQ(failureOf("{\"choices\":[]}"), "broken|the stream ended without [DONE]") << "an answer that is no stream";
  EXPECT_TRUE(failureOf("data: {\"choices\":\n\n").starts_with("malformed|"));
  EXPECT_EQ(failureOf("data: [1]\n\ndata: {\"choices\":3}\n\ndata: {\"choices\":[1,null,{\"delta\":2}],\"usage\":{\"completion_tokens\":-1}}\n\ndata: [DONE]\n\n"), "|") << "odd, and not wrong";
}

TEST(AnswerReader, TokensWithoutTextHaveATimeToo) {
  Record record;
  AnswerReader reader(record);
  reader.push("data: {\"choices\":[{\"text\":\"\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\ndata: [DONE]\n\n", 1);
  reader.finish(1);
  EXPECT_EQ(record.ttft_s, 1);
  EXPECT_TRUE(record.gaps_s.empty());
}

// ---- arrivals ----

TEST(Arrivals, AreAPoissonProcess) {
  constexpr int kCount = 40000, kWindows = 2000;
  constexpr double kRate = 8, kWindow_s = 2; // 16 a window
  Arrivals arrivals(kRate, 5);
  double last_s = 0, squares = 0;
  int longGaps = 0;
  std::vector<double> counts(kWindows);
  for (int i = 0; i < kCount; ++i) {
    const double at_s = arrivals.next_s(), gap_s = at_s - last_s;
    ASSERT_GE(gap_s, 0);
    squares += gap_s * gap_s;
    longGaps += gap_s > 1 / kRate;
    last_s = at_s;
    if (at_s < kWindows * kWindow_s) ++counts[static_cast<size_t>(at_s / kWindow_s)];
  }
  // Four standard errors each: of the mean 1/sqrt(n), of the mean square sqrt(20)/2/sqrt(n) of 2/rate^2, of a share sqrt(p(1-p)/n).
  EXPECT_NEAR(last_s / kCount * kRate, 1, 4 / std::sqrt(kCount));
  EXPECT_NEAR(squares / kCount * kRate * kRate / 2, 1, 4 * std::sqrt(20.0) / 2 / std::sqrt(kCount));
  EXPECT_NEAR(static_cast<double>(longGaps) / kCount, std::exp(-1), 4 * std::sqrt(0.2326 / kCount));
  // Counts of windows have their mean as variance.
  double mean = 0, variance = 0;
  for (const double count : counts)
    mean += count / kWindows;
  for (const double count : counts)
    variance += (count - mean) * (count - mean) / (kWindows - 1);
  EXPECT_NEAR(variance / mean, 1, 4 * std::sqrt(2.0 / kWindows));
}

TEST(Arrivals, FollowTheSeed) {
  Arrivals one(2, 7), same(2, 7), other(2, 8), atOnce(std::numeric_limits<double>::infinity(), 7);
  bool differs = false;
  for (int i = 0; i < 20; ++i) {
    const double at_s = one.next_s();
    EXPECT_EQ(at_s, same.next_s());
    differs |= at_s != other.next_s();
    EXPECT_EQ(atOnce.next_s(), 0);
  }
  EXPECT_TRUE(differs);
}

// ---- traces ----

TEST(Trace, IsSortedByTime) {
  const auto trace = parseTrace("{\"at\": 2, \"prompt_tokens\": 5, \"output_tokens\": 6}\r\n\n{\"at\": 0.5, \"prompt\": \"a \\u00e4\", \"output_tokens\": 1}\n{\"at\":2,\"prompt_tokens\":7,\"output_tokens\":8}");
  ASSERT_TRUE(trace) << trace.status().message();
  ASSERT_EQ(trace->size(), 3u);
  EXPECT_EQ((*trace)[0].at_s, 0.5);
  EXPECT_EQ((*trace)[0].prompt, "a \xc3\xa4");
  EXPECT_EQ((*trace)[1].promptTokens, 5);
  EXPECT_EQ((*trace)[1].outputTokens, 6);
  EXPECT_EQ((*trace)[2].promptTokens, 7) << "of one time, in the order of the file";
}

TEST(Trace, TellsWhatIsWrongAndWhere) {
  const std::string good = "{\"at\": 0, \"prompt_tokens\": 5, \"output_tokens\": 6}\n";
  const auto problemOf = [&](const std::string& line) { return parseTrace(good + line).status().message(); };
  EXPECT_EQ(problemOf("[1]"), "line 2: no JSON object");
  EXPECT_EQ(problemOf("{\"at\": 1"), "line 2: no JSON object");
  EXPECT_EQ(problemOf("{\"prompt_tokens\": 5, \"output_tokens\": 6}"), "line 2: at is missing");
  EXPECT_EQ(problemOf("{\"at\": -1, \"prompt_tokens\": 5, \"output_tokens\": 6}"), "line 2: at is -1, expected seconds from 0 on");
  EXPECT_EQ(problemOf("{\"at\": 1, \"prompt_tokens\": 0, \"output_tokens\": 6}"), "line 2: prompt_tokens is 0, expected a whole number from 1 to 1000000");
  EXPECT_EQ(problemOf("{\"at\": 1, \"prompt_tokens\": 5, \"output_tokens\": 1.5}"), "line 2: output_tokens is 1.5, expected a whole number from 1 to 1000000");
  EXPECT_EQ(problemOf("{\"at\": 1, \"prompt_tokens\": 5}"), "line 2: output_tokens is missing");
  EXPECT_EQ(problemOf("{\"at\": 1, \"output_tokens\": 5}"), "line 2: there is neither prompt_tokens nor prompt");
  EXPECT_EQ(problemOf("{\"at\": 1, \"prompt\": \"\", \"output_tokens\": 5}"), "line 2: prompt is \"\", expected a text");
  EXPECT_EQ(problemOf("{\"at\": 1, \"tokens\": 5}"), "line 2: \"tokens\" is no field, expected at, prompt_tokens, output_tokens, prompt");
  EXPECT_EQ(parseTrace("\n").status().message(), "there is no request");
}

// ---- what is asked ----

Texts wordsOf(const std::string& text) {
  std::istringstream stream(text);
  Texts words;
  for (std::string word; stream >> word;)
    words.push_back(word);
  return words;
}

TEST(Workload, HasTheLengthsThatWereAsked) {
  WorkloadOptions options;
  options.promptTokens = {3, 6};
  options.outputTokens = {1, 2};
  const Workload workload(options);
  std::set<size_t> prompts;
  std::set<int64_t> outputs;
  for (size_t k = 0; k < 200; ++k) {
    const PlannedRequest request = workload.request(k);
    prompts.insert(wordsOf(request.prompt).size());
    outputs.insert(request.outputTokens);
  }
  EXPECT_EQ(prompts, (std::set<size_t>{3, 4, 5, 6}));
  EXPECT_EQ(outputs, (std::set<int64_t>{1, 2}));
}

TEST(Workload, FollowsSeedAndIndexOnly) {
  WorkloadOptions options;
  options.promptTokens = {20, 40};
  const Workload one(options), same(options);
  const std::string last = one.request(9).prompt;
  for (size_t k = 0; k < 10; ++k)
    EXPECT_EQ(one.request(k).prompt, same.request(k).prompt);
  EXPECT_EQ(last, one.request(9).prompt);
  EXPECT_NE(last, one.request(8).prompt);
  options.seed = 1;
  EXPECT_NE(last, Workload(options).request(9).prompt);
}

TEST(Workload, BeginningsAreSharedAndTheRestIsNot) {
  WorkloadOptions options;
  options.promptTokens = {8, 8};
  options.sharedPrefixTokens = 32;
  const Workload workload(options);
  const Texts one = wordsOf(workload.request(0).prompt), other = wordsOf(workload.request(1).prompt);
  ASSERT_EQ(one.size(), 40u);
  ASSERT_EQ(other.size(), 40u);
  EXPECT_EQ(Texts(one.begin(), one.begin() + 32), Texts(other.begin(), other.begin() + 32));
  EXPECT_NE(Texts(one.begin() + 32, one.end()), Texts(other.begin() + 32, other.end()));
}

TEST(Workload, TakesTextsInTurns) {
  WorkloadOptions options;
  options.prompts = {"a", "b"};
  EXPECT_EQ(Workload(options).request(0).prompt, "a");
  EXPECT_EQ(Workload(options).request(3).prompt, "b");
  options.trace = {{0, 4, 9, ""}, {1, 0, 2, "given"}};
  EXPECT_EQ(wordsOf(Workload(options).request(0).prompt).size(), 4u);
  EXPECT_EQ(Workload(options).request(0).outputTokens, 9);
  EXPECT_EQ(Workload(options).request(1).prompt, "given");
}

TEST(Workload, RangesAreRead) {
  EXPECT_EQ(parseRange("7")->least, 7);
  EXPECT_EQ(parseRange("7")->most, 7);
  EXPECT_EQ(parseRange("64-256")->least, 64);
  EXPECT_EQ(parseRange("64-256")->most, 256);
  for (const char* wrong : {"", "0", "-3", "3-", "9-3", "1-2-3", "x", "1 ", "1000001", "1.5"})
    EXPECT_FALSE(parseRange(wrong)) << wrong;
}

// ---- addresses ----

TEST(Url, IsRead) {
  const auto url = parseUrl("http://127.0.0.1:8000/v1/");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->authority(), "127.0.0.1:8000");
  EXPECT_EQ(url->path, "");
  EXPECT_EQ(parseUrl("http://host")->port, "80");
  EXPECT_EQ(parseUrl("http://host/a/b/v1")->path, "/a/b");
  EXPECT_EQ(parseUrl("http://[::1]:8080")->host, "::1");
  EXPECT_EQ(parseUrl("http://[::1]")->authority(), "[::1]:80");
  EXPECT_EQ(parseUrl("https://host").status().code(), Code::kUnimplemented);
  for (const char* wrong : {"", "host:80", "http://", "http://:80", "http://host:", "http://host:8x", "http://host:123456", "http://a:b:80", "http://user@host:80", "http://host/?q=1", "ftp://host", "http://[::1:80"})
    EXPECT_FALSE(parseUrl(wrong)) << wrong;
}

} // namespace
} // namespace jinx::loadgen
