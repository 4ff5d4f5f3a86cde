#include "frontends/native/TrialRun.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <fstream>

#include "runtime/base/File.h"

namespace jinx::frontends {
namespace {

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

[[noreturn]] void runChild(size_t bytes, const std::function<void()> &trial) {
  for (int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTRAP}) std::signal(signal, SIG_DFL);
  int null = ::open("/dev/null", O_WRONLY);
  for (int fd : {STDOUT_FILENO, STDERR_FILENO}) ::dup2(null, fd);
  constexpr size_t kGiB = size_t(1) << 30;
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_CPU, 20 + bytes / (1 << 20));
  if (size_t mapped = mappedBytes()) limit(RLIMIT_AS, mapped + 2 * kGiB + 16 * bytes);
  trial();
  ::_exit(0);
}

} // namespace

Status surviveTrial(const std::string &name, size_t bytes, const std::function<void()> &trial) {
  pid_t child = ::fork();
  if (child < 0) return systemError(errno, "cannot start a process to try " + name + " in");
  if (child == 0) runChild(bytes, trial);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return systemError(errno, "cannot wait for the process that tries " + name);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return Status::ok();
  bool slow = WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU;
  return invalidArgument(name + " is no valid module: it is damaged, its parser " + (slow ? "does not come to an end" : "breaks down"));
}

} // namespace jinx::frontends
