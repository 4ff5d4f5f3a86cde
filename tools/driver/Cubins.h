// Cubins into a plan: machine code of its CUDA texts, made where it is compiled, so that it runs where NVRTC is not installed.
#pragma once

#include <string>

#include "runtime/plan/PlanFile.h"

namespace jinx::driver {

/// Compiles every text of the plan for `arch`, at most `threads` at a time, and adds the cubins behind them, in their order. What the disk
/// cache has is taken from it (runtime/device/cuda/Nvrtc.h). Needs no GPU.
/// \returns kNotFound without NVRTC, kInternal for a text that does not compile
Status addCubins(PlanWriter& writer, const std::string& arch, unsigned threads);

} // namespace jinx::driver
