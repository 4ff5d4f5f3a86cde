// Ranks as threads over the library that stands in for NCCL (FakeNccl.cpp), each with an emulated device: every case of
// every world, and what ends a wait.
#include <dlfcn.h>

#include <cstdlib>
#include <thread>

#include "runtime/comm/DeviceCollectives.h"
#include "runtime/comm/nccl/DeviceWatch.h"
#include "runtime/comm/nccl/Nccl.h"
#include "runtime/comm/nccl/NcclCommunicator.h"
#include "runtime/device/emulated/EmulatedDevice.h"
#include "runtime/executor/Executor.h"
#include "tests/unit/comm/Cases.h"
#include "tests/unit/comm/Ranks.h"
#include "tests/unit/nccl/DeviceAsHost.h"
#include "tests/unit/nccl/FakeNccl.h"
#include "tests/unit/nccl/Peers.h"
#include "tests/unit/runtime/TestPlan.h"

namespace jinx::comm::test {
namespace {

/// What each rank says, each with a device of its own.
std::vector<std::string> onEveryDevice(int size, const NcclOptions& options,
                                       const std::function<std::string(Communicator&, std::shared_ptr<Device>)>& body) {
  auto world = *VirtualWorld::create(size, kPatient);
  std::vector<std::string> said(static_cast<size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      std::shared_ptr<Device> device = std::move(*emulated::makeEmulatedDevice({.threads = 1}));
      auto comm = openNccl(rankOf(world, rank), device, options);
      said[static_cast<size_t>(rank)] = comm ? body(**comm, device) : comm.status().message();
    });
  for (std::thread& thread : threads)
    thread.join();
  return said;
}

/// How many ranks, and what may go over peers' memory.
struct Ranks {
  int size;
  const char* how;
  int64_t peerBytes;
};
void PrintTo(const Ranks& ranks, std::ostream* out) { *out << ranks.size << ranks.how; }
class NcclCases : public testing::TestWithParam<Ranks> {};

TEST_P(NcclCases, EveryRankIsRight) {
  for (const Case& each : cases()) {
    const auto said =
        onEveryDevice(GetParam().size, {.peerBytes = GetParam().peerBytes},
                      [&](Communicator& comm, std::shared_ptr<Device> device) -> std::string {
                        auto host = DeviceAsHost::create(std::shared_ptr<Communicator>(std::shared_ptr<void>(), &comm),
                                                         std::move(device));
                        std::string wrong = host ? each.run(**host) : host.status().message();
                        if (!wrong.empty()) comm.abort(internalError(wrong)); // or the others would wait
                        return wrong;
                      });
    for (size_t rank = 0; rank < said.size(); ++rank)
      ASSERT_EQ(said[rank], "") << each.name << ", rank " << rank;
  }
}
constexpr Ranks kSizes[] = {
    {1, "", 0}, {2, "", 0}, {3, "", 0}, {4, "", 0}, {2, "Peers", kPeerBytes}, {4, "Peers", kPeerBytes}};
INSTANTIATE_TEST_SUITE_P(Sizes, NcclCases, testing::ValuesIn(kSizes), testing::PrintToStringParamName());

/// Memory of a device.
struct Block {
  Device& device;
  void* data;
  explicit Block(Device& d) : device(d), data(*d.allocate(64)) {}
  ~Block() { device.release(data, 64); }
};

NcclOptions soon(int64_t peerBytes) { return {.timeout = std::chrono::milliseconds(300), .peerBytes = peerBytes}; }

/// What ends a wait ends it in NCCL's kernels and in ours: by the bytes that may go over peers' memory.
class Nccl : public testing::TestWithParam<int64_t> {};
INSTANTIATE_TEST_SUITE_P(Kernels, Nccl, testing::Values(0, kPeerBytes),
                         [](const auto& info) { return std::string(info.index == 0 ? "Nccl" : "Peers"); });

std::string sum(Communicator& comm, Device& device, int64_t sequence, const char* name) {
  Block block(device);
  auto stream = std::move(*device.createStream());
  DeviceCollectives& calls = *comm.onDevice();
  if (Status status = calls.open(0); !status.isOk()) return status.message();
  const Status status =
      calls.enqueue({.count = 16, .sequence = sequence, .name = name}, block.data, block.data, *stream);
  return status.isOk() ? calls.status().message() : status.message();
}

TEST_P(Nccl, ARankThatDoesNotComeIsNamedWithWhatItDidLast) {
  std::atomic<bool> over{false};
  const auto said =
      onEveryDevice(3, soon(GetParam()), [&](Communicator& comm, std::shared_ptr<Device> device) -> std::string {
        if (std::string wrong = sum(comm, *device, 11, "/up"); !wrong.empty()) return wrong;
        if (comm.rank() == 2) {
          while (!over)
            std::this_thread::yield();
          return comm.onDevice()->status().message() + comm.run({.count = 0}, nullptr, nullptr).message();
        }
        std::string text = sum(comm, *device, 12, "/down");
        over = true;
        return text;
      });
  // Whoever is first asks; it is everybody's error.
  for (int rank : {0, 1})
    expectAllSay({said[static_cast<size_t>(rank)]},
                 {"#12 all_reduce sum f32[16] of /down, ranks 0, 1, 2: rank ", "has waited 0.3",
                  "rank 2: has made 1 of 2 calls; last done #11 all_reduce sum f32[16] of /up"});
  expectAllSay({said[2]}, {"has failed: #12 all_reduce sum f32[16] of /down"});
}

TEST_P(Nccl, ASignalEndsCallsThatAreOnTheirWay) {
  std::atomic<int> stop{0};
  const auto said = onEveryDevice(2, {.stop = &stop, .peerBytes = GetParam()},
                                  [&](Communicator& comm, std::shared_ptr<Device> device) -> std::string {
                                    if (std::string wrong = sum(comm, *device, 1, "/a"); !wrong.empty()) return wrong;
                                    if (comm.rank() == 1) {
                                      stop = 15;
                                      while (comm.onDevice()->status().isOk())
                                        std::this_thread::yield();
                                      return comm.onDevice()->status().message();
                                    }
                                    return sum(comm, *device, 2, "/b");
                                  });
  expectAllSay(said, {"stopped by signal 15", "another rank may have died"});
  expectAllSay({said[0]}, {"#2 all_reduce sum f32[16] of /b"});
}

TEST_P(Nccl, ARankThatFailsEndsTheCallsOfTheOthers) {
  const auto said = onEveryDevice(2, {.peerBytes = GetParam()},
                                  [&](Communicator& comm, std::shared_ptr<Device> device) -> std::string {
                                    if (std::string wrong = sum(comm, *device, 1, "/a"); !wrong.empty()) return wrong;
                                    if (comm.rank() == 0) return sum(comm, *device, 2, "/b");
                                    comm.abort(resourceError("no memory for 12 GiB"));
                                    return sum(comm, *device, 2, "/b");
                                  });
  expectAllSay(said, {"rank 1 has failed: no memory for 12 GiB"});
}

// ---- communicators of NCCL that are freed while somebody uses them ----

/// A function of the library.
template <typename Function>
Function* libraryFunction(const char* name) {
  return reinterpret_cast<Function*>(dlsym(dlopen(std::getenv("JINX_NCCL"), RTLD_NOW), name));
}

/// Told of each call of NCCL while it is there.
class OnCall {
 public:
  explicit OnCall(std::function<void(std::string_view)> body) : body_(std::move(body)) {
    set([](void* self, const char* call) { static_cast<OnCall*>(self)->body_(call); }, this);
  }
  ~OnCall() { set(nullptr, nullptr); }
  OnCall(const OnCall&) = delete;

 private:
  static void set(JinxFakeNcclHook hook, void* context) {
    libraryFunction<decltype(jinxFakeNcclOnCall)>("jinxFakeNcclOnCall")(hook, context);
  }
  std::function<void(std::string_view)> body_;
};

/// Long enough for a watch to look, and for what it would do then; less than it waits for a call to return.
constexpr auto kLooks = std::chrono::milliseconds(60);

TEST(NcclCommunicators, AreNotAskedWhenAnAbortHasFreedThem) {
  std::atomic<bool> isAsked{false};
  const OnCall onCall([&](std::string_view call) {
    if (call != "ncclCommGetAsyncError") return;
    isAsked = true;
    std::this_thread::sleep_for(kLooks);
  });
  const auto said = onEveryDevice(1, {}, [&](Communicator& comm, std::shared_ptr<Device>) -> std::string {
    if (Status status = comm.onDevice()->open(0); !status.isOk()) return status.message();
    while (!isAsked)
      std::this_thread::yield();
    comm.abort(resourceError("no memory"));
    return comm.onDevice()->status().message();
  });
  expectAllSay(said, {"rank 0 has failed: no memory"});
}

/// The world breaks when rank 0 has been let into a call and has not come to NCCL's communicator yet: it is in front of
/// the sends of a group, or between them and the group's end.
class NcclFreed : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(At, NcclFreed, testing::Values("ncclGroupStart", "ncclSend"),
                         [](const auto& info) { return std::string(info.param); });
TEST_P(NcclFreed, NotUnderACallThatHasBegun) {
  std::atomic<bool> isInside{false};
  const OnCall onCall([&](std::string_view call) {
    if (call != GetParam() || isInside.exchange(true)) return;
    std::this_thread::sleep_for(kLooks);
  });
  const auto said = onEveryDevice(2, {}, [&](Communicator& comm, std::shared_ptr<Device> device) -> std::string {
    Block in(*device), out(*device);
    auto stream = std::move(*device->createStream());
    DeviceCollectives& calls = *comm.onDevice();
    if (Status status = calls.open(0); !status.isOk()) return status.message();
    if (comm.rank() == 1) {
      while (!isInside)
        std::this_thread::yield();
      comm.abort(resourceError("no memory"));
      return calls.status().message();
    }
    return calls.enqueue({.op = Op::kAllToAll, .count = 1, .name = "/moe"}, in.data, out.data, *stream).message();
  });
  expectAllSay(said, {"rank 1 has failed: no memory"});
}

TEST(NcclCommunicators, AreNotReplayedWhenTheyAreFreed) {
  const auto said = onEveryDevice(1, {}, [&](Communicator& comm, std::shared_ptr<Device> device) -> std::string {
    auto stream = std::move(*device->createStream());
    if (Status status = comm.onDevice()->open(0); !status.isOk()) return status.message();
    comm.abort(resourceError("no memory"));
    return comm.onDevice()->replaying(*stream).message();
  });
  expectAllSay(said, {"rank 0 has failed: no memory"});
}

/// What stands in for NCCL sees such calls.
TEST(NcclCommunicatorsDeathTest, AreGoneWhenTheyWereAborted) {
  auto makeId = libraryFunction<int(ncclUniqueId*)>("ncclGetUniqueId");
  auto init = libraryFunction<int(ncclComm**, int, ncclUniqueId, int)>("ncclCommInitRank");
  auto abort = libraryFunction<int(ncclComm*)>("ncclCommAbort");
  auto ask = libraryFunction<int(ncclComm*, int*)>("ncclCommGetAsyncError");
  ncclUniqueId id{};
  ncclComm* comm = nullptr;
  ASSERT_EQ(makeId(&id), 0);
  ASSERT_EQ(init(&comm, 1, id, 0), 0);
  ASSERT_EQ(abort(comm), 0);
  int error = 0;
  EXPECT_DEATH((void)ask(comm, &error), "ncclCommGetAsyncError on the communicator of rank 0, which was aborted");
  EXPECT_DEATH((void)abort(comm), "ncclCommAbort on the communicator of rank 0, which was aborted");
}

TEST(NcclAlone, RefusesWhatItCannotDo) {
  const auto said = onEveryDevice(1, {}, [](Communicator& comm, std::shared_ptr<Device> device) -> std::string {
    Block block(*device);
    auto stream = std::move(*device->createStream());
    DeviceCollectives& calls = *comm.onDevice();
    std::string text = calls.enqueue({.count = 1}, block.data, block.data, *stream).message() + "\n";
    (void)calls.open(0);
    const Status narrow = calls.enqueue({.dtype = DType::kI16, .count = 1}, block.data, block.data, *stream);
    if (narrow.code() != Code::kUnimplemented) return "not refused: i16";
    text += narrow.message() + "\n" + calls.wait({7}, *stream).message();
    return text;
  });
  expectAllSay(said, {"#0 all_reduce sum f32[1]: got group 0, expected one that was opened",
                      "NCCL 2.28.9 does not add up i16; convert it to a wider type", "got ticket 7"});
}

/// A session over calls on devices: counts are sent, read by the host, and say how many rows go. Rows behind those that
/// came are zeros again in each run.
TEST(NcclAlone, SessionsReadCountsThatDevicesHave) {
  using jinx::test::TestPlan;
  TestPlan t;
  t.mesh({{"ep", 2}});
  const uint32_t x = t.input("x", {"3"}), sends = t.input("sends", {"2"}, DType::kI64),
                 receives = t.arena("receives", {"2"}, DType::kI64), y = t.output("y", {"6"});
  t.collective(plan::Collective::ALL_TO_ALL, {sends}, {receives}, "1");
  t.collective(plan::Collective::ALL_TO_ALL_V, {x, sends, receives}, {y}, "1");
  const std::shared_ptr<const PlanFile> plan = t.finish();
  const auto said = onEveryDevice(2, {}, [&](Communicator& comm, std::shared_ptr<Device> device) -> std::string {
    SessionOptions options;
    options.communicator = std::shared_ptr<Communicator>(std::shared_ptr<void>(), &comm);
    auto session = Session::create(plan, std::move(device), options);
    if (!session) return session.status().message();
    std::string text;
    for (const std::vector<int64_t>& counts : {std::vector<int64_t>{1, 2}, {2, 0}}) {
      const float r = static_cast<float>(10 * comm.rank());
      std::vector<Value> inputs = {jinx::test::floats({3}, {r + 1, r + 2, r + 3}), jinx::test::ints({2}, counts)},
                         outputs(1);
      if (Status status = (*session)->run(inputs, outputs); !status.isOk()) return text + status.message();
      for (float value : jinx::test::toFloats(std::get<Tensor>(outputs[0])))
        text += std::to_string(static_cast<int>(value)) + ' ';
    }
    return text;
  });
  EXPECT_EQ(said[0], "1 11 0 0 0 0 1 2 11 12 0 0 ");
  EXPECT_EQ(said[1], "2 3 12 13 0 0 0 0 0 0 0 0 ");
}

/// Who receives more than is sent waits for the rest until the time is over.
TEST(NcclAlone, CountsOfOneRankThatAreNotTheOthers) {
  const auto said = onEveryDevice(2, soon(0), [&](Communicator& comm, std::shared_ptr<Device> device) -> std::string {
    Block in(*device), out(*device);
    auto stream = std::move(*device->createStream());
    DeviceCollectives& calls = *comm.onDevice();
    if (Status status = calls.open(0); !status.isOk()) return status.message();
    const int64_t sends[] = {0, 0}, more[] = {0, 2};
    const Status status = calls.enqueue({.op = Op::kAllToAllV,
                                         .sends = sends,
                                         .receives = comm.rank() == 0 ? more : sends,
                                         .sequence = 3,
                                         .name = "/moe"},
                                        in.data, out.data, *stream);
    return status.isOk() ? calls.status().message() : status.message();
  });
  expectAllSay({said[0]}, {"#3 all_to_all_v f32[0] of /moe", "rank 0 has waited 0.3"});
}

/// What was moved from one to the other.
std::string textOf(const Traffic& before, const Traffic& now) {
  return std::to_string(now.calls - before.calls) + " calls, " + std::to_string(now.sentBytes - before.sentBytes) +
         " bytes sent, " + std::to_string(now.receivedBytes - before.receivedBytes) + " received";
}

TEST(NcclAlone, SumsOverPeersMemoryAreRecorded) {
  if (!kRunsKernels) GTEST_SKIP() << "ThreadSanitizer crashes on the stacks of the emulator's fibres";
  const auto said = onEveryDevice(2, {}, [](Communicator& comm, std::shared_ptr<Device> device) -> std::string {
    constexpr Call kCall{.dtype = DType::kI32, .count = 16, .name = "/a"};
    Block block(*device);
    auto stream = std::move(*device->createStream());
    DeviceCollectives& calls = *comm.onDevice();
    if (Status status = calls.open(0); !status.isOk()) return status.message();
    (void)device->beginCapture(*stream);
    calls.beginRecording();
    const Status recorded = calls.enqueue(kCall, block.data, block.data, *stream);
    calls.endRecording();
    auto graph = device->endCapture(*stream);
    if (!recorded.isOk()) return recorded.message();
    const Traffic before = comm.traffic();
    for (int turn = 0; turn < 3; ++turn) {
      std::vector<int32_t> values(16, 10 * turn + comm.rank());
      (void)device->copyToDevice(block.data, values.data(), 64, *stream);
      if (Status status = calls.replaying(*stream); !status.isOk()) return status.message();
      if (Status status = device->replay(**graph, *stream); !status.isOk()) return status.message();
      if (Status status = calls.replayed({&kCall, 1}, *stream); !status.isOk()) return status.message();
      (void)device->copyToHost(values.data(), block.data, 64, *stream);
      if (values != std::vector<int32_t>(16, 20 * turn + 1)) return "replay " + std::to_string(turn) + " is wrong";
    }
    const Traffic replayed = comm.traffic();
    for (int turn = 0; turn < 3; ++turn)
      if (Status status = calls.enqueue(kCall, block.data, block.data, *stream); !status.isOk())
        return status.message();
    return textOf(before, replayed) == textOf(replayed, comm.traffic()) ? "" : textOf(before, replayed);
  });
  for (const std::string& wrong : said)
    EXPECT_EQ(wrong, "");
}

// ---- replays that do not end ----

/// A device whose streams stand still: what is enqueued never ends.
class StillDevice final : public Device {
 public:
  std::string_view name() const override { return "still"; }
  std::string description() const override { return "test device"; }
  std::span<const std::string_view> capabilities() const override { return {}; }
  Expected<void*> allocate(size_t) override { return none(); }
  void release(void*, size_t) noexcept override {}
  Expected<std::unique_ptr<Stream>> createStream() override { return std::unique_ptr<Stream>(new StillStream); }
  Expected<std::unique_ptr<Event>> createEvent() override { return std::unique_ptr<Event>(new StillEvent); }
  Status copyToDevice(void*, const void*, size_t, Stream&) override { return none(); }
  Status copyToHost(void*, const void*, size_t, Stream&) override { return none(); }
  Status copyOnDevice(void*, const void*, size_t, Stream&) override { return none(); }
  Status clear(void*, size_t, Stream&) override { return none(); }
  Expected<std::unique_ptr<Module>> loadModule(std::shared_ptr<const PlanFile>) override { return none(); }
  Status prepare(const KernelLaunch&) override { return none(); }
  Status launch(const KernelLaunch&, Stream&) override { return none(); }

 private:
  struct StillStream final : Stream {
    Status synchronize() override { return none(); }
  };
  struct StillEvent final : Event {
    Status record(Stream&) override { return Status::ok(); }
    Status synchronize() override { return none(); }
    Expected<bool> isReached() override { return false; }
    Status wait(Stream&) override { return Status::ok(); }
    Expected<double> millisecondsSince(Event&) override { return none(); }
  };
  static Status none() { return unimplemented("is not there"); }
};

/// Rank 0 has replayed a sum with rank 1 and then two with rank 2, who have replayed theirs; rank 1 perhaps not. Rank 0
/// is the first to whom it takes too long.
std::string replayThatDoesNotEnd(bool rankOneCame) {
  auto world = *VirtualWorld::create(3, kPatient);
  std::atomic<int> left{rankOneCame ? 2 : 1}; // others that have not come
  std::string said, moved;
  auto body = [&](int rank) {
    const NcclOptions options = rank == 0 ? soon(0) : NcclOptions{.peerBytes = 0};
    auto comm = std::move(*openNccl(rankOf(world, rank), std::make_shared<StillDevice>(), options));
    auto stream = std::move(*StillDevice().createStream());
    DeviceCollectives& calls = *comm->onDevice();
    std::vector<Call> made;
    auto open = [&](int other, int64_t numCalls) {
      const int group = *comm->makeGroup(std::vector{0, other});
      ASSERT_TRUE(calls.open(group).isOk());
      for (int64_t i = 0; i < numCalls; ++i)
        made.push_back({.count = 16, .group = group, .sequence = static_cast<int64_t>(made.size()), .name = "/sum"});
    };
    if (rank != 2) open(1, 1);
    if (rank != 1) open(2, 2);
    while (rank == 0 && left > 0)
      std::this_thread::yield();
    const Traffic before = comm->traffic();
    if (rank != 1 || rankOneCame) {
      EXPECT_TRUE(calls.replaying(*stream).isOk());
      EXPECT_TRUE(calls.replayed(made, *stream).isOk());
      --left;
    }
    if (rank == 0) moved = textOf(before, comm->traffic());
    while (calls.status().isOk())
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (rank == 0) said = calls.status().message();
  };
  std::vector<std::thread> ranks;
  for (int rank : {1, 2, 0})
    ranks.emplace_back(body, rank);
  for (std::thread& rank : ranks)
    rank.join();
  EXPECT_EQ(moved, "3 calls, 192 bytes sent, 192 received");
  return said;
}

TEST(NcclReplays, NameARankOfAnyGroupThatDidNotCome) {
  expectAllSay({replayThatDoesNotEnd(false)},
               {"3 replayed calls, the last #2 all_reduce sum f32[16] of /sum, ranks 0, 2: rank 0 has waited 0.3",
                " s; rank 1: has made 0 of 1 calls; has made no call"});
}

/// Though the members' recordings have different numbers of calls.
TEST(NcclReplays, NameNobodyWhereAllCame) {
  expectAllSay({replayThatDoesNotEnd(true)}, {" s; all members have made as many calls: look at the links"});
}

TEST_P(Nccl, SaysWhoCarriesWhat) {
  const auto said =
      onEveryDevice(2, {.peerBytes = GetParam()}, [](Communicator& comm, std::shared_ptr<Device>) -> std::string {
        DeviceCollectives& calls = *comm.onDevice();
        if (Status status = calls.open(0); !status.isOk()) return status.message();
        const bool isFew = calls.isOverPeers({.count = 16}), isMany = calls.isOverPeers({.count = 1 << 20});
        return std::string(isFew ? "few" : "none") + (isMany ? ", many" : "") + "; " + calls.carriersOf(0) + "\n" +
               comm.recentCalls();
      });
  const std::string text = GetParam() == 0 ? "all by NCCL: rank 0: it is turned off"
                                           : "all_reduce of at most 524288 bytes over peers' memory, by kernels of plans of at most 2097152, all else by NCCL";
  expectAllSay(said, {(GetParam() == 0 ? "none; " : "few; ") + text, "ranks 0, 1: " + text});
}

TEST(NcclAlone, IsForDevicesWithMemoryOfTheirOwn) {
  auto world = *VirtualWorld::create(1, kPatient);
  auto comm = openNccl(rankOf(world, 0), std::shared_ptr<Device>(std::move(*makeDevice("cpu", {.threads = 1}))));
  EXPECT_NE(comm.status().message().find("got cpu, whose memory is the host's"), std::string::npos)
      << comm.status().message();
}

} // namespace
} // namespace jinx::comm::test
