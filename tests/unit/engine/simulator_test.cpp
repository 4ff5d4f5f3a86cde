// Random schedules keep the twelve invariants, and every kind of planted fault is told.
//
// A failure prints its seed; JINX_SIMULATION_SEED=N replays that one. JINX_SIMULATIONS=N runs so many (2,000 where nothing is said).
#include <cstdlib>

#include "gtest/gtest.h"
#include "tests/unit/engine/Simulator.h"

namespace jinx::engine {
namespace {

uint64_t fromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

std::string told(uint64_t seed, const SimulationResult& result) {
  std::string text = "JINX_SIMULATION_SEED=" + std::to_string(seed) + " replays this, of " + std::to_string(result.steps) + " steps:";
  for (const std::string& problem : result.problems)
    text += "\n  " + problem;
  return text;
}

TEST(Simulator, RandomSchedulesKeepTheInvariants) {
  if (std::getenv("JINX_SIMULATION_SEED")) {
    const uint64_t seed = fromEnvironment("JINX_SIMULATION_SEED", 0);
    const SimulationResult result = simulate(seed);
    ASSERT_TRUE(result.problems.empty()) << told(seed, result);
    return;
  }
  SimulationResult sum;
  const uint64_t count = fromEnvironment("JINX_SIMULATIONS", 2000);
  for (uint64_t seed = 1; seed <= count; ++seed) {
    const SimulationResult result = simulate(seed);
    ASSERT_TRUE(result.problems.empty()) << told(seed, result);
    sum.steps += result.steps;
    sum.tokens += result.tokens;
    sum.preemptions += result.preemptions;
    sum.cachedTokens += result.cachedTokens;
    sum.acceptedDrafts += result.acceptedDrafts;
    sum.staleRows += result.staleRows;
    sum.failedSteps += result.failedSteps;
    sum.errors += result.errors;
    sum.cancels += result.cancels;
    sum.refusals += result.refusals;
    sum.copies += result.copies;
    sum.answers += result.answers;
    sum.draftFaults += result.draftFaults;
    sum.proposed += result.proposed;
    sum.undecidedRows += result.undecidedRows;
    sum.fetchedRows += result.fetchedRows;
    sum.mixedSteps += result.mixedSteps;
  }
  // Everything that is to be tested did happen.
  for (const auto& [name, times] : std::initializer_list<std::pair<const char*, uint64_t>>{{"steps", sum.steps},
                                                                                           {"tokens", sum.tokens},
                                                                                           {"preemptions", sum.preemptions},
                                                                                           {"cached tokens", sum.cachedTokens},
                                                                                           {"accepted drafts", sum.acceptedDrafts},
                                                                                           {"stale rows", sum.staleRows},
                                                                                           {"failed steps", sum.failedSteps},
                                                                                           {"requests that ended with an error", sum.errors},
                                                                                           {"cancels", sum.cancels},
                                                                                           {"refusals", sum.refusals},
                                                                                           {"copied pages", sum.copies},
                                                                                           {"answers", sum.answers},
                                                                                           {"faults of the draft model", sum.draftFaults},
                                                                                           {"tokens of proposals", sum.proposed},
                                                                                           {"undecided rows", sum.undecidedRows},
                                                                                           {"rows of logits that were fetched", sum.fetchedRows},
                                                                                           {"steps that pick and draw", sum.mixedSteps}}) {
    RecordProperty(name, std::to_string(times));
    std::printf("  %-35s %llu\n", name, static_cast<unsigned long long>(times));
    EXPECT_GE(times, count / 20) << name;
  }
}

TEST(Simulator, OverlappedStepsGiveTheTokensOfSynchronousOnes) {
  uint64_t both = 0;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    std::map<int, std::vector<int32_t>> synchronous, overlapped;
    const SimulationResult first = simulate(seed, {Plant::kNothing, 0, &synchronous}), second = simulate(seed, {Plant::kNothing, 1, &overlapped});
    ASSERT_TRUE(first.problems.empty()) << told(seed, first);
    ASSERT_TRUE(second.problems.empty()) << told(seed, second);
    for (const auto& [order, tokens] : synchronous)
      if (const auto other = overlapped.find(order); other != overlapped.end()) {
        EXPECT_EQ(tokens, other->second) << "seed " << seed << ", request " << order;
        ++both;
      }
  }
  EXPECT_GT(both, 1000u);
}

class PlantedFault : public testing::TestWithParam<std::pair<Plant, const char*>> {};

TEST_P(PlantedFault, IsTold) {
  int caught = 0;
  std::string example;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    const SimulationResult result = simulate(seed, {GetParam().first});
    if (result.problems.empty()) continue;
    ++caught;
    if (example.empty()) example = result.problems.front();
  }
  std::printf("  told in %d of 200 schedules: %s\n", caught, example.c_str());
  EXPECT_GE(caught, 10);
}

INSTANTIATE_TEST_SUITE_P(
    Simulator, PlantedFault,
    testing::Values(std::pair(Plant::kWrongRow, "wrong_row"), std::pair(Plant::kWrongPage, "wrong_page"), std::pair(Plant::kMissingWrite, "missing_write"),
                    std::pair(Plant::kLateWrite, "late_write"), std::pair(Plant::kWriteToFreedPage, "write_to_freed_page"),
                    std::pair(Plant::kMissingCopy, "missing_copy"), std::pair(Plant::kWrongCopy, "wrong_copy"),
                    std::pair(Plant::kWrongPosition, "wrong_position"), std::pair(Plant::kWrongToken, "wrong_token"),
                    std::pair(Plant::kWrongRowWanted, "wrong_row_wanted"), std::pair(Plant::kSwappedLogits, "swapped_logits"),
                    std::pair(Plant::kWrongDraw, "wrong_draw"), std::pair(Plant::kHiddenUndecided, "hidden_undecided"),
                    std::pair(Plant::kWrongLogitsOf, "wrong_logits_of"), std::pair(Plant::kWrongPlaceholder, "wrong_placeholder"), std::pair(Plant::kHiddenNan, "hidden_nan"),
                    std::pair(Plant::kHiddenFailure, "hidden_failure"), std::pair(Plant::kDraftMissingWrite, "draft_missing_write"),
                    std::pair(Plant::kDraftMissingCopy, "draft_missing_copy"), std::pair(Plant::kDraftHiddenFailure, "draft_hidden_failure")),
    [](const auto& info) { return info.param.second; });

} // namespace
} // namespace jinx::engine
