#include "tools/common/StepTimer.h"

#include <algorithm>

namespace jinx::tools {

StepTimer::StepTimer(Session& session, int threads, Once once)
    : session_(session), once_(std::move(once)),
      trace_(std::clamp<size_t>(session.steps().size() * static_cast<size_t>(std::max(threads, kRuns)), 1 << 10, 1 << 22)) {}

Expected<std::unique_ptr<StepTimer>> StepTimer::make(Session& session, std::span<const Value> inputs, std::span<const Value> outputs, int threads,
                                                     Once once) {
  std::unique_ptr<StepTimer> timer(new StepTimer(session, threads, std::move(once)));
  const Device& device = session.device();
  if (device.has(capability::kHostMemory) || !device.has(capability::kTiming)) return timer;
  Status status = timer->tryToEnqueue(inputs, outputs);
  if (!status.isOk() && status.code() != Code::kUnimplemented) return status;
  timer->isEnqueued_ = status.isOk();
  return timer;
}

Status StepTimer::tryToEnqueue(std::span<const Value> inputs, std::span<const Value> outputs) {
  JINX_TRY_ASSIGN(stream_, session_.device().createStream());
  for (const Value& value : inputs) {
    JINX_TRY_ASSIGN(Value placed, onDevice(value, true));
    inputs_.push_back(std::move(placed));
  }
  for (const Value& value : outputs) {
    JINX_TRY_ASSIGN(Value placed, onDevice(value, false));
    outputs_.push_back(std::move(placed));
  }
  JINX_TRY(session_.enqueue(inputs_, outputs_, *stream_));
  return stream_->synchronize();
}

Expected<Value> StepTimer::onDevice(const Value& value, bool isInput) {
  const Tensor* tensor = tensorOrNull(value);
  if (!tensor || !tensor->valid() || tensor->dtype() == DType::kString) return unimplemented("a value that is no tensor of numbers");
  Device& device = session_.device();
  const auto bytes = static_cast<size_t>(tensor->sizeBytes());
  JINX_TRY_ASSIGN(void* data, device.allocate(bytes));
  std::shared_ptr<void> owner(data, [&device, bytes](void* block) { device.release(block, bytes); });
  if (isInput) {
    JINX_TRY(device.copyToDevice(data, tensor->data(), bytes, *stream_));
    JINX_TRY(stream_->synchronize());
  }
  return Value(Tensor::wrap(tensor->dtype(), tensor->shape(), data, std::move(owner)));
}

Status StepTimer::run() {
  trace_.clear();
  if (!isEnqueued_) return once_(&trace_);
  for (int i = 0; i < kRuns; ++i)
    JINX_TRY(session_.enqueue(inputs_, outputs_, *stream_, &trace_));
  return stream_->synchronize();
}

} // namespace jinx::tools
