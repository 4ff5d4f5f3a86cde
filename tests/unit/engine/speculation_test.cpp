// Drafts change how soon tokens come and nothing else: by chi-square against exact distributions, which other code computes in float64.
#include "runtime/engine/Speculation.h"

#include <cmath>
#include <random>

#include "runtime/engine/Philox.h"
#include "tests/unit/engine/Distributions.h"

namespace jinx::engine {
namespace {

TEST(Speculation, TextsWithDraftsHaveTheExactDistribution) {
  for (auto& [name, sampling] : mixes()) {
    Harness harness;
    RequestOptions request = greedyRequest(repeatingText(), 4);
    request.sampling = sampling;
    request.maxDrafts = 4;
    expectExactTexts(name, harness, request);
  }
}

TEST(Speculation, TheTestSeesAWrongRule) {
  // Drafts that stand a little too often.
  const std::vector<double> p{0.5, 0.3, 0.2}, q{0.2, 0.2, 0.6};
  std::map<std::vector<int32_t>, double> expected{{{0}, 0.5}, {{1}, 0.3}, {{2}, 0.2}};
  std::map<std::vector<int32_t>, int64_t> right, wrong;
  for (uint64_t i = 0; i < 20000; ++i) {
    const double draw = uniformAt(1, i), u = uniformAt(1, i, Purpose::kAcceptance), v = uniformAt(1, i, Purpose::kResidual);
    const int32_t draft = draw < 0.2 ? 0 : draw < 0.4 ? 1 : 2;
    ++right[{acceptDraft(p, q, draft, u, v).token}];
    ++wrong[{acceptDraft(p, q, draft, u * 0.9, v).token}];
  }
  EXPECT_LT(deviation(expected, right, 20000), 4);
  EXPECT_GT(deviation(expected, wrong, 20000), 6);
}

TEST(Speculation, DraftsOfADistributionAreExactUnderEveryMix) {
  constexpr int64_t kDraws = 40000;
  std::mt19937 random(3);
  const auto targets = mixes();
  for (size_t i = 0; i < targets.size(); ++i) {
    const auto& [name, sampling] = targets[i];
    const SamplingOptions& draftSampling = targets[(i + 3) % targets.size()].second; // a draft model with other filters
    std::vector<float> target, draft;
    for (int token = 0; token < 12; ++token) {
      target.push_back(std::uniform_real_distribution<float>(-2, 2)(random));
      draft.push_back(target.back() + std::uniform_real_distribution<float>(-1, 1)(random));
    }
    const std::vector<int32_t> output{1, 1, 4};
    const std::vector<double> p = exactDistribution(target, sampling, {}, output), q = exactDistribution(draft, draftSampling, {}, output);
    std::map<std::vector<int32_t>, double> expected;
    for (int32_t token = 0; token < 12; ++token)
      expected[{token}] = p[token];
    std::map<std::vector<int32_t>, int64_t> counts;
    double overlap = 0;
    int64_t accepted = 0;
    for (int32_t token = 0; token < 12; ++token)
      overlap += std::min(p[token], q[token]);
    for (int64_t k = 0; k < kDraws; ++k) {
      const uint64_t position = static_cast<uint64_t>(k);
      double left = uniformAt(i, position);
      int32_t proposed = 0;
      while (proposed < 11 && (q[proposed] == 0 || left >= q[proposed]))
        left -= q[proposed++];
      const DraftVerdict verdict = acceptDraft(p, q, proposed, uniformAt(i, position, Purpose::kAcceptance), uniformAt(i, position, Purpose::kResidual));
      ++counts[{verdict.token}];
      accepted += verdict.isAccepted;
    }
    EXPECT_LT(deviation(expected, counts, kDraws), 4) << name;
    EXPECT_NEAR(static_cast<double>(accepted) / kDraws, overlap, 5 * std::sqrt(0.25 / kDraws)) << name;
  }
}

TEST(Speculation, AnEmptyResidualSamplesTheTarget) {
  const std::vector<double> p{0.25, 0.5 - 1e-12, 0.25}, q{0.25, 0.5, 0.25};
  const DraftVerdict verdict = acceptDraft(p, q, 1, 1 - 0x1p-53, 0.9);
  EXPECT_FALSE(verdict.isAccepted);
  EXPECT_EQ(verdict.token, 2);
  EXPECT_TRUE(acceptDraft(p, p, 1, 1 - 0x1p-53, 0.9).isAccepted);
  const std::vector<double> none{1, 0}, other{0.5, 0.5};
  EXPECT_FALSE(acceptDraft(none, other, 1, 0, 0.99).isAccepted);
  EXPECT_EQ(acceptDraft(none, other, 1, 0, 0.99).token, 0);
}

TEST(Speculation, ProposesWhatFollowedTheLongestMatch) {
  const PromptLookup lookup;
  std::vector<int32_t> drafts;
  const auto propose = [&](std::vector<int32_t> tokens, int32_t count) {
    drafts.clear();
    const int32_t made = lookup.propose(tokens, count, drafts);
    EXPECT_EQ(made, static_cast<int32_t>(drafts.size()));
    return drafts;
  };
  using Tokens = std::vector<int32_t>;
  EXPECT_EQ(propose({1, 2, 3, 4, 1, 2}, 3), (Tokens{3, 4, 1}));
  EXPECT_EQ(propose({1, 2, 3, 4, 1, 2}, 1), (Tokens{3}));
  EXPECT_EQ(propose({9, 1, 2, 7, 8, 1, 2, 5, 9, 1, 2}, 2), (Tokens{7, 8}));   // three match there
  EXPECT_EQ(propose({1, 2, 7, 0, 1, 2, 8, 0, 5, 1, 2}, 1), (Tokens{8}));      // two match twice: the later
  EXPECT_EQ(propose({1, 2, 3, 4, 5, 2}, 3), Tokens{});                        // one is not enough
  EXPECT_EQ(propose({6, 6, 6}, 4), (Tokens{6, 6, 6, 6}));                    // goes on with its own drafts
  EXPECT_EQ(propose({6}, 4), Tokens{});
  EXPECT_EQ(propose({}, 4), Tokens{});
  EXPECT_EQ((PromptLookup{2, 4, 4}.propose(Tokens{1, 2, 3, 4, 5, 1, 2}, 3, drafts)), 0); // out of the window
}

TEST(Speculation, DraftsThatDoNotPayPause) {
  DraftControl control;
  EXPECT_EQ(control.limit(4), 4);
  for (int i = 0; i < 8; ++i)
    control.record(4, 0);
  EXPECT_EQ(control.limit(4), 0);
  for (int i = 0; i < 64; ++i)
    control.record(0, 0);
  EXPECT_EQ(control.limit(4), 4);
  for (int i = 0; i < 100; ++i)
    control.record(4, 1); // one in four pays
  EXPECT_EQ(control.limit(4), 4);
}

} // namespace
} // namespace jinx::engine
