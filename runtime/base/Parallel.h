// Independent pieces of work on a few threads of their own, for work that is done seldom: loading, compiling. What runs all the time has
// the executor's thread pool.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace jinx {

/// Calls `body` with 0 … count - 1, each once, in that order but several at a time: on at most `threads` threads, the caller's among them.
template <typename Body>
void inParallel(size_t threads, size_t count, const Body& body) {
  std::atomic<size_t> next{0};
  auto work = [&] {
    for (size_t i = next++; i < count; i = next++)
      body(i);
  };
  std::vector<std::thread> helpers;
  for (size_t t = 1; t < std::min(threads, count); ++t)
    helpers.emplace_back(work);
  work();
  for (std::thread& helper : helpers)
    helper.join();
}

} // namespace jinx
