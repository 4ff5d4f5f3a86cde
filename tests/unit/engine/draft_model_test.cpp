// A draft model changes how soon tokens come, and neither their distribution nor, for the most probable ones, the tokens.
#include "runtime/engine/ModelDrafter.h"

#include "runtime/engine/Philox.h"
#include "tests/unit/engine/Distributions.h"

namespace jinx::engine {
namespace {

/// An engine over the toy model, with the toy draft model.
struct Drafted {
  explicit Drafted(EngineOptions options = smallEngine(), int32_t pages = 64) : draft(Harness::kVocabulary, pages), harness(with(std::move(options)), pages) {}
  EngineOptions with(EngineOptions options) {
    options.draftModel = &draft;
    return options;
  }

  ToyDraftModel draft;
  Harness harness;
};

RequestOptions draftedRequest(std::vector<int32_t> prompt, int32_t maxTokens, int32_t drafts) {
  RequestOptions request = greedyRequest(std::move(prompt), maxTokens);
  request.maxDrafts = drafts;
  return request;
}

TEST(DraftModel, TextsHaveTheExactDistribution) {
  for (auto& [name, sampling] : mixes()) {
    Drafted drafted;
    RequestOptions request = draftedRequest(toyText(5, 21), 4, 3);
    request.sampling = sampling;
    expectExactTexts(name, drafted.harness, request);
  }
}

// ---- the rule alone, and rules that are wrong --------------------------------------------------------------------------------------

enum class Rule { kRight, kAlwaysStands, kResidualIsTarget, kOneNumber, kOtherDraws };

/// A token by a rule, of distributions over the first ids.
int32_t chooseBy(Rule rule, ProposalJudge& judge, const std::vector<Candidate>& p, const std::vector<Candidate>& q, uint64_t seed, int64_t position) {
  const auto at = static_cast<uint64_t>(position);
  const double acceptance = uniformAt(seed, at, Purpose::kAcceptance);
  // What is proposed is drawn from another distribution than it says: the draws of a lower temperature, as it were.
  const double draw = rule == Rule::kOtherDraws ? uniformAt(seed, at, Purpose::kDraft) * 0.8 : uniformAt(seed, at, Purpose::kDraft);
  const Proposal proposal{drawAt(q, rule == Rule::kOneNumber ? acceptance : draw), q};
  if (rule == Rule::kAlwaysStands) return proposal.token;
  const int32_t token = judge.choose(p, proposal, seed, position);
  const bool isRefused = token != proposal.token;
  return rule == Rule::kResidualIsTarget && isRefused ? drawAt(p, uniformAt(seed, at, Purpose::kResidual)) : token;
}

TEST(DraftModel, TheTestSeesWrongRules) {
  const std::vector<Candidate> p{{4, 0.4}, {0, 0.25}, {3, 0.2}, {1, 0.15}}, q{{2, 0.3}, {3, 0.3}, {4, 0.2}, {0, 0.2}};
  std::map<std::vector<int32_t>, double> expected;
  for (const Candidate& candidate : p)
    expected[{candidate.token}] = candidate.probability;
  ProposalJudge judge(5);
  for (const Rule rule : {Rule::kRight, Rule::kAlwaysStands, Rule::kResidualIsTarget, Rule::kOneNumber, Rule::kOtherDraws}) {
    constexpr int64_t kDraws = 20000;
    std::map<std::vector<int32_t>, int64_t> counts;
    for (int64_t i = 0; i < kDraws; ++i)
      ++counts[{chooseBy(rule, judge, p, q, 11, i)}];
    const double found = deviation(expected, counts, kDraws);
    std::printf("  rule %d deviates by %.2f\n", static_cast<int>(rule), found);
    if (rule == Rule::kRight) EXPECT_LT(found, 4);
    else EXPECT_GT(found, 6) << static_cast<int>(rule);
  }
}

TEST(DraftModel, AGuessThatTheTargetNeverGivesIsReplaced) {
  ProposalJudge judge(6);
  for (int64_t position = 0; position < 100; ++position)
    EXPECT_EQ(judge.choose(std::vector<Candidate>{{2, 1}}, {5, {{5, 1}}}, 3, position), 2);
  // And a guess that is as probable as it says stands always.
  for (int64_t position = 0; position < 100; ++position)
    EXPECT_EQ(judge.choose(std::vector<Candidate>{{2, 0.5}, {4, 0.5}}, {4, {{4, 0.5}, {2, 0.5}}}, 3, position), 4);
}

// ---- in the engine -----------------------------------------------------------------------------------------------------------------

TEST(DraftModel, GreedyTokensAreThoseWithoutDrafts) {
  for (const bool overlaps : {false, true})
    for (const bool picksTokens : {false, true}) {
      EngineOptions options = smallEngine();
      options.overlaps = overlaps;
      Drafted drafted(options);
      drafted.draft.pickTokens({.picks = picksTokens});
      drafted.harness.model.pickTokens({.picks = picksTokens});
      for (uint64_t i = 0; i < 8; ++i)
        drafted.harness.submit(draftedRequest(toyText(i, 30), 60, static_cast<int32_t>(i % 5)));
      drafted.harness.run();
      for (uint64_t i = 0; i < 8; ++i)
        EXPECT_EQ(drafted.harness.answers[i + 1].tokens, generateAlone(greedyRequest(toyText(i, 30), 60), Harness::kVocabulary, 256).output) << i;
      EXPECT_GT(drafted.harness.engine->counts().acceptedDrafts, 60u);
    }
}

TEST(DraftModel, SampledTokensDoNotDependOnHowManyDraftsThereAre) {
  std::vector<std::vector<int32_t>> texts;
  for (const int32_t drafts : {1, 2, 4, 7})
    for (const int32_t budget : {8, 64}) {
      EngineOptions options = smallEngine();
      options.scheduler.tokenBudget = budget;
      Drafted drafted(options);
      for (uint64_t i = 0; i < 8; ++i) { // beside others, whose drafts take what is left of the step
        RequestOptions request = draftedRequest(toyText(20, 10), 40, drafts);
        request.sampling = {.temperature = 1, .seed = i};
        drafted.harness.submit(request);
      }
      drafted.harness.run();
      texts.push_back(drafted.harness.answers[3].tokens);
      EXPECT_EQ(texts.back(), texts.front()) << drafts << " drafts, a budget of " << budget;
    }
  EXPECT_EQ(texts.front().size(), 40u);
}

/// Fails at some of its passes.
class FailingDraft : public ToyDraftModel {
 public:
  using ToyDraftModel::ToyDraftModel;
  Status run(const StepInput& input, StepRows rows) override {
    return ++passes == failAt ? resourceError("the device is lost") : ToyDraftModel::run(input, rows);
  }
  int passes = 0, failAt = 0;
};

TEST(DraftModel, AFailureOfItEndsNoRequest) {
  const RequestOptions request = draftedRequest(toyText(2, 40), 40, 3);
  const std::vector<int32_t> text = generateAlone(request, Harness::kVocabulary, 256).output;
  for (int failAt = 1; failAt <= 12; ++failAt) {
    FailingDraft draft(Harness::kVocabulary, 64);
    draft.failAt = failAt;
    EngineOptions options = smallEngine();
    options.draftModel = &draft;
    Harness harness(options);
    for (int again = 0; again < 2; ++again) { // the second one may find pages of the first
      harness.submit(request);
      harness.run();
    }
    EXPECT_EQ(harness.answers[1].tokens, text) << failAt;
    EXPECT_EQ(harness.answers[2].tokens, text) << failAt;
    EXPECT_EQ(harness.answers[1].finish, FinishReason::kLength);
    EXPECT_GE(draft.passes, failAt);
  }
}

TEST(DraftModel, AFoundPrefixIsFoundInBothModels) {
  Drafted drafted;
  RequestOptions request = draftedRequest(toyText(3, 64), 30, 3);
  request.sampling = {.temperature = 0.9f, .seed = 4};
  drafted.harness.submit(request);
  drafted.harness.run();
  drafted.harness.submit(request);
  drafted.harness.run();
  EXPECT_GE(drafted.harness.engine->scheduler().cachedTokens(), 48u);
  EXPECT_EQ(drafted.harness.answers[1].tokens, drafted.harness.answers[2].tokens);
}

TEST(DraftModel, OfAnotherVocabularyIsRefused) {
  ToyModel model(16, 8);
  QueuedSteps steps(model);
  const auto messageFor = [&](int32_t vocabulary, int32_t pages) {
    ToyDraftModel draft(vocabulary, pages);
    EngineOptions options = smallEngine();
    options.draftModel = &draft;
    const auto engine = Engine::create(options, steps);
    return engine ? std::string("it was taken") : engine.status().message();
  };
  EXPECT_NE(messageFor(17, 8).find("the draft model has a vocabulary of 17, expected the model's, 16"), std::string::npos);
  EXPECT_NE(messageFor(16, 7).find("the draft model's number of pages is 7, expected at least 8"), std::string::npos);
  EXPECT_EQ(messageFor(16, 9), "it was taken");
}

} // namespace
} // namespace jinx::engine
