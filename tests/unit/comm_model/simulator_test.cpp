// The simulator: times, memory, what is exposed; deadlocks and calls that do not belong together, by name; traces and tables.
#include "runtime/comm/model/Simulator.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "runtime/comm/model/TimelineText.h"

namespace jinx::comm::model {
namespace {

using Doubles = std::vector<double>;

Task compute(const std::string& name, double seconds, std::vector<int> after = {}) { return {.name = name, .seconds = seconds, .after = std::move(after)}; }
Task call(const std::string& name, Op op, double seconds, std::vector<int> after = {}, int slot = 0, int stream = 1) {
  return {.name = name, .use = op, .slot = slot, .stream = stream, .seconds = seconds, .after = std::move(after)};
}
World world(std::vector<Program> programs, std::vector<std::string> groups, std::vector<Rank> ranks) {
  return {std::move(programs), std::move(groups), std::move(ranks)};
}
std::string fault(const World& world) {
  const auto timeline = simulate(world);
  return timeline ? "" : timeline.status().message();
}

TEST(Simulator, TheHeadersExampleTakesFiveMilliseconds) {
  Task forward = compute("forward", 2e-3);
  forward.allocates = 64 << 20;
  const World pipe =
      world({{"stage 0", {forward, call("send", Op::kSend, 1e-3, {0})}}, {"stage 1", {call("recv", Op::kRecv, 1e-3), compute("forward", 2e-3, {0})}}},
            {"pipe 0-1"}, {{0, {0}}, {1, {0}}});
  const auto timeline = simulate(pipe);
  ASSERT_TRUE(timeline) << timeline.status().message();
  EXPECT_DOUBLE_EQ(timeline.value().makespan, 5e-3);
  const ClassTimeline &first = timeline.value().of(0), &last = timeline.value().of(1);
  EXPECT_EQ(first.begin, (Doubles{0, 2e-3}));
  EXPECT_EQ(last.begin, (Doubles{2e-3, 3e-3}));
  EXPECT_DOUBLE_EQ(first.busy, 2e-3);
  EXPECT_DOUBLE_EQ(first.exposed, 1e-3);
  EXPECT_DOUBLE_EQ(first.idle, 2e-3);
  EXPECT_EQ(first.peakBytes, 64 << 20);
  EXPECT_DOUBLE_EQ(timeline.value().bubble(), 0.6);
}

TEST(Simulator, ACollectiveBeginsWhenTheLastMemberHasCome) {
  const auto program = [](double seconds) { return Program{"p", {compute("a", seconds), call("sum", Op::kAllReduce, 1, {0}), compute("b", 1, {1})}}; };
  const World three = world({program(1), program(5), program(2)}, {"all"}, {{0, {0}}, {1, {0}}, {2, {0}}});
  const auto timeline = simulate(three);
  ASSERT_TRUE(timeline);
  for (int rank : {0, 1, 2}) {
    EXPECT_EQ(timeline.value().of(rank).begin[1], 5);
    EXPECT_EQ(timeline.value().of(rank).begin[2], 6);
  }
  EXPECT_EQ(timeline.value().of(0).idle, 4);  // waiting is no communication
  EXPECT_EQ(timeline.value().of(0).exposed, 1);
}

TEST(Simulator, StreamsRunBesideEachOtherAndEachInItsOrder) {
  const World one =
      world({{"p", {compute("a", 2), call("x", Op::kAllReduce, 3), call("y", Op::kAllReduce, 1), compute("b", 2), compute("c", 1, {2})}}}, {"me"}, {{0, {0}}});
  const auto timeline = simulate(one);
  ASSERT_TRUE(timeline);
  EXPECT_EQ(timeline.value().of(0).begin, (Doubles{0, 0, 3, 2, 4}));
  EXPECT_EQ(timeline.value().makespan, 5);
  EXPECT_EQ(timeline.value().of(0).busy, 5);
  EXPECT_EQ(timeline.value().of(0).exposed, 0);  // all of it behind kernels
}

TEST(Simulator, MembersTakeAsLongAsTheSlowest) {
  const World two = world({{"p", {call("x", Op::kAllReduce, 3)}}, {"q", {call("x", Op::kAllReduce, 5)}}}, {"g"}, {{0, {0}}, {1, {0}}});
  EXPECT_EQ(simulate(two).value().of(0).end[0], 5);
}

TEST(Simulator, MemoryIsFreedBeforeItIsTakenAgain) {
  const auto task = [](double seconds, int64_t allocates, int64_t frees) {
    return Task{.name = "t", .seconds = seconds, .allocates = allocates, .frees = frees};
  };
  const Program program{"p", {task(1, 100, 0), task(1, 50, 100), task(1, 100, 0), task(0, 7, 7), task(1, 0, 150)}};
  const World one = world({program}, {}, {{0, {}}});
  const auto timeline = simulate(one);
  ASSERT_TRUE(timeline);
  EXPECT_EQ(timeline.value().of(0).peakBytes, 157);  // 50 + 100, and for no time 7
  const std::vector<std::pair<double, int64_t>> want = {{0, 100}, {1, 150}, {2, 50}, {2, 150}, {3, 157}, {3, 150}, {4, 0}};
  EXPECT_EQ(memoryOverTime(program, timeline.value().of(0)), want);
}

TEST(Simulator, TwoRanksThatReceiveBeforeTheySendAreADeadlock) {
  // The classic: both receive first, on one stream.
  const World two = world({{"even", {call("recv b", Op::kRecv, 1, {}, 1), call("send a", Op::kSend, 1, {}, 0)}},
                           {"odd", {call("recv a", Op::kRecv, 1, {}, 0), call("send b", Op::kSend, 1, {}, 1)}}},
                          {"a", "b"}, {{0, {0, 1}}, {1, {0, 1}}});
  EXPECT_EQ(
      fault(two),
      "simulating: deadlock: 4 tasks never begin; rank 0 'recv b' <- rank 1 'send b' (waits for it in group 'b') <- rank 1 'recv a' (waits behind it on stream "
      "1) "
      "<- rank 0 'send a' (waits for it in group 'a') <- rank 0 'recv b' (waits behind it on stream 1); change the order of two of these tasks, or put them on "
      "streams of their own");
  World fixed = two;
  fixed.programs[1].tasks[1].stream = 2;
  EXPECT_EQ(fault(fixed), "");
}

TEST(Simulator, ADeadlockWithinARankIsNamed) {
  const World one = world({{"p", {compute("a", 1, {2}), compute("z", 1), compute("b", 1)}}}, {}, {{0, {}}});
  EXPECT_EQ(fault(one), "simulating: deadlock: 3 tasks never begin; rank 0 'a' <- rank 0 'b' (comes after it) <- rank 0 'z' (waits behind it on stream 0) <- "
                        "rank 0 'a' (waits behind "
                        "it on stream 0); change the order of two of these tasks, or put them on streams of their own");
}

TEST(Simulator, CollectivesInOtherOrdersOnTwoGroupsAreADeadlock) {
  const World two = world({{"p", {call("x", Op::kAllReduce, 1, {}, 0), call("y", Op::kAllReduce, 1, {}, 1)}},
                           {"q", {call("y", Op::kAllReduce, 1, {}, 1), call("x", Op::kAllReduce, 1, {}, 0)}}},
                          {"tp", "dp"}, {{0, {0, 1}}, {0, {0, 1}}, {1, {0, 1}}, {1, {0, 1}}});
  const std::string text = fault(two);
  EXPECT_NE(text.find("deadlock: 4 tasks never begin; rank 0 (and 1 like it) 'x' <- rank 2 (and 1 like it) 'x' (waits for it in group 'tp')"),
            std::string::npos)
      << text;
}

TEST(Simulator, CallsThatDoNotBelongTogetherAreNamed) {
  const auto pair = [](Task one, Task other) { return world({{"p", {std::move(one)}}, {"q", {std::move(other)}}}, {"g"}, {{0, {0}}, {1, {0}}}); };
  EXPECT_EQ(fault(pair(call("x", Op::kAllReduce, 1), call("y", Op::kAllGather, 1))),
            "simulating: group 'g', call 0: rank 0 comes with all_reduce 'x', rank 1 comes with all_gather 'y', expected the same; change the order of one of "
            "the programs");
  EXPECT_EQ(fault(pair(call("x", Op::kSend, 1), call("y", Op::kSend, 1))), "simulating: group 'g', call 0: rank 0 comes with send 'x', rank 1 comes with send "
                                                                           "'y', expected a send and a recv; change the order of one of the programs");
  EXPECT_EQ(fault(world({{"p", {call("x", Op::kSend, 1)}}}, {"g"}, {{0, {0}}, {0, {0}}})),
            "simulating: group 'g', call 0: rank 0 (and 1 like it) comes with send 'x', and so does the other, expected a send and a recv; change the order of "
            "one of "
            "the programs");
  EXPECT_EQ(fault(world({{"p", {call("x", Op::kSend, 1)}}}, {"g"}, {{0, {0}}, {0, {0}}, {0, {0}}})),
            "simulating: group 'g', call 0: rank 0 (and 2 like it) comes with send 'x', but the group has 3 members, expected 2");
  World two = pair(call("x", Op::kAllReduce, 1), call("y", Op::kAllReduce, 1));
  two.programs[1].tasks.push_back(call("z", Op::kAllReduce, 1));
  EXPECT_EQ(fault(two), "simulating: group 'g': rank 0 comes 1 times, rank 1 2 times, expected the same; add what is missing to one of the programs");
}

TEST(Simulator, WhatIsNoWorldIsAnError) {
  const World good = world({{"p", {compute("a", 1), call("x", Op::kAllReduce, 1)}}}, {"g"}, {{0, {0}}});
  EXPECT_EQ(fault(good), "");
  const auto with = [&](auto change) {
    World bad = good;
    change(bad);
    return fault(bad);
  };
  EXPECT_EQ(with([](World& w) { w.ranks.clear(); }), "simulating: got a world without ranks, expected at least one");
  EXPECT_EQ(with([](World& w) { w.ranks[0].program = 1; }), "simulating: rank 0: got program 1, expected one of 1");
  EXPECT_EQ(with([](World& w) { w.ranks[0].groups[0] = 2; }), "simulating: rank 0: got group 2, expected one of 1");
  EXPECT_EQ(with([](World& w) { w.ranks[0].groups = {0, 0}; }), "simulating: rank 0: has group 'g' in two slots, expected one; use one slot in both places");
  EXPECT_EQ(with([](World& w) { w.ranks[0].groups = {}; }),
            "simulating: rank 0, program 'p', task 'x': got slot 0, expected one of the rank's 0; give the rank a group in it");
  EXPECT_EQ(with([](World& w) { w.programs[0].tasks[0].seconds = -1; }),
            "simulating: rank 0, program 'p', task 'a': got -1.000000 seconds, expected 0 or more");
  EXPECT_EQ(with([](World& w) { w.programs[0].tasks[0].stream = -1; }),
            "simulating: rank 0, program 'p', task 'a': got stream -1, expected 0 (computes) or more");
  EXPECT_EQ(with([](World& w) { w.programs[0].tasks[0].frees = -1; }),
            "simulating: rank 0, program 'p', task 'a': got a negative number of bytes, expected 0 or more");
  EXPECT_EQ(with([](World& w) { w.programs[0].tasks[0].after = {7}; }),
            "simulating: rank 0, program 'p', task 'a': comes after task 7, expected another one of the program's 2");
  EXPECT_EQ(with([](World& w) { w.programs[0].tasks[0].after = {0}; }),
            "simulating: rank 0, program 'p', task 'a': comes after task 0, expected another one of the program's 2");
}

World traced() {
  Task forward = compute("say \"F\"\n", 2e-3);
  forward.allocates = 1024;
  return world({{"stage 0", {forward, call("sum", Op::kAllReduce, 1e-3, {0})}}}, {"dp"}, {{0, {0}}, {0, {0}}, {0, {0}}});
}

TEST(TimelineText, ATraceIsJsonWithAllThatHappened) {
  const World three = traced();
  const auto trace = nlohmann::json::parse(toChromeTrace(three, simulate(three).value()));
  const auto& events = trace["traceEvents"];
  ASSERT_EQ(events.size(), 6u);  // a process, two threads, two tasks, one level of memory
  EXPECT_EQ(events[0]["args"]["name"], "rank 0 and 2 like it: stage 0");
  EXPECT_EQ(events[3]["name"], "say \"F\"\n");
  EXPECT_EQ(events[3]["cat"], "compute");
  EXPECT_EQ(events[3]["dur"], 2000);
  EXPECT_EQ(events[4]["cat"], "all_reduce");
  EXPECT_EQ(events[4]["tid"], 1);
  EXPECT_EQ(events[4]["ts"], 2000);
  EXPECT_EQ(events[4]["args"]["group"], "dp");
  EXPECT_EQ(events[5]["args"]["bytes"], 1024);
  EXPECT_EQ(nlohmann::json::parse(toChromeTrace(three, simulate(three, {.folds = false}).value(), 2))["traceEvents"].size(), 12u);
}

TEST(TimelineText, ATableHasALineForEachClass) {
  const World three = traced();
  EXPECT_EQ(toTable(three, simulate(three).value()), "rank  like it  program  computes  exposed  idle   peak\n"
                                                     "0     2        stage 0  66.7 %    33.3 %   0.0 %  1 KiB\n"
                                                     "all of it takes 3 ms; ranks compute 66.7 % of it\n");
}

}  // namespace
}  // namespace jinx::comm::model
