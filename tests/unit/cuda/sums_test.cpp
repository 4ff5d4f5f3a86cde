// Kernels that add up what ranks have where they read it: printed, and run by ranks with an emulated device each, between all_reduces of the runtime's own
// kernel, whose rooms and counts they share. Sums are compared bit by bit with a loop over everybody's inputs.
#include "CudaTestSupport.h"
#include "codegen/cuda/PlanKernel.h"
#include "llvm/Support/FormatVariadic.h"
#include "mlir/IR/Diagnostics.h"
#include "runtime/plan/PlanFile.h"
#include "tests/unit/nccl/PeerRanks.h"

namespace jinx::cuda::testing {
namespace {

using comm::Call;
using comm::test::Peer, comm::test::Values;

constexpr int64_t kMostPrograms = 256;

std::string elementOf(DType dtype) { return dtype == DType::kBF16 ? "bf16" : dtype == DType::kF16 ? "f16" : "f32"; }

/// y = x, a row a program, where x is the sum of what ranks have in p. Rows may be shorter than the tile that has them.
std::string rowsText(DType dtype, int64_t width, int ranks) {
  const int64_t tile = width % 128 ? width : width + width % 512;
  return llvm::formatv(R"(
tile.kernel @rows(%x: !tile.ptr<{0}> loc("x"), %p: !tile.ptr<{0}> loc("p"), %y: !tile.ptr<{0}> loc("y"), %n: index) inputs 2 sums [0, 1, {2}] programs "a0" scratch "0" from "/norm" {{
  %c1 = arith.constant 1 : index
  %width = arith.constant {1} : index
  %row = tile.program_id
  %at = arith.muli %row, %width : index
  %t = tile.load %x[%at] strides(%c1) limits(%width) : !tile.ptr<{0}> -> vector<{3}x{0}>
  tile.store %t, %y[%at] strides(%c1) limits(%width) : vector<{3}x{0}>, !tile.ptr<{0}>
})",
                       elementOf(dtype), width, ranks, tile).str();
}

mlir::FailureOr<CudaKernel> printed(DType dtype, int64_t width, int ranks) {
  auto module = parse(rowsText(dtype, width, ranks));
  return emitCuda(kernelIn(*module));
}

std::shared_ptr<const PlanFile> planOf(const CudaKernel &kernel) {
  PlanWriter writer;
  writer.plan().set_producer("test");
  writer.plan().set_target("cuda:sm_90a");
  writer.plan().add_blocks();
  describeKernel(kernel, 3, 1, *writer.plan().add_kernels());
  EXPECT_TRUE(addToPlan({kernel}, "sm_90a", writer).isOk());
  return *std::move(writer).toMemory();
}

/// A rank's kernel of one type and width, and operands of the most programs.
class Rows {
 public:
  Rows(Peer &peer, std::shared_ptr<const PlanFile> plan, DType dtype, int64_t width) : peer_(peer), dtype_(dtype), width_(width) {
    auto module = peer.device().loadModule(std::move(plan));
    EXPECT_TRUE(module.isOk()) << module.status().message();
    module_ = std::move(*module);
    for (std::byte *&buffer : buffers_) buffer = peer.allocate();
  }

  Call callOf(int64_t programs, int64_t sequence) const { return {.dtype = dtype_, .count = programs * width_, .sequence = sequence}; }

  /// What is wrong with x and y once the launch has run: with peers, or on a sum that is there.
  std::string judge(int64_t programs, int64_t sequence, bool isMade) {
    const Call call = callOf(programs, sequence);
    const auto inputs = peer_.inputsOf(call, Values::kAny);
    const auto expected = comm::test::reduced(comm::Reduction::kSum, dtype_, inputs, call.count);
    auto &[x, p, y] = buffers_;
    peer_.write(x, isMade ? expected : std::vector<std::byte>(expected.size(), std::byte{0xa5}));
    peer_.write(p, inputs[size_t(peer_.rank())]);
    if (Status status = enqueue(call, programs, isMade); !status.isOk()) return status.message();
    for (const auto &[name, buffer] : {std::pair("x", x), {"y", y}})
      if (std::string wrong = comm::test::compare(dtype_, peer_.read(buffer, expected.size()), expected, call.count); !wrong.empty())
        return llvm::formatv("{0} of {1} programs of {2} {3}: {4}", name, programs, width_, elementOf(dtype_), wrong).str();
    return "";
  }

  Status enqueue(const Call &call, int64_t programs, bool isMade) {
    KernelLaunch launch;
    JINX_TRY_ASSIGN(launch.kernel, module_->kernel(0));
    pointers_.assign(buffers_.begin(), buffers_.end());
    sizes_ = {programs};
    launch.buffers = pointers_;
    launch.sizes = sizes_;
    launch.programs = programs;
    if (isMade) return peer_.device().launch(launch, peer_.stream());
    if (!peer_.reduce().fuses(call, programs)) return internalError("is not fused: " + comm::describe(call));
    return peer_.reduce().enqueue(call, launch, peer_.stream());
  }

 private:
  Peer &peer_;
  DType dtype_;
  int64_t width_;
  std::unique_ptr<Module> module_;
  std::array<std::byte *, 3> buffers_{};
  std::vector<void *> pointers_;
  std::vector<int64_t> sizes_;
};

class Sums : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (!comm::test::kRunsKernels) GTEST_SKIP() << "ThreadSanitizer crashes on the stacks of the emulator's fibres";
  }
  void expectRight(DType dtype, int64_t width, const std::function<std::string(Peer &, Rows &)> &body, const comm::PeerReduceOptions &options = {}) {
    auto kernel = printed(dtype, width, GetParam());
    ASSERT_TRUE(succeeded(kernel)) << width;
    const auto plan = planOf(*kernel);
    const auto said = comm::test::onEveryPeer(GetParam(), options, [&](Peer &peer) {
      Rows rows(peer, plan, dtype, width);
      return body(peer, rows);
    });
    for (size_t rank = 0; rank < said.size(); ++rank) EXPECT_EQ(said[rank], "") << "rank " << rank;
  }
};
INSTANTIATE_TEST_SUITE_P(Ranks, Sums, ::testing::Values(2, 3, 4), ::testing::PrintToStringParamName());

/// Runs of 16 bytes, of 8, of 4; several of a thread; some threads without; rows of several rooms.
TEST_P(Sums, RowsOfManyWidthsAreRight) {
  for (const auto &[dtype, width] : {std::pair(DType::kBF16, int64_t{4096}), {DType::kBF16, 64}, {DType::kBF16, 576}, {DType::kF16, 1536}, {DType::kF32, 1024},
                                     {DType::kF32, 96}, {DType::kF32, 5000}, {DType::kBF16, 12288}, {DType::kBF16, 1280}, {DType::kF32, 1152}})
    expectRight(dtype, width, [](Peer &, Rows &rows) {
      std::string wrong;
      for (int64_t programs : {1, 2, 5})
        for (bool isMade : {false, true})
          if (wrong.empty()) wrong = rows.judge(programs, 10 * programs + isMade, isMade);
      return wrong;
    });
}

/// In any order with calls of the runtime's own kernel, of other sizes, while ranks run behind each other.
TEST_P(Sums, ShareRoomsWithOtherCalls) {
  expectRight(DType::kBF16, 1024, [](Peer &peer, Rows &rows) -> std::string {
    for (int64_t sequence = 1; sequence <= 40; ++sequence) {
      const uint64_t drawn = comm::test::mix(11, uint64_t(sequence)), delay = comm::test::mix(drawn, uint64_t(peer.rank()));
      if (delay % 8 == 0) std::this_thread::sleep_for(std::chrono::microseconds(delay % 3000));
      const int64_t many = 1 + int64_t(drawn >> 8) % 9;
      const std::string wrong = drawn % 2 ? rows.judge(many, sequence, false)
                                          : peer.judge({.dtype = DType::kF32, .count = 300 * many, .sequence = sequence}, Values::kAny, drawn % 3 == 0, 0);
      if (!wrong.empty()) return wrong;
    }
    return "";
  });
}

/// Slots are cleaned, tags come again, counters begin anew, of rows of several rooms, too. (Each room has four calls, as many as clean both its slots.)
TEST_P(Sums, CountersMayComeToTheirEnd) {
  expectRight(DType::kF32, 1024, [](Peer &peer, Rows &rows) -> std::string {
    int64_t sequence = 0;
    for (uint32_t before : {(1u << 29) - 3, (1u << 31) - 3, 0u - 3}) {
      if (Status status = peer.reduce().countFrom(before); !status.isOk()) return status.message();
      for (int turn = 0; turn < 8; ++turn)
        if (std::string wrong = rows.judge(turn % 2 ? 3 : 1, ++sequence, false); !wrong.empty()) return wrong;
    }
    return "";
  }, {.mostBytes = 4 << 10});
}

TEST_P(Sums, AsManyAsHaveRooms) {
  expectRight(DType::kBF16, 64, [](Peer &peer, Rows &rows) -> std::string {
    if (peer.reduce().fuses(rows.callOf(kMostPrograms + 1, 1), kMostPrograms + 1)) return "a program without a room";
    if (peer.reduce().fuses(rows.callOf(3, 1), 5)) return "programs of unequal parts";
    Call call = rows.callOf(1, 1);
    call.reduction = comm::Reduction::kMax;
    if (peer.reduce().fuses(call, 1)) return "what is no sum";
    if (peer.reduce().fuses({.dtype = DType::kI32, .count = 64}, 1)) return "integers";
    const int64_t most = comm::PeerReduce::kFusedMore * peer.reduce().mostBytes();
    if (peer.reduce().fuses({.dtype = DType::kF32, .count = most / 4 + 64}, 1)) return "more bytes";
    if (!peer.reduce().fuses({.dtype = DType::kF32, .count = most / 4}, 1)) return "not all bytes";
    return rows.judge(kMostPrograms, 1, false);
  });
}

/// What was recorded adds up what is in memory at each replay.
TEST_P(Sums, AreReplayed) {
  expectRight(DType::kF32, 256, [](Peer &peer, Rows &rows) -> std::string {
    if (std::string wrong = rows.judge(3, 1, false); !wrong.empty()) return wrong;
    (void)peer.device().beginCapture(peer.stream());
    peer.reduce().beginRecording();
    Status status = rows.enqueue(rows.callOf(3, 1), 3, false);
    peer.reduce().endRecording();
    auto graph = peer.device().endCapture(peer.stream());
    for (int turn = 0; turn < 4 && status.isOk(); ++turn) {
      status = peer.reduce().replaying(peer.stream());
      if (status.isOk()) status = peer.device().replay(**graph, peer.stream());
      if (status.isOk()) status = peer.reduce().replayed(peer.stream());
    }
    return status.isOk() ? rows.judge(2, 9, false) : status.message();
  });
}

TEST(SumsText, ReadsWell) {
  auto kernel = printed(DType::kBF16, 4096, 2);
  ASSERT_TRUE(succeeded(kernel));
  expectGolden("sums.cu", kernel->text);
}

/// What a thread has of each rank does not lie in memory, for every GPU from sm_80 on.
TEST(SumsText, KeepsWordsInRegisters) {
  if (!haveNvrtc()) GTEST_SKIP() << checkNvrtc().message();
  for (const auto &[dtype, width, ranks] : {std::tuple(DType::kBF16, int64_t{4096}, 2), {DType::kF32, 5000, 3}, {DType::kF32, 4096, 8}, {DType::kBF16, 576, 4}})
    for (const char *arch : {"sm_80", "sm_90a"}) {
      auto module = parse(rowsText(dtype, width, ranks));
      auto kernel = emitCuda(kernelIn(*module), {.arch = arch});
      ASSERT_TRUE(succeeded(kernel));
      auto compiled = compileCuda(kernel->source(), "sums", {.arch = arch});
      ASSERT_TRUE(compiled.isOk()) << compiled.status().message();
      EXPECT_LT(compiled->kernels.at(0).stackBytes, 8 * ranks) << width << ", " << ranks << " ranks, " << arch;
    }
}

TEST(SumsText, HasWholeWords) {
  std::string said;
  mlir::ScopedDiagnosticHandler handler(&context(), [&](mlir::Diagnostic &d) {
    said = d.str();
    return mlir::success();
  });
  EXPECT_TRUE(failed(printed(DType::kBF16, 33, 2)));
  EXPECT_NE(said.find("threads hold 2 bytes together, and whole words of 4 travel between ranks"), std::string::npos) << said;
}

}  // namespace
}  // namespace jinx::cuda::testing
