// What an emulated kernel and the emulator know of each other. Plain C++ without includes: this file is also put in front of the
// CUDA text that the host compiler gets (HostModule.cpp), so that both sides compile the same declarations.
#pragma once

#define JINX_EMULATED_ABI 7

struct JinxEmuDim {
  unsigned x, y, z;
};

/// What the running thread sees of itself. The emulator points the kernel's `emu_self` at another one whenever it switches threads.
struct JinxEmuSelf {
  JinxEmuDim threadIdx, blockIdx, blockDim, gridDim;
  unsigned char* shared_window;  ///< address 0 of this block's shared memory, as `smem_address` counts
  unsigned char* shared;         ///< where dynamic shared memory begins in it
  unsigned cluster_rank;
};

/// How lanes are paired in an exchange.
enum JinxEmuExchange { JINX_EMU_XOR = 0, JINX_EMU_INDEX = 1 };

/// What is done to global memory. A constant is what only the host writes, before any launch: it may be read while the launch before still runs.
enum JinxEmuAccess { JINX_EMU_READ = 0, JINX_EMU_WRITE = 1, JINX_EMU_CONSTANT = 2 };

/// What a tensor core multiplies. TF32 is the upper 19 bits of an f32.
enum JinxEmuElement { JINX_EMU_F16 = 0, JINX_EMU_BF16 = 1, JINX_EMU_E4M3 = 2, JINX_EMU_E5M2 = 3, JINX_EMU_S8 = 4, JINX_EMU_U8 = 5, JINX_EMU_TF32 = 6 };

/// Every operation that involves another thread, shared memory or time. `line` is the line of the CUDA text, for reports.
struct JinxEmuApi {
  unsigned version;
  // Rendezvous.
  void (*block_sync)(int barrier, int threads, int line);
  void (*warp_sync)(int line);
  unsigned long long (*warp_exchange)(unsigned long long bits, int mode, int operand, int line);
  int (*elect_one)(int line);
  void (*cluster_arrive)(int line);
  void (*cluster_wait)(int line);
  void (*grid_wait)(int line);
  // Memory seen by the shadow state: bounds, poison, proxies, bank conflicts.
  void (*shared_access)(const void* p, unsigned bytes, int is_write, int line);
  void (*global_access)(const void* p, unsigned bytes, int access, int line);  ///< a JinxEmuAccess
  void (*fence_proxy_async)(int line);
  // Memory that other devices read and write while the kernel runs: nothing orders it but what is in it.
  void (*peer_access)(const void* p, unsigned bytes, int line);  ///< bounds, alignment
  void (*yield)(int line);                                       ///< other threads run, and other devices
  // mbarriers; addresses are offsets in the shared window.
  void (*mbar_init)(unsigned bar, unsigned arrivals, int line);
  void (*mbar_init_fence)(int line);
  void (*mbar_guard)(unsigned bar, unsigned address, unsigned bytes, int line);
  void (*mbar_arrive)(unsigned bar, unsigned rank, unsigned expected_bytes, int line);
  void (*mbar_wait)(unsigned bar, unsigned parity, int line);
  // Copies that land when the emulator pleases.
  void (*copy_async)(void* dst, const void* src, unsigned dst_bytes, unsigned src_bytes, int line);
  void (*copy_async_commit)(int line);
  void (*copy_async_wait)(int pending, int line);
  void (*cluster_load)(void* to, unsigned address, unsigned rank, unsigned bytes, int line);
  void (*tma_load)(unsigned dst, const void* map, unsigned bar, const int* coordinates, unsigned rank_mask, int line);
  void (*tma_load_constant)(unsigned dst, const void* map, unsigned bar, const int* coordinates, int line);
  void (*tma_load_pixels)(unsigned dst, const void* map, unsigned bar, const int* coordinates, const int* tap, int line);
  void (*tma_store)(const void* map, unsigned src, const int* coordinates, int line);
  void (*tma_store_commit)(int line);
  void (*tma_store_wait)(int pending, int only_read, int line);
  // Tensor cores. d: this thread's fragment of the 64 x n accumulator, n / 2 floats, of bytes i32. Elements are of JinxEmuElement.
  void (*wgmma_fence)(int line);
  void (*wgmma)(void* d, int n, int element_a, int element_b, unsigned long long desc_a, unsigned long long desc_b, int accumulate, int line);
  /// a: this thread's registers of the 64 x 16 operand, four pairs of 16-bit floats, and b is stored [16, n]; or of a 64 x 8 operand, four
  /// TF32, and b is stored [n, 8].
  void (*wgmma_registers)(float* d, int n, int element, const unsigned* a, unsigned long long desc_b, int accumulate, int line);
  void (*wgmma_commit)(int line);
  void (*wgmma_wait)(int pending, int line);
  void (*wgmma_pin)(const void* d, int line);
  void (*ldmatrix_x4)(unsigned* to, const void* row, int line);
  /// d: four of this lane's sums of the 16 x 8; a, b: its words of 16 x 32 and 8 x 32 bytes.
  void (*mma)(void* d, int element_a, int element_b, const unsigned* a, const unsigned* b, int line);
  void (*stmatrix_x4)(unsigned address, unsigned r0, unsigned r1, unsigned r2, unsigned r3, int line);
};
