#include "runtime/executor/RecordedLaunches.h"

#include <algorithm>

namespace jinx {

Status launchStep(const LaunchContext& context, Stream& stream, Binding& binding, const StepInfo& step, Trace* trace) {
  KernelLaunch& launch = binding.launches[static_cast<size_t>(step.staticLaunch)];
  launch.trace = trace;
  if (launch.programs == 0) return Status::ok();
  if (context.collectives.isFused(step.sumOf, binding))
    return context.collectives.launch(step, binding, launch, context.bases, stream);
  return context.device.launch(launch, stream);
}

size_t endOfLaunches(const Program& program, bool withCollectives, std::span<const uint32_t> steps, size_t at) {
  std::vector<size_t> started; // where those are that have not ended
  for (; at < steps.size(); ++at) {
    const StepInfo& step = program.steps[steps[at]];
    if (step.staticLaunch >= 0) continue;
    if (step.collective < 0 || !withCollectives || step.readsCounts()) break;
    if (step.source->has_collective() && step.source->collective().starts()) started.push_back(at);
    if (!step.source->has_wait()) continue;
    const auto its =
        std::ranges::find_if(started, [&](size_t s) { return program.steps[steps[s]].collective == step.collective; });
    if (its == started.end()) break; // its start is not in this run
    started.erase(its);
  }
  return started.empty() ? at : started.front();
}

Recording& recordingOf(Binding& binding) {
  std::vector<Recording>& all = binding.recordings;
  const auto isIt = [&](const Recording& recording) {
    return std::ranges::equal(recording.callers, binding.callerPointers,
                              [&](void* known, uint32_t now) { return known == binding.pointers[now]; });
  };
  const auto found = std::ranges::find_if(all, isIt);
  if (found != all.end()) {
    std::rotate(found, found + 1, all.end());
    return all.back();
  }
  if (all.size() >= kRecordings) all.erase(all.begin());
  Recording& recording = all.emplace_back();
  for (uint32_t i : binding.callerPointers)
    recording.callers.push_back(binding.pointers[i]);
  return recording;
}

Status enqueueCollective(const LaunchContext& context, Stream& stream, const Binding& binding, const StepInfo& step) {
  if (step.source->has_wait()) return context.collectives.wait(step, binding, context.bases, stream);
  return context.collectives.run(step, binding, context.bases, stream);
}

static Status enqueueAll(const LaunchContext& context, Stream& stream, Binding& binding,
                         std::span<const uint32_t> steps) {
  for (uint32_t s : steps) {
    const StepInfo& step = context.program.steps[s];
    Status status = step.collective >= 0 ? enqueueCollective(context, stream, binding, step)
                                         : launchStep(context, stream, binding, step, nullptr);
    JINX_TRY(std::move(status), "step \"" + step.name() + "\"");
  }
  return Status::ok();
}

static Expected<std::unique_ptr<LaunchGraph>> record(const LaunchContext& context, Stream& stream, Binding& binding,
                                                     std::span<const uint32_t> steps) {
  const bool withCollectives = context.collectives.canBeRecorded();
  JINX_TRY(context.device.beginCapture(stream));
  if (withCollectives) context.collectives.beginRecording();
  Status status = enqueueAll(context, stream, binding, steps);
  if (withCollectives) context.collectives.endRecording();
  auto recorded = context.device.endCapture(stream);
  JINX_TRY(std::move(status));
  return recorded;
}

Status replayLaunches(const LaunchContext& context, Stream& stream, Binding& binding, Recording& recording,
                      std::span<const uint32_t> steps, size_t begin, size_t end) {
  std::unique_ptr<LaunchGraph>& graph = recording.graphs[static_cast<uint32_t>(begin)];
  const std::span<const uint32_t> run = steps.subspan(begin, end - begin);
  if (!graph) {
    JINX_TRY_ASSIGN(graph, record(context, stream, binding, run));
  }
  if (!context.collectives.canBeRecorded()) return context.device.replay(*graph, stream);
  JINX_TRY(context.collectives.replaying(stream));
  JINX_TRY(context.device.replay(*graph, stream));
  return context.collectives.replayed(run, binding, stream);
}

} // namespace jinx
