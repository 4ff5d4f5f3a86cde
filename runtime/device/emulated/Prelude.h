// What CUDA gives a kernel, for the host compiler. Put in front of the text by HostModule.cpp, after EmulatedAbi.h.
#include <math.h>
#include <string.h>

#define JINX_EMULATED 1
#define __global__
#define __device__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __grid_constant__

static thread_local JinxEmuSelf* emu_self;  // launches of several devices run on a thread each
static const JinxEmuApi* emu;
#define threadIdx emu_self->threadIdx
#define blockIdx emu_self->blockIdx
#define blockDim emu_self->blockDim
#define gridDim emu_self->gridDim

extern "C" __attribute__((visibility("default"))) void jinx_emulated_bind(const JinxEmuApi* api) { emu = api; }
extern "C" __attribute__((visibility("default"))) JinxEmuSelf** jinx_emulated_self() { return &emu_self; }

// Calls a kernel with its parameters as cuLaunchKernel would: params[i] points to the value of parameter i.
template <typename T> struct EmuValue { typedef T type; };
template <typename T> struct EmuValue<const T> { typedef T type; };
template <int... I> struct EmuIndices {};
template <int N, int... I> struct EmuCount : EmuCount<N - 1, N - 1, I...> {};
template <int... I> struct EmuCount<0, I...> { typedef EmuIndices<I...> type; };
template <typename... A, int... I>
static inline void emu_invoke(void (*kernel)(A...), void** params, EmuIndices<I...>) {
  kernel(*static_cast<typename EmuValue<A>::type*>(params[I])...);
}
template <typename... A>
static inline void emu_call(void (*kernel)(A...), void** params) {
  emu_invoke(kernel, params, typename EmuCount<sizeof...(A)>::type());
}
