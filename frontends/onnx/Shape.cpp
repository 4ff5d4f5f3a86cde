// Operators that change, ask for, or are given a shape.
#include "frontends/onnx/Handlers.h"
#include "frontends/onnx/Importer.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends {
namespace {

/// What is left of `total` for one dimension beside `known`: the quotient of a valid model, which divides exactly.
SizeExpr remaining(const SizeExpr &total, const SizeExpr &known) {
  if (auto exact = total.exactDivide(known)) return *exact;
  return floorDiv(total, known);
}

/// Operand 1 gives the shape: how many dimensions the result has is known even when their extents are not.
bool declineWithShapeOperand(Node &n, size_t operand, Value like) {
  Value shape = n.in(operand);
  if (shape && n.isRanked(shape) && n.rank(shape) == 1)
    if (auto count = n.size(shape, 0).constant(); count && *count <= 64) n.expectRank(0, *count, n.element(like));
  return n.decline("the target shape depends on data");
}

bool reshape(Node &n) {
  Value x = n.in(0);
  std::optional<SmallVector<SizeExpr>> shape;
  if (auto attribute = n.attrInts("shape"); attribute && n.opset < 5)
    shape.emplace(attribute->begin(), attribute->end());
  else
    shape = n.formulas(1);
  if (!x || !shape) return declineWithShapeOperand(n, 1, x);
  Sizes in = n.sizes(x), out;
  std::optional<size_t> unknown;
  bool allowZero = n.attrInt("allowzero", 0) != 0;
  SizeExpr known = 1;
  for (auto [i, size] : llvm::enumerate(*shape)) {
    SizeExpr extent = size;
    if (size.isConstant(0) && !allowZero) {
      if (i >= in.size()) return n.decline("a 0 in the shape copies a dimension that the operand lacks");
      extent = in[i];
    } else if (size.isConstant(-1)) {
      if (unknown) return n.decline("two dimensions are -1");
      unknown = i;
      extent = 1;
    }
    known = known * extent;
    out.push_back(extent);
  }
  if (unknown) out[*unknown] = known.isConstant(0) ? SizeExpr(0) : remaining(volume(in), known);
  return n.give(n.reshape(x, out));
}

bool flatten(Node &n) {
  Value x = n.in(0);
  int64_t rank = n.rank(x), axis = n.attrInt("axis", 1);
  if (axis < 0) axis += rank;
  if (axis < 0 || axis > rank) return n.decline("axis is out of range");
  Sizes in = n.sizes(x);
  return n.give(n.reshape(x, {volume(ArrayRef(in).take_front(axis)), volume(ArrayRef(in).drop_front(axis))}));
}

bool squeeze(Node &n) {
  Value x = n.in(0);
  bool known;
  auto axes = n.attrOrInput("axes", 1, &known);
  if (!known) return n.decline("the axes depend on data");
  Sizes in = n.sizes(x), out;
  if (!axes) { // every dimension that is 1: a dynamic one may be
    axes.emplace();
    for (size_t d = 0; d < in.size(); ++d) {
      if (!in[d].constant()) return n.decline("which dimensions are 1 is not known");
      if (in[d].isConstant(1)) axes->push_back(int64_t(d));
    }
  }
  auto normal = n.axesOf(*axes, int64_t(in.size()));
  if (!normal) return n.decline("an axis is out of range");
  for (size_t d = 0; d < in.size(); ++d) {
    if (!llvm::is_contained(*normal, int64_t(d)))
      out.push_back(in[d]);
    else if (in[d].constant() && !in[d].isConstant(1))
      return n.decline("dimension " + std::to_string(d) + " is " + in[d].str() + ", expected 1");
  }
  return n.give(n.reshape(x, out));
}

bool unsqueeze(Node &n) {
  Value x = n.in(0);
  bool known;
  auto axes = n.attrOrInput("axes", 1, &known);
  if (!known || !axes) return n.decline("the axes depend on data");
  auto normal = n.axesOf(*axes, n.rank(x) + int64_t(axes->size()));
  if (!normal || normal->size() != axes->size()) return n.decline("an axis is out of range or given twice");
  Sizes out = n.sizes(x);
  for (int64_t axis : *normal) out.insert(out.begin() + axis, SizeExpr(1));
  return n.give(n.reshape(x, out));
}

bool transpose(Node &n) {
  Value x = n.in(0);
  SmallVector<int64_t> perm;
  for (int64_t d = n.rank(x); d-- > 0;) perm.push_back(d);
  if (auto given = n.attrInts("perm")) perm = *given;
  return n.give(n.transpose(x, perm));
}

bool expand(Node &n) {
  Value x = n.in(0);
  auto shape = n.formulas(1);
  if (!shape) return declineWithShapeOperand(n, 1, x);
  auto out = n.joinSizes(n.sizes(x), *shape);
  return out && n.give(n.broadcast(x, *out));
}

bool tile(Node &n) {
  Value x = n.in(0);
  auto repeats = n.formulas(1);
  if (n.opset < 6 || !repeats) {
    n.expectRank(0, n.rank(x), n.element(x));
    return n.decline("the repeats depend on data");
  }
  if (int64_t(repeats->size()) != n.rank(x)) return n.decline("there are not as many repeats as dimensions");
  Sizes in = n.sizes(x), split, wide, out; // [a, b] → [1, a, 1, b] → [r, a, s, b] → [r*a, s*b]
  for (auto [size, repeat] : llvm::zip(in, *repeats)) {
    if (!repeat.isConstant(1)) {
      split.push_back(1);
      wide.push_back(repeat);
    }
    split.push_back(size);
    wide.push_back(size);
    out.push_back(size * repeat);
  }
  return n.give(n.reshape(n.broadcast(n.reshape(x, split), wide), out));
}

/// `Shape` looks at the type alone, so any tensor of known rank will do.
bool shape(Node &n) {
  Value x = n.in(0);
  if (!n.isRanked(x)) return n.decline("the rank is not known");
  int64_t rank = n.rank(x), start = n.attrInt("start", 0), end = n.attrInt("end", rank);
  auto clamp = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank); };
  start = clamp(start);
  end = std::max(start, clamp(end));
  Sizes sizes = n.sizes(x);
  SmallVector<SizeExpr> values(sizes.begin() + start, sizes.begin() + end);
  return n.give(n.sizeTensor(values, RankedTensorType::get({end - start}, n.i64())));
}
bool sizeOf(Node &n) {
  if (!n.isRanked(n.in(0))) return n.decline("the rank is not known");
  return n.give(n.sizeTensor({volume(n.sizes(n.in(0)))}, RankedTensorType::get({}, n.i64())));
}

bool constantTensor(Node &n) {
  auto give = [&](Expected<ElementsAttr> value) {
    if (!value) return n.decline(value.status().message());
    return n.give(n.constant(*value));
  };
  if (const auto *value = n.find("value")) return give(n.importer.constants.read(value->t()));
  if (const auto *value = n.find("sparse_value")) return give(n.importer.constants.readSparse(value->sparse_tensor()));
  onnx::TensorProto tensor; // the value_* attributes, as the tensors that they stand for
  for (const auto &attribute : n.proto.attribute()) {
    if (attribute.name() == "value_float" || attribute.name() == "value_floats") {
      tensor.set_data_type(onnx::TensorProto::FLOAT);
      *tensor.mutable_float_data() = attribute.floats();
      if (attribute.name() == "value_float") tensor.add_float_data(attribute.f());
    } else if (attribute.name() == "value_int" || attribute.name() == "value_ints") {
      tensor.set_data_type(onnx::TensorProto::INT64);
      *tensor.mutable_int64_data() = attribute.ints();
      if (attribute.name() == "value_int") tensor.add_int64_data(attribute.i());
    } else if (attribute.name() == "value_string" || attribute.name() == "value_strings") {
      tensor.set_data_type(onnx::TensorProto::STRING);
      *tensor.mutable_string_data() = attribute.strings();
      if (attribute.name() == "value_string") tensor.add_string_data(attribute.s());
    } else {
      continue;
    }
    if (attribute.name().back() == 's')
      tensor.add_dims(std::max({tensor.float_data_size(), tensor.int64_data_size(), tensor.string_data_size()}));
  }
  return give(n.importer.constants.read(tensor));
}

bool constantOfShape(Node &n) {
  auto shape = n.formulas(0);
  Value fill = n.scalar(n.f32(), 0);
  if (const auto *value = n.find("value")) {
    auto elements = n.importer.constants.read(value->t());
    if (!elements) return n.decline(elements.status().message());
    fill = n.reshape(n.constant(*elements), {});
  }
  if (!fill) return n.decline("the value is not one element");
  if (!shape) return declineWithShapeOperand(n, 0, fill);
  if (!isKernelElement(n.element(fill))) return n.decline("no kernels for the element type");
  auto type = tensorOf(*shape, n.element(fill));
  if (!type.hasStaticShape()) return n.give(n.broadcast(fill, *shape));
  for (const SizeExpr &size : *shape)
    if (*size.constant() < 0) return n.decline("a size is negative");
  auto splat = cast<DenseElementsAttr>(fill.getDefiningOp<ConstantOp>().getValue());
  return n.give(n.constant(splat.resizeSplat(type)));
}

bool range(Node &n) {
  auto start = n.formulas(0), limit = n.formulas(1), delta = n.formulas(2);
  Value first = n.in(0);
  if (!first || !start || !limit || !delta || start->size() != 1 || limit->size() != 1 || delta->size() != 1) {
    if (first) n.expectRank(0, 1, n.element(first));
    return n.decline("the bounds depend on data, or are floats");
  }
  auto step = (*delta)[0].constant();
  if (!step || *step == 0) return n.decline("delta is 0 or not known");
  SizeExpr span = *step > 0 ? (*limit)[0] - (*start)[0] : (*start)[0] - (*limit)[0];
  SizeExpr count = ceilDiv(span, std::abs(*step));
  if (!count.isAtLeast(0, 1)) count = max(count, 0);
  Value y = n.iota({count}, n.element(first), 0, (*start)[0].constant().value_or(0), *step);
  if (!(*start)[0].constant()) y = n.add(y, n.sizeScalar((*start)[0], n.element(first)));
  return n.give(y);
}

bool eyeLike(Node &n) {
  Value x = n.in(0);
  if (!n.isRanked(x) || n.rank(x) != 2) return n.decline("the operand is no matrix");
  Type element = n.hasAttr("dtype") ? elementTypeFromOnnx(n.context(), n.attrInt("dtype", 1)) : n.element(x);
  if (!element || !isKernelElement(element)) return n.decline("no kernels for the element type");
  Value column = n.iota({SizeExpr(1), n.size(x, 1)}, n.i64(), 1);
  Value row = n.iota({n.size(x, 0), SizeExpr(1)}, n.i64(), 0, n.attrInt("k", 0));
  return n.give(n.cast(n.compare(ComparePredicate::eq, row, column), element));
}

/// At inference the operand passes through, and the mask is all true.
bool dropout(Node &n) {
  Value x = n.in(0);
  bool trains = false;
  if (n.has(2)) {
    auto mode = n.numbers(2);
    if (!mode || mode->size() != 1) return n.decline("training_mode is not known");
    trains = (*mode)[0] != 0;
  }
  if (n.opset < 7 && n.attrInt("is_test", 0) == 0) trains = false; // as every runtime does: models are run, not trained
  if (trains) return n.decline("it drops elements at random");
  if (n.wants(1)) {
    Type element = n.opset < 10 ? n.element(x) : n.i1();
    if (!n.isRanked(x) || !n.set(1, n.filled(n.sizes(x), element, 1))) return n.decline("the mask's shape is not known");
  }
  return n.give(x);
}

constexpr HandlerRow kRows[] = {
    {"", "Reshape", 1, kAnyOpset, reshape},
    {"", "Flatten", 1, kAnyOpset, flatten},
    {"", "Squeeze", 1, kAnyOpset, squeeze},
    {"", "Unsqueeze", 1, kAnyOpset, unsqueeze},
    {"", "Transpose", 1, kAnyOpset, transpose},
    {"", "Expand", 8, kAnyOpset, expand},
    {"", "Tile", 1, kAnyOpset, tile},
    {"", "Shape", 1, kAnyOpset, shape, true},
    {"", "Size", 1, kAnyOpset, sizeOf, true},
    {"", "Constant", 1, kAnyOpset, constantTensor, true},
    {"", "ConstantOfShape", 9, kAnyOpset, constantOfShape},
    {"", "Range", 11, kAnyOpset, range},
    {"", "EyeLike", 9, kAnyOpset, eyeLike, true},
    {"", "Dropout", 1, kAnyOpset, dropout},
};

} // namespace

std::span<const HandlerRow> shapeHandlers() { return kRows; }

} // namespace jinx::frontends
