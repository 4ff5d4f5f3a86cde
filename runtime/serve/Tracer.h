// Where did the time of a request go? Spans, which any thread adds and a thread of the tracer writes.
//
// The queue between is bounded: where it is full a span is dropped and counted, nobody waits.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/base/Status.h"
#include "runtime/serve/Metrics.h"
#include "runtime/serve/TraceContext.h"

namespace jinx::serve {

using SpanValue = std::variant<int64_t, double, std::string, std::vector<std::string>>;
using SpanValues = std::vector<std::pair<std::string, SpanValue>>;

struct Span {
  std::string name;                  ///< prepare, queue, prefill, decode, preempted, embed, flush; of a whole request what it asks for
  std::string request;               ///< its id, as the client has it
  int32_t choice = -1;               ///< -1: of all
  double begin_s = 0, end_s = 0;     ///< by the steady clock
  SpanValues values = {};
  TraceContext context = {};         ///< of the request
  bool isWhole = false;              ///< of the request: the parent of its others
  std::string error = {};            ///< why it failed; empty: it did not
};

/// Takes spans that were added together. Called by the tracer's thread, once more with none at the end.
using SpanWriter = std::function<void(const std::vector<Span>& spans, bool isLast)>;

class Tracer {
 public:
  static constexpr size_t kMostPending = 65536;

  /// \param metrics  counts what is dropped; must outlive the tracer
  Tracer(std::vector<SpanWriter> writers, Metrics& metrics);
  ~Tracer();

  void add(Span span);

 private:
  void run();

  const std::vector<SpanWriter> writers_;
  Metrics& metrics_;
  std::mutex mutex_;
  std::condition_variable hasSpans_;
  std::vector<Span> spans_;
  bool ends_ = false;
  std::thread thread_;
};

/// Writes Chrome's trace events (chrome://tracing, Perfetto): a row for each request, and one for each of its choices. kResource when the file cannot be made.
Expected<SpanWriter> chromeTraceWriter(const std::string& path);

} // namespace jinx::serve
