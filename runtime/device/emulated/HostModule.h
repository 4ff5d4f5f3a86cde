// CUDA text compiled by the host's C++ compiler into a shared object, cached on disk under a hash of all that goes into it.
#pragma once

#include <memory>
#include <string>

#include "runtime/base/Status.h"
#include "runtime/device/emulated/EmulatedAbi.h"

namespace jinx::emulated {

struct CompileOptions {
  std::string cacheDir;  ///< empty: $JINX_CACHE/emulated or ~/.cache/jinx/emulated
  std::string compiler;  ///< empty: $JINX_HOST_CXX, then clang++-22, clang++, g++, c++ from PATH
};

class HostModule {
 public:
  /// \param text  self-contained CUDA C++ as codegen/cuda/Assemble emits it, device library included
  /// \param name  for messages
  /// kNotFound when the machine has no C++ compiler; kInternal with the compiler's log when the text does not compile.
  static Expected<std::shared_ptr<HostModule>> compile(const std::string &text, const std::string &name, const CompileOptions &options = {});
  ~HostModule();
  HostModule(const HostModule &) = delete;
  HostModule &operator=(const HostModule &) = delete;

  /// The entry that runs a kernel for the thread `emu_self` points at.
  Expected<void (*)(void **)> kernel(const std::string &name) const;
  /// The calling thread's: where kernels that it runs look for themselves.
  JinxEmuSelf **selfSlot() const { return selfSlot_(); }
  bool fromCache() const { return fromCache_; }
  const std::string &text() const { return text_; }
  /// Line `number` of the text, from 1, without its indentation; empty where there is none.
  std::string line(int number) const;

 private:
  HostModule() = default;
  void *library_ = nullptr;
  JinxEmuSelf **(*selfSlot_)() = nullptr;
  std::string name_, text_;
  bool fromCache_ = false;
};

/// Operations for compiled kernels (MachineApi.cpp).
const JinxEmuApi &emulatedApi();

}  // namespace jinx::emulated
