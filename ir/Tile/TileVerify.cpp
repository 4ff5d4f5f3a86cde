// What the types of fragments, and of lanes that depend on each other, must say of each other.
#include "ir/Tile/Tile.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace jinx::tile;

namespace {

bool isRowTile(VectorType type) { return type.getRank() == 2 && type.getDimSize(1) == 1; }
bool isHalf(Type type) { return type.isF16() || type.isBF16(); }

/// A row tile of the rows of `tile`.
LogicalResult verifyRows(Operation *op, VectorType tile, VectorType rows) {
  if (tile.getRank() != 2) return op->emitOpError("takes a tile of rank 2, got ") << tile;
  if (rows.getShape() != ArrayRef<int64_t>{tile.getDimSize(0), 1})
    return op->emitOpError("gives one value for each of ") << tile.getDimSize(0) << " rows, got " << rows;
  return success();
}

LogicalResult verifyKind(Operation *op, ReduceKind kind) {
  if (kind != ReduceKind::sum && kind != ReduceKind::max) return op->emitOpError("combines by sum or max, got ") << stringifyReduceKind(kind);
  return success();
}

}  // namespace

LogicalResult DecodeOp::verify() {
  auto words = cast<VectorType>(getWords().getType()), tile = cast<VectorType>(getTile().getType());
  if (!words.getElementType().isInteger(32) || !tile.getElementType().isF32() || words.getShape() != tile.getShape())
    return emitOpError("gives a tile of f32 of the words' shape, got ") << words << " and " << tile;
  if (getIndex() > 7) return emitOpError("takes code ") << getIndex() << " of a word, expected 0 to 7";
  if (getLevels().size() != 16) return emitOpError("has ") << getLevels().size() << " levels, expected 16";
  return success();
}

LogicalResult LookupOp::verify() {
  if (!cast<VectorType>(getWords().getType()).getElementType().isInteger(32)) return emitOpError("takes words of 32 bits, got ") << getWords().getType();
  if (getTable().size() != 16) return emitOpError("has a table of ") << getTable().size() << " bytes, expected 16";
  return success();
}

LogicalResult Dp4aOp::verify() {
  if (!cast<VectorType>(getAcc().getType()).getElementType().isInteger(32)) return emitOpError("takes words of 32 bits, got ") << getAcc().getType();
  return success();
}

LogicalResult MmaOperandOp::verify() {
  auto from = cast<VectorType>(getTile().getType()), to = cast<VectorType>(getOperand().getType());
  if (from.getRank() != 2 || !from.getElementType().isF32() || to.getShape() != from.getShape() || !isHalf(to.getElementType()))
    return emitOpError("rounds a tile of f32 to 16-bit floats of its shape, got ") << from << " and " << to;
  for (Operation *user : getOperand().getUsers())
    if (!isa<MmaRegistersOp, scf::ForOp, scf::YieldOp>(user))
      return emitOpError("is for tile.mma_registers, but '") << user->getName() << "' uses it";
  return success();
}

LogicalResult MmaRegistersOp::verify() {
  auto acc = cast<VectorType>(getAcc().getType()), a = cast<VectorType>(getA().getType());
  if (!isHalf(a.getElementType()) || a.getRank() != 2) return emitOpError("takes its a from tile.mma_operand, got ") << a;
  if (acc.getRank() != 2 || a.getDimSize(0) != acc.getDimSize(0)) return emitOpError("a has ") << a.getDimSize(0) << " rows, acc is " << acc;
  if (getLag() != 0 && getLag() != 1) return emitOpError("reads the latest slot or the one before, lag 0 or 1, got ") << getLag();
  return success();
}

LogicalResult RowReduceOp::verify() {
  if (failed(verifyKind(*this, getKind()))) return failure();
  return verifyRows(*this, cast<VectorType>(getTile().getType()), cast<VectorType>(getRows().getType()));
}

LogicalResult RowCombineOp::verify() {
  if (failed(verifyKind(*this, getKind()))) return failure();
  auto type = cast<VectorType>(getRows().getType());
  if (!isRowTile(type)) return emitOpError("takes a row tile, got ") << type;
  return success();
}

LogicalResult MmaWaitOp::verify() {
  if (!getBehind()) return success();
  auto type = cast<VectorType>(getBehind().getType());
  if (type.getRank() != 2 || !type.getElementType().isF32()) return emitOpError("waits behind a tile of f32 of rank 2, got ") << type;
  return success();
}

LogicalResult UnpairOp::verify() {
  auto whole = cast<VectorType>(getTile().getType()), first = cast<VectorType>(getFirst().getType());
  auto isHalf = [&](int64_t rows, int64_t columns) { return whole.getDimSize(0) == rows * first.getDimSize(0) && whole.getDimSize(1) == columns * first.getDimSize(1); };
  const bool isWhole = whole.getRank() == 2 && first.getRank() == 2 && first == getSecond().getType() && first.getElementType() == whole.getElementType();
  if (!isWhole || !(isHalf(2, 1) ? first.getDimSize(0) % 64 == 0 : isHalf(1, 2) && first.getDimSize(1) % 8 == 0))
    return emitOpError("gives two halves, of a multiple of 64 rows or of 8 columns, of ") << whole << ", got " << first << " and " << getSecond().getType();
  return success();
}

LogicalResult WarpAnyOp::verify() {
  auto type = cast<VectorType>(getSays().getType());
  if (!isRowTile(type) || !type.getElementType().isInteger(1)) return emitOpError("asks a row tile of i1, got ") << type;
  return success();
}

LogicalResult ColumnLoadOp::verify() {
  auto type = cast<VectorType>(getColumns().getType());
  if (type.getRank() != 2 || type.getDimSize(0) != 1 || !type.getElementType().isF32())
    return emitOpError("gives one f32 for each column, got ") << type;
  return success();
}

LogicalResult IotaOp::verify() {
  auto type = cast<VectorType>(getTile().getType());
  if (type.getRank() != 2 || !type.getElementType().isInteger(32)) return emitOpError("gives a tile of rank 2 of i32, got ") << type;
  if (getAxis() != 0 && getAxis() != 1) return emitOpError("counts along axis 0 or 1, got ") << getAxis();
  return success();
}

LogicalResult DotCodesOp::verify() {
  auto parts = cast<VectorType>(getParts().getType());
  if (parts.getRank() != 3 || !parts.getElementType().isF32()) return emitOpError("gives a tile of f32 of rank 3 (warps along k, rows, columns), got ") << parts;
  if (getBits() != 4 && getBits() != 8) return emitOpError("multiplies codes of 4 or 8 bits, got ") << getBits();
  if (getLevels() && (getBits() != 4 || getLevels()->size() != 16))
    return emitOpError("has ") << getLevels()->size() << " levels for codes of " << getBits() << " bits, expected 16 for 4 bits";
  if (getZero() < 0 || getZero() > 15 || (getZero() && (getLevels() || getBits() != 4)))
    return emitOpError("has the zero ") << getZero() << ", expected one of 0 to 15 and codes of 4 bits without levels";
  if (getGroup() < 1 || getGroup() % 32) return emitOpError("has a scale for each ") << getGroup() << " of k, expected a multiple of 32";
  return success();
}

LogicalResult SumWarpsOp::verify() {
  auto parts = cast<VectorType>(getParts().getType()), sums = cast<VectorType>(getSums().getType());
  if (parts.getRank() != 3 || sums.getRank() != 2 || sums.getDimSize(0) != parts.getDimSize(1) || parts.getDimSize(2) % sums.getDimSize(1) ||
      sums.getElementType() != parts.getElementType())
    return emitOpError("sums warps x rows x columns to the rows and columns, or a slice of those, got ") << parts << " and " << sums;
  return success();
}

LogicalResult ScanOp::verify() {
  auto type = cast<VectorType>(getTile().getType());
  if (type.getRank() != 1) return emitOpError("sums the lanes of a tile of rank 1, got ") << type;
  if (getTotal().getType() != type.getElementType())
    return emitOpError("gives a total of type ") << getTotal().getType() << ", expected " << type.getElementType() << ", the tile's";
  return success();
}

LogicalResult SortOp::verify() {
  auto type = cast<VectorType>(getTile().getType());
  if (type.getRank() != 1 || !type.getElementType().isInteger(64) || !llvm::isPowerOf2_64(uint64_t(type.getDimSize(0))))
    return emitOpError("sorts a tile of rank 1 of i64 whose width is a power of two, got ") << type;
  return success();
}
