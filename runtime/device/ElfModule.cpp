#include "runtime/device/ElfModule.h"

#include <dlfcn.h>
#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runtime/base/File.h"

namespace jinx {
namespace {

#if defined(__x86_64__)
constexpr uint16_t kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr uint16_t kMachine = EM_AARCH64;
#else
constexpr uint16_t kMachine = EM_NONE;
#endif

/// What the loader does not check before it maps: that the parts it will touch lie in the file.
Status checkElf(std::span<const std::byte> object) {
  Elf64_Ehdr header;
  if (object.size() < sizeof header) return invalidArgument("code object is truncated");
  std::memcpy(&header, object.data(), sizeof header);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return invalidArgument("code object is no ELF file");
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_type != ET_DYN || header.e_machine != kMachine)
    return invalidArgument("code object is no shared object for this machine");
  if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phoff > object.size() ||
      uint64_t{header.e_phnum} * sizeof(Elf64_Phdr) > object.size() - header.e_phoff)
    return invalidArgument("code object is truncated");
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    std::memcpy(&segment, object.data() + header.e_phoff + static_cast<size_t>(i) * sizeof segment, sizeof segment);
    if (segment.p_offset > object.size() || segment.p_filesz > object.size() - segment.p_offset)
      return invalidArgument("code object is truncated");
  }
  return Status::ok();
}

Status writeAll(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return systemError(errno, "cannot hold a code object in memory");
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return Status::ok();
}

} // namespace

Expected<std::unique_ptr<ElfModule>> ElfModule::load(std::span<const std::byte> object, const std::string& name) {
  JINX_TRY(checkElf(object));
  int fd = memfd_create(name.substr(0, 200).c_str(), MFD_CLOEXEC);
  if (fd < 0) return systemError(errno, "cannot hold a code object in memory");
  std::unique_ptr<ElfModule> module(new ElfModule(fd, nullptr));
  JINX_TRY(writeAll(fd, object));
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  module->handle_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  // Conversions of f16 are calls where a processor has no instructions for them. A program in C++ has them; an interpreter that has loaded us may not.
  if (!module->handle_ && dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_GLOBAL))
    module->handle_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!module->handle_) {
    const char* reason = dlerror();
    return invalidArgument(std::string("cannot link a code object: ") + (reason ? reason : "unknown reason"));
  }
  return module;
}

ElfModule::~ElfModule() {
  if (handle_) dlclose(handle_);
  close(fd_);
}

void* ElfModule::symbol(const std::string& name) const { return dlsym(handle_, name.c_str()); }

} // namespace jinx
