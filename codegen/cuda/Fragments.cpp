// Tiles of rank 2 in registers: layouts, products, element-wise copies into shared memory, and the ways back to global memory.
#include "codegen/cuda/DeviceLibrary.h"
#include "codegen/cuda/PipelineEmitter.h"
#include "codegen/cuda/WgmmaFragments.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace jinx::cuda {

namespace {
std::string str(int64_t v) { return std::to_string(v); }
bool isConstant(Value v, int64_t c) { return getConstantIntValue(v) == c; }
constexpr int64_t kGridColumns = 16;  // threads of a SIMT product along n
}  // namespace

// ---- layouts ----------------------------------------------------------------------------------------------------------------------

/// Declares where a thread's part of a warpgroup's product begins (`fragment_row`, `fragment_column`); returns how far from there its element
/// (j, h, e) lies, in rows and in columns.
std::pair<std::string, std::string> PipelineEmitter::fragmentPlace(int64_t columns) {
  const Layout sums = warpgroupSums(columns);
  e_.prologue("const int fragment_row = " + sums.text("row", {{"warp", "threadIdx.x % 128 / 32"}, {"lane", "threadIdx.x % 32"}}) + ";");
  e_.prologue("const int fragment_column = " + sums.text("column", {{"lane", "threadIdx.x"}}) + ";");
  return {sums.text("row", {{"h", "h"}}), sums.text("column", {{"j", "j"}, {"e", "e"}})};
}

TileLayout PipelineEmitter::wgmmaLayout(const Shape &shape) {
  TileLayout layout;
  int64_t blocks = shape[0] / 64, columns = shape[1];
  // A kernel may also hold a slice of its product's columns (tile.cluster_reduce), or half of its rows or columns (tile.unpair).
  std::string part = wgmmaShapes_.empty() || llvm::is_contained(wgmmaShapes_, columns) ? "" : "OfSlice";
  const std::string blockCount = wgmmaRows_ == 0 || wgmmaRows_ == shape[0] ? "kBlocks" : "kBlocksOfHalf";
  e_.constant(blockCount, blocks, "products of 64 rows that a warpgroup holds");
  e_.constant("kAccumulators" + part, columns / 2, "of a thread for one of them");
  e_.constant("kOctets" + part, columns / 8, "groups of 8 columns");
  auto [row, column] = fragmentPlace(columns);
  layout.loops = {{"block", blockCount, blocks}, {"j", "kOctets" + part, columns / 8}, {"h", "2", 2}, {"e", "2", 2}};
  layout.subscripts = {"block", "4 * j + 2 * h + e"};
  layout.extents = {blockCount, "kAccumulators" + part};
  layout.columnLoop = layout.loops[1];
  layout.row = {"fragment_row + block * 64 + " + row, Expr::kAdd};
  layout.column = {"fragment_column + " + column, Expr::kAdd};
  layout.elementsPerThread = blocks * columns / 2;
  return layout;
}

TileLayout PipelineEmitter::simtLayout(const Shape &shape) {
  TileLayout layout;
  int64_t gridRows = e_.threads_ / kGridColumns, rows = shape[0] / gridRows, groups = shape[1] / (4 * kGridColumns);
  e_.constant("kThreadRows", rows, "rows that a thread holds, in groups of 4");
  e_.constant("kColumnGroups", groups, "groups of 4 columns that a thread holds");
  e_.constant("kRowStep", 4 * gridRows, "rows from one group to the next");
  e_.constant("kColumnStep", 4 * kGridColumns, "columns from one group to the next");
  e_.prologue("const int thread_row = threadIdx.x / 16 * 4;");
  e_.prologue("const int thread_column = threadIdx.x % 16 * 4;");
  layout.loops = {{"i", "kThreadRows", rows}, {"g", "kColumnGroups", groups}, {"j", "4", 4}};
  layout.subscripts = {"i", "g", "j"};
  layout.extents = {"kThreadRows", "kColumnGroups", "4"};
  layout.row = {"thread_row + i / 4 * kRowStep + i % 4", Expr::kAdd};
  layout.column = {"thread_column + g * kColumnStep + j", Expr::kAdd};
  layout.elementsPerThread = rows * groups * 4;
  return layout;
}

TileLayout PipelineEmitter::makeFragmentLayout(const Shape &shape) { return fragments_ ? rowsLayout(shape) : codes_ ? codeLayout(shape) : warps_ ? warpLayout(shape) : wgmma_ ? wgmmaLayout(shape) : simtLayout(shape); }

// ---- memory -----------------------------------------------------------------------------------------------------------------------

/// Where an element of a tile of rank 2 lies in memory, and the condition that it is there; empty: always.
std::pair<Expr, std::string> KernelEmitter::lanePlace(tile::LoadOp op, const Expr &row, const Expr &column) {
  Expr at = add(bound_[op.getPtr()].expr, scalar(op.getOffset()));
  std::string guard;
  for (size_t d = 0; d < 2; ++d) {
    const Expr &coordinate = d == 0 ? row : column;
    Value stride = op.getStrides()[d];
    if (isConstant(stride, 0)) continue;  // the same element for all: the store is what is guarded
    at = add(at, isConstant(stride, 1) ? coordinate : multiply(call("i64", coordinate.text), scalar(stride)));
    if (op.getLimits().empty()) continue;
    guard += (guard.empty() ? "" : " && ") + coordinate.text + " < " + scalar(op.getLimits()[d]).in(Expr::kShift);
  }
  return {at, guard};
}

/// One element of a tile of rank 2, loaded where it is used.
FailureOr<Expr> KernelEmitter::laneLoad(tile::LoadOp op, const TileLayout &layout) {
  auto [at, guard] = lanePlace(op, layout.row, layout.column);
  bool shared = bound_[op.getPtr()].shared;
  if (guard.empty()) return call(shared ? "shared_load" : "global_load", at.text);
  return call(shared ? "shared_load_where" : "load_where", at.text + ", " + guard);
}

/// The elements that the innermost loop of a layout runs over, of values that rows share, as one aligned access: its type and text. None where
/// that is not sure.
std::optional<std::pair<std::string, std::string>> KernelEmitter::runLoad(tile::LoadOp op, const TileLayout &layout) {
  const TileLayout::Loop &inner = layout.loops.back();
  if (!StringRef(layout.column.text).ends_with(" + " + inner.variable)) return std::nullopt;  // one column
  auto pointer = dyn_cast<BlockArgument>(op.getPtr());
  if (!pointer || pointer.getArgNumber() >= kernel_.getNumInputs()) return std::nullopt;  // only of what is not written meanwhile
  Type element = getElementTypeOrSelf(op.getTile().getType());
  int64_t bytes = inner.count * bytesOf(element);
  bool isWhole = isRun(pointer, op.getOffset(), op.getStrides()[1], inner.count) &&
                 (op.getLimits().empty() || isMultiple(op.getLimits()[1], inner.count));
  if (!isWhole || (bytes != 4 && bytes != 8 && bytes != 16)) return std::nullopt;
  auto [at, guard] = lanePlace(op, layout.row, layout.firstColumn());
  if (isHalf(element) && bytes == 4) return std::pair(std::string("u32"), "load_word_where(" + at.text + ", " + (guard.empty() ? "true" : guard) + ")");
  return std::pair("Pack<" + str(bytes) + ", " + cType(element) + ">",
                   "load_pack_where<" + str(bytes) + ">(" + at.text + ", " + (guard.empty() ? "true" : guard) + ")");
}

/// A load with the attribute `early`, of one value for each column, is issued where it stands, and kept once a column whatever rows the
/// thread has; so is one of a row or column tile. Others are issued where they are used, an element at a time.
LogicalResult KernelEmitter::emitEarlyLoad(tile::LoadOp op) {
  Shape shape = shapeOf(op.getTile().getType());
  if (pipeline_->hasFragments() && (shape[0] == 1 || shape[1] == 1)) return failed(addPending(op)) ? failure() : LogicalResult(arrayOf(op.getTile(), hint(op.getTile())));
  TileLayout layout = layoutOf(shapeOf(op.getTile().getType()));
  bool isPerColumn = isConstant(op.getStrides()[0], 0) && !layout.columnLoop.extent.empty();
  auto run = isPerColumn ? runLoad(op, layout) : std::nullopt;
  if (!run) return addPending(op);
  phase(op);
  std::string name = out_.unique(hint(op.getTile()) + "_early");
  out_.line(run->first + " " + name + "[" + layout.columnLoop.extent + "];");
  out_.directive("#pragma unroll");
  out_.open("for (int " + layout.columnLoop.variable + " = 0; " + layout.columnLoop.variable + " < " + layout.columnLoop.extent + "; ++" + layout.columnLoop.variable + ")");
  out_.line(name + "[" + layout.columnLoop.variable + "] = " + run->second + ";");
  out_.close();
  Bound bound;
  bound.kind = Bound::kRuns;
  // A pair of halves stays one register: two cost a kernel of 128 sums a thread its last ones.
  const std::string held = name + "[" + layout.columnLoop.variable + "]", within = layout.loops.back().variable;
  bound.expr = run->first == "u32" ? call("half_of<" + cType(getElementTypeOrSelf(op.getTile().getType())) + ">", held + ", " + within)
                                   : Expr{held + ".values[" + within + "]"};
  bound_[op.getTile()] = bound;
  return success();
}

/// A tile of rank 2 to memory: runs along columns are stored at once. Attribute `whole`: rows begin at multiples of 16 bytes and are stored to
/// their ends, so that nothing is asked of an address. Attribute `row_groups` [g, s]: a row's stride is from one group of g rows to the next, and s within one.
LogicalResult KernelEmitter::emitFragmentStore(tile::StoreOp op) {
  auto type = cast<VectorType>(op.getTile().getType());
  auto pointer = bound_[op.getPtr()];
  Shape shape = shapeOf(type);
  if (shape[1] == 1 && pipeline_->hasFragments()) return emitRowStore(op);
  TileLayout layout = layoutOf(shape);
  const TileLayout::Loop &inner = layout.loops.back();
  std::string run = out_.unique("run"), base = inner.variable;
  beforeWrite(op.getPtr());
  LogicalResult status = success();
  Sink sink;
  sink.op = op;
  sink.beforeInner = [&] { out_.line(cType(type.getElementType()) + " " + run + "[" + inner.extent + "];"); };
  sink.body = [&](Lane &lane) {
    auto value = laneExpr(op.getTile(), lane, layout);
    if (failed(value)) {
      status = failure();
      return;
    }
    out_.line(run + "[" + inner.variable + "] = " + value->text + ";");
  };
  sink.afterInner = [&] {
    // The run's first column: the layout's with the inner variable at 0.
    Expr first = layout.firstColumn();
    std::string column = first.text;
    Expr at = add(pointer.expr, scalar(op.getOffset()));
    if (auto groups = op->getAttrOfType<DenseI64ArrayAttr>("row_groups")) {
      const std::string row = "u32(" + layout.row.text + ")", of = std::to_string(groups[0]);
      at = add(at, multiply(call("i64", row + " / " + of), scalar(op.getStrides()[0])));
      at = add(at, {row + " % " + of + " * " + std::to_string(groups[1]), Expr::kMultiply});
    } else {
      at = add(at, isConstant(op.getStrides()[0], 1) ? layout.row : multiply(call("i64", layout.row.text), scalar(op.getStrides()[0])));
    }
    bool contiguous = isConstant(op.getStrides()[1], 1);
    at = add(at, contiguous ? first : multiply(call("i64", column), scalar(op.getStrides()[1])));
    std::string valid = inner.extent;
    const bool isWhole = op->hasAttr("whole") && contiguous && !pointer.shared;
    if (!op.getLimits().empty()) {
      valid = subtract(scalar(op.getLimits()[1]), {"(" + column + ")"}).text;
      out_.open("if (" + layout.row.text + " < " + scalar(op.getLimits()[0]).in(Expr::kShift) + ")");
    }
    std::string where = pointer.shared ? "shared_" : "";
    if (isWhole) {
      out_.line("store_run(" + at.text + ", " + run + ");");
    } else {
      out_.line(where + (contiguous ? "store_contiguous(" + at.text + ", " : "store_strided(" + at.text + ", " + scalar(op.getStrides()[1]).text + ", ") +
                run + ", " + valid + ");");
    }
    if (!op.getLimits().empty()) out_.close();
  };
  if (failed(flush(shape, op.getTile(), sink))) return failure();
  return status;
}

LogicalResult PipelineEmitter::emitCopy(tile::CopyOp op) {
  RingInfo &ring = ringOf(op.getSlot());
  const Buffer &b = ring.buffers[op.getBuffer()];
  if (warps_) return emitRowsCopy(op, ring, b);
  SourceWriter &out = e_.out_;
  std::string fill = named(ring, "fill"), suffix = b.suffix + ring.suffix, dst = out.unique("to_" + b.name);
  auto pointer = e_.bound_[op.getPtr()];
  Expr source = add(pointer.expr, e_.scalar(op.getOffset()));
  Expr s0 = e_.scalar(op.getStrides()[0]), s1 = e_.scalar(op.getStrides()[1]);
  Expr l0 = e_.scalar(op.getLimits()[0]), l1 = e_.scalar(op.getLimits()[1]);
  bool alongColumns = isConstant(op.getStrides()[1], 1) && b.columns % 4 == 0;
  bool alongRows = !alongColumns && isConstant(op.getStrides()[0], 1);
  out.line("float* const " + dst + " = reinterpret_cast<float*>(smem + kOffset" + suffix + " + " + fill + " * kStageBytes" + suffix + ");");
  int64_t pieces = b.rows * b.columns / (alongColumns ? 4 : 1);
  out.directive("#pragma unroll");
  out.open("for (int e = threadIdx.x; e < " + str(pieces) + "; e += kThreads)");
  int64_t perRow = alongColumns ? b.columns / 4 : b.columns;
  if (alongRows) {
    out.line("const int i = e % " + str(b.rows) + ", j = e / " + str(b.rows) + ";");
  } else {
    out.line("const int i = e / " + str(perRow) + ", j = e % " + str(perRow) + (alongColumns ? " * 4;" : ";"));
  }
  Expr at = add(source, multiply({"i"}, s0));
  if (op.getPanel()) {
    at = add(at, multiply({"j / 16", Expr::kMultiply}, e_.scalar(op.getPanel())));
    at = add(at, multiply({"j % 16", Expr::kMultiply}, s1));
  } else {
    at = add(at, multiply({"j"}, s1));
  }
  std::string place = dst + " + i * kLine" + suffix + " + j";
  if (alongColumns) {
    out.line("copy_async_4x4(" + place + ", " + at.text + ", i < " + l0.in(Expr::kShift) + " ? " + l1.in(Expr::kAdd) + " - j : 0);");
  } else {
    out.line("copy_async_4(" + place + ", " + at.text + ", i < " + l0.in(Expr::kShift) + " && j < " + l1.in(Expr::kShift) + ");");
  }
  out.close();
  return success();
}

// ---- products ---------------------------------------------------------------------------------------------------------------------

/// The accumulator's array; the product works in place, so nobody else may want the old value. Equal elements, a sum's zeros, get one here.
FailureOr<std::string> PipelineEmitter::takeAccumulator(Value acc, Value result) {
  auto it = e_.bound_.find(acc);
  if (it != e_.bound_.end() && it->second.kind == Bound::kUniform && acc.hasOneUse()) {
    auto name = e_.arrayOf(acc, e_.hint(result));
    if (failed(name)) return failure();
    it->second = Bound();
    it->second.kind = Bound::kArray;
    it->second.expr = {*name};
  }
  if (it == e_.bound_.end() || it->second.kind != Bound::kArray || !acc.hasOneUse())
    return emitError(acc.getLoc()) << "an accumulator must be carried by a loop and used by one product", failure();
  Bound held = it->second;  // the table may grow
  e_.bound_[result] = held;
  return held.expr.text;
}

bool PipelineEmitter::beginsAnew(scf::ForOp loop, Value init) {
  constexpr int64_t kShort = 16;
  auto first = getConstantIntValue(loop.getLowerBound()), end = getConstantIntValue(loop.getUpperBound());
  if (!first || !end || *first >= *end || *end - *first > kShort || !(matchPattern(init, m_AnyZeroFloat()) || matchPattern(init, m_Zero()))) return false;
  for (auto [given, arg] : llvm::zip(loop.getInitArgs(), loop.getRegionIterArgs())) {
    if (given != init) continue;
    auto mma = arg.hasOneUse() ? dyn_cast<tile::MmaOp>(*arg.user_begin()) : tile::MmaOp();
    auto ring = mma ? mma.getSlot().getDefiningOp<tile::RingWaitOp>().getRing().getDefiningOp<tile::RingOp>() : tile::RingOp();
    if (!ring || ring.getKind() != tile::RingKind::bulk || mma->getParentOp() != loop) return false;
  }
  return true;
}

LogicalResult PipelineEmitter::emitMma(tile::MmaOp op) {
  RingInfo &ring = ringOf(op.getSlot());
  auto acc = takeAccumulator(op.getAcc(), op.getResult());
  if (failed(acc)) return failure();
  auto type = cast<VectorType>(op.getAcc().getType());
  if (warps_) return emitWarpMma(op, ring, *acc);
  if (!ring.bulk && !type.getElementType().isF32()) return op.emitOpError("accumulates in f32");
  return ring.bulk ? emitWgmma(op, ring, *acc) : emitSimtMma(op, ring, *acc);
}

LogicalResult PipelineEmitter::emitWgmma(tile::MmaOp op, RingInfo &ring, const std::string &acc) {
  const Buffer &a = ring.buffers[op.getA()], &b = ring.buffers[op.getB()];
  auto type = cast<VectorType>(op.getAcc().getType());
  int64_t columns = type.getDimSize(1), k = a.columns;
  WgmmaTypes types{tensorCoreType(elementOf(ring, op.getA())), tensorCoreType(elementOf(ring, op.getB()))};
  if (fragments_ || a.panels() > 1) return op.emitOpError("does not stand beside tile.mma_shared, and takes buffers of 128 bytes a row");
  if (type.getDimSize(0) % 64 || columns % 8 || columns > 256 || b.rows != columns || !types.areMultiplied() || cType(type.getElementType()) != types.sum())
    return op.emitOpError("expects an accumulator of 64*m x n with n the rows of B, n a multiple of 8 up to 256; 16-bit floats of one type, 8-bit "
                          "floats or f32 and f32 sums, or bytes and i32 sums");
  if (!llvm::is_contained(wgmmaShapes_, columns)) {
    wgmmaShapes_.push_back(columns);
    e_.wrappers_ += wgmmaWrapper(columns, types);
  }
  auto loop = dyn_cast<scf::ForOp>(op->getParentOp());
  auto carried = dyn_cast<BlockArgument>(op.getAcc());
  std::string adds = "1";
  if (loop && carried && carried.getOwner() == loop.getBody() && beginsAnew(loop, loop.getTiedLoopInit(carried)->get()))
    adds = e_.scalar(loop.getInductionVar()).text + " > " + e_.scalar(loop.getLowerBound()).text + " || kk > 0";
  SourceWriter &out = e_.out_;
  std::string take = named(ring, "take") + ".slot", sa = a.suffix + ring.suffix, sb = b.suffix + ring.suffix;
  std::string rowBytes = op.getRow() ? " + u32(" + e_.scalar(op.getRow()).text + ") * 128" : "";
  std::string descA = out.unique("desc_" + a.name), descB = out.unique("desc_" + b.name);
  out.line("const u64 " + descA + " = wgmma_descriptor_128b(smem + kOffset" + sa + " + " + take + " * kStageBytes" + sa + rowBytes + ");");
  out.line("const u64 " + descB + " = wgmma_descriptor_128b(smem + kOffset" + sb + " + " + take + " * kStageBytes" + sb + ");");
  e_.constant("kSteps", k / types.k(), "products along k in one slot; a step is 32 bytes, 2 in descriptor units");
  wgmmaRows_ = type.getDimSize(0);
  e_.layoutOf(Shape(type.getShape()));
  out.line("wgmma_fence();");
  out.directive("#pragma unroll");
  out.open("for (int kk = 0; kk < kSteps; ++kk)");
  out.directive("#pragma unroll");
  out.open("for (int block = 0; block < kBlocks; ++block)");
  out.line(wgmmaName(columns, types) + "(" + acc + "[block], " + descA + " + block * (" + str(int64_t(op.getRowStep())) + " * 128 / 16) + 2 * kk, " + descB + " + 2 * kk, " + adds + ");");
  out.close();
  out.close();
  out.line("wgmma_commit();");
  out.line("wgmma_wait<" + str(op.getPending()) + ">();");
  return success();
}

LogicalResult PipelineEmitter::emitMmaWait(tile::MmaWaitOp op) {
  auto acc = takeAccumulator(op.getAcc(), op.getResult());
  if (failed(acc)) return failure();
  if (warps_) printWarpProducts(*acc, "1");
  if (!wgmma_) return success();
  // What the program computes before it waits runs under the products: fragments that are pending are printed here.
  auto pending = llvm::map_to_vector(e_.pending_, [](auto &entry) { return entry.first; });
  for (const Shape &shape : pending)
    if (fragments_ && shape.size() == 2 && shape[0] > 1 && shape[1] > 1 && failed(e_.flushShape(shape))) return failure();
  TileLayout layout = e_.layoutOf(Shape(cast<VectorType>(op.getAcc().getType()).getShape()));
  SourceWriter &out = e_.out_;
  if (op.getBehind()) {
    if (!fragments_) return op.emitOpError("waits behind a tile in kernels with tile.mma_shared only");
    auto behind = e_.arrayOf(op.getBehind(), e_.hint(op.getBehind()));
    if (failed(behind)) return failure();
    out.line("wgmma_wait_behind<" + str(op.getPending()) + ">(" + *behind + ");");
  } else {
    out.line("wgmma_wait<" + str(op.getPending()) + ">();");
  }
  if (fragments_) {
    needPin(layout.elementsPerThread);
    out.line("wgmma_pin(" + *acc + ");");
    return success();
  }
  out.directive("#pragma unroll");
  out.open("for (int block = 0; block < kBlocks; ++block)");
  out.directive("#pragma unroll");
  out.open("for (int i = 0; i < kAccumulators; ++i)");
  out.line("wgmma_pin(" + *acc + "[block][i]);");
  out.close();
  out.close();
  return success();
}

// Every block leaves its part in shared memory, four registers of a thread side by side, and adds up its slice from all of them.
LogicalResult PipelineEmitter::emitClusterReduce(tile::ClusterReduceOp op) {
  auto type = cast<VectorType>(op.getTile().getType()), slice = cast<VectorType>(op.getSlice().getType());
  auto acc = takeAccumulator(op.getTile(), op.getSlice());
  if (failed(acc)) return failure();
  if (!wgmma_ || clusterK_ < 2 || slice.getDimSize(1) * clusterK_ != type.getDimSize(1) || slice.getDimSize(1) % 8)
    return op.emitOpError("expects a product's tile, and a slice of a multiple of 8 columns for each of ") << clusterK_ << " blocks along k";
  TileLayout layout = e_.layoutOf(Shape(slice.getShape())), whole = e_.layoutOf(Shape(type.getShape()));
  SourceWriter &out = e_.out_;
  // A kernel of fragments has no blocks of 64 rows.
  const std::string octets = whole.loops[fragments_ ? 0 : 1].extent, octetsOfSlice = layout.loops[fragments_ ? 0 : 1].extent;
  const std::string block = fragments_ ? "" : "[block]", blockOctets = fragments_ ? "" : "block * " + octets + " + ";
  auto unrolled = [&](const std::string &loop) {
    out.directive("#pragma unroll");
    out.open("for (int " + loop + ")");
  };
  std::string sums = out.unique("sum");
  out.comment("Each block of the cluster leaves its sums, and adds up a slice of the columns from all of them.");
  out.line("mbar_wait_cluster(parts_read, parts_turn ^ 1);");
  if (!fragments_) unrolled("block = 0; block < kBlocks; ++block");
  unrolled("j = 0; j < " + octets + "; ++j");
  out.line("shared_store_x4(parts + ((" + blockOctets + "j) * 128 + thread) * 16, " + *acc + block + " + 4 * j);");
  out.close();
  if (!fragments_) out.close();
  out.line("warp_sync();");
  out.line("if (lane < kSplits) mbar_arrive_publish(parts_there, lane);");
  out.line("mbar_wait_cluster(parts_there, parts_turn);");
  out.line(cType(type.getElementType()) + " " + layout.declare(sums) + " = {};");
  if (!fragments_) unrolled("block = 0; block < kBlocks; ++block");
  unrolled("j = 0; j < " + octetsOfSlice + "; ++j");
  unrolled("split = 0; split < kSplits; ++split");
  out.line("cluster_add_x4(" + sums + block + " + 4 * j, parts + ((" + blockOctets + "rank_k * " + octetsOfSlice + " + j) * 128 + thread) * 16, split);");
  out.close();
  out.close();
  if (!fragments_) out.close();
  out.line("warp_sync();");
  out.line("if (lane < kSplits) mbar_arrive_publish(parts_read, lane);");
  out.line("parts_turn ^= 1;");
  e_.bindArray(op.getSlice(), sums);
  return success();
}

// Registers get other names: a thread has both halves of a place.
LogicalResult PipelineEmitter::emitUnpair(tile::UnpairOp op) {
  auto acc = takeAccumulator(op.getTile(), op.getFirst());
  if (failed(acc)) return failure();
  auto whole = cast<VectorType>(op.getTile().getType()), half = cast<VectorType>(op.getFirst().getType());
  if (!wgmma_ || fragments_) return op.emitOpError("expects the tile of a product of buffers, on tensor cores");
  TileLayout layout = e_.layoutOf(Shape(half.getShape()));
  const bool ofRows = whole.getDimSize(0) != half.getDimSize(0);
  SourceWriter &out = e_.out_;
  const std::string first = out.unique("first_sums"), second = out.unique("second_sums");
  out.line(cType(half.getElementType()) + " " + layout.declare(first) + ", " + layout.declare(second) + ";");
  out.directive("#pragma unroll");
  out.open("for (int block = 0; block < " + layout.extents[0] + "; ++block)");
  out.directive("#pragma unroll");
  out.open("for (int i = 0; i < " + layout.extents[1] + "; ++i)");
  out.line(first + "[block][i] = " + *acc + "[block][i];");
  out.line(second + "[block][i] = " + *acc + (ofRows ? "[" + layout.extents[0] + " + block][i];" : "[block][" + layout.extents[1] + " + i];"));
  out.close();
  out.close();
  e_.bindArray(op.getFirst(), first);
  e_.bindArray(op.getSecond(), second);
  return success();
}

LogicalResult PipelineEmitter::emitSimtMma(tile::MmaOp op, RingInfo &ring, const std::string &acc) {
  const Buffer &a = ring.buffers[op.getA()], &b = ring.buffers[op.getB()];
  auto type = cast<VectorType>(op.getAcc().getType());
  int64_t gridRows = e_.threads_ / kGridColumns;
  if (type.getDimSize(0) % (4 * gridRows) || type.getDimSize(1) % (4 * kGridColumns) || a.columns != type.getDimSize(0) ||
      b.columns != type.getDimSize(1) || a.rows != b.rows || a.pad % 4 || b.pad % 4)
    return op.emitOpError("expects an accumulator of m x n, buffers k x m and k x n padded by multiples of 4, m a multiple of ")
           << 4 * gridRows << " and n of " << 4 * kGridColumns;
  e_.layoutOf(Shape(type.getShape()));
  SourceWriter &out = e_.out_;
  std::string take = named(ring, "take"), sa = a.suffix + ring.suffix, sb = b.suffix + ring.suffix;
  std::string tileA = out.unique("from_" + a.name), tileB = out.unique("from_" + b.name);
  out.line("const float* const " + tileA + " = reinterpret_cast<const float*>(smem + kOffset" + sa + " + " + take + " * kStageBytes" + sa + ") + thread_row;");
  out.line("const float* const " + tileB + " = reinterpret_cast<const float*>(smem + kOffset" + sb + " + " + take + " * kStageBytes" + sb + ") + thread_column;");
  e_.constant("kDepth", a.rows, "of one slot along k");
  out.directive("#pragma unroll");
  out.open("for (int k = 0; k < kDepth; ++k)");
  out.line("float row[kThreadRows], column[kColumnGroups][4];");
  out.directive("#pragma unroll");
  out.open("for (int i = 0; i < kThreadRows; i += 4)");
  out.line("shared_load_x4(row + i, " + tileA + " + k * kLine" + sa + " + i / 4 * kRowStep);");
  out.close();
  out.directive("#pragma unroll");
  out.open("for (int g = 0; g < kColumnGroups; ++g)");
  out.line("shared_load_x4(column[g], " + tileB + " + k * kLine" + sb + " + g * kColumnStep);");
  out.close();
  TileLayout &layout = e_.layoutOf(Shape(type.getShape()));
  e_.openLoops(layout, 0, 3);
  out.line(layout.element(acc) + " += row[i] * column[g][j];");
  e_.closeLoops(3);
  out.close();
  return success();
}

// ---- the way out through TMA ------------------------------------------------------------------------------------------------------

/// `pair`: two neighbours of a row, as a thread holds them.
LogicalResult PipelineEmitter::printPair(ArrayRef<Operation *> ops, Value stored, const std::string &type, const TileLayout &layout, Operation *at) {
  SourceWriter &out = e_.out_;
  out.line(type + " pair[2];");
  out.directive("#pragma unroll");
  out.open("for (int e = 0; e < 2; ++e)");
  KernelEmitter::Lane lane;
  if (failed(e_.printLaneOps(ops, lane, layout, at))) return failure();
  auto value = e_.laneExpr(stored, lane, layout);
  if (failed(value)) return failure();
  out.line("pair[e] = " + value->text + ";");
  out.close();
  return success();
}

/// A patch of 16-bit floats: pairs in a register, stored by stmatrix. \p packs: the values are f32, and packing rounds them.
LogicalResult PipelineEmitter::printHalves(ArrayRef<Operation *> ops, Value stored, bool isBf16, bool packs, const TileLayout &layout, Operation *at) {
  SourceWriter &out = e_.out_;
  out.directive("#pragma unroll");
  out.open("for (int c = 0; c < kStoreColumns / 16; ++c)");
  out.line("u32 packed[4];");
  out.directive("#pragma unroll");
  out.open("for (int half = 0; half < 2; ++half)");
  out.line("const int j = patch * (kStoreColumns / 8) + c * 2 + half;");
  out.directive("#pragma unroll");
  out.open("for (int h = 0; h < 2; ++h)");
  if (failed(printPair(ops, stored, packs ? "float" : cType(getElementTypeOrSelf(stored.getType())), layout, at))) return failure();
  out.line(std::string("packed[2 * half + h] = ") + (packs ? (isBf16 ? "pack_bf16x2" : "pack_f16x2") : "pack_x2") + "(pair[0], pair[1]);");
  out.close();
  out.close();
  out.comment("Swizzle: the 16-byte chunk is XORed with the 128-byte line that the row lies in.");
  out.line("const u32 chunk = (2 * c + lane / 16) ^ (lane % 16 * kStoreColumns / 64 % (kStoreColumns / 8));");
  out.line("stmatrix_x4(buffer + lane % 16 * (kStoreColumns * 2) + chunk * 16, packed[0], packed[1], packed[2], packed[3]);");
  out.close();
  return success();
}

/// A patch of elements of 8 or 32 bits: pairs of neighbours, as threads hold them. Pairs of 32 bits meet on half of the banks, which costs no
/// time that could be measured.
LogicalResult PipelineEmitter::printPairs(ArrayRef<Operation *> ops, Value stored, const TileLayout &layout, Operation *at) {
  SourceWriter &out = e_.out_;
  const std::string bytes = str(storeBytes_);
  out.directive("#pragma unroll");
  out.open("for (int c = 0; c < kStoreColumns / 8; ++c)");
  out.line("const int j = patch * (kStoreColumns / 8) + c;");
  out.directive("#pragma unroll");
  out.open("for (int h = 0; h < 2; ++h)");
  if (failed(printPair(ops, stored, cType(getElementTypeOrSelf(stored.getType())), layout, at))) return failure();
  out.line("shared_store_pair(buffer + swizzled_byte(lane / 4 + h * 8, (c * 8 + lane % 4 * 2) * " + bytes + ", kStoreColumns * " + bytes + "), pair[0], pair[1]);");
  out.close();
  out.close();
  return success();
}

// Each warp stores its 16 rows in patches of one swizzle span: convert, stmatrix into a staging buffer, proxy fence, one bulk store.
// The two buffers of a warp take turns, and a buffer is written again once the store before last has read it.
LogicalResult PipelineEmitter::emitStoreBulk(tile::StoreBulkOp op) {
  auto type = cast<VectorType>(op.getTile().getType());
  const bool ofHalves = isHalf(type.getElementType());
  if (!wgmma_ || type.getDimSize(1) % storeColumns_ || bytesOf(type.getElementType()) != storeBytes_ || (!ofHalves && storeBytes_ == 2))
    return op.emitOpError("stores a warpgroup's product as the map has it, 8 or 32 bits or 16-bit floats, in boxes whose width divides the tile's");
  Shape shape(type.getShape());
  TileLayout layout = e_.layoutOf(shape);
  SourceWriter &out = e_.out_;
  // Rounding to 16 bits is part of packing pairs, if nobody else wants the rounded values.
  Value stored = op.getTile();
  Operation *rounding = stored.getDefiningOp<arith::TruncFOp>();
  bool packs = ofHalves && rounding && stored.hasOneUse() && getElementTypeOrSelf(rounding->getOperand(0).getType()).isF32();
  if (packs) {
    for (auto &[known, ops] : e_.pending_) llvm::erase(ops, rounding);
    stored = rounding->getOperand(0);
  }
  SmallVector<Operation *> ops = e_.takePending(shape, stored);
  e_.materialize(ops, layout, packs ? rounding : op.getOperation(), {}, "");
  std::string map = "&" + e_.bound_[op.getMap()].expr.text;
  if (!fragments_) e_.openLoops(layout, 0, 1);
  out.directive("#pragma unroll");
  out.open("for (int patch = 0; patch < " + str(type.getDimSize(1) / storeColumns_) + "; ++patch)");
  out.line("buffer = store + ((buffer - store) ^ kStoreBytes);  // the two buffers in turn");
  out.line("if (issuer) tma_store_wait_read<1>();  // the store before last has left this buffer");
  printPieces();
  if (failed(ofHalves ? printHalves(ops, stored, type.getElementType().isBF16(), packs, layout, op) : printPairs(ops, stored, layout, op))) return failure();
  out.line("fence_proxy_async();");
  out.line("warp_sync();");
  out.open("if (issuer)");
  std::string at;
  for (auto [d, v] : llvm::enumerate(op.getAt())) {
    at += ", int(" + e_.scalar(v).text + ")";
    if (d == 0) at += " + patch * kStoreColumns";
    if (d == 1) at += (fragments_ ? "" : " + block * 64") + std::string(" + warp * kStoreRows");
  }
  out.line("tma_store_" + str(int64_t(op.getAt().size())) + "d(" + map + ", buffer" + at + ");");
  out.line("tma_store_commit();");
  out.close();
  out.close();
  if (!fragments_) e_.closeLoops(1);
  return success();
}

}  // namespace jinx::cuda
