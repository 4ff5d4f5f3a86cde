// Chains of elementwise operations: kept pending until somebody needs their values, then printed as one loop.
#include "codegen/cuda/KernelEmitter.h"
#include "codegen/cuda/PipelineEmitter.h"
#include "llvm/ADT/StringExtras.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace jinx::cuda {

namespace {
constexpr size_t kInlineLength = 48;
}  // namespace

std::string TileLayout::declare(const std::string &name) const {
  std::string text = name;
  for (const std::string &extent : extents) text += "[" + extent + "]";
  return text;
}
std::string TileLayout::element(const std::string &name) const {
  std::string text = name;
  for (const std::string &subscript : subscripts) text += "[" + subscript + "]";
  return text;
}

bool KernelEmitter::isTile(Type type) {
  auto vector = dyn_cast<VectorType>(type);
  return vector && vector.getNumElements() > 1;
}
Shape KernelEmitter::shapeOf(Type type) { return Shape(cast<VectorType>(type).getShape()); }

/// True when every element of the tile is the same scalar, or the value is a scalar.
bool KernelEmitter::isUniform(Value value) const {
  if (!isTile(value.getType())) return true;
  auto it = bound_.find(value);
  if (it != bound_.end()) return it->second.kind == Bound::kUniform;
  Operation *op = value.getDefiningOp();
  return op && isElementwise(op) && llvm::all_of(op->getOperands(), [&](Value v) {
           auto found = bound_.find(v);
           return found != bound_.end() && found->second.kind == Bound::kUniform;
         });
}

// ---- layouts ----------------------------------------------------------------------------------------------------------------------

int64_t TileLayout::ownerOf(int64_t element) const { return element / run % threads; }
std::string TileLayout::placeOf(int64_t element) const {
  int64_t first = element / run / threads, second = element % run;
  auto subscript = [](int64_t i) { return "[" + std::to_string(i) + "]"; };
  if (loops.size() == 2) return subscript(first) + subscript(second);
  return subscript(runs == 1 ? second : first);
}

// A tile's elements go to threads in runs of neighbours, one run to each thread, then again from the first thread on: so neighbouring
// threads read neighbouring memory, each as wide as it may.
//
//   16 elements, 4 threads, runs of 2      0 0 1 1 2 2 3 3 0 0 1 1 2 2 3 3        x[2][2] in each
TileLayout KernelEmitter::makeRowLayout(int64_t width) {
  TileLayout layout;
  bool firstOne = llvm::none_of(layouts_, [](auto &entry) { return entry.first.size() == 1; });
  std::string suffix = firstOne ? "" : "_" + std::to_string(width), first = threads_ == 1 ? "0" : out_.unique("thread_first" + suffix);
  auto begins = [&](const std::string &text) {  // a thread that has all of a tile begins at 0
    if (threads_ > 1) prologue("const int " + first + " = " + text + ";");
  };
  int64_t perThread = llvm::divideCeil(width, threads_);
  layout.run = runs_.lookup(width);
  layout.run = layout.run ? layout.run : perThread;
  layout.runs = llvm::divideCeil(perThread, layout.run);
  layout.threads = threads_;
  layout.elementsPerThread = layout.run * layout.runs;
  constant("kTile" + suffix, width, firstOne ? "elements of a tile" : "");
  std::string thread = programsPerBlock_ > 1 ? "lane" : "threadIdx.x", perThreadName = "kPerThread" + suffix;
  if (layout.runs == 1) {
    constant(perThreadName, layout.run, firstOne ? "consecutive elements that a thread holds" : "");
    layout.loops = {{"i", perThreadName, layout.run}};
    layout.subscripts = {"i"};
    layout.extents = {perThreadName};
    layout.column = threads_ == 1 ? Expr{"i"} : Expr{first + " + i", Expr::kAdd};
    begins(thread + (layout.run == 1 ? "" : " * " + perThreadName));
  } else if (layout.run == 1) {
    constant(perThreadName, layout.runs, firstOne ? "elements that a thread holds, kStride from one to the next" : "");
    constant("kStride" + suffix, threads_, "");
    layout.stride = "kStride" + suffix;
    layout.loops = {{"i", perThreadName, layout.runs}};
    layout.subscripts = {"i"};
    layout.extents = {perThreadName};
    layout.column = {first + " + i * " + layout.stride, Expr::kAdd};
    begins(thread);
  } else {
    std::string run = "kRun" + suffix, runs = "kRuns" + suffix;
    layout.stride = "kStride" + suffix;
    constant(run, layout.run, firstOne ? "neighbours that a thread holds" : "");
    constant(runs, layout.runs, firstOne ? "such runs of a thread" : "");
    constant(layout.stride, threads_ * layout.run, firstOne ? "elements from a thread's run to its next" : "");
    layout.loops = {{"r", runs, layout.runs}, {"i", run, layout.run}};
    layout.subscripts = {"r", "i"};
    layout.extents = {runs, run};
    layout.column = {first + " + r * " + layout.stride + " + i", Expr::kAdd};
    begins(thread + " * " + run);
  }
  layout.row = {first};  // rank 1: where the thread's elements begin
  layout.complete = threads_ * layout.elementsPerThread == width;
  layout.valid = layout.column.text + " < kTile" + suffix;
  return layout;
}

TileLayout &KernelEmitter::layoutOf(const Shape &shape) {
  for (auto &[known, layout] : layouts_)
    if (known == shape) return layout;
  TileLayout layout = shape.size() == 1 ? makeRowLayout(shape[0]) : pipeline_->makeFragmentLayout(shape);
  layouts_.push_back({shape, layout});
  return layouts_.back().second;
}

void KernelEmitter::openLoops(const TileLayout &layout, size_t from, size_t to) {
  for (size_t l = from; l < to; ++l) {
    const TileLayout::Loop &loop = layout.loops[l];
    out_.directive("#pragma unroll");
    out_.open("for (int " + loop.variable + " = 0; " + loop.variable + " < " + loop.extent + "; ++" + loop.variable + ")");
  }
}
void KernelEmitter::closeLoops(size_t count) {
  for (size_t i = 0; i < count; ++i) out_.close();
}

// ---- pending operations -----------------------------------------------------------------------------------------------------------

LogicalResult KernelEmitter::addPending(Operation *op) {
  Shape shape = shapeOf(op->getResult(0).getType());
  for (auto &[known, ops] : pending_)
    if (known == shape) return ops.push_back(op), success();
  pending_.push_back({shape, {op}});
  return success();
}

/// A tile divided by one value: what depends on that value alone is computed here, once. Fails, silently, where the division is another.
LogicalResult KernelEmitter::emitDivision(Operation *op) {
  Value x = op->getOperand(0), by = op->getOperand(1);
  if (!isTile(x.getType()) || shapeOf(x.getType()).size() != 1 || !getElementTypeOrSelf(x.getType()).isF32() || isUniform(x) || !isUniform(by))
    return failure();
  std::string text = scalar(by).text, name = out_.unique(llvm::all_of(text, [](char c) { return isalnum(c) || c == '_'; }) ? "by_" + text : "by");
  out_.line("const Divisor " + name + " = divisor(" + text + ");");
  divisors_[op] = name;
  return addPending(op);
}

/// Lanes before an end: `lane < end`, in 32 bits, and once for a run where runs do not straddle the end. Fails, silently, for another comparison.
LogicalResult KernelEmitter::emitLaneCompare(Operation *op) {
  auto compare = cast<arith::CmpIOp>(op);
  auto lanes = bound_.find(compare.getLhs());
  auto end = compare.getRhs().getDefiningOp<vector::BroadcastOp>();
  if (compare.getPredicate() != arith::CmpIPredicate::slt || lanes == bound_.end() || lanes->second.kind != Bound::kStep || !end ||
      isTile(end.getSource().getType()) || shapeOf(compare.getType()).size() != 1)
    return failure();
  Shape shape = shapeOf(compare.getType());
  TileLayout &layout = layoutOf(shape);
  std::string limit;
  if (auto constant = getConstantIntValue(end.getSource())) {
    limit = std::to_string(std::clamp<int64_t>(*constant, 0, shape[0]));
  } else {
    limit = out_.unique("lanes");
    out_.line("const int " + limit + " = static_cast<int>(least<i64>(" + scalar(end.getSource()).text + ", " + std::to_string(shape[0]) + "));");
  }
  bool wholeRuns = layout.run > 1 && isMultiple(end.getSource(), layout.run);
  std::string first = !wholeRuns ? layout.column.text : layout.runs > 1 ? layout.row.text + " + r * " + layout.stride : layout.row.text;
  laneCompares_[op] = first + " < " + limit;
  return addPending(op);
}

LogicalResult KernelEmitter::emitBroadcast(Operation *op) {
  Value source = op->getOperand(0), result = op->getResult(0);
  if (!isUniform(source) && isTile(source.getType()) && pipeline_->hasFragments()) return emitRowBroadcast(op);
  if (!isUniform(source)) return unsupported(op, "only scalars are broadcast to tiles; load a row with stride 0 instead");
  Bound bound;
  bound.kind = Bound::kUniform;
  bound.expr = scalar(source);
  if (!bound.expr.isSimple() && !result.hasOneUse()) {
    std::string name = out_.unique(hint(source));
    out_.line("const " + cType(getElementTypeOrSelf(result.getType())) + " " + name + " = " + bound.expr.text + ";");
    bound.expr = {name};
  }
  bound_[result] = bound;
  return success();
}

FailureOr<Expr> KernelEmitter::laneExpr(Value value, Lane &lane, const TileLayout &layout) {
  if (auto it = lane.find(value); it != lane.end()) return it->second;
  auto it = bound_.find(value);
  if (it == bound_.end()) {
    emitError(value.getLoc()) << "internal: the value has no place in the CUDA text";
    return failure();
  }
  switch (it->second.kind) {
    case Bound::kUniform: return it->second.expr;
    case Bound::kStep: return call("i64", layout.column.text);
    case Bound::kRowNumber: return layout.row;
    case Bound::kColumnNumber: return layout.column;
    case Bound::kRowValue:
    case Bound::kRuns: return it->second.expr;
    case Bound::kArray: return Expr{layout.element(it->second.expr.text)};
    default: break;
  }
  emitError(value.getLoc()) << "internal: not an element of a tile";
  return failure();
}

/// Prints `ops` for the element at hand. A value that is used elsewhere too goes into its register array, which is declared already.
LogicalResult KernelEmitter::printLaneOps(ArrayRef<Operation *> ops, Lane &lane, const TileLayout &layout, Operation *sink) {
  llvm::SmallPtrSet<Operation *, 16> here(ops.begin(), ops.end());
  for (Operation *op : ops) {
    Value result = op->getResult(0);
    FailureOr<Expr> expr = failure();
    if (auto load = dyn_cast<tile::LoadOp>(op)) {
      expr = laneLoad(load, layout);
    } else {
      SmallVector<Expr> operands;
      for (Value operand : op->getOperands()) {
        auto e = laneExpr(operand, lane, layout);
        if (failed(e)) return failure();
        operands.push_back(*e);
      }
      auto by = divisors_.find(op);
      auto lanes = laneCompares_.find(op);
      auto e = lanes != laneCompares_.end() ? Expr{lanes->second, Expr::kRelation} : by != divisors_.end() ? call(isShort(op) ? "divide_approx" : "divide", operands[0].text + ", " + by->second) : elementExpr(op, operands);
      if (!e) return unsupported(op, "no C++ expression for it");
      expr = *e;
    }
    if (failed(expr)) return failure();
    if (auto it = bound_.find(result); it != bound_.end() && it->second.kind == Bound::kArray) {
      std::string element = layout.element(it->second.expr.text);
      out_.line(element + " = " + expr->text + ";");
      lane[result] = {element};
    } else if (expr->isSimple() || (result.hasOneUse() && expr->text.size() <= kInlineLength)) {
      lane[result] = *expr;
    } else {
      std::string name = out_.unique(hint(result));
      out_.line("const " + cType(getElementTypeOrSelf(result.getType())) + " " + name + " = " + expr->text + ";");
      lane[result] = {name};
    }
  }
  return success();
}

SmallVector<Operation *> KernelEmitter::takePending(const Shape &shape, ValueRange wanted) {
  SmallVector<Operation *> ops, rest;
  for (auto &[known, pending] : pending_) {
    if (known != shape) continue;
    llvm::SmallPtrSet<Operation *, 16> needed;
    llvm::SmallDenseSet<Value> values(wanted.begin(), wanted.end());
    for (Operation *op : llvm::reverse(pending))
      if (values.contains(op->getResult(0))) {
        needed.insert(op);
        for (Value operand : op->getOperands()) values.insert(operand);
      }
    for (Operation *op : pending) (needed.contains(op) ? ops : rest).push_back(op);
    pending = rest;
  }
  return ops;
}

void KernelEmitter::materialize(ArrayRef<Operation *> ops, const TileLayout &layout, Operation *sink, ValueRange wanted, StringRef name) {
  llvm::SmallPtrSet<Operation *, 16> here(ops.begin(), ops.end());
  for (Operation *op : ops) {
    Value result = op->getResult(0);
    bool elsewhere = llvm::any_of(result.getUsers(), [&](Operation *user) { return !here.contains(user) && user != sink; });
    if (!elsewhere) continue;
    Bound bound;
    bound.kind = Bound::kArray;
    bound.expr = {out_.unique(!name.empty() && llvm::is_contained(wanted, result) ? name.str() : hint(result))};
    out_.line(cType(getElementTypeOrSelf(result.getType())) + " " + layout.declare(bound.expr.text) + ";");
    bound_[result] = bound;
  }
}

/// Prints one loop nest over a thread's elements: the pending operations that `wanted` depends on, then the sink.
LogicalResult KernelEmitter::flush(const Shape &shape, ValueRange wanted, Sink sink, StringRef name) {
  SmallVector<Operation *> ops = takePending(shape, wanted);
  if (ops.empty() && !sink.body) return success();
  TileLayout layout = layoutOf(shape);
  materialize(ops, layout, sink.op, wanted, name);
  size_t inner = layout.loops.size() - 1;
  openLoops(layout, 0, inner);
  if (sink.beforeInner) sink.beforeInner();
  openLoops(layout, inner, layout.loops.size());
  Lane lane;
  if (failed(printLaneOps(ops, lane, layout, sink.op))) return failure();
  if (sink.body) sink.body(lane);
  closeLoops(1);
  if (sink.afterInner) sink.afterInner();
  closeLoops(inner);
  return success();
}

LogicalResult KernelEmitter::flushShape(const Shape &shape) {
  SmallVector<Value> wanted;
  for (auto &[known, ops] : pending_)
    if (known == shape)
      for (Operation *op : ops)
        if (!op->getResult(0).use_empty()) wanted.push_back(op->getResult(0));
  return flush(shape, wanted, {});
}

LogicalResult KernelEmitter::flushAll() {
  auto shapes = llvm::map_to_vector(pending_, [](auto &entry) { return entry.first; });
  for (const Shape &shape : shapes)
    if (failed(flushShape(shape))) return failure();
  pending_.clear();
  return success();
}

FailureOr<std::string> KernelEmitter::arrayOf(Value value, StringRef hinted) {
  auto it = bound_.find(value);
  if (it != bound_.end() && it->second.kind == Bound::kArray) return it->second.expr.text;
  Shape shape = shapeOf(value.getType());
  if (it == bound_.end()) {
    if (failed(flush(shape, value, {}, hinted))) return failure();
    it = bound_.find(value);
    if (it != bound_.end() && it->second.kind == Bound::kArray) return it->second.expr.text;
    emitError(value.getLoc()) << "internal: the tile was not printed";
    return failure();
  }
  // Equal elements, or the elements' numbers: spelled out.
  TileLayout layout = layoutOf(shape);
  std::string name = out_.unique(hinted);
  out_.line(cType(getElementTypeOrSelf(value.getType())) + " " + layout.declare(name) + ";");
  openLoops(layout, 0, layout.loops.size());
  Lane lane;
  auto expr = laneExpr(value, lane, layout);
  if (failed(expr)) return failure();
  out_.line(layout.element(name) + " = " + expr->text + ";");
  closeLoops(layout.loops.size());
  return name;
}

}  // namespace jinx::cuda
