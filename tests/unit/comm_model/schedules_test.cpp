// Schedules of pipelines: each is free of deadlocks, waits as long as its formula says, and holds no more than it may.
#include "runtime/comm/model/PipelineSchedules.h"

#include <gtest/gtest.h>

#include "runtime/comm/model/PipelineWorld.h"
#include "tests/property/Property.h"

namespace jinx::comm::model {
namespace {

Timeline run(const Schedule& schedule, const PipelineCosts& costs = {}, const PipelineMesh& mesh = {}) {
  return test::must(simulate(test::must(worldOf(schedule, costs, mesh))), schedule.name.c_str());
}

/// Small integers, so that all sums are exact.
PipelineCosts randomCosts(int chunks) {
  PipelineCosts costs;
  for (double* seconds : {&costs.forward, &costs.inputGradient, &costs.weightGradient})
    *seconds = chunks * *rc::gen::inRange(1, 9);
  return costs;
}

TEST(Schedules, TheHeadersTableIsMade) {
  EXPECT_EQ(tableText(*oneForwardOneBackward(2, 3)), "stage 0: F0 F1 B0 F2 B1 B2\n"
                                                     "stage 1: F0 B0 F1 B1 F2 B2\n");
  EXPECT_EQ(tableText(*gpipe(1, 2)), "stage 0: F0 F1 B1 B0\n");
  EXPECT_EQ(tableText(*zeroBubbleH1(2, 2)), "stage 0: F0 F1 I0 W0 I1 W1\n"
                                            "stage 1: F0 I0 F1 I1 W0 W1\n");
  EXPECT_EQ(tableText(*interleaved(2, 2, 2)), "stage 0: F0.0 F1.0 F0.1 F1.1 B0.1 B1.1 B0.0 B1.0\n"
                                              "stage 1: F0.0 F1.0 F0.1 B0.1 F1.1 B1.1 B0.0 B1.0\n");
}

JINX_PROPERTY(ScheduleLaws, GpipeAnd1F1BWaitForEachOtherStageOnce, 150) {
  const int p = *rc::gen::inRange(1, 9), m = *rc::gen::inRange(1, 20);
  const PipelineCosts costs = randomCosts(1);
  const double pass = costs.forward + costs.inputGradient + costs.weightGradient;
  for (const Schedule& schedule : {test::must(gpipe(p, m)), test::must(oneForwardOneBackward(p, m))}) {
    const Timeline timeline = run(schedule, costs);
    RC_ASSERT(timeline.makespan == (m + p - 1) * pass);
    RC_ASSERT(std::abs(timeline.bubble() - double(p - 1) / (m + p - 1)) < 1e-12);
  }
  const Timeline forward = run(test::must(forwardOnly(p, m)), costs);
  RC_ASSERT(forward.makespan == (m + p - 1) * costs.forward);
  RC_ASSERT(std::abs(forward.bubble() - double(p - 1) / (m + p - 1)) < 1e-12);
}

JINX_PROPERTY(ScheduleLaws, ChunksDivideTheWait, 150) {
  const int p = *rc::gen::inRange(1, 7), m = p * *rc::gen::inRange(1, 5), v = *rc::gen::inRange(1, 5);
  const PipelineCosts costs = randomCosts(v);
  const double pass = (costs.forward + costs.inputGradient + costs.weightGradient) / v;
  const Timeline timeline = run(test::must(interleaved(p, m, v)), costs);
  RC_ASSERT(timeline.makespan == (v * m + p - 1) * pass);
  RC_ASSERT(std::abs(timeline.bubble() - double(p - 1) / (v * m + p - 1)) < 1e-12);
}

JINX_PROPERTY(ScheduleLaws, ZeroBubbleWaitsForForwardAndInputsLessWeights, 150) {
  const int p = *rc::gen::inRange(1, 9), m = p + *rc::gen::inRange(0, 12);
  PipelineCosts costs = randomCosts(1);
  costs.weightGradient = std::min({costs.weightGradient, costs.forward, costs.inputGradient});  // where the formula holds
  const double f = costs.forward, b = costs.inputGradient, w = costs.weightGradient;
  RC_ASSERT(run(test::must(zeroBubbleH1(p, m)), costs).makespan == m * (f + b + w) + (p - 1) * (f + b - w));
}

TEST(Schedules, ZeroBubbleWaitsAThirdWhereAllTakeTheSame) {
  for (const int p : {2, 4, 8})
    for (const int m : {p, 2 * p, 5 * p}) {
      const double work = 3.0 * m;
      const double zero = run(*zeroBubbleH1(p, m)).makespan - work, one = run(*oneForwardOneBackward(p, m)).makespan - work;
      EXPECT_EQ(3 * zero, one) << p << " stages, " << m << " microbatches";
      EXPECT_NEAR(run(*zeroBubbleH1(p, m)).bubble(), double(p - 1) / (3 * m + p - 1), 1e-12);
    }
  // Weights that take longer than a pass come in the way, and too few microbatches do not fill the wait: longer than the formula.
  EXPECT_GT(run(*zeroBubbleH1(4, 8), {.weightGradient = 2}).makespan, 8 * 4 + 3 * 0);
  EXPECT_GT(run(*zeroBubbleH1(4, 2)).makespan, 2 * 3 + 3);
}

JINX_PROPERTY(ScheduleLaws, StagesHoldNoMoreThanTheyMay, 150) {
  const int p = *rc::gen::inRange(1, 9), m = *rc::gen::inRange(1, 20), v = *rc::gen::inRange(2, 5);
  const int rounds = *rc::gen::inRange(1, 4);
  for (int stage = 0; stage < p; ++stage) {
    RC_ASSERT(mostHeld(test::must(gpipe(p, m)), stage) == m);
    RC_ASSERT(mostHeld(test::must(oneForwardOneBackward(p, m)), stage) == std::min(m, p - stage));
    RC_ASSERT(mostHeld(test::must(zeroBubbleH1(p, m)), stage) == std::min(m, p));
    RC_ASSERT(mostHeld(test::must(forwardOnly(p, m)), stage) == 1);
    RC_ASSERT(mostHeld(test::must(interleaved(p, p * rounds, v)), stage) == std::min(2 * (p - stage - 1) + (v - 1) * p + 1, p * rounds * v));
  }
}

JINX_PROPERTY(ScheduleLaws, MemoryInTimeIsWhatTheTableHolds, 80) {
  const int p = *rc::gen::inRange(1, 6), m = p * *rc::gen::inRange(1, 4);
  PipelineCosts costs = randomCosts(2);
  costs.transfer = *rc::gen::inRange(0, 3);
  costs.activationBytes = 1024;
  for (const Schedule& schedule : {test::must(gpipe(p, m)), test::must(oneForwardOneBackward(p, m)), test::must(interleaved(p, m, 2)),
                                   test::must(zeroBubbleH1(p, m)), test::must(forwardOnly(p, m))}) {
    const Timeline timeline = run(schedule, costs);
    for (int stage = 0; stage < p; ++stage)
      RC_ASSERT(timeline.of(stage).peakBytes == mostHeld(schedule, stage) * 1024 / schedule.chunks);
  }
}

JINX_PROPERTY(ScheduleLaws, NoneHasADeadlockWhateverTransfersTake, 100) {
  const int p = *rc::gen::inRange(1, 7), m = p * *rc::gen::inRange(1, 4), v = *rc::gen::inRange(1, 4);
  PipelineCosts costs = randomCosts(1);
  costs.transfer = *rc::gen::inRange(0, 20);
  costs.tensorReduce = *rc::gen::inRange(0, 3);
  costs.gradientReduce = *rc::gen::inRange(0, 30);
  for (const Schedule& schedule : {test::must(gpipe(p, m)), test::must(oneForwardOneBackward(p, m)), test::must(interleaved(p, m, v)),
                                   test::must(zeroBubbleH1(p, m)), test::must(forwardOnly(p, m))}) {
    RC_ASSERT(checkSchedule(schedule).isOk());
    RC_ASSERT(run(schedule, costs, {.tensor = 2, .data = 2}).makespan >=
              run(schedule, {.forward = costs.forward, .inputGradient = costs.inputGradient, .weightGradient = costs.weightGradient}).makespan);
  }
}

TEST(Schedules, TransfersAreOnTheWayOfTheFirstMicrobatch) {
  // 3 stages, 1 microbatch: there and back over 2 pipes each.
  EXPECT_EQ(run(*oneForwardOneBackward(3, 1), {.transfer = 0.5}).makespan, 3 * 3 + 4 * 0.5);
  EXPECT_EQ(run(*interleaved(2, 2, 2), {.forward = 2, .inputGradient = 2, .weightGradient = 2, .gradientReduce = 5}, {.data = 2}).makespan,
            (2 * 2 + 1) * 3 + 5);
}

TEST(Schedules, PassesWaitForTheirReductionsOverParts) {
  EXPECT_EQ(run(*gpipe(1, 4), {.tensorReduce = 0.5}, {.tensor = 2}).makespan, 4 * (3 + 2 * 0.5));
  EXPECT_EQ(run(*zeroBubbleH1(1, 4), {.tensorReduce = 0.5}, {.tensor = 2}).makespan, 4 * (3 + 0.5));  // weights' gradients are made beside the second one
  EXPECT_EQ(run(*gpipe(1, 4), {.tensorReduce = 0.5}, {.tensor = 1}).makespan, 4 * 3);
}

TEST(Schedules, ReplicasReduceOnceAndOnlyWhatWasTrained) {
  EXPECT_EQ(run(*zeroBubbleH1(1, 4), {.gradientReduce = 5}, {.data = 2}).makespan, 4 * 3 + 5);
  EXPECT_EQ(run(*forwardOnly(1, 4), {.gradientReduce = 5}, {.data = 2}).makespan, 4);
}

TEST(Schedules, ATableWhoseOrderCannotBeIsADeadlockThatIsNamed) {
  Schedule schedule = *oneForwardOneBackward(2, 2);
  std::swap(schedule.rows[1][0], schedule.rows[1][1]);  // B0 before F0
  ASSERT_TRUE(checkSchedule(schedule).isOk());
  EXPECT_NE(
      simulate(*worldOf(schedule, {})).status().message().find("rank 1 'B0' <- rank 1 'F0' (comes after it) <- rank 1 'B0' (waits behind it on stream 0)"),
      std::string::npos)
      << simulate(*worldOf(schedule, {})).status().message();
  // The weights' gradients before the input's, and on one stage a part before the one that it reads.
  schedule = *zeroBubbleH1(2, 1);
  std::swap(schedule.rows[0][1], schedule.rows[0][2]);
  EXPECT_NE(simulate(*worldOf(schedule, {})).status().message().find("'W0' <- rank 0 'I0' (comes after it)"), std::string::npos);
  schedule = *interleaved(1, 1, 2);
  std::swap(schedule.rows[0][2], schedule.rows[0][3]);
  EXPECT_NE(simulate(*worldOf(schedule, {})).status().message().find("'B0.0' <- rank 0 'B0.1' (comes after it)"), std::string::npos);
  // Over two ranks: stage 0 wants B1 before F1 has left.
  schedule = *oneForwardOneBackward(2, 2);
  std::swap(schedule.rows[0][1], schedule.rows[0][2]);
  std::swap(schedule.rows[1][1], schedule.rows[1][2]);  // F0 F1 B0 B1
  const std::string text = simulate(*worldOf(schedule, {})).status().message();
  for (const char* part : {"deadlock: ", "rank 0 'F1'", "rank 0 'B0'", "rank 1 'F1'", "rank 1 'B0'", "group 'activations 0-1'", "group 'gradients 0-1'"})
    EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST(Schedules, TheSlowestStageSetsThePace) {
  // The first microbatch comes to the slowest stage, which does all of them, and the last one leaves it.
  EXPECT_EQ(run(*forwardOnly(3, 4), {.forwards = {3, 5, 1}}).makespan, 3 + 4 * 5 + 1);
  EXPECT_EQ(worldOf(*forwardOnly(2, 4), {.forwards = {1, 2, 3}}).status().message(), "pipeline: got the seconds of 3 stages, expected those of 2");
}

TEST(Schedules, WhatIsNoTableIsAnError) {
  const auto message = [](const auto& change) {
    Schedule schedule = *zeroBubbleH1(2, 2);
    change(schedule);
    return worldOf(schedule, {}).status().message();
  };
  EXPECT_EQ(message([](Schedule& s) { s.rows[1].pop_back(); }), "pipeline: schedule ZB-H1: stage 1 has passes \"FI\" of microbatch 1, chunk 0, expected F, or "
                                                                "F and B, or F, I and W, each once and the same on all stages");
  EXPECT_EQ(message([](Schedule& s) { s.rows[0].push_back({Work::kForward, 0, 0}); }),
            "pipeline: schedule ZB-H1: stage 0 has passes \"FFIW\" of microbatch 0, chunk 0, expected F, or F and B, or F, I and W, each once and the same on "
            "all stages");
  EXPECT_EQ(message([](Schedule& s) { s.rows[0].push_back({Work::kForward, 2, 0}); }),
            "pipeline: schedule ZB-H1: stage 0 has F2, expected microbatches below 2 and chunks below 1");
  EXPECT_EQ(message([](Schedule& s) { s.rows.pop_back(); }), "pipeline: schedule ZB-H1: got 1 rows, expected one for each of 2 stages");
  EXPECT_EQ(gpipe(0, 1).status().message(), "GPipe: got 0 stages, expected at least 1");
  EXPECT_EQ(zeroBubbleH1(1, 0).status().message(), "ZB-H1: got 0 microbatches, expected at least 1");
  EXPECT_EQ(interleaved(2, 2, 0).status().message(), "interleaved 1F1B: got 0 chunks, expected at least 1");
  EXPECT_EQ(interleaved(4, 6, 2).status().message(),
            "interleaved: got 6 microbatches on 4 stages, expected a multiple; change the number of microbatches, or take 1F1B");
  EXPECT_EQ(worldOf(*gpipe(1, 1), {}, {.tensor = 0}).status().message(), "pipeline: got a mesh of 1 replicas of 0 parts, expected at least 1 of each");
}

}  // namespace
}  // namespace jinx::comm::model
