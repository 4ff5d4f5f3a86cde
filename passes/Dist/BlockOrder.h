// What must come before what, among the operators of a rank's own program?
//
// What makes an operand comes before who reads it, in a region too. Operators with effects keep the order that they have. Collectives between ranks that have the same program do not: all
// of them see them change places. Sends, receives and broadcasts do, since stages of a pipeline have different programs; so does an all_to_all_v, for which the host waits.
#pragma once

#include "ir/Dist/Dist.h"

namespace jinx::passes {

/// A collective that may stand elsewhere.
bool isMovable(mlir::Operation *op);
/// Neither free of effects nor movable.
bool keepsOrder(mlir::Operation *op);
/// Operators of its block whose results it reads, each once, in the order of operands.
llvm::SmallVector<mlir::Operation *> neededBy(mlir::Operation *op);
/// As it is, but what is needed comes first.
void sortBlock(mlir::Block &block);

}  // namespace jinx::passes
