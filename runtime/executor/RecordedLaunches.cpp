#include "runtime/executor/RecordedLaunches.h"

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

Status replayLaunches(Device& device, Stream& stream, const Program& program, Binding& binding, std::map<uint32_t, std::unique_ptr<LaunchGraph>>& graphs,
                      std::span<const uint32_t> steps, size_t begin, size_t end) {
  std::unique_ptr<LaunchGraph>& graph = graphs[static_cast<uint32_t>(begin)];
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
