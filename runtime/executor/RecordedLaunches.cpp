#include "runtime/executor/RecordedLaunches.h"

#include <algorithm>

namespace jinx {

Status launchStep(Device& device, Stream& stream, Binding& binding, const StepInfo& step, Trace* trace) {
  KernelLaunch& launch = binding.launches[static_cast<size_t>(step.staticLaunch)];
  launch.trace = trace;
  return launch.programs > 0 ? device.launch(launch, stream) : Status::ok();
}

size_t endOfLaunches(const Program& program, std::span<const uint32_t> steps, size_t at) {
  while (at < steps.size() && program.steps[steps[at]].staticLaunch >= 0)
    ++at;
  return at;
}

Recording& recordingOf(Binding& binding) {
  std::vector<Recording>& all = binding.recordings;
  const auto isIt = [&](const Recording& recording) {
    return std::ranges::equal(recording.callers, binding.callerPointers, [&](void* known, uint32_t now) { return known == binding.pointers[now]; });
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

Status replayLaunches(Device& device, Stream& stream, const Program& program, Binding& binding, Recording& recording, std::span<const uint32_t> steps,
                      size_t begin, size_t end) {
  std::unique_ptr<LaunchGraph>& graph = recording.graphs[static_cast<uint32_t>(begin)];
  if (!graph) {
    JINX_TRY(device.beginCapture(stream));
    Status status;
    for (size_t at = begin; at < end && status.isOk(); ++at) {
      const StepInfo& step = program.steps[steps[at]];
      status = launchStep(device, stream, binding, step, nullptr).withContext("step \"" + step.name() + "\"");
    }
    auto recorded = device.endCapture(stream);
    JINX_TRY(std::move(status));
    if (!recorded) return recorded.status();
    graph = std::move(*recorded);
  }
  return device.replay(*graph, stream);
}

} // namespace jinx
