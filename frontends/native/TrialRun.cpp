#include "frontends/native/TrialRun.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fstream>

#include "runtime/base/File.h"

namespace jinx::frontends {
namespace {

constexpr int kPassed = 0, kFailed = 1; ///< exit statuses of the child

/// Of the whole address space now; 0 when it cannot be known.
size_t mappedBytes() {
  size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

void limit(decltype(RLIMIT_AS) what, size_t value) {
  rlimit bound = {};
  if (::getrlimit(what, &bound) != 0) return;
  bound.rlim_cur = std::min<rlim_t>(bound.rlim_max, value);
  ::setrlimit(what, &bound);
}

[[noreturn]] void runChild(size_t bytes, const std::function<bool(int fd)> &work, int output) {
  for (int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTRAP}) std::signal(signal, SIG_DFL);
  int null = ::open("/dev/null", O_WRONLY);
  for (int fd : {STDOUT_FILENO, STDERR_FILENO}) ::dup2(null, fd);
  constexpr size_t kGiB = size_t(1) << 30;
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_CPU, 3 + bytes / (1 << 20)); // seconds; a small module takes milliseconds
  if (size_t mapped = mappedBytes()) limit(RLIMIT_AS, mapped + 2 * kGiB + 16 * bytes);
  ::_exit(work(output) ? kPassed : kFailed);
}

class File {
public:
  explicit File(int fd) : fd_(fd) {}
  File(const File &) = delete;
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  int fd() const { return fd_; }

private:
  int fd_;
};

} // namespace

Expected<Trial> tryInChild(const std::string &name, size_t bytes, const std::function<bool(int fd)> &work) {
  File output(::memfd_create("jinx-module", MFD_CLOEXEC));
  if (output.fd() < 0) return systemError(errno, "cannot make room for " + name);
  pid_t child = ::fork();
  if (child < 0) return systemError(errno, "cannot start a process to read " + name + " in");
  if (child == 0) runChild(bytes, work, output.fd());
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return systemError(errno, "cannot wait for the process that reads " + name);
  if (!WIFEXITED(status) || WEXITSTATUS(status) > kFailed) {
    bool slow = WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU;
    return invalidArgument(name + " is no valid module: it is damaged, its parser " + (slow ? "does not come to an end" : "breaks down"));
  }
  auto written = llvm::MemoryBuffer::getOpenFile(output.fd(), name, /*FileSize=*/-1, /*RequiresNullTerminator=*/false);
  if (!written) return systemError(written.getError().value(), "cannot read what became of " + name);
  return Trial{WEXITSTATUS(status) == kPassed, std::move(*written)};
}

} // namespace jinx::frontends
