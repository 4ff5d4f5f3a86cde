#include "runtime/executor/ControlFlow.h"

#include "runtime/executor/TensorSlices.h"

namespace jinx {
namespace {

Expected<bool> toBool(const Value& v) {
  const Tensor* t = tensorOrNull(v);
  if (!t || t->size() < 1 || t->dtype() == DType::kString) return invalidArgument("condition is no boolean tensor");
  return t->getInt(0) != 0;
}

/// `values` with one entry per item; what is missing is 0.
std::vector<int64_t> padded(std::vector<int64_t> values, size_t count) {
  values.resize(count, 0);
  return values;
}

/// An axis in [0, rank); -1 when out of range.
int64_t normalAxis(int64_t axis, int64_t rank) {
  if (axis < 0) axis += rank;
  return axis >= 0 && axis < rank ? axis : -1;
}

} // namespace

Status ControlFlow::run() {
  switch (control_.kind()) {
  case plan::Control::IF:
    return runIf();
  case plan::Control::LOOP:
    return runLoop();
  case plan::Control::SCAN:
    return control_.opset() != 0 && control_.opset() < 9 ? runBatchedScan() : runScan();
  case plan::Control::SEQUENCE_MAP:
    return runSequenceMap();
  default:
    return internalError("unknown control flow");
  }
}

Expected<Value> ControlFlow::input(size_t k) { return in_.load(step_.inputs[k]); }

Expected<Tensor> ControlFlow::inputTensor(size_t k) {
  JINX_TRY_ASSIGN(Value v, input(k));
  const Tensor* t = tensorOrNull(v);
  if (!t) return invalidArgument("input " + std::to_string(k) + " is no tensor");
  return *t;
}

Status ControlFlow::setOutput(size_t k, Value content) {
  return step_.outputs[k] == kNoValue ? Status::ok() : in_.store(step_.outputs[k], std::move(content));
}

Status ControlFlow::runIf() {
  JINX_TRY_ASSIGN(Value condition, input(0));
  JINX_TRY_ASSIGN(bool taken, toBool(condition));
  uint32_t block = control_.blocks(taken ? 0 : 1);
  JINX_TRY(in_.runBlock(block), taken ? "then branch" : "else branch");
  const BlockInfo& info = in_.program_.blocks[block];
  for (size_t k = 0; k < step_.outputs.size(); ++k)
    if (step_.outputs[k] != kNoValue) JINX_TRY(in_.transfer(info.results[k], step_.outputs[k]));
  in_.leaveBlock(block);
  return Status::ok();
}

Expected<std::vector<Value>> ControlFlow::runBody(std::vector<Value> arguments, int64_t iteration) {
  const BlockInfo& info = bodyInfo();
  for (size_t k = 0; k < arguments.size(); ++k)
    JINX_TRY(in_.store(info.params[k], std::move(arguments[k])), "iteration " + std::to_string(iteration));
  JINX_TRY(in_.runBlock(body()), "iteration " + std::to_string(iteration));
  std::vector<Value> results(info.results.size());
  for (size_t k = 0; k < results.size(); ++k) {
    JINX_TRY_ASSIGN(Value v, in_.load(info.results[k]), "iteration " + std::to_string(iteration));
    results[k] = owned(std::move(v));
  }
  in_.leaveBlock(body());
  return results;
}

Tensor ControlFlow::emptyStack(size_t output, size_t bodyResult, int64_t axis) const {
  const ValueInfo& slice = in_.info(bodyInfo().results[bodyResult]);
  const ValueInfo& whole = in_.info(step_.outputs[output]);
  Shape shape;
  for (const DimInfo& dim : slice.dims) {
    Expected<int64_t> extent = in_.evaluate(dim.formula);
    shape.push_back(extent && *extent >= 0 ? *extent : 0);
  }
  if (!slice.ranked && whole.ranked && !whole.dims.empty()) shape.assign(whole.dims.size() - 1, 0);
  int64_t rank = static_cast<int64_t>(shape.size()) + 1;
  axis = std::max<int64_t>(normalAxis(axis, rank), 0);
  shape.insert(shape.begin() + axis, 0);
  DType type = slice.dtype != DType::kInvalid ? slice.dtype : whole.dtype;
  return Tensor::make(type != DType::kInvalid ? type : DType::kF32, std::move(shape));
}

// ---- Loop ----

Status ControlFlow::runLoop() {
  int64_t trips = INT64_MAX;
  bool condition = true;
  if (step_.inputs[0] != kNoValue) {
    JINX_TRY_ASSIGN(Tensor t, inputTensor(0));
    if (t.size() < 1) return invalidArgument("trip count is empty");
    trips = t.getInt(0);
  }
  if (step_.inputs[1] != kNoValue) {
    JINX_TRY_ASSIGN(Value v, input(1));
    JINX_TRY_ASSIGN(condition, toBool(v));
  }
  size_t numCarried = step_.inputs.size() - 2, numScanned = step_.outputs.size() - numCarried;
  std::vector<Value> carried(numCarried);
  for (size_t k = 0; k < numCarried; ++k) {
    if (step_.inputs[k + 2] == kNoValue) continue;
    JINX_TRY_ASSIGN(Value v, input(k + 2));
    carried[k] = owned(std::move(v));
  }
  // The counter and the condition are scalars; some models declare them as vectors of one element.
  auto scalar = [&](size_t param, int64_t value, DType type) {
    const ValueInfo& info = in_.info(bodyInfo().params[param]);
    Tensor t = Tensor::scalarInt(value, type);
    return info.ranked && info.dims.size() == 1 ? t.reshaped({1}) : t;
  };
  std::vector<std::vector<Tensor>> scanned(numScanned);
  for (int64_t i = 0; i < trips && condition; ++i) {
    std::vector<Value> arguments = {scalar(0, i, DType::kI64), scalar(1, 1, DType::kBool)};
    for (Value& v : carried)
      arguments.push_back(std::move(v));
    JINX_TRY_ASSIGN(std::vector<Value> results, runBody(std::move(arguments), i));
    JINX_TRY_ASSIGN(condition, toBool(results[0]));
    for (size_t k = 0; k < numCarried; ++k)
      carried[k] = std::move(results[1 + k]);
    for (size_t k = 0; k < numScanned; ++k) {
      const Tensor* t = tensorOrNull(results[1 + numCarried + k]);
      if (!t)
        return invalidArgument("scan output " + std::to_string(k) + " of iteration " + std::to_string(i) +
                               " is no tensor");
      scanned[k].push_back(*t);
    }
  }
  for (size_t k = 0; k < numCarried; ++k)
    JINX_TRY(setOutput(k, std::move(carried[k])));
  for (size_t k = 0; k < numScanned; ++k) {
    if (step_.outputs[numCarried + k] == kNoValue) continue;
    Tensor stacked;
    if (scanned[k].empty()) {
      stacked = emptyStack(numCarried + k, 1 + numCarried + k, 0);
    } else {
      JINX_TRY_ASSIGN(stacked, stackAlong(scanned[k], 0, false));
    }
    JINX_TRY(setOutput(numCarried + k, std::move(stacked)));
  }
  return Status::ok();
}

// ---- Scan ----

Expected<std::vector<Value>> ControlFlow::scan(std::vector<Value> states, const std::vector<Tensor>& scanned,
                                               int64_t length, const ScanAxes& axes) {
  size_t numStates = states.size(), numOutputs = bodyInfo().results.size() - numStates;
  std::vector<std::vector<Tensor>> slices(numOutputs);
  for (int64_t i = 0; i < length; ++i) {
    std::vector<Value> arguments = std::move(states);
    for (size_t k = 0; k < scanned.size(); ++k)
      arguments.push_back(sliceAlong(scanned[k], axes.inputAxes[k], axes.inputReversed[k] ? length - 1 - i : i));
    JINX_TRY_ASSIGN(std::vector<Value> results, runBody(std::move(arguments), i));
    states.assign(std::make_move_iterator(results.begin()),
                  std::make_move_iterator(results.begin() + static_cast<ptrdiff_t>(numStates)));
    for (size_t k = 0; k < numOutputs; ++k) {
      const Tensor* t = tensorOrNull(results[numStates + k]);
      if (!t) return invalidArgument("scan output " + std::to_string(k) + " is no tensor");
      slices[k].push_back(*t);
    }
  }
  for (size_t k = 0; k < numOutputs; ++k) {
    if (slices[k].empty()) {
      states.push_back(step_.outputs[numStates + k] == kNoValue
                           ? Value()
                           : emptyStack(numStates + k, numStates + k, axes.outputAxes[k]));
    } else {
      JINX_TRY_ASSIGN(Tensor stacked, stackAlong(slices[k], axes.outputAxes[k], axes.outputReversed[k] != 0));
      states.push_back(std::move(stacked));
    }
  }
  return states;
}

Status ControlFlow::runScan() {
  const Attributes& attributes = step_.attributes;
  size_t numScanned = static_cast<size_t>(attributes.getInt("num_scan_inputs", 0));
  size_t numStates = step_.inputs.size() - numScanned, numOutputs = step_.outputs.size() - numStates;
  ScanAxes axes{padded(attributes.getInts("scan_input_axes"), numScanned),
                padded(attributes.getInts("scan_input_directions"), numScanned),
                padded(attributes.getInts("scan_output_axes"), numOutputs),
                padded(attributes.getInts("scan_output_directions"), numOutputs)};
  std::vector<Value> states(numStates);
  for (size_t k = 0; k < numStates; ++k) {
    JINX_TRY_ASSIGN(Value v, input(k));
    states[k] = owned(std::move(v));
  }
  std::vector<Tensor> scanned;
  int64_t length = -1;
  for (size_t k = 0; k < numScanned; ++k) {
    JINX_TRY_ASSIGN(Tensor t, inputTensor(numStates + k));
    axes.inputAxes[k] = normalAxis(axes.inputAxes[k], t.rank());
    if (axes.inputAxes[k] < 0)
      return invalidArgument("scan input " + std::to_string(k) + " of shape " + toString(t.shape()) +
                             " has no such axis");
    int64_t extent = t.dim(axes.inputAxes[k]);
    if (length >= 0 && extent != length)
      return invalidArgument("scan inputs have lengths " + std::to_string(length) + " and " + std::to_string(extent));
    length = extent;
    scanned.push_back(std::move(t));
  }
  JINX_TRY_ASSIGN(std::vector<Value> results, scan(std::move(states), scanned, length, axes));
  for (size_t k = 0; k < step_.outputs.size(); ++k)
    JINX_TRY(setOutput(k, std::move(results[k])));
  return Status::ok();
}

/// Scan 8: everything has a leading batch axis; the scanned axis is the second, and a batch element may end early.
/// Outputs beyond its end are zero.
Status ControlFlow::runBatchedScan() {
  size_t numScanned = static_cast<size_t>(step_.attributes.getInt("num_scan_inputs", 0));
  size_t numStates = step_.inputs.size() - 1 - numScanned, numOutputs = step_.outputs.size() - numStates;
  ScanAxes axes{padded({}, numScanned), padded(step_.attributes.getInts("directions"), numScanned),
                padded({}, numOutputs), padded({}, numOutputs)};
  std::vector<Tensor> operands;
  for (size_t k = 1; k < step_.inputs.size(); ++k) {
    JINX_TRY_ASSIGN(Tensor t, inputTensor(k));
    int64_t needed = k <= numStates ? 1 : 2;
    if (t.rank() < needed || (k > 1 && t.dim(0) != operands[0].dim(0)) ||
        (k > numStates + 1 && t.dim(1) != operands[numStates].dim(1)))
      return invalidArgument("input " + std::to_string(k) + " of shape " + toString(t.shape()) +
                             " does not have the batch and length of the others");
    operands.push_back(std::move(t));
  }
  int64_t batch = operands[0].dim(0), longest = operands[numStates].dim(1);
  Tensor lengths;
  if (step_.inputs[0] != kNoValue) {
    JINX_TRY_ASSIGN(lengths, inputTensor(0));
    if (lengths.size() != batch)
      return invalidArgument("sequence_lens has " + std::to_string(lengths.size()) + " elements, expected " +
                             std::to_string(batch));
  }
  std::vector<std::vector<Tensor>> results(step_.outputs.size());
  for (int64_t b = 0; b < batch; ++b) {
    int64_t length = lengths.valid() ? lengths.getInt(b) : longest;
    if (length < 0 || length > longest)
      return invalidArgument("sequence_lens holds " + std::to_string(length) + ", expected at most " +
                             std::to_string(longest));
    std::vector<Value> states;
    std::vector<Tensor> scanned;
    for (size_t k = 0; k < numStates; ++k)
      states.push_back(sliceAlong(operands[k], 0, b));
    for (size_t k = numStates; k < operands.size(); ++k)
      scanned.push_back(sliceAlong(operands[k], 0, b));
    JINX_TRY_ASSIGN(std::vector<Value> values, scan(std::move(states), scanned, length, axes));
    for (size_t k = 0; k < values.size(); ++k) {
      const Tensor* t = tensorOrNull(values[k]);
      if (!t) return invalidArgument("output " + std::to_string(k) + " is no tensor");
      Tensor whole = *t;
      if (k >= numStates && length < longest) {
        Shape shape = t->shape();
        shape[0] = longest;
        whole = Tensor::make(t->dtype(), std::move(shape));
        copyElements(t->dtype(), whole.data(), 0, t->data(), 0, t->size());
      }
      results[k].push_back(std::move(whole));
    }
  }
  for (size_t k = 0; k < results.size(); ++k) {
    if (step_.outputs[k] == kNoValue) continue;
    if (results[k].empty()) return invalidArgument("scan over an empty batch");
    JINX_TRY_ASSIGN(Tensor stacked, stackAlong(results[k], 0, false));
    JINX_TRY(setOutput(k, std::move(stacked)));
  }
  return Status::ok();
}

// ---- SequenceMap ----

Status ControlFlow::runSequenceMap() {
  std::vector<Value> inputs;
  for (size_t k = 0; k < step_.inputs.size(); ++k) {
    JINX_TRY_ASSIGN(Value v, input(k));
    inputs.push_back(owned(std::move(v)));
  }
  auto* first = std::get_if<std::shared_ptr<Sequence>>(&inputs[0]);
  if (!first || !*first) return invalidArgument("input 0 is no sequence");
  size_t length = (*first)->items.size();
  std::vector<std::shared_ptr<Sequence>> results;
  for (size_t k = 0; k < step_.outputs.size(); ++k) {
    results.push_back(std::make_shared<Sequence>());
    results[k]->elementType = in_.info(bodyInfo().results[k]).dtype;
  }
  for (size_t i = 0; i < length; ++i) {
    std::vector<Value> arguments;
    for (const Value& v : inputs) {
      auto* sequence = std::get_if<std::shared_ptr<Sequence>>(&v);
      if (sequence && (*sequence)->items.size() != length)
        return invalidArgument("sequences have " + std::to_string(length) + " and " +
                               std::to_string((*sequence)->items.size()) + " items");
      arguments.push_back(sequence ? (*sequence)->items[i] : v);
    }
    JINX_TRY_ASSIGN(std::vector<Value> values, runBody(std::move(arguments), static_cast<int64_t>(i)));
    for (size_t k = 0; k < results.size(); ++k) {
      if (const Tensor* t = tensorOrNull(values[k])) results[k]->elementType = t->dtype();
      results[k]->items.push_back(std::move(values[k]));
    }
  }
  for (size_t k = 0; k < results.size(); ++k)
    JINX_TRY(setOutput(k, results[k]));
  return Status::ok();
}

} // namespace jinx
