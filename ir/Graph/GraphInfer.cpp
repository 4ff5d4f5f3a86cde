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
      return emitOptionalError(loc, "shapes ", describe(sizes), " and ", describe(other), " do not broadcast together");
    sizes = *joined;
  }
  results.push_back(tensorOf(sizes, elementType));
  return success();
}

LogicalResult sameElement(std::optional<Location> loc, Value a, Value b) {
  if (elementOf(a) == elementOf(b)) return success();
  return emitOptionalError(loc, "operands have element types ", elementOf(a), " and ", elementOf(b), ", expected one type");
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
JINX_INFER_UNARY(ExpOp)
JINX_INFER_UNARY(Expm1Op)
JINX_INFER_UNARY(LogOp)
JINX_INFER_UNARY(Log1pOp)
JINX_INFER_UNARY(SqrtOp)
JINX_INFER_UNARY(RsqrtOp)
JINX_INFER_UNARY(SinOp)
JINX_INFER_UNARY(CosOp)
JINX_INFER_UNARY(TanhOp)
JINX_INFER_UNARY(AtanOp)
JINX_INFER_UNARY(ErfOp)
JINX_INFER_UNARY(SigmoidOp)
JINX_INFER_UNARY(ReluOp)
JINX_INFER_UNARY(FloorOp)
JINX_INFER_UNARY(CeilOp)
JINX_INFER_UNARY(RoundOp)
JINX_INFER_UNARY(NotOp)

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
JINX_INFER_BINARY(AndOp)
JINX_INFER_BINARY(OrOp)
JINX_INFER_BINARY(XorOp)

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
      return emitOptionalError(loc, "perm is no permutation of 0..", int64_t(in.size()) - 1, ": entry ", p);
    seen[p] = true;
    out.push_back(in[p]);
  }
  results.push_back(tensorOf(out, elementOf(op.getX())));
  return success();
}

LogicalResult ConcatOp::inferReturnTypes(JINX_INFER_ARGS) {
  ConcatOpAdaptor op(operands, attrs, props, regions);
  int64_t axis = op.getAxis();
  if (operands.empty()) return emitOptionalError(loc, "concat needs at least one operand");
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
        return emitOptionalError(loc, "dimension ", d, " is ", sizes[d].str(), " in one operand and ", other[d].str(), " in another");
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
    return emitOptionalError(loc, "contraction is over ", ka.str(), " elements of a and ", kb.str(), " of b");
  auto batch = broadcastSizes(ArrayRef(a).drop_back(2), ArrayRef(b).drop_back(2));
  if (!batch)
    return emitOptionalError(loc, "batch shapes ", describe(ArrayRef(a).drop_back(2)), " and ", describe(ArrayRef(b).drop_back(2)),
                             " do not broadcast together");
  batch->push_back(a[a.size() - 2]);
  batch->push_back(b[b.size() - 1]);
  Type element = elementOf(op.getA());
  if (element.isInteger(8)) element = IntegerType::get(element.getContext(), 32);
  results.push_back(tensorOf(*batch, element));
  return success();
}

LogicalResult ConvOp::inferReturnTypes(JINX_INFER_ARGS) {
  ConvOpAdaptor op(operands, attrs, props, regions);
  Sizes x = sizesOf(op.getX().getType()), w = sizesOf(op.getW().getType());
  if (x.size() < 3 || x.size() != w.size())  // conv C1
    return emitOptionalError(loc, "x has rank ", x.size(), " and w has rank ", w.size(), ", expected one rank of at least 3");
  size_t spatial = x.size() - 2, firstSpatial = op.getChannelsLast() ? 1 : 2;
  const SizeExpr &channels = op.getChannelsLast() ? x.back() : x[1];
  SizeExpr expected = w[1] * SizeExpr(op.getGroup());
  if (channels.constant() && !(channels == expected))  // conv C2
    return emitOptionalError(loc, "x has ", channels.str(), " channels, expected ", expected.str(), " (w.dim(1) * group)");
  if (op.getGroup() < 1 || (w[0].constant() && *w[0].constant() % op.getGroup()))  // conv C3
    return emitOptionalError(loc, "w has ", w[0].str(), " output channels, expected a multiple of group = ", op.getGroup());
  if (op.getStrides().size() != spatial || op.getDilations().size() != spatial || op.getPads().size() != 2 * spatial)
    return emitOptionalError(loc, "strides, dilations and pads need ", spatial, ", ", spatial, " and ", 2 * spatial, " entries");
  Sizes out = {x[0]};
  if (!op.getChannelsLast()) out.push_back(w[0]);
  for (size_t i = 0; i < spatial; ++i) {
    if (op.getStrides()[i] < 1 || op.getDilations()[i] < 1)
      return emitOptionalError(loc, "stride ", op.getStrides()[i], " and dilation ", op.getDilations()[i], " must be positive");
    SizeExpr window = (w[2 + i] - 1) * SizeExpr(op.getDilations()[i]) + 1;
    SizeExpr padded = x[firstSpatial + i] + op.getPads()[i] + op.getPads()[spatial + i];
    SizeExpr extent = floorDiv(padded - window, op.getStrides()[i]) + 1;
    if (extent.constant() && *extent.constant() < 0) extent = 0;
    out.push_back(extent);
  }
  if (op.getChannelsLast()) out.push_back(w[0]);
  results.push_back(tensorOf(out, elementOf(op.getX())));
  return success();
}

LogicalResult ReduceOp::inferReturnTypes(JINX_INFER_ARGS) {
  ReduceOpAdaptor op(operands, attrs, props, regions);
  Sizes sizes = sizesOf(op.getX().getType());
  int64_t previous = -1;
  for (int64_t axis : op.getAxes()) {
    if (axis <= previous || axis >= int64_t(sizes.size()))
      return emitOptionalError(loc, "axes must be sorted, distinct and below the rank ", sizes.size(), "; got ", axis);
    previous = axis;
    sizes[axis] = 1;
  }
  results.push_back(tensorOf(sizes, elementOf(op.getX())));
  return success();
}
