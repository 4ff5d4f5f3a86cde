// Shape inference of operators whose indices are data, and of running sums; the verifier of top_k.
#include "ir/Graph/Verify.h"

using namespace mlir;
using namespace jinx;
using namespace jinx::graph;

namespace {

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }
int64_t rankOf(Value v) { return cast<RankedTensorType>(v.getType()).getRank(); }

LogicalResult axisInRange(std::optional<Location> loc, int64_t axis, Value x) {
  if (axis >= 0 && axis < rankOf(x)) return success();
  return emitOptionalError(loc, "axis is ", axis, ", expected 0..", rankOf(x) - 1, " (rank of x)");
}
LogicalResult areIndices(std::optional<Location> loc, Value indices) {
  if (isa<IntegerType>(elementOf(indices)) && !elementOf(indices).isInteger(1)) return success();
  return emitOptionalError(loc, "indices have element type ", elementOf(indices), ", expected integers");
}

/// gather_elements and scatter_elements C1 to C3
LogicalResult fitElements(std::optional<Location> loc, Value x, Value indices, int64_t axis) {
  if (failed(axisInRange(loc, axis, x)) || failed(areIndices(loc, indices))) return failure();
  if (rankOf(indices) != rankOf(x)) return emitOptionalError(loc, "indices have rank ", rankOf(indices), ", expected ", rankOf(x), " (rank of x)");
  Sizes in = sizesOf(x.getType()), at = sizesOf(indices.getType());
  for (auto [d, sizes] : llvm::enumerate(llvm::zip(at, in))) {
    auto [got, most] = sizes;
    if (int64_t(d) != axis && (got - most).isAtLeast(1))
      return emitOptionalError(loc, "dimension ", d, " of indices is ", got.str(), ", expected at most ", most.str(), " (that of x)");
  }
  return success();
}

/// The number of coordinates in each row of indices; gather_nd C1 and C2, scatter_nd C1.
FailureOr<int64_t> depthOf(std::optional<Location> loc, Value x, Value indices, int64_t batch) {
  if (failed(areIndices(loc, indices))) return failure();
  Sizes sizes = sizesOf(indices.getType());
  if (sizes.empty() || !sizes.back().constant()) {
    (void)emitOptionalError(loc, "indices are ", describe(sizes), ", expected a last extent that is a number");
    return failure();
  }
  int64_t depth = *sizes.back().constant(), rank = int64_t(sizes.size());
  if (batch >= 0 && batch < rank && batch + depth <= rankOf(x)) return depth;
  (void)emitOptionalError(loc, "indices are ", describe(sizes), " with ", batch, " batch dimensions, expected fewer of these than dimensions, and at most ",
                          rankOf(x), " dimensions of x in all");
  return failure();
}

/// scatter_elements C4 and C5, scatter_nd C2 and C3
LogicalResult fitUpdates(std::optional<Location> loc, ScatterKind kind, Value x, Value updates, ArrayRef<SizeExpr> expected) {
  if (elementOf(updates) != elementOf(x))
    return emitOptionalError(loc, "updates have element type ", elementOf(updates), ", expected ", elementOf(x), " (that of x)");
  if (kind != ScatterKind::set && (elementOf(x).isInteger(1) || !elementOf(x).isIntOrFloat()))
    return emitOptionalError(loc, "elements are ", elementOf(x), ", expected numbers for ", stringifyScatterKind(kind));
  Sizes got = sizesOf(updates.getType());
  bool same = got.size() == expected.size();
  for (size_t d = 0; same && d < got.size(); ++d) same = !surelyDifferent(got[d], expected[d]);
  return same ? success() : emitOptionalError(loc, "updates are ", describe(got), ", expected ", describe(expected));
}

}  // namespace

#define JINX_INFER_ARGS                                                                                                  \
  MLIRContext *, std::optional<Location> loc, ValueRange operands, DictionaryAttr attrs, OpaqueProperties props, \
      RegionRange regions, SmallVectorImpl<Type> &results

LogicalResult CumsumOp::inferReturnTypes(JINX_INFER_ARGS) {
  CumsumOpAdaptor op(operands, attrs, props, regions);
  results.push_back(op.getX().getType());
  if (failed(axisInRange(loc, op.getAxis(), op.getX()))) return failure();  // cumsum C1
  Type element = elementOf(op.getX());
  if (element.isIntOrFloat() && !element.isInteger(1)) return success();  // cumsum C2
  return emitOptionalError(loc, "elements are ", element, ", expected floats or integers");
}

LogicalResult GatherElementsOp::inferReturnTypes(JINX_INFER_ARGS) {
  GatherElementsOpAdaptor op(operands, attrs, props, regions);
  if (failed(fitElements(loc, op.getX(), op.getIndices(), op.getAxis()))) return failure();
  results.push_back(tensorOf(sizesOf(op.getIndices().getType()), elementOf(op.getX())));
  return success();
}

LogicalResult GatherNdOp::inferReturnTypes(JINX_INFER_ARGS) {
  GatherNdOpAdaptor op(operands, attrs, props, regions);
  int64_t batch = op.getBatch();
  FailureOr<int64_t> depth = depthOf(loc, op.getX(), op.getIndices(), batch);
  if (failed(depth)) return failure();
  Sizes x = sizesOf(op.getX().getType()), indices = sizesOf(op.getIndices().getType());
  for (int64_t d = 0; d < batch; ++d)  // gather_nd C3
    if (surelyDifferent(x[d], indices[d]))
      return emitOptionalError(loc, "batch dimension ", d, " of indices is ", indices[d].str(), ", expected ", x[d].str(), " (that of x)");
  Sizes out(indices.begin(), indices.end() - 1);
  out.append(x.begin() + batch + *depth, x.end());
  results.push_back(tensorOf(out, elementOf(op.getX())));
  return success();
}

LogicalResult ScatterElementsOp::inferReturnTypes(JINX_INFER_ARGS) {
  ScatterElementsOpAdaptor op(operands, attrs, props, regions);
  if (failed(fitElements(loc, op.getX(), op.getIndices(), op.getAxis()))) return failure();
  if (failed(fitUpdates(loc, op.getKind(), op.getX(), op.getUpdates(), sizesOf(op.getIndices().getType())))) return failure();
  results.push_back(op.getX().getType());
  return success();
}

LogicalResult ScatterNdOp::inferReturnTypes(JINX_INFER_ARGS) {
  ScatterNdOpAdaptor op(operands, attrs, props, regions);
  FailureOr<int64_t> depth = depthOf(loc, op.getX(), op.getIndices(), 0);
  if (failed(depth)) return failure();
  Sizes x = sizesOf(op.getX().getType()), expected = sizesOf(op.getIndices().getType());
  expected.pop_back();
  expected.append(x.begin() + *depth, x.end());
  if (failed(fitUpdates(loc, op.getKind(), op.getX(), op.getUpdates(), expected))) return failure();
  results.push_back(op.getX().getType());
  return success();
}

LogicalResult TopKOp::verify() {
  if (failed(axisInRange(getLoc(), getAxis(), getX()))) return failure();  // top_k C1
  Sizes in = sizesOf(getX().getType()), expected = in, out = sizesOf(getValues().getType());
  if (out.size() == in.size()) expected[getAxis()] = out[getAxis()];
  if (failed(verifyShape(*this, "values", getValues(), expected)) || failed(verifyShape(*this, "indices", getIndices(), expected))) return failure();
  if ((out[getAxis()] - in[getAxis()]).isAtLeast(1))  // top_k C2
    return emitOpError("gives ") << out[getAxis()].str() << " elements along axis " << getAxis() << ", expected at most " << in[getAxis()].str();
  Type element = elementOf(getX());  // top_k C3
  if (elementOf(getValues()) != element || !elementOf(getIndices()).isInteger(64))
    return emitOpError("gives ") << elementOf(getValues()) << " and " << elementOf(getIndices()) << ", expected " << element << " and i64";
  if (!element.isIntOrFloat()) return emitOpError("elements are ") << element << ", expected numbers";
  return success();
}
