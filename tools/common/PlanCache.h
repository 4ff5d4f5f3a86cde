// Plans of models that this program has compiled before: a language model starts in a fraction of a second the second time.
//
//   PlanCache cache(planCacheFolder());
//   JINX_TRY_ASSIGN(std::string model, identityOf("model.gguf"));   // "model.gguf 98432000 bytes …"
//   const std::string path = cache.pathOf(model + "\ntarget=cpu");  // …/plans/3f…e2.jxp
//   if (cache.touch(path)) open it; else write it there, then cache.trim(path)
//
// A file is the same while device, inode, size and time of its last change are: nobody reads gigabytes to ask. What else a plan depends on, the compiler
// included, is text of the key.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/Status.h"

namespace jinx::tools {

/// $JINX_CACHE/plans or ~/.cache/jinx/plans; empty where neither is set.
std::string planCacheFolder();

/// What tells this file, or this folder's files, from an earlier version of it. \returns kNotFound without it
Expected<std::string> identityOf(const std::string& path);

class PlanCache {
 public:
  static constexpr uint64_t kMostBytes = uint64_t(16) << 30;

  explicit PlanCache(std::string folder, uint64_t mostBytes = kMostBytes) : folder_(std::move(folder)), mostBytes_(mostBytes) {}

  /// Where the plan of this key is, or would be.
  std::string pathOf(std::string_view key) const;
  /// Makes the folder. \returns kInvalidArgument and its like where that cannot be
  Status prepare() const;
  /// True when the plan is there; it then counts as just used.
  bool touch(const std::string& path) const;
  /// Removes the plans that were not used for longest until the rest has at most `mostBytes`; never `keep`.
  void trim(const std::string& keep) const;

 private:
  std::string folder_;
  uint64_t mostBytes_;
};

} // namespace jinx::tools
