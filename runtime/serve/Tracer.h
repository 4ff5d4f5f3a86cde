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
#include <vector>

#include "runtime/base/Status.h"

namespace jinx::serve {

struct Span {
  std::string name;                                     ///< accept, prepare, queue, prefill, decode, preempted, flush
  std::string request;                                  ///< its id, as the client has it
  double begin_s = 0, end_s = 0;                        ///< by the steady clock
  std::vector<std::pair<std::string, int64_t>> values;
};

/// Takes spans that were added together. Called by the tracer's thread, once more with none at the end.
using SpanWriter = std::function<void(const std::vector<Span>& spans, bool isLast)>;

class Tracer {
 public:
  static constexpr size_t kMostPending = 65536;

  explicit Tracer(std::vector<SpanWriter> writers);
  ~Tracer();

  void add(Span span);
  uint64_t dropped() const;

 private:
  void run();

  const std::vector<SpanWriter> writers_;
  mutable std::mutex mutex_;
  std::condition_variable hasSpans_;
  std::vector<Span> spans_;
  uint64_t dropped_ = 0;
  bool ends_ = false;
  std::thread thread_;
};

/// Writes Chrome's trace events (chrome://tracing, Perfetto): a row for each request. kResource when the file cannot be made.
Expected<SpanWriter> chromeTraceWriter(const std::string& path);

} // namespace jinx::serve
