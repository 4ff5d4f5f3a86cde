// Rows of fragments: layouts of a kernel whose tiles are 64 rows of a warpgroup, row and column tiles, and what combines a row's elements.
//
// A thread has two rows, h = 0 and 1. A tile of 64 x n is an array of n / 2 values, a row tile (64 x 1) one of two values that the four
// lanes of a row hold alike, a column tile (1 x n) one of n / 4 values that the eight lanes and four warps of a column hold alike.
#include "codegen/cuda/PipelineEmitter.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace jinx::cuda {

namespace {
std::string str(int64_t v) { return std::to_string(v); }
}  // namespace

TileLayout PipelineEmitter::rowsLayout(const Shape &shape) {
  TileLayout layout;
  auto [row, column] = fragmentPlace(shape[1]);
  layout.row = {"fragment_row + " + row, Expr::kAdd};
  if (shape[1] == 1) {
    layout.loops = {{"h", "2", 2}};
    layout.subscripts = {"h"};
    layout.extents = {"2"};
    layout.column = {"0"};
    layout.elementsPerThread = 2;
    return layout;
  }
  std::string suffix = str(shape[1]);
  if (shape[0] == 1) {
    e_.constant("kColumns" + suffix, shape[1] / 4, "of a thread for a tile of " + suffix + " columns");
    e_.constant("kOctets" + suffix, shape[1] / 8, "its groups of 8 columns");
    layout.loops = {{"j", "kOctets" + suffix, shape[1] / 8}, {"e", "2", 2}};
    layout.subscripts = {"2 * j + e"};
    layout.extents = {"kColumns" + suffix};
    layout.row = {"0"};
    layout.column = {"fragment_column + " + column, Expr::kAdd};
    layout.elementsPerThread = shape[1] / 4;
    return layout;
  }
  e_.constant("kAccumulators" + suffix, shape[1] / 2, "of a thread for a tile of 64 x " + suffix);
  e_.constant("kOctets" + suffix, shape[1] / 8, "its groups of 8 columns");
  layout.loops = {{"j", "kOctets" + suffix, shape[1] / 8}, {"h", "2", 2}, {"e", "2", 2}};
  layout.subscripts = {"4 * j + 2 * h + e"};
  layout.extents = {"kAccumulators" + suffix};
  layout.column = {"fragment_column + " + column, Expr::kAdd};
  layout.elementsPerThread = shape[1] / 2;
  return layout;
}

LogicalResult PipelineEmitter::emitRowReduce(tile::RowReduceOp op) {
  auto from = e_.arrayOf(op.getTile(), e_.hint(op.getTile()));
  if (failed(from)) return failure();
  std::string function = std::string(op.getParts() ? "row_part_" : "row_") + tile::stringifyReduceKind(op.getKind()).str();
  return printRows(op.getRows(), function + "(" + *from + ", h)");
}

LogicalResult PipelineEmitter::emitRowCombine(tile::RowCombineOp op) {
  auto from = e_.arrayOf(op.getParts(), e_.hint(op.getParts()));
  if (failed(from)) return failure();
  return printRows(op.getRows(), "quad_" + tile::stringifyReduceKind(op.getKind()).str() + "(" + *from + "[h])");
}

LogicalResult PipelineEmitter::emitWarpAny(tile::WarpAnyOp op) {
  if (!fragments_) return op.emitOpError("is for kernels with tile.mma_shared");
  auto says = e_.arrayOf(op.getSays(), e_.hint(op.getSays()));
  if (failed(says)) return failure();
  e_.define(op.getAny(), {"warp_any(" + *says + "[0] || " + *says + "[1])"}, /*keep=*/true);
  return success();
}

/// value[h] = text, for both rows: here and now, since lanes meet in it.
LogicalResult PipelineEmitter::printRows(Value value, const std::string &text) {
  SourceWriter &out = e_.out_;
  TileLayout layout = e_.layoutOf(Shape(cast<VectorType>(value.getType()).getShape()));
  const std::string name = out.unique(e_.hint(value));
  e_.bindArray(value, name);
  out.line("float " + layout.declare(name) + ";");
  e_.openLoops(layout, 0, 1);
  out.line(layout.element(name) + " = " + text + ";");
  e_.closeLoops(1);
  return success();
}

LogicalResult PipelineEmitter::emitIota(tile::IotaOp op) {
  if (!fragments_) return op.emitOpError("is for kernels with tile.mma_shared");
  Bound bound;
  bound.kind = op.getAxis() == 0 ? Bound::kRowNumber : Bound::kColumnNumber;
  e_.bound_[op.getTile()] = bound;
  return success();
}

LogicalResult PipelineEmitter::emitColumnLoad(tile::ColumnLoadOp op) {
  RingInfo &ring = ringOf(op.getSlot());
  const Buffer &b = ring.buffers[op.getBuffer()];
  Shape shape(cast<VectorType>(op.getColumns().getType()).getShape());
  if (!fragments_ || !b.isRow || b.elementBytes != 4 || b.columns != shape[1] || shape[1] % 8)
    return op.emitOpError("reads a buffer of one row of f32 in a bulk ring, a multiple of 8 columns, in a kernel with tile.mma_shared");
  SourceWriter &out = e_.out_;
  TileLayout layout = e_.layoutOf(shape);
  const std::string name = out.unique(e_.hint(op.getColumns()));
  e_.bindArray(op.getColumns(), name);
  out.line("float " + layout.declare(name) + ";");
  e_.openLoops(layout, 0, 1);
  out.line("shared_load_x2(" + name + " + 2 * j, " + slotAddress(ring, b, 0, "columns") + " + j * 32);");
  e_.closeLoops(1);
  return success();
}

/// A fragment that nobody wants any more but this loop is carried where it lies.
bool KernelEmitter::takesOver(Value init, Operation *loop) {
  auto held = bound_.find(init);
  return pipeline_->hasFragments() && init.hasOneUse() && init.getParentBlock() == loop->getBlock() && held != bound_.end() &&
         (held->second.kind == Bound::kArray || held->second.kind == Bound::kOperand);
}

/// A fragment that an `if` changes or leaves, and that nobody wants as it was any more, is changed where it lies. Null: another one.
Value KernelEmitter::changedInPlace(scf::IfOp op, unsigned result) {
  if (!pipeline_->hasFragments() || !op.elseBlock()) return {};
  Value left = op.elseYield().getOperand(result);
  auto held = bound_.find(left);
  bool endsHere = left.getParentBlock() == op->getBlock() && llvm::all_of(left.getUsers(), [&](Operation *user) { return op->isProperAncestor(user); });
  return endsHere && held != bound_.end() && held->second.kind == Bound::kArray ? left : Value();
}

/// A row tile over columns, or a column tile over rows: whoever uses it reads the row's value, or the column's.
LogicalResult KernelEmitter::emitRowBroadcast(Operation *op) {
  auto rows = arrayOf(op->getOperand(0), hint(op->getOperand(0)));
  if (failed(rows)) return failure();
  Bound bound;
  bound.kind = Bound::kRowValue;
  bound.expr = {*rows + (shapeOf(op->getOperand(0).getType())[0] == 1 ? "[2 * j + e]" : "[h]")};
  bound_[op->getResult(0)] = bound;
  return success();
}

/// One lane of a row's four stores for all.
LogicalResult KernelEmitter::emitRowStore(tile::StoreOp op) {
  auto rows = arrayOf(op.getTile(), hint(op.getTile()));
  if (failed(rows)) return failure();
  TileLayout layout = layoutOf(shapeOf(op.getTile().getType()));
  beforeWrite(op.getPtr());
  out_.open("if (fragment_column == 0)");
  openLoops(layout, 0, 1);
  if (!op.getLimits().empty()) out_.open("if (" + layout.row.text + " < " + scalar(op.getLimits()[0]).in(Expr::kShift) + ")");
  Value stride = op.getStrides()[0];
  Expr along = getConstantIntValue(stride) == 1 ? layout.row : multiply(call("i64", layout.row.text), scalar(stride));
  Expr at = ::jinx::cuda::add(::jinx::cuda::add(bound_[op.getPtr()].expr, scalar(op.getOffset())), along);
  out_.line("global_store(" + at.text + ", " + layout.element(*rows) + ");");
  if (!op.getLimits().empty()) out_.close();
  closeLoops(1);
  out_.close();
  return success();
}

}  // namespace jinx::cuda
