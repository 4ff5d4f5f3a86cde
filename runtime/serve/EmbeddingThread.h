// The thread that owns the encoder: requests for vectors wait here, and take turns.
//
// A turn is a few thousand tokens of one request. Then the tenant has its turn that has had the fewest tokens for its weight, and of that tenant the request that
// has waited longest: a request with thousands of texts holds up nobody for longer than a turn. One whose client has gone ends before its next turn.
//
//   auto job = std::make_shared<EmbeddingJob>(request, tenant, secondsNow(), wake);
//   if (auto refusal = thread.submit(job)) return replyOf(*refusal);
//   … until job->isDone(): job->reply
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "runtime/serve/Auth.h"
#include "runtime/serve/EmbeddingApi.h"
#include "runtime/serve/Http.h"
#include "runtime/serve/Metrics.h"
#include "runtime/serve/RequestTrace.h"

namespace jinx::serve {

class EmbeddingJob {
 public:
  EmbeddingJob(EmbeddingRequest request, TenantId tenant, double arrived_s) : request_(std::move(request)), tenant_(tenant), arrived_s_(arrived_s) {}

  /// Called once by the encoder's thread when the job is done; must not block. Set before the job is submitted.
  std::function<void()> notify;
  bool isDone() const { return isDone_.load(std::memory_order_acquire); }
  HttpReply reply; ///< once it is done
  const EmbeddingRequest& request() const { return request_; } ///< before it is submitted
  std::shared_ptr<RequestTrace> trace; ///< set before it is submitted; null: nobody traces it

 private:
  friend class EmbeddingThread;
  EmbeddingRequest request_;
  const TenantId tenant_;
  const double arrived_s_;
  double begun_s_ = 0;
  int64_t cost_ = 0;                       ///< numbers that it holds at most
  std::vector<size_t> order_;              ///< longest texts first: texts of a turn are about as long
  size_t next_ = 0;                        ///< in the order
  std::vector<std::vector<float>> vectors_;
  std::optional<EmbeddingOutcome> ending_; ///< it is to end, and why; under the thread's mutex
  std::atomic<bool> isDone_ = false;
};

/// Safe to use from several threads.
class EmbeddingThread {
 public:
  struct Options {
    int32_t maxWaiting = 1024;              ///< requests that have not ended
    int32_t maxWaitingOfTenant = 1024;
    int64_t maxWaitingNumbers = 64 << 20;   ///< tokens and elements of vectors of those; one alone is always taken
    size_t tokensOfTurn = 4096;             ///< or one text
    std::map<TenantId, double> weights = {};
  };
  /// \param encoder, metrics  must outlive the thread
  EmbeddingThread(Options options, const ServedEncoder& encoder, Metrics& metrics);
  ~EmbeddingThread() { end(); }

  /// \returns 429 where too many wait: the job is then not taken
  std::optional<ApiError> submit(const std::shared_ptr<EmbeddingJob>& job);
  /// Ends it without a reply. Does nothing where it is done.
  void cancel(EmbeddingJob& job, EmbeddingOutcome why);
  /// Ends all that wait or run, with 503.
  void cancelAll();
  /// Does that, and ends the thread; what is submitted afterwards is never done.
  void end();

 private:
  using JobPointer = std::shared_ptr<EmbeddingJob>;
  struct Tenant {
    std::deque<JobPointer> jobs;
    double served = 0; ///< tokens for its weight
    int32_t open = 0;
  };

  void run();
  JobPointer take();
  Tenant* nextTenant();
  void runTurn(const JobPointer& job);
  Status runTexts(EmbeddingJob& job, size_t end);
  size_t endOfTurn(const EmbeddingJob& job, size_t& tokens) const;
  void finish(EmbeddingJob& job, HttpReply reply, EmbeddingOutcome outcome);
  void countDone(const EmbeddingJob& job, EmbeddingOutcome outcome);

  const Options options_;
  const ServedEncoder& encoder_;
  Metrics& metrics_;

  std::mutex mutex_;
  std::condition_variable hasJobs_;
  std::map<TenantId, Tenant> tenants_;
  JobPointer running_;
  int32_t open_ = 0;
  int64_t numbers_ = 0; ///< of open jobs
  bool ends_ = false;

  std::thread thread_;
};

} // namespace jinx::serve
