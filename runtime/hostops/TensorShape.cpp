// Operators that change only what shape a tensor is said to have, tell its shape, or make a tensor from a few numbers.
#include <algorithm>
#include <cmath>

#include "runtime/hostops/DataMove.h"
#include "runtime/hostops/HostOp.h"
#include "runtime/hostops/OnnxTypes.h"
#include "runtime/hostops/Operands.h"

namespace jinx {
namespace {

Status identity(HostOpCall& call) {
  if (call.inputs.empty()) return call.error("got no inputs, expected one");
  call.outputs[0] = call.inputs[0]; // a tensor, a sequence or an optional
  return Status::ok();
}

Status reshape(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor data, call.tensor(0));
  Shape shape = call.attributes->getInts("shape");
  if (call.opset >= 5) {
    JINX_TRY_ASSIGN(shape, operands::ints(call, 1, "shape"));
  }
  const bool allowZero = call.attributes->getInt("allowzero", 0) != 0;
  // A copied dimension stands on both sides, so it takes no part in finding -1: that keeps [0,3] -> [0,-1] meaningful.
  int64_t inferred = -1, known = 1, rest = 1;
  std::vector<bool> copied(data.shape().size(), false);
  for (size_t k = 0; k < shape.size(); ++k) {
    if (shape[k] == -1) {
      if (inferred >= 0) return call.error("'shape' is " + toString(shape) + ", expected at most one -1");
      inferred = static_cast<int64_t>(k);
    } else if (shape[k] == 0 && !allowZero) {
      if (k >= data.shape().size())
        return call.error("'shape' copies dimension " + std::to_string(k) + " of " + data.describe() +
                          ", expected a dimension that exists");
      shape[k] = data.shape()[k];
      copied[k] = true;
    } else if (shape[k] < 0) {
      return call.error("'shape' is " + toString(shape) + ", expected extents >= -1");
    } else if (__builtin_mul_overflow(known, shape[k], &known)) {
      return call.error("'shape' is " + toString(shape) + ", expected " + std::to_string(data.size()) +
                        " elements as in 'data'");
    }
  }
  for (size_t k = 0; k < data.shape().size(); ++k)
    if (!copied[k]) rest *= data.shape()[k];
  if (inferred >= 0) {
    if (known == 0) return call.error("'shape' is " + toString(shape) + ", expected no 0 beside a -1");
    shape[static_cast<size_t>(inferred)] = rest / known;
    known *= rest / known;
  }
  if (known != rest)
    return call.error("'shape' is " + toString(shape) + ", expected " + std::to_string(data.size()) +
                      " elements as in 'data' " + data.describe());
  call.outputs[0] = data.reshaped(std::move(shape));
  return Status::ok();
}

Status flatten(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  const int64_t given = call.attributes->getInt("axis", 1);
  if (given < -x.rank() || given > x.rank())
    return call.error("'axis' is " + std::to_string(given) + ", expected a value in [" + std::to_string(-x.rank()) +
                      ", " + std::to_string(x.rank()) + "]");
  const int64_t axis = given < 0 ? given + x.rank() : given;
  const std::span<const int64_t> shape(x.shape());
  call.outputs[0] = x.reshaped(
      {numElements(shape.first(static_cast<size_t>(axis))), numElements(shape.subspan(static_cast<size_t>(axis)))});
  return Status::ok();
}

Status squeeze(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  JINX_TRY_ASSIGN(auto given, operands::axesOperand(call, 1));
  std::vector<bool> drop(x.shape().size(), false);
  if (given) {
    JINX_TRY_ASSIGN(std::vector<int64_t> axes, operands::axes(call, *given, x.rank()));
    for (int64_t a : axes) {
      if (x.dim(a) != 1)
        return call.error("'axes' names axis " + std::to_string(a) + " of " + x.describe() +
                          ", expected an axis of extent 1");
      drop[static_cast<size_t>(a)] = true;
    }
  } else {
    for (size_t k = 0; k < drop.size(); ++k)
      drop[k] = x.shape()[k] == 1;
  }
  Shape shape;
  for (size_t k = 0; k < drop.size(); ++k)
    if (!drop[k]) shape.push_back(x.shape()[k]);
  call.outputs[0] = x.reshaped(std::move(shape));
  return Status::ok();
}

Status unsqueeze(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  JINX_TRY_ASSIGN(auto given, operands::axesOperand(call, 1));
  if (!given) return call.error("'axes' is absent, expected the axes to insert");
  const int64_t rank = x.rank() + static_cast<int64_t>(given->size());
  JINX_TRY_ASSIGN(std::vector<int64_t> axes, operands::axes(call, *given, rank));
  Shape shape(static_cast<size_t>(rank), 0);
  for (int64_t a : axes)
    shape[static_cast<size_t>(a)] = 1;
  size_t next = 0;
  std::vector<bool> inserted(static_cast<size_t>(rank), false);
  for (int64_t a : axes)
    inserted[static_cast<size_t>(a)] = true;
  for (size_t k = 0; k < shape.size(); ++k)
    if (!inserted[k]) shape[k] = x.shape()[next++];
  call.outputs[0] = x.reshaped(std::move(shape));
  return Status::ok();
}

Status shapeOf(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  const int64_t rank = x.rank();
  int64_t start = call.attributes->getInt("start", 0), end = call.attributes->getInt("end", rank);
  start = std::clamp<int64_t>(start < 0 ? start + rank : start, 0, rank);
  end = std::clamp<int64_t>(end < 0 ? end + rank : end, 0, rank);
  const std::span<const int64_t> shape(x.shape());
  call.outputs[0] = Tensor::fromInts(
      shape.subspan(static_cast<size_t>(start), static_cast<size_t>(std::max<int64_t>(end - start, 0))));
  return Status::ok();
}

Status sizeOf(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  call.outputs[0] = Tensor::scalarInt(x.size());
  return Status::ok();
}

/// The one attribute that holds the value. A `sparse_value` is expected already made dense.
Status constant(HostOpCall& call) {
  const Attributes& a = *call.attributes;
  if (a.has("value") || a.has("sparse_value")) {
    const Tensor value = a.getTensor(a.has("value") ? "value" : "sparse_value");
    if (!value.valid()) return call.error("'value' is no tensor, expected one");
    call.outputs[0] = value;
  } else if (a.has("value_int")) {
    call.outputs[0] = Tensor::scalarInt(a.getInt("value_int", 0));
  } else if (a.has("value_ints")) {
    call.outputs[0] = Tensor::fromInts(a.getInts("value_ints"));
  } else if (a.has("value_float")) {
    call.outputs[0] = Tensor::scalarDouble(a.getFloat("value_float", 0));
  } else if (a.has("value_floats")) {
    const std::vector<double> values = a.getFloats("value_floats");
    Tensor y = Tensor::make(DType::kF32, {static_cast<int64_t>(values.size())});
    for (size_t i = 0; i < values.size(); ++i)
      y.setDouble(static_cast<int64_t>(i), values[i]);
    call.outputs[0] = y;
  } else if (a.has("value_string")) {
    Tensor y = Tensor::make(DType::kString, {});
    y.setString(0, a.getString("value_string", ""));
    call.outputs[0] = y;
  } else if (a.has("value_strings")) {
    const std::vector<std::string> values = a.getStrings("value_strings");
    Tensor y = Tensor::make(DType::kString, {static_cast<int64_t>(values.size())});
    for (size_t i = 0; i < values.size(); ++i)
      y.setString(static_cast<int64_t>(i), values[i]);
    call.outputs[0] = y;
  } else {
    return call.error("no value attribute is present, expected one of value, sparse_value, value_int(s), "
                      "value_float(s), value_string(s)");
  }
  return Status::ok();
}

Status constantOfShape(HostOpCall& call) {
  JINX_TRY_ASSIGN(std::vector<int64_t> shape, operands::ints(call, 0, "input"));
  Tensor value = Tensor::make(DType::kF32, {1});
  if (call.attributes->has("value")) value = call.attributes->getTensor("value");
  if (!value.valid() || value.size() != 1)
    return call.error("'value' is " + (value.valid() ? value.describe() : "no tensor") +
                      ", expected a tensor of one element");
  const Tensor element = datamove::unpacked(value);
  JINX_TRY_ASSIGN(Tensor y, operands::allocate(call, element.dtype(), shape));
  datamove::fillRun(element.dtype(), y.data(), 0, element.data(), 0, y.size());
  call.outputs[0] = datamove::packed(y, value.dtype());
  return Status::ok();
}

Status range(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor start, call.tensor(0));
  JINX_TRY_ASSIGN(Tensor limit, call.tensor(1));
  JINX_TRY_ASSIGN(Tensor delta, call.tensor(2));
  JINX_TRY(operands::sameType(call, start, "start", limit, "limit"));
  JINX_TRY(operands::sameType(call, start, "start", delta, "delta"));
  JINX_TRY(operands::realNumbers(call, start, "start"));
  if (start.size() != 1 || limit.size() != 1 || delta.size() != 1)
    return call.error("'start', 'limit' and 'delta' are " + start.describe() + ", " + limit.describe() + " and " +
                      delta.describe() + ", expected scalars");
  if (delta.getDouble(0) == 0) return call.error("'delta' is 0, expected another number");
  if (isInteger(start.dtype())) {
    const __int128 first = start.getInt(0), step = delta.getInt(0),
                   span = static_cast<__int128>(limit.getInt(0)) - first;
    __int128 count = span / step + (span % step != 0 && (span > 0) == (step > 0) ? 1 : 0);
    count = std::clamp<__int128>(count, 0, int64_t{1} << 50);
    JINX_TRY_ASSIGN(Tensor y, operands::allocate(call, start.dtype(), {static_cast<int64_t>(count)}));
    for (int64_t i = 0; i < y.size(); ++i)
      y.setInt(i, static_cast<int64_t>(first + i * step));
    call.outputs[0] = y;
    return Status::ok();
  }
  // Double is at least as wide as every `stash_type`, which for f16 and bf16 tells how to accumulate.
  const double first = start.getDouble(0), step = delta.getDouble(0);
  const double count = std::ceil((limit.getDouble(0) - first) / step);
  if (std::isnan(count) || count > 1e15)
    return call.error("'start', 'limit' and 'delta' give " + std::to_string(count) +
                      " elements, expected a usable number");
  JINX_TRY_ASSIGN(Tensor y, operands::allocate(call, start.dtype(), {static_cast<int64_t>(std::max(count, 0.0))}));
  for (int64_t i = 0; i < y.size(); ++i)
    y.setDouble(i, first + static_cast<double>(i) * step);
  call.outputs[0] = y;
  return Status::ok();
}

Status eyeLike(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  if (x.rank() != 2) return call.error("'input' is " + x.describe() + ", expected rank 2");
  DType type = x.dtype();
  if (call.attributes->has("dtype")) type = dtypeFromOnnx(call.attributes->getInt("dtype", 0));
  if (type == DType::kInvalid || type == DType::kString || isComplex(type))
    return call.error("'dtype' is " + std::string(name(type)) + ", expected a real type");
  Tensor y = Tensor::make(type, x.shape()); // zeros
  const int64_t k = std::clamp(call.attributes->getInt("k", 0), -x.dim(0), x.dim(1));
  for (int64_t row = std::max<int64_t>(0, -k); row < x.dim(0) && row + k < x.dim(1); ++row)
    y.setInt(row * x.dim(1) + row + k, 1);
  call.outputs[0] = y;
  return Status::ok();
}

constexpr HostOpEntry kRows[] = {
    {"", "Identity", 1, identity}, {"", "Reshape", 1, reshape},     {"", "Flatten", 1, flatten},
    {"", "Squeeze", 1, squeeze},   {"", "Unsqueeze", 1, unsqueeze}, {"", "Shape", 1, shapeOf},
    {"", "Size", 1, sizeOf},       {"", "Constant", 1, constant},   {"", "ConstantOfShape", 9, constantOfShape},
    {"", "Range", 11, range},      {"", "EyeLike", 9, eyeLike},
};

} // namespace

std::span<const HostOpEntry> tensorShapeHostOps();
std::span<const HostOpEntry> tensorShapeHostOps() { return kRows; }

} // namespace jinx
