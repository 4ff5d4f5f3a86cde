// All_reduces over peers' memory, on emulated devices, a thread each: the kernels of several ranks run at once, and
// what they write into each other's memory arrives as the host's threads run. Sums are compared bit by bit with a loop
// over everybody's inputs.
#include <cstring>

#include "runtime/device/cuda/Nvrtc.h"
#include "tests/unit/nccl/PeerRanks.h"

namespace jinx::comm::test {
namespace {

class Peers : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (!kRunsKernels) GTEST_SKIP() << "ThreadSanitizer crashes on the stacks of the emulator's fibres";
  }
  void expectRight(const PeerReduceOptions& options, const std::function<std::string(Peer&)>& body) {
    const auto said = onEveryPeer(GetParam(), options, body);
    for (size_t rank = 0; rank < said.size(); ++rank)
      EXPECT_EQ(said[rank], "") << "rank " << rank;
  }
};
INSTANTIATE_TEST_SUITE_P(Ranks, Peers, testing::Values(2, 3, 4), testing::PrintToStringParamName());

constexpr DType kTypes[] = {DType::kF32, DType::kF16, DType::kBF16, DType::kF64,
                            DType::kI32, DType::kU32, DType::kI64,  DType::kU64};

TEST_P(Peers, EveryTypeAndSizeIsRight) {
  expectRight({.mostBytes = 16 << 10}, [](Peer& peer) -> std::string {
    int64_t sequence = 0;
    for (DType dtype : kTypes)
      for (Reduction reduction : {Reduction::kSum, Reduction::kProd, Reduction::kMax, Reduction::kMin})
        for (int64_t count : {1, 3, 130, 1027}) {
          const Call call{.reduction = reduction, .dtype = dtype, .count = count, .sequence = ++sequence};
          if (!peer.reduce().takes(call)) return "not taken: " + describe(call);
          const std::string wrong = peer.judge(call, Values::kAny, sequence % 2 == 0, static_cast<int>(sequence % 4));
          if (!wrong.empty()) return wrong;
        }
    return "";
  });
}

/// Of any bits: NaN of one is everybody's, also of max and min.
TEST_P(Peers, NumbersThatAreNoneStay) {
  expectRight({.mostBytes = 16 << 10}, [](Peer& peer) -> std::string {
    for (DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kF64})
      for (Reduction reduction : {Reduction::kSum, Reduction::kMax, Reduction::kMin}) {
        const Call call{.reduction = reduction, .dtype = dtype, .count = 700, .sequence = static_cast<int64_t>(dtype)};
        if (std::string wrong = peer.judge(call, Values::kBits, false, 0); !wrong.empty()) return wrong;
      }
    return "";
  });
}

/// Slots are used again and again, by calls of other sizes, while ranks run behind each other.
TEST_P(Peers, CallsOfChangingSizesFollowEachOther) {
  expectRight({}, [](Peer& peer) -> std::string {
    for (int64_t sequence = 1; sequence <= 60; ++sequence) {
      const uint64_t drawn = mix(7, static_cast<uint64_t>(sequence)),
                     delay = mix(drawn, static_cast<uint64_t>(peer.rank()));
      if (delay % 8 == 0) std::this_thread::sleep_for(std::chrono::microseconds(delay % 3000));
      const int64_t count =
          drawn % 4 == 0 ? 1 + static_cast<int64_t>(drawn >> 8) % 4000 : 1 + static_cast<int64_t>(drawn >> 8) % 300;
      const Call call{.dtype = drawn % 2 ? DType::kF32 : DType::kBF16, .count = count, .sequence = sequence};
      if (std::string wrong = peer.judge(call, Values::kAny, drawn % 3 == 0, 0); !wrong.empty()) return wrong;
    }
    return "";
  });
}

TEST_P(Peers, AsMuchAsIsTakenAndNoMore) {
  expectRight({}, [](Peer& peer) -> std::string {
    const int64_t most = peer.reduce().mostBytes();
    if (most != usualPeerBytes(peer.size())) return "takes " + std::to_string(most);
    if (peer.reduce().takes({.dtype = DType::kF32, .count = most / 4 + 1})) return "takes more";
    if (peer.reduce().takes({.dtype = DType::kI8, .count = 4})) return "takes i8";
    if (peer.reduce().takes({.op = Op::kReduceScatter, .count = 4})) return "takes reduce_scatter";
    if (peer.reduce().takes({.count = 0})) return "takes nothing";
    return peer.judge({.dtype = DType::kF32, .count = most / 4, .sequence = 1}, Values::kAny, false, 0);
  });
}

/// Slots are cleaned, tags come again, counters begin anew.
TEST_P(Peers, CountersMayComeToTheirEnd) {
  expectRight({.mostBytes = 4 << 10}, [](Peer& peer) -> std::string {
    int64_t sequence = 0;
    for (uint32_t before : {(1u << 29) - 3, (1u << 31) - 3, 0u - 3}) {
      if (Status status = peer.reduce().countFrom(before); !status.isOk()) return status.message();
      for (int turn = 0; turn < 8; ++turn) {
        const Call call{.count = turn % 2 ? 900 : 40, .sequence = ++sequence};
        if (std::string wrong = peer.judge(call, Values::kAny, false, 0); !wrong.empty()) return wrong;
      }
    }
    return "";
  });
}

/// Words of a long call have the tag that another long call has 2^31 calls later; between them slots were cleaned. (770
/// elements are one unit of the fourth block, 1000 are 116 of it.)
TEST_P(Peers, WordsOfDaysAgoAreNotTaken) {
  constexpr uint32_t kFirst = 5;
  expectRight({.mostBytes = 4 << 10}, [](Peer& peer) -> std::string {
    const Call first{.count = 1000, .sequence = 1}, second{.count = 1000, .sequence = 4};
    for (const auto& [before, call] : {std::pair{kFirst - 1, first},
                                       {(1u << 29) - 1, Call{.count = 770, .sequence = 2}},
                                       {1u << 29, Call{.count = 770, .sequence = 3}},
                                       {(1u << 31) + kFirst - 1, second}}) {
      // Nobody goes on before all are here, and then one is late.
      if (Status status = peer.world().run({.count = 0}, nullptr, nullptr); !status.isOk()) return status.message();
      if (Status status = peer.reduce().countFrom(before); !status.isOk()) return status.message();
      if (Status status = peer.world().run({.count = 0}, nullptr, nullptr); !status.isOk()) return status.message();
      if (peer.rank() == 1) std::this_thread::sleep_for(std::chrono::milliseconds(50));
      if (std::string wrong = peer.judge(call, Values::kAny, false, 0); !wrong.empty()) return wrong;
    }
    return "";
  });
}

/// Calls are recorded once; what is in memory at each replay is added up.
TEST_P(Peers, RecordedCallsAreReplayed) {
  expectRight({.mostBytes = 16 << 10}, [](Peer& peer) -> std::string {
    const Call first{.count = 1500, .sequence = 1}, second{.dtype = DType::kBF16, .count = 77, .sequence = 2};
    std::byte *const a = peer.allocate(), *const b = peer.allocate();
    (void)peer.device().beginCapture(peer.stream());
    peer.reduce().beginRecording();
    Status status = peer.reduce().enqueue(first, a, a, peer.stream());
    if (status.isOk()) status = peer.reduce().enqueue(second, b, b, peer.stream());
    peer.reduce().endRecording();
    auto graph = peer.device().endCapture(peer.stream());
    if (!status.isOk()) return status.message();
    for (int64_t turn = 1; turn <= 5; ++turn) {
      for (const auto& [base, at] : {std::pair{first, a}, {second, b}}) {
        Call call = base;
        call.sequence += 10 * turn;
        peer.write(at, peer.inputsOf(call, Values::kAny)[static_cast<size_t>(peer.rank())]);
      }
      if (turn == 3) // one in between
        if (std::string wrong = peer.judge({.count = 2000, .sequence = 3}, Values::kAny, true, 0); !wrong.empty())
          return wrong;
      if (status = peer.reduce().replaying(peer.stream()); !status.isOk()) return status.message();
      if (status = peer.device().replay(**graph, peer.stream()); !status.isOk()) return status.message();
      if (status = peer.reduce().replayed(peer.stream()); !status.isOk()) return status.message();
      for (const auto& [base, at] : {std::pair{first, a}, {second, b}}) {
        Call call = base;
        call.sequence += 10 * turn;
        const auto inputs = peer.inputsOf(call, Values::kAny);
        std::string wrong = compare(call.dtype, peer.read(at, inputs[0].size()),
                                    reduced(call.reduction, call.dtype, inputs, call.count), call.count);
        if (!wrong.empty()) return "replay " + std::to_string(turn) + ": " + wrong;
      }
    }
    return "";
  });
}

TEST_P(Peers, KernelsOfThoseWhoCameEndWhenTheyAreStopped) {
  std::atomic<int> ended{0};
  const int size = GetParam();
  expectRight({.mostBytes = 4 << 10}, [&](Peer& peer) -> std::string {
    if (std::string wrong = peer.judge({.count = 500, .sequence = 1}, Values::kAny, false, 0); !wrong.empty())
      return wrong;
    if (peer.rank() == 0) { // does not come
      while (ended < size - 1)
        std::this_thread::yield();
      return "";
    }
    std::byte* const data = peer.allocate();
    std::thread host([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      (void)peer.reduce().stop();
    });
    const auto begin = std::chrono::steady_clock::now();
    const Status status = peer.reduce().enqueue({.count = 500}, data, data, peer.stream());
    host.join();
    ++ended;
    // The guard would stop it after a minute.
    if (std::chrono::steady_clock::now() - begin > std::chrono::seconds(20)) return "it was not stopped";
    return status.message();
  });
}

/// Why there is none, by what each rank brings.
std::vector<std::string> whyNot(const std::function<Expected<PeerReduce::Opened>(Communicator&)>& open) {
  return onEveryRank(2, kPatient, [&](Communicator& world) -> std::string {
    auto opened = open(world);
    if (!opened) return opened.status().message();
    return opened->reduce ? "there is one" : opened->why;
  });
}
TEST(PeersThatAreNone, AllSayWhyThereAreNone) {
  expectAllSay(whyNot([](Communicator& world) {
                 std::shared_ptr<Device> device = emulatedDevice();
                 if (world.rank() == 1) device = std::move(*makeDevice("cpu", {.threads = 1}));
                 return PeerReduce::open(world, 0, device, {});
               }),
               {"rank 1: cpu has no memory that other devices reach"});
  expectAllSay(whyNot([](Communicator& world) {
                 return PeerReduce::open(world, 0, emulatedDevice(), {.mostBytes = world.rank() == 0 ? 0 : 1024});
               }),
               {"rank 0: it is turned off"});
  expectAllSay(whyNot([](Communicator& world) {
                 return PeerReduce::open(world, 0, emulatedDevice(), {.mostBytes = 1024 << world.rank()});
               }),
               {"rank 1: takes 2048 bytes, rank 0 1024"});
  expectAllSay(whyNot([](Communicator& world) {
                 return PeerReduce::open(world, 0, emulatedDevice({{"compiler", "/nowhere/c++"}}), {});
               }),
               {"rank 0: loading the plan: the emulated device needs a C++ compiler at run time"});
}

/// For every GPU from sm_80 on; a thread has a word of each rank, which do not lie in memory.
TEST(PeerKernels, KeepWordsInRegisters) {
  if (!cuda::haveNvrtc()) GTEST_SKIP() << cuda::checkNvrtc().message();
  for (const char* arch : {"sm_80", "sm_90a"})
    for (int ranks : {2, 8}) {
      const std::string what = std::string(arch) + ", " + std::to_string(ranks) + " ranks";
      const auto compiled = cuda::compileCuda(peerKernels(ranks), "all_reduce", {.arch = arch});
      ASSERT_TRUE(compiled.isOk()) << what << ": " << compiled.status().message();
      EXPECT_EQ(compiled->kernels.size(), std::size(kTypes)) << what;
      for (const cuda::KernelResources& kernel : compiled->kernels)
        EXPECT_LT(kernel.stackBytes, 8 * ranks) << what << ", " << kernel.name;
    }
}

/// Of four times 512 KiB and their tags, two slots for each other rank. Blocks have whole rounds of threads.
TEST(PeerKernels, HaveRoomForOtherRanksAlone) {
  EXPECT_EQ(peerMemoryBytes(2, 512 << 10), 8 << 20);
  EXPECT_EQ(peerMemoryBytes(4, 512 << 10), 24 << 20);
  EXPECT_EQ(peerMemoryBytes(4, 1), 3 * 256 * 2 * 128 * 16);
}

TEST(PeersThatAreNone, MoreRanksTakeLess) {
  EXPECT_EQ(usualPeerBytes(1), 0);
  EXPECT_EQ(usualPeerBytes(2), 512 << 10);
  EXPECT_EQ(usualPeerBytes(3), 64 << 10);
  EXPECT_EQ(usualPeerBytes(4), 32 << 10);
  EXPECT_EQ(usualPeerBytes(8), 16 << 10);
}

} // namespace
} // namespace jinx::comm::test
