#include "tools/jinx/ForkPool.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <map>
#include <stdexcept>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace jinx::tools {
namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kMaxText = 60000; // fits a pipe, so that a child never waits for its parent

struct Child {
  size_t job;
  pid_t pid;
  int result; ///< read end of the pipe that gets "+" for success or "-" and the reason
  int errors; ///< a file in memory behind standard error
  Clock::time_point deadline;
};

void writeAll(int fd, const std::string& text) {
  for (size_t at = 0; at < text.size();) {
    const ssize_t wrote = write(fd, text.data() + at, text.size() - at);
    if (wrote < 0 && errno != EINTR) return;
    if (wrote > 0) at += static_cast<size_t>(wrote);
  }
}

std::string readAll(int fd) {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t got = read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(buffer, static_cast<size_t>(got));
  }
}

std::string lastLine(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' '))
    text.pop_back();
  text.erase(0, text.rfind('\n') == std::string::npos ? 0 : text.rfind('\n') + 1);
  return text.substr(0, 400);
}

[[noreturn]] void runChild(const std::function<Outcome(size_t)>& job, size_t index, int result, int errors) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (errors >= 0) dup2(errors, STDERR_FILENO);
  Outcome outcome;
  try {
    outcome = job(index);
  } catch (const std::exception& error) {
    outcome = {false, std::string("uncaught exception: ") + error.what()};
  }
  writeAll(result, (outcome.passed ? "+" : "-") + outcome.text.substr(0, kMaxText));
  _exit(0); // no destructors: threads of the child may still hold what they would destroy
}

Child start(const std::function<Outcome(size_t)>& job, size_t index, const ForkOptions& options) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error(std::string("cannot make a pipe: ") + std::strerror(errno));
  const int errors = memfd_create("stderr", MFD_CLOEXEC);
  std::fflush(nullptr);
  const pid_t pid = fork();
  if (pid < 0) throw std::runtime_error(std::string("cannot fork: ") + std::strerror(errno));
  if (pid == 0) {
    close(ends[0]);
    runChild(job, index, ends[1], errors);
  }
  close(ends[1]);
  const auto limit = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.timeoutSeconds));
  return {index, pid, ends[0], errors, Clock::now() + limit};
}

/// How a child has ended, or that it was killed here.
Outcome finish(const Child& child, bool timedOut, double timeoutSeconds) {
  if (timedOut) kill(child.pid, SIGKILL);
  const std::string said = readAll(child.result);
  int status = 0;
  while (waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
  }
  std::string errors;
  if (child.errors >= 0) {
    lseek(child.errors, 0, SEEK_SET);
    errors = lastLine(readAll(child.errors));
    close(child.errors);
  }
  close(child.result);
  if (timedOut) {
    char text[80];
    std::snprintf(text, sizeof text, "no result after %g s", timeoutSeconds);
    return {false, text};
  }
  if (!said.empty()) return {said[0] == '+', said.substr(1)};
  const std::string also = errors.empty() ? "" : ": " + errors;
  if (WIFSIGNALED(status)) {
    const char* name = sigabbrev_np(WTERMSIG(status));
    return {false, "crashed with SIG" + std::string(name ? name : "?") + also};
  }
  return {false, "ended with exit code " + std::to_string(WEXITSTATUS(status)) + also};
}

} // namespace

void runForked(size_t count, const ForkOptions& options, const std::function<Outcome(size_t)>& job,
               const std::function<void(size_t, const Outcome&)>& done) {
  std::vector<Child> children;
  std::map<size_t, Outcome> early; ///< of jobs that ended before an earlier one
  size_t next = 0, reported = 0;
  while (reported < count) {
    while (next < count && children.size() < static_cast<size_t>(std::max(1, options.parallel)))
      children.push_back(start(job, next++, options));
    std::vector<pollfd> polls;
    auto nearest = Clock::time_point::max();
    for (const Child& child : children) {
      polls.push_back({child.result, POLLIN, 0});
      nearest = std::min(nearest, child.deadline);
    }
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(nearest - Clock::now()).count();
    poll(polls.data(), polls.size(), static_cast<int>(std::clamp<int64_t>(wait, 0, 1000000)));
    for (size_t i = children.size(); i-- > 0;) {
      const bool timedOut = Clock::now() >= children[i].deadline;
      if (!polls[i].revents && !timedOut) continue;
      early[children[i].job] = finish(children[i], timedOut && !polls[i].revents, options.timeoutSeconds);
      children.erase(children.begin() + static_cast<ptrdiff_t>(i));
    }
    for (; early.count(reported); ++reported) {
      done(reported, early[reported]);
      early.erase(reported);
    }
  }
}

} // namespace jinx::tools
