#include "codegen/cuda/DeviceLibrary.h"

#include <array>
#include <utility>

#include "codegen/cuda/DeviceSources.h"

namespace jinx::cuda {

std::string_view deviceFile(std::string_view name) {
  for (const auto &[file, text] : kDeviceSources)
    if (file == name) return text;
  return {};
}

std::string wgmmaName(int64_t n, bool bf16) { return "wgmma_m64n" + std::to_string(n) + "k16_" + (bf16 ? "bf16" : "f16"); }

std::string wgmmaWrapper(int64_t n, bool bf16) {
  int64_t registers = n / 2;
  std::string type = bf16 ? "bf16" : "f16", count = std::to_string(registers), text;
  auto numbered = [&](int64_t i) { return std::to_string(i); };
  text += "/// d[64 x " + numbered(n) + "] = a[64 x 16] * b[" + numbered(n) + " x 16]^T + (accumulate ? d : 0); the four warps of a warpgroup together.\n";
  text += "JINX_DEVICE void " + wgmmaName(n, bf16) + "(float (&d)[" + count + "], u64 desc_a, u64 desc_b, int accumulate JINX_AT) {\n";
  text += "#ifdef JINX_EMULATED\n";
  text += "  emu->wgmma(d, " + numbered(n) + ", " + (bf16 ? "1" : "0") + ", desc_a, desc_b, accumulate != 0, line);\n";
  text += "#else\n";
  text += "  asm volatile(\n      \"{\\n .reg .pred p;\\n setp.ne.b32 p, %" + numbered(registers + 2) + ", 0;\\n\"\n";
  text += "      \" wgmma.mma_async.sync.aligned.m64n" + numbered(n) + "k16.f32." + type + "." + type + " {\"\n";
  for (int64_t i = 0; i < registers; i += 16) {
    text += "      \"";
    for (int64_t j = i; j < std::min(i + 16, registers); ++j) text += (j > i ? ", %" : "%") + numbered(j);
    text += i + 16 < registers ? ", \"\n" : "\"\n";
  }
  text += "      \"}, %" + count + ", %" + numbered(registers + 1) + ", p, 1, 1, 0, 0;\\n}\"\n";
  for (int64_t i = 0; i < registers; i += 8) {
    text += i == 0 ? "      : " : "        ";
    for (int64_t j = i; j < std::min(i + 8, registers); ++j) text += (j > i ? ", \"+f\"(d[" : "\"+f\"(d[") + numbered(j) + "])";
    text += i + 8 < registers ? ",\n" : "\n";
  }
  text += "      : \"l\"(desc_a), \"l\"(desc_b), \"r\"(accumulate));\n#endif\n}\n";
  return text;
}

}  // namespace jinx::cuda
