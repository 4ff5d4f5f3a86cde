// What of a plan a GPU loads: the cubins that the plan carries, where they fit, else its texts through NVRTC.
//
// A plan for CUDA always has its texts, each a code object of format "cuda". It may have cubins, too, each with the key of the text that it was
// compiled from, and how (Nvrtc.h: `textKey`). A cubin is taken when this GPU would compile a text of the plan under exactly that key: then
// NVRTC is not asked, and need not be there. A text that was changed, another architecture or other options give another key, and the cubin
// is left.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/device/cuda/Nvrtc.h"
#include "runtime/plan/PlanFile.h"

namespace jinx::cuda {

struct GpuIdentity {
  std::string name;          ///< for messages, "cuda:0"
  std::string arch;          ///< "sm_90a"
  int capability = 0;        ///< compute capability times ten
  int64_t sharedBytes = 0;   ///< that a block may have
};

/// The machine code of one text of the plan.
struct TextCubin {
  uint32_t text = 0;                ///< the plan's code object
  std::span<const uint8_t> carried; ///< by the plan, in its memory; empty: it was compiled
  std::vector<uint8_t> compiled;

  bool isCarried() const { return !carried.empty(); }
  std::span<const uint8_t> bytes() const { return isCarried() ? carried : std::span<const uint8_t>(compiled); }
};

/// Takes or compiles the cubin of every text that this GPU runs, those to be compiled several at a time.
/// \returns kUnimplemented for a plan without text for the GPU; kNotFound where one must be compiled without NVRTC, kInternal where it
///          does not compile
Expected<std::vector<TextCubin>> cubinsOfPlan(const PlanFile& plan, const GpuIdentity& gpu, const CompileCudaOptions& options);

/// Compiles what the plan carries: for a driver that refuses it.
Status compileInstead(const PlanFile& plan, TextCubin& cubin, const CompileCudaOptions& options);

} // namespace jinx::cuda
