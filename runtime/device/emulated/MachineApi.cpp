// The table of operations that a compiled kernel calls (EmulatedAbi.h), each passed on to the machine whose thread is running.
#include "runtime/device/emulated/HostModule.h"
#include "runtime/device/emulated/Machine.h"

namespace jinx::emulated {

namespace {
Machine &m() { return *Machine::current(); }
}  // namespace

const JinxEmuApi &emulatedApi() {
  static const JinxEmuApi api = {
      .version = JINX_EMULATED_ABI,
      .block_sync = [](int barrier, int threads, int line) { m().blockSync(barrier, threads, line); },
      .warp_sync = [](int line) { m().warpSync(line); },
      .warp_exchange = [](unsigned long long bits, int mode, int operand, int line) -> unsigned long long {
        return m().warpExchange(bits, mode, operand, line);
      },
      .elect_one = [](int line) { return int(m().electOne(line)); },
      .cluster_arrive = [](int line) { m().clusterArrive(line); },
      .cluster_wait = [](int line) { m().clusterWait(line); },
      .grid_wait = [](int) { m().gridWait(); },
      .shared_access = [](const void *p, unsigned bytes, int isWrite, int line) { m().sharedAccess(p, bytes, isWrite, line); },
      .global_access = [](const void *p, unsigned bytes, int access, int line) { m().globalAccess(p, bytes, JinxEmuAccess(access), line); },
      .fence_proxy_async = [](int) { m().fenceProxyAsync(); },
      .peer_access = [](const void *p, unsigned bytes, int line) { m().peerAccess(p, bytes, line); },
      .yield = [](int line) { m().yield(line); },
      .mbar_init = [](unsigned bar, unsigned arrivals, int line) { m().mbarInit(bar, arrivals, line); },
      .mbar_init_fence = [](int line) { m().mbarInitFence(line); },
      .mbar_guard = [](unsigned bar, unsigned address, unsigned bytes, int line) { m().mbarGuard(bar, address, bytes, line); },
      .mbar_arrive = [](unsigned bar, unsigned rank, unsigned bytes, int line) { m().mbarArrive(bar, rank, bytes, line); },
      .mbar_wait = [](unsigned bar, unsigned parity, int line) { m().mbarWait(bar, parity, line); },
      .copy_async = [](void *dst, const void *src, unsigned dstBytes, unsigned srcBytes,
                       int line) { m().copyAsync(dst, src, dstBytes, srcBytes, line); },
      .copy_async_commit = [](int) { m().copyAsyncCommit(); },
      .copy_async_wait = [](int pending, int line) { m().copyAsyncWait(pending, line); },
      .cluster_load = [](void *to, unsigned address, unsigned rank, unsigned bytes, int line) { m().clusterLoad(to, address, rank, bytes, line); },
      .tma_load = [](unsigned dst, const void *map, unsigned bar, const int *coordinates, unsigned mask,
                     int line) { m().tmaLoad(dst, *static_cast<const EmulatedTensorMap *>(map), bar, coordinates, nullptr, mask, line); },
      .tma_load_constant = [](unsigned dst, const void *map, unsigned bar, const int *coordinates,
                              int line) { m().tmaLoad(dst, *static_cast<const EmulatedTensorMap *>(map), bar, coordinates, nullptr, 0, line, JINX_EMU_CONSTANT); },
      .tma_load_pixels = [](unsigned dst, const void *map, unsigned bar, const int *coordinates, const int *tap,
                            int line) { m().tmaLoad(dst, *static_cast<const EmulatedTensorMap *>(map), bar, coordinates, tap, 0, line); },
      .tma_store = [](const void *map, unsigned src, const int *coordinates,
                      int line) { m().tmaStore(*static_cast<const EmulatedTensorMap *>(map), src, coordinates, line); },
      .tma_store_commit = [](int) { m().tmaStoreCommit(); },
      .tma_store_wait = [](int pending, int onlyRead, int line) { m().tmaStoreWait(pending, onlyRead, line); },
      .wgmma_fence = [](int line) { m().wgmmaFence(line); },
      .wgmma = [](void *d, int n, int a, int b, unsigned long long descA, unsigned long long descB, int accumulate, int line) {
        m().wgmma(d, {.n = n, .a = JinxEmuElement(a), .b = JinxEmuElement(b), .accumulate = accumulate != 0, .descA = descA, .descB = descB}, line);
      },
      .wgmma_registers = [](float *d, int n, int e, const unsigned *a, unsigned long long descB, int accumulate, int line) {
        m().wgmma(d, {.n = n, .a = JinxEmuElement(e), .b = JinxEmuElement(e), .accumulate = accumulate != 0, .descB = descB, .registersA = a}, line);
      },
      .wgmma_commit = [](int line) { m().wgmmaCommit(line); },
      .wgmma_wait = [](int pending, int line) { m().wgmmaWait(pending, line); },
      .wgmma_pin = [](const void *d, int line) { m().wgmmaPin(d, line); },
      .ldmatrix_x4 = [](unsigned *to, const void *row, int line) { m().ldmatrix(to, row, line); },
      .mma = [](void *d, int a, int b, const unsigned *wordsA, const unsigned *wordsB,
                int line) { m().mma({.a = JinxEmuElement(a), .b = JinxEmuElement(b), .d = d, .wordsA = wordsA, .wordsB = wordsB}, line); },
      .stmatrix_x4 = [](unsigned address, unsigned r0, unsigned r1, unsigned r2, unsigned r3,
                        int line) { m().stmatrix(address, {r0, r1, r2, r3}, line); },
  };
  return api;
}

Expected<LaunchReport> launch(HostModule &module, const std::string &kernel, const LaunchShape &shape, void **params,
                              const LaunchOptions &options) {
  if (shape.threads < 1 || shape.threads > 1024) return invalidArgument("a block has 1 to 1024 threads, not " + std::to_string(shape.threads));
  if (shape.cluster < 1 || shape.grid % shape.cluster) return invalidArgument("the grid is no multiple of the cluster");
  if (shape.sharedBytes > kMaxSharedBytes)
    return invalidArgument("a block may have " + std::to_string(kMaxSharedBytes) + " bytes of shared memory, not " +
                           std::to_string(shape.sharedBytes));
  JINX_TRY_ASSIGN(auto entry, module.kernel(kernel));
  Machine machine(shape, options, module, entry, params);
  Expected<LaunchReport> report = machine.run();
  if (!report) return report.status().withContext("emulating " + kernel + ", seed " + std::to_string(options.seed));
  return report;
}

}  // namespace jinx::emulated
