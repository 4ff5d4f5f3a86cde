// Schedules: what ranks say before the first call when they mean to make different ones; ranks that would wait for each other.
#include "runtime/comm/Schedule.h"

#include "runtime/comm/FakeWorld.h"
#include "tests/unit/comm/Ranks.h"

namespace jinx::comm::test {
namespace {

ScheduledCall sum(std::vector<int> ranks, std::string name, int64_t count = 8) {
  return {.op = Op::kAllReduce, .count = count, .ranks = std::move(ranks), .name = std::move(name)};
}
ScheduledCall send(std::vector<int> ranks, int to, int64_t count = 8) {
  return {.op = Op::kSend, .count = count, .ranks = std::move(ranks), .root = to, .name = "/out"};
}
ScheduledCall recv(std::vector<int> ranks, int from, int64_t count = 8) {
  return {.op = Op::kRecv, .count = count, .ranks = std::move(ranks), .root = from, .name = "/in"};
}

/// Two pairs, the world, and a pipe from 1 to 2.
std::vector<Schedule> good() {
  std::vector<Schedule> schedules(4);
  for (int rank = 0; rank < 4; ++rank) {
    Schedule& schedule = schedules[static_cast<size_t>(rank)];
    schedule.rank = rank;
    const std::vector<int> pair = rank < 2 ? std::vector{0, 1} : std::vector{2, 3};
    schedule.calls = {sum(pair, "/a"), sum(pair, "/b"), sum({0, 1, 2, 3}, "/c")};
  }
  schedules[1].calls.push_back(send({1, 2}, 1));
  schedules[2].calls.push_back(recv({1, 2}, 0));
  return schedules;
}

std::vector<std::string> agreement(const std::vector<Schedule>& schedules) {
  return onEveryRank(static_cast<int>(schedules.size()), kPatient,
                     [&](Communicator& comm) { return agree(comm, schedules[static_cast<size_t>(comm.rank())]).message(); });
}

TEST(Schedule, EqualOnesAgree) {
  for (const std::string& said : agreement(good()))
    EXPECT_EQ(said, "");
  EXPECT_TRUE(checkProgress(good()).isOk());
  for (const std::string& said : agreement(std::vector<Schedule>{{.rank = 0}, {.rank = 1}}))
    EXPECT_EQ(said, ""); // no calls at all
}

void expectDisagreement(const std::vector<Schedule>& schedules, const std::string& text) {
  const auto said = agreement(schedules);
  expectAllSayTheSame(said);
  expectAllSay(said, {text});
}

TEST(Schedule, OtherCount) {
  auto schedules = good();
  schedules[3].calls[1].count = 9;
  expectDisagreement(schedules, "call 1 of ranks 2, 3 is #1 all_reduce sum f32[8] of /b at rank 2 and #1 all_reduce sum f32[9] of /b at rank 3");
}

TEST(Schedule, SwappedCallsOfOneShape) {
  auto schedules = good();
  std::swap(schedules[1].calls[0], schedules[1].calls[1]);
  expectDisagreement(schedules, "call 0 of ranks 0, 1 is #0 all_reduce sum f32[8] of /a at rank 0 and #0 all_reduce sum f32[8] of /b at rank 1");
}

TEST(Schedule, NamesWithLineBreaks) {
  auto schedules = good();
  for (size_t rank : {2, 3})
    schedules[rank].calls[0].name = "/a\nb";
  schedules[3].calls[1].name = "\n/b\n";
  expectDisagreement(schedules, "call 1 of ranks 2, 3 is #1 all_reduce sum f32[8] of /b at rank 2 and #1 all_reduce sum f32[8] of \\n/b\\n at rank 3");
}

TEST(Schedule, DroppedCall) {
  auto schedules = good();
  schedules[2].calls.erase(schedules[2].calls.begin() + 2);
  expectDisagreement(schedules, "call 0 of ranks 0, 1, 2, 3 is #2 all_reduce sum f32[8] of /c at rank 0, and rank 2 has no more than 0");
}

TEST(Schedule, OneMoreCall) {
  auto schedules = good();
  schedules[0].calls.push_back(sum({0, 1}, "/more"));
  expectDisagreement(schedules, "call 2 of ranks 0, 1 is #3 all_reduce sum f32[8] of /more at rank 0, and rank 1 has no more than 2");
}

TEST(Schedule, ReceiveThatNobodySends) {
  auto schedules = good();
  schedules[1].calls.pop_back();
  expectDisagreement(schedules, "call 0 of from place 0 to place 1 of ranks 1, 2 is #3 send f32[8] at rank 2, and rank 1 has no more than 0");
}

TEST(Schedule, GroupsInAnotherOrder) {
  auto schedules = good();
  schedules[3].calls[2].ranks = {3, 2, 1, 0};
  const auto said = agreement(schedules);
  expectAllSayTheSame(said);
  expectAllSay(said, {"call 0 of ranks 0, 1, 2, 3 is #2 all_reduce sum f32[8] of /c at rank 0, and rank 3 has no more than 0"});
}

TEST(Schedule, RootsSourcesTypes) {
  for (auto change :
       {+[](ScheduledCall& call) { call.dtype = DType::kI32; }, +[](ScheduledCall& call) { call.reduction = Reduction::kMax; },
        +[](ScheduledCall& call) { call.op = Op::kBroadcast, call.root = 1; }, +[](ScheduledCall& call) { call.op = Op::kPermute, call.sources = {1, 0}; }}) {
    auto schedules = good();
    change(schedules[2].calls[0]);
    expectDisagreement(schedules, " at rank 2 and #0 all_reduce sum f32[8] of /a at rank 3");
    auto other = good();
    change(other[2].calls[0]), change(other[3].calls[0]);
    for (const std::string& said : agreement(other))
      EXPECT_EQ(said, "");
  }
}

TEST(Schedule, OtherRootOfABroadcast) {
  auto schedules = good();
  for (size_t rank : {2, 3})
    schedules[rank].calls[0].op = Op::kBroadcast, schedules[rank].calls[0].root = static_cast<int>(rank) - 2;
  expectDisagreement(schedules, "is #0 broadcast f32[8] from place 0 of /a at rank 2 and #0 broadcast f32[8] from place 1 of /a at rank 3");
}

TEST(Schedule, NoSchedule) {
  for (auto [call, text] : {std::pair{sum({0, 9}, "/a"), "got rank 9"},
                            {sum({1, 2}, "/a"), "is not in it"},
                            {send({0, 1}, 2), "got root 2"},
                            {send({0, 1}, 0), "this rank itself"}}) {
    auto schedules = good();
    schedules[0].calls = {call};
    const auto said = agreement(schedules);
    expectAllSay(said, {text});
    EXPECT_NE(checkProgress(schedules).message().find(text), std::string::npos);
  }
}

TEST(Schedule, FakeWorldsAskNobody) {
  auto made = fakeCommunicator(1, 4);
  Communicator* comm = made->get();
  EXPECT_TRUE(agree(*comm, good()[1]).isOk());
}

TEST(Progress, CycleAcrossGroups) {
  const std::vector<Schedule> schedules = {
      {0, {sum({0, 1}, "/a"), sum({0, 2}, "/c")}}, {1, {sum({1, 2}, "/b"), sum({0, 1}, "/a")}}, {2, {sum({0, 2}, "/c"), sum({1, 2}, "/b")}}};
  for (const std::string& said : agreement(schedules))
    EXPECT_EQ(said, ""); // each group's lists are equal
  const std::string said = checkProgress(schedules).message();
  EXPECT_NE(
      said.find(
          "rank 0 waits in #0 all_reduce sum f32[8] of /a, ranks 0, 1, for rank 1; rank 1 waits in #0 all_reduce sum f32[8] of /b, ranks 1, 2, for rank 2; "
          "rank 2 waits in #0 all_reduce sum f32[8] of /c, ranks 0, 2, for rank 0"),
      std::string::npos)
      << said;
}

TEST(Progress, CallsThatOverlapDoNotStop) {
  std::vector<Schedule> schedules = {{0, {sum({0, 1}, "/a"), sum({1, 0}, "/b")}}, {1, {sum({1, 0}, "/b"), sum({0, 1}, "/a")}}};
  EXPECT_FALSE(checkProgress(schedules).isOk());
  schedules[0].calls[0].overlap = 1; // waited for when the second has started
  EXPECT_TRUE(checkProgress(schedules).isOk()) << checkProgress(schedules).message();
}

TEST(Progress, RankThatHasEnded) {
  const std::vector<Schedule> schedules = {{0, {sum({0, 1}, "/a"), sum({0, 1}, "/b")}}, {1, {sum({0, 1}, "/a")}}};
  EXPECT_NE(checkProgress(schedules).message().find("rank 0 waits in #1 all_reduce sum f32[8] of /b, ranks 0, 1, for rank 1, which has made all its calls"),
            std::string::npos);
  EXPECT_NE(checkProgress(std::vector<Schedule>{{.rank = 1}}).message().find("got the schedule of rank 1 at place 0"), std::string::npos);
}

/// Both ends of a pipe send first: nobody receives.
TEST(Progress, SendsThatMeet) {
  const std::vector<Schedule> schedules = {{0, {send({0, 1}, 1), recv({0, 1}, 1)}}, {1, {send({0, 1}, 0), recv({0, 1}, 0)}}};
  EXPECT_NE(checkProgress(schedules).message().find("rank 0 waits in #0 send f32[8] of /out, ranks 0, 1, for rank 1; rank 1 waits in #0 send"),
            std::string::npos);
}

TEST(FakeWorld, CountsAndMovesNothing) {
  constexpr int kSize = 16384;
  auto made = fakeCommunicator(3, kSize);
  Communicator* comm = made->get();
  std::vector<float> buffer(1 << 20, 1.0f);
  EXPECT_TRUE(comm->run({.op = Op::kAllReduce, .count = 1 << 20}, buffer.data(), buffer.data()).isOk());
  EXPECT_EQ(comm->traffic().receivedBytes, 2 * int64_t{kSize - 1} * (4 << 20) / kSize);
  EXPECT_EQ(buffer, std::vector<float>(1 << 20, 1.0f));
  const int pair = *comm->makeGroup(std::vector{3, 16383});
  EXPECT_TRUE(comm->run({.op = Op::kSend, .count = 10, .group = pair, .root = 1}, buffer.data(), nullptr).isOk());
  EXPECT_EQ(comm->traffic().sentBytes, 2 * int64_t{kSize - 1} * (4 << 20) / kSize + 40);
  EXPECT_EQ(comm->traffic().calls, 2);
  EXPECT_NE(comm->run({.count = -3}, buffer.data(), buffer.data()).message().find("got a count of -3"), std::string::npos);
  comm->abort(resourceError("no disk"));
  EXPECT_NE(comm->run({.count = 1}, buffer.data(), buffer.data()).message().find("rank 3 has failed: no disk"), std::string::npos);
  EXPECT_FALSE(fakeCommunicator(4, 4).isOk());
}

} // namespace
} // namespace jinx::comm::test
