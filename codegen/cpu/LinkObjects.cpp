#include "codegen/cpu/LinkObjects.h"

#include <sys/mman.h>
#include <unistd.h>

#include <mutex>
#include <string>

#include "lld/Common/Driver.h"
#include "llvm/Support/raw_ostream.h"

LLD_HAS_DRIVER(elf)

namespace jinx::cpu {
namespace {

/// An anonymous file, visible to the linker as /proc/self/fd/N.
class MemoryFile {
 public:
  explicit MemoryFile(const char *name) : fd_(memfd_create(name, MFD_CLOEXEC)) {}
  ~MemoryFile() {
    if (fd_ >= 0) close(fd_);
  }
  MemoryFile(MemoryFile &&other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  bool valid() const { return fd_ >= 0; }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

  bool write(const std::vector<uint8_t> &bytes) {
    for (size_t done = 0; done < bytes.size();) {
      ssize_t n = ::write(fd_, bytes.data() + done, bytes.size() - done);
      if (n <= 0) return false;
      done += n;
    }
    return true;
  }

 private:
  int fd_;
};

Expected<std::vector<uint8_t>> readFile(const std::string &path) {
  FILE *file = fopen(path.c_str(), "rb");
  if (!file) return internalError("the linker wrote no output to " + path);
  std::vector<uint8_t> bytes;
  uint8_t buffer[1 << 16];
  for (size_t n; (n = fread(buffer, 1, sizeof buffer, file)) > 0;) bytes.insert(bytes.end(), buffer, buffer + n);
  fclose(file);
  return bytes;
}

}  // namespace

Expected<std::vector<uint8_t>> linkShared(const std::vector<std::vector<uint8_t>> &objects) {
  std::vector<MemoryFile> files;
  std::vector<std::string> paths;
  for (const auto &object : objects) {
    files.emplace_back("jinx-object");
    if (!files.back().valid() || !files.back().write(object)) return resourceError("no memory for an object to link");
    paths.push_back(files.back().path());
  }
  // The linker replaces its output by rename, which a memory file cannot take: a private directory in shared memory can.
  char directory[] = "/dev/shm/jinx-link-XXXXXX";
  char fallback[] = "/tmp/jinx-link-XXXXXX";
  const char *dir = mkdtemp(directory);
  if (!dir) dir = mkdtemp(fallback);
  if (!dir) return resourceError("cannot make a directory for the linker under /dev/shm or /tmp");
  std::string out = std::string(dir) + "/kernels.so";
  std::vector<const char *> args = {"ld.lld", "-shared", "--build-id=none", "-soname=jinx-kernels", "--threads=1", "-z", "noexecstack",
                                    "-O1", "--strip-debug", "-o", out.c_str()};
  for (const std::string &path : paths) args.push_back(path.c_str());
  std::string log;
  llvm::raw_string_ostream stream(log);
  static std::mutex linkerMutex;  // lld keeps its state in globals
  int code;
  {
    std::lock_guard<std::mutex> lock(linkerMutex);
    code = lld::lldMain(args, stream, stream, {{lld::Gnu, &lld::elf::link}}).retCode;
  }
  Expected<std::vector<uint8_t>> result = code == 0 ? readFile(out) : Expected<std::vector<uint8_t>>(internalError("linking kernels: " + log));
  unlink(out.c_str());
  rmdir(dir);
  return result;
}

}  // namespace jinx::cpu
