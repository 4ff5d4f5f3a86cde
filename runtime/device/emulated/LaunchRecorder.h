// Keeps launches as files, so that the same kernels can be run elsewhere on the same data: tests/device/gpu_check.py.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "runtime/device/emulated/Emulator.h"

namespace jinx::emulated {

/// Of each kernel the first launch whose operands are small enough: FOLDER/<prefix><kernel>.cu, the launch as <…>.json, and what it
/// read and wrote as <…>.<buffer>.in and <…>.<buffer>.out.
class LaunchRecorder {
 public:
  explicit LaunchRecorder(std::string folder) : folder_(std::move(folder)) {}
  /// Whether `finish` would keep a launch of this kernel.
  bool wants(const std::string &kernel) const { return !kept_.contains(kernel); }
  /// Ranges that end where the next buffer begins, in place of `ranges`; copies what is in them.
  void begin(const std::vector<void *> &buffers, std::vector<MemoryRange> &ranges);
  Status finish(const std::string &kernel, const std::string &text, const LaunchShape &shape, const std::vector<void *> &buffers,
                const std::vector<int64_t> &sizes, const LaunchReport &report);

 private:
  static constexpr size_t kMaxBytes = 2 << 20;  ///< of all operands of a launch
  std::string folder_;
  std::set<std::string> kept_;
  std::vector<std::pair<const void *, std::string>> before_;
};

}  // namespace jinx::emulated
