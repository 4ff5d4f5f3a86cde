// Programs of several ranks, by hand: each collective as a step, on devices whose memory is the host's and on one whose
// memory is not; calls that start and end apart; what is told of ranks that fail, differ or are not there.
#include <thread>

#include "runtime/comm/FakeWorld.h"
#include "runtime/comm/VirtualWorld.h"
#include "runtime/device/emulated/EmulatedDevice.h"
#include "runtime/executor/RecordedLaunches.h"
#include "runtime/executor/VirtualRanks.h"
#include "tests/unit/runtime/TestSession.h"

namespace jinx::test {
namespace {

using plan::Collective;
using Values = std::vector<Value>;

Expected<std::shared_ptr<Device>> shared(Expected<std::unique_ptr<Device>> device) {
  if (!device) return device.status();
  return std::shared_ptr<Device>(std::move(*device));
}
Expected<std::shared_ptr<Device>> deviceOf(const std::string& name) {
  if (name == "separate") return std::shared_ptr<Device>(std::make_shared<SeparateDevice>(DeviceOptions{.threads = 1}));
  if (name == "emulated") return shared(emulated::makeEmulatedDevice({.threads = 1}));
  return shared(makeDevice("cpu", {.threads = 1}));
}

VirtualRanksOptions rankOptions() {
  VirtualRanksOptions options;
  options.session = testOptions();
  options.timeout = std::chrono::seconds(20);
  return options;
}

Expected<std::unique_ptr<VirtualRanks>> ranksOf(std::shared_ptr<const PlanFile> plan, int n,
                                                const std::string& device = "cpu") {
  return VirtualRanks::create(
      std::vector(static_cast<size_t>(n), std::move(plan)), [device](int) { return deviceOf(device); }, rankOptions());
}

/// What rank r has: r * 10, r * 10 + 1, …
Tensor rankValues(int rank, int64_t count) {
  Tensor t = Tensor::make(DType::kF32, {count});
  for (int64_t i = 0; i < count; ++i)
    t.as<float>()[i] = static_cast<float>(rank * 10 + i);
  return t;
}

/// One collective between an input and an output.
struct OneCall {
  TestPlan t;
  Collective* call;
  OneCall(Collective::Op op, int64_t ranks, int64_t in, int64_t out, int64_t count) {
    t.mesh({{"tp", ranks}});
    const uint32_t x = t.input("x", {std::to_string(in)}), y = t.output("y", {std::to_string(out)});
    call = &t.collective(op, {x}, {y}, std::to_string(count));
  }
};

class OnDevice : public testing::TestWithParam<std::string> {
 protected:
  /// The outputs of all ranks of rank values.
  std::vector<std::vector<float>> outputsOf(TestPlan& t, int ranks, int64_t count, int runs = 1) {
    auto all = take(ranksOf(t.finish(), ranks, GetParam()));
    std::vector<Values> inputs, outputs(static_cast<size_t>(ranks), Values(1));
    for (int r = 0; r < ranks; ++r)
      inputs.push_back({rankValues(r, count)});
    for (int i = 0; i < runs; ++i) {
      const Status status = all->runParts(inputs, outputs);
      EXPECT_TRUE(status.isOk()) << status.message();
      if (!status.isOk()) return {};
    }
    std::vector<std::vector<float>> made;
    for (const Values& values : outputs)
      made.push_back(toFloats(std::get<Tensor>(values[0])));
    return made;
  }
};
INSTANTIATE_TEST_SUITE_P(Devices, OnDevice, testing::Values("cpu", "separate", "emulated"),
                         [](const auto& info) { return info.param; });

using Rows = std::vector<std::vector<float>>;

TEST_P(OnDevice, AllReduce) {
  OneCall c(Collective::ALL_REDUCE, 3, 2, 2, 2);
  EXPECT_EQ(outputsOf(c.t, 3, 2, /*runs=*/3), (Rows{{30, 33}, {30, 33}, {30, 33}}));
}
TEST_P(OnDevice, Largest) {
  OneCall c(Collective::ALL_REDUCE, 3, 2, 2, 2);
  c.call->set_reduction(Collective::MAX);
  EXPECT_EQ(outputsOf(c.t, 3, 2), (Rows{{20, 21}, {20, 21}, {20, 21}}));
}
TEST_P(OnDevice, AllGather) {
  OneCall c(Collective::ALL_GATHER, 2, 2, 4, 2);
  EXPECT_EQ(outputsOf(c.t, 2, 2), (Rows{{0, 1, 10, 11}, {0, 1, 10, 11}}));
}
TEST_P(OnDevice, ReduceScatter) {
  OneCall c(Collective::REDUCE_SCATTER, 2, 4, 2, 2);
  EXPECT_EQ(outputsOf(c.t, 2, 4), (Rows{{10, 12}, {14, 16}}));
}
TEST_P(OnDevice, AllToAll) {
  OneCall c(Collective::ALL_TO_ALL, 2, 4, 4, 2);
  EXPECT_EQ(outputsOf(c.t, 2, 4), (Rows{{0, 1, 10, 11}, {2, 3, 12, 13}}));
}
TEST_P(OnDevice, Broadcast) {
  OneCall c(Collective::BROADCAST, 2, 2, 2, 2);
  c.call->set_root(1);
  EXPECT_EQ(outputsOf(c.t, 2, 2), (Rows{{10, 11}, {10, 11}}));
}
TEST_P(OnDevice, Permute) {
  OneCall c(Collective::PERMUTE, 3, 2, 2, 2);
  for (int source : {2, 0, -1})
    c.call->add_sources(source);
  EXPECT_EQ(outputsOf(c.t, 3, 2), (Rows{{20, 21}, {0, 1}, {0, 0}}));
}

/// Rows of two elements, four of which a rank has and six it has room for; counts are inputs.
struct RowsCall {
  TestPlan t;
  explicit RowsCall(int64_t ranks, const std::string& count = "2") {
    const std::string n = std::to_string(ranks);
    t.mesh({{"ep", ranks}});
    const uint32_t x = t.input("x", {"4", "2"}), sends = t.input("sends", {n}, DType::kI64),
                   receives = t.input("receives", {n}, DType::kI64), y = t.output("y", {"6", "2"});
    t.collective(Collective::ALL_TO_ALL_V, {x, sends, receives}, {y}, count);
  }
};
using Counts = std::vector<std::vector<int64_t>>; ///< [from][to]

/// What rank r has: rows 100 r, 100 r + 1, …, each twice.
Values rowsInputs(int rank, const std::vector<int64_t>& sends, const std::vector<int64_t>& receives) {
  Tensor x = Tensor::make(DType::kF32, {4, 2});
  for (int64_t i = 0; i < x.size(); ++i)
    x.as<float>()[i] = static_cast<float>(100 * rank + i / 2);
  const auto n = static_cast<int64_t>(sends.size());
  return {x, ints({n}, sends), ints({n}, receives)};
}
std::vector<int64_t> receivesOf(const Counts& counts, size_t rank) {
  std::vector<int64_t> receives;
  for (const auto& sends : counts)
    receives.push_back(sends[rank]);
  return receives;
}

/// Counts of each run are its own: what one run has left behind its rows, the next one clears.
TEST_P(OnDevice, AllToAllV) {
  RowsCall c(3);
  auto ranks = take(ranksOf(c.t.finish(), 3, GetParam()));
  const std::vector<std::pair<Counts, Rows>> runs = {
      {{{1, 2, 0}, {0, 0, 3}, {1, 1, 2}}, {{0, 200}, {1, 2, 201}, {100, 101, 102, 202, 203}}},
      {{{0, 0, 0}, {0, 1, 0}, {0, 0, 0}}, {{}, {100}, {}}},
      {{{2, 0, 0}, {2, 0, 0}, {2, 0, 0}}, {{0, 1, 100, 101, 200, 201}, {}, {}}},
  };
  std::vector<Values> outputs(3, Values(1));
  for (const auto& [counts, expected] : runs) {
    std::vector<Values> inputs;
    for (size_t r = 0; r < 3; ++r)
      inputs.push_back(rowsInputs(static_cast<int>(r), counts[r], receivesOf(counts, r)));
    const CollectiveStatistics before = ranks->session(2).statistics().collectives;
    const Status status = ranks->runParts(inputs, outputs);
    ASSERT_TRUE(status.isOk()) << status.message();
    for (size_t r = 0; r < 3; ++r) {
      std::vector<float> whole(12, 0);
      for (size_t i = 0; i < expected[r].size(); ++i)
        whole[2 * i] = whole[2 * i + 1] = expected[r][i];
      EXPECT_EQ(toFloats(std::get<Tensor>(outputs[r][0])), whole) << "rank " << r;
    }
    if (&counts != &runs[0].first) // the first run compares schedules, too
      EXPECT_EQ(ranks->session(2).statistics().collectives.sentBytes - before.sentBytes,
                8 * (counts[2][0] + counts[2][1]));
  }
}

/// Counts are data: whatever they are, a run ends, and says what is wrong.
TEST_P(OnDevice, CountsThatCannotBe) {
  struct Row {
    std::vector<int64_t> sends0, receives0, sends1, receives1;
    const char* says;
  };
  const Row rows[] = {
      {{1, -1},
       {1, 0},
       {0, 0},
       {0, 0},
       "rank 0: step \"ALL_TO_ALL_V1\": its sends: has -1 rows for place 1 of the group, expected 0 or more"},
      {{2, 3},
       {2, 0},
       {0, 0},
       {3, 0},
       "its sends: has 3 rows for place 1 of the group, expected up to 2: of the 4 of its buffer that are left"},
      {{2, 0},
       {2, 5},
       {0, 0},
       {0, 0},
       "its receives: has 5 rows for place 1 of the group, expected up to 4: of the 6 of its buffer that are left"},
      {{2, int64_t{1} << 62}, {2, 0}, {0, 0}, {0, 0}, "expected up to 2"},
      {{2, 1}, {1, 0}, {0, 0}, {1, 0}, "sends itself 4 elements and receives 2 of itself"},
      {{1, 2}, {1, 0}, {0, 1}, {1, 1}, "calls differ, the "}, // which end is named first depends on who comes first
      {{1, 2}, {1, 1}, {0, 1}, {2, 1}, "calls differ, the "},
  };
  for (const Row& row : rows) {
    RowsCall c(2);
    auto ranks = take(ranksOf(c.t.finish(), 2, GetParam()));
    std::vector<Values> inputs = {rowsInputs(0, row.sends0, row.receives0), rowsInputs(1, row.sends1, row.receives1)},
                        outputs(2, Values(1));
    const std::string said = ranks->runParts(inputs, outputs).message();
    EXPECT_NE(said.find(row.says), std::string::npos) << said;
  }
}

TEST_P(OnDevice, CountsAreNotEnqueued) {
  RowsCall c(1);
  auto ranks = take(ranksOf(c.t.finish(), 1, GetParam()));
  auto stream = take(ranks->session(0).device().createStream());
  Values inputs, outputs;
  const Status status = ranks->session(0).enqueue(inputs, outputs, *stream);
  EXPECT_EQ(status.code(), Code::kUnimplemented);
  EXPECT_EQ(status.message(),
            "step \"ALL_TO_ALL_V1\" has counts that the host must read: this plan runs, and cannot be enqueued");
}

TEST_P(OnDevice, SendAndReceive) {
  TestPlan sender, receiver;
  for (TestPlan* t : {&sender, &receiver}) {
    t->mesh({{"pp", 2}});
    const uint32_t x = t->input("x", {"2"}), y = t->output("y", {"2"});
    if (t == &sender) {
      t->collective(Collective::SEND, {x}, {}, "2").set_root(1);
      t->hostCall("test.Negate", {x}, {y});
    } else {
      t->collective(Collective::RECV, {}, {y}, "2").set_root(0);
    }
    t->p.mutable_mesh()->add_coordinates()->set_at(t == &sender ? 0 : 1);
  }
  auto ranks = take(VirtualRanks::create(
      {sender.finish(), receiver.finish()}, [&](int) { return deviceOf(GetParam()); }, rankOptions()));
  std::vector<Values> inputs = {{rankValues(0, 2)}, {rankValues(1, 2)}}, outputs(2, Values(1));
  const Status status = ranks->runParts(inputs, outputs);
  ASSERT_TRUE(status.isOk()) << status.message();
  EXPECT_EQ(toFloats(std::get<Tensor>(outputs[1][0])), (std::vector<float>{0, 1}));
}

/// Two sends are on their way while both ranks compute: nobody waits for the other's first call.
TEST_P(OnDevice, StartedSendsAndReceives) {
  TestPlan first, second;
  for (TestPlan* t : {&first, &second}) {
    t->mesh({{"pp", 2}});
    const int own = t == &first ? 0 : 1;
    const uint32_t x = t->input("x", {"2"}), a = t->arena("a", {"2"}), came = t->arena("came", {"2"}),
                   y = t->output("y", {"2"});
    t->hostCall("test.Negate", {x}, {a});
    plan::Collective& send = t->collective(Collective::SEND, {a}, {}, "2");
    send.set_root(1 - own);
    send.set_starts(true);
    plan::Collective& receive = t->collective(Collective::RECV, {}, {came}, "2");
    receive.set_root(1 - own);
    receive.set_starts(true);
    t->wait(1, {a}, {});
    t->wait(2, {}, {came});
    t->hostCall("test.Add", {came, a}, {y});
    t->p.mutable_mesh()->add_coordinates()->set_at(own);
  }
  auto ranks = take(VirtualRanks::create(
      {first.finish(), second.finish()}, [&](int) { return deviceOf(GetParam()); }, rankOptions()));
  std::vector<Values> inputs = {{rankValues(0, 2)}, {rankValues(1, 2)}}, outputs(2, Values(1));
  const Status status = ranks->runParts(inputs, outputs);
  ASSERT_TRUE(status.isOk()) << status.message();
  for (const Values& values : outputs)
    EXPECT_EQ(toFloats(std::get<Tensor>(values[0])), (std::vector<float>{-10, -12}));
}

/// Between start and wait another step runs, whose result may not lie where the collective reads or writes.
TestPlan startedPlan() {
  TestPlan t;
  t.mesh({{"tp", 2}});
  const uint32_t x = t.input("x", {"2"}), a = t.arena("a", {"2"}), sum = t.arena("sum", {"2"}),
                 other = t.arena("other", {"2"}), again = t.arena("again", {"2"});
  const uint32_t y = t.output("y", {"2"});
  t.hostCall("test.Negate", {x}, {a});
  t.collective(Collective::ALL_REDUCE, {a}, {sum}, "2").set_starts(true);
  t.hostCall("test.Negate", {x}, {other});
  t.hostCall("test.Negate", {other}, {again});
  t.wait(1, {a}, {sum});
  t.hostCall("test.Add", {sum, again}, {y});
  return t;
}

TEST_P(OnDevice, StartsAndWaits) {
  TestPlan t = startedPlan();
  EXPECT_EQ(outputsOf(t, 2, 2, /*runs=*/2), (Rows{{-10, -11}, {0, -1}}));
}

/// Memory of a device that holds two floats.
struct Pair {
  Device& device;
  void* data = nullptr;
  explicit Pair(Device& d) : device(d), data(take(d.allocate(8))) {}
  ~Pair() { device.release(data, 8); }
  Tensor tensor() const { return Tensor::wrap(DType::kF32, {2}, data); }
};

/// Enqueues three runs, each on what the one before it gave; says what came out, or what failed.
std::string enqueuedRuns(Session& session, int rank) {
  Device& device = session.device();
  Pair x(device), y(device);
  auto stream = take(device.createStream());
  const Tensor values = rankValues(rank, 2);
  EXPECT_TRUE(device.copyToDevice(x.data, values.data(), 8, *stream).isOk());
  for (int i = 0; i < 3; ++i) {
    Values inputs = {(i % 2 ? y : x).tensor()}, outputs = {(i % 2 ? x : y).tensor()};
    if (Status status = session.enqueue(inputs, outputs, *stream); !status.isOk()) return status.message();
  }
  float out[2] = {};
  EXPECT_TRUE(device.copyToHost(out, y.data, 8, *stream).isOk());
  EXPECT_TRUE(stream->synchronize().isOk());
  EXPECT_TRUE(session.status().isOk());
  return std::to_string(out[0]) + " " + std::to_string(out[1]);
}

TEST_P(OnDevice, AreEnqueued) {
  OneCall c(Collective::ALL_REDUCE, 2, 2, 2, 2);
  auto ranks = take(ranksOf(c.t.finish(), 2, GetParam()));
  std::string said[2];
  std::thread other([&] { said[1] = enqueuedRuns(ranks->session(1), 1); });
  said[0] = enqueuedRuns(ranks->session(0), 0);
  other.join();
  EXPECT_EQ(said[0], "40.000000 48.000000"); // each run adds up what both have
  EXPECT_EQ(said[1], said[0]);
}

TEST(Collectives, WhatIsStartedKeepsItsOperandUntilTheWait) {
  TestPlan t = startedPlan();
  auto ranks = take(ranksOf(t.finish(), 2));
  std::vector<Values> inputs = {{rankValues(0, 2)}, {rankValues(1, 2)}}, outputs(2, Values(1));
  ASSERT_TRUE(ranks->runParts(inputs, outputs).isOk());
  std::map<std::string, ArenaEntry> at;
  for (const ArenaEntry& entry : ranks->session(0).arenaEntries())
    at[entry.name] = entry;
  for (const char* held : {"a", "sum"})
    for (const char* between : {"other", "again"})
      EXPECT_TRUE(at[held].offsetBytes + at[held].sizeBytes <= at[between].offsetBytes ||
                  at[between].offsetBytes + at[between].sizeBytes <= at[held].offsetBytes)
          << held << " and " << between << " share memory while the collective runs";
}

/// There and back by the same counts: they are read once a run, however many steps have them.
TEST(Collectives, CountsAreReadOnce) {
  TestPlan t;
  t.mesh({{"ep", 2}});
  const uint32_t x = t.input("x", {"3"}), sends = t.input("sends", {"2"}, DType::kI64),
                 receives = t.input("receives", {"2"}, DType::kI64), there = t.arena("there", {"6"}),
                 y = t.output("y", {"4"});
  t.collective(Collective::ALL_TO_ALL_V, {x, sends, receives}, {there}, "1");
  t.collective(Collective::ALL_TO_ALL_V, {there, receives, sends}, {y}, "1");
  const std::shared_ptr<const PlanFile> plan = t.finish();
  std::vector<std::shared_ptr<SeparateDevice>> devices(2);
  auto ranks = take(VirtualRanks::create(
      {plan, plan},
      [&](int rank) -> Expected<std::shared_ptr<Device>> { // on the rank's thread
        auto& device = devices[static_cast<size_t>(rank)];
        device = std::make_shared<SeparateDevice>(DeviceOptions{.threads = 1});
        return std::shared_ptr<Device>(device);
      },
      rankOptions()));
  for (const Counts& counts : {Counts{{1, 2}, {0, 1}}, Counts{{0, 0}, {3, 0}}}) {
    std::vector<Values> inputs, outputs(2, Values(1));
    for (size_t r = 0; r < 2; ++r)
      inputs.push_back({rankValues(static_cast<int>(r), 3), ints({2}, counts[r]), ints({2}, receivesOf(counts, r))});
    const int before = devices[0]->copiesToHost;
    const Status status = ranks->runParts(inputs, outputs);
    ASSERT_TRUE(status.isOk()) << status.message();
    EXPECT_EQ(devices[0]->copiesToHost - before, 2 + 2 + 1); // counts, two operands, the output
    for (size_t r = 0; r < 2; ++r)
      for (int64_t i = 0; i < 4; ++i)
        EXPECT_EQ(toFloats(std::get<Tensor>(outputs[r][0]))[static_cast<size_t>(i)],
                  i < counts[r][0] + counts[r][1] ? static_cast<float>(10 * static_cast<int64_t>(r) + i) : 0);
  }
}

/// A recording would have the counts of one run in it.
TEST(Collectives, CountsEndARecording) {
  TestPlan t;
  t.mesh({{"ep", 2}});
  const uint32_t x = t.input("x", {"4"}), counts = t.input("counts", {"2"}, DType::kI64), a = t.arena("a", {"4"}),
                 b = t.arena("b", {"4"}), y = t.output("y", {"4"});
  t.collective(Collective::ALL_REDUCE, {x}, {a}, "4");
  t.collective(Collective::ALL_TO_ALL_V, {a, counts, counts}, {b}, "1");
  t.collective(Collective::ALL_REDUCE, {b}, {y}, "4");
  const auto program = take(Program::build(t.finish(), *testOptions().hostOps));
  const std::vector<uint32_t>& steps = program->blocks[0].steps;
  EXPECT_EQ(endOfLaunches(*program, /*withCollectives=*/true, steps, 0), 1u);
  EXPECT_EQ(endOfLaunches(*program, true, steps, 1), 1u);
  EXPECT_EQ(endOfLaunches(*program, true, steps, 2), 3u);
}

TEST(Collectives, GroupsAlongEachAxisOfAMesh) {
  for (uint32_t axis : {0u, 1u}) {
    TestPlan t;
    t.mesh({{"dp", 2}, {"tp", 3}});
    const uint32_t x = t.input("x", {"1"}), y = t.output("y", {"1"});
    t.collective(Collective::ALL_REDUCE, {x}, {y}, "1", {axis});
    auto ranks = take(ranksOf(t.finish(), 6));
    std::vector<Values> inputs, outputs(6, Values(1));
    for (int r = 0; r < 6; ++r)
      inputs.push_back({rankValues(r, 1)});
    ASSERT_TRUE(ranks->runParts(inputs, outputs).isOk());
    for (int r = 0; r < 6; ++r)
      EXPECT_EQ(toFloats(std::get<Tensor>(outputs[static_cast<size_t>(r)][0]))[0],
                static_cast<float>(axis == 0 ? 2 * (r % 3) * 10 + 30
                                   : r < 3   ? 30
                                             : 120));
  }
}

TEST(Collectives, SizesMayChangeFromRunToRun) {
  TestPlan t;
  t.mesh({{"tp", 2}});
  t.symbol("n");
  const uint32_t x = t.input("x", {"n"}), y = t.output("y", {"2*n"});
  t.collective(Collective::ALL_GATHER, {x}, {y}, "n");
  auto ranks = take(ranksOf(t.finish(), 2));
  for (int64_t n : {1, 3, 0, 1}) {
    std::vector<Values> inputs = {{rankValues(0, n)}, {rankValues(1, n)}}, outputs(2, Values(1));
    const Status status = ranks->runParts(inputs, outputs);
    ASSERT_TRUE(status.isOk()) << status.message();
    EXPECT_EQ(std::get<Tensor>(outputs[0][0]).size(), 2 * n);
  }
  EXPECT_EQ(ranks->session(0).statistics().collectives.receivedBytes > 0, true);
}

TEST(Collectives, StepsAreNamedInTraces) {
  TestPlan t = startedPlan();
  auto ranks = take(ranksOf(t.finish(), 2));
  const std::vector<TraceStep> steps = ranks->session(0).steps();
  EXPECT_EQ(steps[1].kind, "collective");
  EXPECT_EQ(steps[1].kernel, "all_reduce sum over tp");
  EXPECT_EQ(steps[4].kind, "wait");
  Trace trace;
  std::vector<Values> inputs = {{rankValues(0, 2)}, {rankValues(1, 2)}}, outputs(2, Values(1));
  ASSERT_TRUE(ranks->runParts(inputs, outputs, &trace).isOk());
  EXPECT_EQ(trace.timings().size(), 6u);
}

// ---- what is told ----

std::string messageOf(const Status& status) { return status.isOk() ? "" : status.message(); }
bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(CollectiveErrors, NoCommunicator) {
  OneCall c(Collective::ALL_REDUCE, 4, 2, 2, 2);
  auto session = Session::create(c.t.finish(), take(deviceOf("cpu")), testOptions());
  ASSERT_FALSE(session.isOk());
  EXPECT_EQ(session.status().code(), Code::kInvalidArgument);
  EXPECT_EQ(session.status().message(), "loading plan: the plan has 1 collective between 4 ranks (tp = 4), and the "
                                        "session no communicator: set SessionOptions::communicator, or "
                                        "run all ranks with `jinx-rt run FOLDER --ranks 4` or `--communicator mpi`");
}

TEST(CollectiveErrors, AMeshOfOneRankNeedsNoCommunicator) {
  OneCall c(Collective::ALL_GATHER, 1, 2, 2, 2);
  auto session = take(Session::create(c.t.finish(), take(deviceOf("cpu")), testOptions()));
  Values inputs = {rankValues(1, 2)}, outputs(1);
  ASSERT_TRUE(session->run(inputs, outputs).isOk());
  EXPECT_EQ(toFloats(std::get<Tensor>(outputs[0])), (std::vector<float>{10, 11}));
}

TEST(CollectiveErrors, ThePlanOfAnotherRank) {
  OneCall c(Collective::ALL_REDUCE, 4, 2, 2, 2);
  c.t.p.mutable_mesh()->add_coordinates()->set_at(2);
  SessionOptions options = testOptions();
  options.communicator = take(comm::fakeCommunicator(1, 4));
  auto session = Session::create(c.t.finish(), take(deviceOf("cpu")), options);
  EXPECT_EQ(messageOf(session.status()),
            "loading plan: the plan is for tp = 2 of 4, this is rank 1 of 4 (tp = 1): give each rank its own plan");
}

TEST(CollectiveErrors, AWorldOfAnotherSize) {
  OneCall c(Collective::ALL_REDUCE, 4, 2, 2, 2);
  SessionOptions options = testOptions();
  options.communicator = take(comm::fakeCommunicator(1, 2));
  auto session = Session::create(c.t.finish(), take(deviceOf("cpu")), options);
  EXPECT_TRUE(contains(messageOf(session.status()), "the plan is for 4 ranks (tp = 4), the world has 2"))
      << messageOf(session.status());
}

TEST(CollectiveErrors, ARankThatFailsEndsTheOthers) {
  TestPlan good, bad;
  for (TestPlan* t : {&good, &bad}) {
    t->mesh({{"tp", 2}});
    const uint32_t x = t->input("x", {"2"}), a = t->arena("a", {"2"}), y = t->output("y", {"2"});
    t->hostCall(t == &bad ? "test.Fail" : "test.First", {x}, {a});
    t->collective(Collective::ALL_REDUCE, {a}, {y}, "2");
  }
  auto ranks =
      take(VirtualRanks::create({good.finish(), bad.finish()}, [](int) { return deviceOf("cpu"); }, rankOptions()));
  std::vector<Values> inputs = {{rankValues(0, 2)}, {rankValues(1, 2)}}, outputs(2, Values(1));
  const Status status = ranks->runParts(inputs, outputs);
  EXPECT_TRUE(contains(messageOf(status), "rank 1: step \"test.Fail1\"")) << messageOf(status);
  EXPECT_TRUE(contains(messageOf(status), "cannot do this")) << messageOf(status);
  const Status later = ranks->session(0).run(inputs[0], outputs[0]);
  EXPECT_TRUE(contains(messageOf(later), "rank 1 has failed")) << messageOf(later);
}

TEST(CollectiveErrors, OtherSchedulesAreToldBeforeTheFirstStep) {
  OneCall one(Collective::ALL_REDUCE, 2, 2, 2, 2), other(Collective::ALL_REDUCE, 2, 2, 2, 2);
  other.call->set_reduction(Collective::MAX);
  // Only its first step tells whether rank 0 has begun.
  auto ranks = take(
      VirtualRanks::create({one.t.finish(), other.t.finish()}, [](int) { return deviceOf("cpu"); }, rankOptions()));
  std::vector<Values> inputs = {{rankValues(0, 2)}, {rankValues(1, 2)}}, outputs(2, Values(1));
  const Status status = ranks->runParts(inputs, outputs);
  EXPECT_TRUE(contains(messageOf(status), "before the first step: ")) << messageOf(status);
  EXPECT_TRUE(contains(messageOf(status), "all_reduce max f32[2]")) << messageOf(status);
}

TEST(CollectiveErrors, SizesOfOneRankThatAreNotThoseOfTheOthers) {
  TestPlan t;
  t.mesh({{"tp", 2}});
  t.symbol("n");
  const uint32_t x = t.input("x", {"n"}), y = t.output("y", {"n"});
  t.collective(Collective::ALL_REDUCE, {x}, {y}, "n");
  auto ranks = take(ranksOf(t.finish(), 2));
  std::vector<Values> inputs = {{rankValues(0, 2)}, {rankValues(1, 3)}}, outputs(2, Values(1));
  const Status status = ranks->runParts(inputs, outputs);
  EXPECT_TRUE(contains(messageOf(status), "f32[3]")) << messageOf(status);
}

TEST(CollectiveErrors, RowsThatAreNotTheBuffers) {
  RowsCall c(2, "3");
  auto ranks = take(ranksOf(c.t.finish(), 2));
  std::vector<Values> inputs = {rowsInputs(0, {0, 0}, {0, 0}), rowsInputs(1, {0, 0}, {0, 0})}, outputs(2, Values(1));
  EXPECT_TRUE(contains(messageOf(ranks->runParts(inputs, outputs)), "\"x\" has 32 bytes, 4 rows of 3 need 48"));
}

TEST(CollectiveErrors, AWorldThatOnlyCountsHasNoCounts) {
  RowsCall c(2);
  SessionOptions options = testOptions();
  options.communicator = take(comm::fakeCommunicator(0, 2));
  auto session = Session::create(c.t.finish(), take(deviceOf("cpu")), options);
  EXPECT_TRUE(
      contains(messageOf(session.status()), "its counts come from other ranks, expected a world that moves data"))
      << messageOf(session.status());
}

TEST(CollectiveErrors, ACountThatIsNotTheBuffers) {
  OneCall c(Collective::ALL_GATHER, 2, 2, 4, 1);
  auto ranks = take(ranksOf(c.t.finish(), 2));
  std::vector<Values> inputs = {{rankValues(0, 2)}, {rankValues(1, 2)}}, outputs(2, Values(1));
  EXPECT_TRUE(contains(messageOf(ranks->runParts(inputs, outputs)),
                       "operand has 8 bytes, a count of 1 in a group of 2 needs 4"));
}

} // namespace
} // namespace jinx::test
