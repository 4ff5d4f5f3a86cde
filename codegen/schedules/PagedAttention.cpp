// The schedule of jinx.paged_attention on the CPU: the online softmax of Attention.cpp, where keys and values are pages that a table names.
//
// A program owns a head of keys, and so many neighbouring tokens that their queries (`shared` heads each) fill a tile. Tokens of one sequence are one tile;
// where the sequence changes, another begins. Of 3 shared heads and 4 tokens a program:
//
//   sequence   0 0 0 0 | 0 1 2 2      program 0: one tile of 12 rows      program 1: tiles of 3, 3 and 6 rows
//
// Prefill is then tiles of many rows, decoding tiles of one token, and both may be in one step. Keys go in blocks of 256 from a multiple of 256 on, so that the
// order of a token's additions depends on its position alone. A row sees the keys [first, end) of its token; to the others of its tile's blocks it
// gives weight 0. Nothing is read behind the last key that a row of the tile sees: pages are not written there yet.
//
// Elements of pages are widened to f32: bytes as a product reads them, others into scratch.
#include "codegen/schedules/PagedAttention.h"

#include <limits>

#include "codegen/schedules/OnlineSoftmax.h"
#include "codegen/schedules/PageLayout.h"
#include "codegen/schedules/ScalarOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kKeys = 256;                    // of a block: their scores for a tile of rows stay in the first-level cache
constexpr int64_t kScoreStride = kKeys + 16;      // rows fall into different sets of the cache

class PagedAttentionSchedule : OnlineSoftmax {
 public:
  PagedAttentionSchedule(GroupOp group, PagedAttentionOp attention, StringRef name, const Target &target, OpBuilder &builder)
      : OnlineSoftmax(builder, group.getLoc(), name, group), op_(attention), keys_(PageLayout::of(attention.getKeys(), PageKind::keys, false)),
        values_(PageLayout::of(attention.getValues(), PageKind::values, false)), q_(elementOf(attention.getQ())), stored_(elementOf(attention.getKeys())),
        pairs_(target.vectorBytes >= 64) {
    Sizes q = sizesOf(op_.getQ().getType());
    tokens_ = q[0], heads_ = *q[1].constant();
    const int64_t shared = heads_ / keys_.heads, most = target.rowsOfTile();
    for (parts_ = 1; shared / parts_ > most || shared % parts_; ++parts_) {}
    rowsOfToken_ = shared / parts_;
    tileTokens_ = std::max<int64_t>(1, most / rowsOfToken_);
  }

  Scheduled run() {
    layOutScratch();
    const SizeExpr tiles = ceilDiv(tokens_, tileTokens_);
    auto at = kb_.delinearize(tile::ProgramIdOp::create(b(), loc(), b().getIndexType()), {SizeExpr(keys_.heads * parts_), tiles});
    head_ = kb_.floorDiv(at[0], c(parts_));
    firstHead_ = kb_.mul(at[0], c(rowsOfToken_));
    Value first = kb_.mul(at[1], c(tileTokens_));
    emitRuns(first, kb_.min(kb_.add(first, c(tileTokens_)), kb_.size(tokens_)));
    const SizeExpr keys = sizesOf(op_.getTable().getType())[1] * SizeExpr(kPageRows);
    return kb_.finish(SizeExpr(keys_.heads * parts_) * tiles, scratchBytes_, tokens_ * SizeExpr(heads_ * (keys_.depth + values_.depth)) * ceilDiv(keys, kPanel));
  }

 private:
  static Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }
  Value input(Value v) { return kb_.input(cast<BlockArgument>(v)); }
  int64_t queryStride() { return keys_.depth + kSkew; }
  bool isWidened() { return !stored_.isF32() && !stored_.isInteger(8); }

  void layOutScratch() {
    const int64_t rows = tileTokens_ * rowsOfToken_;
    queryOffset_ = take(rows * queryStride());
    scoreOffset_ = take(rows * kScoreStride);
    contextOffset_ = take(rows * values_.depth);
    takeRowNumbers();
    for (SizeExpr &offset : boundOffsets_) offset = take(kRowNumbers);
    for (SizeExpr &offset : scaleOffsets_) offset = take(kKeys);
    panelOffset_ = take(isWidened() ? 2 * kPanel * std::max(keys_.depth, kPageRows) : 0);
  }

  // ---- tokens -------------------------------------------------------------------------------------------------------------------
  Value compare(arith::CmpIPredicate predicate, Value x, Value y) { return arith::CmpIOp::create(b(), loc(), predicate, x, y); }
  Value select(Value condition, Value x, Value y) { return arith::SelectOp::create(b(), loc(), condition, x, y); }
  void either(Value condition, function_ref<void()> then, function_ref<void()> otherwise) {
    auto branch = scf::IfOp::create(b(), loc(), condition, /*withElse=*/bool(otherwise));
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(branch.thenBlock());
    then();
    if (!otherwise) return;
    b().setInsertionPointToStart(branch.elseBlock());
    otherwise();
  }

  /// Tokens [first, end), those that follow each other in one sequence at once.
  void emitRuns(Value first, Value end) {
    auto loop = scf::ForOp::create(b(), loc(), first, end, c(1), ValueRange{first});
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    Value token = loop.getInductionVar(), next = loop.getRegionIterArg(0);
    auto branch = scf::IfOp::create(b(), loc(), TypeRange{b().getIndexType()}, compare(arith::CmpIPredicate::eq, token, next), /*withElse=*/true);
    scf::YieldOp::create(b(), loc(), branch.getResults());
    b().setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(b(), loc(), ValueRange{next});
    b().setInsertionPointToStart(branch.thenBlock());
    sequence_ = kb_.loadIndex(input(op_.getSequence()), token);
    Value count = countRun(token, end);
    emitTiles(token, count);
    scf::YieldOp::create(b(), loc(), ValueRange{kb_.add(token, count)});
  }
  /// How many tokens from `token` on have its sequence.
  Value countRun(Value token, Value end) {
    if (tileTokens_ == 1) return c(1);
    auto loop = scf::ForOp::create(b(), loc(), kb_.add(token, c(1)), end, c(1), ValueRange{c(1)});
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    Value at = loop.getInductionVar(), count = loop.getRegionIterArg(0);
    Value isNext = compare(arith::CmpIPredicate::eq, kb_.sub(at, token), count);  // none between was of another sequence
    Value same = arith::AndIOp::create(b(), loc(), isNext, compare(arith::CmpIPredicate::eq, kb_.loadIndex(input(op_.getSequence()), at), sequence_));
    scf::YieldOp::create(b(), loc(), ValueRange{kb_.add(count, select(same, c(1), c(0)))});
    return loop.getResult(0);
  }
  /// One token alone is what decoding has.
  void emitTiles(Value token, Value count) {
    if (tileTokens_ == 1) return emitTile(token, c(1), 1);
    either(compare(arith::CmpIPredicate::eq, count, c(1)), [&] { emitTile(token, c(1), 1); }, [&] { emitTile(token, count, tileTokens_); });
  }

  /// Tokens [token, token + count) of one sequence: rows of `most` tokens are computed.
  void emitTile(Value token, Value count, int64_t most) {
    rows_ = most * rowsOfToken_;
    firstToken_ = token;
    count_ = kb_.mul(count, c(rowsOfToken_));
    query_ = scratch(queryOffset_), score_ = scratch(scoreOffset_), context_ = scratch(contextOffset_), panel_ = scratch(panelOffset_);
    for (auto [ptr, offset] : llvm::zip(bounds_, boundOffsets_)) ptr = scratch(offset, b().getI32Type());
    for (auto [ptr, offset] : llvm::zip(blockScales_, scaleOffsets_)) ptr = scratch(offset);
    findRowNumbers();
    copyQueries(count);
    auto [begin, end] = findBounds(count);
    start(context_, c(rows_ * values_.depth));
    firstEntry_ = kb_.mul(sequence_, kb_.size(sizesOf(op_.getTable().getType())[1]));
    forRange(begin, end, kKeys, [&](Value firstKey) {
      firstKey_ = firstKey;
      blockCount_ = kb_.min(kb_.sub(end, firstKey), c(kKeys));
      copyScales();
      computeScores();
      computeLogits();
      rescale();
      computeWeights(score_, kScoreStride, count_, blockCount_);
      if (op_.getValueScales()) scaleWeights();
      addContext();
    });
    finishRows();
  }

  /// Rows of a token are neighbours; those past the last token repeat it.
  Value tokenOfRow(Value r, Value count) { return kb_.add(firstToken_, kb_.min(kb_.floorDiv(r, c(rowsOfToken_)), kb_.sub(count, c(1)))); }
  Value headOfRow(Value r) { return kb_.add(firstHead_, kb_.rem(r, c(rowsOfToken_))); }

  /// q * scale, as f32.
  void copyQueries(Value count) {
    forRange(c(0), c(rows_), 1, [&](Value r) {
      Value from = kb_.mul(kb_.add(kb_.mul(tokenOfRow(r, count), c(heads_)), headOfRow(r)), c(keys_.depth)), to = kb_.mul(r, c(queryStride()));
      forRange(c(0), c(keys_.depth), kPanel, [&](Value at) {
        Value part = tile::LoadOp::create(b(), loc(), VectorType::get({kPanel}, memoryType(q_)), input(op_.getQ()), kb_.add(from, at), ValueRange{c(1)}, ValueRange());
        part = buildCast(b(), loc(), part, q_, element_);
        store(arith::MulFOp::create(b(), loc(), part, splat(kPanel, op_.getScale().convertToDouble())), query_, kb_.add(to, at));
      });
    });
  }

  /// The keys [first, end) that each row sees, into scratch; those of all rows together, from a multiple of a block on.
  std::pair<Value, Value> findBounds(Value count) {
    const int64_t window = op_.getWindow();
    auto loop = scf::ForOp::create(b(), loc(), c(0), count, c(1), ValueRange{c(std::numeric_limits<int32_t>::max()), c(0)});
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    Value end = kb_.add(kb_.loadIndex(input(op_.getPosition()), kb_.add(firstToken_, loop.getInductionVar())), c(1));
    Value first = window > 0 ? kb_.max(kb_.sub(end, c(window)), c(0)) : c(0);
    forRange(c(0), c(rowsOfToken_), 1, [&](Value i) {
      Value r = kb_.add(kb_.mul(loop.getInductionVar(), c(rowsOfToken_)), i);
      for (auto [ptr, bound] : {std::pair(bounds_[0], first), std::pair(bounds_[1], end)}) {
        Value narrow = arith::IndexCastOp::create(b(), loc(), b().getI32Type(), bound);
        tile::StoreOp::create(b(), loc(), vector::BroadcastOp::create(b(), loc(), VectorType::get({1}, b().getI32Type()), narrow), ptr, r, ValueRange{c(1)}, ValueRange());
      }
    });
    scf::YieldOp::create(b(), loc(), ValueRange{kb_.min(loop.getRegionIterArg(0), first), kb_.max(loop.getRegionIterArg(1), end)});
    b().setInsertionPointAfter(loop);
    return {kb_.mul(kb_.floorDiv(loop.getResult(0), c(kKeys)), c(kKeys)), loop.getResult(1)};
  }

  // ---- pages --------------------------------------------------------------------------------------------------------------------
  /// The page that has the block's keys from 16 * p on.
  Value page(Value p) { return kb_.loadIndex(input(op_.getTable()), kb_.add(firstEntry_, kb_.add(kb_.floorDiv(firstKey_, c(kPageRows)), p))); }
  Value pagesOfBlock() { return kb_.floorDiv(kb_.add(blockCount_, c(kPageRows - 1)), c(kPageRows)); }

  /// 16 * `count` numbers of a page as f32 in scratch from `to` on.
  void widen(Value pool, Value from, int64_t count, int64_t to) {
    forRange(c(0), c(count * kPanel), kPanel, [&](Value at) {
      Value part = tile::LoadOp::create(b(), loc(), VectorType::get({kPanel}, memoryType(stored_)), input(pool), kb_.add(from, at), ValueRange{c(1)}, ValueRange());
      store(buildCast(b(), loc(), part, stored_, element_), panel_, kb_.add(c(to), at));
    });
  }
  Value dot(Value acc, Value a, Value aOffset, int64_t aStride, Value panels, Value offset, Value panelStride, Value depth) {
    return tile::DotOp::create(b(), loc(), acc.getType(), acc, a, aOffset, c(aStride), Value(), panels, offset, panelStride, depth);
  }

  void copyScales() {
    for (auto [scales, to] : {std::pair(op_.getKeyScales(), blockScales_[0]), std::pair(op_.getValueScales(), blockScales_[1])}) {
      if (!scales) continue;
      forRange(c(0), pagesOfBlock(), 1, [&](Value p) {
        Value from = kb_.mul(kb_.add(kb_.mul(page(p), c(keys_.heads)), head_), c(kPageRows));
        store(load(kPageRows, input(scales), from), to, kb_.mul(p, c(kPageRows)));
      });
    }
  }
  void computeScores() {
    forPanels(pagesOfBlock(), pairs_, [&](Value p, int64_t panels) {
      auto type = tileType(rows_, panels);
      Value acc = arith::ConstantOp::create(b(), loc(), type, b().getZeroAttr(type)), pool = input(op_.getKeys()), stride = c(0);
      Value at = keys_.head(kb_, page(p), head_), other = panels > 1 ? keys_.head(kb_, page(kb_.add(p, c(1))), head_) : at;
      if (isWidened()) {
        widen(op_.getKeys(), at, keys_.depth, 0);
        if (panels > 1) widen(op_.getKeys(), other, keys_.depth, kPanel * keys_.depth);
        pool = panel_, at = c(0), stride = c(kPanel * keys_.depth);
      } else if (panels > 1) {
        stride = kb_.sub(other, at);
      }
      acc = dot(acc, query_, c(0), queryStride(), pool, at, stride, c(keys_.depth));
      tile::StoreOp::create(b(), loc(), acc, score_, kb_.mul(p, c(kPanel)), ValueRange{c(kScoreStride), c(1)}, ValueRange());
    });
  }
  /// -inf where a row does not see a key, up to whole tiles; the largest of each row.
  void computeLogits() {
    Value end = kb_.mul(kb_.floorDiv(kb_.add(blockCount_, c(kLanes - 1)), c(kLanes)), c(kLanes));
    auto i32s = VectorType::get({kLanes}, b().getI32Type());
    SmallVector<int32_t> counts(kLanes);
    for (auto [i, v] : llvm::enumerate(counts)) v = int32_t(i);
    Value lanes = arith::ConstantOp::create(b(), loc(), DenseElementsAttr::get(i32s, ArrayRef<int32_t>(counts)));
    forRange(c(0), count_, 1, [&](Value r) {
      Value base = kb_.mul(r, c(kScoreStride)), none = minusInfinity(kLanes);
      auto bound = [&](Value ptr) { return tile::LoadOp::create(b(), loc(), i32s, ptr, r, ValueRange{c(0)}, ValueRange()); };
      Value first = bound(bounds_[0]), last = bound(bounds_[1]);
      Value largestOf = carry(c(0), end, none, [&](Value at, Value sofar) {
        Value x = load(kLanes, score_, kb_.add(base, at));
        if (op_.getKeyScales()) x = arith::MulFOp::create(b(), loc(), x, load(kLanes, blockScales_[0], at));
        Value key = arith::IndexCastOp::create(b(), loc(), b().getI32Type(), kb_.add(firstKey_, at));
        key = arith::AddIOp::create(b(), loc(), lanes, vector::BroadcastOp::create(b(), loc(), i32s, key));
        Value isSeen = compare(arith::CmpIPredicate::slt, key, last);
        if (op_.getWindow() > 0) isSeen = arith::AndIOp::create(b(), loc(), isSeen, compare(arith::CmpIPredicate::sge, key, first));
        x = select(isSeen, x, none);
        store(x, score_, kb_.add(base, at));
        return larger(sofar, x);
      });
      store(largestLane(largestOf), blockLargest(), r);
    });
  }
  void scaleWeights() {
    Value end = kb_.mul(pagesOfBlock(), c(kPageRows));
    forRange(c(0), count_, 1, [&](Value r) {
      forRange(c(0), end, kPageRows, [&](Value at) {
        Value place = kb_.add(kb_.mul(r, c(kScoreStride)), at);
        store(arith::MulFOp::create(b(), loc(), load(kPageRows, score_, place), load(kPageRows, blockScales_[1], at)), score_, place);
      });
    });
  }

  /// o = o * c + p·v, page by page; of the last page the rows that are written.
  void addContext() {
    Value whole = kb_.floorDiv(blockCount_, c(kPageRows)), rest = kb_.rem(blockCount_, c(kPageRows));
    forPanels(c(values_.depth / kPanel), pairs_, [&](Value panel, int64_t panels) {
      auto type = tileType(rows_, panels);
      Value at = kb_.mul(panel, c(kPanel));
      auto loadContext = [&] { return tile::LoadOp::create(b(), loc(), type, context_, at, ValueRange{c(values_.depth), c(1)}, ValueRange()); };
      auto storeContext = [&](Value o) { tile::StoreOp::create(b(), loc(), o, context_, at, ValueRange{c(values_.depth), c(1)}, ValueRange()); };
      Value factor = tile::LoadOp::create(b(), loc(), type, factors(), c(0), ValueRange{c(1), c(0)}, ValueRange());
      storeContext(arith::MulFOp::create(b(), loc(), loadContext(), factor));
      auto addPage = [&](Value p, Value rows) {
        Value pool = input(op_.getValues()), from = kb_.add(values_.head(kb_, page(p), head_), kb_.mul(panel, c(values_.strideOfColumns())));
        if (isWidened()) {
          widen(op_.getValues(), from, panels * kPageRows, 0);
          pool = panel_, from = c(0);
        }
        storeContext(dot(loadContext(), score_, kb_.mul(p, c(kPageRows)), kScoreStride, pool, from, c(values_.strideOfColumns()), rows));
      };
      forRange(c(0), whole, 1, [&](Value p) { addPage(p, c(kPageRows)); });
      either(compare(arith::CmpIPredicate::sgt, rest, c(0)), [&] { addPage(whole, rest); }, nullptr);
    });
  }

  /// y = o / l; 0 for a token that sees nothing.
  void finishRows() {
    forRange(c(0), count_, 1, [&](Value r) {
      Value l = loadSpread(kPanel, sum(), r);
      Value isSeeing = compare(arith::CmpIPredicate::sgt, kb_.loadIndex(bounds_[1], r), c(0));
      Value share = arith::DivFOp::create(b(), loc(), splat(kPanel, 1), select(kb_.splat(isSeeing, kPanel), l, splat(kPanel, 1)));
      Value token = kb_.add(firstToken_, kb_.floorDiv(r, c(rowsOfToken_)));
      Value to = kb_.mul(kb_.add(kb_.mul(token, c(heads_)), headOfRow(r)), c(values_.depth)), from = kb_.mul(r, c(values_.depth));
      forRange(c(0), c(values_.depth), kPanel, [&](Value at) {
        Value y = arith::MulFOp::create(b(), loc(), load(kPanel, context_, kb_.add(from, at)), share);
        store(buildCast(b(), loc(), y, element_, q_), kb_.output(0), kb_.add(to, at));
      });
    });
  }

  PagedAttentionOp op_;
  PageLayout keys_, values_;
  Type q_, stored_;
  bool pairs_;
  SizeExpr tokens_ = 1;
  int64_t heads_ = 1, parts_ = 1, rowsOfToken_ = 1, tileTokens_ = 1;
  SizeExpr queryOffset_ = 0, scoreOffset_ = 0, contextOffset_ = 0, panelOffset_ = 0;
  std::array<SizeExpr, 2> boundOffsets_, scaleOffsets_;  ///< first and end; of keys and of values
  Value head_, firstHead_, sequence_;
  // Of the tile that is being written.
  int64_t rows_ = 1;
  Value firstToken_, count_, firstEntry_, firstKey_, blockCount_, query_, score_, context_, panel_;
  std::array<Value, 2> bounds_, blockScales_;
};

}  // namespace

FailureOr<Scheduled> schedulePagedAttention(GroupOp group, StringRef name, const Target &target, OpBuilder &builder) {
  auto attention = dyn_cast<PagedAttentionOp>(group.getBody().front().front());
  if (!attention || !llvm::all_of(attention->getOperands(), llvm::IsaPred<BlockArgument>))
    return group.emitOpError("has no paged_attention of inputs of the group to schedule");
  return PagedAttentionSchedule(group, attention, name, target, builder).run();
}

}  // namespace jinx::schedules
