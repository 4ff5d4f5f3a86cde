// The dist dialect's C++ face: meshes, states of values, wishes, collectives.
#pragma once

#include "ir/Dist/States.h"
#include "ir/Graph/Graph.h"
#include "mlir/IR/SymbolTable.h"

namespace jinx::dist {

/// The network between ranks, as a resource of MLIR's side effects: nothing moves one collective across another.
struct Wire : mlir::SideEffects::Resource::Base<Wire> {
  llvm::StringRef getName() final { return "dist.wire"; }
};

}  // namespace jinx::dist

#include "ir/Dist/DistDialect.h.inc"
#include "ir/Dist/DistInterfaces.h.inc"
#define GET_ATTRDEF_CLASSES
#include "ir/Dist/DistAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "ir/Dist/DistTypes.h.inc"
#define GET_OP_CLASSES
#include "ir/Dist/DistOps.h.inc"

namespace jinx::dist {

/// Among a rank's own operators: a collective, a send, a receive or a wait, which keep the order in which they stand.
inline bool isOnWire(mlir::Operation *op) { return llvm::isa<Collective, SendOp, RecvOp, WaitOp>(op); }

/// The type itself, or of what was started what a wait will have.
inline mlir::Type startedType(mlir::Type type) {
  auto pending = llvm::dyn_cast<PendingType>(type);
  return pending ? mlir::Type(pending.getValue()) : type;
}

}  // namespace jinx::dist
