// Tiles of rank 1 and memory: loads, stores, gathers, reductions; and the barriers that order them.
//
// A thread reads what another one wrote only through shared memory (tile.scratch) or through a buffer that the kernel both reads and
// writes. Between a write and a later read, and between a read and a later write, stands a block barrier; `MemoryState` knows which are
// open. Where every access to such memory is by tiles of one width at the same place modulo that width, each thread meets only what it
// wrote itself, and no barrier is printed (`isPrivate`).
//
// Buffers begin at multiples of 16 bytes (the runtime sees to that), so how wide an access may be follows from its offset: x + row * 4096
// may be read 16 bytes at a time, x + row * 4100 of bf16 only 8, x + row * n one element. A thread holds runs of as many neighbours as
// all accesses of a tile allow (`chooseRuns`), and the text asks nothing of an address.
#include "codegen/cuda/KernelEmitter.h"
#include "codegen/cuda/PipelineEmitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace jinx::cuda {

bool isMultiple(Value v, int64_t width, int depth) {
  if (auto c = getConstantIntValue(v)) return *c % width == 0;
  if (depth > 16) return false;
  if (auto arg = dyn_cast<BlockArgument>(v)) {
    if (auto kernel = dyn_cast<tile::KernelOp>(arg.getOwner()->getParentOp())) {  // a size
      auto multiples = kernel->getAttrOfType<DenseI64ArrayAttr>("multiples");
      return multiples && multiples[arg.getArgNumber() - kernel.getNumBuffers()] % width == 0;
    }
    auto loop = dyn_cast<scf::ForOp>(arg.getOwner()->getParentOp());
    return loop && arg == loop.getInductionVar() && isMultiple(loop.getLowerBound(), width, depth + 1) &&
           isMultiple(loop.getStep(), width, depth + 1);
  }
  if (auto mul = v.getDefiningOp<arith::MulIOp>())
    return isMultiple(mul.getLhs(), width, depth + 1) || isMultiple(mul.getRhs(), width, depth + 1);
  if (auto select = v.getDefiningOp<arith::SelectOp>())
    return isMultiple(select.getTrueValue(), width, depth + 1) && isMultiple(select.getFalseValue(), width, depth + 1);
  if (isa_and_nonnull<arith::AddIOp, arith::SubIOp, arith::MinSIOp, arith::MaxSIOp>(v.getDefiningOp()))
    return isMultiple(v.getDefiningOp()->getOperand(0), width, depth + 1) && isMultiple(v.getDefiningOp()->getOperand(1), width, depth + 1);
  return false;
}

namespace {

constexpr int64_t kWarp = 32;
constexpr int64_t kWidest = 16;  // bytes of an access

bool isConstant(Value v, int64_t c) { return getConstantIntValue(v) == c; }

/// The pointer an operation accesses; null for others.
Value pointerOf(Operation *op) {
  if (auto load = dyn_cast<tile::LoadOp>(op)) return load.getPtr();
  if (auto store = dyn_cast<tile::StoreOp>(op)) return store.getPtr();
  if (auto gather = dyn_cast<tile::GatherOp>(op)) return gather.getPtr();
  if (auto scatter = dyn_cast<tile::ScatterOp>(op)) return scatter.getPtr();
  return {};
}

/// The summands of an offset that are not surely multiples of `width`.
void collectTerms(Value v, int64_t width, SmallVectorImpl<Value> &terms) {
  if (isMultiple(v, width)) return;
  if (auto sum = v.getDefiningOp<arith::AddIOp>()) {
    collectTerms(sum.getLhs(), width, terms);
    collectTerms(sum.getRhs(), width, terms);
    return;
  }
  terms.push_back(v);
}

/// The type in which elements are combined: halves in float, narrow integers in i32.
std::string accumulatorType(Type element) {
  if (isHalf(element) || element.isF32()) return "float";
  if (element.isF64()) return "double";
  return element.isIndex() || element.isInteger(64) ? "i64" : "i32";
}

std::string identityOf(tile::ReduceKind kind, Type element) {
  bool isFloat = isa<FloatType>(element);
  std::string type = accumulatorType(element);
  switch (kind) {
    case tile::ReduceKind::sum: return isFloat ? (type == "double" ? "0.0" : "0.0f") : "0";
    case tile::ReduceKind::prod: return isFloat ? (type == "double" ? "1.0" : "1.0f") : "1";
    case tile::ReduceKind::max: return isFloat ? "-INFINITY" : type == "i64" ? "(-9223372036854775807L - 1)" : "(-2147483647 - 1)";
    case tile::ReduceKind::min: return isFloat ? "INFINITY" : type == "i64" ? "9223372036854775807L" : "2147483647";
  }
  return "0";
}

std::string combine(tile::ReduceKind kind, Type element, const std::string &part, const std::string &value) {
  bool isFloat = isa<FloatType>(element);
  switch (kind) {
    case tile::ReduceKind::sum: return isFloat ? part + " += " + value : part + " = wrap_add(" + part + ", " + value + ")";
    case tile::ReduceKind::prod: return isFloat ? part + " *= " + value : part + " = wrap_mul(" + part + ", " + value + ")";
    case tile::ReduceKind::max: return part + (isFloat ? " = max_nan(" : " = greatest(") + part + ", " + value + ")";
    case tile::ReduceKind::min: return part + (isFloat ? " = min_nan(" : " = least(") + part + ", " + value + ")";
  }
  return part;
}

}  // namespace


// ---- order of memory accesses -----------------------------------------------------------------------------------------------------

/// Scratch at one constant offset is one place, however many operations name it.
Value KernelEmitter::rootOf(Value pointer) {
  auto scratch = pointer.getDefiningOp<tile::ScratchOp>();
  if (!scratch) return pointer;
  auto offset = getConstantIntValue(scratch.getByteOffset());
  Value root = pointer;
  bool found = false;
  kernel_.walk([&](tile::ScratchOp other) {
    if (!found && offset && getConstantIntValue(other.getByteOffset()) == offset) root = other.getPtr(), found = true;
  });
  return root;
}

bool KernelEmitter::isOrdered(Value pointer) {
  if (pointer.getDefiningOp<tile::ScratchOp>()) return !isPrivate(pointer);
  bool read = false, written = false;
  for (Operation *user : pointer.getUsers()) {
    read |= isa<tile::LoadOp, tile::GatherOp>(user);
    written |= pipeline_->writes(user, pointer);
  }
  return read && written && !isPrivate(pointer);
}

bool KernelEmitter::isPrivate(Value pointer) {
  Value root = rootOf(pointer);
  auto scratch = root.getDefiningOp<tile::ScratchOp>();
  if (scratch && (threads_ == 1 || !getConstantIntValue(scratch.getByteOffset()))) return false;  // where a program is a thread, a block's share it
  bool first = true, same = true;
  int64_t width = 0;
  SmallVector<Value> terms;
  kernel_.walk([&](Operation *op) {
    Value accessed = pointerOf(op);
    if (!accessed || rootOf(accessed) != root || !same) return;
    Value offset, stride;
    VectorType type;
    if (auto load = dyn_cast<tile::LoadOp>(op)) {
      offset = load.getOffset(), stride = load.getStrides().back(), type = cast<VectorType>(load.getTile().getType());
    } else if (auto store = dyn_cast<tile::StoreOp>(op)) {
      offset = store.getOffset(), stride = store.getStrides().back(), type = cast<VectorType>(store.getTile().getType());
    } else {
      same = false;
      return;
    }
    if (type.getRank() != 1 || !isConstant(stride, 1) || (!first && type.getDimSize(0) != width)) {
      same = false;
      return;
    }
    SmallVector<Value> here;
    width = type.getDimSize(0);
    collectTerms(offset, width, here);
    if (first) terms = here;
    same = here == terms;
    first = false;
  });
  return same;
}

void KernelEmitter::beforeRead(Value pointer) {
  if (!isOrdered(pointer)) return;
  if (memory_.written) {
    out_.line("block_sync();");
    memory_ = {};
  }
  memory_.read = true;
}
void KernelEmitter::beforeWrite(Value pointer) {
  if (!isOrdered(pointer)) return;
  if (memory_.read) {
    out_.line("block_sync();");
    memory_ = {};
  }
  memory_.written = true;
}

KernelEmitter::MemoryState KernelEmitter::accessesIn(Region &region) {
  MemoryState state;
  region.walk([&](Operation *op) {
    Value pointer = pointerOf(op);
    if (!pointer || !isOrdered(pointer)) return;
    (isa<tile::StoreOp, tile::ScatterOp>(op) ? state.written : state.read) = true;
  });
  return state;
}

// ---- loads and stores -------------------------------------------------------------------------------------------------------------

Expr KernelEmitter::address(const Bound &pointer, ArrayRef<Expr> terms) {
  Expr at = pointer.expr;
  for (const Expr &term : terms) at = add(at, term);
  return at;
}

void KernelEmitter::chooseRuns() {
  constexpr int64_t kMost = 8;             // elements of a run
  llvm::DenseMap<int64_t, int64_t> bytes;     // by width: of the narrowest element
  auto accesses = [&](auto visit) {
    kernel_.walk([&](Operation *op) {
      if (auto load = dyn_cast<tile::LoadOp>(op)) visit(load.getTile().getType(), load.getPtr(), load.getOffset(), load.getStrides());
      if (auto store = dyn_cast<tile::StoreOp>(op)) visit(store.getTile().getType(), store.getPtr(), store.getOffset(), store.getStrides());
      if (auto gather = dyn_cast<tile::GatherOp>(op)) visit(gather.getTile().getType(), gather.getPtr(), Value(), ValueRange());
      if (auto scatter = dyn_cast<tile::ScatterOp>(op)) visit(scatter.getTile().getType(), scatter.getPtr(), Value(), ValueRange());
    });
  };
  accesses([&](Type type, Value, Value offset, ValueRange strides) {
    auto vector = cast<VectorType>(type);
    if (vector.getRank() != 1 || !isTile(type) || (offset && isConstant(strides.back(), 0))) return;
    int64_t &narrowest = bytes.try_emplace(vector.getDimSize(0), kWidest).first->second;
    narrowest = std::min(narrowest, bytesOf(vector.getElementType()));
  });
  accesses([&](Type type, Value pointer, Value offset, ValueRange strides) {
    auto vector = cast<VectorType>(type);
    if (vector.getRank() != 1 || !isTile(type) || (offset && isConstant(strides.back(), 0))) return;
    int64_t width = vector.getDimSize(0), perThread = llvm::divideCeil(width, threads_);
    int64_t &run = runs_.try_emplace(width, std::min(kMost, std::max<int64_t>(1, kWidest / bytes[width]))).first->second;
    if (pointer.getDefiningOp<tile::ScratchOp>()) return;
    // Lanes that are apart in memory: neighbours in the tile go to neighbouring threads.
    if (!offset || !isConstant(strides.back(), 1)) run = 1;
    while (run > 1 && (perThread % run || !isMultiple(offset, run))) run /= 2;
  });
  // A run may go to shared memory element by element, several runs may not. No run leaves threads without lanes, and lanes that go anywhere
  // have none.
  accesses([&](Type type, Value pointer, Value offset, ValueRange strides) {
    auto vector = cast<VectorType>(type);
    if (vector.getRank() != 1 || !isTile(type) || !pointer.getDefiningOp<tile::ScratchOp>()) return;
    int64_t width = vector.getDimSize(0), perThread = llvm::divideCeil(width, threads_);
    int64_t &run = runs_.try_emplace(width, 1).first->second;
    while (run > 1 && (!offset || perThread % run)) run /= 2;
    if (run < perThread && !(offset && isRun(pointer, offset, strides.back(), run))) run = 1;
  });
}

bool KernelEmitter::isRun(Value pointer, Value offset, Value stride, int64_t run) {
  auto scratch = pointer.getDefiningOp<tile::ScratchOp>();
  return isConstant(stride, 1) && isMultiple(offset, run) && (!scratch || isMultiple(scratch.getByteOffset(), kWidest));
}

std::string KernelEmitter::tileAccess(const std::string &verb, Value buffer, Value offset, Value stride, ValueRange limits,
                                      int64_t width, const std::string &tile) {
  const Bound pointer = bound_[buffer];
  TileLayout layout = layoutOf({width});
  const Expr first = layout.row;
  bool contiguous = isConstant(stride, 1);
  Expr lanes = contiguous ? first : multiply(call("i64", first.text), scalar(stride));
  std::string at = address(pointer, {scalar(offset), lanes}).text, name = (pointer.shared ? "shared_" : "") + verb, valid, step;
  // How many lanes of the tile are valid from the thread's first on; nothing where all are.
  auto constant = limits.empty() ? std::optional<int64_t>(width) : getConstantIntValue(limits.back());
  if (constant) constant = std::min(*constant, width);
  bool whole = constant == width && layout.complete;
  if (!whole) {
    Expr limit = constant ? Expr{std::to_string(*constant)} : scalar(limits.back());
    if (!constant && !layout.complete) limit = call("least<i64>", limit.text + ", " + std::to_string(width));
    valid = subtract(limit, first).text;
  }
  bool cut = constant ? *constant % layout.run != 0 : !limits.empty() && !isMultiple(limits.back(), layout.run);
  bool apart = layout.run == 1 ? !contiguous || layout.runs > 1 : !isRun(buffer, offset, stride, layout.run);
  name += apart ? "_apart" : layout.runs > 1 ? "_runs" : "_run";
  if (!whole) name += cut && !apart && layout.run > 1 ? "_some" : "_where";
  if (apart) {
    std::string lanesApart = layout.runs > 1 ? layout.stride : "1";
    step = contiguous ? lanesApart : layout.runs > 1 ? multiply(call("i64", lanesApart), scalar(stride)).text : scalar(stride).text;
    if (!whole) valid += ", " + lanesApart;
  } else if (layout.runs > 1) {
    step = layout.stride;
  }
  std::string text = name + "(" + (verb == "load" ? tile + ", " + at : at);
  if (!step.empty()) text += ", " + step;
  if (verb == "store") text += ", " + tile;
  if (!valid.empty()) text += ", " + valid;
  return text + ");";
}

/// A constant of the plan that every program reads at one place is asked for before the launch in front has ended: what launches behind this one fetch by then
/// would stand before it in the queue of memory (decision 0043).
void KernelEmitter::askAhead(tile::LoadOp op) {
  auto argument = dyn_cast<BlockArgument>(op.getPtr());
  auto constants = kernel_->getAttrOfType<DenseI64ArrayAttr>("constants");
  const TileLayout layout = layoutOf(shapeOf(op.getTile().getType()));
  if (!argument || !constants || !llvm::is_contained(constants.asArrayRef(), int64_t{argument.getArgNumber()})) return;
  if (!startsEarly() || pipeline_->startsGrid() || op->getBlock() != outer_ || !getConstantIntValue(op.getOffset())) return;
  if (!op.getLimits().empty() || !layout.complete || layout.run == 1 || !isConstant(op.getStrides().back(), 1)) return;
  const std::string at = address(bound_[argument], {scalar(op.getOffset()), layout.row}).text, extents = llvm::join(layout.extents, ", ");
  ahead_.push_back("prefetch_constant<" + (layout.runs > 1 ? extents : "1, " + extents) + ">(" + at + ", " + (layout.runs > 1 ? layout.stride : "0") + ");");
}

LogicalResult KernelEmitter::emitLoad(tile::LoadOp op) {
  auto type = cast<VectorType>(op.getTile().getType());
  auto pointer = bound_[op.getPtr()];
  std::string where = pointer.shared ? "shared_" : "";
  if (type.getRank() == 2 && isTile(type)) {
    if (isOrdered(op.getPtr())) return unsupported(op, "a tile of rank 2 from a buffer that the kernel also writes");
    if (PipelineEmitter::isPiece(op)) return pipeline_->emitPieceLoad(op);
    return op->hasAttr("early") ? emitEarlyLoad(op) : addPending(op);
  }
  if (isSum(op.getPtr())) return emitSummedLoad(op);
  beforeRead(op.getPtr());
  Expr offset = scalar(op.getOffset());
  if (!isTile(type) || isConstant(op.getStrides().back(), 0)) {
    Expr at = address(pointer, {offset});
    bool guarded = !isTile(type) && !op.getLimits().empty();
    Expr value = guarded ? call(where + "load_where", at.text + ", " + scalar(op.getLimits().back()).in(Expr::kShift) + " > 0")
                         : call(pointer.shared ? "shared_load" : "global_load", at.text);
    define(op.getTile(), value, /*keep=*/true);
    return success();
  }
  std::string name = out_.unique(pointer.expr.text + "_tile");
  out_.line(cType(type.getElementType()) + " " + layoutOf(shapeOf(type)).declare(name) + ";");
  out_.line(tileAccess("load", op.getPtr(), op.getOffset(), op.getStrides().back(), op.getLimits(), type.getDimSize(0), name));
  askAhead(op);
  bindArray(op.getTile(), name);
  return success();
}

/// A row of what ranks have, which the block's threads add up (device/sums.cuh): each what it holds of it.
LogicalResult KernelEmitter::emitSummedLoad(tile::LoadOp op) {
  constexpr int64_t kWord = 4;  // bytes that travel together
  auto type = cast<VectorType>(op.getTile().getType());
  const auto width = op.getLimits().empty() ? std::optional<int64_t>(type.getDimSize(0)) : getConstantIntValue(op.getLimits().back());
  const bool isRow = type.getRank() == 1 && isTile(type) && width && *width <= type.getDimSize(0) && isConstant(op.getStrides().back(), 1) && op->getBlock() == outer_;
  if (!isRow || programsPerBlock_ != 1) return unsupported(op, "only whole rows, of which each is a block's, are sums of what ranks have");
  const TileLayout layout = layoutOf(shapeOf(type));
  const int64_t bytes = layout.run * bytesOf(type.getElementType());
  if (bytes % kWord || *width % layout.run) return unsupported(op, "threads hold " + Twine(bytes) + " bytes together, and whole words of " + Twine(kWord) + " travel between ranks");
  for (const char *file : {"words.cuh", "sums.cuh"}) needLibrary(file);
  const Expr offset = scalar(op.getOffset());
  const Bound &sum = bound_[op.getPtr()], &part = bound_[kernel_.buffer(sum_->part)];
  const std::string name = out_.unique(sum.expr.text + "_tile"), stride = layout.runs > 1 ? layout.stride + ", " : "";
  out_.line(cType(type.getElementType()) + " " + layout.declare(name) + ";");
  out_.line("load_summed<" + std::to_string(sum_->ranks) + ">(" + name + ", " + address(sum, {offset}).text + ", " + address(part, {offset}).text + ", " +
            layout.row.text + ", " + stride + std::to_string(*width) + ", peers);");
  memory_ = {};  // every thread has met every other
  bindArray(op.getTile(), name);
  return success();
}

/// Attribute `whole`: by instructions of as many bytes as an access may have (device/stores.cuh), whatever a compiler makes of others.
LogicalResult KernelEmitter::emitStore(tile::StoreOp op) {
  auto type = cast<VectorType>(op.getTile().getType());
  if (type.getRank() == 2 && isTile(type)) return emitFragmentStore(op);
  auto pointer = bound_[op.getPtr()];
  std::string where = pointer.shared ? "shared_" : "";
  Expr offset = scalar(op.getOffset());
  if (!isTile(type)) {
    beforeWrite(op.getPtr());
    std::string condition = threads_ == 1 ? "" : programsPerBlock_ > 1 ? "lane == 0" : "threadIdx.x == 0";
    if (!op.getLimits().empty() && getConstantIntValue(op.getLimits().back()).value_or(0) <= 0)
      condition += (condition.empty() ? "" : " && ") + scalar(op.getLimits().back()).in(Expr::kShift) + " > 0";
    out_.line((condition.empty() ? std::string() : "if (" + condition + ") ") + (pointer.shared ? "shared_store(" : "global_store(") + address(pointer, {offset}).text + ", " +
              scalar(op.getTile()).text + ");");
    return success();
  }
  auto name = arrayOf(op.getTile(), pointer.expr.text + "_tile");
  if (failed(name)) return failure();
  beforeWrite(op.getPtr());
  std::string text = tileAccess("store", op.getPtr(), op.getOffset(), op.getStrides().back(), op.getLimits(), type.getDimSize(0), *name);
  if (op->hasAttr("whole") && !pointer.shared && StringRef(text).starts_with("store_run(") && layoutOf(shapeOf(type)).run * std::max(1u, type.getElementTypeBitWidth() / 8) % 4 == 0) {
    needLibrary("stores.cuh");
    text.replace(0, StringRef("store_run(").size(), "store_run_whole(");
  }
  out_.line(text);
  return success();
}

LogicalResult KernelEmitter::emitGather(tile::GatherOp op) {
  auto type = cast<VectorType>(op.getTile().getType());
  if (type.getRank() != 1) return unsupported(op, "only tiles of rank 1 are gathered");
  auto pointer = bound_[op.getPtr()];
  std::string function = pointer.shared ? "shared_load_where" : "load_where";
  if (!isTile(type)) {
    beforeRead(op.getPtr());
    define(op.getTile(), call(function, address(pointer, {scalar(op.getOffsets())}).text + ", " + scalar(op.getMask()).text), true);
    return success();
  }
  Shape shape = shapeOf(type);
  TileLayout layout = layoutOf(shape);
  std::string name = out_.unique(pointer.expr.text + "_tile");
  beforeRead(op.getPtr());
  out_.line(cType(type.getElementType()) + " " + layout.declare(name) + ";");
  LogicalResult status = success();
  Sink sink;
  sink.op = op;
  sink.body = [&](Lane &lane) {
    auto offset = laneExpr(op.getOffsets(), lane, layout), mask = laneExpr(op.getMask(), lane, layout);
    if (failed(offset) || failed(mask)) {
      status = failure();
      return;
    }
    std::string valid = mask->text;
    if (!layout.complete) valid = layout.valid + (valid == "true" ? "" : " && " + mask->in(Expr::kLogicalAnd));
    out_.line(layout.element(name) + " = " + function + "(" + address(pointer, {*offset}).text + ", " + valid + ");");
  };
  if (failed(flush(shape, {op.getOffsets(), op.getMask()}, sink)) || failed(status)) return failure();
  bindArray(op.getTile(), name);
  return success();
}

// ---- reductions -------------------------------------------------------------------------------------------------------------------

// Sums of a warp that are `together` = [number, how many] meet at the last of them; none is used before it.
LogicalResult KernelEmitter::emitReduce(tile::ReduceOp op) {
  auto type = cast<VectorType>(op.getTile().getType());
  if (!isTile(type)) {
    define(op.getScalar(), scalar(op.getTile()));
    return success();
  }
  if (type.getRank() != 1) return unsupported(op, "only tiles of rank 1 are reduced");
  Type element = type.getElementType();
  Shape shape = shapeOf(type);
  TileLayout layout = layoutOf(shape);
  std::string accumulator = accumulatorType(element);
  const auto together = op->getAttrOfType<DenseI64ArrayAttr>("together");
  if (together && together[0] == 0) {
    needLibrary("lanes.cuh");
    together_ = out_.unique("sums");
    out_.line(accumulator + " " + together_ + "[" + std::to_string(together[1]) + "];");
  }
  const std::string part = together ? together_ + "[" + std::to_string(together[0]) + "]" : out_.unique("part");
  out_.line((together ? "" : accumulator + " ") + part + " = " + identityOf(op.getKind(), element) + ";");
  LogicalResult status = success();
  Sink sink;
  sink.op = op;
  sink.body = [&](Lane &lane) {
    auto value = laneExpr(op.getTile(), lane, layout);
    if (failed(value)) {
      status = failure();
      return;
    }
    std::string text = isHalf(element) ? "to_f32(" + value->text + ")" : accumulator == cType(element) || element.isIndex() ? value->text : accumulator + "(" + value->text + ")";
    out_.line((layout.complete ? "" : "if (" + layout.valid + ") ") + combine(op.getKind(), element, part, text) + ";");
  };
  if (failed(flush(shape, op.getTile(), sink)) || failed(status)) return failure();
  if (together) {
    bound_[op.getScalar()] = {.kind = Bound::kUniform, .expr = {part}};
    if (together[0] + 1 == together[1]) out_.line("warp_sum_each(" + together_ + ");");
    return success();
  }
  std::string value = tile::stringifyReduceKind(op.getKind()).str() + "(" + part;
  const bool byWarp = op->hasAttr("by_warp") && threads_ > kWarp && accumulator == "float", meets = threads_ > kWarp && !(byWarp && op.getKind() == tile::ReduceKind::max);
  value = threads_ == 1 ? part : threads_ == kWarp ? "warp_" + value + ")" : "block_" + value + ", kThreads, slots, turn)";
  if (byWarp) value = meets ? "block_shifted_sum(" + part + ", " + shift_ + ", kThreads, slots, turn)" : "warp_shift(" + part + ")";
  usesSlots_ |= meets;
  if (isHalf(element)) {
    value = (element.isBF16() ? "to_bf16(" : "to_f16(") + value + ")";
  } else if (accumulator != cType(element)) {
    value = "static_cast<" + cType(element) + ">(" + value + ")";
  }
  if (meets) memory_ = {};  // every thread has met every other
  static constexpr const char *names[] = {"total", "largest", "smallest", "product"};
  std::string name = hint(op.getScalar());
  if (StringRef(name).starts_with("reduce")) name = byWarp && !meets ? "shift" : names[int(op.getKind())];
  Bound bound;
  bound.kind = Bound::kUniform;
  bound.expr = {out_.unique(name)};
  out_.line("const " + cType(element) + " " + bound.expr.text + " = " + value + ";");
  bound_[op.getScalar()] = bound;
  if (byWarp && !meets) shift_ = bound.expr.text;
  return success();
}

/// One element of a tile for every thread.
LogicalResult KernelEmitter::emitExtract(Operation *base) {
  auto op = cast<vector::ExtractOp>(base);
  Value source = op->getOperand(0), result = op.getResult();
  auto position = op.getStaticPosition();
  if (isTile(result.getType()) || op.getNumOperands() != 1)
    return unsupported(op, "only single elements at constant positions are extracted");
  if (isUniform(source)) {
    define(result, scalar(source));
    return success();
  }
  auto type = cast<VectorType>(source.getType());
  if (type.getRank() != 1) return unsupported(op, "elements of tiles of rank 2 are spread over threads");
  auto name = arrayOf(source, "source");
  if (failed(name)) return failure();
  TileLayout layout = layoutOf(shapeOf(type));
  std::string element = *name + layout.placeOf(position[0]), owner = std::to_string(layout.ownerOf(position[0]));
  usesSlots_ |= programsPerBlock_ == 1;
  if (threads_ == 1) {
    Bound bound;
    bound.kind = Bound::kUniform;
    bound.expr = {element};
    bound_[result] = bound;
    return success();
  }
  define(result, programsPerBlock_ > 1 ? call("warp_broadcast", element + ", " + owner) : call("block_broadcast", element + ", " + owner + ", slots, turn"), true);
  return success();
}

/// A tile that one thread has, from its elements.
LogicalResult KernelEmitter::emitFromElements(Operation *op) {
  auto type = cast<VectorType>(op->getResult(0).getType());
  if (threads_ != 1) return unsupported(op, "elements make a tile only where a thread has all of it");
  Bound bound;
  bound.kind = Bound::kArray;
  bound.expr = {out_.unique("turned")};
  const std::string head = "const " + cType(type.getElementType()) + " " + layoutOf(shapeOf(type)).declare(bound.expr.text) + " = {";
  std::string line = head;
  for (auto [i, v] : llvm::enumerate(op->getOperands())) {
    std::string element = scalar(v).text + (i + 1 < op->getNumOperands() ? ", " : "};");
    if (line.size() + element.size() > 116) {
      out_.line(StringRef(line).rtrim().str());
      line = std::string(head.size(), ' ');
    }
    line += element;
  }
  out_.line(line);
  bound_[op->getResult(0)] = bound;
  return success();
}

}  // namespace jinx::cuda
