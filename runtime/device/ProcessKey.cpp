#include "runtime/device/ProcessKey.h"

#include <unistd.h>

#include <fstream>
#include <string>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace jinx {
namespace {

uint64_t hashOf(const std::string& text) { return XXH3_64bits(text.data(), text.size()); }

/// The kernel makes it when it starts.
std::string bootId() {
  std::string id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
  return id;
}

/// Process numbers are counted in a namespace each.
std::string processNamespace() {
  char name[64] = {};
  return readlink("/proc/self/ns/pid", name, sizeof name - 1) > 0 ? name : "";
}

} // namespace

uint64_t machineKey() { return hashOf(bootId()); }
uint64_t processKey() { return hashOf(bootId() + ' ' + processNamespace() + ' ' + std::to_string(getpid())); }

} // namespace jinx
