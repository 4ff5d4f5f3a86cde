// The thread pool: every program runs exactly once, on disjoint ranges, whatever the counts.
#include "runtime/executor/ThreadPool.h"

#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <mutex>
#include <set>
#include <thread>

namespace jinx {
namespace {

TEST(ThreadPool, CoversEveryProgramOnce) {
  for (int threads : {1, 2, 3, 7}) {
    ThreadPool pool({.threads = threads});
    ASSERT_EQ(pool.numThreads(), threads);
    for (int64_t programs : {0, 1, 2, 3, 5, 64, 1000}) {
      for (int64_t granule : {0, 1, 3, 8, 5000}) {
        std::vector<std::atomic<int>> seen(static_cast<size_t>(programs));
        std::atomic<int> calls{0};
        pool.parallelFor(programs, granule, [&](int thread, int64_t begin, int64_t end) {
          EXPECT_LT(thread, threads);
          EXPECT_LT(begin, end);
          EXPECT_EQ(begin % std::max<int64_t>(granule, 1), 0);
          ++calls;
          for (int64_t i = begin; i < end; ++i)
            ++seen[static_cast<size_t>(i)];
        });
        for (auto& count : seen)
          EXPECT_EQ(count.load(), 1);
        EXPECT_LE(calls.load(), threads);
      }
    }
  }
}

TEST(ThreadPool, ManySmallJobsInARow) {
  ThreadPool pool({.threads = 3});
  std::vector<int64_t> sums(3, 0);
  for (int job = 0; job < 3000; ++job)
    pool.parallelFor(3, 1,
                     [&](int thread, int64_t begin, int64_t) { sums[static_cast<size_t>(thread)] += begin + job; });
  EXPECT_EQ(std::accumulate(sums.begin(), sums.end(), int64_t{0}), 3000 * 3 + 3 * (int64_t{3000} * 2999 / 2));
}

TEST(ThreadPool, WorkersSleepAndWake) {
  ThreadPool pool({.threads = 2, .spinMicroseconds = 0});
  std::atomic<int64_t> total{0};
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    pool.parallelFor(10, 1, [&](int, int64_t begin, int64_t end) { total += end - begin; });
  }
  EXPECT_EQ(total.load(), 200);
}

namespace {
template <typename Fn>
void runOn(ThreadPool& pool, int64_t programs, int maxThreads, Fn& fn) {
  auto call = [](void* context, int thread, int64_t b, int64_t e) { (*static_cast<Fn*>(context))(thread, b, e); };
  pool.run(programs, 1, maxThreads, call, &fn);
}
} // namespace

TEST(ThreadPool, LimitsThreads) {
  ThreadPool pool({.threads = 4});
  std::mutex mutex;
  std::set<int> threads;
  auto note = [&](int thread, int64_t, int64_t) {
    std::lock_guard lock(mutex);
    threads.insert(thread);
  };
  runOn(pool, 100, 1, note);
  EXPECT_EQ(threads, std::set<int>{0});
  std::atomic<int> begun{0};
  auto meet = [&](int thread, int64_t b, int64_t e) { // the shares wait for each other: the caller cannot do both
    note(thread, b, e);
    for (++begun; begun < 2;)
      std::this_thread::yield();
  };
  runOn(pool, 100, 2, meet);
  EXPECT_EQ(threads, (std::set<int>{0, 1}));
}

TEST(ThreadPool, TheCallerRunsSharesThatNobodyHasBegun) {
  ThreadPool pool({.threads = 2, .spinMicroseconds = 0});
  for (int round = 0; round < 2000; ++round) { // the worker wakes during, before or after the caller's own share
    std::atomic<int64_t> sum{0};
    auto add = [&](int, int64_t b, int64_t e) {
      for (int64_t i = b; i < e; ++i)
        sum += i;
    };
    runOn(pool, 7, 2, add);
    ASSERT_EQ(sum.load(), 21) << "round " << round;
  }
}

TEST(ThreadPool, SeveralCallersTakeTurns) {
  ThreadPool pool({.threads = 2});
  std::atomic<int64_t> total{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 3; ++c)
    callers.emplace_back([&] {
      for (int i = 0; i < 100; ++i)
        pool.parallelFor(16, 1, [&](int, int64_t b, int64_t e) { total += e - b; });
    });
  for (std::thread& t : callers)
    t.join();
  EXPECT_EQ(total.load(), 3 * 100 * 16);
}

TEST(ThreadPool, ScratchIsPrivateAndAligned) {
  ThreadPool pool({.threads = 2});
  ASSERT_TRUE(pool.reserveScratch(1000).isOk());
  EXPECT_NE(pool.scratch(0), pool.scratch(1));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(pool.scratch(1)) % 64, 0u);
  void* before = pool.scratch(0);
  ASSERT_TRUE(pool.reserveScratch(10).isOk());
  EXPECT_EQ(pool.scratch(0), before);
  EXPECT_EQ(pool.reserveScratch(size_t{1} << 60).code(), Code::kResource);
  EXPECT_EQ(pool.scratch(0), before) << "a failure leaves what was there";
}

TEST(ThreadPool, LaunchCost) {
  ThreadPool pool({.threads = 2});
  auto start = std::chrono::steady_clock::now();
  constexpr int kJobs = 2000;
  for (int i = 0; i < kJobs; ++i)
    pool.parallelFor(2, 1, [](int, int64_t, int64_t) {});
  double us = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count() / kJobs;
  std::printf("empty launch on 2 threads: %.2f us\n", us);
}

} // namespace
} // namespace jinx
