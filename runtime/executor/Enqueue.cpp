// Runs that stay on the device: inputs, outputs and everything between lie in its memory, and the host only enqueues.
// What a program needs that has the device's memory and streams in its own hands: one that records runs in a graph, or
// times them between two events.
#include "runtime/executor/Executor.h"
#include "runtime/executor/RecordedLaunches.h"

namespace jinx {
namespace {

std::string quoted(const std::string& name) { return "\"" + name + "\""; }

} // namespace

/// Only launches and copies whose operands have addresses; inputs and outputs too.
Status Session::checkEnqueueable() const {
  const auto& values = program_->values;
  auto refuse = [](const std::string& what, const std::string& why) {
    return unimplemented(what + " " + why + ": this plan runs, and cannot be enqueued");
  };
  for (uint32_t i : plan().inputs())
    if (!values[i].placed) return refuse("input " + quoted(values[i].name()), "is read on the host");
  for (uint32_t i : plan().outputs())
    if (!values[i].placed)
      return refuse("output " + quoted(values[i].name()), "is made on the host, or its size while running");
  for (uint32_t s : program_->blocks[0].steps) {
    const StepInfo& step = program_->steps[s];
    if (step.readsCounts()) return refuse("step " + quoted(step.name()), "has counts that the host must read");
    if (step.staticLaunch >= 0 || step.collective >= 0) continue;
    const bool launch = step.source->what_case() == plan::Step::kLaunch;
    if (!launch && step.source->what_case() != plan::Step::kCopy)
      return refuse("step " + quoted(step.name()), "runs on the host");
    if (launch || !values[step.inputs[0]].placed || !values[step.outputs[0]].placed)
      return refuse("step " + quoted(step.name()), "has sizes that are known only while running");
  }
  return Status::ok();
}

/// A launch, a collective or a copy.
Status Session::enqueueStep(Binding& binding, const StepInfo& step, Stream& stream, Trace* trace) {
  const LaunchContext context{*device_, *program_, *collectives_, bases_};
  if (step.staticLaunch >= 0) return launchStep(context, stream, binding, step, trace);
  if (step.collective >= 0) return enqueueCollective(context, stream, binding, step);
  const Placement &from = binding.placements[step.inputs[0]], &to = binding.placements[step.outputs[0]];
  if (from.sizeBytes != to.sizeBytes)
    return invalidArgument("copies " + std::to_string(from.sizeBytes) + " bytes into " + std::to_string(to.sizeBytes));
  return device_->copyOnDevice(addressOf(to, bases_), addressOf(from, bases_), static_cast<size_t>(from.sizeBytes),
                               stream);
}

Status Session::enqueueSteps(Binding& binding, Stream& stream, Trace* trace) {
  auto copy = [&](const Placement& from, void* to) {
    return device_->copyOnDevice(to, addressOf(from, bases_), static_cast<size_t>(from.sizeBytes), stream);
  };
  // Making a recording takes as long as some runs: it pays where these addresses come again.
  constexpr int64_t kRunsBefore = 2;
  const bool mayRecord = options_.recordsRuns && !trace && device_->has(capability::kGraphs);
  Recording* recording = mayRecord ? &recordingOf(binding) : nullptr;
  const bool replays = recording && recording->runs++ >= kRunsBefore;
  const std::vector<uint32_t>& steps = program_->blocks[0].steps;
  const bool withCollectives = collectives_->canBeRecorded();
  for (size_t at = 0; at < steps.size(); ++at) {
    if (const size_t end = replays ? endOfLaunches(*program_, withCollectives, steps, at) : at; end > at) {
      JINX_TRY(
          replayLaunches({*device_, *program_, *collectives_, bases_}, stream, binding, *recording, steps, at, end));
      at = end - 1;
      continue;
    }
    const StepInfo& step = program_->steps[steps[at]];
    JINX_TRY(enqueueStep(binding, step, stream, trace), "step " + quoted(step.name()));
  }
  for (size_t k = 0; k < outputAddresses_.size(); ++k) { // outputs that are other values, or parts of them
    uint32_t index = plan().outputs(static_cast<int>(k));
    const Placement& at = binding.placements[index];
    const bool inPlace = at.base == Placement::Base::kOutput && program_->values[index].root == index;
    if (!inPlace) JINX_TRY(copy(at, outputAddresses_[k]), "output " + quoted(outputPorts_[k].name));
  }
  return Status::ok();
}

Status Session::enqueueLocked(std::span<const Value> inputs, std::span<Value> outputs, Stream& stream, Trace* trace) {
  JINX_TRY(checkEnqueueable());
  for (size_t k = 0; k < std::min(outputs.size(), outputPorts_.size()); ++k) {
    const Tensor* t = tensorOrNull(outputs[k]);
    if (!t || !t->valid())
      return invalidArgument("output " + quoted(outputPorts_[k].name) + " has no memory on the device");
  }
  JINX_TRY_ASSIGN(Binding * binding, bind(inputs, outputs, /*onDevice=*/true));
  JINX_TRY(collectives_->agree(*binding));
  return enqueueSteps(*binding, stream, trace);
}

Status Session::enqueue(std::span<const Value> inputs, std::span<Value> outputs, Stream& stream, Trace* trace) {
  std::lock_guard lock(mutex_);
  Status status;
  try {
    status = enqueueLocked(inputs, outputs, stream, trace);
  } catch (const std::bad_alloc&) {
    status = resourceError("out of memory while enqueuing the plan");
  } catch (const std::exception& error) {
    status = resourceError(std::string("while enqueuing the plan: ") + error.what());
  }
  if (!status.isOk()) collectives_->abort(status); // other ranks would wait for this one
  return status;
}

Status Session::status() const { return collectives_->status(); }

} // namespace jinx
