// Which requests are being answered, by the ids that their clients know?
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "runtime/serve/Auth.h"
#include "runtime/serve/EngineThread.h"

namespace jinx::serve {

/// Safe to use from several threads.
class OpenRequests {
 public:
  void add(const std::string& id, JobId job, TenantId tenant) {
    std::lock_guard lock(mutex_);
    open_[id] = {job, tenant};
  }
  void remove(const std::string& id) {
    std::lock_guard lock(mutex_);
    open_.erase(id);
  }
  /// The job; none where there is none, or it is another tenant's.
  std::optional<JobId> find(const std::string& id, TenantId tenant) const {
    std::lock_guard lock(mutex_);
    const auto found = open_.find(id);
    if (found == open_.end() || found->second.tenant != tenant) return std::nullopt;
    return found->second.job;
  }

 private:
  struct Entry {
    JobId job;
    TenantId tenant;
  };
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Entry> open_;
};

} // namespace jinx::serve
