// A GPU: memory and streams of the driver, modules from a plan's cubins or from its CUDA text through NVRTC, launches.
//
//   auto device = makeCudaDevice({.ordinal = 0});          fails, saying why, on a machine without driver or GPU
//   auto module = (*device)->loadModule(plan);             the plan's cubins (CubinsOfPlan.h), else the disk cache's, else NVRTC's
//
// Work is asynchronous: a launch that fails while it runs shows at the next synchronization. Everything runs in the device's primary
// context, as other libraries of the process use it. Settings (`DeviceOptions::extra`): "cache" (folder of cubins).
#pragma once

#include <memory>

#include "runtime/device/Device.h"

namespace jinx::cuda {

/// For DeviceRegistry::add("cuda", …). kUnimplemented without a driver, kNotFound for an ordinal that no GPU has.
Expected<std::unique_ptr<Device>> makeCudaDevice(const DeviceOptions& options);

} // namespace jinx::cuda
