// Shape inference of the operators whose result type follows from operands and attributes.
//
// Each function answers for one family: it appends the result type, or emits what was got against what was expected.
#include "ir/Graph/Graph.h"

using namespace mlir;
using namespace jinx;
using namespace jinx::graph;

namespace {

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }

LogicalResult inferBroadcast(std::optional<Location> loc, ValueRange operands, Type elementType, SmallVectorImpl<Type> &results) {
  Sizes sizes = sizesOf(operands[0].getType());
  for (Value operand : operands.drop_front()) {
    Sizes other = sizesOf(operand.getType());
    auto joined = broadcastSizes(sizes, other);
    if (!joined)
      return emitOptionalError(loc, "shapes ", describe(sizes), " and ", describe(other), " do not broadcast together, expected equal extents or 1");
    sizes = *joined;
  }
  results.push_back(tensorOf(sizes, elementType));
  return success();
}

LogicalResult sameElement(std::optional<Location> loc, Value a, Value b) {
  if (elementOf(a) == elementOf(b)) return success();
  return emitOptionalError(loc, "operands have element types ", elementOf(a), " and ", elementOf(b), ", expected one type");
}

LogicalResult wrongElement(std::optional<Location> loc, Value v, StringRef expected) {
  return emitOptionalError(loc, "operand has element type ", elementOf(v), ", expected ", expected);
}
LogicalResult hasBits(std::optional<Location> loc, Value v) {
  return isa<IntegerType>(elementOf(v)) ? success() : wrongElement(loc, v, "bool or an integer");
}

}  // namespace

#define JINX_INFER_ARGS                                                                                                  \
  MLIRContext *, std::optional<Location> loc, ValueRange operands, DictionaryAttr attrs, OpaqueProperties props, \
      RegionRange regions, SmallVectorImpl<Type> &results

#define JINX_INFER_UNARY(Op)                                     \
  LogicalResult Op::inferReturnTypes(JINX_INFER_ARGS) {          \
    results.push_back(operands[0].getType());                    \
    return success();                                            \
  }
JINX_INFER_UNARY(AbsOp)
JINX_INFER_UNARY(NegOp)
JINX_INFER_UNARY(ReluOp)


#define JINX_INFER_FLOAT(Op)                                                    \
  LogicalResult Op::inferReturnTypes(JINX_INFER_ARGS) {                         \
    results.push_back(operands[0].getType());                                   \
    return isa<FloatType>(elementOf(operands[0])) ? success() : wrongElement(loc, operands[0], "a float"); \
  }
JINX_INFER_FLOAT(ExpOp)
JINX_INFER_FLOAT(Expm1Op)
JINX_INFER_FLOAT(LogOp)
JINX_INFER_FLOAT(Log1pOp)
JINX_INFER_FLOAT(SqrtOp)
JINX_INFER_FLOAT(RsqrtOp)
JINX_INFER_FLOAT(SinOp)
JINX_INFER_FLOAT(CosOp)
JINX_INFER_FLOAT(TanhOp)
JINX_INFER_FLOAT(AtanOp)
JINX_INFER_FLOAT(ErfOp)
JINX_INFER_FLOAT(SigmoidOp)
JINX_INFER_FLOAT(FloorOp)
JINX_INFER_FLOAT(CeilOp)
JINX_INFER_FLOAT(RoundOp)

LogicalResult NotOp::inferReturnTypes(JINX_INFER_ARGS) {
  results.push_back(operands[0].getType());
  return hasBits(loc, operands[0]);
}

#define JINX_INFER_BINARY(Op)                                                          \
  LogicalResult Op::inferReturnTypes(JINX_INFER_ARGS) {                                \
    if (failed(sameElement(loc, operands[0], operands[1]))) return failure();          \
    return inferBroadcast(loc, operands, elementOf(operands[0]), results);             \
  }
JINX_INFER_BINARY(AddOp)
JINX_INFER_BINARY(SubOp)
JINX_INFER_BINARY(MulOp)
JINX_INFER_BINARY(DivOp)
JINX_INFER_BINARY(ModOp)
JINX_INFER_BINARY(MaxOp)
JINX_INFER_BINARY(MinOp)
JINX_INFER_BINARY(PowOp)

#define JINX_INFER_BITS(Op)                                                                                        \
  LogicalResult Op::inferReturnTypes(JINX_INFER_ARGS) {                                                            \
    if (failed(hasBits(loc, operands[0])) || failed(sameElement(loc, operands[0], operands[1]))) return failure(); \
    return inferBroadcast(loc, operands, elementOf(operands[0]), results);                                         \
  }
JINX_INFER_BITS(AndOp)
JINX_INFER_BITS(OrOp)
JINX_INFER_BITS(XorOp)

LogicalResult CompareOp::inferReturnTypes(JINX_INFER_ARGS) {
  if (failed(sameElement(loc, operands[0], operands[1]))) return failure();
  return inferBroadcast(loc, operands, IntegerType::get(operands[0].getContext(), 1), results);
}

LogicalResult SelectOp::inferReturnTypes(JINX_INFER_ARGS) {
  if (!elementOf(operands[0]).isInteger(1))
    return emitOptionalError(loc, "condition has element type ", elementOf(operands[0]), ", expected i1");
  if (failed(sameElement(loc, operands[1], operands[2]))) return failure();
  return inferBroadcast(loc, operands, elementOf(operands[1]), results);
}

LogicalResult TransposeOp::inferReturnTypes(JINX_INFER_ARGS) {
  TransposeOpAdaptor op(operands, attrs, props, regions);
  Sizes in = sizesOf(op.getX().getType()), out;
  ArrayRef<int64_t> perm = op.getPerm();
  SmallVector<bool> seen(in.size(), false);
  if (perm.size() != in.size())
    return emitOptionalError(loc, "perm has ", perm.size(), " entries, expected ", in.size(), " (rank of x)");
  for (int64_t p : perm) {
    if (p < 0 || p >= int64_t(in.size()) || seen[p])
      return emitOptionalError(loc, "perm has ", p, " out of range or twice, expected each of 0..", int64_t(in.size()) - 1, " once");
    seen[p] = true;
    out.push_back(in[p]);
  }
  results.push_back(tensorOf(out, elementOf(op.getX())));
  return success();
}

LogicalResult ConcatOp::inferReturnTypes(JINX_INFER_ARGS) {
  ConcatOpAdaptor op(operands, attrs, props, regions);
  int64_t axis = op.getAxis();
  if (operands.empty()) return emitOptionalError(loc, "has 0 operands, expected at least one");
  Sizes sizes = sizesOf(operands[0].getType());
  if (axis < 0 || axis >= int64_t(sizes.size()))
    return emitOptionalError(loc, "axis is ", axis, ", expected 0..", int64_t(sizes.size()) - 1);
  for (Value operand : operands.drop_front()) {
    if (failed(sameElement(loc, operands[0], operand))) return failure();
    Sizes other = sizesOf(operand.getType());
    if (other.size() != sizes.size())
      return emitOptionalError(loc, "operands have ranks ", sizes.size(), " and ", other.size(), ", expected one rank");
    for (size_t d = 0; d < sizes.size(); ++d) {
      if (int64_t(d) == axis) {
        sizes[d] = sizes[d] + other[d];
        continue;
      }
      // A constant is the better knowledge of the two.
      if (other[d].constant() && sizes[d].constant() && !(other[d] == sizes[d]))
        return emitOptionalError(loc, "dimension ", d, " is ", sizes[d].str(), " in one operand and ", other[d].str(), " in another, expected one extent");
      if (other[d].constant()) sizes[d] = other[d];
    }
  }
  results.push_back(tensorOf(sizes, elementOf(operands[0])));
  return success();
}

LogicalResult GatherOp::inferReturnTypes(JINX_INFER_ARGS) {
  GatherOpAdaptor op(operands, attrs, props, regions);
  Sizes x = sizesOf(op.getX().getType()), indices = sizesOf(op.getIndices().getType()), out;
  int64_t axis = op.getAxis();
  if (axis < 0 || axis >= int64_t(x.size())) return emitOptionalError(loc, "axis is ", axis, ", expected 0..", int64_t(x.size()) - 1);
  if (!isa<IntegerType>(elementOf(op.getIndices()))) return wrongElement(loc, op.getIndices(), "an integer");
  out.append(x.begin(), x.begin() + axis);
  out.append(indices.begin(), indices.end());
  out.append(x.begin() + axis + 1, x.end());
  results.push_back(tensorOf(out, elementOf(op.getX())));
  return success();
}

LogicalResult MatmulOp::inferReturnTypes(JINX_INFER_ARGS) {
  MatmulOpAdaptor op(operands, attrs, props, regions);
  Sizes a = sizesOf(op.getA().getType()), b = sizesOf(op.getB().getType());
  if (a.size() < 2 || b.size() < 2)
    return emitOptionalError(loc, "operands have ranks ", a.size(), " and ", b.size(), ", expected at least 2");
  if (op.getTransposeB()) std::swap(b[b.size() - 1], b[b.size() - 2]);
  const SizeExpr &ka = a[a.size() - 1], &kb = b[b.size() - 2];
  if (ka.constant() && kb.constant() && !(ka == kb))
    return emitOptionalError(loc, "contraction is over ", ka.str(), " elements of a and ", kb.str(), " of b, expected one number");
  auto batch = broadcastSizes(ArrayRef(a).drop_back(2), ArrayRef(b).drop_back(2));
  if (!batch)
    return emitOptionalError(loc, "batch shapes ", describe(ArrayRef(a).drop_back(2)), " and ", describe(ArrayRef(b).drop_back(2)),
                             " do not broadcast together, expected equal extents or 1");
  batch->push_back(a[a.size() - 2]);
  batch->push_back(b[b.size() - 1]);
  Type element = elementOf(op.getA());
  const bool ofBytes = element.isInteger(8) && elementOf(op.getB()).isInteger(8), ofByteFloats = isByteFloat(element) && isByteFloat(elementOf(op.getB()));
  if (!ofBytes && !ofByteFloats && failed(sameElement(loc, op.getA(), op.getB()))) return failure();
  if (op.getFastSums() && !ofByteFloats) return emitOptionalError(loc, "has fast_sums beside elements of ", element, ", expected 8-bit floats");
  if (ofBytes) element = IntegerType::get(element.getContext(), 32);
  if (ofByteFloats) element = Float32Type::get(element.getContext());
  results.push_back(tensorOf(*batch, element));
  return success();
}

LogicalResult GroupedMatmulOp::inferReturnTypes(JINX_INFER_ARGS) {
  GroupedMatmulOpAdaptor op(operands, attrs, props, regions);
  Sizes x = sizesOf(op.getX().getType()), w = sizesOf(op.getW().getType()), ends = sizesOf(op.getEnds().getType());
  if (x.size() != 2 || w.size() != 3 || ends.size() != 1)  // grouped_matmul C1
    return emitOptionalError(loc, "x, w and ends have ranks ", x.size(), ", ", w.size(), " and ", ends.size(), ", expected 2, 3 and 1");
  Type element = elementOf(op.getX());
  if (failed(sameElement(loc, op.getX(), op.getW()))) return failure();  // grouped_matmul C2
  if (!element.isF32() && !element.isF16() && !element.isBF16()) return wrongElement(loc, op.getX(), "f32, f16 or bf16");
  if (op.getTransposeW()) std::swap(w[1], w[2]);
  if (x[1].constant() && w[1].constant() && !(x[1] == w[1]))  // grouped_matmul C3
    return emitOptionalError(loc, "contraction is over ", x[1].str(), " elements of x and ", w[1].str(), " of w, expected one number");
  if (ends[0].constant() && w[0].constant() && !(ends[0] == w[0]))  // grouped_matmul C4
    return emitOptionalError(loc, "ends has ", ends[0].str(), " elements, expected ", w[0].str(), " (groups of w)");
  Type end = elementOf(op.getEnds());
  if (!end.isSignlessInteger(32) && !end.isSignlessInteger(64)) return wrongElement(loc, op.getEnds(), "i32 or i64");
  results.push_back(tensorOf({x[0], w[2]}, element));
  return success();
}

LogicalResult ExpertsOp::inferReturnTypes(JINX_INFER_ARGS) {
  ExpertsOpAdaptor op(operands, attrs, props, regions);
  Sizes x = sizesOf(op.getX().getType()), chosen = sizesOf(op.getChosen().getType()), weights = sizesOf(op.getWeights().getType());
  Sizes gate = sizesOf(op.getGate().getType()), up = sizesOf(op.getUp().getType()), down = sizesOf(op.getDown().getType());
  if (x.size() != 2 || chosen.size() != 2 || weights.size() != 2 || gate.size() != 3 || up.size() != 3 || down.size() != 3)  // experts C1
    return emitOptionalError(loc, "operands have ranks ", x.size(), ", ", chosen.size(), ", ", weights.size(), ", ", gate.size(), ", ", up.size(), " and ",
                             down.size(), ", expected 2, 2, 2, 3, 3 and 3");
  for (Value matrices : {op.getGate(), op.getUp(), op.getDown()})  // experts C2
    if (failed(sameElement(loc, op.getX(), matrices))) return failure();
  Type element = elementOf(op.getX());
  if (!element.isF32() && !element.isF16() && !element.isBF16()) return wrongElement(loc, op.getX(), "f32, f16 or bf16");
  auto agree = [&](const Sizes &got, const Sizes &expected, StringRef what) -> LogicalResult {
    for (auto [a, b] : llvm::zip_equal(got, expected))
      if (a.constant() && b.constant() && !(a == b))
        return emitOptionalError(loc, what, " have a shape of ", describe(got), ", expected ", describe(expected));
    return success();
  };
  if (failed(agree(chosen, {x[0], weights[1]}, "chosen")) || failed(agree(weights, {x[0], chosen[1]}, "weights"))) return failure();  // experts C3
  Type index = elementOf(op.getChosen());
  if (!index.isSignlessInteger(32) && !index.isSignlessInteger(64)) return wrongElement(loc, op.getChosen(), "i32 or i64");  // experts C4
  if (!elementOf(op.getWeights()).isF32()) return wrongElement(loc, op.getWeights(), "f32");
  if (failed(agree(gate, {gate[0], gate[1], x[1]}, "gates"))) return failure();  // experts C5
  if (failed(agree(up, gate, "ups")) || failed(agree(down, {gate[0], down[1], gate[1]}, "downs"))) return failure();
  results.push_back(tensorOf({x[0], down[1]}, Float32Type::get(element.getContext())));
  return success();
}

LogicalResult ConvOp::inferReturnTypes(JINX_INFER_ARGS) {
  ConvOpAdaptor op(operands, attrs, props, regions);
  Sizes x = sizesOf(op.getX().getType()), w = sizesOf(op.getW().getType());
  if (x.size() < 3 || x.size() != w.size())  // conv C1
    return emitOptionalError(loc, "x has rank ", x.size(), " and w has rank ", w.size(), ", expected one rank of at least 3");
  Type element = elementOf(op.getX());
  const bool ofBytes = element.isInteger(8) && elementOf(op.getW()).isInteger(8);
  if (!ofBytes && failed(sameElement(loc, op.getX(), op.getW()))) return failure();
  if (ofBytes) element = IntegerType::get(element.getContext(), 32);
  size_t spatial = x.size() - 2, firstSpatial = op.getChannelsLast() ? 1 : 2;
  const SizeExpr &channels = op.getChannelsLast() ? x.back() : x[1];
  SizeExpr expected = w[1] * SizeExpr(op.getGroup());
  if (channels.constant() && !(channels == expected))  // conv C2
    return emitOptionalError(loc, "x has ", channels.str(), " channels, expected ", expected.str(), " (w.dim(1) * group)");
  if (op.getGroup() < 1 || (w[0].constant() && *w[0].constant() % op.getGroup()))  // conv C3
    return emitOptionalError(loc, "w has ", w[0].str(), " output channels, expected a multiple of group = ", op.getGroup());
  if (op.getStrides().size() != spatial || op.getDilations().size() != spatial || op.getPads().size() != 2 * spatial)
    return emitOptionalError(loc, "strides, dilations and pads have ", op.getStrides().size(), ", ", op.getDilations().size(), " and ",
                             op.getPads().size(), " entries, expected ", spatial, ", ", spatial, " and ", 2 * spatial);
  Sizes out = {x[0]};
  if (!op.getChannelsLast()) out.push_back(w[0]);
  for (size_t i = 0; i < spatial; ++i) {
    if (op.getStrides()[i] < 1 || op.getDilations()[i] < 1)
      return emitOptionalError(loc, "stride is ", op.getStrides()[i], " and dilation is ", op.getDilations()[i], ", expected positive numbers");
    SizeExpr window = (w[2 + i] - 1) * SizeExpr(op.getDilations()[i]) + 1;
    SizeExpr padded = x[firstSpatial + i] + op.getPads()[i] + op.getPads()[spatial + i];
    SizeExpr extent = floorDiv(padded - window, op.getStrides()[i]) + 1;
    if (extent.constant() && *extent.constant() < 0) extent = 0;
    out.push_back(extent);
  }
  if (op.getChannelsLast()) out.push_back(w[0]);
  results.push_back(tensorOf(out, element));
  return success();
}

LogicalResult ReduceOp::inferReturnTypes(JINX_INFER_ARGS) {
  ReduceOpAdaptor op(operands, attrs, props, regions);
  Sizes sizes = sizesOf(op.getX().getType());
  int64_t previous = -1;
  for (int64_t axis : op.getAxes()) {
    if (axis <= previous || axis >= int64_t(sizes.size()))
      return emitOptionalError(loc, "axes are [", op.getAxes(), "], expected sorted, distinct numbers in 0..", int64_t(sizes.size()) - 1);
    previous = axis;
    sizes[axis] = 1;
  }
  results.push_back(tensorOf(sizes, elementOf(op.getX())));
  return success();
}
