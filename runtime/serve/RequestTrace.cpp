#include "runtime/serve/RequestTrace.h"

#include <algorithm>

namespace jinx::serve {

RequestTrace::RequestTrace(Tracer& tracer, std::string request, std::string name, double begin_s, TraceContext context) : tracer_(tracer), context_(context) {
  whole_.name = std::move(name), whole_.request = std::move(request);
  whole_.begin_s = whole_.end_s = begin_s;
  whole_.context = context;
  whole_.isWhole = true;
}

RequestTrace::~RequestTrace() { tracer_.add(std::move(whole_)); }

void RequestTrace::add(const char* name, double begin_s, double end_s, int32_t choice, SpanValues values) {
  endAfter(end_s);
  tracer_.add({.name = name, .request = whole_.request, .choice = choice, .begin_s = begin_s, .end_s = end_s, .values = std::move(values), .context = context_});
}

void RequestTrace::set(std::string key, SpanValue value) {
  std::lock_guard lock(mutex_);
  whole_.values.emplace_back(std::move(key), std::move(value));
}

void RequestTrace::fail(std::string error) {
  std::lock_guard lock(mutex_);
  if (whole_.error.empty()) whole_.error = std::move(error);
}

void RequestTrace::endAfter(double end_s) {
  std::lock_guard lock(mutex_);
  whole_.end_s = std::max(whole_.end_s, end_s);
}

} // namespace jinx::serve
