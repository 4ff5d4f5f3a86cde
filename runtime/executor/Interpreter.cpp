#include "runtime/executor/Interpreter.h"

#include <algorithm>
#include <cstring>

#include "runtime/executor/ControlFlow.h"
#include "runtime/executor/RecordedLaunches.h"
#include "runtime/executor/Trace.h"

namespace jinx {
namespace {

std::string quoted(const std::string& name) { return "\"" + name + "\""; }

bool isView(const Tensor& t) { return t.valid() && !t.storage() && t.size() > 0; }

bool holdsView(const Value& v) {
  if (const Tensor* t = std::get_if<Tensor>(&v)) return isView(*t);
  if (auto* s = std::get_if<std::shared_ptr<Sequence>>(&v))
    return *s && std::any_of((*s)->items.begin(), (*s)->items.end(), holdsView);
  if (auto* o = std::get_if<std::shared_ptr<Optional>>(&v)) return *o && holdsView((*o)->item);
  return false;
}

} // namespace

Value owned(Value value) {
  if (!holdsView(value)) return value;
  if (const Tensor* t = std::get_if<Tensor>(&value)) return t->clone();
  if (auto* s = std::get_if<std::shared_ptr<Sequence>>(&value)) {
    auto copy = std::make_shared<Sequence>();
    copy->elementType = (*s)->elementType;
    for (const Value& item : (*s)->items)
      copy->items.push_back(owned(item));
    return copy;
  }
  auto copy = std::make_shared<Optional>();
  copy->item = owned(std::get<std::shared_ptr<Optional>>(value)->item);
  return copy;
}

Interpreter::Interpreter(const Environment& e)
    : program_(e.program), device_(e.device), stream_(e.stream), allocator_(e.allocator), kernels_(e.kernels),
      collectives_(e.collectives), parallelWork_(e.parallelWork), hostMemory_(e.device.has(capability::kHostMemory)),
      hasGraphs_(e.device.has(capability::kGraphs)), symbols_(e.program.symbols.size()),
      bound_(e.program.symbols.size()), slots_(e.program.values.size()) {}

void Interpreter::reset() {
  for (const BlockInfo& block : program_.blocks)
    for (uint32_t v : block.owned)
      slots_[v] = std::monostate();
}

Status Interpreter::run(Binding& binding, const BaseAddresses& bases, std::span<const Value> inputs, Trace* trace,
                        const StepObserver& observer) {
  binding_ = &binding;
  bases_ = bases;
  trace_ = trace;
  observer_ = observer ? &observer : nullptr;
  std::copy(binding.symbols.begin(), binding.symbols.end(), symbols_.begin());
  std::copy(binding.bound.begin(), binding.bound.end(), bound_.begin());
  ++binding.runs;
  reset();
  for (size_t k = 0; k < inputs.size(); ++k) {
    uint32_t index = program_.plan().inputs(static_cast<int>(k));
    if (info(index).placed) continue;
    const Tensor* t = tensorOrNull(inputs[k]);
    if (!t) {
      slots_[index] = inputs[k];
    } else if (onDevice(info(index))) {
      JINX_TRY_ASSIGN(slots_[index], toDevice(*t));
    } else { // a view: an operator that returns its input must not hand the caller's tensor back
      slots_[index] = Tensor::wrap(t->dtype(), t->shape(), const_cast<void*>(t->data()));
    }
  }
  return runBlock(0);
}

Expected<Value> Interpreter::result(uint32_t value) {
  JINX_TRY_ASSIGN(Value v, load(value));
  return owned(std::move(v));
}

// ---- steps ----

Status Interpreter::runBlock(uint32_t blockIndex) {
  const std::vector<uint32_t>& steps = program_.blocks[blockIndex].steps;
  for (size_t at = 0; at < steps.size(); ++at) {
    if (size_t end = launchRun(blockIndex, at); end - at >= kShortestGraph) {
      JINX_TRY(runGraph(steps, at, end));
      at = end - 1;
      continue;
    }
    const StepInfo& step = program_.steps[steps[at]];
    JINX_TRY(step.staticLaunch >= 0 ? launchStatic(step) : runStep(step), "step " + quoted(step.name()));
    if (observer_) JINX_TRY(observe(step), "looking at step " + quoted(step.name()));
    release(step);
  }
  return Status::ok();
}

/// A launch whose numbers the binding has.
Status Interpreter::launchStatic(const StepInfo& step) {
  return launchStep({device_, program_, collectives_, bases_}, stream_, *binding_, step, trace_);
}

void Interpreter::release(const StepInfo& step) {
  for (uint32_t v : step.released)
    slots_[v] = std::monostate();
}

/// Where the launches end that begin at step `at` and can be one graph; `at` where there are none: no graphs, or each
/// is looked at.
size_t Interpreter::launchRun(uint32_t block, size_t at) const {
  if (!hasGraphs_ || block != 0 || trace_ || observer_ || binding_->runs < 2) return at;
  return endOfLaunches(program_, collectives_.canBeRecorded(), program_.blocks[block].steps, at);
}

/// Launches [begin, end) of the main program as one graph.
Status Interpreter::runGraph(const std::vector<uint32_t>& steps, size_t begin, size_t end) {
  JINX_TRY(replayLaunches({device_, program_, collectives_, bases_}, stream_, *binding_, recordingOf(*binding_), steps,
                          begin, end));
  for (size_t at = begin; at < end; ++at)
    release(program_.steps[steps[at]]);
  return Status::ok();
}

void Interpreter::leaveBlock(uint32_t block) {
  for (uint32_t v : program_.blocks[block].owned)
    slots_[v] = std::monostate();
}

Status Interpreter::runStep(const StepInfo& step) {
  int64_t start = trace_ ? Trace::now() : 0;
  switch (step.source->what_case()) {
  case plan::Step::kLaunch:
    return runLaunch(step); // records itself, thread by thread
  case plan::Step::kHost:
    JINX_TRY(runHost(step));
    break;
  case plan::Step::kControl:
    JINX_TRY(ControlFlow(*this, step).run());
    break;
  case plan::Step::kCopy:
    JINX_TRY(runCopy(step));
    break;
  case plan::Step::kCollective:
    JINX_TRY(collectives_.run(step, *binding_, bases_, stream_));
    break;
  case plan::Step::kWait:
    JINX_TRY(collectives_.wait(step, *binding_, bases_, stream_));
    break;
  case plan::Step::WHAT_NOT_SET:
    return internalError("empty step");
  }
  if (trace_) trace_->record(step.index, 0, trace_->nextExecution(), start, Trace::now());
  return Status::ok();
}

Status Interpreter::runLaunch(const StepInfo& step) {
  pointers_.clear();
  sizes_.clear();
  temporaries_.clear();
  for (uint32_t v : step.inputs) {
    JINX_TRY_ASSIGN(void* address, addressToRead(v), "value " + quoted(info(v).name()));
    pointers_.push_back(address);
  }
  size_t firstOutputTemporary = temporaries_.size();
  for (uint32_t v : step.outputs) {
    JINX_TRY_ASSIGN(void* address, addressToWrite(v), "value " + quoted(info(v).name()));
    pointers_.push_back(address);
  }
  for (const Formula& f : step.sizes) {
    JINX_TRY_ASSIGN(int64_t size, evaluate(f));
    sizes_.push_back(size);
  }
  KernelLaunch launch;
  launch.kernel = kernels_[step.source->launch().kernel()];
  launch.buffers = pointers_;
  launch.sizes = sizes_;
  JINX_TRY_ASSIGN(launch.programs, evaluate(step.programs));
  JINX_TRY_ASSIGN(launch.scratchBytes, evaluate(step.scratchBytes));
  JINX_TRY_ASSIGN(int64_t work, evaluate(step.work));
  launch.granule = step.granule;
  launch.parallel = !step.hasWork || work >= parallelWork_;
  launch.trace = trace_;
  launch.step = step.index;
  JINX_TRY(device_.prepare(launch));
  if (launch.programs > 0) JINX_TRY(device_.launch(launch, stream_));
  for (uint32_t v : step.outputs) { // results that live on the host were written to device memory first
    if (hostMemory_ || !info(v).host) continue;
    JINX_TRY_ASSIGN(Tensor t, toHost(temporaries_[firstOutputTemporary++]));
    JINX_TRY(store(v, std::move(t)));
  }
  return Status::ok();
}

Status Interpreter::runHost(const StepInfo& step) {
  const plan::HostCall& source = step.source->host();
  HostOpCall call;
  call.op = source.op();
  call.node = step.source->nodes_size() ? step.source->nodes(0) : step.source->name();
  call.opset = source.opset();
  call.attributes = &step.attributes;
  call.inputs.resize(step.inputs.size());
  call.outputs.resize(step.outputs.size());
  for (size_t k = 0; k < step.inputs.size(); ++k) {
    if (step.inputs[k] == kNoValue) continue;
    JINX_TRY_ASSIGN(call.inputs[k], load(step.inputs[k]));
  }
  JINX_TRY(step.hostFn(call));
  for (size_t k = 0; k < step.outputs.size(); ++k)
    if (step.outputs[k] != kNoValue) JINX_TRY(store(step.outputs[k], std::move(call.outputs[k])));
  return Status::ok();
}

/// Bytes are copied as they lie: the shapes may differ as long as the sizes are equal.
Status Interpreter::runCopy(const StepInfo& step) {
  uint32_t from = step.inputs[0], to = step.outputs[0];
  const ValueInfo &a = info(from), &b = info(to);
  if (a.placed && b.placed) {
    const Placement &source = binding_->placements[from], &target = binding_->placements[to];
    if (source.sizeBytes != target.sizeBytes)
      return invalidArgument("copies " + std::to_string(source.sizeBytes) + " bytes into " +
                             std::to_string(target.sizeBytes));
    return device_.copyOnDevice(addressOf(target, bases_), addressOf(source, bases_),
                                static_cast<size_t>(source.sizeBytes), stream_);
  }
  JINX_TRY_ASSIGN(Value v, load(from));
  const Tensor* t = tensorOrNull(v);
  if (!t || !a.ranked || !b.ranked || a.host || b.host) return store(to, std::move(v));
  JINX_TRY_ASSIGN(Shape shape, evaluateDims(b));
  if (packedBytes(b.dtype, numElements(shape)) != t->sizeBytes()) return store(to, std::move(v));
  return store(to, Tensor::wrap(b.dtype, std::move(shape), const_cast<void*>(t->data()), t->storage()));
}

/// A result is looked at behind the step that makes it: the wait of what was started, the launch that carries a call out.
Status Interpreter::observe(const StepInfo& step) {
  const bool isCall = step.source->has_collective();
  if (isCall && (step.source->collective().starts() || collectives_.isFused(step.collective, *binding_)))
    return Status::ok();
  if (collectives_.isFused(step.sumOf, *binding_))
    JINX_TRY(observeResults(program_.steps[program_.collectives[static_cast<size_t>(step.sumOf)]]));
  return observeResults(step);
}

Status Interpreter::observeResults(const StepInfo& step) {
  JINX_TRY(stream_.synchronize());
  for (size_t k = 0; k < step.outputs.size(); ++k) {
    if (step.outputs[k] == kNoValue) continue;
    JINX_TRY_ASSIGN(Value value, load(step.outputs[k]));
    JINX_TRY((*observer_)(step.index, k, value));
  }
  return Status::ok();
}

// ---- values ----

Expected<int64_t> Interpreter::evaluate(const Formula& f) const {
  for (int s : f.program.slots())
    if (!bound_[static_cast<size_t>(s)])
      return internalError("size " + program_.symbols[static_cast<size_t>(s)].name +
                           " is used before a step has defined it");
  bool ok = true;
  int64_t value = f.program.run(symbols_.data(), &ok);
  if (!ok) return invalidArgument("a size cannot be computed: division by zero or overflow");
  return value;
}

Expected<Shape> Interpreter::evaluateDims(const ValueInfo& v) const {
  Shape shape;
  int64_t count = 1;
  for (const DimInfo& dim : v.dims) {
    JINX_TRY_ASSIGN(int64_t extent, evaluate(dim.formula));
    if (extent < 0) return invalidArgument("a dimension is " + std::to_string(extent));
    if (__builtin_mul_overflow(count, extent, &count) || count > (int64_t{1} << 56))
      return invalidArgument("has too many elements");
    shape.push_back(extent);
  }
  return shape;
}

Expected<Tensor> Interpreter::makeDeviceTensor(DType type, Shape shape) {
  JINX_TRY_ASSIGN(std::shared_ptr<void> block,
                  allocator_.allocate(static_cast<size_t>(packedBytes(type, numElements(shape)))));
  void* data = block.get();
  return Tensor::wrap(type, std::move(shape), data, std::move(block));
}

Expected<Tensor> Interpreter::toHost(const Tensor& t) {
  Tensor host = Tensor::make(t.dtype(), t.shape());
  JINX_TRY(device_.copyToHost(host.data(), t.data(), static_cast<size_t>(t.sizeBytes()), stream_));
  JINX_TRY(stream_.synchronize());
  return host;
}

Expected<Tensor> Interpreter::toDevice(const Tensor& t) {
  JINX_TRY_ASSIGN(Tensor copy, makeDeviceTensor(t.dtype(), t.shape()));
  JINX_TRY(device_.copyToDevice(copy.data(), t.data(), static_cast<size_t>(t.sizeBytes()), stream_));
  JINX_TRY(stream_.synchronize()); // the host's bytes may go away
  return copy;
}

/// Follows a chain of aliases to the root's bytes, adding up offsets.
Expected<std::byte*> Interpreter::slotAddress(uint32_t value, int64_t* sizeBytes) {
  int64_t offset = 0;
  uint32_t at = value;
  for (; info(at).source->where() == plan::Value::ALIAS; at = info(at).source->alias_of()) {
    JINX_TRY_ASSIGN(int64_t elements, evaluate(info(at).aliasOffset));
    int64_t bits;
    if (elements < 0 || __builtin_mul_overflow(elements, static_cast<int64_t>(bitWidth(info(at).dtype)), &bits) ||
        bits % 8 != 0 || __builtin_add_overflow(offset, bits / 8, &offset))
      return invalidArgument("has a bad offset in " + quoted(info(info(at).source->alias_of()).name()));
  }
  std::byte* base = nullptr;
  int64_t available = 0;
  if (info(at).placed) {
    base = static_cast<std::byte*>(addressOf(binding_->placements[at], bases_));
    available = binding_->placements[at].sizeBytes;
  } else {
    const Tensor* t = tensorOrNull(slots_[at]);
    if (!t) return internalError("has no bytes yet");
    base = static_cast<std::byte*>(const_cast<void*>(t->data()));
    available = t->sizeBytes();
  }
  JINX_TRY_ASSIGN(Shape shape, evaluateDims(info(value)));
  *sizeBytes = packedBytes(info(value).dtype, numElements(shape));
  if (offset > available || *sizeBytes > available - offset)
    return invalidArgument("does not fit into " + quoted(info(at).name()) + ", which has " + std::to_string(available) +
                           " bytes");
  return base + offset;
}

/// Makes the root of an alias that is about to be written, when nothing has written it yet.
Status Interpreter::ensureRoot(uint32_t value) {
  uint32_t root = info(value).root;
  if (info(root).placed || isPresent(slots_[root])) return Status::ok();
  JINX_TRY_ASSIGN(Shape shape, evaluateDims(info(root)));
  JINX_TRY_ASSIGN(slots_[root], makeDeviceTensor(info(root).dtype, std::move(shape)));
  return Status::ok();
}

Expected<void*> Interpreter::addressToRead(uint32_t value) {
  const ValueInfo& v = info(value);
  if (v.placed) return addressOf(binding_->placements[value], bases_);
  if (v.source->where() == plan::Value::ALIAS) {
    int64_t sizeBytes;
    JINX_TRY_ASSIGN(std::byte * address, slotAddress(value, &sizeBytes));
    return static_cast<void*>(address);
  }
  const Tensor* t = tensorOrNull(slots_[value]);
  if (!t) return invalidArgument("is no tensor");
  JINX_TRY(checkTensor(v, *t));
  if (hostMemory_ || !v.host) return const_cast<void*>(t->data());
  JINX_TRY_ASSIGN(Tensor copy, toDevice(*t));
  temporaries_.push_back(std::move(copy));
  return temporaries_.back().data();
}

Expected<void*> Interpreter::addressToWrite(uint32_t value) {
  const ValueInfo& v = info(value);
  if (v.placed) return addressOf(binding_->placements[value], bases_);
  if (v.source->where() == plan::Value::ALIAS) {
    JINX_TRY(ensureRoot(value));
    int64_t sizeBytes;
    JINX_TRY_ASSIGN(std::byte * address, slotAddress(value, &sizeBytes));
    return static_cast<void*>(address);
  }
  JINX_TRY_ASSIGN(Shape shape, evaluateDims(v));
  JINX_TRY_ASSIGN(Tensor t, makeDeviceTensor(v.dtype, std::move(shape)));
  void* address = t.data();
  if (hostMemory_ || !v.host) {
    slots_[value] = std::move(t);
  } else {
    temporaries_.push_back(std::move(t));
  }
  return address;
}

Expected<Value> Interpreter::load(uint32_t value) {
  const ValueInfo& v = info(value);
  if (v.strings.valid()) return Value(v.strings);
  if (v.placed) {
    auto dims = binding_->dimsOf(v);
    Tensor view =
        Tensor::wrap(v.dtype, Shape(dims.begin(), dims.end()), addressOf(binding_->placements[value], bases_));
    if (!onDevice(v)) return Value(std::move(view));
    JINX_TRY_ASSIGN(Tensor copy, toHost(view), "value " + quoted(v.name()));
    return Value(std::move(copy));
  }
  if (v.source->where() != plan::Value::ALIAS) {
    if (!isPresent(slots_[value]) && v.source->kind() != plan::Value::OPTIONAL)
      return internalError("value " + quoted(v.name()) + " has not been computed");
    if (!onDevice(v)) return slots_[value];
    JINX_TRY_ASSIGN(Tensor copy, toHost(std::get<Tensor>(slots_[value])), "value " + quoted(v.name()));
    return Value(std::move(copy));
  }
  int64_t sizeBytes;
  JINX_TRY_ASSIGN(std::byte * address, slotAddress(value, &sizeBytes), "value " + quoted(v.name()));
  JINX_TRY_ASSIGN(Shape shape, evaluateDims(v));
  const Tensor* root = tensorOrNull(slots_[v.root]);
  Tensor view = Tensor::wrap(v.dtype, std::move(shape), address, root ? root->storage() : nullptr);
  if (!onDevice(v)) return Value(std::move(view));
  JINX_TRY_ASSIGN(Tensor copy, toHost(view), "value " + quoted(v.name()));
  return Value(std::move(copy));
}

Status Interpreter::store(uint32_t value, Value content) {
  const ValueInfo& v = info(value);
  if (!isPresent(content) && v.source->kind() != plan::Value::OPTIONAL)
    return internalError("value " + quoted(v.name()) + " was not computed");
  if (v.placed || v.source->where() == plan::Value::ALIAS) return storePlaced(value, content);
  return storeSlot(value, std::move(content));
}

Status Interpreter::checkTensor(const ValueInfo& v, const Tensor& t) const {
  if (v.dtype != DType::kInvalid && t.dtype() != v.dtype)
    return invalidArgument("value " + quoted(v.name()) + " is " + t.describe() + ", expected " +
                           std::string(name(v.dtype)));
  if (v.ranked && t.rank() != static_cast<int64_t>(v.dims.size()))
    return invalidArgument("value " + quoted(v.name()) + " is " + t.describe() + ", expected " + describeDims(v));
  return Status::ok();
}

Status Interpreter::storePlaced(uint32_t value, const Value& content) {
  const ValueInfo& v = info(value);
  const Tensor* t = tensorOrNull(content);
  if (!t) return invalidArgument("value " + quoted(v.name()) + " is no tensor");
  JINX_TRY(checkTensor(v, *t));
  void* address = nullptr;
  Shape expected;
  if (v.placed) {
    auto dims = binding_->dimsOf(v);
    expected.assign(dims.begin(), dims.end());
    address = addressOf(binding_->placements[value], bases_);
  } else {
    JINX_TRY(ensureRoot(value));
    int64_t sizeBytes;
    JINX_TRY_ASSIGN(address, slotAddress(value, &sizeBytes), "value " + quoted(v.name()));
    JINX_TRY_ASSIGN(expected, evaluateDims(v));
  }
  if (t->shape() != expected)
    return invalidArgument("value " + quoted(v.name()) + " has shape " + toString(t->shape()) + ", expected " +
                           toString(expected));
  JINX_TRY(device_.copyToDevice(address, t->data(), static_cast<size_t>(t->sizeBytes()), stream_));
  return hostMemory_ ? Status::ok() : stream_.synchronize();
}

Status Interpreter::storeSlot(uint32_t value, Value content) {
  const ValueInfo& v = info(value);
  const Tensor* t = tensorOrNull(content);
  if (!t) {
    if (v.source->kind() == plan::Value::TENSOR && v.dtype != DType::kInvalid)
      return invalidArgument("value " + quoted(v.name()) + " is no tensor");
    slots_[value] = owned(std::move(content));
    return Status::ok();
  }
  JINX_TRY(checkTensor(v, *t));
  JINX_TRY(bindDims(value, *t),
           "value " + quoted(v.name()) + " has shape " + toString(t->shape()) + ", expected " + describeDims(v));
  if (onDevice(v)) {
    JINX_TRY_ASSIGN(slots_[value], toDevice(*t));
  } else {
    slots_[value] = owned(std::move(content));
  }
  return Status::ok();
}

Status Interpreter::bindSymbol(const SymbolInfo& symbol, size_t slot, int64_t extent) {
  if (extent < symbol.min || (symbol.max != 0 && extent > symbol.max))
    return invalidArgument(symbol.name + " is " + std::to_string(extent) + ", expected at least " +
                           std::to_string(symbol.min) +
                           (symbol.max ? " and at most " + std::to_string(symbol.max) : ""));
  symbols_[slot] = extent;
  bound_[slot] = 1;
  return Status::ok();
}

Status Interpreter::bindDims(uint32_t value, const Tensor& t) {
  const ValueInfo& v = info(value);
  if (!v.ranked) return Status::ok();
  bool anyBound = false;
  for (size_t d = 0; d < v.dims.size(); ++d) {
    const DimInfo& dim = v.dims[d];
    int64_t extent = t.dim(static_cast<int64_t>(d));
    if (dim.symbol >= 0) {
      size_t slot = static_cast<size_t>(dim.symbol);
      const SymbolInfo& symbol = program_.symbols[slot];
      if (symbol.perStep && (symbol.definer == value || !bound_[slot])) {
        JINX_TRY(bindSymbol(symbol, slot, extent));
        anyBound |= !symbol.checks.empty();
        continue;
      }
    }
    bool known = true, ok = true;
    for (int s : dim.formula.program.slots())
      known &= bound_[static_cast<size_t>(s)] != 0;
    if (!known) continue;
    int64_t expected = dim.formula.program.run(symbols_.data(), &ok);
    if (!ok || expected != extent)
      return invalidArgument("dimension " + std::to_string(d) + " is " + std::to_string(extent) + ", not " +
                             (ok ? std::to_string(expected) : "computable"));
  }
  return anyBound ? checkSizes(v) : Status::ok();
}

/// What the program takes to be equal of the symbols that `v` has just bound.
Status Interpreter::checkSizes(const ValueInfo& v) {
  for (const DimInfo& dim : v.dims) {
    if (dim.symbol < 0) continue;
    for (uint32_t index : program_.symbols[static_cast<size_t>(dim.symbol)].checks) {
      const SizeCheckInfo& check = program_.sizeChecks[index];
      auto isBound = [&](int slot) { return bound_[static_cast<size_t>(slot)] != 0; };
      if (std::ranges::all_of(check.left.program.slots(), isBound) &&
          std::ranges::all_of(check.right.program.slots(), isBound))
        JINX_TRY(check.check(symbols_));
    }
  }
  return Status::ok();
}

Status Interpreter::transfer(uint32_t from, uint32_t to) {
  if (from == to) return Status::ok();
  const ValueInfo &a = info(from), &b = info(to);
  if (a.placed && b.placed && a.dtype == b.dtype && std::ranges::equal(binding_->dimsOf(a), binding_->dimsOf(b)))
    return device_.copyOnDevice(addressOf(binding_->placements[to], bases_),
                                addressOf(binding_->placements[from], bases_),
                                static_cast<size_t>(binding_->placements[from].sizeBytes), stream_);
  JINX_TRY_ASSIGN(Value v, load(from));
  return store(to, std::move(v));
}

} // namespace jinx
