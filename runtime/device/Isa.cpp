#include "runtime/device/Isa.h"

#include <algorithm>
#include <cstring>
#include <optional>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace jinx {
namespace {

constexpr std::string_view kFeatures[] = {"vnni", "bf16", "fp16", "amx"}; // in the order of names

struct Isa {
  int level = 0; ///< 1, 3 or 4
  std::vector<std::string_view> features;
};

std::optional<Isa> parseIsa(std::string_view name) {
  constexpr std::string_view kBase = "x86-64";
  if (name.substr(0, kBase.size()) != kBase) return std::nullopt;
  name.remove_prefix(kBase.size());
  Isa isa{1, {}};
  while (!name.empty()) {
    if (name[0] != '-') return std::nullopt;
    name.remove_prefix(1);
    std::string_view word = name.substr(0, name.find('-'));
    name.remove_prefix(word.size());
    if (word == "v3" || word == "v4") {
      if (isa.level != 1 || !isa.features.empty()) return std::nullopt;
      isa.level = word == "v3" ? 3 : 4;
    } else if (std::find(std::begin(kFeatures), std::end(kFeatures), word) != std::end(kFeatures)) {
      isa.features.push_back(word);
    } else {
      return std::nullopt;
    }
  }
  return isa;
}

#if defined(__x86_64__)

bool hostHasLevel(int level) {
  __builtin_cpu_init();
  if (level >= 3 &&
      !(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")))
    return false;
  if (level >= 4 &&
      !(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")))
    return false;
  return true;
}

/// AMX needs the processor, and a permission of the kernel for its large state (Linux 5.16).
bool hostHasAmx() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  constexpr unsigned kBf16 = 1u << 22, kTile = 1u << 24, kInt8 = 1u << 25;
  if ((d & (kBf16 | kTile | kInt8)) != (kBf16 | kTile | kInt8)) return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18; // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

/// Leaf 7.1 and 7.0 bits that GCC 12's __builtin_cpu_supports does not name.
bool hostHasFeature(std::string_view feature, int level) {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (feature == "amx") return hostHasAmx();
  if (feature == "fp16") return hostHasLevel(4) && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & (1u << 23));
  if (feature == "bf16") return hostHasLevel(4) && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1u << 5));
  if (feature == "vnni" && level >= 4) return hostHasLevel(4) && __builtin_cpu_supports("avx512vnni");
  if (feature == "vnni") return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & (1u << 4));
  return false;
}

#else

bool hostHasLevel(int) { return false; }
bool hostHasFeature(std::string_view, int) { return false; }

#endif

} // namespace

int isaRank(std::string_view name) {
  std::optional<Isa> isa = parseIsa(name);
  return isa ? isa->level * 16 + static_cast<int>(isa->features.size()) : -1;
}

bool hostSupportsIsa(std::string_view name) {
  std::optional<Isa> isa = parseIsa(name);
  if (!isa || !hostHasLevel(isa->level)) return false;
  return std::all_of(isa->features.begin(), isa->features.end(), [&](auto f) { return hostHasFeature(f, isa->level); });
}

bool isaWithin(std::string_view name, std::string_view limit) {
  if (limit.empty()) return true;
  std::optional<Isa> isa = parseIsa(name), most = parseIsa(limit);
  if (!isa || !most || isa->level > most->level) return false;
  return std::all_of(isa->features.begin(), isa->features.end(), [&](auto f) {
    return std::find(most->features.begin(), most->features.end(), f) != most->features.end();
  });
}

std::string hostIsa() {
  int level = hostHasLevel(4) ? 4 : hostHasLevel(3) ? 3 : 1;
  std::string isa = level == 1 ? "x86-64" : "x86-64-v" + std::to_string(level);
  for (std::string_view feature : kFeatures)
    if (hostHasFeature(feature, level)) isa += "-" + std::string(feature);
  return isa;
}

std::string hostProcessorName() {
#if defined(__x86_64__)
  unsigned registers[12] = {};
  for (unsigned i = 0; i < 3; ++i) {
    unsigned* r = registers + 4 * i;
    if (!__get_cpuid(0x80000002u + i, r, r + 1, r + 2, r + 3)) return "unknown x86-64 processor";
  }
  char text[sizeof registers + 1] = {};
  std::memcpy(text, registers, sizeof registers);
  std::string name(text);
  name.erase(0, name.find_first_not_of(' ') == std::string::npos ? name.size() : name.find_first_not_of(' '));
  while (!name.empty() && name.back() == ' ')
    name.pop_back();
  return name;
#else
  return "unknown processor";
#endif
}

} // namespace jinx
