#include "runtime/executor/ThreadPool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <chrono>

namespace jinx {
namespace {

inline void pauseCpu() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// The CPUs this process may run on.
std::vector<int> allowedCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
      if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  return cpus;
}

void pinThread(std::thread& thread, int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  pthread_setaffinity_np(thread.native_handle(), sizeof set, &set); // a hint: failing to pin is no failure
}

} // namespace

ThreadPool::ThreadPool(const ThreadPoolOptions& options)
    : spinMicroseconds_(options.spinMicroseconds), mayMove_(!options.pin) {
  CPU_ZERO(&allowed_);
  sched_getaffinity(0, sizeof allowed_, &allowed_); // on failure it stays empty, and workers where they are
  std::vector<int> cpus = allowedCpus();
  int count = options.threads > 0 ? options.threads : std::max<int>(1, static_cast<int>(cpus.size()));
  scratch_.resize(static_cast<size_t>(count), nullptr);
  scratchBuffers_.resize(static_cast<size_t>(count));
  for (int t = 1; t < count; ++t)
    workers_.push_back(std::make_unique<Worker>());
  for (int t = 1; t < count; ++t) {
    Worker& worker = *workers_[static_cast<size_t>(t - 1)];
    worker.thread = std::thread([this, t] { work(t); });
    if (options.pin && !cpus.empty()) pinThread(worker.thread, cpus[static_cast<size_t>(t) % cpus.size()]);
  }
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_relaxed);
  for (auto& worker : workers_) {
    worker->ticket.fetch_add(1, std::memory_order_release);
    worker->ticket.notify_one();
  }
  for (auto& worker : workers_)
    worker->thread.join();
}

/// Two threads that wait for each other on one CPU take turns by the scheduler's clock, for milliseconds, while the next CPU idles.
void ThreadPool::keepOff(Worker& worker, pthread_t thread, int cpu) const {
  if (!mayMove_ || cpu < 0 || worker.keptOff.load(std::memory_order_relaxed) == cpu) return;
  cpu_set_t others = allowed_;
  CPU_CLR(cpu, &others);
  worker.keptOff.store(cpu, std::memory_order_relaxed);
  if (CPU_COUNT(&others) > 0) pthread_setaffinity_np(thread, sizeof others, &others); // a hint
}

/// Waits until `word` differs from `seen`: spins, then sleeps. Returns the new value.
uint32_t ThreadPool::awaitChange(const std::atomic<uint32_t>& word, uint32_t seen, Worker* worker) const {
  uint32_t now = word.load(std::memory_order_acquire);
  if (now != seen) return now;
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::microseconds(spinMicroseconds_);
  do {
    for (int i = 0; i < 64; ++i) {
      now = word.load(std::memory_order_acquire);
      if (now != seen) return now;
      pauseCpu();
    }
    if (int cpu = callerCpu_.load(std::memory_order_relaxed); worker && sched_getcpu() == cpu) keepOff(*worker, pthread_self(), cpu);
  } while (Clock::now() < deadline);
  if (worker) worker->asleep.store(true, std::memory_order_relaxed);
  while ((now = word.load(std::memory_order_acquire)) == seen)
    word.wait(seen, std::memory_order_acquire);
  if (worker) worker->asleep.store(false, std::memory_order_relaxed);
  return now;
}

void ThreadPool::work(int thread) {
  Worker& self = *workers_[static_cast<size_t>(thread - 1)];
  uint32_t seen = 0;
  while (true) {
    seen = awaitChange(self.ticket, seen, &self);
    if (stop_.load(std::memory_order_relaxed)) return;
    if (!claim(self, seen)) continue; // came too late: the caller did it
    runShare(job_, thread, thread);
    if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1) pending_.notify_one();
  }
}

bool ThreadPool::claim(Worker& worker, uint32_t ticket) {
  uint32_t last = ticket - 1;
  return worker.claimed.compare_exchange_strong(last, ticket, std::memory_order_acq_rel);
}

void ThreadPool::runShare(const Job& job, int share, int thread) {
  int64_t units = (job.programs + job.granule - 1) / job.granule;
  int64_t base = units / job.threads, extra = units % job.threads; // the first `extra` shares get one more
  int64_t first = share * base + std::min<int64_t>(share, extra);
  int64_t last = first + base + (share < extra ? 1 : 0);
  int64_t begin = first * job.granule, end = std::min(last * job.granule, job.programs);
  if (begin < end) job.fn(job.context, thread, begin, end);
}

void ThreadPool::run(int64_t programs, int64_t granule, int maxThreads, RangeFn fn, void* context) {
  if (programs <= 0) return;
  granule = std::clamp<int64_t>(granule, 1, programs);
  int64_t units = (programs + granule - 1) / granule;
  int threads = static_cast<int>(std::min<int64_t>({units, maxThreads, numThreads()}));
  std::lock_guard lock(mutex_);
  if (threads <= 1) {
    fn(context, 0, 0, programs);
    return;
  }
  job_ = {fn, context, programs, granule, threads};
  const int cpu = sched_getcpu();
  callerCpu_.store(cpu, std::memory_order_relaxed);
  pending_.store(static_cast<uint32_t>(threads - 1), std::memory_order_relaxed);
  for (int t = 1; t < threads; ++t) {
    Worker& worker = *workers_[static_cast<size_t>(t - 1)];
    if (worker.asleep.load(std::memory_order_relaxed)) keepOff(worker, worker.thread.native_handle(), cpu);
    worker.ticket.fetch_add(1, std::memory_order_release);
    worker.ticket.notify_one();
  }
  runShare(job_, 0, 0);
  for (int t = 1; t < threads; ++t) { // shares that nobody has begun
    Worker& worker = *workers_[static_cast<size_t>(t - 1)];
    if (!claim(worker, worker.ticket.load(std::memory_order_relaxed))) continue;
    runShare(job_, t, 0);
    pending_.fetch_sub(1, std::memory_order_relaxed);
  }
  for (uint32_t left = pending_.load(std::memory_order_acquire); left != 0;)
    left = awaitChange(pending_, left, nullptr);
}

Status ThreadPool::reserveScratch(size_t sizeBytes) {
  std::lock_guard lock(mutex_);
  if (sizeBytes <= scratchBytes_) return Status::ok();
  std::vector<AlignedBuffer> grown;
  for (size_t t = 0; t < scratch_.size(); ++t) {
    JINX_TRY_ASSIGN(AlignedBuffer buffer, AlignedBuffer::allocate(sizeBytes), "scratch memory of a thread");
    grown.push_back(std::move(buffer));
  }
  scratchBuffers_ = std::move(grown);
  for (size_t t = 0; t < scratch_.size(); ++t)
    scratch_[t] = scratchBuffers_[t].data();
  scratchBytes_ = sizeBytes;
  return Status::ok();
}

} // namespace jinx
