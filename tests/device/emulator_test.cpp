// What the emulator must catch: each test is a small kernel with one mistake, and its right twin.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "codegen/cuda/DeviceLibrary.h"
#include "runtime/base/DType.h"
#include "runtime/device/emulated/Emulator.h"
#include "runtime/device/emulated/HostModule.h"

namespace jinx::emulated {
namespace {

std::string withLibrary(const std::string &kernel) {
  std::string text;
  for (const char *file : {"base.cuh", "math.cuh", "shared.cuh", "block.cuh", "grid.cuh", "async.cuh", "pipeline.cuh", "wgmma.cuh"})
    text += std::string(cuda::deviceFile(file)) + "\n";
  return text + cuda::wgmmaWrapper(64, {"bf16", "bf16"}) + "\n" + kernel;
}

std::shared_ptr<HostModule> compile(const std::string &kernel) {
  auto module = HostModule::compile(withLibrary(kernel), "test");
  EXPECT_TRUE(module.isOk()) << module.status().message();
  return module ? *module : nullptr;
}

/// The message of the first seed that fails; empty if none of `seeds` does.
std::string firstFailure(HostModule &module, const LaunchShape &shape, void **params, int seeds = 24, LaunchOptions options = {}) {
  for (int seed = 0; seed < seeds; ++seed) {
    options.seed = static_cast<uint64_t>(seed);
    auto report = launch(module, "k", shape, params, options);
    if (!report) return report.status().message();
  }
  return "";
}

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

TEST(Emulator, ReadsSharedMemoryOfOthersOnlyAfterABarrier) {
  const char *kernel = R"(
extern "C" __global__ void __launch_bounds__(64) k(float* y, i64 barrier) {
  float* const s = reinterpret_cast<float*>(dynamic_shared());
  shared_store(s + threadIdx.x, static_cast<float>(threadIdx.x));
  if (barrier) block_sync();
  y[threadIdx.x] = shared_load(s + 63 - threadIdx.x);
})";
  auto module = compile(kernel);
  ASSERT_TRUE(module);
  std::vector<float> y(64);
  float *py = y.data();
  for (int64_t barrier : {1, 0}) {
    void *params[] = {&py, &barrier};
    LaunchShape shape{.grid = 2, .threads = 64, .sharedBytes = 256};
    std::string message = firstFailure(*module, shape, params);
    if (barrier) {
      EXPECT_EQ(message, "");
      for (int i = 0; i < 64; ++i) EXPECT_EQ(y[i], static_cast<float>(63 - i));
    } else {
      EXPECT_HAS(message, "a load reads shared+");
    }
  }
}

// Every thread finds what it needs whatever the order they run in, because the words were there from the round before.
TEST(Emulator, ARaceShowsEvenWhenTheValuesAreRight) {
  auto module = compile(R"(
extern "C" __global__ void __launch_bounds__(64) k(float* y, i64 barriers) {
  float* const s = reinterpret_cast<float*>(dynamic_shared());
  shared_store(s + threadIdx.x, 1.0f);
  block_sync();
  if (barriers > 1) block_sync();
  float sum = shared_load(s + (threadIdx.x + 32) % 64);
  if (barriers > 0) block_sync();
  shared_store(s + threadIdx.x, 1.0f);
  y[threadIdx.x] = sum;
})");
  ASSERT_TRUE(module);
  std::vector<float> y(64);
  float *py = y.data();
  int64_t barriers = 2;
  void *params[] = {&py, &barriers};
  LaunchShape shape{.grid = 1, .threads = 64, .sharedBytes = 256};
  EXPECT_EQ(firstFailure(*module, shape, params), "");
  barriers = 0;
  for (uint64_t seed = 0; seed < 8; ++seed) {
    auto report = launch(*module, "k", shape, params, {.seed = seed});
    ASSERT_FALSE(report.isOk()) << seed;
    EXPECT_HAS(report.status().message(), "a race: ");
    EXPECT_HAS(report.status().message(), "`shared_store(s + threadIdx.x, 1.0f);`");
  }
}

TEST(Emulator, BlocksAreNotOrdered) {
  auto module = compile(R"(
extern "C" __global__ void __launch_bounds__(32) k(float* y, i64 stride) {
  global_store(y + blockIdx.x * stride + threadIdx.x, 1.0f);
  if (stride == 0) block_sync();
})");
  ASSERT_TRUE(module);
  std::vector<float> y(64);
  float *py = y.data();
  int64_t stride = 32;
  void *params[] = {&py, &stride};
  LaunchOptions options;
  options.ranges = {{py, 256, true, "y"}};
  EXPECT_EQ(firstFailure(*module, {.grid = 2, .threads = 32}, params, 4, options), "");
  stride = 31;
  EXPECT_HAS(firstFailure(*module, {.grid = 2, .threads = 32}, params, 4, options), "a store overwrites byte 124 of y, and no barrier stands after thread 31 of block 0");
}

// Bytes of one word that different threads write are no race.
TEST(Emulator, NeighbouringBytesAreNoRace) {
  auto module = compile(R"(
extern "C" __global__ void __launch_bounds__(32) k(u8* y, i64 shift) {
  u8* const s = dynamic_shared();
  shared_store(s + (threadIdx.x >> shift), static_cast<u8>(threadIdx.x));
  warp_sync();
  global_store(y + (threadIdx.x >> shift), shared_load(s + (threadIdx.x >> shift)));
})");
  ASSERT_TRUE(module);
  std::vector<uint8_t> y(32);
  uint8_t *py = y.data();
  int64_t shift = 0;
  void *params[] = {&py, &shift};
  LaunchOptions options;
  options.ranges = {{py, 32, true, "y"}};
  LaunchShape shape{.grid = 1, .threads = 32, .sharedBytes = 32};
  EXPECT_EQ(firstFailure(*module, shape, params, 4, options), "");
  shift = 1;
  EXPECT_HAS(firstFailure(*module, shape, params, 4, options), "a race: a store overwrites shared+");
}

TEST(Emulator, ALaunchThatDoesNotEndIsReported) {
  auto module = compile(R"(
extern "C" __global__ void __launch_bounds__(32) k(float* y, i64 step) {
  for (i64 i = 0; i < 4; i += step) global_store(y + threadIdx.x, 1.0f);
})");
  ASSERT_TRUE(module);
  std::vector<float> y(32);
  float *py = y.data();
  int64_t step = 1;
  void *params[] = {&py, &step};
  LaunchOptions options;
  options.maxOperations = 1000;
  EXPECT_EQ(firstFailure(*module, {.threads = 32}, params, 2, options), "");
  step = 0;
  EXPECT_HAS(firstFailure(*module, {.threads = 32}, params, 2, options), "no end after 1000 accesses");
}

TEST(Emulator, DeadlockNamesWhoWaitsForWhat) {
  const char *kernel = R"(
extern "C" __global__ void __launch_bounds__(64) k(i64 arrivals) {
  const u32 bar = smem_address(dynamic_shared());
  if (threadIdx.x == 0) { mbar_init(bar, 2); mbar_init_fence(); }
  block_sync();
  if (static_cast<i64>(threadIdx.x) < arrivals) mbar_arrive_at(bar, 0);
  mbar_wait(bar, 0);
})";
  auto module = compile(kernel);
  ASSERT_TRUE(module);
  int64_t arrivals = 2;
  void *params[] = {&arrivals};
  LaunchShape shape{.grid = 1, .threads = 64, .sharedBytes = 64};
  EXPECT_EQ(firstFailure(*module, shape, params), "");
  arrivals = 1;
  std::string message = firstFailure(*module, shape, params);
  EXPECT_HAS(message, "deadlock");
  EXPECT_HAS(message, "threads 0..63: wait for mbarrier at shared+0, parity 0");
  EXPECT_HAS(message, "1 of 2 arrivals");
}

TEST(Emulator, MoreArrivalsThanAPhaseHasAreAnError) {
  // The phase waits for bytes that nobody brings, so the third arrival cannot belong to the next one.
  auto module = compile(R"(
extern "C" __global__ void __launch_bounds__(32) k(i64 arrivals) {
  const u32 bar = smem_address(dynamic_shared());
  if (threadIdx.x == 0) { mbar_init(bar, 2); mbar_init_fence(); }
  block_sync();
  if (static_cast<i64>(threadIdx.x) < arrivals) mbar_arrive_expect_bytes(bar, 16);
})");
  ASSERT_TRUE(module);
  int64_t arrivals = 2;
  void *params[] = {&arrivals};
  LaunchShape shape{.grid = 1, .threads = 32, .sharedBytes = 64};
  EXPECT_EQ(firstFailure(*module, shape, params), "");
  arrivals = 3;
  EXPECT_HAS(firstFailure(*module, shape, params), "more arrivals at an mbarrier than its count");
}

TEST(Emulator, ABlockBarrierThatSomeMissIsADeadlock) {
  auto module = compile(R"(
extern "C" __global__ void __launch_bounds__(64) k(float* y) {
  if (threadIdx.x < 32) block_sync();
})");
  ASSERT_TRUE(module);
  float *y = nullptr;
  void *params[] = {&y};
  EXPECT_HAS(firstFailure(*module, {.grid = 1, .threads = 64}, params), "block barrier 0: 32 of 64");
}

// One thread writes a tile with ordinary stores, then sends it out by TMA.
constexpr const char *kStore = R"(
extern "C" __global__ void __launch_bounds__(32) k(i64 fence, i64 wait, const __grid_constant__ TensorMap map) {
  u8* const tile = align_1024(dynamic_shared());
  const u32 address = smem_address(tile);
  for (int i = threadIdx.x; i < 16 * 16; i += 32) shared_store(reinterpret_cast<u32*>(tile) + i, 7u);
  if (fence) fence_proxy_async();
  warp_sync();
  if (threadIdx.x == 0) {
    tma_store_2d(&map, address, 0, 0);
    tma_store_commit();
    if (wait) tma_store_wait_read<0>();
    if (wait) shared_store(reinterpret_cast<u32*>(tile), 9u);
  }
})";

TEST(Emulator, BulkStoresNeedAProxyFenceAndAWait) {
  auto module = compile(kStore);
  ASSERT_TRUE(module);
  alignas(64) uint32_t out[16 * 16];
  EmulatedTensorMap map;
  map.base = reinterpret_cast<unsigned char *>(out);
  map.rank = 2, map.elementBytes = 4;
  map.dims[0] = map.dims[1] = 16;
  map.strides[0] = 64;
  map.box[0] = map.box[1] = 16;
  EncodedTensorMap encoded;
  ASSERT_TRUE(encodeTensorMap(map, encoded).isOk());
  int64_t fence = 1, wait = 1;
  void *params[] = {&fence, &wait, encoded.bytes};
  LaunchShape shape{.grid = 1, .threads = 32, .sharedBytes = 4096};
  EXPECT_EQ(firstFailure(*module, shape, params), "");
  for (uint32_t v : out) EXPECT_EQ(v, 7u);
  fence = 0;
  EXPECT_HAS(firstFailure(*module, shape, params), "missing fence_proxy_async");
  fence = 1, wait = 0;
  EXPECT_HAS(firstFailure(*module, shape, params), "exits while a bulk store");
}

// A ring of one slot: filled by TMA, read, released, filled again.
constexpr const char *kRing = R"(
extern "C" __global__ void __launch_bounds__(64) k(u32* y, i64 mistake, const __grid_constant__ TensorMap map) {
  u8* const tile = align_1024(dynamic_shared());
  const u32 slot = smem_address(tile), full = slot + 1024, empty = full + 8;
  if (threadIdx.x == 0) {
    mbar_init(full, 1);
    mbar_init(empty, 32);
    mbar_guard(empty, slot, 1024);
    if (mistake != 1) mbar_init_fence();
  }
  block_sync();
  if (threadIdx.x >= 32) {
    if (threadIdx.x == 32) {
      for (int i = 0; i < 4; ++i) {
        if (mistake != 2) mbar_wait(empty, (i & 1) ^ 1);
        mbar_arrive_expect_bytes(full, mistake == 3 ? 512 : 1024);
        tma_load_2d(slot, &map, full, 0, 16 * i);
      }
    }
  } else {
    u32 sum = 0;
    for (int i = 0; i < 4; ++i) {
      if (mistake != 4) mbar_wait(full, i & 1);
      if (mistake == 5) mbar_arrive_at(empty, 0);
      for (int j = threadIdx.x; j < 256; j += 32) sum += shared_load(reinterpret_cast<const u32*>(tile) + j);
      if (mistake != 5) mbar_arrive_at(empty, 0);
    }
    y[threadIdx.x] = sum;
  }
})";

TEST(Emulator, RingMistakesShow) {
  auto module = compile(kRing);
  ASSERT_TRUE(module);
  alignas(64) uint32_t in[64 * 16];
  for (uint32_t i = 0; i < 64 * 16; ++i) in[i] = i;
  uint32_t expected[32] = {};
  for (uint32_t i = 0; i < 64 * 16; ++i) expected[i % 32] += i;
  EmulatedTensorMap map;
  map.base = reinterpret_cast<unsigned char *>(in);
  map.rank = 2, map.elementBytes = 4;
  map.dims[0] = 16, map.dims[1] = 64;
  map.strides[0] = 64;
  map.box[0] = 16, map.box[1] = 16;
  EncodedTensorMap encoded;
  ASSERT_TRUE(encodeTensorMap(map, encoded).isOk());
  std::vector<uint32_t> y(32);
  uint32_t *py = y.data();
  for (int64_t mistake = 0; mistake <= 5; ++mistake) {
    void *params[] = {&py, &mistake, encoded.bytes};
    int bad = 0;
    for (uint64_t seed = 0; seed < 12; ++seed) {
      auto report = launch(*module, "k", {.grid = 1, .threads = 64, .sharedBytes = 4096}, params, {.seed = seed});
      bool right = report.isOk();
      for (int i = 0; right && i < 32; ++i) right = y[i] == expected[i];
      bad += !right;
      if (mistake == 1) {
        EXPECT_HAS(report.status().message(), "was not fenced");
      }
    }
    // A mistake shows under nearly every seed, not just under a lucky one.
    EXPECT_EQ(bad == 0, mistake == 0) << "mistake " << mistake;
    if (mistake) {
      EXPECT_GE(bad, 6) << "mistake " << mistake;
    }
  }
}

// 64 x 64 x 64 by one warpgroup, operands written into swizzled shared memory by ordinary stores.
constexpr const char *kWgmma = R"(
extern "C" __global__ void __launch_bounds__(128) k(const bf16* a, const bf16* b, float* d, i64 mistake) {
  u8* const tile = align_1024(dynamic_shared());
  const u32 smem = smem_address(tile);
  for (int i = threadIdx.x; i < 64 * 64; i += 128) {
    const int row = i / 64, column = i % 64;
    const int at = row * 128 + (((column / 8) ^ (row % 8)) * 16) + column % 8 * 2;
    shared_store(reinterpret_cast<bf16*>(tile + at), a[i]);
    shared_store(reinterpret_cast<bf16*>(tile + 8192 + at), b[i]);
  }
  if (mistake != 1) fence_proxy_async();
  block_sync();
  float acc[32];
  for (int i = 0; i < 32; ++i) acc[i] = 0.0f;
  const u64 desc_a = wgmma_descriptor_128b(smem), desc_b = wgmma_descriptor_128b(smem + 8192);
  if (mistake != 2) wgmma_fence();
  for (int kk = 0; kk < 4; ++kk) wgmma_m64n64k16_bf16(acc, desc_a + 2 * kk, desc_b + 2 * kk, 1);
  wgmma_commit();
  float early = acc[0];
  if (mistake == 3) wgmma_wait<1>();
  if (mistake != 3) wgmma_wait<0>();
  const int row = threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4, column = threadIdx.x % 4 * 2;
  for (int j = 0; j < 8; ++j)
    for (int h = 0; h < 2; ++h)
      for (int e = 0; e < 2; ++e) d[(row + 8 * h) * 64 + column + 8 * j + e] = mistake == 4 ? early : acc[4 * j + 2 * h + e];
  if (mistake == 3) wgmma_wait<0>();
})";

TEST(Emulator, WgmmaProductAndItsMistakes) {
  auto module = compile(kWgmma);
  ASSERT_TRUE(module);
  std::vector<uint16_t> a(64 * 64), b(64 * 64);
  for (int i = 0; i < 64 * 64; ++i) {
    a[i] = static_cast<uint16_t>(0x3F80 + (i * 37 % 64) * 2);        // 1 … 1.98
    b[i] = static_cast<uint16_t>(0x3F80 + (i * 11 % 128));
  }
  auto value = [](uint16_t bits) { return 1.0 + (bits - 0x3F80) / 128.0; };
  std::vector<float> d(64 * 64);
  uint16_t *pa = a.data(), *pb = b.data();
  float *pd = d.data();
  for (int64_t mistake = 0; mistake <= 4; ++mistake) {
    void *params[] = {&pa, &pb, &pd, &mistake};
    for (uint64_t seed = 0; seed < 6; ++seed) {
      auto report = launch(*module, "k", {.grid = 1, .threads = 128, .sharedBytes = 20000}, params, {.seed = seed});
      if (mistake == 1) {
        EXPECT_HAS(report.status().message(), "missing fence_proxy_async");
        continue;
      }
      if (mistake == 2) {
        EXPECT_HAS(report.status().message(), "wgmma_fence");
        continue;
      }
      ASSERT_TRUE(report.isOk()) << report.status().message();
      double worst = 0;
      for (int i = 0; i < 64; ++i)
        for (int j = 0; j < 64; ++j) {
          double sum = 0;
          for (int k = 0; k < 64; ++k) sum += value(a[i * 64 + k]) * value(b[j * 64 + k]);
          double error = std::abs(d[i * 64 + j] - sum);
          worst = std::isnan(error) ? INFINITY : std::max(worst, error);
        }
      if (mistake == 0) {
        EXPECT_LT(worst, 1e-3);
      } else {
        EXPECT_EQ(worst, INFINITY) << "reading accumulators in flight must show, mistake " << mistake;
      }
    }
  }
}

// 64 x 128 x 32 with a in registers and b stored by rows of k, in two panels of 64 columns.
constexpr const char *kWgmmaRegisters = R"(
extern "C" __global__ void __launch_bounds__(128) k(const bf16* a, const bf16* b, float* d, i64 mistake) {
  u8* const tile = align_1024(dynamic_shared());
  const u32 smem = smem_address(tile);
  for (int i = threadIdx.x; i < 32 * 128; i += 128) {
    const int row = i / 128, panel = i % 128 / 64, column = i % 64;
    shared_store(reinterpret_cast<bf16*>(tile + panel * 4096 + row * 128 + (((column / 8) ^ (row % 8)) * 16) + column % 8 * 2), b[i]);
  }
  if (mistake != 1) fence_proxy_async();
  block_sync();
  const int row = threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4, column = threadIdx.x % 4 * 2;
  u32 rounded[8];
  for (int i = 0; i < 8; ++i) {
    const bf16* const pair = a + (row + 8 * (i % 2)) * 32 + column + i / 2 * 8;
    rounded[i] = pack_x2(pair[0], pair[1]);
  }
  float acc[64];
  for (int i = 0; i < 64; ++i) acc[i] = 0.0f;
  const u64 desc_b = wgmma_descriptor_panels(smem, mistake == 5 ? 2048 : 4096);
  if (mistake != 2) wgmma_fence();
  for (int kk = 0; kk < 2; ++kk) emu->wgmma_registers(acc, 128, 1, rounded + 4 * kk, desc_b + 128 * kk, 1, __builtin_LINE());
  wgmma_commit();
  if (mistake == 3) rounded[5] += 1;
  float early = acc[0];
  wgmma_wait<0>();
  for (int j = 0; j < 16; ++j)
    for (int h = 0; h < 2; ++h)
      for (int e = 0; e < 2; ++e) d[(row + 8 * h) * 128 + column + 8 * j + e] = mistake == 4 ? early : acc[4 * j + 2 * h + e];
})";

TEST(Emulator, WgmmaWithRegistersAndItsMistakes) {
  auto module = compile(kWgmmaRegisters);
  ASSERT_TRUE(module);
  std::vector<uint16_t> a(64 * 32), b(32 * 128);
  for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<uint16_t>(0x3F80 + (i * 37 % 64) * 2);
  for (size_t i = 0; i < b.size(); ++i) b[i] = static_cast<uint16_t>(0x3F80 + (i * 11 % 128));
  std::vector<float> d(64 * 128);
  uint16_t *pa = a.data(), *pb = b.data();
  float *pd = d.data();
  for (int64_t mistake = 0; mistake <= 5; ++mistake) {
    void *params[] = {&pa, &pb, &pd, &mistake};
    for (uint64_t seed = 0; seed < 6; ++seed) {
      auto report = launch(*module, "k", {.grid = 1, .threads = 128, .sharedBytes = 20000}, params, {.seed = seed});
      const char *messages[] = {"", "missing fence_proxy_async", "wgmma_fence", "the registers of a wgmma's A have changed since its issue"};
      if (mistake >= 1 && mistake <= 3) {
        EXPECT_HAS(report.status().message(), messages[mistake]);
        continue;
      }
      ASSERT_TRUE(report.isOk()) << report.status().message();
      double worst = 0;
      for (int i = 0; i < 64; ++i)
        for (int j = 0; j < 128; ++j) {
          double sum = 0;
          for (int k = 0; k < 32; ++k) sum += double(bfloat16ToFloat(a[i * 32 + k])) * bfloat16ToFloat(b[k * 128 + j]);
          double error = std::abs(d[i * 128 + j] - sum);
          worst = std::isnan(error) ? INFINITY : std::max(worst, error);
        }
      EXPECT_EQ(worst < 1e-3, mistake == 0) << "mistake " << mistake << ", error " << worst;
    }
  }
}

TEST(Emulator, AsyncCopiesLandNoSoonerThanTheirWait) {
  auto module = compile(R"(
extern "C" __global__ void __launch_bounds__(32) k(const float* x, float* y, i64 wait) {
  float* const s = reinterpret_cast<float*>(dynamic_shared());
  copy_async_4(s + threadIdx.x, x + threadIdx.x, true);
  copy_async_commit();
  if (wait) copy_async_wait<0>();
  y[threadIdx.x] = shared_load(s + threadIdx.x);
  copy_async_wait<0>();
})");
  ASSERT_TRUE(module);
  std::vector<float> x(32, 2.0f), y(32);
  float *px = x.data(), *py = y.data();
  int64_t wait = 1;
  void *params[] = {&px, &py, &wait};
  LaunchShape shape{.grid = 1, .threads = 32, .sharedBytes = 128};
  ASSERT_EQ(firstFailure(*module, shape, params), "");
  EXPECT_EQ(y[5], 2.0f);
  wait = 0;
  for (uint64_t seed = 0; seed < 6; ++seed) {  // also under a seed with which copies land at once
    auto report = launch(*module, "k", shape, params, {.seed = seed});
    EXPECT_HAS(report.status().message(), "a load touches shared+");
    EXPECT_HAS(report.status().message(), "`copy_async_4(s + threadIdx.x, x + threadIdx.x, true);`");
  }
}

TEST(Emulator, CountsBankConflicts) {
  auto module = compile(R"(
extern "C" __global__ void __launch_bounds__(32) k(i64 stride) {
  float* const s = reinterpret_cast<float*>(dynamic_shared());
  shared_store(s + threadIdx.x * stride, 1.0f);
})");
  ASSERT_TRUE(module);
  for (auto [stride, wavefronts] : {std::pair<int64_t, uint64_t>{1, 1}, {2, 2}, {32, 32}, {33, 1}}) {
    void *params[] = {&stride};
    auto report = launch(*module, "k", {.grid = 1, .threads = 32, .sharedBytes = 8192}, params, {.countBankConflicts = true});
    ASSERT_TRUE(report.isOk()) << report.status().message();
    ASSERT_EQ(report->bankConflicts.size(), 1u);
    EXPECT_EQ(report->bankConflicts.begin()->second.wavefronts, wavefronts) << stride;
  }
}

TEST(Emulator, AccessesOutsideBuffersAreErrors) {
  auto module = compile(R"(
extern "C" __global__ void __launch_bounds__(32) k(const float* x, float* y, i64 shift) {
  global_store(y + threadIdx.x, global_load(x + threadIdx.x + shift));
  if (shift == 100) shared_store(reinterpret_cast<float*>(dynamic_shared()) + 1000, 1.0f);
})");
  ASSERT_TRUE(module);
  std::vector<float> x(32), y(32);
  float *px = x.data(), *py = y.data();
  int64_t shift = 0;
  void *params[] = {&px, &py, &shift};
  LaunchOptions options;
  options.ranges = {{px, 128, false}, {py, 128, true}};
  EXPECT_EQ(firstFailure(*module, {.threads = 32}, params, 2, options), "");
  shift = 1;
  EXPECT_HAS(firstFailure(*module, {.threads = 32}, params, 2, options), "outside every buffer");
  options.ranges[1].writable = false, shift = 0;
  EXPECT_HAS(firstFailure(*module, {.threads = 32}, params, 2, options), "store to an input");
  options.ranges.clear(), shift = 100;
  std::vector<float> large(300);
  px = large.data();
  EXPECT_HAS(firstFailure(*module, {.threads = 32, .sharedBytes = 64}, params, 2, options), "shared memory");
}

TEST(Emulator, LaunchesThatStartEarlyWaitBeforeTheyTouchGlobalMemory) {
  auto module = compile(R"(
extern "C" __global__ void __launch_bounds__(64) k(u32* y, i64 waiting, i64 meeting) {
  if (threadIdx.x < waiting) grid_wait_previous();
  if (meeting) block_sync();
  global_store(y + blockIdx.x * 64 + threadIdx.x, 1u);
})");
  ASSERT_TRUE(module);
  std::vector<uint32_t> y(128);
  uint32_t *py = y.data();
  int64_t waiting = 64, meeting = 0;
  void *params[] = {&py, &waiting, &meeting};
  LaunchShape shape{.grid = 2, .threads = 64};
  LaunchOptions early;
  early.startsEarly = true;
  EXPECT_EQ(firstFailure(*module, shape, params, 4, early), "");
  waiting = 1;
  EXPECT_HAS(firstFailure(*module, shape, params, 1, early), "missing grid_wait_previous: a store of global memory, while the launch before may still run");
  EXPECT_EQ(firstFailure(*module, shape, params, 4), "") << "a launch that does not start early need not wait";
  meeting = 1;
  EXPECT_EQ(firstFailure(*module, shape, params, 4, early), "") << "a barrier tells the others";
  waiting = 0;
  EXPECT_HAS(firstFailure(*module, shape, params, 1, early), "missing grid_wait_previous");
}

TEST(Emulator, ClusterBlocksMeetAndArriveAtEachOther) {
  auto module = compile(R"(
extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(32) k(u32* y, i64 fence) {
  const u32 bar = smem_address(dynamic_shared());
  if (threadIdx.x == 0) { mbar_init(bar, 2); if (fence) mbar_init_fence(); }
  cluster_arrive_relaxed();
  cluster_wait();
  if (threadIdx.x < 2) mbar_arrive_at(bar, threadIdx.x);
  mbar_wait(bar, 0);
  y[blockIdx.x * 32 + threadIdx.x] = cluster_rank();
  cluster_arrive_relaxed();
  cluster_wait();
})");
  ASSERT_TRUE(module);
  std::vector<uint32_t> y(128);
  uint32_t *py = y.data();
  int64_t fence = 1;
  void *params[] = {&py, &fence};
  LaunchShape shape{.grid = 4, .threads = 32, .cluster = 2, .sharedBytes = 64};
  EXPECT_EQ(firstFailure(*module, shape, params), "");
  for (int i = 0; i < 128; ++i) EXPECT_EQ(y[i], uint32_t(i / 32 % 2));
  fence = 0;
  EXPECT_HAS(firstFailure(*module, shape, params), "was not fenced");
}

TEST(Emulator, HalfConversionsMatchTheRuntime) {
  auto module = compile(R"(
extern "C" __global__ void __launch_bounds__(32) k(const u32* x, u16* h, u16* b, float* f) {
  const int i = blockIdx.x * 32 + threadIdx.x;
  h[i] = to_f16(bits_to_f32(x[i])).bits;
  b[i] = to_bf16(bits_to_f32(x[i])).bits;
  f[i] = to_f32(f16{static_cast<u16>(i)});
})");
  ASSERT_TRUE(module);
  size_t n = 65536;
  std::vector<uint32_t> x(n);
  for (size_t i = 0; i < n; ++i) x[i] = static_cast<uint32_t>(i * 65537 * 2654435761u);
  std::vector<uint16_t> h(n), b(n);
  std::vector<float> f(n);
  uint32_t *px = x.data();
  uint16_t *ph = h.data(), *pb = b.data();
  float *pf = f.data();
  void *params[] = {&px, &ph, &pb, &pf};
  ASSERT_TRUE(launch(*module, "k", {.grid = static_cast<uint32_t>(n / 32), .threads = 32}, params, {}).isOk());
  for (size_t i = 0; i < n; ++i) {
    float v;
    std::memcpy(&v, &x[i], 4);
    if (std::isnan(v)) continue;
    ASSERT_EQ(h[i], floatToHalf(v)) << v;
    ASSERT_EQ(b[i], floatToBFloat16(v)) << v;
    float expected = halfToFloat(static_cast<uint16_t>(i));
    ASSERT_TRUE(f[i] == expected || (std::isnan(f[i]) && std::isnan(expected))) << i;
  }
}

TEST(Emulator, NoCompilerIsAClearError) {
  CompileOptions options;
  options.compiler = "/nowhere/c++";
  auto module = HostModule::compile("extern \"C\" __global__ void k() {}", "none", options);
  ASSERT_FALSE(module.isOk());
  EXPECT_EQ(module.status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace jinx::emulated
