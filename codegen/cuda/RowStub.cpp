#include "codegen/cuda/KernelEmitter.h"
#include "codegen/cuda/PipelineEmitter.h"
namespace jinx::cuda {
mlir::FailureOr<Expr> KernelEmitter::laneLoad(tile::LoadOp op, const TileLayout &layout) { return mlir::failure(); }
mlir::LogicalResult KernelEmitter::emitFragmentStore(tile::StoreOp op) { return mlir::failure(); }
}
