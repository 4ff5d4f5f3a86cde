// The attention schedule: blocked online softmax (Milakov & Gimelshein 2018, algorithm 3).
//
// y[i, :] = sum_j softmax_j(x[i, j]) * v[j, :], x[i, j] = hole(q[i, :]·k[j, :]), with k and v in panels of 16 columns (jinx.pack). A
// program owns a tile of at most kMR query rows of one matrix of the batch; neighbours are tiles of one matrix, so that its k and v stay
// in the second-level cache. It keeps three numbers a row: m, the largest logit so far, l, the sum of exp(x - m), and the row of the
// context o = sum exp(x - m) * v, all in scratch, and takes the keys block by block:
//
//   q         the tile's rows, through whatever makes them: a transpose of heads is read here, not written before
//   for each block of kKeys keys:
//     s       = q·kᵀ                                 tile.dot, into scratch
//     x       = hole(s)                              row by row; past the last key -inf
//     m'      = max(m, max x)    c = exp(m - m')
//     p       = exp(x - m')      l = l*c + sum p     over x in scratch
//     o       = o*c + p·v                            tile.dot, from scratch
//   y         = epilogue(o * (1/l))
//
// Two blocks of two keys, one row, logits 1 3 | 5 1:
//
//   block 1   m = 3   p = e^-2, e^0             l = 1.135                      o = e^-2 v0 + v1
//   block 2   m = 5   p = e^0, e^-4   c = e^-2  l = 1.135 e^-2 + 1.018 = 1.172  o = e^-2 (e^-2 v0 + v1) + v2 + e^-4 v3
//   y         o / l: as if all four had been there at once
//
// A row whose logits were all -inf so far has m = -inf: it is shifted by 0 instead, so that its p are 0 and not NaN; when it stays so, l
// is 0 and y NaN, as that of softmax is. A NaN or +inf logit makes its row NaN for good, as it does there. No keys at all: zeros, the
// empty sum. The order of additions depends on the keys alone, never on batch, threads or the tile that a row is in.
//
// Where m and l are results, too (a step of a ring: passes/Dist/RingSteps.h), they are stored as the operators themselves would have them:
// l is NaN where m is -inf, and m is NaN where a logit is.
#include "codegen/schedules/Attention.h"

#include <limits>

#include "codegen/schedules/AttentionForm.h"
#include "codegen/schedules/OnlineSoftmax.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kKeys = 256;  // of a block: their scores for a tile of rows stay in the first-level cache

class AttentionSchedule : OnlineSoftmax {
 public:
  AttentionSchedule(GroupOp group, StringRef name, const Target &target, OpBuilder &builder)
      : OnlineSoftmax(builder, group.getLoc(), name, group), group_(group), target_(target) {}

  FailureOr<Scheduled> run() {
    for (Operation &op : group_.getBody().front())
      if (auto product = dyn_cast<PackedMatmulOp>(op); product && !form_) form_ = matchAttention(product);
    if (!form_) return group_.emitOpError("has no attention to schedule");
    if (!isa<BlockArgument>(scores().getB()) || !isa<BlockArgument>(context().getB()))
      return group_.emitOpError("packed operands of the products must be inputs of the group");
    for (Value v : group_.getBody().front().getTerminator()->getOperands())
      if (!follows(v) && !isOfRows(v)) return group_.emitOpError("results of an attention group must follow the context, or be the largest logits or the sums");
    describe();
    layOutScratch();
    emitProgram();
    return kb_.finish(lines_ * rowTiles_, scratchBytes_, work_);
  }

 private:
  PackedMatmulOp scores() { return form_->scores; }
  PackedMatmulOp context() { return form_->context; }

  // ---- the problem --------------------------------------------------------------------------------------------------------------
  void describe() {
    Sizes q = sizesOf(scores().getA().getType()), y = sizesOf(context().getY().getType()), s = sizesOf(scores().getY().getType());
    lines_ = volume(ArrayRef(y).drop_back(2));
    queries_ = y[y.size() - 2];
    columns_ = y.back();
    keys_ = s.back();
    depth_ = q.back();
    int64_t full = target_.rowsOfTile();
    if (!depth_.constant()) full = std::min<int64_t>(full, 8);  // every row needs an address register
    tileRows_ = full;
    if (auto rows = queries_.constant()) {
      int64_t tiles = std::max<int64_t>(1, (*rows + full - 1) / full);
      tileRows_ = std::max<int64_t>(1, (*rows + tiles - 1) / tiles);
    }
    rowTiles_ = ceilDiv(queries_, tileRows_);
    pairs_ = target_.vectorBytes >= 64;
    if (auto keys = keys_.constant()) blockKeys_ = std::min(blockKeys_, std::max<int64_t>(1, (*keys + kLanes - 1) / kLanes) * kLanes);
    work_ = lines_ * queries_ * (ceilDiv(keys_, kPanel) * (depth_ + 16) + ceilDiv(columns_, kPanel) * keys_);
  }

  void layOutScratch() {
    queryStride_ = depth_ + kSkew;
    scoreStride_ = blockKeys_ + kSkew;
    contextStride_ = ceilDiv(columns_, kPanel) * kPanel;
    queryOffset_ = take(SizeExpr(tileRows_) * queryStride_);
    scoreOffset_ = take(tileRows_ * scoreStride_);
    contextOffset_ = take(SizeExpr(tileRows_) * contextStride_);
    takeRowNumbers();
  }

  // ---- the program --------------------------------------------------------------------------------------------------------------
  void emitProgram() {
    Value id = tile::ProgramIdOp::create(b(), loc(), b().getIndexType());
    auto parts = kb_.delinearize(id, {lines_, rowTiles_});
    line_ = parts[0];
    firstRow_ = kb_.mul(parts[1], c(tileRows_));
    for (Value v : {Value(scores().getY()), form_->logits, Value(context().getY()), Value(form_->max.getY()), Value(form_->sum.getY())})
      batch_[v] = kb_.delinearize(line_, ArrayRef(sizesOf(v.getType())).drop_back(2));
    auto rows = queries_.constant();
    if (rows && *rows % tileRows_ == 0) return emitTile(tileRows_, c(tileRows_));
    Value count = kb_.min(kb_.sub(kb_.size(queries_), firstRow_), c(tileRows_));
    SmallVector<int64_t> sizes = {tileRows_};
    for (int64_t s : {6, 1})  // every size is code to compile; one row alone is what a decoder asks
      if (!rows && s < tileRows_) sizes.push_back(s);
    emitSmallest(sizes, count);
  }
  /// `count` rows with the smallest of `sizes` (descending) that holds them.
  void emitSmallest(ArrayRef<int64_t> sizes, Value count) {
    if (sizes.size() == 1) return emitTile(sizes[0], sizes[0] == 1 ? c(1) : count);
    Value large = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::sgt, count, c(sizes[1]));
    auto branch = scf::IfOp::create(b(), loc(), large, /*withElse=*/true);
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(branch.thenBlock());
    emitTile(sizes[0], count);
    b().setInsertionPointToStart(branch.elseBlock());
    emitSmallest(sizes.drop_front(), count);
  }

  /// One tile: `rows` rows are computed, `count` of them exist.
  void emitTile(int64_t rows, Value count) {
    OpBuilder::InsertionGuard guard(b());
    rows_ = rows;
    count_ = count;
    query_ = scratch(queryOffset_);
    score_ = scratch(scoreOffset_);
    context_ = scratch(contextOffset_);
    findRowNumbers();
    copyQueries();
    start(context_, kb_.mul(c(rows_), kb_.size(contextStride_)));
    auto loop = scf::ForOp::create(b(), loc(), c(0), kb_.size(keys_), c(blockKeys_));
    {
      OpBuilder::InsertionGuard inner(b());
      b().setInsertionPointToStart(loop.getBody());
      firstKey_ = loop.getInductionVar();
      blockCount_ = kb_.min(kb_.sub(kb_.size(keys_), firstKey_), c(blockKeys_));
      if (auto keys = keys_.constant(); keys && *keys % blockKeys_ == 0) blockCount_ = c(blockKeys_);
      computeScores();
      computeLogits();
      rescale();
      computeWeights(score_, scoreStride_, count_, blockCount_);
      addContext();
    }
    finishRows();
  }

  static int64_t widthFor(const SizeExpr &extent) {
    int64_t width = kLanes;
    if (auto constant = extent.constant())
      while (width > 1 && width / 2 >= *constant) width /= 2;
    return width;
  }

  /// Where the program's matrix is in the batch dimensions of `v`: scores, logits or context, which have as many matrices.
  ArrayRef<Value> batchAt(Value v) { return batch_[v]; }
  Coordinates coordinates(Value v, Value row, Coordinate lane) {
    Coordinates at;
    for (Value i : batchAt(v)) at.push_back({i, 0, {}});
    at.push_back({row, 0, {}});
    at.push_back(lane);
    return at;
  }

  /// Rows past the last repeat it, so that all of the tile are numbers.
  void copyQueries() {
    Value q = scores().getA(), last = kb_.sub(kb_.size(queries_), c(1));
    int64_t rank = sizesOf(q.getType()).size(), width = widthFor(depth_);
    forRange(c(0), c(rows_), 1, [&](Value r) {
      Value row = kb_.min(kb_.add(firstRow_, r), last);
      forLanes(kb_.size(depth_), width, [&](Value k, Value limit) {
        ExpressionEmitter emitter(kb_, width);
        emitter.setLimit(limit);
        Coordinates at = coordinates(scores().getY(), row, {k, 1, {}});
        at.erase(at.begin(), at.end() - rank);  // fewer batch dimensions than the scores: aligned on the right
        Coordinates mapped = emitter.broadcastCoordinates(q, at);
        mapped[rank - 2] = {row, 0, {}};
        mapped[rank - 1] = {k, 1, {}};
        store(emitter.evaluate(q, mapped), query_, kb_.add(kb_.mul(r, kb_.size(queryStride_)), k), limit);
      });
    });
  }

  /// acc += a·panels, of a's rows in scratch.
  Value dot(Value acc, Value a, Value aStride, Value packed, Value offset, Value panelStride, Value depth) {
    return tile::DotOp::create(b(), loc(), acc.getType(), acc, a, c(0), aStride, Value(), kb_.input(cast<BlockArgument>(packed)), offset, panelStride, depth);
  }
  /// First element of the program's matrix in a packed operand of `product`; batch dimensions are aligned on the right.
  Value packedOffset(PackedMatmulOp product) {
    Sizes sizes = sizesOf(product.getB().getType());
    auto strides = kb_.strides(sizes);
    auto batch = batchAt(product.getY());
    int64_t shift = int64_t(sizes.size()) - 3 - int64_t(batch.size());
    Value offset = c(0);
    for (size_t i = 0; i < batch.size(); ++i)
      if (int64_t d = shift + int64_t(i); d >= 0 && !sizes[d].isConstant(1)) offset = kb_.add(offset, kb_.mul(batch[i], kb_.size(strides[d])));
    return offset;
  }

  void computeScores() {
    Value base = packedOffset(scores()), panelStride = kb_.size(depth_ * kPanel), firstPanel = kb_.floorDiv(firstKey_, c(kPanel));
    Value count = kb_.floorDiv(kb_.add(blockCount_, c(kPanel - 1)), c(kPanel));
    forPanels(count, pairs_, [&](Value panel, int64_t panels) {
      auto type = tileType(rows_, panels);
      Value acc = arith::ConstantOp::create(b(), loc(), type, b().getZeroAttr(type));
      Value offset = kb_.add(base, kb_.mul(kb_.add(firstPanel, panel), panelStride));
      acc = dot(acc, query_, kb_.size(queryStride_), scores().getB(), offset, panelStride, kb_.size(depth_));
      tile::StoreOp::create(b(), loc(), acc, score_, kb_.mul(panel, c(kPanel)), ValueRange{c(scoreStride_), c(1)}, ValueRange());
    });
  }

  /// Logits in place of scores, and the largest of each row.
  void computeLogits() {
    forRange(c(0), count_, 1, [&](Value r) {
      Value row = kb_.add(firstRow_, r), base = kb_.mul(r, c(scoreStride_)), whole = kb_.mul(kb_.floorDiv(blockCount_, c(kLanes)), c(kLanes));
      Value none = minusInfinity(kLanes);
      auto step = [&](Value at, Value limit, Value sofar) -> Value {
        ExpressionEmitter emitter(kb_, kLanes);
        emitter.setLimit(limit);
        emitter.define(scores().getY(), load(kLanes, score_, kb_.add(base, at)));
        Value x = emitter.evaluate(form_->logits, coordinates(form_->logits, row, {kb_.add(firstKey_, at), 1, {}}));
        if (limit) {
          Value lanes = vector::StepOp::create(b(), loc(), VectorType::get({kLanes}, b().getIndexType()));
          Value valid = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::slt, lanes, kb_.splat(limit, kLanes));
          x = arith::SelectOp::create(b(), loc(), valid, x, none);
        }
        store(x, score_, kb_.add(base, at));
        return larger(sofar, x);
      };
      Value largestOf = carry(c(0), whole, none, [&](Value at, Value sofar) { return step(at, Value(), sofar); });
      if (auto constant = getConstantIntValue(blockCount_); !constant || *constant % kLanes)
        largestOf = carry(whole, blockCount_, largestOf, [&](Value at, Value sofar) { return step(at, kb_.sub(blockCount_, at), sofar); });
      store(largestLane(largestOf), blockLargest(), r);
    });
  }
  void addContext() {
    Value base = packedOffset(context()), panelStride = kb_.size(keys_ * kPanel), firstRow = kb_.mul(firstKey_, c(kPanel));
    Value stride = kb_.size(contextStride_);
    forPanels(kb_.size(ceilDiv(columns_, kPanel)), pairs_, [&](Value panel, int64_t panels) {
      auto type = tileType(rows_, panels);
      Value at = kb_.mul(panel, c(kPanel));
      Value o = tile::LoadOp::create(b(), loc(), type, context_, at, ValueRange{stride, c(1)}, ValueRange());
      Value factor = tile::LoadOp::create(b(), loc(), type, factors(), c(0), ValueRange{c(1), c(0)}, ValueRange());
      o = arith::MulFOp::create(b(), loc(), o, factor);
      Value offset = kb_.add(kb_.add(base, firstRow), kb_.mul(panel, panelStride));
      o = dot(o, score_, c(scoreStride_), context().getB(), offset, panelStride, blockCount_);
      tile::StoreOp::create(b(), loc(), o, context_, at, ValueRange{stride, c(1)}, ValueRange());
    });
  }

  // ---- results ------------------------------------------------------------------------------------------------------------------
  /// Where a value that follows the context is, for the context's coordinates `at`.
  Coordinates follow(Value v, const Coordinates &at) {
    if (v == context().getY()) return at;
    Operation *op = v.getDefiningOp();
    for (Value operand : op->getOperands()) {
      if (!follows(operand)) continue;
      Coordinates inner = follow(operand, at);
      auto transpose = dyn_cast<TransposeOp>(op);
      if (!transpose) return inner;
      Coordinates mapped;
      for (int64_t p : transpose.getPerm()) mapped.push_back(inner[p]);
      return mapped;
    }
    llvm_unreachable("a result follows the context");
  }
  bool follows(Value v) {
    if (v == context().getY()) return true;
    Operation *op = v.getDefiningOp();
    return op && llvm::any_of(op->getOperands(), [&](Value operand) { return follows(operand); });
  }
  bool isOfRows(Value v) { return v == Value(form_->max.getY()) || v == Value(form_->sum.getY()); }

  /// y = epilogue(o * (1/l)). Without keys l is 0 and so is y.
  void finishRows() {
    Value l = load(kRowNumbers, sum(), c(0)), divisor = l;
    if (keys_.constant().value_or(0) == 0) {
      Value none = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::eq, kb_.size(keys_), c(0));
      divisor = arith::SelectOp::create(b(), loc(), none, splat(kRowNumbers, 1), l);
    }
    store(arith::DivFOp::create(b(), loc(), splat(kRowNumbers, 1), divisor), factors(), c(0));
    auto results = llvm::to_vector(group_.getBody().front().getTerminator()->getOperands());
    if (llvm::any_of(results, [&](Value v) { return isOfRows(v); })) keepRowNumbers(l);
    int64_t width = widthFor(columns_);
    forRange(c(0), count_, 1, [&](Value r) {
      Value share = loadSpread(width, factors(), r), base = kb_.mul(r, kb_.size(contextStride_)), row = kb_.add(firstRow_, r);
      for (auto [i, v] : llvm::enumerate(results))
        if (isOfRows(v)) ExpressionEmitter(kb_, 1).store(i, load(1, v == Value(form_->max.getY()) ? largest() : sum(), r), coordinates(v, row, {c(0), 0, {}}));
      forLanes(kb_.size(columns_), width, [&](Value at, Value limit) {
        ExpressionEmitter emitter(kb_, width);
        emitter.setLimit(limit);
        emitter.define(context().getY(), arith::MulFOp::create(b(), loc(), load(width, context_, kb_.add(base, at), limit), share));
        Coordinates here = coordinates(context().getY(), row, {at, 1, {}});
        for (auto [i, v] : llvm::enumerate(results)) {
          if (isOfRows(v)) continue;
          Coordinates there = follow(v, here);
          emitter.store(i, emitter.evaluate(v, there), there);
        }
      });
    });
  }
  /// m and l of rows, as the softmax's own operators have them. A NaN among the logits is not in m so far, but in l; +inf makes l NaN as well, and stays m.
  void keepRowNumbers(Value l) {
    Value m = load(kRowNumbers, largest(), c(0)), nan = splat(kRowNumbers, std::numeric_limits<double>::quiet_NaN());
    Value isNone = arith::CmpFOp::create(b(), loc(), arith::CmpFPredicate::OEQ, m, minusInfinity(kRowNumbers));
    if (keys_.constant().value_or(0) == 0) {
      Value any = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::ne, kb_.size(keys_), c(0));
      isNone = arith::AndIOp::create(b(), loc(), isNone, kb_.splat(any, kRowNumbers));
    }
    Value isNan = arith::CmpFOp::create(b(), loc(), arith::CmpFPredicate::UNO, l, l);
    Value isFinite = arith::CmpFOp::create(b(), loc(), arith::CmpFPredicate::ONE, m, splat(kRowNumbers, std::numeric_limits<double>::infinity()));
    store(arith::SelectOp::create(b(), loc(), arith::AndIOp::create(b(), loc(), isNan, isFinite), nan, m), largest(), c(0));
    store(arith::SelectOp::create(b(), loc(), isNone, nan, l), sum(), c(0));
  }

  GroupOp group_;
  Target target_;
  std::optional<AttentionForm> form_;
  SizeExpr lines_ = 1, queries_ = 1, keys_ = 1, depth_ = 1, columns_ = 1, rowTiles_ = 1, work_ = 1;
  int64_t tileRows_ = 1, blockKeys_ = kKeys, scoreStride_ = 0;
  bool pairs_ = false;
  SizeExpr queryStride_ = 1, contextStride_ = 1, queryOffset_ = 0, scoreOffset_ = 0, contextOffset_ = 0;
  Value line_, firstRow_;
  llvm::DenseMap<Value, SmallVector<Value>> batch_;
  // Of the tile that is being written.
  int64_t rows_ = 1;
  Value count_, firstKey_, blockCount_, query_, score_, context_;
};

}  // namespace

FailureOr<Scheduled> scheduleAttention(GroupOp group, StringRef name, const Target &target, OpBuilder &builder) {
  return AttentionSchedule(group, name, target, builder).run();
}

}  // namespace jinx::schedules
