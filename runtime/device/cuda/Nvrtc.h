// CUDA text to a cubin through NVRTC, with what the compiler said about it: the compile gate.
//
// NVRTC is opened at run time and needs no GPU. Which cubin belongs to a text is said by one key everywhere: a hash of the text and of the
// options that it is compiled with, architecture included. The disk cache keeps cubins by key and NVRTC's version, a plan's cubins carry the
// key (CubinsOfPlan.h). No header of MLIR or CUDA is used here.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/Status.h"

namespace jinx::cuda {

/// What ptxas reports of one kernel.
struct KernelResources {
  std::string name;
  int registers = 0;
  int64_t stackBytes = 0, spillStoreBytes = 0, spillLoadBytes = 0;
};

struct CompiledCuda {
  std::vector<uint8_t> cubin;
  std::string log;
  std::vector<KernelResources> kernels;
  std::vector<std::string> advisories;  ///< ptxas codes in the log, sorted, each once: "C7510", …
  double milliseconds = 0;              ///< of compilation; 0 from the cache
  bool fromCache = false;

  int64_t spillBytes() const;
  /// Advisories that mean a kernel is not what its schedule meant: C7504, C7508-C7511, C7515, C7517, C7520.
  std::vector<std::string> badAdvisories() const;
};

struct CompileCudaOptions {
  std::string arch = "sm_90a";
  std::string cacheDir;  ///< empty: $JINX_CACHE/cubin or ~/.cache/jinx/cubin
  bool useCache = true;
};

/// True when NVRTC can be opened: $JINX_NVRTC and nothing else where it is set, else libnvrtc.so.13, libnvrtc.so.12, and below /usr/local/cuda.
bool haveNvrtc();
/// kNotFound, with what was looked for and what to set, without NVRTC.
Status checkNvrtc();
/// "13.0"; empty without NVRTC.
std::string nvrtcVersion();

/// What a text's cubin is found by, 32 hexadecimal digits; needs no NVRTC.
std::string textKey(std::string_view text, const CompileCudaOptions &options = {});

/// \param name  for messages: the kernel, or the text's file
/// kNotFound without NVRTC; kInternal with the log (which names lines of the text) when the text does not compile. Thread-safe.
Expected<CompiledCuda> compileCuda(const std::string &text, const std::string &name, const CompileCudaOptions &options = {});

/// Opcodes of sm_90 machine code: the low 12 bits of an instruction (read off nvdisasm -hex).
inline constexpr int kSassHgmma = 0x9F0, kSassLdl = 0x983, kSassStl = 0x387;
inline constexpr int kSassHgmmaRegisters = 0xDF0;             ///< HGMMA with a in registers
inline constexpr int kSassIgmma = 0x9F1, kSassQgmma = 0x9F3;  ///< HGMMA's kin for bytes and 8-bit floats
/// How many instructions of the cubin's code have this opcode.
int64_t countSass(std::span<const uint8_t> cubin, int opcode);
/// The functions of a cubin, the kernels and what was not inlined into them, and the bytes of their code.
std::map<std::string, uint64_t> functionsOf(std::span<const uint8_t> cubin);

}  // namespace jinx::cuda
