// An ELF shared object that lies in memory, linked into this process.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "runtime/base/Status.h"

namespace jinx {

/// Loads through an anonymous file (memfd_create) and dlopen, so that nothing is written to disk.
class ElfModule {
 public:
  /// kInvalidArgument when the bytes are no shared object for this machine.
  static Expected<std::unique_ptr<ElfModule>> load(std::span<const std::byte> object, const std::string& name);
  ~ElfModule();
  ElfModule(const ElfModule&) = delete;
  ElfModule& operator=(const ElfModule&) = delete;

  /// Null when there is no such symbol.
  void* symbol(const std::string& name) const;

 private:
  ElfModule(int fd, void* handle) : fd_(fd), handle_(handle) {}
  int fd_; ///< stays open: the loader knows libraries by path, and "/proc/self/fd/7" must not come to mean another one
  void* handle_;
};

} // namespace jinx
