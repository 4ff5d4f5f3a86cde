// Are so many drawn texts of an exact distribution? Chi-square, and what the toy model's texts should be.
#pragma once

#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "tests/unit/engine/Harness.h"
#include "tests/unit/engine/Reference.h"

namespace jinx::engine {

/// How far the counts are from the expected distribution, as a standard normal number (Wilson and Hilferty); small bins are put together.
///
/// \param expected  of each outcome, sums to one. An outcome that cannot be and was counted gives infinity
inline double deviation(const std::map<std::vector<int32_t>, double>& expected, const std::map<std::vector<int32_t>, int64_t>& counts, int64_t total) {
  double chi = 0, smallExpected = 0;
  int64_t smallCount = 0;
  int bins = 0;
  const auto add = [&](double mean, int64_t count) {
    chi += (static_cast<double>(count) - mean) * (static_cast<double>(count) - mean) / mean;
    ++bins;
  };
  for (const auto& [outcome, count] : counts)
    if (const auto found = expected.find(outcome); found == expected.end() || found->second == 0) return INFINITY;
  for (const auto& [outcome, probability] : expected) {
    const double mean = probability * static_cast<double>(total);
    const auto found = counts.find(outcome);
    const int64_t count = found == counts.end() ? 0 : found->second;
    if (mean >= 8) {
      add(mean, count);
    } else {
      smallExpected += mean;
      smallCount += count;
    }
  }
  if (smallExpected >= 1) add(smallExpected, smallCount);
  const double freedom = std::max(bins - 1, 1), part = 2 / (9 * freedom);
  return (std::cbrt(chi / freedom) - (1 - part)) / std::sqrt(part);
}

/// Ways to sample, by name.
inline std::vector<std::pair<const char*, SamplingOptions>> mixes() {
  const auto mix = [](auto change) {
    SamplingOptions options;
    change(options);
    return options;
  };
  return {{"plain", {}},
          {"cold", mix([](SamplingOptions& o) { o.temperature = 0.5f; })},
          {"hot", mix([](SamplingOptions& o) { o.temperature = 1.7f; })},
          {"top_k", mix([](SamplingOptions& o) { o.topK = 4; })},
          {"top_p", mix([](SamplingOptions& o) { o.topP = 0.8f; })},
          {"min_p", mix([](SamplingOptions& o) { o.minP = 0.1f; })},
          {"penalties", mix([](SamplingOptions& o) {
             o.repetitionPenalty = 1.3f;
             o.presencePenalty = 0.6f;
             o.frequencyPenalty = 0.3f;
           })},
          {"all", mix([](SamplingOptions& o) {
             o.temperature = 0.9f;
             o.topK = 9;
             o.topP = 0.9f;
             o.minP = 0.02f;
             o.repetitionPenalty = 1.1f;
             o.presencePenalty = 0.2f;
             o.logitBias = {{2, 1.5f}, {5, -2}};
           })}};
}

/// The exact distribution of the first `length` tokens behind a prompt.
inline void exactTexts(const RequestOptions& request, int32_t length, std::vector<int32_t>& output, double probability,
                std::map<std::vector<int32_t>, double>& texts) {
  if (static_cast<int32_t>(output.size()) == length) {
    texts[output] += probability;
    return;
  }
  ToySight sight;
  std::vector<int32_t> tokens = request.prompt;
  tokens.insert(tokens.end(), output.begin(), output.end());
  for (size_t position = 0; position < tokens.size(); ++position)
    sight.see(toyKey(sight, tokens[position], static_cast<int32_t>(position), Harness::kVocabulary));
  std::vector<float> logits(Harness::kVocabulary);
  toyLogits(sight, logits);
  const std::vector<double> next = exactDistribution(logits, request.sampling, request.prompt, output);
  for (int32_t token = 0; token < Harness::kVocabulary; ++token) {
    if (next[token] == 0) continue;
    output.push_back(token);
    exactTexts(request, length, output, probability * next[token], texts);
    output.pop_back();
  }
}

/// Ends with a token that was followed by each token once, and behind it by what the toy model favors.
inline std::vector<int32_t> repeatingText() {
  const auto favorite = [](int32_t token) { return static_cast<int32_t>(toyMix(static_cast<uint64_t>(token)) % (Harness::kVocabulary - 1)); };
  std::vector<int32_t> text;
  for (int32_t token = 0; token < Harness::kVocabulary - 1; ++token)
    text.insert(text.end(), {6, token, favorite(token), favorite(favorite(token)), favorite(favorite(favorite(token)))});
  text.push_back(6);
  return text;
}

/// The distribution of the tokens `at` and `at` + 1.
template <typename Number>
std::map<std::vector<int32_t>, Number> pairs(const std::map<std::vector<int32_t>, Number>& texts, size_t at) {
  std::map<std::vector<int32_t>, Number> sums;
  for (const auto& [text, number] : texts)
    sums[{text[at], text[at + 1]}] += number;
  return sums;
}

/// Submits the request with 6,000 seeds. Are its texts, of `maxTokens` tokens, of the exact distribution, some of the drafts accepted, and some not?
inline void expectExactTexts(const char* name, Harness& harness, RequestOptions request) {
  constexpr int64_t kRequests = 6000;
  std::map<std::vector<int32_t>, double> expected;
  std::vector<int32_t> output;
  exactTexts(request, request.maxTokens, output, 1, expected);
  for (int64_t i = 0; i < kRequests; i += 1000) {
    for (int64_t j = 0; j < 1000; ++j) {
      request.sampling.seed = static_cast<uint64_t>(i + j) * 7919 + 13;
      harness.submit(request);
    }
    harness.run();
  }
  std::map<std::vector<int32_t>, int64_t> counts;
  for (const auto& [id, answer] : harness.answers)
    ++counts[answer.tokens];
  const EngineCounts& engine = harness.engine->counts();
  std::printf("  %-10s %5llu of %5llu drafts stood, deviations", name, static_cast<unsigned long long>(engine.acceptedDrafts), static_cast<unsigned long long>(engine.drafts));
  for (size_t at = 0; at + 1 < static_cast<size_t>(request.maxTokens); ++at) {
    const double found = deviation(pairs(expected, at), pairs(counts, at), kRequests);
    std::printf(" %.2f", found);
    EXPECT_LT(found, 4) << name << ", tokens " << at << " and " << at + 1;
  }
  std::printf("\n");
  EXPECT_GT(engine.acceptedDrafts, 1000u) << name;
  EXPECT_LT(engine.acceptedDrafts + 1000, engine.drafts) << name;
}

} // namespace jinx::engine
