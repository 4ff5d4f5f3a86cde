// GPU architectures that CUDA text is written for: one table for the compiler, which must keep within what there is, and the runtime, which loads
// text of an architecture and later ones.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace jinx {

struct GpuArchitecture {
  std::string_view name = "sm_90a";
  int capability = 90;           ///< compute capability times ten
  int64_t sharedBytes = 232448;  ///< that a block may have

  /// Bulk copies by tensor maps, mbarriers, clusters, products of warpgroups (wgmma).
  bool hasCopyEngine() const { return capability >= 90; }
  /// A launch may begin before the one in front of it has ended, and waits for that itself (griddepcontrol).
  bool startsEarly() const { return capability >= 90; }
};

inline constexpr GpuArchitecture kGpuArchitectures[] = {{"sm_80", 80, 166912}, {"sm_86", 86, 101376}, {"sm_89", 89, 101376}, {}};

/// The architecture of that name; null: there is none.
inline const GpuArchitecture* gpuArchitecture(std::string_view name) {
  for (const GpuArchitecture& known : kGpuArchitectures)
    if (known.name == name) return &known;
  return nullptr;
}
/// "sm_80, …, sm_90a", each with the prefix in front.
inline std::string gpuNames(const std::string& prefix = "") {
  std::string names;
  for (const GpuArchitecture& known : kGpuArchitectures)
    names += (names.empty() ? "" : ", ") + prefix + std::string(known.name);
  return names;
}
inline std::string gpuTargets() { return gpuNames("cuda:"); }

}  // namespace jinx
