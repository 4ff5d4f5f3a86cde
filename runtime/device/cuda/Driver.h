// The CUDA driver, opened at run time: one binary for machines with and without it. No CUDA header is used; the
// functions and the few numbers and structures are as the driver's interface has them (CUDA Driver API 12.0, stable
// since).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "runtime/base/Status.h"

namespace jinx::cuda {

using DevicePointer = unsigned long long;

enum class DeviceAttribute : int {
  kClockKHz = 13,
  kMultiprocessors = 16,
  kMemoryClockKHz = 36,
  kMemoryBusBits = 37,
  kMajor = 75,
  kMinor = 76,
  kMaxSharedBytesOptIn = 97,
};

/// CUlaunchAttribute: `id` is CU_LAUNCH_ATTRIBUTE_…, `value` a union of 64 bytes.
struct LaunchAttribute {
  static constexpr int kClusterDimension = 4;
  static constexpr int kProgrammaticStreamSerialization = 6;
  int id = 0;
  char padding[4] = {};
  union {
    unsigned int cluster[3];
    int mayStartEarly;
    char bytes[64];
  } value = {.bytes = {}};
};
static_assert(sizeof(LaunchAttribute) == 72);

/// CUlaunchConfig.
struct LaunchConfig {
  unsigned int gridX = 1, gridY = 1, gridZ = 1, blockX = 1, blockY = 1, blockZ = 1, sharedBytes = 0;
  void* stream = nullptr;
  LaunchAttribute* attributes = nullptr;
  unsigned int numAttributes = 0;
};

/// CUipcMemHandle.
struct IpcHandle {
  char bytes[64];
};

struct Driver {
  /// Opens and starts the driver. kUnimplemented, saying what was tried, on a machine without one. It stays open until
  /// the process ends.
  static Expected<Driver> open();
  /// OK, or an error that names the call and what the driver says; out of memory is kResource.
  Status check(int result, const char* call) const;

  int (*init)(unsigned int) = nullptr;
  int (*driverVersion)(int*) = nullptr;
  int (*errorName)(int, const char**) = nullptr;
  int (*errorString)(int, const char**) = nullptr;
  int (*deviceCount)(int*) = nullptr;
  int (*deviceGet)(int*, int) = nullptr;
  int (*deviceName)(char*, int, int) = nullptr;
  int (*deviceAttribute)(int*, int, int) = nullptr;
  int (*contextRetain)(void**, int) = nullptr;
  int (*contextRelease)(int) = nullptr;
  int (*contextSetCurrent)(void*) = nullptr;
  int (*memAlloc)(DevicePointer*, size_t) = nullptr;
  int (*memFree)(DevicePointer) = nullptr;
  int (*memInfo)(size_t*, size_t*) = nullptr;
  int (*peerAccess)(void*, unsigned int) = nullptr;
  int (*ipcHandle)(IpcHandle*, DevicePointer) = nullptr;
  int (*ipcOpen)(DevicePointer*, IpcHandle, unsigned int) = nullptr;
  int (*ipcClose)(DevicePointer) = nullptr;
  int (*hostAlloc)(void**, size_t, unsigned int) = nullptr;
  int (*hostFree)(void*) = nullptr;
  int (*copyToDevice)(DevicePointer, const void*, size_t, void*) = nullptr;
  int (*copyToHost)(void*, DevicePointer, size_t, void*) = nullptr;
  int (*copyOnDevice)(DevicePointer, DevicePointer, size_t, void*) = nullptr;
  int (*setBytes)(DevicePointer, unsigned char, size_t, void*) = nullptr;
  int (*streamCreate)(void**, unsigned int) = nullptr;
  int (*streamDestroy)(void*) = nullptr;
  int (*streamSynchronize)(void*) = nullptr;
  int (*streamWaitEvent)(void*, void*, unsigned int) = nullptr;
  int (*eventCreate)(void**, unsigned int) = nullptr;
  int (*eventDestroy)(void*) = nullptr;
  int (*eventRecord)(void*, void*) = nullptr;
  int (*eventSynchronize)(void*) = nullptr;
  int (*eventQuery)(void*) = nullptr;
  int (*eventElapsed)(float*, void*, void*) = nullptr;
  int (*moduleLoad)(void**, const void*) = nullptr;
  int (*moduleUnload)(void*) = nullptr;
  int (*moduleFunction)(void**, void*, const char*) = nullptr;
  int (*functionAttribute)(int*, int, void*) = nullptr;
  int (*functionSetAttribute)(void*, int, int) = nullptr;
  int (*launch)(const LaunchConfig*, void*, void**, void**) = nullptr;
  int (*beginCapture)(void*, int) = nullptr;
  int (*endCapture)(void*, void**) = nullptr;
  int (*graphInstantiate)(void**, void*, unsigned long long) = nullptr;
  int (*graphDestroy)(void*) = nullptr;
  int (*graphExecDestroy)(void*) = nullptr;
  int (*graphLaunch)(void*, void*) = nullptr;
  int (*encodeTiled)(void*, int, uint32_t, void*, const uint64_t*, const uint64_t*, const uint32_t*, const uint32_t*,
                     int, int, int, int) = nullptr;
  int (*encodeIm2col)(void*, int, uint32_t, void*, const uint64_t*, const uint64_t*, const int*, const int*, uint32_t,
                      uint32_t, const uint32_t*, int, int, int, int) = nullptr;
};

} // namespace jinx::cuda
