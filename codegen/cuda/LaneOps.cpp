// Operations whose lanes depend on each other (TileLaneOps.td): a function of the device library on the tile's register array.
#include "codegen/cuda/KernelEmitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace jinx::cuda {

namespace {
constexpr int64_t kWarp = 32;
constexpr int64_t kReduceSlots = 32;  // block.cuh
}  // namespace

LogicalResult KernelEmitter::emitScan(tile::ScanOp op) {
  auto type = cast<VectorType>(op.getTile().getType());
  if (!isTile(type)) {  // one lane
    Value tile = op.getTile();
    std::string zero = "static_cast<" + cType(type.getElementType()) + ">(0)";
    define(op.getSums(), op.getExclusive() ? Expr{zero} : scalar(tile));
    define(op.getTotal(), scalar(tile));
    return success();
  }
  TileLayout layout = layoutOf(shapeOf(type));
  if (!layout.complete) return unsupported(op, "a tile of " + Twine(type.getDimSize(0)) + " lanes has no equal share for each of " + Twine(threads_) + " threads");
  bool isWarp = threads_ == kWarp;
  if (!isWarp && layout.runs * threads_ / kWarp > kReduceSlots)
    return unsupported(op, "the tile has " + Twine(layout.runs) + " runs in each of " + Twine(threads_ / kWarp) + " warps; at most " + Twine(kReduceSlots) + " in all");
  auto x = arrayOf(op.getTile(), "x_tile");
  if (failed(x)) return failure();
  needLibrary("lanes.cuh");
  usesSlots_ |= !isWarp;
  std::string element = cType(type.getElementType()), sums = out_.unique("sums"), total = out_.unique("total"), first;
  for (size_t d = 0; d < layout.extents.size(); ++d) first += "[0]";
  out_.line(element + " " + layout.declare(sums) + ";");
  auto flag = [](bool is) { return is ? "true" : "false"; };
  std::string text = std::to_string(layout.runs) + ", " + std::to_string(layout.run) + ", " + flag(op.getExclusive()) + ", " + flag(op.getReverse());
  text = (isWarp ? "warp_scan_tile<" : "block_scan_tile<") + text + ">(&" + sums + first + ", &" + *x + first + (isWarp ? ")" : ", kThreads, slots, turn)");
  out_.line((op.getTotal().use_empty() ? "" : "const " + element + " " + total + " = ") + text + ";");
  if (!isWarp) memory_ = {};  // every thread has met every other
  Bound scalarBound;
  bindArray(op.getSums(), sums);
  scalarBound.kind = Bound::kUniform;
  scalarBound.expr = {total};
  bound_[op.getTotal()] = scalarBound;
  return success();
}

LogicalResult KernelEmitter::emitSort(tile::SortOp op) {
  auto type = cast<VectorType>(op.getTile().getType());
  Value tile = op.getTile();
  if (!isTile(type)) return define(op.getSorted(), scalar(tile)), success();
  Shape shape = shapeOf(type);
  TileLayout layout = layoutOf(shape);
  if (programsPerBlock_ > 1) return unsupported(op, "the programs of a block would share the memory in which they sort");
  needLibrary("lanes.cuh");
  // Sorts of one width need no barrier between them: a thread stores keys where it read those sorted before.
  int64_t bytes = type.getDimSize(0) * 8;
  if (sortBytes_ && sortBytes_ != bytes) return unsupported(op, "the kernel sorts tiles of different widths");
  sortBytes_ = bytes;
  std::string valid = layout.complete ? "" : "if (" + layout.valid + ") ";
  LogicalResult status = success();
  Sink sink;
  sink.op = op;
  sink.body = [&](Lane &lane) {
    auto key = laneExpr(tile, lane, layout);
    status = succeeded(key) ? success() : failure();
    if (succeeded(key)) out_.line(valid + "shared_store(keys + " + layout.column.in(Expr::kAdd) + ", " + key->text + ");");
  };
  if (failed(flush(shape, tile, sink)) || failed(status)) return failure();
  out_.line(std::string("block_sort<") + (op.getDescending() ? "true" : "false") + ">(keys, " + std::to_string(type.getDimSize(0)) + ", kThreads);");
  memory_ = {};
  std::string sorted = out_.unique("sorted");
  out_.line("i64 " + layout.declare(sorted) + ";");
  openLoops(layout, 0, layout.loops.size());
  out_.line(valid + layout.element(sorted) + " = shared_load(keys + " + layout.column.in(Expr::kAdd) + ");");
  closeLoops(layout.loops.size());
  bindArray(op.getSorted(), sorted);
  return success();
}

LogicalResult KernelEmitter::emitScatter(tile::ScatterOp op) {
  auto type = cast<VectorType>(op.getTile().getType());
  auto pointer = bound_[op.getPtr()];
  std::string function = pointer.shared ? "shared_store(" : "global_store(";
  beforeWrite(op.getPtr());
  if (!isTile(type)) {
    std::string condition = programsPerBlock_ > 1 ? "lane == 0" : "threadIdx.x == 0";
    out_.line("if (" + condition + " && " + scalar(op.getMask()).in(Expr::kLogicalAnd) + ") " + function + address(pointer, {scalar(op.getOffsets())}).text + ", " +
              scalar(op.getTile()).text + ");");
    return success();
  }
  Shape shape = shapeOf(type);
  TileLayout layout = layoutOf(shape);
  LogicalResult status = success();
  Sink sink;
  sink.op = op;
  sink.body = [&](Lane &lane) {
    auto value = laneExpr(op.getTile(), lane, layout), offset = laneExpr(op.getOffsets(), lane, layout), mask = laneExpr(op.getMask(), lane, layout);
    if (failed(value) || failed(offset) || failed(mask)) {
      status = failure();
      return;
    }
    std::string valid = layout.complete ? "" : layout.valid;
    if (mask->text != "true") valid += (valid.empty() ? "" : " && ") + mask->in(Expr::kLogicalAnd);
    out_.line((valid.empty() ? "" : "if (" + valid + ") ") + function + address(pointer, {*offset}).text + ", " + value->text + ");");
  };
  return failed(flush(shape, {op.getTile(), op.getOffsets(), op.getMask()}, sink)) ? failure() : status;
}

}  // namespace jinx::cuda
