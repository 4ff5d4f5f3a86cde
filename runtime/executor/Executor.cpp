#include "runtime/executor/Executor.h"

#include <algorithm>
#include <cstring>

#include "runtime/executor/ConstantUpload.h"
#include "runtime/memory/AlignedBuffer.h"

namespace jinx {
namespace {

std::string quoted(const std::string& name) { return "\"" + name + "\""; }

Port makePort(const ValueInfo& v) {
  return {v.name(), v.dtype, v.source->kind(), v.ranked, {v.source->dims().begin(), v.source->dims().end()}};
}

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names)
    text += (text.empty() ? "" : ", ") + quoted(name);
  return text;
}

const Tensor* givenTensor(const Value& v) {
  const Tensor* t = tensorOrNull(v);
  return t && t->valid() ? t : nullptr;
}

} // namespace

void Session::DeviceBlock::reset() {
  if (data) device->release(data, sizeBytes);
  data = nullptr;
  sizeBytes = 0;
}

Status Session::DeviceBlock::allocate(Device& from, size_t bytes) {
  reset();
  device = &from;
  JINX_TRY_ASSIGN(data, from.allocate(bytes));
  sizeBytes = bytes;
  return Status::ok();
}

// ---- loading ----

Expected<std::unique_ptr<Session>> Session::create(std::shared_ptr<const PlanFile> plan, std::shared_ptr<Device> device,
                                                   SessionOptions options) {
  std::unique_ptr<Session> session(new Session());
  session->device_ = std::move(device);
  std::string context = "loading plan" + (plan->plan().model_name().empty() ? "" : " of " + plan->plan().model_name());
  try {
    JINX_TRY(session->load(std::move(plan), std::move(options)), context);
  } catch (const std::bad_alloc&) {
    return resourceError(context + ": out of memory");
  }
  return session;
}

Session::~Session() = default;

Status Session::load(std::shared_ptr<const PlanFile> plan, SessionOptions options) {
  options_ = std::move(options);
  if (!options_.hostOps) options_.hostOps = std::make_shared<HostOpTable>(HostOpTable::standard());
  hostMemory_ = device_->has(capability::kHostMemory);
  JINX_TRY_ASSIGN(program_, Program::build(plan, *options_.hostOps));
  JINX_TRY_ASSIGN(collectives_, Collectives::create(*program_, options_.communicator, *device_));
  JINX_TRY_ASSIGN(module_, device_->loadModule(plan));
  JINX_TRY_ASSIGN(stream_, device_->createStream());
  allocator_ = std::make_unique<CachingAllocator>(*device_);
  for (int k = 0; k < plan->plan().kernels_size(); ++k) {
    JINX_TRY_ASSIGN(const KernelFunction* kernel, module_->kernel(static_cast<uint32_t>(k)));
    kernels_.push_back(kernel);
  }
  for (uint32_t i : plan->plan().inputs())
    inputPorts_.push_back(makePort(program_->values[i]));
  for (uint32_t i : plan->plan().outputs())
    outputPorts_.push_back(makePort(program_->values[i]));
  inputAddresses_.resize(inputPorts_.size());
  outputAddresses_.resize(outputPorts_.size());
  JINX_TRY(loadConstants());
  interpreter_ = std::make_unique<Interpreter>(Interpreter::Environment{
      *program_, *device_, *stream_, *allocator_, kernels_, *collectives_, options_.parallelWork});
  return Status::ok();
}

/// On the host constants stay where the plan has them; other devices get one block with all of them.
Status Session::loadConstants() {
  const PlanFile& file = *program_->file;
  constantAddresses_.resize(program_->values.size());
  std::vector<std::pair<uint32_t, int64_t>> offsets;
  int64_t total = 0;
  for (uint32_t i = 0; i < program_->values.size(); ++i) {
    const ValueInfo& v = program_->values[i];
    if (v.source->where() != plan::Value::CONSTANT || !v.placed) continue;
    if (hostMemory_) constantAddresses_[i] = const_cast<std::byte*>(file.constantBytes(i).data());
    offsets.push_back({i, total});
    total += alignUp(static_cast<int64_t>(v.source->constant().size()), kDeviceAlignment);
  }
  if (hostMemory_ || offsets.empty()) return Status::ok();
  JINX_TRY(constants_.allocate(*device_, static_cast<size_t>(total)), "constants");
  auto* memory = static_cast<std::byte*>(constants_.data);
  std::vector<ConstantPart> parts;
  for (const auto& [i, offset] : offsets) {
    constantAddresses_[i] = memory + offset;
    uint64_t at = static_cast<uint64_t>(offset);
    for (const StridedBytes& bytes : file.constantPieces(i)) {
      parts.push_back({at, bytes});
      at += bytes.size();
    }
  }
  return uploadConstants(parts, memory, *device_, *stream_).withContext("constants");
}

// ---- bindings ----

/// \param onDevice  the caller's tensors lie in device memory
Expected<Binding*> Session::findBinding(std::span<const Value> inputs, bool onDevice) {
  const bool callerMemory = hostMemory_ || onDevice;
  key_.clear();
  appendBindingKey(*program_, inputs, key_);
  if (callerMemory && !hostMemory_) key_.push_back(-1); // no extent: apart from the binding whose inputs are copied
  for (auto& binding : bindings_)
    if (binding->key == key_) return binding.get();
  return makeBinding(inputs, callerMemory);
}

Expected<Binding*> Session::makeBinding(std::span<const Value> inputs, bool callerMemory) {
  const int64_t alignment = hostMemory_ ? static_cast<int64_t>(kBufferAlignment) : kDeviceAlignment;
  BindingOptions options{callerMemory, options_.parallelWork, options_.arenaSlack, alignment, kernels_};
  JINX_TRY_ASSIGN(Binding made, jinx::makeBinding(*program_, inputs, options));
  made.key = key_;
  JINX_TRY(collectives_->prepare(made));
  ++bindingsMade_;
  for (const KernelLaunch& launch : made.launches)
    JINX_TRY(device_->prepare(launch));
  if (static_cast<int>(bindings_.size()) >= std::max(1, options_.bindingCacheSize)) {
    auto oldest = std::min_element(bindings_.begin(), bindings_.end(),
                                   [](const auto& a, const auto& b) { return a->lastUsed < b->lastUsed; });
    if (oldest->get() == lastBinding_) lastBinding_ = nullptr;
    bindings_.erase(oldest);
  }
  bindings_.push_back(std::make_unique<Binding>(std::move(made)));
  return bindings_.back().get();
}

Status Session::setBases(Binding& binding, std::span<const Value> inputs, std::span<Value> outputs) {
  if (static_cast<size_t>(binding.arenaBytes) > arena_.sizeBytes)
    JINX_TRY(arena_.allocate(*device_, static_cast<size_t>(binding.arenaBytes)), "activations");
  for (size_t k = 0; k < inputs.size(); ++k) {
    const Tensor* t = tensorOrNull(inputs[k]);
    inputAddresses_[k] = t ? const_cast<void*>(t->data()) : nullptr;
  }
  for (size_t k = 0; k < outputs.size(); ++k)
    JINX_TRY(prepareOutput(binding, k, outputs[k]));
  bases_ = {static_cast<std::byte*>(arena_.data), constantAddresses_, inputAddresses_, outputAddresses_};
  // A binding whose arena has not moved needs only its pointers into the caller's tensors.
  bool moved = binding.arenaBase != arena_.data || binding.lastUsed == 0;
  setAddresses(binding, bases_, !moved);
  if (moved) binding.recordings.clear();
  binding.arenaBase = arena_.data;
  return Status::ok();
}

/// From the caller's memory into the device's.
Status Session::uploadInputs(const Binding& binding) {
  for (size_t k = 0; k < inputAddresses_.size(); ++k) {
    uint32_t i = plan().inputs(static_cast<int>(k));
    if (!program_->values[i].placed) continue;
    const Placement& at = binding.placements[i];
    JINX_TRY(
        device_->copyToDevice(addressOf(at, bases_), inputAddresses_[k], static_cast<size_t>(at.sizeBytes), *stream_),
        "input " + quoted(inputPorts_[k].name));
  }
  return Status::ok();
}

/// Back into the caller's memory: the inputs that launches have changed.
Status Session::downloadWrittenInputs(const Binding& binding) {
  for (size_t k = 0; k < inputAddresses_.size(); ++k) {
    uint32_t i = plan().inputs(static_cast<int>(k));
    if (!program_->values[i].written) continue;
    const Placement& at = binding.placements[i];
    JINX_TRY(
        device_->copyToHost(inputAddresses_[k], addressOf(at, bases_), static_cast<size_t>(at.sizeBytes), *stream_),
        "input " + quoted(inputPorts_[k].name));
  }
  return Status::ok();
}

// ---- outputs ----

Status Session::expectShape(size_t k, const Tensor& given, std::span<const int64_t> shape, DType type) const {
  if (given.dtype() == type && std::ranges::equal(given.shape(), shape)) return Status::ok();
  return invalidArgument("output " + quoted(outputPorts_[k].name) + " was given a tensor " + given.describe() +
                         ", expected " + std::string(name(type)) + " of shape " + toString(shape));
}

/// Before the run: an output that is written in place needs its tensor now.
Status Session::prepareOutput(const Binding& binding, size_t k, Value& output) {
  uint32_t index = plan().outputs(static_cast<int>(k));
  const ValueInfo& v = program_->values[index];
  if (!v.placed) return Status::ok();
  auto shape = binding.dimsOf(v);
  if (const Tensor* given = givenTensor(output)) {
    JINX_TRY(expectShape(k, *given, shape, v.dtype));
  } else if (binding.placements[index].base == Placement::Base::kOutput) {
    output = Tensor::make(v.dtype, Shape(shape.begin(), shape.end()));
  }
  const Tensor* t = givenTensor(output);
  outputAddresses_[k] = t ? const_cast<void*>(t->data()) : nullptr;
  return Status::ok();
}

/// After the run: outputs that were not written in place.
Status Session::finishOutputs(const Binding& binding, std::span<Value> outputs) {
  for (size_t k = 0; k < outputs.size(); ++k) {
    uint32_t index = plan().outputs(static_cast<int>(k));
    if (binding.placements[index].base == Placement::Base::kOutput && program_->values[index].root == index) continue;
    JINX_TRY_ASSIGN(Value result, interpreter_->result(index), "output " + quoted(outputPorts_[k].name));
    const Tensor *given = givenTensor(outputs[k]), *made = tensorOrNull(result);
    if (!given) {
      outputs[k] = std::move(result);
      continue;
    }
    if (!made) return invalidArgument("output " + quoted(outputPorts_[k].name) + " was given a tensor, and is none");
    JINX_TRY(expectShape(k, *given, made->shape(), made->dtype()));
    if (made->dtype() == DType::kString) {
      for (int64_t i = 0; i < made->size(); ++i)
        std::get<Tensor>(outputs[k]).setString(i, made->getString(i));
    } else if (made->sizeBytes() > 0) {
      std::memcpy(std::get<Tensor>(outputs[k]).data(), made->data(), static_cast<size_t>(made->sizeBytes()));
    }
  }
  return Status::ok();
}

// ---- running ----

Status Session::checkInput(size_t k, const Value& value) const {
  const ValueInfo& v = program_->values[plan().inputs(static_cast<int>(k))];
  if (v.source->kind() != plan::Value::TENSOR) {
    bool good = v.source->kind() == plan::Value::OPTIONAL || std::holds_alternative<std::shared_ptr<Sequence>>(value);
    return good ? Status::ok() : invalidArgument("expected a sequence");
  }
  const Tensor* t = givenTensor(value);
  if (!t) return invalidArgument("expected a tensor");
  if (v.dtype != DType::kInvalid && t->dtype() != v.dtype)
    return invalidArgument("is " + t->describe() + ", expected " + std::string(name(v.dtype)));
  if (v.ranked && t->shape().size() != v.dims.size())
    return invalidArgument("has shape " + toString(t->shape()) + ", expected " + describeDims(v));
  if (std::any_of(t->shape().begin(), t->shape().end(), [](int64_t d) { return d < 0; }))
    return invalidArgument("has a negative extent");
  if (!t->data() && t->size() > 0) return invalidArgument("has no data");
  size_t elementBytes = t->dtype() == DType::kString
                            ? alignof(std::string)
                            : static_cast<size_t>(std::min(64, std::max(8, bitWidth(t->dtype())))) / 8;
  if (t->size() > 0 && reinterpret_cast<uintptr_t>(t->data()) % elementBytes != 0)
    return invalidArgument("is not aligned to its element size, " + std::to_string(elementBytes) + " bytes");
  return Status::ok();
}

Status Session::checkInputs(std::span<const Value> inputs) const {
  if (inputs.size() != inputPorts_.size())
    return invalidArgument("got " + std::to_string(inputs.size()) + " inputs, expected " +
                           std::to_string(inputPorts_.size()));
  for (size_t k = 0; k < inputs.size(); ++k) {
    if (isPresent(inputs[k]) || inputPorts_[k].kind == plan::Value::OPTIONAL) continue;
    std::vector<std::string> missing;
    for (size_t m = k; m < inputs.size(); ++m)
      if (!isPresent(inputs[m]) && inputPorts_[m].kind != plan::Value::OPTIONAL) missing.push_back(inputPorts_[m].name);
    return invalidArgument("missing inputs: " + join(missing));
  }
  for (size_t k = 0; k < inputs.size(); ++k)
    JINX_TRY(checkInput(k, inputs[k]), "input " + quoted(inputPorts_[k].name));
  return Status::ok();
}

/// The binding for these tensors, with its addresses set.
Expected<Binding*> Session::bind(std::span<const Value> inputs, std::span<Value> outputs, bool onDevice) {
  JINX_TRY(checkInputs(inputs));
  if (outputs.size() != outputPorts_.size())
    return invalidArgument("got room for " + std::to_string(outputs.size()) + " outputs, expected " +
                           std::to_string(outputPorts_.size()));
  JINX_TRY_ASSIGN(Binding * binding, findBinding(inputs, onDevice));
  JINX_TRY(setBases(*binding, inputs, outputs));
  binding->lastUsed = ++clock_;
  lastBinding_ = binding;
  return binding;
}

Status Session::runLocked(std::span<const Value> inputs, std::span<Value> outputs, Trace* trace,
                          const StepObserver& observer) {
  JINX_TRY_ASSIGN(Binding * binding, bind(inputs, outputs, /*onDevice=*/false));
  JINX_TRY(collectives_->agree(*binding));
  if (!hostMemory_) JINX_TRY(uploadInputs(*binding));
  JINX_TRY(interpreter_->run(*binding, bases_, inputs, trace, observer));
  JINX_TRY(finishOutputs(*binding, outputs));
  if (!hostMemory_) JINX_TRY(downloadWrittenInputs(*binding));
  JINX_TRY(stream_->synchronize());
  return collectives_->status();
}

Status Session::run(std::span<const Value> inputs, std::span<Value> outputs, Trace* trace,
                    const StepObserver& observer) {
  std::lock_guard lock(mutex_);
  Status status;
  try {
    status = runLocked(inputs, outputs, trace, observer);
  } catch (const std::bad_alloc&) {
    status = resourceError("out of memory while running the plan");
  } catch (const std::exception& error) { // std::length_error and its like: sizes that no container holds
    status = resourceError(std::string("while running the plan: ") + error.what());
  }
  interpreter_->reset();
  if (!status.isOk()) collectives_->abort(status); // other ranks would wait for this one
  return status;
}

Expected<std::vector<NamedValue>> Session::run(const std::map<std::string, Value>& inputs, Trace* trace) {
  std::vector<Value> ordered(inputPorts_.size());
  std::vector<std::string> unknown, known;
  for (const Port& port : inputPorts_)
    known.push_back(port.name);
  for (const auto& [name, value] : inputs) {
    auto at = std::find(known.begin(), known.end(), name);
    if (at == known.end()) {
      unknown.push_back(name);
    } else {
      ordered[static_cast<size_t>(at - known.begin())] = value;
    }
  }
  if (!unknown.empty())
    return invalidArgument("unknown inputs: " + join(unknown) + "; the plan has " +
                           (known.empty() ? "none" : join(known)));
  std::vector<Value> results(outputPorts_.size());
  JINX_TRY(run(ordered, results, trace));
  std::vector<NamedValue> named;
  for (size_t k = 0; k < results.size(); ++k)
    named.push_back({outputPorts_[k].name, std::move(results[k])});
  return named;
}

// ---- what tools ask ----

Expected<Shape> Session::inputShape(size_t index, const std::map<std::string, int64_t>& sizes) const {
  const Port& port = inputPorts_[index];
  if (!port.ranked) return invalidArgument("input " + quoted(port.name) + " has no known rank");
  std::vector<std::string> missing;
  auto lookup = [&](std::string_view symbol) -> std::optional<int64_t> {
    auto it = sizes.find(std::string(symbol));
    if (it != sizes.end()) return it->second;
    if (std::find(missing.begin(), missing.end(), symbol) == missing.end()) missing.emplace_back(symbol);
    return std::nullopt;
  };
  Shape shape;
  for (const std::string& text : port.dims) {
    std::optional<int64_t> extent = SizeExpr::parse(text)->evaluate(lookup);
    if (!extent && missing.empty())
      return invalidArgument("input " + quoted(port.name) + ": size " + text + " cannot be computed");
    shape.push_back(extent.value_or(0));
  }
  if (!missing.empty()) return invalidArgument("input " + quoted(port.name) + " needs a value for " + join(missing));
  return shape;
}

std::vector<TraceStep> Session::steps() const {
  std::vector<TraceStep> steps;
  for (const StepInfo& step : program_->steps) {
    const plan::Step& source = *step.source;
    TraceStep s{source.name(), "copy", "", {source.nodes().begin(), source.nodes().end()}};
    if (source.has_launch()) {
      s.kind = "launch";
      s.kernel = plan().kernels(static_cast<int>(source.launch().kernel())).symbol();
    } else if (source.has_host()) {
      s.kind = "host";
      s.kernel = source.host().op();
    } else if (source.has_control()) {
      s.kind = "control";
      s.kernel = plan::Control::Kind_Name(source.control().kind());
    } else if (source.has_collective()) {
      s.kind = "collective";
      s.kernel = describeCollective(plan().mesh(), source.collective());
    } else if (source.has_wait()) {
      s.kind = "wait";
    }
    steps.push_back(std::move(s));
  }
  return steps;
}

SessionStatistics Session::statistics() const {
  std::lock_guard lock(mutex_);
  SessionStatistics s;
  for (uint32_t i = 0; i < program_->values.size(); ++i)
    if (constantAddresses_[i]) s.constantBytes += static_cast<int64_t>(program_->values[i].source->constant().size());
  s.arenaBytes = static_cast<int64_t>(arena_.sizeBytes);
  s.bindingsMade = bindingsMade_;
  s.collectives = collectives_->statistics();
  MemoryStatistics dynamic = allocator_->statistics();
  s.dynamicPeakBytes = dynamic.peakBytes;
  s.dynamicAllocations = dynamic.allocations;
  if (lastBinding_) {
    s.largestLiveBytes = lastBinding_->largestLiveBytes;
    s.plannedBytes = lastBinding_->arenaBytes;
    s.activationBytes = lastBinding_->totalBytes;
    s.scratchBytes = lastBinding_->scratchBytes;
  }
  return s;
}

std::vector<ArenaEntry> Session::arenaEntries() const {
  std::lock_guard lock(mutex_);
  std::vector<ArenaEntry> entries;
  if (!lastBinding_) return entries;
  for (uint32_t i : program_->placementOrder) {
    const ValueInfo& v = program_->values[i];
    const Placement& at = lastBinding_->placements[i];
    if (v.root != i || at.base != Placement::Base::kArena || v.firstUse < 0) continue;
    entries.push_back({v.name(), at.offsetBytes, at.sizeBytes, v.firstUse, v.lastUse});
  }
  return entries;
}

} // namespace jinx
