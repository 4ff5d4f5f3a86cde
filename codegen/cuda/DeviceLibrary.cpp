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

bool WgmmaTypes::areMultiplied() const {
  auto kindOf = [](const std::string &type) { return type == "s8" || type == "u8" ? 1 : type == "e4m3" || type == "e5m2" ? 2 : 0; };
  return !a.empty() && kindOf(a) == kindOf(b) && (kindOf(a) || a == b);
}

std::string WgmmaTypes::instruction() const { return "k" + std::to_string(k()) + (ofBytes() ? ".s32." : ".f32.") + a + "." + b; }

std::string WgmmaTypes::emulated() const {
  auto named = [](std::string type) {
    for (char &c : type) c = static_cast<char>(toupper(static_cast<unsigned char>(c)));
    return "JINX_EMU_" + type;
  };
  return named(a) + ", " + named(b);
}

std::string wgmmaName(int64_t n, const WgmmaTypes &types) { return "wgmma_m64n" + std::to_string(n) + "k" + std::to_string(types.k()) + "_" + types.name(); }

std::string wgmmaWrapper(int64_t n, const WgmmaTypes &types) {
  int64_t registers = n / 2;
  std::string count = std::to_string(registers), k = std::to_string(types.k()), text;
  auto numbered = [&](int64_t i) { return std::to_string(i); };
  text += "/// d[64 x " + numbered(n) + "] = a[64 x " + k + "] * b[" + numbered(n) + " x " + k + "]^T + (accumulate ? d : 0); the four warps of a warpgroup together.\n";
  text += "JINX_DEVICE void " + wgmmaName(n, types) + "(" + types.sum() + " (&d)[" + count + "], u64 desc_a, u64 desc_b, int accumulate JINX_AT) {\n";
  text += "#ifdef JINX_EMULATED\n";
  text += "  emu->wgmma(d, " + numbered(n) + ", " + types.emulated() + ", desc_a, desc_b, accumulate != 0, line);\n";
  text += "#else\n";
  text += "  asm volatile(\n      \"{\\n .reg .pred p;\\n setp.ne.b32 p, %" + numbered(registers + 2) + ", 0;\\n\"\n";
  text += "      \" wgmma.mma_async.sync.aligned.m64n" + numbered(n) + types.instruction() + " {\"\n";
  for (int64_t i = 0; i < registers; i += 16) {
    text += "      \"";
    for (int64_t j = i; j < std::min(i + 16, registers); ++j) text += (j > i ? ", %" : "%") + numbered(j);
    text += i + 16 < registers ? ", \"\n" : "\"\n";
  }
  // Signs of the operands, of floats; how they are stored, of halves.
  const char *more = types.ofBytes() ? "" : types.bytes() == 2 ? ", 1, 1, 0, 0" : ", 1, 1";
  text += "      \"}, %" + count + ", %" + numbered(registers + 1) + ", p" + more + ";\\n}\"\n";
  const std::string held = types.ofBytes() ? "\"+r\"(d[" : "\"+f\"(d[";
  for (int64_t i = 0; i < registers; i += 8) {
    text += i == 0 ? "      : " : "        ";
    for (int64_t j = i; j < std::min(i + 8, registers); ++j) text += (j > i ? ", " : "") + held + numbered(j) + "])";
    text += i + 8 < registers ? ",\n" : "\n";
  }
  text += "      : \"l\"(desc_a), \"l\"(desc_b), \"r\"(accumulate));\n#endif\n}\n";
  return text;
}

}  // namespace jinx::cuda
