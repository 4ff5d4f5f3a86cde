// The spans of one request, and the one that holds them all.
//
//   auto trace = std::make_shared<RequestTrace>(tracer, "cmpl-…", "text_completion smollm2", arrived_s, traceContextOf(header));
//   trace->add("queue", arrived_s, launched_s, choice);        // from the engine's thread, and others
//   trace->set("gen_ai.usage.input_tokens", int64_t{12});
//   the last one who holds it lets it go                       // the whole request, which ends with what of it ended last
#pragma once

#include <mutex>
#include <string>

#include "runtime/serve/Tracer.h"

namespace jinx::serve {

/// Safe to use from several threads.
class RequestTrace {
 public:
  /// \param tracer   must outlive it
  /// \param request  its id, as the client has it
  /// \param name     of the whole
  RequestTrace(Tracer& tracer, std::string request, std::string name, double begin_s, TraceContext context);
  /// Adds the span of the whole.
  ~RequestTrace();
  RequestTrace(const RequestTrace&) = delete;
  RequestTrace& operator=(const RequestTrace&) = delete;

  /// \param begin_s  not before the request's
  void add(const char* name, double begin_s, double end_s, int32_t choice = -1, SpanValues values = {});
  void set(std::string key, SpanValue value);
  /// The request has failed; the first reason stays.
  void fail(std::string error);
  /// It has not ended before that.
  void endAfter(double end_s);

 private:
  Tracer& tracer_;
  const TraceContext context_;
  std::mutex mutex_;
  Span whole_;
};

} // namespace jinx::serve
