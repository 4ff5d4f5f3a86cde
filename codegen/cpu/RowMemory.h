// How a CPU reads and writes a row of a tile: whole, with a limit, with a stride, or where other lanes say.
//
// Memory instructions have masks, or else masked, strided and gathered rows go through a small buffer, lane by lane: slow, short code for the baseline that
// runs anywhere.
#pragma once

#include <algorithm>

#include "codegen/cpu/TileToCpu.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"

namespace jinx::cpu {

class RowMemory {
 protected:
  using Value = mlir::Value;
  using Type = mlir::Type;
  using Location = mlir::Location;

  RowMemory(mlir::MLIRContext *context, const Lanes &lanes) : b_(context), lanes_(lanes) {}

  Value indexConstant(Location loc, int64_t v) { return mlir::arith::ConstantIndexOp::create(b_, loc, v); }
  Value toIndex(Location loc, Value v) { return mlir::arith::IndexCastOp::create(b_, loc, b_.getIndexType(), v); }
  Value toI64(Location loc, Value v) { return mlir::arith::IndexCastOp::create(b_, loc, b_.getI64Type(), v); }
  Value add(Location loc, Value a, Value b) { return mlir::arith::AddIOp::create(b_, loc, a, b); }
  Value mul(Location loc, Value a, Value b) { return mlir::arith::MulIOp::create(b_, loc, a, b); }
  Value zero(Location loc, Type type) { return mlir::arith::ConstantOp::create(b_, loc, type, b_.getZeroAttr(type)); }

  static unsigned alignmentOf(Type element) { return std::max<unsigned>(1, element.getIntOrFloatBitWidth() / 8); }
  Value address(Location loc, Value ptr, Type element, Value offset);

  /// Lane i is at `offset` + i * `stride`; those from `limit` on, where there is one, are 0.
  Value loadRow(Location loc, mlir::VectorType type, Value ptr, Value offset, Value stride, Value limit);
  /// The same places; lanes from `limit` on are not written.
  void storeRow(Location loc, Value row, Value ptr, Value offset, Value stride, Value limit);
  /// Lane i is at offsets[i], or 0 where mask[i] says no.
  Value gather(Location loc, mlir::VectorType type, Value ptr, Value offsets, Value mask);
  /// Asks for what lies there, into the second-level cache: it need not exist.
  void fetch(Location loc, Type element, Value ptr, Value offset);

  mlir::OpBuilder b_;
  Lanes lanes_;
  mlir::Block *entry_ = nullptr;  ///< of the function: where buffers of single lanes are allocated

 private:
  /// Tiles of bf16 are read and written as their bits: LLVM would widen masked ones to f32 and call a library to narrow them.
  mlir::VectorType bitsOf(mlir::VectorType type) { return type.getElementType().isBF16() ? type.clone(b_.getI16Type()) : type; }
  Value bitcast(Location loc, Type type, Value v) { return v.getType() == type ? v : Value(mlir::arith::BitcastOp::create(b_, loc, type, v)); }
  Value laneMask(Location loc, Value limit, int64_t width);
  Value allTrue(Location loc, int64_t width);

  Value loadBits(Location loc, mlir::VectorType type, Value ptr, Value offset, Value stride, Value limit);
  /// Addresses of the lanes of a row with a stride that is not 1.
  Value laneAddresses(Location loc, Value ptr, Type element, Value offset, Value stride, int64_t width);
  Value gatherAddresses(Location loc, Value ptr, Type element, Value offsets, int64_t width);
  /// All lanes at once, or one by one where some are past the limit.
  void storeNarrowTail(Location loc, Value row, Value ptr, Value offset, Value stride, Value limit);

  // Lane by lane.
  Value laneBuffer(Location loc, mlir::VectorType type);
  void forLanes(Location loc, Value limit, int64_t width, llvm::function_ref<void(Value)> body);
  void copyLane(Location loc, Type element, Value from, Value fromIndex, Value to, Value toIndex);
  Value loadLanes(Location loc, mlir::VectorType type, Value ptr, Value offset, Value stride, Value limit);
  void storeLanes(Location loc, Value row, Value ptr, Value offset, Value stride, Value limit);
  Value gatherLanes(Location loc, mlir::VectorType type, Value ptr, Value offsets, Value mask);
};

}  // namespace jinx::cpu
