// Requests for vectors: which are taken, what their answers look like, and who has a turn when. The encoder is a function of the tokens that is known here.
#include <condition_variable>
#include <cstring>
#include <limits>

#include "gtest/gtest.h"
#include "runtime/serve/EmbeddingThread.h"
#include "runtime/serve/EngineThread.h"
#include "runtime/text/Base64.h"
#include "tests/unit/serve/ToyTokenizer.h"

namespace jinx::serve {
namespace {

using Texts = std::vector<std::vector<text::TokenId>>;

constexpr int32_t kWidth = 4;

/// The vector of a text: (3, 4, sum of its tokens, their number).
std::vector<float> vectorOf(const std::vector<text::TokenId>& tokens) {
  float sum = 0;
  for (text::TokenId token : tokens)
    sum += static_cast<float>(token);
  return {3, 4, sum, static_cast<float>(tokens.size())};
}

Expected<std::vector<std::vector<float>>> embedAll(std::span<const std::vector<text::TokenId>> texts) {
  std::vector<std::vector<float>> vectors;
  for (const auto& text : texts)
    vectors.push_back(vectorOf(text));
  return vectors;
}

ServedEncoder toyEncoder(Embedder embed = embedAll) {
  auto tokenizer = text::parseHuggingFace(kToyTokenizer);
  EXPECT_TRUE(tokenizer) << tokenizer.status().message();
  return {{"toy", 0, *tokenizer, 8, 6}, kWidth, std::move(embed)};
}

// ---- fields ----

EmbeddingRequestOrError read(const char* json, Limits limits = {}) { return readEmbeddings(*parseJson(json), toyEncoder(), limits); }
std::string faultOf(const char* json, Limits limits = {}) {
  const EmbeddingRequestOrError found = read(json, limits);
  const auto* error = std::get_if<ApiError>(&found);
  return error ? error->param + ": " + error->message : "";
}

TEST(Embeddings, ReadEveryFormOfInput) {
  EXPECT_EQ(std::get<EmbeddingRequest>(read(R"({"input": "a man"})")).texts, (Texts{{1, 3, 4, 2}}));
  EXPECT_EQ(std::get<EmbeddingRequest>(read(R"({"input": ["a", "the guitar"]})")).texts, (Texts{{1, 3, 2}, {1, 6, 7, 2}}));
  EXPECT_EQ(std::get<EmbeddingRequest>(read(R"({"input": [5, 6, 7]})")).texts, (Texts{{5, 6, 7}}));
  const auto request = std::get<EmbeddingRequest>(read(R"({"input": [[5], [6, 7]], "dimensions": 2, "encoding_format": "base64", "model": "toy", "user": "me"})"));
  EXPECT_EQ(request.texts, (Texts{{5}, {6, 7}}));
  EXPECT_EQ(request.tokens, 3);
  EXPECT_EQ(request.dimensions, 2);
  EXPECT_TRUE(request.isBase64);
}

TEST(Embeddings, NameWhatIsWrong) {
  EXPECT_EQ(faultOf("{}"), "input: input is missing, expected text, tokens, or an array of these");
  EXPECT_EQ(faultOf(R"({"input": []})"), "input: input is an array, expected text, tokens, or an array of these");
  EXPECT_EQ(faultOf(R"({"input": ""})"), "input: input has an empty text, expected at least one character");
  EXPECT_EQ(faultOf(R"({"input": ["a", ""]})"), "input: input has an empty text, expected at least one character");
  EXPECT_EQ(faultOf(R"({"input": [[]]})"), "input: input has no tokens, expected at least one");
  EXPECT_EQ(faultOf(R"({"input": [8]})"), "input: input has 8, expected a token below 8");
  EXPECT_EQ(faultOf(R"({"input": ["a", 3]})"), "input: input has 3, expected text or tokens");
  EXPECT_EQ(faultOf(R"({"input": "a", "dimensions": 5})"), "dimensions: dimensions is 5, expected an integer from 1 to 4");
  EXPECT_EQ(faultOf(R"({"input": "a", "dimensions": 0})"), "dimensions: dimensions is 0, expected an integer from 1 to 4");
  EXPECT_EQ(faultOf(R"({"input": "a", "encoding_format": "hex"})"), "encoding_format: encoding_format is \"hex\", expected float or base64");
  EXPECT_EQ(faultOf(R"({"input": "a", "truncate": true})"), "truncate: there is no field \"truncate\" here that we know");
  EXPECT_EQ(faultOf(R"({"input": "a", "model": "other"})"), "model: there is no model \"other\" here; there is \"toy\"");
  EXPECT_EQ(faultOf(R"({"input": ["a", "a man plays the guitar"]})"), "input: text 1 of input has 7 tokens, and the model takes at most 6");
  EXPECT_EQ(faultOf(R"({"input": ["a", "a", "a"]})", {.embeddingTexts = 2}), "input: input has 3 texts, expected at most 2");
  EXPECT_EQ(faultOf(R"({"input": ["a", "a"]})", {.embeddingTokens = 5}), "input: input has 6 tokens in all, expected at most 5");
}

// ---- answers ----

TEST(Embeddings, AreAnsweredAsNumbersAndBytes) {
  EmbeddingRequest request{.texts = {}, .tokens = 9, .dimensions = 4, .isBase64 = false};
  const std::vector<std::vector<float>> vectors = {{0.1f, -0.25f, 3e-20f, 1}, {0, 1.0f / 3, 0, 0}};
  auto given = vectors;
  const Json answer = *parseJson(*embeddingAnswer(request, "toy", given));
  EXPECT_EQ(answer["object"], "list");
  EXPECT_EQ(answer["model"], "toy");
  EXPECT_EQ(answer["usage"], Json::parse(R"({"prompt_tokens": 9, "total_tokens": 9})"));
  ASSERT_EQ(answer["data"].size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(answer["data"][i]["index"], i);
    EXPECT_EQ(answer["data"][i]["object"], "embedding");
    EXPECT_EQ(answer["data"][i]["embedding"].get<std::vector<float>>(), vectors[i]);
  }
  request.isBase64 = true;
  for (int32_t size = 1; size <= 4; ++size) { // every ending that base64 has
    request.dimensions = size;
    given = {{0.6f, 0.8f, 0, 0}};
    const auto bytes = text::decodeBase64((*parseJson(*embeddingAnswer(request, "toy", given)))["data"][0]["embedding"].get<std::string>());
    ASSERT_TRUE(bytes);
    ASSERT_EQ(bytes->size(), static_cast<size_t>(size) * sizeof(float));
    std::vector<float> found(static_cast<size_t>(size));
    std::memcpy(found.data(), bytes->data(), bytes->size());
    EXPECT_EQ(found, (size == 1 ? std::vector<float>{1} : std::vector<float>(given[0].begin(), given[0].begin() + size)));
    EXPECT_NEAR(found[0], size == 1 ? 1 : 0.6, 1e-6);
  }
}

TEST(Embeddings, AreCutToLengthOne) {
  const EmbeddingRequest request{.texts = {}, .tokens = 1, .dimensions = 2, .isBase64 = false};
  std::vector<std::vector<float>> vectors = {{3, 4, 12, 0}, {0, 0, 1, 0}};
  const Json answer = *parseJson(*embeddingAnswer(request, "toy", vectors));
  EXPECT_EQ(answer["data"][0]["embedding"].get<std::vector<float>>(), (std::vector<float>{0.6f, 0.8f}));
  EXPECT_EQ(answer["data"][1]["embedding"].get<std::vector<float>>(), (std::vector<float>{0, 0}));
  vectors = {{3, std::numeric_limits<float>::quiet_NaN(), 0, 0}};
  EXPECT_EQ(embeddingAnswer(request, "toy", vectors).status().code(), Code::kInternal);
}

// ---- turns ----

/// An encoder that waits until it is told to go on, and remembers which texts it was given.
class Gate {
 public:
  Embedder embedder() {
    return [this](std::span<const std::vector<text::TokenId>> texts) {
      std::unique_lock lock(mutex_);
      runs_.emplace_back(texts.begin(), texts.end());
      changed_.notify_all();
      changed_.wait(lock, [this] { return permits_ > 0; });
      --permits_;
      return embedAll(texts);
    };
  }
  void allow(int runs) {
    std::lock_guard lock(mutex_);
    permits_ += runs;
    changed_.notify_all();
  }
  void waitForRun(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return runs_.size() >= count; });
  }
  std::vector<std::vector<std::vector<text::TokenId>>> runs() {
    std::lock_guard lock(mutex_);
    return runs_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::vector<std::vector<text::TokenId>>> runs_;
  int permits_ = 0;
};

struct Waited {
  std::shared_ptr<EmbeddingJob> job;
  std::mutex mutex;
  std::condition_variable changed;
  int notified = 0;

  explicit Waited(Texts texts, TenantId tenant = 0) {
    EmbeddingRequest request{.texts = std::move(texts), .tokens = 0, .dimensions = kWidth, .isBase64 = false};
    for (const auto& text : request.texts)
      request.tokens += static_cast<int64_t>(text.size());
    job = std::make_shared<EmbeddingJob>(std::move(request), tenant, secondsNow());
    job->notify = [this] {
      std::lock_guard lock(mutex);
      ++notified;
      changed.notify_all();
    };
  }
  const HttpReply& wait() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return notified > 0; });
    EXPECT_TRUE(job->isDone());
    return job->reply;
  }
};

uint64_t count(const Metrics& metrics, EmbeddingOutcome outcome) { return metrics.embeddings[static_cast<size_t>(outcome)]; }

TEST(EmbeddingThread, GivesVectorsInTheOrderOfTheTexts) {
  const ServedEncoder encoder = toyEncoder();
  Metrics metrics;
  EmbeddingThread thread({.tokensOfTurn = 3}, encoder, metrics); // several turns
  Waited waited(Texts{{3}, {4, 5, 6}, {7}, {3, 3}});
  EXPECT_FALSE(thread.submit(waited.job));
  const Json answer = *parseJson(waited.wait().body);
  const std::vector<std::vector<float>> want = {{3, 4, 3, 1}, {3, 4, 15, 3}, {3, 4, 7, 1}, {3, 4, 6, 2}};
  for (size_t i = 0; i < want.size(); ++i)
    EXPECT_EQ(answer["data"][i]["embedding"].get<std::vector<float>>(), want[i]) << i;
  EXPECT_EQ(answer["usage"]["prompt_tokens"], 7);
  EXPECT_EQ(count(metrics, EmbeddingOutcome::kAnswered), 1u);
  EXPECT_EQ(metrics.embeddingTexts, 4u);
  EXPECT_EQ(metrics.embeddingTokens, 7u);
  EXPECT_EQ(metrics.embeddingsOpen, 0);
  EXPECT_NE(exposition(metrics).find("\njinx_embedding_requests_total{outcome=\"answered\"} 1\n"), std::string::npos);
}

TEST(EmbeddingThread, LetsShortRequestsInBetween) {
  Gate gate;
  const ServedEncoder encoder = toyEncoder(gate.embedder());
  Metrics metrics;
  EmbeddingThread thread({.tokensOfTurn = 2}, encoder, metrics);
  Waited whole(Texts{{3}, {3}, {3}, {3}, {3}, {3}}), single(Texts{{4}}), other(Texts{{5}}, 1);
  thread.submit(whole.job);
  gate.waitForRun(1); // its first turn runs
  thread.submit(single.job);
  thread.submit(other.job);
  gate.allow(5);
  whole.wait(), single.wait(), other.wait();
  const auto runs = gate.runs();
  ASSERT_EQ(runs.size(), 5u); // 3 of the long request, and one of each other
  const auto isOf = [&](size_t run, text::TokenId token) { return runs[run][0][0] == token; };
  EXPECT_TRUE(isOf(0, 3) && isOf(1, 4) != isOf(2, 4) && isOf(1, 5) != isOf(2, 5) && isOf(3, 3) && isOf(4, 3)) << "both come in after its first turn";
}

TEST(EmbeddingThread, SharesByWeight) {
  Gate gate;
  const ServedEncoder encoder = toyEncoder(gate.embedder());
  Metrics metrics;
  EmbeddingThread thread({.tokensOfTurn = 1, .weights = {{1, 3.0}, {2, 1.0}}}, encoder, metrics);
  const Texts many(8, {3}), others(8, {4});
  Waited first(Texts{{5}}, 3), heavy(many, 1), light(others, 2);
  thread.submit(first.job);
  gate.waitForRun(1);
  thread.submit(heavy.job);
  thread.submit(light.job);
  gate.allow(17);
  first.wait(), heavy.wait(), light.wait();
  const auto runs = gate.runs();
  int ofHeavy = 0;
  for (size_t i = 1; i <= 8; ++i)
    ofHeavy += runs[i][0][0] == 3;
  EXPECT_EQ(ofHeavy, 6) << "of the first eight turns three of four are the heavier tenant's";
}

TEST(EmbeddingThread, RefusesWhatIsTooMuch) {
  Gate gate;
  const ServedEncoder encoder = toyEncoder(gate.embedder());
  Metrics metrics;
  EmbeddingThread thread({.maxWaiting = 3, .maxWaitingOfTenant = 2, .maxWaitingNumbers = 18}, encoder, metrics);
  Waited first(Texts{{3}}, 1), second(Texts{{3}}, 1), third(Texts{{3}}, 1), large(Texts{{3}, {3}}, 2), fourth(Texts{{3}}, 2), fifth(Texts{{3}}, 3);
  EXPECT_FALSE(thread.submit(first.job));
  EXPECT_FALSE(thread.submit(second.job));
  const auto refusal = [&](Waited& waited) { return thread.submit(waited.job).value_or(ApiError{.status = 0}); };
  EXPECT_EQ(refusal(third).message, "2 requests of this key wait already");
  EXPECT_EQ(refusal(large).message, "10 numbers wait already"); // with 10 of its own that is 20
  EXPECT_FALSE(thread.submit(fourth.job));
  const ApiError full = refusal(fifth);
  EXPECT_EQ(full.status, 429);
  EXPECT_EQ(full.message, "3 requests wait already");
  EXPECT_GT(full.retryAfter_s, 0);
  EXPECT_EQ(count(metrics, EmbeddingOutcome::kRefused), 3u);
  gate.allow(3);
  first.wait(), second.wait(), fourth.wait();
  EXPECT_EQ(third.notified + large.notified + fifth.notified, 0);
}

TEST(EmbeddingThread, EndsWhatNobodyWaitsFor) {
  Gate gate;
  const ServedEncoder encoder = toyEncoder(gate.embedder());
  Metrics metrics;
  EmbeddingThread thread({.tokensOfTurn = 1}, encoder, metrics);
  Waited gone(Texts{{3}, {3}, {3}}), behind(Texts{{4}}), stays(Texts{{5}});
  thread.submit(gone.job);
  gate.waitForRun(1);
  thread.submit(behind.job);
  thread.submit(stays.job);
  thread.cancel(*gone.job, EmbeddingOutcome::kDisconnected);
  thread.cancel(*behind.job, EmbeddingOutcome::kDisconnected);
  gate.allow(2);
  EXPECT_EQ(stays.wait().status, 200);
  gone.wait(), behind.wait();
  EXPECT_EQ(gate.runs().size(), 2u);
  EXPECT_EQ(count(metrics, EmbeddingOutcome::kDisconnected), 2u);
}

TEST(EmbeddingThread, TellsThoseThatWaitWhenItEnds) {
  Gate gate;
  const ServedEncoder encoder = toyEncoder(gate.embedder());
  Metrics metrics;
  Waited runs(Texts{{3}, {3}}), waits(Texts{{4}});
  EmbeddingThread thread({.tokensOfTurn = 1}, encoder, metrics);
  thread.submit(runs.job);
  gate.waitForRun(1);
  thread.submit(waits.job);
  thread.cancelAll();
  gate.allow(1); // the turn that runs ends; there is no other
  EXPECT_EQ(waits.wait().status, 503);
  EXPECT_EQ(runs.wait().status, 503);
  thread.end();
  EXPECT_EQ(gate.runs().size(), 1u);
  EXPECT_EQ(count(metrics, EmbeddingOutcome::kCancelled), 2u);
}

TEST(EmbeddingThread, AnswersAnEncoderThatFails) {
  int calls = 0;
  const ServedEncoder encoder = toyEncoder([&](std::span<const std::vector<text::TokenId>> texts) -> Expected<std::vector<std::vector<float>>> {
    if (++calls == 1) return internalError("no kernel");
    return embedAll(texts);
  });
  Metrics metrics;
  EmbeddingThread thread({}, encoder, metrics);
  Waited fails(Texts{{3}}), next(Texts{{4}});
  thread.submit(fails.job);
  EXPECT_EQ(fails.wait().status, 500);
  thread.submit(next.job);
  EXPECT_EQ(next.wait().status, 200);
  EXPECT_EQ(count(metrics, EmbeddingOutcome::kError), 1u);
}

} // namespace
} // namespace jinx::serve
