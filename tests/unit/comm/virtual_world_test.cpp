// Ranks as threads: every case for worlds of several sizes; what ends a wait.
#include "runtime/comm/VirtualWorld.h"

#include <algorithm>
#include <atomic>

#include "tests/unit/comm/Cases.h"
#include "tests/unit/comm/Ranks.h"

namespace jinx::comm::test {
namespace {

class VirtualCases : public testing::TestWithParam<int> {};

TEST_P(VirtualCases, EveryRankIsRight) {
  for (const Case& each : cases()) {
    const auto said = onEveryRank(GetParam(), kPatient, each.run);
    for (size_t rank = 0; rank < said.size(); ++rank)
      ASSERT_EQ(said[rank], "") << each.name << ", rank " << rank;
  }
}
INSTANTIATE_TEST_SUITE_P(Sizes, VirtualCases, testing::Values(1, 2, 3, 4, 8, 64), testing::PrintToStringParamName());

/// Equal inputs, five runs, four ranks: one result.
TEST(VirtualWorld, SameBitsOnEveryRankAndInEveryRun) {
  for (DType dtype : {DType::kF32, DType::kF64, DType::kF16, DType::kBF16}) {
    std::vector<std::vector<std::byte>> results;
    for (int run = 0; run < 5; ++run) {
      std::vector<std::vector<std::byte>> outs(4);
      const auto said = onEveryRank(4, kPatient, [&](Communicator& comm) {
        auto& out = outs[static_cast<size_t>(comm.rank())];
        out = valuesOf(dtype, 1001, Values::kAny, static_cast<uint64_t>(comm.rank()));
        return comm.run({.op = Op::kAllReduce, .dtype = dtype, .count = 1001}, out.data(), out.data()).message();
      });
      expectAllSay(said, {});
      results.insert(results.end(), outs.begin(), outs.end());
    }
    for (const auto& result : results)
      EXPECT_EQ(result, results[0]);
  }
}

/// The formulas of the literature, where counts divide: 2(n-1)/n S, (n-1)/n S, S.
TEST(VirtualWorld, TrafficIsTheClosedFormula) {
  for (int n : {2, 4, 8}) {
    const int64_t count = 64, whole = count * 4;
    const auto said = onEveryRank(n, kPatient, [&](Communicator& comm) -> std::string {
      std::vector<float> in(64), out(64);
      int64_t expected = 0;
      auto moves = [&](Call call, int64_t bytes) {
        (void)comm.run(call, in.data(), out.data());
        expected += bytes;
        return comm.traffic().receivedBytes == expected;
      };
      if (!moves({.op = Op::kAllReduce, .count = count}, 2 * (n - 1) * whole / n)) return "all_reduce";
      if (!moves({.op = Op::kAllGather, .count = count / n}, (n - 1) * whole / n)) return "all_gather";
      if (!moves({.op = Op::kReduceScatter, .count = count / n}, (n - 1) * whole / n)) return "reduce_scatter";
      if (!moves({.op = Op::kAllToAll, .count = count / n}, (n - 1) * whole / n)) return "all_to_all";
      if (!moves({.op = Op::kBroadcast, .count = count}, comm.rank() == 0 ? 0 : whole)) return "broadcast";
      return comm.traffic().calls == 5 ? "" : "calls";
    });
    for (const std::string& wrong : said)
      EXPECT_EQ(wrong, "") << n;
  }
}

TEST(VirtualWorld, RefusesRanksThatAreNotThere) {
  EXPECT_NE(VirtualWorld::create(0).status().message().find("got a world of 0 ranks"), std::string::npos);
  auto world = *VirtualWorld::create(2);
  EXPECT_NE(world->communicator(2).status().message().find("got rank 2, expected 0 to 1"), std::string::npos);
  auto first = world->communicator(0);
  ASSERT_TRUE(first.isOk());
  EXPECT_NE(world->communicator(0).status().message().find("has its communicator already"), std::string::npos);
}

// ---- members' calls that differ ----

struct Different {
  const char* name;
  Call usual, other; // of all ranks but 2; of rank 2
  const char* said;
};
constexpr int kForward[] = {1, 2, 3, 0}, kBackward[] = {3, 0, 1, 2};
constexpr int64_t kEven[] = {1, 1, 1, 1}, kOdd[] = {1, 3, 1, 1};
const Different kDifferent[] = {
    {"Operation", {.op = Op::kAllReduce, .count = 4}, {.op = Op::kAllGather, .count = 4}, "operation"},
    {"Count", {.count = 4}, {.count = 5}, "count"},
    {"Type", {.count = 4}, {.dtype = DType::kI32, .count = 4}, "type"},
    {"Reduction", {.count = 4}, {.reduction = Reduction::kMax, .count = 4}, "reduction"},
    {"Root", {.op = Op::kBroadcast, .count = 4, .root = 1}, {.op = Op::kBroadcast, .count = 4, .root = 3}, "root"},
    {"Sources", {.op = Op::kPermute, .count = 4, .sources = kForward}, {.op = Op::kPermute, .count = 4, .sources = kBackward}, "source of place 0 is"},
    {"Sends", {.op = Op::kAllToAllV, .sends = kEven, .receives = kEven}, {.op = Op::kAllToAllV, .sends = kOdd, .receives = kEven}, "sends the"},
    {"Receives", {.op = Op::kAllToAllV, .sends = kEven, .receives = kEven}, {.op = Op::kAllToAllV, .sends = kEven, .receives = kOdd}, "receives,"},
};

TEST(VirtualWorld, CallsThatDifferAreEverybodysError) {
  for (const Different& different : kDifferent) {
    const auto said = onEveryRank(4, kPatient, [&](Communicator& comm) {
      float in[64] = {}, out[64] = {};
      (void)comm.run({.count = 1, .sequence = 0, .name = "/before"}, in, out);
      Call call = comm.rank() == 2 ? different.other : different.usual;
      call.sequence = comm.rank() == 2 ? 7 : 5;
      call.name = comm.rank() == 2 ? "/other" : "/usual";
      std::string first = comm.run(call, in, out).message();
      // The world stays broken, with the first error.
      EXPECT_EQ(comm.run({.count = 1}, in, out).message(), first);
      return first;
    });
    expectAllSayTheSame(said);
    expectAllSay(said, {"calls differ", different.said, "rank 2 makes #7", "of /other", " makes #5", "of /usual", "as call 1 of ranks 0, 1, 2, 3"});
  }
}

TEST(VirtualWorld, EndsOfASendThatDiffer) {
  const auto said = onEveryRank(2, kPatient, [&](Communicator& comm) {
    float buffer[8] = {};
    if (comm.rank() == 0) return comm.run({.op = Op::kSend, .count = 4, .root = 1, .name = "/a"}, buffer, nullptr).message();
    return comm.run({.op = Op::kRecv, .count = 5, .root = 0, .name = "/b"}, nullptr, buffer).message();
  });
  expectAllSayTheSame(said);
  expectAllSay(said, {"calls differ, count", "rank 0 makes #0 send f32[4] of /a", "rank 1 makes #0 recv f32[5] of /b"});
}

/// Whoever comes first: what one sends the other is compared both ways.
TEST(VirtualWorld, PartSizesAreComparedBothWays) {
  const std::vector<int64_t> two{2, 2}, more{2, 3}, other{3, 2};
  struct Row {
    std::vector<int64_t> sends0, receives0, sends1, receives1;
    const char* said;
  };
  for (const Row& row : {Row{more, two, two, two, "the first sends the second, and the second receives, 3 and 2"},
                         Row{two, more, two, two, "the second sends the first, and the first receives, 2 and 3"},
                         Row{two, two, other, two, "the second sends the first, and the first receives, 3 and 2"},
                         Row{two, two, two, other, "the first sends the second, and the second receives, 2 and 3"}}) {
    auto world = *VirtualWorld::create(2, kPatient);
    auto zero = rankOf(world, 0), one = rankOf(world, 1);
    float in[8] = {}, out[2][8] = {};
    EXPECT_TRUE(zero->start({.op = Op::kAllToAllV, .sends = row.sends0, .receives = row.receives0}, in, out[0]).isOk());
    const std::string said = one->start({.op = Op::kAllToAllV, .sends = row.sends1, .receives = row.receives1}, in, out[1]).status().message();
    EXPECT_NE(said.find(row.said), std::string::npos) << said << "\nexpected " << row.said;
  }
}

// ---- ranks that do not come ----

TEST(VirtualWorld, TimeoutNamesWhoHasNotCome) {
  std::atomic<bool> over{false};
  const auto said = onEveryRank(4, kHasty, [&](Communicator& comm) {
    float in[8] = {}, out[32] = {};
    (void)comm.run({.op = Op::kAllGather, .count = 8, .sequence = 11, .name = "/up"}, in, out);
    if (comm.rank() == 2) { // drops the call; it is there until the others have noticed
      while (!over)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      return comm.run({.count = 8, .sequence = 13}, in, out).message();
    }
    std::string message = comm.run({.count = 8, .sequence = 12, .name = "/down"}, in, out).message();
    over = true;
    return message;
  });
  expectAllSayTheSame(said);
  expectAllSay(said, {"#12 all_reduce sum f32[8] of /down, ranks 0, 1, 2, 3: rank ", " has waited 1.",
                      "; rank 2: has not come; last done #11 all_gather f32[8] of /up"});
}

/// Two groups, each with a rank that waits in the other: neither can go on.
TEST(VirtualWorld, TimeoutNamesWhatAMissingRankWaitsIn) {
  const auto said = onEveryRank(3, kHasty, [&](Communicator& comm) {
    float in[1] = {}, out[1] = {};
    const int next = (comm.rank() + 1) % 3, before = (comm.rank() + 2) % 3;
    const int pair = *comm.makeGroup(std::vector{comm.rank(), next});
    const int other = *comm.makeGroup(std::vector{before, comm.rank()});
    if (Status status = comm.run({.count = 1, .group = pair, .sequence = 0, .name = "/first"}, in, out); !status.isOk()) return status.message();
    return comm.run({.count = 1, .group = other, .sequence = 1, .name = "/second"}, in, out).message();
  });
  expectAllSayTheSame(said);
  expectAllSay(said, {"has not come; waits in #0 all_reduce sum f32[1] of /first, ranks "});
}

TEST(VirtualWorld, RankThatNeverMadeACall) {
  auto world = *VirtualWorld::create(2, kHasty);
  auto comm = rankOf(world, 0);
  float in[1] = {}, out[1] = {};
  EXPECT_NE(comm->run({.count = 1}, in, out).message().find("rank 1: has not come; has made no call"), std::string::npos);
}

TEST(VirtualWorld, RankThatIsGoneIsNamedAtOnce) {
  const auto said = onEveryRank(4, kPatient, [&](Communicator& comm) {
    float in[8] = {}, out[8] = {};
    (void)comm.run({.count = 8, .sequence = 3, .name = "/first"}, in, out);
    if (comm.rank() == 1) return std::string("#4: rank 1 has gone and did not come; it last done #3 all_reduce sum f32[8] of /first"); // dies
    return comm.run({.count = 8, .sequence = 4, .name = "/second"}, in, out).message();
  });
  expectAllSay(said, {"rank 1 has gone and did not come", "last done #3 all_reduce sum f32[8] of /first"});
}

/// A rank that has made all its calls may go, while others still wait for each other.
TEST(VirtualWorld, RankThatHasFinishedMayGo) {
  const auto said = onEveryRank(4, kPatient, [&](Communicator& comm) -> std::string {
    float in[1] = {1}, out[1] = {};
    if (comm.rank() == 0) return "";
    const int rest = *comm.makeGroup(std::vector{1, 2, 3});
    for (int i = 0; i < 20; ++i)
      if (Status status = comm.run({.count = 1, .group = rest}, in, out); !status.isOk() || out[0] != 3) return "wrong " + status.message();
    return "";
  });
  for (const std::string& text : said)
    EXPECT_EQ(text, "");
}

TEST(VirtualWorld, RankThatGoesWithoutItsWait) {
  float in[4][8] = {}, out[4][8] = {}; // they outlive the communicators
  const auto said = onEveryRank(4, kPatient, [&](Communicator& comm) {
    const auto rank = static_cast<size_t>(comm.rank());
    if (rank == 3) {
      (void)comm.start({.count = 8, .sequence = 9, .name = "/left"}, in[rank], out[rank]);
      return std::string("rank 3 has gone and has not waited for #9 all_reduce sum f32[8] of /left");
    }
    Status status = comm.run({.count = 8, .sequence = 9, .name = "/left"}, in[rank], out[rank]);
    while (status.isOk()) // it may have been carried out before rank 3 went
      status = comm.run({.count = 8, .sequence = 10, .name = "/next"}, in[rank], out[rank]);
    return status.message();
  });
  expectAllSay(said, {"rank 3 has gone and has not waited for #9 all_reduce sum f32[8] of /left"});
}

TEST(VirtualWorld, AbortIsEverybodysError) {
  const auto said = onEveryRank(8, kPatient, [&](Communicator& comm) {
    float in[1] = {}, out[1] = {};
    if (comm.rank() == 5) {
      comm.abort(resourceError("no memory for 12 GiB"));
      comm.abort(resourceError("something else")); // the first error stays
      return comm.run({.count = 1}, in, out).message();
    }
    return comm.run({.count = 1}, in, out).message();
  });
  expectAllSayTheSame(said);
  expectAllSay(said, {"rank 5 has failed: no memory for 12 GiB"});
}

/// Another thread of rank 0 aborts while its own sleeps in a wait, for rank 1 to copy what is left. Rank 1 drops the call
/// when it has, and the abort clears rank 0's calls: what its wait looks at when it wakes last must still be there.
TEST(VirtualWorld, AbortFromAnotherThreadDuringAWait) {
  const int64_t count = 16 << 10; // no longer to copy than a thread takes to wake
  std::vector<int32_t> in(static_cast<size_t>(count)), out(in);
  for (int round = 0; round < 2000; ++round) {
    auto world = *VirtualWorld::create(2, kPatient);
    auto zero = rankOf(world, 0), one = rankOf(world, 1);
    const Call call{.op = Op::kBroadcast, .dtype = DType::kI32, .count = count};
    const Ticket first = *zero->start(call, in.data(), in.data()), second = *one->start(call, nullptr, out.data());
    std::atomic<int> ready{0};
    std::thread waits([&] {
      ++ready;
      (void)zero->wait(first);
    });
    std::thread copies([&] {
      ++ready;
      (void)one->wait(second);
    });
    while (ready < 2)
      std::this_thread::yield();
    for (volatile int i = 0; i < 100 * (round % 50); i = i + 1) // some rounds meet the copy
      continue;
    zero->abort(resourceError("late"));
    copies.join();
    waits.join();
    EXPECT_EQ(one->status().message(), "rank 0 has failed: late");
  }
}

/// A rank that is slow is waited for.
TEST(VirtualWorld, RankThatComesLate) {
  const auto said = onEveryRank(3, kPatient, [&](Communicator& comm) -> std::string {
    float in[1] = {2}, out[1] = {};
    if (comm.rank() == 1) std::this_thread::sleep_for(std::chrono::milliseconds(30));
    const Status status = comm.run({.count = 1}, in, out);
    return status.isOk() && out[0] == 6 ? "" : "wrong " + status.message();
  });
  for (const std::string& text : said)
    EXPECT_EQ(text, "");
}

/// A call is carried out by those who wait: a rank that has started it need not be in a wait itself.
TEST(VirtualWorld, WaitNeedsNobodyElsesWait) {
  auto world = *VirtualWorld::create(2, kPatient);
  auto zero = rankOf(world, 0), one = rankOf(world, 1);
  float in[2][6] = {{1, 2, 3, 4, 5, 6}, {10, 20, 30, 40, 50, 60}}, out[2][6] = {};
  const Ticket a = *zero->start({.count = 6}, in[0], out[0]), b = *one->start({.count = 6}, in[1], out[1]);
  EXPECT_TRUE(zero->wait(a).isOk()); // one thread for both ranks
  EXPECT_TRUE(one->wait(b).isOk());
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(out[0][i], in[0][i] + in[1][i]);
    EXPECT_EQ(out[1][i], out[0][i]);
  }
}

TEST(VirtualWorld, RecentCalls) {
  auto world = *VirtualWorld::create(1, kPatient);
  auto comm = rankOf(world, 0);
  float in[1] = {}, out[1] = {};
  EXPECT_EQ(comm->recentCalls(), "");
  for (int i = 0; i < 100; ++i)
    EXPECT_TRUE(comm->run({.count = 1, .sequence = i, .name = "/x"}, in, out).isOk());
  const Ticket open = *comm->start({.count = 1, .sequence = 100, .name = "/open"}, in, out);
  const std::string lines = comm->recentCalls();
  EXPECT_EQ(std::ranges::count(lines, '\n'), 64);
  EXPECT_EQ(lines.find("#36 "), std::string::npos);
  EXPECT_EQ(lines.find("#37 all_reduce sum f32[1] of /x, rank 0: done, "), 0u);
  EXPECT_NE(lines.find("#100 all_reduce sum f32[1] of /open, rank 0: started, started "), std::string::npos);
  EXPECT_TRUE(comm->wait(open).isOk());
  EXPECT_NE(comm->wait(open).message().find("expected one of start that was not waited for"), std::string::npos);
}

} // namespace
} // namespace jinx::comm::test
