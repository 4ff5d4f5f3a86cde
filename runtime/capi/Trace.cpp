// Traces: recording what ran when.
#include "runtime/capi/Handles.h"

using namespace jinx;
using namespace jinx::capi;

jinx_status* jinx_trace_create(const jinx_session* session, size_t max_events, jinx_trace** trace) {
  return guarded([&]() -> Status {
    JINX_EXPECT_ARGUMENT(session);
    JINX_EXPECT_ARGUMENT(trace);
    constexpr size_t kMaxEvents = size_t{1} << 32;
    if (max_events > kMaxEvents)
      return invalidArgument("max_events is " + std::to_string(max_events) + ", expected at most " +
                             std::to_string(kMaxEvents));
    *trace = new jinx_trace{
        session->state, Trace(max_events ? max_events : size_t{1} << 16), session->state->session->steps(), {}};
    return Status::ok();
  });
}

void jinx_trace_destroy(jinx_trace* trace) { delete trace; }

void jinx_trace_clear(jinx_trace* trace) {
  if (!trace) return;
  trace->trace.clear();
  trace->timings.clear();
}

int64_t jinx_trace_dropped(const jinx_trace* trace) { return trace ? trace->trace.dropped() : 0; }

size_t jinx_trace_num_timings(jinx_trace* trace) {
  if (!trace) return 0;
  try {
    trace->timings = trace->trace.timings();
  } catch (...) { // no memory for them
    trace->timings.clear();
  }
  return trace->timings.size();
}

jinx_status* jinx_trace_timing(const jinx_trace* trace, size_t index, jinx_step_timing* timing) {
  return guarded([&]() -> Status {
    JINX_EXPECT_ARGUMENT(trace);
    JINX_EXPECT_ARGUMENT(timing);
    if (index >= trace->timings.size()) return outOfRange("step timing", index, trace->timings.size());
    const StepTiming& t = trace->timings[index];
    const TraceStep& step = trace->steps[t.step];
    return fillStruct(
        {0, step.name.c_str(), step.kind.c_str(), step.kernel.c_str(), t.count, t.totalMs, t.minMs, t.maxMs}, timing);
  });
}

jinx_status* jinx_trace_write(const jinx_trace* trace, const char* path) {
  return guarded([&]() -> Status {
    JINX_EXPECT_ARGUMENT(trace);
    JINX_EXPECT_ARGUMENT(path);
    return trace->trace.writeJson(path, trace->steps);
  });
}
