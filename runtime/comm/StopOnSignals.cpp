#include "runtime/comm/StopOnSignals.h"

#include <signal.h>

namespace jinx::comm {
namespace {

// A handler can reach nothing but what is global.
std::atomic<int> stopped{0};
static_assert(std::atomic<int>::is_always_lock_free);

void stop(int signal) {
  int none = 0;
  stopped.compare_exchange_strong(none, signal);
}

} // namespace

const std::atomic<int>& stopOnSignals() {
  struct sigaction action = {};
  action.sa_handler = stop;
  sigemptyset(&action.sa_mask);
  for (int signal : {SIGTERM, SIGINT})
    sigaction(signal, &action, nullptr);
  return stopped;
}

} // namespace jinx::comm
