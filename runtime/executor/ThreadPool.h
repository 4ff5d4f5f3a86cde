// The threads that share one kernel's programs.
//
// A plan is hundreds of launches of a few to a few hundred microseconds each, so what a launch costs beside its work
// decides whether a second thread pays. Hence:
//   - Threads are made once. The caller is thread 0 and works too.
//   - Work is split statically: thread t of T gets the t-th of T equal runs of program indices (in units of the
//     granule). There is no queue; the split depends on nothing but the counts, results not even on it.
//   - A share that its worker has not begun when the caller is done with its own is run by the caller: a worker that sleeps deeply, or
//     whose CPU something else uses, costs no more than its help.
//   - A worker that has finished spins for some 200 µs, looking at a word of its own cache line, before it sleeps on it:
//     within a run the next launch comes sooner than that, and waking a sleeper costs as much. The caller waits for its
//     workers likewise.
//   - A worker keeps off the CPU that the caller runs on: the system wakes a sleeper on the CPU of whom it serves, where it would wait
//     behind its own caller. The caller moves a sleeper before it wakes it, a spinning worker moves by itself.
//   - No allocation: the function is passed as a pointer and a context, scratch memory is grown beforehand.
//
// Only workers that take part are touched, so a small launch on a large machine does not wake everyone.
#pragma once

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

#include "runtime/base/Status.h"
#include "runtime/memory/AlignedBuffer.h"

namespace jinx {

struct ThreadPoolOptions {
  int threads = 0; ///< including the caller; 0: as many as this process may use
  int spinMicroseconds = 200;
  bool pin = false; ///< thread t on the t-th CPU this process may use (workers only)
};

class ThreadPool {
 public:
  explicit ThreadPool(const ThreadPoolOptions& options = {});
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int numThreads() const { return static_cast<int>(workers_.size()) + 1; }

  /// Calls fn(thread, begin, end) on disjoint ranges that cover [0, programs), and returns when all are done. Ranges
  /// begin at multiples of `granule`. `fn` must not throw, nor call the pool again. Calls from several threads take
  /// turns.
  template <typename Fn>
  void parallelFor(int64_t programs, int64_t granule, Fn&& fn) {
    using F = std::remove_reference_t<Fn>;
    run(
        programs, granule, numThreads(),
        [](void* context, int thread, int64_t begin, int64_t end) { (*static_cast<F*>(context))(thread, begin, end); },
        const_cast<void*>(static_cast<const void*>(&fn)));
  }

  using RangeFn = void (*)(void* context, int thread, int64_t begin, int64_t end);
  /// The same with at most `maxThreads` threads; 1 runs on the caller.
  void run(int64_t programs, int64_t granule, int maxThreads, RangeFn fn, void* context);

  /// Makes every thread's scratch at least `sizeBytes` long. Not on the hot path.
  Status reserveScratch(size_t sizeBytes);
  /// A thread's own scratch, 64-byte aligned; for use inside `fn`.
  void* scratch(int thread) const { return scratch_[static_cast<size_t>(thread)]; }
  size_t scratchBytes() const { return scratchBytes_; }

 private:
  struct Job {
    RangeFn fn;
    void* context;
    int64_t programs;
    int64_t granule;
    int threads;
  };
  struct alignas(64) Worker {
    std::atomic<uint32_t> ticket{0};  ///< bumped by the caller for each job
    std::atomic<uint32_t> claimed{0}; ///< the last ticket whose share somebody has begun, the worker or the caller
    std::atomic<bool> asleep{false};  ///< or about to be
    std::atomic<int> keptOff{-1};     ///< the CPU that it may not run on
    std::thread thread;
  };

  void work(int thread);
  static bool claim(Worker& worker, uint32_t ticket);
  static void runShare(const Job& job, int share, int thread);
  uint32_t awaitChange(const std::atomic<uint32_t>& word, uint32_t seen, Worker* worker) const;
  void keepOff(Worker& worker, pthread_t thread, int cpu) const;

  const int spinMicroseconds_;
  const bool mayMove_; ///< workers are not pinned
  cpu_set_t allowed_;  ///< the CPUs that workers may use
  std::vector<std::unique_ptr<Worker>> workers_; ///< workers_[t - 1] is thread t
  std::mutex mutex_;                             ///< one job at a time; also guards scratch growth
  Job job_ = {};                                 ///< written before tickets are bumped, read by participants only
  std::atomic<bool> stop_{false};
  std::atomic<int> callerCpu_{-1};
  alignas(64) std::atomic<uint32_t> pending_{0}; ///< participants still at work
  std::vector<void*> scratch_;
  std::vector<AlignedBuffer> scratchBuffers_;
  size_t scratchBytes_ = 0;
};

} // namespace jinx
