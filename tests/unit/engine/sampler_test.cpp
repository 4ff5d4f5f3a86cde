// Tokens and distributions, against a plain float64 distribution and by hand.
#include "runtime/engine/Sampler.h"

#include <cmath>
#include <random>

#include "gtest/gtest.h"
#include "tests/unit/engine/Reference.h"

namespace jinx::engine {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

int32_t greedy(const std::vector<float>& logits, SamplingOptions options = {}, std::vector<int32_t> prompt = {}, std::vector<int32_t> output = {}) {
  options.temperature = 0;
  const auto token = Sampler(static_cast<int32_t>(logits.size())).sample({logits, prompt, output}, options, 0);
  EXPECT_TRUE(token) << token.status().message();
  return token ? *token : -1;
}

/// [vocabulary] of what the sampler leaves.
std::vector<double> dense(const SampleInput& input, const SamplingOptions& options) {
  Sampler sampler(static_cast<int32_t>(input.logits.size()));
  std::vector<double> probabilities(input.logits.size(), 0);
  const auto candidates = sampler.distribution(input, options);
  EXPECT_TRUE(candidates) << candidates.status().message();
  if (candidates)
    for (const Candidate& candidate : *candidates)
      probabilities[candidate.token] = candidate.probability;
  return probabilities;
}

TEST(Sampler, GreedyTakesTheFirstOfTheLargest) {
  EXPECT_EQ(greedy({1, 3, 2, 3}), 1);
  EXPECT_EQ(greedy({-kInfinity, -4}), 1);
}

TEST(Sampler, BiasAndPenaltiesChangeGreedy) {
  SamplingOptions options;
  options.logitBias = {{2, 5}};
  EXPECT_EQ(greedy({1, 3, 2}, options), 2);
  options.logitBias = {{1, -kInfinity}};
  EXPECT_EQ(greedy({1, 3, 2}, options), 2);
  options = {};
  options.repetitionPenalty = 2; // 3 becomes 1.5, -1 would become -2; the prompt counts
  EXPECT_EQ(greedy({1, 3, 2}, options, {1}), 2);
  EXPECT_EQ(greedy({-1, -1.5}, options, {0}), 1);
  options = {};
  options.presencePenalty = 1.5; // of the output only
  EXPECT_EQ(greedy({1, 3, 2}, options, {1}), 1);
  EXPECT_EQ(greedy({1, 3, 2}, options, {}, {1}), 2);
  options = {};
  options.frequencyPenalty = 0.4f;
  EXPECT_EQ(greedy({1, 3, 2}, options, {}, {1, 1}), 1);
  EXPECT_EQ(greedy({1, 3, 2}, options, {}, {1, 1, 1}), 2);
}

TEST(Sampler, MaskForbids) {
  const std::vector<float> logits{1, 9, 2};
  const std::vector<uint64_t> mask{0b101}, none{0}, tooLong{1, 1};
  SamplingOptions options;
  options.temperature = 0;
  Sampler sampler(3);
  EXPECT_EQ(*sampler.sample({logits, {}, {}, mask}, options, 0), 2);
  EXPECT_EQ(sampler.sample({logits, {}, {}, none}, options, 0).status().message(), "no token is left to choose from");
  EXPECT_EQ(sampler.sample({logits, {}, {}, tooLong}, options, 0).status().message(), "the mask has 2 words, expected 1");
}

TEST(Sampler, WhatIsNoNumberIsRefused) {
  Sampler sampler(3);
  for (float bad : {std::nanf(""), kInfinity}) {
    const std::vector<float> logits{1, 2, bad};
    for (float temperature : {0.f, 1.f}) {
      SamplingOptions options;
      options.temperature = temperature;
      const auto token = sampler.sample({logits, {}, {}}, options, 0);
      ASSERT_FALSE(token);
      EXPECT_EQ(token.status().code(), Code::kInvalidArgument);
      EXPECT_TRUE(token.status().message().starts_with("the model's logit of token 2 is ")) << token.status().message();
    }
  }
  const std::vector<float> nothing{-kInfinity, -kInfinity, -kInfinity};
  EXPECT_FALSE(sampler.sample({nothing, {}, {}}, {}, 0));
}

TEST(Sampler, TopKTopPAndMinPByHand) {
  std::vector<float> logits;
  for (double p : {0.1, 0.4, 0.2, 0.3})
    logits.push_back(static_cast<float>(std::log(p)));
  const auto expectNear = [](const std::vector<double>& got, const std::vector<double>& expected) {
    for (size_t i = 0; i < got.size(); ++i)
      EXPECT_NEAR(got[i], expected[i], 1e-6) << i;
  };
  SamplingOptions options;
  expectNear(dense({logits, {}, {}}, options), {0.1, 0.4, 0.2, 0.3});
  options.topK = 2;
  expectNear(dense({logits, {}, {}}, options), {0, 4 / 7., 0, 3 / 7.});
  options = {};
  options.topP = 0.75f;
  expectNear(dense({logits, {}, {}}, options), {0, 4 / 9., 2 / 9., 3 / 9.});
  options = {};
  options.minP = 0.45f;
  expectNear(dense({logits, {}, {}}, options), {0, 4 / 9., 2 / 9., 3 / 9.});
  options.temperature = 0.5f;
  expectNear(dense({logits, {}, {}}, options), {0, 16 / 25., 0, 9 / 25.});
}

TEST(Sampler, TiesAtTheEdgeGoToTheSmallerIds) {
  const std::vector<float> logits{0, 1, 0, 0, 1};
  SamplingOptions options;
  options.topK = 3;
  const std::vector<double> got = dense({logits, {}, {}}, options);
  EXPECT_GT(got[0], 0);
  EXPECT_EQ(got[2], 0);
  EXPECT_EQ(got[3], 0);
}

TEST(Sampler, RandomMixesEqualThePlainDistribution) {
  std::mt19937 random(5);
  const auto uniform = [&](float low, float high) { return std::uniform_real_distribution<float>(low, high)(random); };
  const auto below = [&](int count) { return static_cast<int32_t>(random() % static_cast<unsigned>(count)); };
  for (int round = 0; round < 3000; ++round) {
    const int32_t vocabulary = 1 + below(round % 10 == 0 ? 700 : 60);
    std::vector<float> logits;
    for (int32_t i = 0; i < vocabulary; ++i)
      logits.push_back(below(8) == 0 && i > 0 ? -kInfinity : uniform(-5, 5));
    SamplingOptions options;
    options.temperature = below(6) == 0 ? 0 : uniform(0.2f, 2);
    if (below(2)) options.topK = 1 + below(vocabulary);
    if (below(2)) options.topP = uniform(0.05f, 1);
    if (below(2)) options.minP = uniform(0, 0.5f);
    if (below(2)) options.repetitionPenalty = uniform(0.7f, 1.6f);
    if (below(2)) options.presencePenalty = uniform(-2, 2);
    if (below(2)) options.frequencyPenalty = uniform(-1, 1);
    for (int i = below(3); i > 0; --i)
      options.logitBias.push_back({below(vocabulary), uniform(-3, 3)});
    std::vector<int32_t> prompt, output;
    for (int i = below(20); i > 0; --i)
      prompt.push_back(below(vocabulary));
    for (int i = below(20); i > 0; --i)
      output.push_back(below(vocabulary));
    std::vector<bool> allowed;
    std::vector<uint64_t> mask;
    if (below(3) == 0) {
      mask.assign((vocabulary + 63) / 64, 0);
      for (int32_t i = 0; i < vocabulary; ++i) {
        allowed.push_back(i == 0 || below(2));
        mask[i / 64] |= uint64_t{allowed.back()} << (i % 64);
      }
    }
    const std::vector<double> expected = exactDistribution(logits, options, prompt, output, allowed);
    const std::vector<double> got = dense({logits, prompt, output, mask}, options);
    for (int32_t i = 0; i < vocabulary; ++i) // logits are adjusted in f32
      ASSERT_NEAR(got[i], expected[i], 2e-5) << "round " << round << ", token " << i;
  }
}

/// How often each token is drawn, where rows are longer than a block of them.
TEST(Sampler, LongRowsAreDrawnByTheirDistribution) {
  constexpr int32_t kVocabulary = 2600;
  std::vector<float> logits(kVocabulary, -kInfinity);
  for (const auto& [token, p] : std::initializer_list<std::pair<int32_t, double>>{{0, 0.1}, {1023, 0.2}, {1024, 0.3}, {2047, 0.15}, {2599, 0.25}})
    logits[token] = static_cast<float>(std::log(p));
  Sampler sampler(kVocabulary);
  const std::vector<double> expected = exactDistribution(logits, {}, {}, {});
  for (int mix = 0; mix < 3; ++mix) {
    SamplingOptions options;
    options.seed = 17;
    if (mix == 1) options.topK = 5;
    if (mix == 2) options.topP = 0.9999f;
    std::vector<int> counts(kVocabulary, 0);
    constexpr int kDraws = 20000;
    for (int i = 0; i < kDraws; ++i)
      ++counts[*sampler.sample({logits, {}, {}}, options, i)];
    for (int32_t token = 0; token < kVocabulary; ++token)
      EXPECT_NEAR(counts[token], expected[token] * kDraws, 5 * std::sqrt(expected[token] * kDraws)) << token;
  }
  logits[2300] = 5;
  EXPECT_EQ(greedy(logits), 2300);
}

TEST(Sampler, LongRowsWithTiesEqualThePlainDistribution) {
  std::mt19937 random(17);
  const auto below = [&](int32_t count) { return static_cast<int32_t>(random() % static_cast<uint32_t>(count)); };
  for (int round = 0; round < 60; ++round) {
    const int32_t vocabulary = 256 * (1 + below(14)) + (below(3) == 0 ? 0 : below(256));
    std::vector<float> logits;
    for (int32_t i = 0; i < vocabulary; ++i) // few values, many of them equal, and few of the largest
      logits.push_back(below(40) == 0 ? 3.0f + static_cast<float>(below(3)) : below(6) == 0 ? -kInfinity : static_cast<float>(below(4)) - 9);
    SamplingOptions options;
    options.temperature = round % 3 == 0 ? 0.5f : 1.0f;
    if (round % 4 != 0) options.topK = 1 + below(30);
    if (round % 2 != 0) options.topP = 0.05f * static_cast<float>(1 + below(19));
    if (round % 5 == 0) options.minP = 0.01f;
    const std::vector<double> expected = exactDistribution(logits, options, {}, {});
    const std::vector<double> found = dense({logits, {}, {}}, options);
    for (int32_t i = 0; i < vocabulary; ++i)
      ASSERT_NEAR(found[i], expected[i], 2e-5) << "round " << round << ", token " << i << " of " << vocabulary;
    logits[below(vocabulary)] = round % 2 == 0 ? NAN : kInfinity;
    EXPECT_FALSE(checkLogits(logits).isOk());
    EXPECT_FALSE(Sampler(vocabulary).sample({logits, {}, {}}, options, 0));
  }
}

TEST(Sampler, LogprobsAreOfTheModel) {
  const std::vector<float> logits{0.5f, 2, -1, 2};
  double total = 0;
  for (float logit : logits)
    total += std::exp(static_cast<double>(logit));
  std::vector<TokenLogprob> got;
  Sampler(4).appendLogprobs(logits, 2, 3, got);
  ASSERT_EQ(got.size(), 4u);
  const std::vector<int32_t> expected{2, 1, 3, 0};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(got[i].token, expected[i]);
    EXPECT_NEAR(got[i].logprob, logits[expected[i]] - std::log(total), 1e-6);
  }
}

TEST(Sampler, DrawsByTheCumulativeDistribution) {
  const std::vector<Candidate> candidates{{4, 0.25}, {7, 0.5}, {1, 0.25}};
  EXPECT_EQ(drawAt(candidates, 0), 4);
  EXPECT_EQ(drawAt(candidates, 0.2499), 4);
  EXPECT_EQ(drawAt(candidates, 0.25), 7);
  EXPECT_EQ(drawAt(candidates, 0.7499), 7);
  EXPECT_EQ(drawAt(candidates, 1 - 0x1p-53), 1);
}

TEST(Sampler, OptionsAreChecked) {
  const auto refused = [](void (*change)(SamplingOptions&)) {
    SamplingOptions options;
    change(options);
    return validate(options, 10).message();
  };
  EXPECT_EQ(refused([](SamplingOptions&) {}), "");
  EXPECT_EQ(refused([](SamplingOptions& o) { o.temperature = -1; }), "temperature is -1.000000, expected 0 to 1000");
  EXPECT_EQ(refused([](SamplingOptions& o) { o.temperature = std::nanf(""); }), "temperature is nan, expected 0 to 1000");
  EXPECT_EQ(refused([](SamplingOptions& o) { o.topK = -3; }), "top_k is -3.000000, expected 0 or more");
  EXPECT_EQ(refused([](SamplingOptions& o) { o.topP = 0; }), "top_p is 0.000000, expected more than 0 and at most 1");
  EXPECT_EQ(refused([](SamplingOptions& o) { o.minP = 1.5f; }), "min_p is 1.500000, expected 0 to 1");
  EXPECT_EQ(refused([](SamplingOptions& o) { o.repetitionPenalty = 0; }), "repetition_penalty is 0.000000, expected more than 0 and at most 1000");
  EXPECT_EQ(refused([](SamplingOptions& o) { o.presencePenalty = 3; }), "presence_penalty is 3.000000, expected -2 to 2");
  EXPECT_EQ(refused([](SamplingOptions& o) { o.frequencyPenalty = -3; }), "frequency_penalty is -3.000000, expected -2 to 2");
  EXPECT_EQ(refused([](SamplingOptions& o) { o.logprobs = 11; }), "logprobs is 11.000000, expected -1 to the vocabulary's size");
  EXPECT_EQ(refused([](SamplingOptions& o) { o.logitBias = {{10, 1}}; }), "a token of logit_bias is 10.000000, expected an id of the vocabulary");
  EXPECT_EQ(refused([](SamplingOptions& o) { o.logitBias = {{1, kInfinity}}; }), "a bias of logit_bias is inf, expected -1000 to 1000, or -infinity");
}

} // namespace
} // namespace jinx::engine
