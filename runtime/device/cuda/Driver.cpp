#include "runtime/device/cuda/Driver.h"

#include <dlfcn.h>

namespace jinx::cuda {
namespace {

constexpr int kOutOfMemory = 2; // CUDA_ERROR_OUT_OF_MEMORY

} // namespace

Expected<Driver> Driver::open() {
  void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return unimplemented("this machine has no CUDA driver: libcuda.so.1 cannot be opened; --device emulated runs CUDA "
                         "plans without a GPU");
  Driver d;
  std::string missing;
  auto get = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    if (!function) missing += (missing.empty() ? "" : ", ") + std::string(name);
  };
  get(d.init, "cuInit");
  get(d.driverVersion, "cuDriverGetVersion");
  get(d.errorName, "cuGetErrorName");
  get(d.errorString, "cuGetErrorString");
  get(d.deviceCount, "cuDeviceGetCount");
  get(d.deviceGet, "cuDeviceGet");
  get(d.deviceName, "cuDeviceGetName");
  get(d.deviceAttribute, "cuDeviceGetAttribute");
  get(d.contextRetain, "cuDevicePrimaryCtxRetain");
  get(d.contextRelease, "cuDevicePrimaryCtxRelease_v2");
  get(d.contextSetCurrent, "cuCtxSetCurrent");
  get(d.memAlloc, "cuMemAlloc_v2");
  get(d.memFree, "cuMemFree_v2");
  get(d.memInfo, "cuMemGetInfo_v2");
  get(d.peerAccess, "cuCtxEnablePeerAccess");
  get(d.ipcHandle, "cuIpcGetMemHandle");
  get(d.ipcOpen, "cuIpcOpenMemHandle_v2");
  get(d.ipcClose, "cuIpcCloseMemHandle");
  get(d.hostAlloc, "cuMemHostAlloc");
  get(d.hostFree, "cuMemFreeHost");
  get(d.copyToDevice, "cuMemcpyHtoDAsync_v2");
  get(d.copyToHost, "cuMemcpyDtoHAsync_v2");
  get(d.copyOnDevice, "cuMemcpyDtoDAsync_v2");
  get(d.setBytes, "cuMemsetD8Async");
  get(d.streamCreate, "cuStreamCreate");
  get(d.streamDestroy, "cuStreamDestroy_v2");
  get(d.streamSynchronize, "cuStreamSynchronize");
  get(d.streamWaitEvent, "cuStreamWaitEvent");
  get(d.eventCreate, "cuEventCreate");
  get(d.eventDestroy, "cuEventDestroy_v2");
  get(d.eventRecord, "cuEventRecord");
  get(d.eventSynchronize, "cuEventSynchronize");
  get(d.eventQuery, "cuEventQuery");
  get(d.eventElapsed, "cuEventElapsedTime");
  get(d.moduleLoad, "cuModuleLoadData");
  get(d.moduleUnload, "cuModuleUnload");
  get(d.moduleFunction, "cuModuleGetFunction");
  get(d.functionAttribute, "cuFuncGetAttribute");
  get(d.functionSetAttribute, "cuFuncSetAttribute");
  get(d.launch, "cuLaunchKernelEx");
  get(d.beginCapture, "cuStreamBeginCapture_v2");
  get(d.endCapture, "cuStreamEndCapture");
  get(d.graphInstantiate, "cuGraphInstantiateWithFlags");
  get(d.graphDestroy, "cuGraphDestroy");
  get(d.graphExecDestroy, "cuGraphExecDestroy");
  get(d.graphLaunch, "cuGraphLaunch");
  get(d.encodeTiled, "cuTensorMapEncodeTiled");
  get(d.encodeIm2col, "cuTensorMapEncodeIm2col");
  if (!missing.empty())
    return unimplemented("the CUDA driver is too old, expected 12.0 or later: it has no " + missing);
  JINX_TRY(d.check(d.init(0), "cuInit"), "starting the CUDA driver");
  return d;
}

Status Driver::check(int result, const char* call) const {
  if (result == 0) return Status::ok();
  const char *name = nullptr, *text = nullptr;
  errorName(result, &name);
  errorString(result, &text);
  std::string message =
      std::string(call) + ": " + (name ? name : std::to_string(result)) + (text ? " (" + std::string(text) + ")" : "");
  return result == kOutOfMemory ? resourceError(std::move(message)) : internalError(std::move(message));
}

} // namespace jinx::cuda
