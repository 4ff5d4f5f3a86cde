#include "passes/Dist/BlockOrder.h"

#include "llvm/ADT/SetVector.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace jinx::dist;

namespace jinx::passes {

bool isMovable(Operation *op) {
  return isa<Collective>(op) && !isa<AllToAllVOp, BroadcastOp>(op) && !isa<PendingType>(op->getResult(0).getType());
}
bool keepsOrder(Operation *op) { return !isMovable(op) && !op->hasTrait<OpTrait::IsTerminator>() && !isMemoryEffectFree(op); }

SmallVector<Operation *> neededBy(Operation *op) {
  llvm::SetVector<Operation *> needed;
  op->walk<WalkOrder::PreOrder>([&](Operation *inner) {
    for (Value operand : inner->getOperands()) {
      Operation *def = operand.getDefiningOp();
      if (def) def = op->getBlock()->findAncestorOpInBlock(*def);
      if (def && def != op) needed.insert(def);
    }
  });
  return needed.takeVector();
}

void sortBlock(Block &block) {
  llvm::DenseMap<Operation *, Operation *> before;  // of what keeps its order: the one in front
  SmallVector<Operation *> ops;
  Operation *last = nullptr;
  for (Operation &op : block.without_terminator()) {
    ops.push_back(&op);
    if (!keepsOrder(&op)) continue;
    before[&op] = last;
    last = &op;
  }
  llvm::SmallPtrSet<Operation *, 32> placed;
  std::function<void(Operation *)> place = [&](Operation *op) {
    if (!placed.insert(op).second) return;
    if (Operation *front = before.lookup(op)) place(front);
    for (Operation *needed : neededBy(op)) place(needed);
    op->moveBefore(block.getTerminator());
  };
  for (Operation *op : ops) place(op);
}

}  // namespace jinx::passes
