// Faults planted in generated texts: each is one change of the text, and the emulator must report it, with the kernel, the place in the
// text and the memory or barrier, under every seed or, where the schedule decides, under some. The unchanged text must pass them all.
#include <cmath>
#include <regex>

#include "AttentionGradKernels.h"
#include "AttentionKernels.h"
#include "CodeKernels.h"
#include "GroupedKernels.h"
#include "LaneKernels.h"
#include "MatmulKernels.h"
#include "RowsKernels.h"

namespace jinx::cuda::testing {
namespace {

struct Fault {
  const char *name;
  const char *find, *replace;  ///< the first occurrence
  const char *expect;          ///< of the report: a regular expression
  bool sometimes = false;      ///< whether it shows is up to the schedule
};

void PrintTo(const Fault &fault, std::ostream *out) { *out << fault.name; }

constexpr int kSeeds = 6, kRightSeeds = 20;
constexpr uint64_t kEndless = 1'000'000;

std::string planted(std::string text, const Fault &fault) {
  size_t at = text.find(fault.find);
  EXPECT_NE(at, std::string::npos) << fault.name << ": the text has no `" << fault.find << "` any more";
  if (at != std::string::npos) text.replace(at, std::string(fault.find).size(), fault.replace);
  return text;
}

/// Runs a text under seeds; `run` launches it once.
template <typename Run>
void checkFault(const CudaKernel &kernel, const Fault &fault, Run run) {
  SCOPED_TRACE(fault.name);
  Runner runner(kernel, planted(kernel.source(), fault));
  ASSERT_TRUE(runner.ok());
  int found = 0;
  std::string unlike;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    emulated::LaunchOptions options;
    options.seed = seed;
    options.maxOperations = kEndless;
    options.maxBankConflict = 1;
    auto report = run(runner, options);
    if (report.isOk()) continue;
    const std::string message = report.status().message();
    const bool isLikely = std::regex_search(message, std::regex(fault.expect)) && message.find(kernel.name) != std::string::npos &&
                          message.find(" at line ") != std::string::npos;
    found += isLikely;
    if (!isLikely && unlike.empty()) unlike = message;
  }
  EXPECT_TRUE(unlike.empty()) << "reported, but not as \"" << fault.expect << "\":\n" << unlike;
  EXPECT_GE(found, fault.sometimes ? 1 : kSeeds) << "of " << kSeeds << " seeds; the fault goes unnoticed under the others";
}

template <typename Run>
void checkRight(const CudaKernel &kernel, Run run) {
  Runner runner(kernel);
  ASSERT_TRUE(runner.ok());
  for (uint64_t seed = 0; seed < kRightSeeds; ++seed) {
    emulated::LaunchOptions options;
    options.seed = seed;
    options.maxOperations = kEndless;
    options.maxBankConflict = 1;
    auto report = run(runner, options);
    ASSERT_TRUE(report.isOk()) << "seed " << seed << ": " << report.status().message();
  }
}

// ---- products on tensor cores: bulk loads, mbarriers, wgmma, clusters, bulk stores --------------------------------------------------

constexpr const char *kProducerWait = "mbar_wait(empty + fill.slot * 8, fill.parity ^ 1);\n          mbar_arrive_expect_bytes";
constexpr const char *kGridWait = "  grid_wait_previous();\n";
constexpr Fault kWgmmaFaults[] = {
    {"no wait for the launch before", kGridWait, "", "missing grid_wait_previous: a bulk load of global memory, while the launch before may still run"},
    {"no wait for the bytes of a slot", "mbar_wait(full + take.slot * 8, take.parity);", "", "wgmma (reads|touches) shared\\+\\d+, (which nothing has written|where a bulk load may not have landed)"},
    {"no wait for a free slot", kProducerWait, "mbar_arrive_expect_bytes", "bulk load (touches|overwrites) shared|more arrivals at an mbarrier"},
    {"the reader's parity inverted", "take.parity);", "take.parity ^ 1);", "wgmma (reads|touches) shared\\+\\d+, (which nothing|where a bulk load)"},
    {"the filler's parity inverted", "fill.parity ^ 1);\n          mbar_arrive", "fill.parity);\n          mbar_arrive", "deadlock[^]*wait for mbarrier at shared\\+\\d+[^]*mbarrier shared\\+\\d+: 0 of"},
    {"a slot is never given back", "if (held >= 0 && thread < kCluster) mbar_arrive_at(empty + held * 8, thread);\n        held", "held", "deadlock[^]*mbarrier shared\\+\\d+: \\d of"},
    {"a slot is given back before its products are done", "wgmma_wait<1>();", "", "a bulk load overwrites shared\\+\\d+, and no barrier stands after the products of warpgroup|wgmma reads shared\\+\\d+, whose stage was given back"},
    {"the wait for products leaves too many", "wgmma_wait<1>();", "wgmma_wait<2>();", "a bulk load overwrites shared\\+\\d+, and no barrier stands after the products of warpgroup"},
    {"the slot in use is given back", "if (held >= 0 && thread < kCluster) mbar_arrive_at(empty + held * 8, thread);\n        held = take.slot;", "if (thread < kCluster) mbar_arrive_at(empty + take.slot * 8, thread);", "a bulk load overwrites shared\\+\\d+, and no barrier stands after the products of warpgroup|wgmma reads shared\\+\\d+, whose stage was given back"},
    {"another slot is multiplied", "smem + kOffsetA + take.slot * kStageBytesA", "smem + kOffsetA + (take.slot + 1) % kStages * kStageBytesA", "wgmma (reads|touches) shared\\+\\d+, (which nothing|where a bulk load|whose stage)"},
    {"another slot is filled", "smem + kOffsetA + fill.slot * kStageBytesA", "smem + kOffsetA + (fill.slot + 1) % kStages * kStageBytesA", "shared\\+\\d+, (which nothing|where a bulk load|whose stage|and no barrier)"},
    {"fewer bytes announced than come", "kStageBytesA + kStageBytesB);", "kStageBytesA);", "lands after its phase"},
    {"more bytes announced than come", "kStageBytesA + kStageBytesB);", "kStageBytesA + kStageBytesB + 16);", "deadlock[^]*16 bytes outstanding"},
    {"no arrival of the filler", "mbar_arrive_expect_bytes(full + fill.slot * 8, kStageBytesA + kStageBytesB);", "", "deadlock[^]*0 of 1 arrivals"},
    {"one arrival too many expected", "mbar_init(empty + s * 8, kConsumers * kCluster)", "mbar_init(empty + s * 8, kConsumers * kCluster + 1)", "deadlock[^]*4 of 5 arrivals"},
    {"too few arrivals expected", "mbar_init(empty + s * 8, kConsumers * kCluster)", "mbar_init(empty + s * 8, kConsumers)", "bulk load (touches|overwrites)|more arrivals|given back|may not have landed|has completed|block that has exited"},
    {"a copy for one block of two", "(1u << kClusterM) - 1u", "1u", "deadlock[^]*bytes outstanding|lands after|may not have landed|bulk load overwrites"},
    {"no commit of products", "wgmma_commit();", "", "wgmma_commit is missing"},
    {"no wait before the epilogue", "wgmma_wait<0>();", "", "an accumulator is read while a wgmma writes it"},
    {"a weak wait before the epilogue", "wgmma_wait<0>();", "wgmma_wait<1>();", "an accumulator is read while a wgmma writes it"},
    {"no fence before products", "wgmma_fence();", "", "wgmma without wgmma_fence"},
    {"no proxy fence before a bulk store", "fence_proxy_async();", "", "missing fence_proxy_async: a bulk store touches shared"},
    {"no meeting before a bulk store", "fence_proxy_async();\n          warp_sync();", "fence_proxy_async();", "a bulk store reads shared\\+\\d+, (and no barrier stands after thread|which nothing)"},
    {"the fence behind the meeting", "fence_proxy_async();\n          warp_sync();\n          if (issuer) {", "warp_sync();\n          if (issuer) {", "missing fence_proxy_async"},
    {"no wait for a staging buffer", "if (issuer) tma_store_wait_read<1>();", "", "stmatrix overwrites shared\\+\\d+, and no barrier stands after the bulk stores of thread"},
    {"no meeting after the wait for a staging buffer", "has left this buffer\n          warp_sync();", "\n", "stmatrix overwrites shared\\+\\d+, and no barrier stands after the bulk stores of thread"},
    {"no wait for the last stores", "if (issuer) tma_store_wait_read<0>();", "", "exits while a bulk store"},
    {"no commit of a bulk store", "tma_store_commit();", "", "tma_store_commit is missing"},
    {"no cluster barrier after barriers are made", "cluster_arrive_relaxed();\n  cluster_wait();", "", "uses (the|an) mbarrier at shared\\+\\d+(, and no barrier| that was never made)"},
    {"barriers not fenced", "mbar_init_fence();", "", "not fenced"},
    {"a block leaves before its peers arrive", "      for (int s = 0; s < kStages; ++s) {\n        mbar_wait(empty + fill.slot * 8, fill.parity ^ 1);", "      for (int s = 0; s < kStages; ++s) {", "mbarrier of a block that has exited|may exit before thread \\d+ of rank \\d arrives"},
    {"one column too many of the bias", "fragment_column + j * 8 + e < n - column", "fragment_column + j * 8 + e <= n - column", "a load of 4 bytes outside every buffer, 800 bytes into buffer 2"},
    {"stores overlap", "block * 64 + warp * kStoreRows);", "block * 64 + warp * (kStoreRows - 1));", "a store overwrites byte \\d+ of buffer 3"},
    {"staging without its swizzle", "const u32 chunk = (2 * c + lane / 16) ^ (lane % 16 * kStoreColumns / 64 % (kStoreColumns / 8));", "const u32 chunk = 2 * c + lane / 16;", "bank conflicts: \\d+ accesses"},
    {"a loop that does not stop", "tile += tile_stride) {\n        const i64 offset", "tile += 0) {\n        const i64 offset", "deadlock|no end after"},
};

struct WgmmaRun {
  int64_t m = 300, n = 200, k = 264;
  std::vector<uint16_t> a = std::vector<uint16_t>(m * k, 0x3F80), b = std::vector<uint16_t>(n * k, 0x3F80), d = std::vector<uint16_t>(m * n);
  std::vector<float> bias = std::vector<float>(n);
  Expected<emulated::LaunchReport> operator()(Runner &runner, const emulated::LaunchOptions &options) {
    return runner.run({in(a), in(b), in(bias), out(d)}, {m, n, k}, options);
  }
};

CudaKernel wgmmaKernel() { return buildWgmma({128, 128, 3, 2, 1, 2, 2, false}, true, 2).kernel; }

class WgmmaFaults : public ::testing::TestWithParam<Fault> {};
TEST_P(WgmmaFaults, IsReported) { checkFault(wgmmaKernel(), GetParam(), WgmmaRun()); }
TEST(WgmmaFaults, NoneInTheRightText) { checkRight(wgmmaKernel(), WgmmaRun()); }

// Pairs of products: a slot has rows of two matrices. Transposed, three blocks share k, and weights come before the launch in front has ended.
constexpr Fault kGateRowsFaults[] = {
    {"activations come before the launch before has ended", "grid_wait_previous();\n      Ring fill", "Ring fill", "missing grid_wait_previous: a bulk load of global memory"},
    {"the second product reads another slot", "block * (64 * 128 / 16)", "block * (192 * 128 / 16)", "wgmma (reads|touches) shared\\+\\d+, (which nothing|where a bulk load|whose stage)"},
    {"weights of one product are announced", "full + fill.slot * 8, kStageBytesA);", "full + fill.slot * 8, kStageBytesA / 2);", "lands after its phase"},
    {"one fetcher of a slot is waited for", "mbar_init(full + s * 8, 2);", "mbar_init(full + s * 8, 1);", "lands after its phase|more arrivals|may not have landed|deadlock|which nothing has written"},
    {"parts of one block too few", "if (lane < kSplits) mbar_arrive_publish(parts_there, lane);", "if (lane < kSplits - 1) mbar_arrive_publish(parts_there, lane);", "deadlock"},
};
constexpr Fault kGateColumnsFaults[] = {
    {"both halves land in one place", " + rank_m * (kSliceB * 128), &map_w", ", &map_w", "bulk load (touches|overwrites) shared|wgmma (reads|touches) shared\\+\\d+, (which nothing|where a bulk load)"},
    {"a half for one block of two", "(1u << kClusterM) - 1u", "1u", "deadlock[^]*bytes outstanding|lands after|may not have landed|bulk load overwrites"},
    {"stores overlap", "block * 64 + warp * kStoreRows);", "block * 64 + warp * (kStoreRows - 1));", "a store overwrites byte \\d+ of buffer 2"},
};
struct GateRun {
  int64_t m, n, k;
  std::vector<uint16_t> x = std::vector<uint16_t>(m * k, 0x3F80), w = std::vector<uint16_t>(2 * n * k, 0x3F80), d = std::vector<uint16_t>(m * n);
  Expected<emulated::LaunchReport> operator()(Runner &runner, const emulated::LaunchOptions &options) { return runner.run({in(x), in(w), out(d)}, {m, n, k}, options); }
};
CudaKernel gateKernel(schedules::WgmmaPair pair, schedules::WgmmaTile tile) {
  tile.pair = pair;
  return buildPairWgmma(tile, 3).kernel;
}
// The matrices of both lie apart: each of two blocks fetches one of them for both.
constexpr Fault kGateApartFaults[] = {
    {"both matrices land in one place", " + rank_m * (kSliceB * 128), &map_w2", ", &map_w2", "bulk load (touches|overwrites) shared|wgmma (reads|touches) shared\\+\\d+, (which nothing|where a bulk load)"},
    {"one matrix for one block of two", "(1u << kClusterM) - 1u", "1u", "deadlock[^]*bytes outstanding|lands after|may not have landed|bulk load overwrites"},
};
struct GateApartRun {
  int64_t m, n, k;
  std::vector<uint16_t> x = std::vector<uint16_t>(m * k, 0x3F80), w = std::vector<uint16_t>(n * k, 0x3F80), w2 = w, d = std::vector<uint16_t>(m * n);
  Expected<emulated::LaunchReport> operator()(Runner &runner, const emulated::LaunchOptions &options) { return runner.run({in(x), in(w), in(w2), out(d)}, {m, n, k}, options); }
};
CudaKernel gateRowsKernel() { return gateKernel(schedules::WgmmaPair::rows, {128, 24, 3, 1, 1, 1, 64, true, 3}); }
CudaKernel gateColumnsKernel() { return gateKernel(schedules::WgmmaPair::columns, {128, 128, 3, 2, 1, 2, 2, false}); }

CudaKernel gateApartKernel() {
  schedules::WgmmaTile tile{128, 128, 3, 2, 1, 2, 2, false};
  tile.pair = schedules::WgmmaPair::columns;
  return buildPairWgmma(tile, 3, /*isApart=*/true).kernel;
}

class GateRowsFaults : public ::testing::TestWithParam<Fault> {};
TEST_P(GateRowsFaults, IsReported) { checkFault(gateRowsKernel(), GetParam(), GateRun{5, 200, 968}); }
TEST(GateRowsFaults, NoneInTheRightText) { checkRight(gateRowsKernel(), GateRun{5, 200, 968}); }
class GateColumnsFaults : public ::testing::TestWithParam<Fault> {};
TEST_P(GateColumnsFaults, IsReported) { checkFault(gateColumnsKernel(), GetParam(), GateRun{300, 200, 264}); }
class GateApartFaults : public ::testing::TestWithParam<Fault> {};
TEST_P(GateApartFaults, IsReported) { checkFault(gateApartKernel(), GetParam(), GateApartRun{300, 200, 264}); }
TEST(GateApartFaults, NoneInTheRightText) { checkRight(gateApartKernel(), GateApartRun{300, 200, 264}); }
TEST(GateColumnsFaults, NoneInTheRightText) { checkRight(gateColumnsKernel(), GateRun{300, 200, 264}); }

// Grouped products: which rows are whose is data, and every row is one block's.
constexpr Fault kGroupedFaults[] = {
    {"the last rows of a group are stored in bulk", "if (my_row + 64 <= group_end2)", "if (my_row + 64 <= 300)", "a bulk store overwrites byte \\d+ of buffer 3|a store overwrites byte \\d+ of buffer 3"},
    {"rows of the next group are stored", "< group_end2 - my_row", "< 300 - my_row", "a (bulk )?store overwrites byte \\d+ of buffer 3"},
    {"a group begins where the one before it began", "group_begin2 = next3;", "", "a (bulk )?store overwrites byte \\d+ of buffer 3"},
    {"tiles of one group do not count for the next", "next_tile2 = next4;", "", "a (bulk )?store overwrites byte \\d+ of buffer 3|deadlock|never"},
    {"ends are read past their last", "3 - group > 0", "3 - group >= 0", "a load of 4 bytes outside every buffer, 12 bytes into buffer 2"},
    {"ends are read before the launch before has ended", kGridWait, "", "missing grid_wait_previous: a load of global memory"},
};

constexpr GroupedProblem kGrouped{300, 136, 136, 3};
struct GroupedRun {
  std::vector<uint16_t> x = std::vector<uint16_t>(300 * 136, 0x3F80), w = std::vector<uint16_t>(3 * 136 * 136, 0x3F80), y = std::vector<uint16_t>(300 * 136);
  std::vector<int32_t> ends = {67, 148, 225};
  Expected<emulated::LaunchReport> operator()(Runner &runner, const emulated::LaunchOptions &options) { return runner.run({in(x), in(w), in(ends), out(y)}, {}, options); }
};

class GroupedFaults : public ::testing::TestWithParam<Fault> {};
TEST_P(GroupedFaults, IsReported) { checkFault(kGrouped.kernel(), GetParam(), GroupedRun()); }
TEST(GroupedFaults, NoneInTheRightText) { checkRight(kGrouped.kernel(), GroupedRun()); }

// Residuals in pieces: a ring of its own, read by threads.
constexpr const char *kPieceWait = "mbar_wait(full_residual + take_residual.slot * 8, take_residual.parity);";
constexpr const char *kPieceRelease = "if (lane == 0) mbar_arrive(empty_residual + take_residual.slot * 8);";
constexpr Fault kResidualFaults[] = {
    {"a piece is read before it arrived", kPieceWait, "", "a load (reads|touches) shared\\+\\d+, (which nothing|where a bulk load)|may not have landed"},
    {"the parity of a piece inverted", "take_residual.parity);", "take_residual.parity ^ 1);", "which nothing has written|may not have landed|deadlock"},
    {"a piece is given back before it is read", kPieceWait, "mbar_wait(full_residual + take_residual.slot * 8, take_residual.parity); if (lane == 0) mbar_arrive(empty_residual + take_residual.slot * 8);", "more arrivals|bulk load overwrites|given back"},
    {"no meeting before a piece is given back", "          warp_sync();\n          if (lane == 0) mbar_arrive(empty_residual", "          if (lane == 0) mbar_arrive(empty_residual", "no barrier stands after|stage was given back", true},
    {"a piece is never given back", kPieceRelease, "", "deadlock[^]*mbarrier shared\\+\\d+: 0 of"},
    {"some warps are not waited for", "mbar_init(empty_residual + s * 8, kConsumers * 4)", "mbar_init(empty_residual + s * 8, 4)", "more arrivals|bulk load overwrites|given back|no barrier stands after"},
    {"the other consumer's rows are read", "(consumer * 4 + warp) * (kStoreRows * 128)", "warp * (kStoreRows * 128) + kStageBytesResidual", "which nothing has written|may not have landed|given back"},
    {"residuals without their swizzle", "(o * 8 + lane % 4 * 2) * 2, 128)", "(o * 8 + lane % 4 * 2) * 2, 128) * 0 + lane / 4 * 128 + o * 16 + lane % 4 * 4", "bank conflicts: \\d+ accesses"},
};

struct ResidualRun {
  int64_t m = 300, n = 200, k = 136;
  std::vector<uint16_t> a = std::vector<uint16_t>(m * k, 0x3F80), b = std::vector<uint16_t>(n * k, 0x3F80), x = std::vector<uint16_t>(m * n, 0x3F80), d = std::vector<uint16_t>(m * n);
  Expected<emulated::LaunchReport> operator()(Runner &runner, const emulated::LaunchOptions &options) {
    return runner.run({in(a), in(b), in(x), out(d)}, {m, n, k}, options);
  }
};

CudaKernel residualKernel(schedules::WgmmaTile tile, int64_t pieces) {
  tile.residuals = 1, tile.pieces = pieces;
  return buildResidualWgmma(tile, false, 2).kernel;
}
CudaKernel residualKernel() { return residualKernel({128, 128, 3, 2, 1, 2, 2, false}, 2); }

class ResidualFaults : public ::testing::TestWithParam<Fault> {};
TEST_P(ResidualFaults, IsReported) { checkFault(residualKernel(), GetParam(), ResidualRun()); }
TEST(ResidualFaults, NoneInTheRightText) { checkRight(residualKernel(), ResidualRun()); }

// By turns: a piece is one consumer's.
constexpr Fault kResidualTurnFaults[] = {
    {"the other's pieces are not passed over", "ring_skip(take_residual, int(4), kStagesResidual);", "", "which nothing|may not have landed|given back|bulk load overwrites|more arrivals|deadlock"},
    {"all begin at the first piece", "ring_skip(take_residual, int(consumer * 4), kStagesResidual);", "", "which nothing|may not have landed|given back|bulk load overwrites|more arrivals|deadlock"},
};
CudaKernel residualTurnKernel() { return residualKernel({128, 128, 3, 1, 1, 2, 2, false, 1, true}, 8); }

class ResidualTurnFaults : public ::testing::TestWithParam<Fault> {};
TEST_P(ResidualTurnFaults, IsReported) { checkFault(residualTurnKernel(), GetParam(), ResidualRun()); }
TEST(ResidualTurnFaults, NoneInTheRightText) { checkRight(residualTurnKernel(), ResidualRun()); }

// Consumers that take turns. Without its turn a consumer might be a round ahead, where a barrier's parity is the same.
constexpr Fault kTurnFaults[] = {
    {"the other's slots are not passed over", "ring_skip(take, int(steps), kStages);", "", "an mbarrier|wgmma (reads|touches)|bulk load overwrites|deadlock"},
    {"all begin at the first slot", "ring_skip(take, int(consumer * steps), kStages);", "", "an mbarrier|wgmma (reads|touches)|bulk load overwrites|deadlock"},
    {"every consumer is expected at every slot", "mbar_init(empty + s * 8, kCluster)", "mbar_init(empty + s * 8, kConsumers * kCluster)", "deadlock"},
    {"a turn is not given on", "if (thread == 0) mbar_arrive(smem + kOffsetTurns", "if (false) mbar_arrive(smem + kOffsetTurns", "deadlock"},
    {"a turn is given to oneself", "(consumer + 1) % kConsumers", "consumer", "deadlock|more arrivals|wgmma (reads|touches)"},
    {"nobody begins", "u32 turn = consumer == 0;", "u32 turn = 0;", "deadlock"},
};

CudaKernel turnKernel() { return buildWgmma({128, 128, 3, 2, 1, 2, 2, false, 1, true}, true, 2).kernel; }

class TurnFaults : public ::testing::TestWithParam<Fault> {};
TEST_P(TurnFaults, IsReported) { checkFault(turnKernel(), GetParam(), WgmmaRun()); }
TEST(TurnFaults, NoneInTheRightText) { checkRight(turnKernel(), WgmmaRun()); }

// ---- products of 8-bit elements: sums of a slot in registers of their own, staging by pairs -----------------------------------------

constexpr Fault kPromotedFaults[] = {
    {"no wait for the products of a slot", "        wgmma_wait<0>();\n", "", "an accumulator is read while a wgmma writes it"},
    {"a weak wait for the products of a slot", "wgmma_wait<0>();", "wgmma_wait<1>();", "an accumulator is read while a wgmma writes it"},
    {"a slot is given back before its products are done", "wgmma_wait<0>();\n        wgmma_pin(product);\n        if (thread < kCluster) mbar_arrive_at(empty + take.slot * 8, thread);", "if (thread < kCluster) mbar_arrive_at(empty + take.slot * 8, thread);\n        wgmma_wait<0>();\n        wgmma_pin(product);", "a bulk load overwrites shared\\+\\d+, and no barrier stands after the products of warpgroup|wgmma reads shared\\+\\d+, whose stage was given back"},
    {"a slot is never given back", "if (thread < kCluster) mbar_arrive_at(empty + take.slot * 8, thread);", "", "deadlock[^]*mbarrier shared\\+\\d+: \\d of"},
    {"no wait for the bytes of a slot", "mbar_wait(full + take.slot * 8, take.parity);", "", "wgmma (reads|touches) shared\\+\\d+, (which nothing has written|where a bulk load may not have landed)"},
    {"no fence before products", "wgmma_fence();", "", "wgmma without wgmma_fence"},
    {"no commit of products", "wgmma_commit();", "", "wgmma_commit is missing"},
};
constexpr Fault kPairFaults[] = {
    {"no proxy fence before a bulk store", "fence_proxy_async();", "", "missing fence_proxy_async: a bulk store touches shared"},
    {"no meeting before a bulk store", "fence_proxy_async();\n          warp_sync();", "fence_proxy_async();", "a bulk store reads shared\\+\\d+, (and no barrier stands after thread|which nothing)"},
    {"no wait for a staging buffer", "if (issuer) tma_store_wait_read<1>();", "", "a store overwrites shared\\+\\d+, and no barrier stands after the bulk stores of thread"},
    {"staging of half a row", "kStoreColumns * 1)", "kStoreColumns / 2)", "a bulk store reads shared\\+\\d+, which nothing has written|a store overwrites shared|bank conflicts: \\d+ accesses"},
    {"staging without its swizzle", "((at / 16) ^ (row * row_bytes / 128 % (row_bytes / 16)))", "(at / 16)", "bank conflicts: \\d+ accesses"},
};

/// Bytes of ones: small numbers in both types.
template <typename Result>
struct NarrowRun {
  int64_t m = 300, n = 208, k = 528;
  std::vector<uint8_t> a = std::vector<uint8_t>(m * k, 1), b = std::vector<uint8_t>(n * k, 1);
  std::vector<Result> d = std::vector<Result>(m * n);
  Expected<emulated::LaunchReport> operator()(Runner &runner, const emulated::LaunchOptions &options) {
    return runner.run({in(a), in(b), out(d)}, {m, n, k}, options);
  }
};

/// So wide that registers hold one slot's products.
CudaKernel promotedKernel() {
  schedules::WgmmaTile tile{128, 192, 3, 2, 1, 2, 2, false};
  tile.promotes = true;
  return buildNarrowWgmma(tile, Narrow::kFloats, 2).kernel;
}
CudaKernel pairKernel() {
  return buildNarrowWgmma({128, 128, 3, 2, 1, 2, 2, false}, Narrow::kCutBytes, 2).kernel;
}

/// The same, two slots at a time.
constexpr Fault kPairedFaults[] = {
    {"no wait for the first slot's products", "wgmma_wait<1>();\n", "", "an accumulator is read while a wgmma writes it"},
    {"no wait for the second slot's products", "wgmma_wait<0>();\n", "", "an accumulator is read while a wgmma writes it"},
    {"the wait for the first slot's products leaves too many", "wgmma_wait<1>();", "wgmma_wait<2>();", "an accumulator is read while a wgmma writes it"},
    {"the slot in use is given back", "held = take.slot;", "if (thread < kCluster) mbar_arrive_at(empty + take.slot * 8, thread);\n        held = -1;", "a bulk load overwrites shared|wgmma reads shared|more arrivals at an mbarrier"},
    {"a slot is never given back", "if (held >= 0 && thread < kCluster) mbar_arrive_at(empty + held * 8, thread);\n        held = -1;", "held = -1;", "deadlock[^]*mbarrier shared\\+\\d+: \\d of"},
};
class PairedFaults : public ::testing::TestWithParam<Fault> {};
CudaKernel pairedKernel() {
  schedules::WgmmaTile tile{64, 64, 4, 2, 1, 1, 64, true};
  tile.promotes = true;
  return buildNarrowWgmma(tile, Narrow::kFloats, 4).kernel;
}
TEST_P(PairedFaults, IsReported) { checkFault(pairedKernel(), GetParam(), NarrowRun<uint16_t>()); }
TEST(PairedFaults, NoneInTheRightText) { checkRight(pairedKernel(), NarrowRun<uint16_t>()); }

class PromotedFaults : public ::testing::TestWithParam<Fault> {};
TEST_P(PromotedFaults, IsReported) { checkFault(promotedKernel(), GetParam(), NarrowRun<uint16_t>()); }
TEST(PromotedFaults, NoneInTheRightText) { checkRight(promotedKernel(), NarrowRun<uint16_t>()); }
class PairFaults : public ::testing::TestWithParam<Fault> {};
TEST_P(PairFaults, IsReported) { checkFault(pairKernel(), GetParam(), NarrowRun<int8_t>()); }
TEST(PairFaults, NoneInTheRightText) { checkRight(pairKernel(), NarrowRun<int8_t>()); }

// ---- products of f32 in high and low parts: a splitter between the producer and the consumers, operands that threads read ----------------

constexpr Fault kHighLowFaults[] = {
    {"no proxy fence between low parts and products", "        fence_proxy_async();\n        warp_sync();\n        if (thread % 32 == 0) mbar_arrive(lows", "        warp_sync();\n        if (thread % 32 == 0) mbar_arrive(lows", "missing fence_proxy_async: wgmma touches shared"},
    {"lanes of a splitter's warp do not meet", "        warp_sync();\n        if (thread % 32 == 0) mbar_arrive(lows", "        if (thread % 32 == 0) mbar_arrive(lows", "wgmma (reads|touches) shared\\+\\d+, (and no barrier stands|which nothing has written|whose stage)|missing fence_proxy_async"},
    {"no wait for the low parts", "mbar_wait(lows + take.slot * 8, take.parity);", "", "wgmma (reads|touches) shared\\+\\d+, (which nothing has written|whose stage|and no barrier)|missing fence_proxy_async|overwrites shared"},
    {"the low parts are waited for with the other parity", "mbar_wait(lows + take.slot * 8, take.parity);", "mbar_wait(lows + take.slot * 8, take.parity ^ 1);", "wgmma (reads|touches) shared|missing fence_proxy_async|overwrites shared|deadlock"},
    {"the splitter does not wait for a slot's bytes", "        mbar_wait(full + take.slot * 8, take.parity);\n        tf32_split", "        tf32_split", "a load (reads|touches) shared\\+\\d+, (which nothing|where a bulk load|whose stage)"},
    {"fewer of the splitter's warps are waited for", "mbar_init(lows + s * 8, 4);", "mbar_init(lows + s * 8, 3);", "more arrivals|wgmma (reads|touches) shared|missing fence_proxy_async|overwrites shared|deadlock"},
    {"the splitter writes another slot", "smem + kOffsetB_low + take.slot * kStageBytesB_low, 128, thread", "smem + kOffsetB_low + (take.slot + 1) % kStages * kStageBytesB_low, 128, thread", "wgmma (reads|touches) shared|overwrites shared|a store"},
    {"a slot is given back before its products are done", "        wgmma_wait<0>();\n        wgmma_pin(product);\n        warp_sync();\n        if (thread % 32 < kCluster) mbar_arrive_at(empty + take.slot * 8, thread % 32);", "        warp_sync();\n        if (thread % 32 < kCluster) mbar_arrive_at(empty + take.slot * 8, thread % 32);\n        wgmma_wait<0>();\n        wgmma_pin(product);", "overwrites shared\\+\\d+, and no barrier stands after the products of warpgroup|wgmma reads shared\\+\\d+, whose stage was given back"},
    {"lanes of a warp do not meet before it gives a slot back", "        warp_sync();\n        if (thread % 32 < kCluster) mbar_arrive_at", "        if (thread % 32 < kCluster) mbar_arrive_at", "a bulk load overwrites shared\\+\\d+, and no barrier stands after thread", true},
    {"each warpgroup gives slots back once", "kConsumers * 4 * kCluster", "kConsumers * kCluster", "more arrivals|overwrites shared|given back|may not have landed|has completed|block that has exited|bulk load touches"},
    {"a slot is never given back", "if (thread % 32 < kCluster) mbar_arrive_at(empty + take.slot * 8, thread % 32);", "", "deadlock"},
    {"operands change while products read them", "        wgmma_wait<0>();\n        wgmma_pin(product);", "        a_high[3] ^= 1 << 20;\n        wgmma_wait<0>();\n        wgmma_pin(product);", "the registers of a wgmma's A have changed since its issue"},
    {"no fence before products", "wgmma_fence();", "", "wgmma without wgmma_fence"},
};
struct HighLowRun {
  int64_t m = 300, n = 200, k = 132;
  std::vector<float> a = std::vector<float>(m * k, 1.1f), b = std::vector<float>(n * k, 0.9f), d = std::vector<float>(m * n);
  Expected<emulated::LaunchReport> operator()(Runner &runner, emulated::LaunchOptions options) {
    options.maxBankConflict = 2;  // of stores of f32 in pairs
    return runner.run({in(a), in(b), out(d)}, {m, n, k}, options);
  }
};
CudaKernel highLowKernel() {
  schedules::WgmmaTile tile{128, 128, 3, 2, 1, 2, 2, false};
  tile.promotes = tile.highLow = true, tile.storedBytes = tile.elementBytes = 4;
  return buildFloatWgmma(tile, 2).kernel;
}
class HighLowFaults : public ::testing::TestWithParam<Fault> {};
TEST_P(HighLowFaults, IsReported) { checkFault(highLowKernel(), GetParam(), HighLowRun()); }
TEST(HighLowFaults, NoneInTheRightText) { checkRight(highLowKernel(), HighLowRun()); }

// ---- attention: several rings, products on registers ---------------------------------------------------------------------------------

constexpr const char *kLanding = "wgmma (reads|touches) shared\\+\\d+, (which nothing has written|where a bulk load may not have landed|whose stage was given back)";
constexpr const char *kOverwrites = "bulk load (touches|overwrites) shared\\+\\d+|where a bulk load may not have landed|more arrivals at an mbarrier|whose stage was given back";
constexpr Fault kAttentionFaults[] = {
    {"no wait for the queries", "mbar_wait(full_q + take_q.slot * 8, take_q.parity);", "", kLanding},
    {"no wait for the keys", "mbar_wait(full_k + take_k.slot * 8, take_k.parity);", "", kLanding},
    {"no wait for the values", "mbar_wait(full_v + take_v.slot * 8, take_v.parity);", "", kLanding},
    {"keys are waited for with the other parity", "take_k.parity);", "take_k.parity ^ 1);", "deadlock|may not have landed|which nothing has written"},
    {"no wait for a free slot of keys", "            mbar_wait(empty_k + fill_k.slot * 8, fill_k.parity ^ 1);\n", "", kOverwrites},
    {"no wait for a free slot of queries", "mbar_wait(empty_q + fill_q.slot * 8, fill_q.parity ^ 1);", "", kOverwrites},
    {"values are filled with the other parity", "fill_v.parity ^ 1);", "fill_v.parity);", "deadlock"},
    {"a slot of keys is never given back", "if (thread < kCluster) mbar_arrive_at(empty_k + take_k.slot * 8, thread);", "", "deadlock"},
    {"keys are given back before their products are done", "          wgmma_wait<1>();\n          wgmma_pin(scores2);\n", "", "a bulk load overwrites|whose stage was given back|a wgmma writes it"},
    {"half of a slot's bytes announced", "full_q + fill_q.slot * 8, kStageBytesQ);", "full_q + fill_q.slot * 8, kStageBytesQ / 2);", "lands after its phase|may not have landed"},
    {"a panel of the queries is not fetched", "&map_q, full_q + fill_q.slot * 8, 64,", "&map_q, full_k + fill_q.slot * 8, 64,", "lands after its phase|deadlock|may not have landed|which nothing has written"},
    {"no fence before the scores", "wgmma_fence();", "", "wgmma without wgmma_fence"},
    {"the scores are read early", "wgmma_wait<0>();", "wgmma_wait<1>();", "an accumulator is read while a wgmma writes it"},
    {"the scores are read early in a step", "wgmma_wait<1>();", "wgmma_wait<2>();", "an accumulator is read while a wgmma writes it"},
    {"the output is scaled early", "wgmma_wait<0>();\n          wgmma_pin(out);", "wgmma_pin(out);", "an accumulator is read while a wgmma writes it"},
    {"the weights are rounded over those in use", "          wgmma_wait<1>();", "          rounded[3] ^= 1;\n          wgmma_wait<1>();", "the registers of a wgmma's A have changed since its issue"},
    {"no commit of the values' product", "_registers(out, rounded, desc_v);\n          wgmma_commit();", "_registers(out, rounded, desc_v);", "wgmma_commit is missing|a wgmma writes it"},
    {"lanes that do not come to a row's maximum", "largest[h] = row_max(logits, h);", "largest[h] = threadIdx.x % 2 ? row_part_max(logits, h) : row_max(logits, h);", "deadlock|meet at different operations"},
    {"lanes that do not come to the vote", "= warp_any(outgrown[0] || outgrown[1]);", "= threadIdx.x % 2 ? outgrown[0] : warp_any(outgrown[0] || outgrown[1]);", "deadlock|meet at different operations"},
    {"no proxy fence before a bulk store", "fence_proxy_async();", "", "missing fence_proxy_async: a bulk store touches shared"},
    {"a row too many of the sums", "< queries - my_row)", "<= queries - my_row)", "a store (overwrites byte \\d+ of buffer 5, and no barrier|of 4 bytes outside)"},
};

struct AttentionRun {
  int64_t queries = 70, keys = 200, d = 128;
  std::vector<uint16_t> q = std::vector<uint16_t>(2 * queries * d, 0x3C00), k = std::vector<uint16_t>(2 * keys * d, 0x3C00), v = std::vector<uint16_t>(2 * keys * d, 0x3F80),
                        o = std::vector<uint16_t>(2 * queries * d);
  std::vector<float> extra = std::vector<float>(1), lse = std::vector<float>(2 * queries);
  Expected<emulated::LaunchReport> operator()(Runner &runner, const emulated::LaunchOptions &options) {
    return runner.run({in(q), in(k), in(v), in(extra), out(o), out(lse)}, {1, 2, queries, keys}, options);
  }
};

CudaKernel attentionKernel() {
  return buildAttention({.headDim = 128, .causal = true, .logSumExp = true, .sms = 1, .tile = schedules::WgmmaAttentionTile{128, 64, 2}}).kernel;
}

// Three consumers, whose wait for the values' product is tied to the weights.
constexpr Fault kTiedWaitFaults[] = {
    {"the output is scaled early", "wgmma_wait_behind<0>(sum2);\n", "\n", "an accumulator is read while a wgmma writes it"},
    {"a wait that leaves one running", "wgmma_wait_behind<0>(sum2);", "wgmma_wait_behind<1>(sum2);", "an accumulator is read while a wgmma writes it"},
};
CudaKernel tiedWaitKernel() { return buildAttention({.headDim = 64, .causal = true, .logSumExp = true, .sms = 1}).kernel; }

class TiedWaitFaults : public ::testing::TestWithParam<Fault> {};
TEST_P(TiedWaitFaults, IsReported) { checkFault(tiedWaitKernel(), GetParam(), AttentionRun{.queries = 230, .keys = 330, .d = 64}); }
TEST(TiedWaitFaults, NoneInTheRightText) { checkRight(tiedWaitKernel(), AttentionRun{.queries = 230, .keys = 330, .d = 64}); }

class AttentionFaults : public ::testing::TestWithParam<Fault> {};
TEST_P(AttentionFaults, IsReported) { checkFault(attentionKernel(), GetParam(), AttentionRun()); }
TEST(AttentionFaults, NoneInTheRightText) { checkRight(attentionKernel(), AttentionRun()); }

// ---- gradients of attention: slots that threads read, and slots that are kept a step longer -------------------------------------------

constexpr Fault kGradKeysFaults[] = {
    {"no wait for queries", "      mbar_wait(full_q + take_q.slot * 8, take_q.parity);", "", kLanding},
    {"no wait for gradients", "      mbar_wait(full_dy + take_dy.slot * 8, take_dy.parity);", "", kLanding},
    {"values of the slot to come", "kOffsetLse + take_q.slot", "kOffsetLse + (take_q.slot + 1) % kStagesQ", "a load (reads|touches) shared\\+\\d+, (which nothing|where a bulk load|whose stage)|a race"},
    {"bytes of the values are not announced", "kStageBytesQ + kStageBytesLse);", "kStageBytesQ);", "lands after its phase|may not have landed"},
    {"no wait for a free slot", "mbar_wait(empty_q + fill_q.slot * 8, fill_q.parity ^ 1);", "", kOverwrites},
    {"one warp gives a slot back for all", "      if (held_q >= 0 && thread % 32 == 0) mbar_arrive_at(empty_q", "      if (held_q >= 0 && thread == 0) mbar_arrive_at(empty_q", "deadlock[^]*2 of 8|deadlock[^]*6 of 8"},
    {"a slot is free after an arrival of each consumer", "mbar_init(empty_q + s * 8, kConsumers * 4);", "mbar_init(empty_q + s * 8, kConsumers);", kOverwrites},
    {"queries go back before dk has them", "      wgmma_wait<0>();\n      wgmma_pin(dk2);\n", "", "a bulk load overwrites|whose stage was given back|a wgmma writes it|a wgmma's A have changed"},
    {"dv is touched early", "      wgmma_wait<1>();\n      wgmma_pin(dv2);\n", "      wgmma_pin(dv2);\n", "an accumulator is read while a wgmma writes it"},
};
/// The same consumers, whose products are issued in turns.
constexpr Fault kGradTurnFaults[] = {
    {"the turn is kept", "if (thread % 32 == 0) mbar_arrive(smem + kOffsetTurns + (consumer + 1) % kConsumers * 8);", "", "deadlock"},
    {"one warp gives the turn for all", "if (thread % 32 == 0) mbar_arrive(smem + kOffsetTurns", "if (thread == 0) mbar_arrive(smem + kOffsetTurns", "deadlock[^]*1 of 4"},
    {"each warp gives the turn for all", "mbar_init(smem + kOffsetTurns + c * 8, 4);", "mbar_init(smem + kOffsetTurns + c * 8, 1);", "deadlock", true},
    {"nobody comes first", "u32 turn = consumer == 0;", "u32 turn = 0;", "deadlock"},
    {"both wait for the other's turn", "kOffsetTurns + consumer * 8, turn);", "kOffsetTurns + (consumer + 1) % kConsumers * 8, turn);", "deadlock"},
};
/// Wide heads: a slot of queries is kept until the next step has added its part of dk.
constexpr Fault kGradKeptFaults[] = {
    {"queries go back before dk has them", "if (held_q >= 0 && thread % 32 == 0) mbar_arrive_at(empty_q + held_q * 8, 0);", "if (thread % 32 == 0) mbar_arrive_at(empty_q + take_q.slot * 8, 0);", "a bulk load overwrites|whose stage was given back|may not have landed|more arrivals"},
    {"the slot kept is never given back", "if (held_q >= 0 && thread % 32 == 0) mbar_arrive_at(empty_q + held_q * 8, 0);", "", "deadlock"},
    {"dk is not waited for", "      wgmma_wait<1>();\n      wgmma_pin(dk2);\n", "", "a bulk load overwrites|whose stage was given back"},
    {"gradients are rounded over those in use", "      wgmma_wait<2>();", "      d_rounded[3] ^= 1;\n      wgmma_wait<2>();", "the registers of a wgmma's A have changed since its issue"},
    {"lanes of a warp do not meet before it gives a slot back",
     "      warp_sync();\n      if (thread % 32 == 0) mbar_arrive_at(empty_dy", "      if (thread % 32 == 0) mbar_arrive_at(empty_dy",
     "a bulk load overwrites shared\\+\\d+, and no barrier stands after (thread|a load)"},
    {"dv is not waited for", "      wgmma_wait<0>();\n      wgmma_pin(dv2);\n", "", "a bulk load overwrites|whose stage was given back|an accumulator is read"},
};
constexpr Fault kGradQueriesFaults[] = {
    {"keys go back before dq has them", "\n      if (held_k >= 0 && thread < kCluster) mbar_arrive_at(empty_k + held_k * 8, thread);", "\n      if (thread < kCluster) mbar_arrive_at(empty_k + take_k.slot * 8, thread);", "a bulk load overwrites|whose stage was given back|may not have landed|more arrivals"},
    {"the slot kept is never given back", "\n      if (held_k >= 0 && thread < kCluster) mbar_arrive_at(empty_k + held_k * 8, thread);", "", "deadlock"},
    {"dq is not waited for", "\n      wgmma_wait<0>();", "", "an accumulator is read while a wgmma writes it|a bulk load overwrites"},
    {"gradients are rounded over those in use", "\n      wgmma_wait<1>();", "\n      rounded[3] ^= 1;\n      wgmma_wait<1>();", "the registers of a wgmma's A have changed since its issue"},
    {"the weights are read early", "\n      wgmma_wait<2>();", "\n      wgmma_wait<3>();", "an accumulator is read while a wgmma writes it"},
    {"a row too many of lse", "lse + rows_at", "lse + padded_rows + rows_at", "a load of 4 bytes outside every buffer"},
};

/// In steps of 64: five, so that every slot is filled again. The queries' first loop is that of masked steps.
struct AttentionGradRun {
  AttentionGradCase what;
  AttentionGradData data;
  explicit AttentionGradRun(schedules::GradOf of, int64_t keysHeadDim = 64)
      : what{.of = of, .headDim = of == schedules::GradOf::keys ? keysHeadDim : 128, .causal = of == schedules::GradOf::queries, .tile = {128, 64, 2}},
        data(what, of == schedules::GradOf::keys ? AttentionGradShape{1, 1, 290, 70} : AttentionGradShape{1, 1, 290, 290}, 1) {}
  CudaKernel kernel() const { return buildAttentionGrad(what).kernel; }
  Expected<emulated::LaunchReport> operator()(Runner &runner, const emulated::LaunchOptions &options) { return data.run(runner, options); }
};

class GradKeysFaults : public ::testing::TestWithParam<Fault> {};
TEST_P(GradKeysFaults, IsReported) { checkFault(AttentionGradRun(schedules::GradOf::keys).kernel(), GetParam(), AttentionGradRun(schedules::GradOf::keys)); }
TEST(GradKeysFaults, NoneInTheRightText) { checkRight(AttentionGradRun(schedules::GradOf::keys).kernel(), AttentionGradRun(schedules::GradOf::keys)); }
class GradTurnFaults : public ::testing::TestWithParam<Fault> {};
TEST_P(GradTurnFaults, IsReported) { checkFault(AttentionGradRun(schedules::GradOf::keys).kernel(), GetParam(), AttentionGradRun(schedules::GradOf::keys)); }
class GradKeptFaults : public ::testing::TestWithParam<Fault> {};
TEST_P(GradKeptFaults, IsReported) { checkFault(AttentionGradRun(schedules::GradOf::keys, 128).kernel(), GetParam(), AttentionGradRun(schedules::GradOf::keys, 128)); }
TEST(GradKeptFaults, NoneInTheRightText) { checkRight(AttentionGradRun(schedules::GradOf::keys, 128).kernel(), AttentionGradRun(schedules::GradOf::keys, 128)); }
class GradQueriesFaults : public ::testing::TestWithParam<Fault> {};
TEST_P(GradQueriesFaults, IsReported) { checkFault(AttentionGradRun(schedules::GradOf::queries).kernel(), GetParam(), AttentionGradRun(schedules::GradOf::queries)); }
TEST(GradQueriesFaults, NoneInTheRightText) { checkRight(AttentionGradRun(schedules::GradOf::queries).kernel(), AttentionGradRun(schedules::GradOf::queries)); }

// ---- products on scalar units: cp.async, block barriers ----------------------------------------------------------------------------

constexpr Fault kSimtFaults[] = {
    {"no wait for the launch before", kGridWait, "", "missing grid_wait_previous: (an asynchronous copy|a load) of global memory"},
    {"no wait for copies", "copy_async_wait<1>();", "", "a load touches shared\\+\\d+, where an asynchronous copy"},
    {"the wait for copies leaves too many", "copy_async_wait<1>();", "copy_async_wait<2>();", "a load touches shared\\+\\d+, where an asynchronous copy"},
    {"no barrier after the wait", "copy_async_wait<1>();\n    block_sync();", "copy_async_wait<1>();", "asynchronous copy|a race: (a load reads|an asynchronous copy overwrites) shared"},
    {"copies that are not committed", "    copy_async_commit();\n    fill = fill + 1 == kStages ? 0 : fill + 1;\n    const float", "    fill = fill + 1 == kStages ? 0 : fill + 1;\n    const float", "asynchronous copy"},
    {"the slot of the next step is read", "smem + kOffsetA + take * kStageBytesA", "smem + kOffsetA + (take + 1) % kStages * kStageBytesA", "asynchronous copy|which nothing has written|a race"},
    {"the ring is a slot shorter for the filler", "fill = fill + 1 == kStages ? 0", "fill = fill + 1 == kStages - 1 ? 0", "asynchronous copy|a race|nothing has written"},
    {"copies into another thread's place", "to_a + i * kLineA + j,", "to_a + i * kLineA + j / 2,", "an asynchronous copy (touches|overwrites) shared"},
    {"one row too many of x", "i < rest && j < rows_left", "i < rest && j <= rows_left", "a load of 4 bytes outside every buffer, \\d+ bytes into buffer 0"},
    {"one column too many of x", "i < rest2 && j < rows_left", "i <= rest2 && j < rows_left", "a load of 4 bytes outside every buffer, \\d+ bytes into buffer 0"},
    {"one row too many of y", "i % 4 < rows_left)", "i % 4 <= rows_left)", "a store of \\d+ bytes outside every buffer, \\d+ bytes into buffer 3"},
    {"one column too many of y", "columns_left - (thread_column", "columns_left + 1 - (thread_column", "a store (overwrites byte \\d+ of buffer 3, and no barrier|of \\d+ bytes outside)"},
    {"one column too many of the bias", "j < n - column)", "j <= n - column)", "a load of 4 bytes outside every buffer, 280 bytes into buffer 2"},
    {"the last copies are not waited for", "  copy_async_wait<0>();\n", "", "exits with asynchronous copies"},
    {"a slice too few is filled ahead", "ahead < 2", "ahead < 1", "asynchronous copy|nothing has written|a race"},
    {"rows of x without their padding", "constexpr int kLineA = 132;", "constexpr int kLineA = 128;", "bank conflicts: \\d+ accesses"},
    {"shared memory ends early", "constexpr int kOffsetB = ", "constexpr int kOffsetB = 2048 + ", "an asynchronous copy of \\d+ bytes at shared\\+\\d+ is outside"},
};

struct SimtRun {
  int64_t m = 130, n = 70, k = 37;
  std::vector<float> x = std::vector<float>(m * k, 1.0f), weights = packPanels(std::vector<float>(k * n, 1.0f), k, n), bias = std::vector<float>(n),
                     y = std::vector<float>(m * n);
  Expected<emulated::LaunchReport> operator()(Runner &runner, const emulated::LaunchOptions &options) {
    return runner.run({in(x), in(weights), in(bias), out(y)}, {m, n, k, k, 1}, options);
  }
};

CudaKernel simtKernel() { return buildSimt({128, 128, 8, 3}, true).kernel; }

class SimtFaults : public ::testing::TestWithParam<Fault> {};
TEST_P(SimtFaults, IsReported) { checkFault(simtKernel(), GetParam(), SimtRun()); }
TEST(SimtFaults, NoneInTheRightText) { checkRight(simtKernel(), SimtRun()); }

// ---- rows: reductions over the block, scratch ---------------------------------------------------------------------------------------

constexpr Fault kRowsFaults[] = {
    {"no wait for the launch before", kGridWait, "", "missing grid_wait_previous: a load of global memory"},
    {"one thread waits for the launch before, and tells nobody", "grid_wait_previous();", "if (threadIdx.x == 0) grid_wait_previous();", "missing grid_wait_previous: a load of global memory"},
    {"no barrier in a reduction", "block_sync(JINX_FROM0);", ";", "a load reads shared\\+\\d+, (which nothing has written|and no barrier stands after thread)"},
    {"a reduction with one set of slots", "turn ^= 1;", ";", "a race: a store overwrites shared\\+\\d+, and no barrier stands after thread"},
    {"one warp of a reduction", "if (threadIdx.x % 32 == 0) shared_store", "if (threadIdx.x == 0) shared_store", "a load reads shared\\+\\d+, which nothing has written"},
    {"every lane stores to a slot", "if (threadIdx.x % 32 == 0) shared_store", "shared_store", "a race: a store overwrites shared\\+\\d+, and no barrier stands after thread"},
    {"some threads skip a barrier", "block_sync(JINX_FROM0);", "if (threadIdx.x < 32) block_sync(JINX_FROM0);", "deadlock[^]*block barrier 0: 32 of 64|nothing has written|a race"},
    {"lanes that do not come to a shuffle", "const float largest = block_max(part, kThreads, slots, turn);", "const float largest = threadIdx.x % 2 ? part : block_max(part, kThreads, slots, turn);", "deadlock|meet at different operations"},
    {"one element too many of x", "rest - thread_first, kStride);", "rest + 1 - thread_first, kStride);", "a load of 4 bytes outside every buffer, 1540 bytes into buffer 0"},
    {"one element too many of y", "n - step3 - thread_first, kStride);", "n + 1 - step3 - thread_first, kStride);", "a store (overwrites byte \\d+ of buffer 1, and no barrier|of 4 bytes outside)"},
    {"blocks overlap", "const i64 offset = program * n;", "const i64 offset = program * (n - 1);", "a race: a store overwrites byte \\d+ of buffer 1, and no barrier stands after thread \\d+ of block"},
    {"scratch over the slots", "constexpr int kScratchOffset = 512;", "constexpr int kScratchOffset = 0;", "a race: a store overwrites shared|a race: a load reads shared"},
    {"scratch beyond its end", "constexpr int kScratchOffset = 512;", "constexpr int kScratchOffset = 2048;", "is outside the block's \\d+ bytes of shared memory"},
    {"scratch is not written", "shared_store_apart(held + step2 + thread_first, kStride, held_tile);", "", "a load reads shared\\+\\d+, which nothing has written"},
    {"scratch in strides of 128 bytes", "shared_load_apart(held_tile2, held + step3 + thread_first, kStride);", "held_tile2[0] = shared_load(held + thread_first % 32 / 4 * 32);", "a race|bank conflicts|nothing has written"},
    {"a loop that does not stop", "step3 += 256", "step3 += 0", "no end after"},
};

constexpr const char *kSoftmaxOfShifts = R"(
func.func @main(%arg0: tensor<3x1600xf16>) -> tensor<3x1600xf16> {
  %0 = jinx.group "rows"(%arg0) : (tensor<3x1600xf16>) -> tensor<3x1600xf16> {
  ^bb0(%x: tensor<3x1600xf16>):
    %m = jinx.reduce max, %x axes [1] : tensor<3x1600xf16> -> tensor<3x1xf16>
    %d = jinx.sub %x, %m : tensor<3x1600xf16>, tensor<3x1xf16> -> tensor<3x1600xf16>
    %e = jinx.exp %d : tensor<3x1600xf16> -> tensor<3x1600xf16>
    %s = jinx.reduce sum, %e axes [1] : tensor<3x1600xf16> -> tensor<3x1xf16>
    %y = jinx.div %e, %s : tensor<3x1600xf16>, tensor<3x1xf16> -> tensor<3x1600xf16>
    jinx.yield %y : tensor<3x1600xf16>
  }
  return %0 : tensor<3x1600xf16>
})";
constexpr Fault kShiftFaults[] = {
    {"no barrier before the warps' sums", "ShiftedSum{v, shift} JINX_FROM);\n  block_sync(JINX_FROM0);", "ShiftedSum{v, shift} JINX_FROM);", "a load reads shared\\+\\d+, (which nothing has written|and no barrier stands after thread)"},
    {"every lane stores its sum", "if (threadIdx.x % 32 == 0) shared_store(set + threadIdx.x / 32, ShiftedSum", "shared_store(set + threadIdx.x / 32, ShiftedSum", "a race: a store overwrites shared\\+\\d+, and no barrier stands after thread"},
    {"a warp too many", "warp < threads / 32; ++warp) {\n    const ShiftedSum", "warp <= threads / 32; ++warp) {\n    const ShiftedSum", "a load reads shared\\+\\d+, which nothing has written"},
};
struct ShiftRun {
  std::vector<uint16_t> x = std::vector<uint16_t>(4800, 0x3C00), y = std::vector<uint16_t>(4800);
  Expected<emulated::LaunchReport> operator()(Runner &runner, const emulated::LaunchOptions &options) { return runner.run({in(x), out(y)}, {}, options); }
};

struct RowsRun {
  int64_t rows = 5, n = 77;
  std::vector<float> x = std::vector<float>(rows * n, 1.0f), y = std::vector<float>(rows * n);
  Expected<emulated::LaunchReport> operator()(Runner &runner, const emulated::LaunchOptions &options) {
    return runner.run({in(x), out(y)}, {rows, n}, options);
  }
};

CudaKernel rowsKernel() { return runner(kSoftmax).kernel(); }

class RowsFaults : public ::testing::TestWithParam<Fault> {};
TEST_P(RowsFaults, IsReported) { checkFault(rowsKernel(), GetParam(), RowsRun()); }
TEST(RowsFaults, NoneInTheRightText) { checkRight(rowsKernel(), RowsRun()); }
class ShiftFaults : public ::testing::TestWithParam<Fault> {};
TEST_P(ShiftFaults, IsReported) { checkFault(scheduleForCuda(kSoftmaxOfShifts).kernel, GetParam(), ShiftRun()); }
TEST(ShiftFaults, NoneInTheRightText) { checkRight(scheduleForCuda(kSoftmaxOfShifts).kernel, ShiftRun()); }

// ---- lanes that depend on each other: scans, sorts, states ---------------------------------------------------------------------------

constexpr const char *kUnordered = "a load reads shared\\+\\d+, (which nothing has written|and no barrier stands after thread)|a race: a store overwrites shared";
constexpr Fault kScanFaults[] = {
    {"no barrier before the totals of the warps", "upto JINX_FROM);\n  }\n  block_sync(JINX_FROM0);", "upto JINX_FROM);\n  }", kUnordered},
    {"a scan with one set of slots", "turn ^= 1;\n  T before[M];", "T before[M];", kUnordered},
    {"every lane stores the warp's total", "if (lane == 31 - first) shared_store", "shared_store", kUnordered},
    {"a lane that is not the last one does", "if (lane == 31 - first) shared_store", "if (lane == first && warp > 0) shared_store", kUnordered},
    {"lanes that do not come to a shuffle", "  return value;\n}\ntemplate <int M, int N, bool Exclusive, bool Reverse, typename T>\nJINX_DEVICE T warp_scan_tile",
     "  if (lane % 2) warp_shuffle_up(value, 1 JINX_FROM);\n  return value;\n}\ntemplate <int M, int N, bool Exclusive, bool Reverse, typename T>\nJINX_DEVICE T warp_scan_tile",
     "deadlock|meet at different operations"},
    {"a total too many", "j < warps; ++j", "j <= warps; ++j", kUnordered},
    {"one element too many of y", "y_tile, 2500 - offset2", "y_tile, 2501 - offset2", "a store (overwrites byte \\d+ of buffer 1, and no barrier|of \\d+ bytes outside)"},
};
constexpr Fault kSortFaults[] = {
    {"no barrier between the steps of a sort", "        block_sync(JINX_FROM0);\n      } else {", "      } else {", kUnordered},
    {"no meeting of a warp between its steps", "        warp_sync(JINX_FROM0);", "", kUnordered},
    {"a warp meets where a block should", "before > 32 || distance > 32", "distance > 32", kUnordered},
    {"a warp meets where its pairs are far apart", "before > 32 || distance > 32", "before > 64 || distance > 64", kUnordered},
    {"no barrier after the last step", "      }\n    }\n  block_sync(JINX_FROM0);", "      }\n    }", kUnordered},
    {"pairs that overlap", "const int low = 2 * pair - (pair & (distance - 1))", "const int low = 2 * pair - (pair & distance)", "a race|is outside the block's|which nothing has written"},
    {"keys in the memory of the list", "constexpr int kKeysOffset = 512;", "constexpr int kKeysOffset = 1024;", "a race: a (load reads|store overwrites) shared"},
    {"the list is read before it is whole", "if (offset >= 1024) {\n      block_sync();", "if (offset >= 1024) {", kUnordered},
    {"the list is longer than its memory", "carried2 = next6;", "carried2 = next6 + 1200;", "is outside the block's|which nothing has written|a race"},
};
constexpr Fault kStateFaults[] = {
    {"the state is read before it is whole", "block_sync();\n#pragma unroll 16", "#pragma unroll 16", kUnordered},
    {"the products are met before they are there", "block_sync();\n    float held2_tile", "float held2_tile", kUnordered},
    {"a unit too many of y", "held_tile, 40 - thread_first_64", "held_tile, 41 - thread_first_64", "a store (overwrites byte \\d+ of buffer 4, and no barrier|of \\d+ bytes outside)"},
};

constexpr Fault kListFaults[] = {
    {"the list is read before it is whole", "block_sync();\n#pragma unroll 4", "#pragma unroll 4", kUnordered},
    {"the list is written while it is read", "block_sync();\n    i64 as_i642", "i64 as_i642", kUnordered},
    {"every row is listed", "if (and_[i]) shared_store(held + ", "shared_store(held + ", kUnordered},
    {"a row of the list too many", "static_cast<i64>(total); ++step2", "static_cast<i64>(total) + 1; ++step2", kUnordered},
};

constexpr Fault kStripFaults[] = {
    {"the teams' sums are read before they are there", "block_sync();\n", "", kUnordered},
    {"a team too many", "step2 < 32; ++step2", "step2 < 33; ++step2", "is outside the block's|which nothing has written"},
    {"teams in one place", "shared_store_run(held + within * 4, acc)", "shared_store_run(held + within % 128 * 4, acc)", "a race|which nothing has written"},
    {"a row too many", "48, 130 - ", "48, 131 - ", "a load of \\d+ bytes outside every buffer"},
    {"a column too many of y", "rest > 0) global_store", "rest >= 0) global_store", "a store (overwrites byte \\d+ of buffer 1, and no barrier|of \\d+ bytes outside)"},
};

struct StripRun {
  std::vector<float> x = randomFloats(130 * 76, 1), y = std::vector<float>(3 * 76);
  Expected<emulated::LaunchReport> operator()(Runner &runner, emulated::LaunchOptions options) {
    options.maxBankConflict = 0;  // a thread stores its run at once
    return runner.run({in(x), out(y)}, {}, options);
  }
};
struct ScanRun {
  std::vector<float> x = std::vector<float>(7500, 1.0f), y = std::vector<float>(7500);
  Expected<emulated::LaunchReport> operator()(Runner &runner, const emulated::LaunchOptions &options) { return runner.run({in(x), out(y)}, {}, options); }
};
struct SortRun {
  std::vector<float> x = randomFloats(10000, 1), values = std::vector<float>(10);
  std::vector<int64_t> indices = std::vector<int64_t>(10);
  SortRun() {
    for (size_t i = 0; i < x.size(); ++i) x[i] = i % 3 ? float(i) : -float(i);  // two of three go on the list
  }
  Expected<emulated::LaunchReport> operator()(Runner &runner, emulated::LaunchOptions options) {
    options.maxBankConflict = 0;  // pairs that are a distance apart meet in banks
    options.maxOperations *= 20;
    return runner.run({in(x), out(values), out(indices)}, {}, options);
  }
};
struct ListRun {
  std::vector<float> x = randomFloats(21, 1), u = randomFloats(600, 2), y = std::vector<float>(21);
  std::vector<int64_t> rows = std::vector<int64_t>(200, 3);
  ListRun() {
    for (size_t r = 0; r < rows.size(); r += 3) rows[r] = 9;  // out of range
  }
  Expected<emulated::LaunchReport> operator()(Runner &runner, emulated::LaunchOptions options) {
    options.maxBankConflict = 0;
    return runner.run({in(x), in(rows), in(u), out(y)}, {}, options);
  }
};
struct StateRun {
  std::vector<float> x = randomFloats(6 * 2 * 160, 1), r = randomFloats(4 * 3 * 40 * 16, 2, 0.1f), h = randomFloats(80, 3), y = std::vector<float>(6 * 2 * 40);
  Expected<emulated::LaunchReport> operator()(Runner &runner, const emulated::LaunchOptions &options) {
    return runner.run({in(x), in(r), in(h), in(h), out(y)}, {}, options);
  }
};

class ScanFaults : public ::testing::TestWithParam<Fault> {};
TEST_P(ScanFaults, IsReported) { checkFault(scheduleForCuda(kRunningSum).kernel, GetParam(), ScanRun()); }
TEST(ScanFaults, NoneInTheRightText) { checkRight(scheduleForCuda(kRunningSum).kernel, ScanRun()); }
class SortFaults : public ::testing::TestWithParam<Fault> {};
TEST_P(SortFaults, IsReported) { checkFault(scheduleForCuda(kTopFive).kernel, GetParam(), SortRun()); }
TEST(SortFaults, NoneInTheRightText) { checkRight(scheduleForCuda(kTopFive).kernel, SortRun()); }
class ListFaults : public ::testing::TestWithParam<Fault> {};
TEST_P(ListFaults, IsReported) { checkFault(scheduleForCuda(kScatterAdd).kernel, GetParam(), ListRun()); }
TEST(ListFaults, NoneInTheRightText) { checkRight(scheduleForCuda(kScatterAdd).kernel, ListRun()); }
class StateFaults : public ::testing::TestWithParam<Fault> {};
TEST_P(StateFaults, IsReported) { checkFault(scheduleForCuda(kLstm).kernel, GetParam(), StateRun()); }
TEST(StateFaults, NoneInTheRightText) { checkRight(scheduleForCuda(kLstm).kernel, StateRun()); }

class StripFaults : public ::testing::TestWithParam<Fault> {};
TEST_P(StripFaults, IsReported) { checkFault(sumOfParts(), GetParam(), StripRun()); }
TEST(StripFaults, NoneInTheRightText) { checkRight(sumOfParts(), StripRun()); }

// ---- products of warps --------------------------------------------------------------------------------------------------------------

constexpr Fault kMmaFaults[] = {
    {"no wait for the copies of a slot", "copy_async_wait<1>();\n    block_sync();", "block_sync();", "a load (reads|touches) shared\\+\\d+, (which nothing|where an asynchronous copy)"},
    {"a weak wait for the copies of a slot", "copy_async_wait<1>();", "copy_async_wait<2>();", "a load reads shared\\+\\d+|a load touches shared\\+\\d+"},
    {"no meeting after the wait", "copy_async_wait<1>();\n    block_sync();", "copy_async_wait<1>();", "shared\\+\\d+"},
    {"copies in no group", "copy_async_commit();", "", "a load (reads|touches) shared\\+\\d+"},
    {"another slot is read", "smem + kOffsetA + take * kStageBytesA", "smem + kOffsetA + (take + 1) % kStages * kStageBytesA", "shared\\+\\d+"},
    {"another slot is filled", "smem + kOffsetB + fill * kStageBytesB, b + b_base + offset3", "smem + kOffsetB + take * kStageBytesB, b + b_base + offset3", "shared\\+\\d+"},
    {"rows of A read without their swizzle", " ^ (a_row % 8) * 16", "", "bank conflicts: \\d+ accesses"},
    {"a row too many of A", "rows_left, rest", "rows_left + 1, rest", "a load of \\d+ bytes outside every buffer"},
    {"an element too many of a row", "rows_left, rest2", "rows_left, rest2 + 8", "a load of \\d+ bytes outside every buffer"},
    {"lanes multiply apart", "mma_m16n8k16_bf16(acc", "if (lane > 0) mma_m16n8k16_bf16(acc", "deadlock|meet at different operations"},
};

struct MmaRun {
  int64_t m = 100, n = 72, k = 200;
  std::vector<uint16_t> a = std::vector<uint16_t>(m * k, 0x3F80), b = std::vector<uint16_t>(n * k, 0x3F80), d = std::vector<uint16_t>(m * n);
  std::vector<float> bias = std::vector<float>(n);
  Expected<emulated::LaunchReport> operator()(Runner &runner, const emulated::LaunchOptions &options) {
    return runner.run({in(a), in(b), in(bias), out(d)}, {m, n, k}, options);
  }
};

CudaKernel mmaKernel() { return buildMma({.tile = {64, 64, 2, 2, 3}, .withHole = true, .k = 200}).kernel; }

class MmaFaults : public ::testing::TestWithParam<Fault> {};
TEST_P(MmaFaults, IsReported) { checkFault(mmaKernel(), GetParam(), MmaRun()); }
TEST(MmaFaults, NoneInTheRightText) { checkRight(mmaKernel(), MmaRun()); }

// ---- products of codes --------------------------------------------------------------------------------------------------------------

constexpr Fault kCodeFaults[] = {
    {"no meeting behind the table of pairs", "fill_pairs<kThreads>(smem, level_bytes);\n  block_sync();", "fill_pairs<kThreads>(smem, level_bytes);", "a load (reads|touches) shared\\+\\d+", true},
    {"no meeting before a block adds up its own", "block_sync();\n  for (int run = threadIdx.x;", "for (int run = threadIdx.x;", "shared\\+\\d+", true},
    {"no meeting before sums are announced", "block_sync();\n  if (threadIdx.x < kSplits) mbar_arrive_publish(parts_there", "if (threadIdx.x < kSplits) mbar_arrive_publish(parts_there", "shared\\+\\d+", true},
    {"no wait for the sums of other blocks", "mbar_wait_cluster(parts_there, 0);", "", "shared\\+\\d+"},
    {"a block that leaves before its sums were read", "mbar_wait_cluster(parts_read, 0);", "", "has left|has ended|exited|shared\\+\\d+", true},
    {"the sums of another row", "run_row * kLineParts + rank_k", "(run_row + kRows * kWarpsK) * kLineParts + rank_k", "shared\\+\\d+|outside"},
    {"a row past the last one", "least<i64>(j * 8 + lane / 4, ", "least<i64>(j * 8 + lane / 4 + 8, 8 + ", "a load of \\d+ bytes outside every buffer"},
    {"lanes multiply apart", "mma_m16n8k16_bf16(part", "if (lane > 0) mma_m16n8k16_bf16(part", "deadlock|meet at different operations"},
};

constexpr Fault kConstantCodeFaults[] = {
    {"no wait for the launch before", kGridWait, "", "missing grid_wait_previous: a load of global memory"},
    {"constants that are written", "store_contiguous(c +", "store_contiguous(const_cast<bf16*>(scales) +", "a store to memory that is read as a constant"},
};

struct CodeRun {
  std::vector<uint16_t> a = std::vector<uint16_t>(3 * 328, 0x3F80), scales = std::vector<uint16_t>(64 * 3, 0x3F80), y = std::vector<uint16_t>(3 * 64);
  std::vector<uint8_t> codes = std::vector<uint8_t>(4 * 6 * 512, 0x5A);
  std::vector<float> bias = std::vector<float>(64);
  Expected<emulated::LaunchReport> operator()(Runner &runner, emulated::LaunchOptions options) {
    options.maxBankConflict = 0;
    return runner.run({in(a), in(codes), in(scales), in(scales), in(bias), out(y)}, {3}, options);
  }
};

CudaKernel codeKernel() { return buildCodes({.tile = {8, 64, 1, 4, 2}, .n = 64, .k = 328, .zero = 0, .withLevels = true}).kernel; }

CudaKernel constantCodeKernel() { return buildCodes({.tile = {8, 64, 1, 4}, .n = 64, .k = 328, .isConstant = true}).kernel; }

class CodeFaults : public ::testing::TestWithParam<Fault> {};
TEST_P(CodeFaults, IsReported) { checkFault(codeKernel(), GetParam(), CodeRun()); }
TEST(CodeFaults, NoneInTheRightText) { checkRight(codeKernel(), CodeRun()); }
class ConstantCodeFaults : public ::testing::TestWithParam<Fault> {};
TEST_P(ConstantCodeFaults, IsReported) { checkFault(constantCodeKernel(), GetParam(), CodeRun()); }
TEST(ConstantCodeFaults, NoneInTheRightText) { checkRight(constantCodeKernel(), CodeRun()); }

std::string nameOf(const ::testing::TestParamInfo<Fault> &info) {
  std::string name = info.param.name;
  for (char &c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
}
INSTANTIATE_TEST_SUITE_P(Planted, WgmmaFaults, ::testing::ValuesIn(kWgmmaFaults), nameOf);
INSTANTIATE_TEST_SUITE_P(Planted, GroupedFaults, ::testing::ValuesIn(kGroupedFaults), nameOf);
INSTANTIATE_TEST_SUITE_P(Planted, TurnFaults, ::testing::ValuesIn(kTurnFaults), nameOf);
INSTANTIATE_TEST_SUITE_P(Planted, ResidualFaults, ::testing::ValuesIn(kResidualFaults), nameOf);
INSTANTIATE_TEST_SUITE_P(Planted, ResidualTurnFaults, ::testing::ValuesIn(kResidualTurnFaults), nameOf);
INSTANTIATE_TEST_SUITE_P(Planted, PromotedFaults, ::testing::ValuesIn(kPromotedFaults), nameOf);
INSTANTIATE_TEST_SUITE_P(Planted, HighLowFaults, ::testing::ValuesIn(kHighLowFaults), nameOf);
INSTANTIATE_TEST_SUITE_P(Planted, GateRowsFaults, ::testing::ValuesIn(kGateRowsFaults), nameOf);
INSTANTIATE_TEST_SUITE_P(Planted, GateColumnsFaults, ::testing::ValuesIn(kGateColumnsFaults), nameOf);
INSTANTIATE_TEST_SUITE_P(Planted, GateApartFaults, ::testing::ValuesIn(kGateApartFaults), nameOf);
INSTANTIATE_TEST_SUITE_P(Planted, PairedFaults, ::testing::ValuesIn(kPairedFaults), nameOf);
INSTANTIATE_TEST_SUITE_P(Planted, PairFaults, ::testing::ValuesIn(kPairFaults), nameOf);
INSTANTIATE_TEST_SUITE_P(Planted, AttentionFaults, ::testing::ValuesIn(kAttentionFaults), nameOf);
INSTANTIATE_TEST_SUITE_P(Planted, TiedWaitFaults, ::testing::ValuesIn(kTiedWaitFaults), nameOf);
INSTANTIATE_TEST_SUITE_P(Planted, GradKeysFaults, ::testing::ValuesIn(kGradKeysFaults), nameOf);
INSTANTIATE_TEST_SUITE_P(Planted, GradTurnFaults, ::testing::ValuesIn(kGradTurnFaults), nameOf);
INSTANTIATE_TEST_SUITE_P(Planted, GradKeptFaults, ::testing::ValuesIn(kGradKeptFaults), nameOf);
INSTANTIATE_TEST_SUITE_P(Planted, GradQueriesFaults, ::testing::ValuesIn(kGradQueriesFaults), nameOf);
INSTANTIATE_TEST_SUITE_P(Planted, MmaFaults, ::testing::ValuesIn(kMmaFaults), nameOf);
INSTANTIATE_TEST_SUITE_P(Planted, CodeFaults, ::testing::ValuesIn(kCodeFaults), nameOf);
INSTANTIATE_TEST_SUITE_P(Planted, ConstantCodeFaults, ::testing::ValuesIn(kConstantCodeFaults), nameOf);
INSTANTIATE_TEST_SUITE_P(Planted, SimtFaults, ::testing::ValuesIn(kSimtFaults), nameOf);
INSTANTIATE_TEST_SUITE_P(Planted, RowsFaults, ::testing::ValuesIn(kRowsFaults), nameOf);
INSTANTIATE_TEST_SUITE_P(Planted, ShiftFaults, ::testing::ValuesIn(kShiftFaults), nameOf);
INSTANTIATE_TEST_SUITE_P(Planted, ScanFaults, ::testing::ValuesIn(kScanFaults), nameOf);
INSTANTIATE_TEST_SUITE_P(Planted, SortFaults, ::testing::ValuesIn(kSortFaults), nameOf);
INSTANTIATE_TEST_SUITE_P(Planted, ListFaults, ::testing::ValuesIn(kListFaults), nameOf);
INSTANTIATE_TEST_SUITE_P(Planted, StateFaults, ::testing::ValuesIn(kStateFaults), nameOf);
INSTANTIATE_TEST_SUITE_P(Planted, StripFaults, ::testing::ValuesIn(kStripFaults), nameOf);

}  // namespace
}  // namespace jinx::cuda::testing
