// Gives spans to a collector of OpenTelemetry: POST URL/v1/traces, in JSON, by HTTP without TLS.
//
// A thread of its own sends batches. The queue before it is bounded: where it is full spans are dropped. A batch that the collector does not take for now (it cannot be
// reached, 429, 502, 503, 504) is tried again after pauses that grow; after some attempts, or another answer, it is dropped. All of it is counted; nobody waits.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "runtime/serve/Tracer.h"

namespace jinx::serve {

struct CollectorUrl {
  std::string host, port, path; ///< the path with /v1/traces
};
/// http://HOST[:PORT][/PATH], the port 4318 where there is none; kInvalidArgument for anything else.
Expected<CollectorUrl> parseCollectorUrl(std::string_view url);

struct OtlpOptions {
  size_t mostPending = 8192; ///< spans, beside a batch on its way
  size_t mostOfBatch = 512;
  int attempts = 5;
  double firstPause_s = 0.5; ///< then twice as long each time
  double timeout_s = 5;      ///< of an attempt
  double end_s = 3;          ///< for what is left when it ends
};

class OtlpExporter {
 public:
  /// \param metrics  must outlive it
  OtlpExporter(CollectorUrl url, Metrics& metrics, OtlpOptions options = {});
  ~OtlpExporter() { end(); }

  /// What a traced client asked not to be traced for, and writes of parts of answers (flush), are left out.
  void add(const std::vector<Span>& spans);
  /// Sends what is left, for `end_s` at most. Does nothing the second time.
  void end();

 private:
  enum class Outcome { kTaken, kLater, kNever };
  struct Attempt {
    Outcome outcome = Outcome::kLater;
    double retryAfter_s = 0;
    uint64_t rejected = 0;
  };
  void run();
  bool takeBatch(std::vector<Span>& batch);
  void send(const std::vector<Span>& batch);
  Attempt post(const std::string& body);
  bool pause(double seconds);
  bool isOver();

  const CollectorUrl url_;
  const OtlpOptions options_;
  const int64_t epoch_ns_;
  Metrics& metrics_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Span> pending_;
  bool ends_ = false;
  double endsAt_s_ = 0;
  std::thread thread_;
};

/// kInvalidArgument for a URL that is none. \param metrics  must outlive the writer
Expected<SpanWriter> otlpWriter(std::string_view url, Metrics& metrics);

} // namespace jinx::serve
