// The thread that owns the engine: messages go in, events come out.
//
// Other threads call `submit` and `cancel`, which put a message into a list and never wait for a step. Between two steps the thread takes all messages, and
// after each step gives every event to the queue of its job. It waits for nobody: a queue that is full means that its job is cancelled.
//
// A job is what one HTTP request asks for: one request of the engine for each choice. It is taken as a whole or refused as a whole.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

#include "runtime/engine/Engine.h"
#include "runtime/serve/EventQueue.h"
#include "runtime/serve/Metrics.h"
#include "runtime/serve/RequestTrace.h"

namespace jinx::serve {

using JobId = uint64_t; ///< from 1

struct Job {
  std::vector<engine::RequestOptions> choices;
  std::shared_ptr<EventQueue> events;
  double arrived_s = 0; ///< by the steady clock: secondsNow
  std::shared_ptr<RequestTrace> trace = nullptr; ///< null: nobody traces it
};

/// By a clock that does not go back.
double secondsNow();

class EngineThread {
 public:
  struct Options {
    engine::EngineOptions engine;
    std::map<uint64_t, double> weights; ///< of tenants
  };
  /// Makes the engine and starts.
  ///
  /// \param stream, metrics  must outlive the thread; the stream is the engine's alone
  static Expected<std::unique_ptr<EngineThread>> start(Options options, engine::StepStream& stream, Metrics& metrics);
  /// Ends what runs, with events, and then the thread; what is submitted afterwards has no events.
  void end();
  ~EngineThread() { end(); }

  /// The job's events come to its queue; the last of each choice has a `finish`, or there is one event, a refusal.
  JobId submit(Job job);
  /// Ends a job, or one choice of it. \param why  what it is counted as. Does nothing where it has ended.
  void cancel(JobId job, Outcome why = Outcome::kCancelled);
  void cancelChoice(JobId job, uint32_t choice, Outcome why);
  /// Ends all jobs.
  void cancelAll();
  /// Jobs that were submitted and have not ended.
  size_t jobs() const;

 private:
  struct Submission {
    JobId id;
    Job job;
  };
  struct Cancellation {
    JobId job;          ///< 0: all
    int64_t choice;     ///< -1: all
    Outcome why;
  };
  using Message = std::variant<Submission, Cancellation>;
  struct OpenJob {
    Job job;
    std::vector<engine::RequestId> requests; ///< by choice; 0: has ended
    size_t open = 0;
  };
  struct OpenRequest {
    JobId job;
    uint32_t choice;
    Outcome whenCancelled = Outcome::kCancelled;
    int32_t prompt = 0, cached = 0, tokens = 0;
    uint32_t epoch = 0;
    double admitted_s = 0, first_s = 0, last_s = 0;
  };

  explicit EngineThread(Metrics& metrics) : metrics_(metrics) {}
  void put(Message message);
  void run();
  bool takeMessages(std::vector<Message>& messages);
  void open(Submission submission);
  void close(const Cancellation& cancellation);
  void closeChoice(OpenJob& job, size_t choice, Outcome why);
  void settled(const engine::SettledStep& step);
  void deliver(const engine::Output& output);
  void countEnd(const OpenRequest& request, const Job& job, engine::FinishReason finish);
  void trace(const OpenRequest& request, const char* name, double begin_s, double end_s, SpanValues values = {});
  void publishState();

  Metrics& metrics_;
  std::unique_ptr<engine::Engine> engine_; ///< the thread's alone, as all below it

  std::unordered_map<JobId, OpenJob> jobs_;
  std::unordered_map<engine::RequestId, OpenRequest> requests_;

  mutable std::mutex mutex_;
  std::condition_variable hasMessages_;
  std::vector<Message> messages_;
  JobId lastJob_ = 0;
  size_t openJobs_ = 0;
  bool ends_ = false;

  std::thread thread_;
};

} // namespace jinx::serve
