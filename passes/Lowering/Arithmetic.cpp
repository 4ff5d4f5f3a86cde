#include "passes/Lowering/Arithmetic.h"

#include "ir/Graph/Pages.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
namespace {

SizeExpr elements(Value v) { return volume(sizesOf(v.getType())); }
SizeExpr extent(Value v, int fromEnd) {
  Sizes sizes = sizesOf(v.getType());
  return sizes[sizes.size() - size_t(fromEnd)];
}
SizeExpr product(ArrayRef<int64_t> factors) {
  SizeExpr p = 1;
  for (int64_t f : factors) p = p * f;
  return p;
}

SizeExpr flopsOf(Operation *op) {
  if (op->getNumResults() == 0) return 0;
  const Value y = op->getResult(0);
  return llvm::TypeSwitch<Operation *, SizeExpr>(op)
      .Case([&](PackedMatmulOp matmul) { return 2 * elements(y) * extent(matmul.getA(), 1); })
      .Case([&](MatmulOp matmul) { return 2 * elements(y) * extent(matmul.getA(), 1); })
      .Case([&](DequantMatmulOp matmul) {
        // Of digits: each group of k has so many words and a few more.
        return 2 * elements(y) * (matmul.getFactors() ? extent(matmul.getA(), 2) * SizeExpr(int64_t(matmul.getGroup())) : extent(matmul.getA(), 1));
      })
      .Case([&](ScaledMatmulOp matmul) { return 2 * elements(y) * extent(matmul.getA(), 1); })
      .Case([&](PackedGroupedMatmulOp matmul) { return 2 * elements(y) * extent(matmul.getX(), 1); })
      .Case([&](PackedConvOp conv) {
        return 2 * elements(y) * floorDiv(extent(conv.getX(), 1), conv.getGroup()) * product(conv.getKernel());
      })
      .Case([&](DepthwiseConvOp conv) {
        return 2 * elements(y) * floorDiv(elements(conv.getW()), extent(conv.getW(), 1));
      })
      .Case([&](ConvOp conv) { return 2 * elements(y) * floorDiv(elements(conv.getW()), sizesOf(conv.getW().getType())[0]); })
      .Case([&](LstmOp lstm) { return 2 * elements(lstm.getXw()) * extent(y, 1); })
      .Case([&](GruOp gru) { return 2 * elements(gru.getXw()) * extent(y, 1); })
      .Case([&](AttentionGradOp grad) {  // scores and their gradients, and a product for each result that is wanted
        const int64_t products = 2 + llvm::count_if(grad->getResults(), [](Value v) { return !v.use_empty(); });
        return 2 * products * elements(grad.getQ()) * sizesOf(grad.getK().getType())[2];
      })
      .Case([&](PagedAttentionOp attention) {  // at most: as if every token saw all that the table has room for
        return 2 * (elements(attention.getQ()) + elements(y)) * extent(attention.getTable(), 1) * SizeExpr(kPageRows);
      })
      .Case([&](ReduceOp reduce) { return elements(reduce.getX()); })
      .Case([&](CumsumOp) { return elements(y); })
      .Case([&](PoolOp pool) { return elements(y) * product(pool.getKernel()); })
      .Default([&](Operation *other) { return other->hasTrait<Elementwise>() && !isa<CastOp>(other) ? elements(y) : SizeExpr(0); });
}

SizeExpr bytesOf(Type type, const SizeExpr &count) {
  const Type element = cast<RankedTensorType>(type).getElementType();
  if (!element.isIntOrFloat()) return count * 8;
  const int64_t bits = element.isInteger(1) ? 8 : int64_t(element.getIntOrFloatBitWidth());  // a bool is a byte in memory
  return ceilDiv(count * bits, 8);
}

/// Elements of a pool in the pages that a table names.
SizeExpr elementsOfPages(PagedAttentionOp attention, Value pool) {
  SizeExpr ofPage = volume(ArrayRef(sizesOf(pool.getType())).drop_front());
  return min(elements(attention.getTable()) * ofPage, elements(pool));
}

/// Elements of the weights of groups that have rows, of which there are as many as rows at most.
SizeExpr elementsOfGroups(PackedGroupedMatmulOp product) {
  const Sizes w = sizesOf(product.getW().getType());
  return min(w[0], sizesOf(product.getX().getType())[0]) * volume(ArrayRef(w).drop_front());
}

/// Elements of a group's input that it reads.
SizeExpr elementsRead(BlockArgument input) {
  SizeExpr taken = 0;
  for (OpOperand &use : input.getUses()) {
    if (auto write = dyn_cast<WritePagesOp>(use.getOwner()); write && (input == write.getPool() || input == write.getScales())) continue;
    if (auto attention = dyn_cast<PagedAttentionOp>(use.getOwner()); attention && sizesOf(input.getType()).size() >= 3 && input != attention.getQ()) {
      taken = taken + elementsOfPages(attention, input);
      continue;
    }
    if (auto grouped = dyn_cast<PackedGroupedMatmulOp>(use.getOwner()); grouped && input == grouped.getW()) {
      taken = taken + elementsOfGroups(grouped);
      continue;
    }
    const bool isPart = isa<SliceOp>(use.getOwner()) || (isa<GatherOp, GatherElementsOp, GatherNdOp>(use.getOwner()) && use.getOperandNumber() == 0);
    if (!isPart) return elements(input);
    taken = taken + elements(use.getOwner()->getResult(0));
  }
  return min(taken, elements(input));
}
/// Elements of a group's result that it writes.
SizeExpr elementsWritten(Value result) {
  auto write = result.getDefiningOp<WritePagesOp>();
  if (!write) return elements(result);
  return result == write.getPages() ? elements(write.getRows()) : volume(ArrayRef(sizesOf(write.getRows().getType())).drop_back());
}

}  // namespace

SizeExpr flopsOf(GroupOp group) {
  SizeExpr sum = 0;
  for (Operation &op : group.getBody().front().without_terminator()) sum = sum + flopsOf(&op);
  return sum;
}

SizeExpr bytesOf(GroupOp group) {
  SizeExpr sum = 0;
  for (BlockArgument input : group.getBody().front().getArguments()) sum = sum + bytesOf(input.getType(), elementsRead(input));
  for (Value result : group.getBody().front().getTerminator()->getOperands()) sum = sum + bytesOf(result.getType(), elementsWritten(result));
  return sum;
}

}  // namespace jinx::passes
