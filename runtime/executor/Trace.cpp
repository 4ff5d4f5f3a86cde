#include "runtime/executor/Trace.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>

#include "runtime/base/File.h"

namespace jinx {
namespace {

std::string quote(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
      out += escaped;
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string microseconds(int64_t ns) {
  char text[40];
  std::snprintf(text, sizeof text, "%lld.%03d", static_cast<long long>(ns / 1000), static_cast<int>(ns % 1000));
  return text;
}

} // namespace

int64_t Trace::now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::vector<TraceEvent> Trace::events() const {
  size_t count = std::min(next_.load(std::memory_order_acquire), events_.size());
  return {events_.begin(), events_.begin() + static_cast<ptrdiff_t>(count)};
}

int64_t Trace::dropped() const {
  size_t asked = next_.load(std::memory_order_acquire);
  return asked > events_.size() ? static_cast<int64_t>(asked - events_.size()) : 0;
}

std::string Trace::toJson(const std::vector<TraceStep>& steps) const {
  std::vector<TraceEvent> recorded = events();
  int64_t origin = INT64_MAX;
  std::map<int32_t, bool> threads;
  for (const TraceEvent& e : recorded) {
    origin = std::min(origin, e.startNs);
    threads[e.thread] = true;
  }
  std::string json = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n";
  bool first = true;
  auto line = [&](const std::string& text) {
    json += (first ? "" : ",\n") + text;
    first = false;
  };
  for (const auto& [thread, seen] : threads)
    line("{\"ph\":\"M\",\"pid\":1,\"tid\":" + std::to_string(thread) +
         ",\"name\":\"thread_name\",\"args\":{\"name\":\"thread " + std::to_string(thread) + "\"}}");
  for (const TraceEvent& e : recorded) {
    static const TraceStep kUnknown{"unknown step", "", "", {}};
    const TraceStep& step = e.step < steps.size() ? steps[e.step] : kUnknown;
    std::string nodes;
    for (const std::string& node : step.nodes)
      nodes += (nodes.empty() ? "" : ",") + quote(node);
    line("{\"ph\":\"X\",\"pid\":1,\"tid\":" + std::to_string(e.thread) + ",\"ts\":" + microseconds(e.startNs - origin) +
         ",\"dur\":" + microseconds(std::max<int64_t>(e.endNs - e.startNs, 0)) + ",\"name\":" + quote(step.name) +
         ",\"cat\":" + quote(step.kind) + ",\"args\":{\"step\":" + std::to_string(e.step) +
         ",\"kernel\":" + quote(step.kernel) + ",\"nodes\":[" + nodes + "]}}");
  }
  return json + "\n]}\n";
}

Status Trace::writeJson(const std::string& path, const std::vector<TraceStep>& steps) const {
  std::string json = toJson(steps);
  JINX_TRY_ASSIGN(AtomicFile file, AtomicFile::create(path), "writing trace");
  JINX_TRY(file.write(std::as_bytes(std::span(json))), "writing trace");
  return file.commit().withContext("writing trace");
}

std::vector<StepTiming> Trace::timings() const {
  struct Span {
    int64_t startNs = INT64_MAX, endNs = INT64_MIN;
  };
  std::map<uint32_t, std::map<uint32_t, Span>> executions; // of each step
  for (const TraceEvent& e : events()) {
    Span& span = executions[e.step][e.execution];
    span.startNs = std::min(span.startNs, e.startNs);
    span.endNs = std::max(span.endNs, e.endNs);
  }
  std::vector<StepTiming> timings;
  for (const auto& [step, spans] : executions) {
    StepTiming timing{step, 0, 0, 0, 0};
    for (const auto& [execution, span] : spans) {
      double ms = static_cast<double>(span.endNs - span.startNs) / 1e6;
      timing.minMs = timing.count == 0 ? ms : std::min(timing.minMs, ms);
      timing.maxMs = std::max(timing.maxMs, ms);
      timing.totalMs += ms;
      ++timing.count;
    }
    timings.push_back(timing);
  }
  return timings;
}

} // namespace jinx
