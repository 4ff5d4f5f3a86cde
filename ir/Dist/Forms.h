// The forms of a function, and what the verifier asks of each (ir/Dist/DistDialect.td says what they are).
#pragma once

#include "ir/Dist/Dist.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

namespace jinx::dist {

constexpr llvm::StringLiteral kAnnotated = "dist.annotated";  ///< on functions: the mesh's name
constexpr llvm::StringLiteral kPlaced = "dist.placed";
constexpr llvm::StringLiteral kOwn = "dist.own";
constexpr llvm::StringLiteral kRanked = "dist.ranked";
constexpr llvm::StringLiteral kCoordinates = "dist.coordinates";  ///< on ranked functions: {tp = 1}, the coordinates that were made numbers
constexpr llvm::StringLiteral kSharding = "dist.sharding";  ///< on arguments and results: a wish
constexpr llvm::StringLiteral kWholeType = "dist.whole";    ///< on arguments and results of own and ranked functions: the placed type, of which a rank has its part

constexpr llvm::StringLiteral kPiece = "dist.piece";        ///< on operators: which microbatch they compute (passes/Dist/UnrollMicrobatches.cpp)
constexpr llvm::StringLiteral kStage = "dist.stage";        ///< on operators: which stage of a pipeline computes them (passes/Dist/StageProgram.cpp)

/// The mesh that the function names in the attribute of one form; null where it has none.
MeshOp meshOf(mlir::Operation *function, llvm::StringRef form);
/// In whichever form it is.
MeshOp meshOf(mlir::Operation *function);

/// Each operator's operands and results agree with its factor rule. Errors name value, axis and the reshard that is missing.
mlir::LogicalResult verifyPlaced(mlir::FunctionOpInterface function, MeshOp mesh);
/// What varies with what is the same varies; a part of a sum goes through what is linear and nothing else; collectives take one state to another.
mlir::LogicalResult verifyOwn(mlir::FunctionOpInterface function, MeshOp mesh);

/// True when a formula of the operator's attributes has the coordinate on `axis` in it.
bool readsCoordinate(mlir::Operation *op, mlir::StringAttr axis);
/// The axes whose coordinates stand in formulas of an own function: ranks that agree on these have one program.
llvm::SmallVector<mlir::StringAttr> axesRead(mlir::FunctionOpInterface function, MeshOp mesh);

/// Collectives, sends and receives fit their groups; what is started is waited for.
mlir::LogicalResult verifyRanked(mlir::FunctionOpInterface function, MeshOp mesh);

/// An axis of the mesh by the names that a collective has; an error at `op` where there is none, or one twice. Returns the ranks of a group.
mlir::FailureOr<int64_t> groupSize(mlir::Operation *op, mlir::ArrayAttr axes, MeshOp mesh);

}  // namespace jinx::dist
