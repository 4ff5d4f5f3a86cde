// What all_reduce.cuh and words.cuh stand on where no device library of generated kernels is in front of them (codegen/cuda/device/base.cuh).
typedef unsigned short u16;
typedef int i32;
typedef unsigned int u32;
typedef long i64;
typedef unsigned long u64;

#define JINX_DEVICE __device__ __forceinline__
#ifdef JINX_EMULATED
#define JINX_AT , int line = __builtin_LINE()
#define JINX_AT0 int line = __builtin_LINE()
#define JINX_FROM , line
#define JINX_FROM0 line
#else
#define JINX_AT
#define JINX_AT0
#define JINX_FROM
#define JINX_FROM0
#endif

// ---- what plain CUDA C++ has no word for: a device body, and one for the emulator ----

/// When this returns, every launch in front of this one has ended; the next one may begin, and waits for the end of this one likewise.
JINX_DEVICE void follow_and_lead(JINX_AT0) {
#ifdef JINX_EMULATED
  emu->grid_wait(line);
#elif __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
JINX_DEVICE void block_sync(JINX_AT0) {
#ifdef JINX_EMULATED
  emu->block_sync(0, 0, line);
#else
  __syncthreads();
#endif
}
template <typename T>
JINX_DEVICE T global_load(const T* p JINX_AT) {
#ifdef JINX_EMULATED
  emu->global_access(p, sizeof(T), JINX_EMU_READ, line);
#endif
  return *p;
}
template <typename T>
JINX_DEVICE void global_store(T* p, T value JINX_AT) {
#ifdef JINX_EMULATED
  emu->global_access(p, sizeof(T), JINX_EMU_WRITE, line);
#endif
  *p = value;
}
