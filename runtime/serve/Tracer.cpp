#include "runtime/serve/Tracer.h"

#include <chrono>

namespace jinx::serve {

Tracer::Tracer(std::vector<SpanWriter> writers, Metrics& metrics) : writers_(std::move(writers)), metrics_(metrics), thread_([this] { run(); }) {}

Tracer::~Tracer() {
  {
    std::lock_guard lock(mutex_);
    ends_ = true;
  }
  hasSpans_.notify_one();
  thread_.join();
}

void Tracer::add(Span span) {
  std::lock_guard lock(mutex_);
  if (spans_.size() >= kMostPending) ++metrics_.spansDropped;
  else spans_.push_back(std::move(span));
}

/// A few times a second: who adds a span need not wake anybody.
void Tracer::run() {
  constexpr std::chrono::milliseconds kPeriod(200);
  std::vector<Span> spans;
  bool isLast = false;
  while (!isLast) {
    {
      std::unique_lock lock(mutex_);
      hasSpans_.wait_for(lock, kPeriod, [this] { return ends_; });
      isLast = ends_;
      spans.swap(spans_);
    }
    if (spans.empty() && !isLast) continue;
    for (const SpanWriter& writer : writers_)
      writer(spans, isLast);
    spans.clear();
  }
}

} // namespace jinx::serve
