#include "ir/Graph/StackedConstants.h"

using namespace mlir;

namespace jinx::graph {

bool isStackedConstant(Operation *op) {
  auto concat = llvm::dyn_cast_or_null<ConcatOp>(op);
  if (!concat) return false;
  const Type element = cast<RankedTensorType>(concat.getY().getType()).getElementType();
  const bool hasBytes = element.isIntOrFloat() && element.getIntOrFloatBitWidth() % 8 == 0;
  return hasBytes && concat.getAxis() == 0 && llvm::all_of(concat.getXs(), [](Value x) { return x.getDefiningOp<ConstantOp>() != nullptr; });
}

bool isConstant(Value v) { return v.getDefiningOp<ConstantOp>() || isStackedConstant(v.getDefiningOp()); }

}  // namespace jinx::graph
