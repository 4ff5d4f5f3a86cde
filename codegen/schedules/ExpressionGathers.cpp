// Gathers inside kernels: coordinates that are data.
//
// An index is read where the result stands, and becomes a coordinate of x: a scalar when no lane moves it (a row of an embedding: the
// lanes run along the row, a contiguous load), else one per lane.
//
//   y = gather_elements(x, i, axis 1)       y at (r, c + l):   i at (r, c + l) -> lanes;  x at (r, lanes): a gathered load
#include "codegen/schedules/Expression.h"

#include "codegen/schedules/ScalarOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {

Coordinate ExpressionEmitter::indexCoordinate(Value indices, ArrayRef<Coordinate> at, const SizeExpr &extent) {
  auto normalise = [&](Value i, int64_t width) -> Value {
    auto spread = [&](Value v) { return width ? kb_.splat(v, width) : v; };
    Value zero = spread(kb_.constant(0)), wrapped = arith::AddIOp::create(kb_.b(), kb_.loc(), i, spread(kb_.size(extent)));
    Value negative = arith::CmpIOp::create(kb_.b(), kb_.loc(), arith::CmpIPredicate::slt, i, zero);
    i = arith::SelectOp::create(kb_.b(), kb_.loc(), negative, wrapped, i);
    i = arith::MinSIOp::create(kb_.b(), kb_.loc(), i, spread(kb_.size(extent - 1)));
    return arith::MaxSIOp::create(kb_.b(), kb_.loc(), i, zero);
  };
  Coordinate chosen{{}, 0, {}};
  if (llvm::all_of(at, [&](const Coordinate &c) { return isScalar(c); })) {
    ExpressionEmitter one(kb_, 1);
    Value index = vector::ExtractOp::create(kb_.b(), kb_.loc(), one.evaluate(indices, at), 0);
    chosen.base = normalise(arith::IndexCastOp::create(kb_.b(), kb_.loc(), kb_.b().getIndexType(), index), 0);
  } else {
    Value index = evaluate(indices, at);
    chosen.lanes = normalise(arith::IndexCastOp::create(kb_.b(), kb_.loc(), tileType(kb_.b().getIndexType()), index), width_);
  }
  return chosen;
}

Coordinate ExpressionEmitter::within(const Coordinate &at, const SizeExpr &own, const SizeExpr &extent) {
  if ((extent - own).isAtLeast(0)) return at;
  if (isScalar(at)) return {kb_.max(kb_.min(at.base, kb_.size(extent - 1)), kb_.constant(0)), 0, {}};
  Value lanes = arith::MinSIOp::create(kb_.b(), kb_.loc(), lanesOf(at), kb_.splat(kb_.size(extent - 1), width_));
  return {{}, 0, arith::MaxSIOp::create(kb_.b(), kb_.loc(), lanes, kb_.splat(kb_.constant(0), width_))};
}

Value ExpressionEmitter::emitGather(GatherOp op, ArrayRef<Coordinate> at) {
  int64_t axis = op.getAxis(), indexRank = sizesOf(op.getIndices().getType()).size();
  SizeExpr extent = sizesOf(op.getX().getType())[axis];
  Coordinates mapped(at.begin(), at.begin() + axis);
  mapped.push_back(indexCoordinate(op.getIndices(), at.slice(axis, indexRank), extent));
  mapped.append(at.begin() + axis + indexRank, at.end());
  Type type = tileType(registerType(cast<RankedTensorType>(op.getY().getType()).getElementType()));
  return unlessEmpty(extent, type, [&] { return evaluate(op.getX(), mapped); },
                     [&]() -> Value { return arith::ConstantOp::create(kb_.b(), kb_.loc(), type, kb_.b().getZeroAttr(type)); });
}

Value ExpressionEmitter::emitGatherElements(GatherElementsOp op, ArrayRef<Coordinate> at) {
  size_t axis = op.getAxis();
  Sizes in = sizesOf(op.getX().getType()), own = sizesOf(op.getIndices().getType());
  SizeExpr read = in[axis];  // 0 where clamping finds nothing
  Coordinates mapped;
  for (size_t d = 0; d < at.size(); ++d) {
    mapped.push_back(d == axis ? indexCoordinate(op.getIndices(), at, in[d]) : within(at[d], own[d], in[d]));
    if (d != axis && !(in[d] - own[d]).isAtLeast(0)) read = read * in[d];
  }
  Type type = tileType(registerType(cast<RankedTensorType>(op.getY().getType()).getElementType()));
  return unlessEmpty(read, type, [&] { return evaluate(op.getX(), mapped); },
                     [&]() -> Value { return arith::ConstantOp::create(kb_.b(), kb_.loc(), type, kb_.b().getZeroAttr(type)); });
}

Value ExpressionEmitter::emitGatherNd(GatherNdOp op, ArrayRef<Coordinate> at) {
  Sizes in = sizesOf(op.getX().getType()), own = sizesOf(op.getIndices().getType());
  size_t rows = own.size() - 1, batch = op.getBatch();
  int64_t depth = *own.back().constant();
  SizeExpr read = 1;
  Coordinates mapped, row(at.begin(), at.begin() + rows);
  for (size_t d = 0; d < batch; ++d) {
    mapped.push_back(within(at[d], own[d], in[d]));
    if (!(in[d] - own[d]).isAtLeast(0)) read = read * in[d];
  }
  row.push_back({});
  for (int64_t k = 0; k < depth; ++k) {
    row.back() = {kb_.constant(k), 0, {}};
    mapped.push_back(indexCoordinate(op.getIndices(), row, in[batch + k]));
    read = read * in[batch + k];
  }
  mapped.append(at.begin() + rows, at.end());
  Type type = tileType(registerType(cast<RankedTensorType>(op.getY().getType()).getElementType()));
  return unlessEmpty(read, type, [&] { return evaluate(op.getX(), mapped); },
                     [&]() -> Value { return arith::ConstantOp::create(kb_.b(), kb_.loc(), type, kb_.b().getZeroAttr(type)); });
}

}  // namespace jinx::schedules
