// Operators on sequences and optionals. Both are held through shared pointers and never changed once made: an op that
// inserts or erases copies the list (its tensors are shared).
#include <algorithm>

#include "runtime/hostops/DataMove.h"
#include "runtime/hostops/HostOp.h"
#include "runtime/hostops/OnnxTypes.h"
#include "runtime/hostops/Operands.h"

namespace jinx {
namespace {

using SequencePtr = std::shared_ptr<Sequence>;
using OptionalPtr = std::shared_ptr<Optional>;

/// Input `i` as a sequence, also when an optional holds it.
Expected<SequencePtr> sequence(const HostOpCall& call, size_t i) {
  const Value* value = i < call.inputs.size() ? &call.inputs[i] : nullptr;
  if (value)
    if (const OptionalPtr* optional = std::get_if<OptionalPtr>(value); optional && *optional)
      value = &(*optional)->item;
  const SequencePtr* found = value ? std::get_if<SequencePtr>(value) : nullptr;
  if (!found || !*found) return call.error("input " + std::to_string(i) + " is not a sequence, expected one");
  return *found;
}

/// Input `i`, a position in a list of `length`, counted from the end when negative. `last` is the largest position
/// allowed.
Expected<int64_t> position(const HostOpCall& call, size_t i, int64_t length, int64_t last) {
  JINX_TRY_ASSIGN(int64_t at, operands::scalarInt(call, i, "position"));
  if (at < -length || at > last)
    return call.error("'position' is " + std::to_string(at) + ", expected a value in [" + std::to_string(-length) +
                      ", " + std::to_string(last) + "]");
  return at < 0 ? at + length : at;
}

int64_t lengthOf(const SequencePtr& s) { return static_cast<int64_t>(s->items.size()); }

Status sequenceEmpty(HostOpCall& call) {
  auto s = std::make_shared<Sequence>();
  s->elementType = dtypeFromOnnx(call.attributes->getInt("dtype", 1));
  if (s->elementType == DType::kInvalid)
    return call.error("'dtype' is " + std::to_string(call.attributes->getInt("dtype", 1)) +
                      ", expected a number of an element type");
  call.outputs[0] = s;
  return Status::ok();
}

Status sequenceConstruct(HostOpCall& call) {
  auto s = std::make_shared<Sequence>();
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    JINX_TRY_ASSIGN(Tensor x, call.tensor(i));
    if (i == 0) s->elementType = x.dtype();
    if (x.dtype() != s->elementType)
      return call.error("input " + std::to_string(i) + " is " + x.describe() + ", expected element type " +
                        std::string(name(s->elementType)) + " as in input 0");
    s->items.emplace_back(std::move(x));
  }
  call.outputs[0] = s;
  return Status::ok();
}

Status sequenceLength(HostOpCall& call) {
  JINX_TRY_ASSIGN(SequencePtr s, sequence(call, 0));
  call.outputs[0] = Tensor::scalarInt(lengthOf(s));
  return Status::ok();
}

Status sequenceAt(HostOpCall& call) {
  JINX_TRY_ASSIGN(SequencePtr s, sequence(call, 0));
  JINX_TRY_ASSIGN(int64_t at, position(call, 1, lengthOf(s), lengthOf(s) - 1));
  call.outputs[0] = s->items[static_cast<size_t>(at)];
  return Status::ok();
}

Status sequenceInsert(HostOpCall& call) {
  JINX_TRY_ASSIGN(SequencePtr s, sequence(call, 0));
  JINX_TRY_ASSIGN(Tensor x, call.tensor(1));
  int64_t at = lengthOf(s);
  if (call.has(2)) {
    JINX_TRY_ASSIGN(at, position(call, 2, lengthOf(s), lengthOf(s)));
  }
  auto result = std::make_shared<Sequence>(*s);
  if (result->elementType == DType::kInvalid) result->elementType = x.dtype();
  if (x.dtype() != result->elementType)
    return call.error("'tensor' is " + x.describe() + ", expected element type " +
                      std::string(name(result->elementType)) + " as in 'input_sequence'");
  result->items.insert(result->items.begin() + at, std::move(x));
  call.outputs[0] = result;
  return Status::ok();
}

Status sequenceErase(HostOpCall& call) {
  JINX_TRY_ASSIGN(SequencePtr s, sequence(call, 0));
  if (s->items.empty()) return call.error("'input_sequence' is empty, expected an element to erase");
  int64_t at = lengthOf(s) - 1;
  if (call.has(1)) {
    JINX_TRY_ASSIGN(at, position(call, 1, lengthOf(s), lengthOf(s) - 1));
  }
  auto result = std::make_shared<Sequence>(*s);
  result->items.erase(result->items.begin() + at);
  call.outputs[0] = result;
  return Status::ok();
}

Status concatFromSequence(HostOpCall& call) {
  JINX_TRY_ASSIGN(SequencePtr s, sequence(call, 0));
  const bool newAxis = call.attributes->getInt("new_axis", 0) != 0;
  std::vector<Tensor> parts;
  for (const Value& item : s->items) {
    const Tensor* x = tensorOrNull(item);
    if (!x)
      return call.error("element " + std::to_string(parts.size()) + " of 'input_sequence' is no tensor, expected one");
    parts.push_back(*x);
  }
  if (parts.empty()) return call.error("'input_sequence' is empty, expected at least one tensor");
  const Tensor first = parts[0];
  JINX_TRY_ASSIGN(int64_t axis,
                  operands::axis(call, call.attributes->getInt("axis", 0), first.rank() + (newAxis ? 1 : 0)));
  for (size_t i = 0; i < parts.size(); ++i) {
    Tensor& part = parts[i];
    bool fits = part.dtype() == first.dtype() && part.rank() == first.rank();
    for (int64_t k = 0; fits && k < first.rank(); ++k)
      fits = part.dim(k) == first.dim(k) || (!newAxis && k == axis);
    if (!fits)
      return call.error("element " + std::to_string(i) + " of 'input_sequence' is " + part.describe() +
                        ", expected one that joins " + first.describe() + (newAxis ? " on a new axis " : " on axis ") +
                        std::to_string(axis));
    part = datamove::unpacked(part);
    if (newAxis) {
      Shape shape = part.shape();
      shape.insert(shape.begin() + axis, 1);
      part = part.reshaped(shape);
    }
  }
  call.outputs[0] = datamove::packed(datamove::joined(parts, axis), first.dtype());
  return Status::ok();
}

/// Lengths of the parts: 1 each by default, all equal to a scalar (the last may be shorter), or as listed.
Expected<std::vector<int64_t>> partLengths(const HostOpCall& call, int64_t extent) {
  if (!call.has(1)) return std::vector<int64_t>(static_cast<size_t>(extent), 1);
  JINX_TRY_ASSIGN(Tensor split, call.tensor(1));
  JINX_TRY_ASSIGN(std::vector<int64_t> lengths, operands::ints(call, 1, "split"));
  if (split.rank() == 0) {
    const int64_t chunk = lengths[0];
    if (chunk <= 0) return call.error("'split' is " + std::to_string(chunk) + ", expected a value >= 1");
    lengths.clear();
    for (int64_t left = extent; left > 0; left -= chunk)
      lengths.push_back(std::min(chunk, left));
    return lengths;
  }
  JINX_TRY(operands::checkParts(call, lengths, extent));
  return lengths;
}

Status splitToSequence(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor input, call.tensor(0));
  JINX_TRY_ASSIGN(int64_t axis, operands::axis(call, call.attributes->getInt("axis", 0), input.rank()));
  JINX_TRY_ASSIGN(std::vector<int64_t> lengths, partLengths(call, input.dim(axis)));
  const bool dropAxis = !call.has(1) && call.attributes->getInt("keepdims", 1) == 0;
  const Tensor x = datamove::unpacked(input);
  auto s = std::make_shared<Sequence>();
  s->elementType = input.dtype();
  int64_t start = 0;
  for (int64_t length : lengths) {
    Tensor y = datamove::partOf(x, axis, start, length);
    start += length;
    if (dropAxis) {
      Shape shape = y.shape();
      shape.erase(shape.begin() + axis);
      y = y.reshaped(shape);
    }
    s->items.emplace_back(datamove::packed(y, input.dtype()));
  }
  call.outputs[0] = s;
  return Status::ok();
}

Status makeOptional(HostOpCall& call) {
  auto o = std::make_shared<Optional>();
  if (call.has(0)) o->item = call.inputs[0]; // else empty; the attribute `type` matters only to type inference
  call.outputs[0] = o;
  return Status::ok();
}

Status optionalHasElement(HostOpCall& call) {
  bool present = call.has(0);
  if (present)
    if (const OptionalPtr* o = std::get_if<OptionalPtr>(&call.inputs[0])) present = *o && isPresent((*o)->item);
  call.outputs[0] = Tensor::scalarInt(present, DType::kBool);
  return Status::ok();
}

Status optionalGetElement(HostOpCall& call) {
  if (!call.has(0)) return call.error("input 0 is absent, expected an optional with an element");
  Value item = call.inputs[0];
  if (const OptionalPtr* o = std::get_if<OptionalPtr>(&call.inputs[0])) item = *o ? (*o)->item : Value();
  if (!isPresent(item)) return call.error("'input' is an empty optional, expected one with an element");
  call.outputs[0] = item;
  return Status::ok();
}

constexpr HostOpEntry kRows[] = {
    {"", "SequenceEmpty", 11, sequenceEmpty},
    {"", "SequenceConstruct", 11, sequenceConstruct},
    {"", "SequenceLength", 11, sequenceLength},
    {"", "SequenceAt", 11, sequenceAt},
    {"", "SequenceInsert", 11, sequenceInsert},
    {"", "SequenceErase", 11, sequenceErase},
    {"", "ConcatFromSequence", 11, concatFromSequence},
    {"", "SplitToSequence", 11, splitToSequence},
    {"", "Optional", 15, makeOptional},
    {"", "OptionalHasElement", 15, optionalHasElement},
    {"", "OptionalGetElement", 15, optionalGetElement},
};

} // namespace

std::span<const HostOpEntry> sequenceHostOps() { return kRows; }

} // namespace jinx
