// The thread pool: every program runs once, on a thread that owns its scratch memory, whatever the numbers.
#include "runtime/executor/ThreadPool.h"

#include <atomic>
#include <mutex>

#include "tests/property/Property.h"

namespace jinx::test {
namespace {

struct Range {
  int thread;
  int64_t begin, end;
};

JINX_PROPERTY(ThreadPoolLaws, EveryProgramRunsOnce, 60) {
  ThreadPool pool({.threads = *rc::gen::inRange(1, 6), .spinMicroseconds = *rc::gen::element(0, 5, 200)});
  int jobs = *rc::gen::inRange(1, 40);
  for (int job = 0; job < jobs; ++job) {
    int64_t programs = *extents(0, 1000), granule = *extents(0, 70);
    std::vector<uint8_t> runs(static_cast<size_t>(programs), 0); // plain bytes: a program that runs on two threads is a race
    std::mutex mutex;
    std::vector<Range> ranges;
    pool.parallelFor(programs, granule, [&](int thread, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        ++runs[static_cast<size_t>(i)];
      std::lock_guard lock(mutex);
      ranges.push_back({thread, begin, end});
    });
    for (int64_t i = 0; i < programs; ++i)
      RC_ASSERT(runs[static_cast<size_t>(i)] == 1);
    for (const Range& range : ranges) {
      RC_ASSERT(range.thread >= 0 && range.thread < pool.numThreads());
      RC_ASSERT(range.begin < range.end);
      RC_ASSERT(range.begin % std::max<int64_t>(1, std::min(granule, programs)) == 0);
    }
    RC_ASSERT(static_cast<int64_t>(ranges.size()) <= pool.numThreads());
  }
}

JINX_PROPERTY(ThreadPoolLaws, NoMoreThreadsThanAllowed, 40) {
  ThreadPool pool({.threads = *rc::gen::inRange(1, 6), .spinMicroseconds = 5});
  int most = *rc::gen::inRange(1, 8);
  int64_t programs = *extents(0, 300);
  struct Context {
    std::atomic<int64_t> sum{0};
    std::atomic<int> calls{0};
  } context;
  pool.run(programs, 1, most,
           [](void* c, int, int64_t begin, int64_t end) {
             static_cast<Context*>(c)->calls.fetch_add(1);
             for (int64_t i = begin; i < end; ++i)
               static_cast<Context*>(c)->sum.fetch_add(i + 1);
           },
           &context);
  RC_ASSERT(context.sum.load() == programs * (programs + 1) / 2);
  RC_ASSERT(context.calls.load() <= most);
}

JINX_PROPERTY(ThreadPoolLaws, ScratchBelongsToOneThread, 40) {
  ThreadPool pool({.threads = *rc::gen::inRange(1, 5), .spinMicroseconds = 5});
  size_t largest = 0;
  for (int job = 0; job < 8; ++job) {
    size_t sizeBytes = static_cast<size_t>(*extents(1, 5000));
    expectOk(pool.reserveScratch(sizeBytes), "reserving");
    largest = std::max(largest, sizeBytes);
    RC_ASSERT(pool.scratchBytes() == largest);
    std::atomic<int> wrong{0};
    pool.parallelFor(*extents(0, 64), 1, [&](int thread, int64_t begin, int64_t end) {
      auto* scratch = static_cast<uint8_t*>(pool.scratch(thread)); // plain writes: shared scratch is a race
      if (reinterpret_cast<uintptr_t>(scratch) % 64) ++wrong;
      for (int64_t i = begin; i < end; ++i) {
        scratch[0] = static_cast<uint8_t>(i);
        scratch[sizeBytes - 1] = static_cast<uint8_t>(i);
        if (scratch[0] != static_cast<uint8_t>(i)) ++wrong;
      }
    });
    RC_ASSERT(wrong.load() == 0);
  }
}

JINX_PROPERTY(ThreadPoolLaws, CallersTakeTurns, 30) {
  ThreadPool pool({.threads = *rc::gen::inRange(1, 5), .spinMicroseconds = *rc::gen::element(0, 50)});
  int callers = *rc::gen::inRange(2, 5), rounds = *rc::gen::inRange(1, 20);
  int64_t programs = *extents(1, 100);
  std::vector<int64_t> shared(static_cast<size_t>(programs), 0); // plain: two jobs at once would race
  std::vector<std::thread> threads;
  for (int c = 0; c < callers; ++c)
    threads.emplace_back([&] {
      for (int r = 0; r < rounds; ++r)
        pool.parallelFor(programs, 1, [&](int, int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i)
            ++shared[static_cast<size_t>(i)];
        });
    });
  for (std::thread& thread : threads)
    thread.join();
  for (int64_t count : shared)
    RC_ASSERT(count == int64_t{callers} * rounds);
}

} // namespace
} // namespace jinx::test
