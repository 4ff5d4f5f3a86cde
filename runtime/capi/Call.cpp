// Calls: inputs and outputs by position, and the run.
#include <map>

#include "runtime/capi/Handles.h"

using namespace jinx;
using namespace jinx::capi;

namespace {

/// The most extents a shape may have, and bytes a tensor: beyond are surely faults of the caller, and sums stay in
/// range.
constexpr int32_t kMaxRank = 64;
constexpr int64_t kMaxElements = int64_t{1} << 56;

Expected<Shape> readShape(const int64_t* shape, int32_t rank) {
  if (rank < 0 || rank > kMaxRank)
    return invalidArgument("rank is " + std::to_string(rank) + ", expected 0 to " + std::to_string(kMaxRank));
  if (rank > 0 && !shape) return nullArgument("shape");
  Shape extents(shape, shape + rank);
  int64_t elements = 1;
  for (int64_t d : extents) {
    if (d < 0) return invalidArgument("shape " + toString(extents) + " has a negative extent");
    if (__builtin_mul_overflow(elements, d, &elements) || elements > kMaxElements)
      return invalidArgument("shape " + toString(extents) + " has more elements than memory can hold");
  }
  return extents;
}

Expected<DType> readType(const jinx_dtype& dtype) {
  int number = numberOf(dtype);
  if (number <= 0 || number >= kNumDTypes)
    return invalidArgument("dtype is " + std::to_string(number) + ", which is no element type");
  if (dtype == JINX_STRING) return invalidArgument("strings have functions of their own: jinx_call_set_input_strings");
  return static_cast<DType>(number);
}

Status checkIndex(const char* what, size_t index, size_t count) {
  return index < count ? Status::ok() : outOfRange(what, index, count);
}

std::string context(const char* what, const PortArrays& port) { return std::string(what) + " \"" + port.name + "\""; }

Expected<Tensor> wrapMemory(const jinx_dtype& dtype, const int64_t* shape, int32_t rank, const void* data) {
  JINX_TRY_ASSIGN(DType type, readType(dtype));
  JINX_TRY_ASSIGN(Shape extents, readShape(shape, rank));
  return Tensor::wrap(type, std::move(extents), const_cast<void*>(data)); // inputs are only read
}

/// Symbols that the inputs bind: the first extent that is exactly the symbol decides.
std::map<std::string, int64_t, std::less<>> boundSymbols(const jinx_call& call) {
  std::map<std::string, int64_t, std::less<>> symbols;
  for (size_t k = 0; k < call.inputs.size(); ++k) {
    const Tensor* given = tensorOrNull(call.inputs[k]);
    const PortArrays& port = call.state->inputs[k];
    if (!given || given->shape().size() != port.symbolNames.size()) continue;
    for (size_t d = 0; d < port.symbolNames.size(); ++d)
      if (!port.symbolNames[d].empty()) symbols.emplace(port.symbolNames[d], given->shape()[d]);
  }
  return symbols;
}

/// Kernels may rely on it, whoever's memory it is.
Status checkDeviceMemory(const Tensor& tensor, const void* data) {
  if (tensor.size() > 0) JINX_EXPECT_ARGUMENT(data);
  if (reinterpret_cast<uintptr_t>(data) % kBufferAlignment != 0)
    return invalidArgument("the memory is not aligned to " + std::to_string(kBufferAlignment) + " bytes");
  return Status::ok();
}

void setInput(jinx_call& call, size_t index, Value value, bool onDevice) {
  call.inputs[index] = std::move(value);
  call.deviceInputs[index] = onDevice;
}

void setOutput(jinx_call& call, size_t index, Value value, bool onDevice) {
  call.preset[index] = isPresent(value);
  call.outputs[index] = std::move(value);
  call.deviceOutputs[index] = onDevice;
  call.finished = false;
}

Expected<Tensor> wrapOutput(const jinx_dtype& dtype, const int64_t* shape, int32_t rank, void* data, size_t sizeBytes) {
  JINX_TRY_ASSIGN(Tensor tensor, wrapMemory(dtype, shape, rank, data));
  if (tensor.size() > 0) JINX_EXPECT_ARGUMENT(data);
  if (static_cast<uint64_t>(tensor.sizeBytes()) > sizeBytes)
    return invalidArgument(tensor.describe() + " takes " + std::to_string(tensor.sizeBytes()) + " bytes, got " +
                           std::to_string(sizeBytes));
  return tensor;
}

/// All inputs and outputs that are set lie where `wanted` says.
Status expectMemory(const jinx_call& call, bool onDevice) {
  auto check = [&](const char* what, const std::vector<PortArrays>& ports, const std::vector<Value>& values,
                   const std::vector<bool>& lies) -> Status {
    for (size_t k = 0; k < values.size(); ++k) {
      if (!isPresent(values[k]) || lies[k] == onDevice) continue;
      return invalidArgument(context(what, ports[k]) +
                             (onDevice ? " lies on the host: set it by jinx_call_set_device_" + std::string(what)
                                       : " lies on the device: such calls are enqueued"));
    }
    return Status::ok();
  };
  JINX_TRY(check("input", call.state->inputs, call.inputs, call.deviceInputs));
  return check("output", call.state->outputs, call.outputs, call.deviceOutputs);
}

Status enqueueCall(jinx_call& call, void* native) {
  call.finished = false;
  for (size_t k = 0; k < call.outputs.size(); ++k)
    if (!call.preset[k]) call.outputs[k] = Value();
  JINX_TRY(expectMemory(call, /*onDevice=*/true));
  Session& session = *call.state->session;
  if (!call.stream || call.native != native) {
    JINX_TRY_ASSIGN(call.stream, session.device().wrapStream(native));
    call.native = native;
  }
  return session.enqueue(call.inputs, call.outputs, *call.stream);
}

Status runCall(jinx_call& call, Trace* trace) {
  call.finished = false;
  JINX_TRY(expectMemory(call, /*onDevice=*/false));
  for (size_t k = 0; k < call.outputs.size(); ++k)
    if (!call.preset[k]) call.outputs[k] = Value();
  JINX_TRY(call.state->session->run(call.inputs, call.outputs, trace));
  call.finished = true;
  return Status::ok();
}

Expected<Tensor> finishedOutput(const jinx_call& call, size_t index) {
  JINX_TRY(checkIndex("output", index, call.outputs.size()));
  if (!call.finished) return invalidArgument("the call has not run, or its last run failed");
  const Tensor* tensor = tensorOrNull(call.outputs[index]);
  if (!tensor)
    return unimplemented(context("output", call.state->outputs[index]) +
                         " is a sequence or an optional, which the C interface cannot pass");
  return *tensor;
}

} // namespace

jinx_status* jinx_call_create(jinx_session* session, jinx_call** call) {
  return guarded([&]() -> Status {
    JINX_EXPECT_ARGUMENT(session);
    JINX_EXPECT_ARGUMENT(call);
    auto made = std::make_unique<jinx_call>();
    made->state = session->state;
    made->inputs.resize(made->state->inputs.size());
    made->outputs.resize(made->state->outputs.size());
    made->preset.resize(made->outputs.size());
    made->deviceInputs.resize(made->inputs.size());
    made->deviceOutputs.resize(made->outputs.size());
    made->results.resize(made->outputs.size());
    *call = made.release();
    return Status::ok();
  });
}

void jinx_call_destroy(jinx_call* call) { delete call; }

jinx_status* jinx_call_set_input(jinx_call* call, size_t index, jinx_dtype dtype, const int64_t* shape, int32_t rank,
                                 const void* data) {
  return guarded([&]() -> Status {
    JINX_EXPECT_ARGUMENT(call);
    JINX_TRY(checkIndex("input", index, call->inputs.size()));
    JINX_TRY_ASSIGN(Tensor tensor, wrapMemory(dtype, shape, rank, data), context("input", call->state->inputs[index]));
    setInput(*call, index, std::move(tensor), /*onDevice=*/false);
    return Status::ok();
  });
}

jinx_status* jinx_call_set_device_input(jinx_call* call, size_t index, jinx_dtype dtype, const int64_t* shape,
                                        int32_t rank, const void* data) {
  return guarded([&]() -> Status {
    JINX_EXPECT_ARGUMENT(call);
    JINX_TRY(checkIndex("input", index, call->inputs.size()));
    std::string where = context("input", call->state->inputs[index]);
    JINX_TRY_ASSIGN(Tensor tensor, wrapMemory(dtype, shape, rank, data), where);
    JINX_TRY(checkDeviceMemory(tensor, data), where);
    setInput(*call, index, std::move(tensor), /*onDevice=*/true);
    return Status::ok();
  });
}

jinx_status* jinx_call_set_input_strings(jinx_call* call, size_t index, const int64_t* shape, int32_t rank,
                                         const char* const* strings) {
  return guarded([&]() -> Status {
    JINX_EXPECT_ARGUMENT(call);
    JINX_TRY(checkIndex("input", index, call->inputs.size()));
    JINX_TRY_ASSIGN(Shape extents, readShape(shape, rank), context("input", call->state->inputs[index]));
    if (numElements(extents) > 0) JINX_EXPECT_ARGUMENT(strings);
    Tensor tensor = Tensor::make(DType::kString, std::move(extents));
    for (int64_t i = 0; i < tensor.size(); ++i) {
      if (!strings[i]) return invalidArgument("string " + std::to_string(i) + " is NULL");
      tensor.setString(i, strings[i]);
    }
    setInput(*call, index, std::move(tensor), /*onDevice=*/false);
    return Status::ok();
  });
}

jinx_status* jinx_call_clear_input(jinx_call* call, size_t index) {
  return guarded([&]() -> Status {
    JINX_EXPECT_ARGUMENT(call);
    JINX_TRY(checkIndex("input", index, call->inputs.size()));
    setInput(*call, index, Value(), /*onDevice=*/false);
    return Status::ok();
  });
}

jinx_status* jinx_call_set_output(jinx_call* call, size_t index, jinx_dtype dtype, const int64_t* shape, int32_t rank,
                                  void* data, size_t size_bytes) {
  return guarded([&]() -> Status {
    JINX_EXPECT_ARGUMENT(call);
    JINX_TRY(checkIndex("output", index, call->outputs.size()));
    std::string where = context("output", call->state->outputs[index]);
    JINX_TRY_ASSIGN(Tensor tensor, wrapOutput(dtype, shape, rank, data, size_bytes), where);
    size_t alignment = static_cast<size_t>(std::clamp(bitWidth(tensor.dtype()), 8, 64)) / 8;
    if (reinterpret_cast<uintptr_t>(data) % alignment != 0)
      return invalidArgument(where + ": the memory is not aligned to " + std::to_string(alignment) + " bytes");
    setOutput(*call, index, std::move(tensor), /*onDevice=*/false);
    return Status::ok();
  });
}

jinx_status* jinx_call_set_device_output(jinx_call* call, size_t index, jinx_dtype dtype, const int64_t* shape,
                                         int32_t rank, void* data, size_t size_bytes) {
  return guarded([&]() -> Status {
    JINX_EXPECT_ARGUMENT(call);
    JINX_TRY(checkIndex("output", index, call->outputs.size()));
    std::string where = context("output", call->state->outputs[index]);
    JINX_TRY_ASSIGN(Tensor tensor, wrapOutput(dtype, shape, rank, data, size_bytes), where);
    JINX_TRY(checkDeviceMemory(tensor, data), where);
    setOutput(*call, index, std::move(tensor), /*onDevice=*/true);
    return Status::ok();
  });
}

jinx_status* jinx_call_clear_output(jinx_call* call, size_t index) {
  return guarded([&]() -> Status {
    JINX_EXPECT_ARGUMENT(call);
    JINX_TRY(checkIndex("output", index, call->outputs.size()));
    setOutput(*call, index, Value(), /*onDevice=*/false);
    return Status::ok();
  });
}

jinx_status* jinx_call_output_shape(const jinx_call* call, size_t index, int64_t* shape, int32_t max_rank,
                                    int32_t* rank) {
  return guarded([&]() -> Status {
    JINX_EXPECT_ARGUMENT(call);
    JINX_EXPECT_ARGUMENT(rank);
    JINX_TRY(checkIndex("output", index, call->outputs.size()));
    const PortArrays& port = call->state->outputs[index];
    if (!port.ranked || port.kind != JINX_TENSOR)
      return unimplemented(context("output", port) + " has no shape before the run");
    auto count = static_cast<int32_t>(port.formulas.size());
    if (count > max_rank)
      return invalidArgument(context("output", port) + " has rank " + std::to_string(count) + ", got room for " +
                             std::to_string(max_rank));
    if (count > 0) JINX_EXPECT_ARGUMENT(shape);
    auto symbols = boundSymbols(*call);
    auto lookup = [&](std::string_view name) -> std::optional<int64_t> {
      auto it = symbols.find(name);
      if (it == symbols.end()) return std::nullopt;
      return it->second;
    };
    for (int32_t d = 0; d < count; ++d)
      shape[d] = port.formulas[static_cast<size_t>(d)].evaluate(lookup).value_or(-1);
    *rank = count;
    return Status::ok();
  });
}

jinx_status* jinx_call_run(jinx_call* call, jinx_trace* trace) {
  return guarded([&]() -> Status {
    JINX_EXPECT_ARGUMENT(call);
    if (trace && trace->state != call->state) return invalidArgument("the trace was made for another session");
    return runCall(*call, trace ? &trace->trace : nullptr);
  });
}

jinx_status* jinx_call_enqueue(jinx_call* call, void* stream) {
  return guarded([&]() -> Status {
    JINX_EXPECT_ARGUMENT(call);
    return enqueueCall(*call, stream);
  });
}

jinx_status* jinx_call_output(const jinx_call* call, size_t index, const jinx_tensor** tensor) {
  return guarded([&]() -> Status {
    JINX_EXPECT_ARGUMENT(call);
    JINX_EXPECT_ARGUMENT(tensor);
    JINX_TRY_ASSIGN(call->results[index].tensor, finishedOutput(*call, index));
    *tensor = &call->results[index];
    return Status::ok();
  });
}

jinx_status* jinx_call_take_output(jinx_call* call, size_t index, jinx_tensor** tensor) {
  return guarded([&]() -> Status {
    JINX_EXPECT_ARGUMENT(call);
    JINX_EXPECT_ARGUMENT(tensor);
    JINX_TRY_ASSIGN(Tensor taken, finishedOutput(*call, index));
    *tensor = new jinx_tensor{std::move(taken)};
    return Status::ok();
  });
}
