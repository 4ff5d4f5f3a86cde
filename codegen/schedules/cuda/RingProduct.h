// A product whose operands come through a ring of cp.async copies: its loop, and what a block stores. Internal to codegen/schedules/cuda.
//
//   fill stages - 1 slots
//   for each slice of k:   wait for the oldest slot; start the copies of the slice stages - 1 further on; multiply; release
//   epilogue and store
#pragma once

#include <functional>

#include "codegen/schedules/cuda/CudaMatmul.h"
#include "codegen/schedules/cuda/IndexBuilder.h"
#include "ir/Tile/Tile.h"

namespace jinx::schedules {

/// The sums, of type `sums`.
/// \param pending  of a product: those of warps leave their last step behind
/// \param fill  starts the copies of a slice; of one behind the last these copy nothing
inline mlir::Value emitRingProduct(mlir::OpBuilder &b, mlir::Location loc, tile::RingOp ring, mlir::Value steps, mlir::VectorType sums,
                                   int64_t pending, const std::function<void(mlir::Value step, mlir::Value slot)> &fill) {
  using namespace mlir;
  IndexBuilder ix{b, loc};
  const int64_t stages = ring.getStages();
  Type slotType = tile::SlotType::get(b.getContext());
  Value zero = ix.c(0), one = ix.c(1);
  auto fillNext = [&](Value step) {
    auto slot = tile::RingAcquireOp::create(b, loc, slotType, ring).getSlot();
    fill(step, slot);
    tile::RingCommitOp::create(b, loc, slot);
  };
  auto prologue = scf::ForOp::create(b, loc, zero, ix.c(stages - 1), one);
  phase(prologue, "Fill the ring but for one slot");
  prologue.getInductionVar().setLoc(nameLoc(b, loc, "ahead"));
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(prologue.getBody());
    fillNext(prologue.getInductionVar());
  }
  Value zeros = arith::ConstantOp::create(b, loc, b.getZeroAttr(sums));
  auto loop = scf::ForOp::create(b, loc, zero, steps, one, ValueRange{zeros});
  phase(loop, "Multiply slice by slice; the slot that the last slice left is filled meanwhile");
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    auto slot = tile::RingWaitOp::create(b, loc, slotType, ring, stages - 2).getSlot();
    fillNext(ix.add(loop.getInductionVar(), stages - 1));
    Value next = tile::MmaOp::create(b, loc, sums, loop.getRegionIterArg(0), slot, 0, 1, Value(), pending).getResult();
    tile::RingReleaseOp::create(b, loc, ring, 0);
    scf::YieldOp::create(b, loc, next);
  }
  Value done = pending ? tile::MmaWaitOp::create(b, loc, sums, loop.getResult(0)).getResult() : loop.getResult(0);
  tile::RingDrainOp::create(b, loc, ring);
  return done;
}

/// Where a block's tile of the result lies, and how much of it there is.
struct RingTile {
  mlir::Value to, offset, rowStride;  ///< the result; no offset is 0; its columns lie side by side
  mlir::Value row, column, rowsLeft, columnsLeft;
};

/// Stores what the epilogue makes of the sums, if it leaves that to others.
inline void storeRingProduct(mlir::OpBuilder &b, mlir::Location loc, mlir::Value sums, const RingTile &tile, const EpilogueHole &hole) {
  using namespace mlir;
  IndexBuilder ix{b, loc};
  Value result = hole(b, loc, sums, {Value(), tile.row, tile.column});
  if (!result) return;
  Value at = ix.add(ix.add(tile.offset ? tile.offset : ix.c(0), ix.mul(tile.row, tile.rowStride)), tile.column);
  auto store = tile::StoreOp::create(b, loc, result, tile.to, at, ValueRange{tile.rowStride, ix.c(1)}, ValueRange{tile.rowsLeft, tile.columnsLeft});
  phase(store, "Epilogue and store");
}

}  // namespace jinx::schedules
