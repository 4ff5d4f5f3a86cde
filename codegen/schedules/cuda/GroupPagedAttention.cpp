// The schedule of jinx.paged_attention for CUDA: keys in parts of a fixed size, each a softmax of its own (online: Milakov & Gimelshein 2018), and a kernel
// that merges them.
//
// A program is a warp. It owns a token, a head of keys with some of the heads of queries that share it, and a part of the keys: kPart of them from a
// multiple of kPart on. It walks them `step` at a time. A row of a page is spread over the lanes, a run of neighbours each, and is widened to f32 in registers:
//
//   loads     k[i], v[i]   rows of a page, all of a step on their way before the first is used
//   scores    s[h, i] = sum over lanes of q[h] * k[i]                           each lane has it then
//   softmax   m' = max(m, s)   p = 2^(s - m')   l = l * 2^(m - m') + sum p      in every lane alike
//   values    o[h] = o[h] * 2^(m - m') + sum_i p[h, i] * v[i]
//
// So it is right for every element type, and reads pages as they lie: once for up to kMostHeads heads. Queries are scaled by log2(e), so that exponentials are powers of 2.
// Rows of the last page that were never written are not loaded, and give zeros: their weight is 0.
//
//   position 650               part 0: keys 0 to 255     part 1: 256 to 511     part 2: 512 to 650
//   position 650, window 100   parts 0 and 1: nothing    part 2: 551 to 650, from 544 on, the first of their page
//
// A part's result is o / l and m + log2(l); `range` says of each token which parts there are. The order of a token's additions depends on its position alone.
#include "codegen/schedules/cuda/GroupPagedAttention.h"

#include "codegen/schedules/PageLayout.h"
#include "codegen/schedules/ScalarOps.h"
#include "codegen/schedules/cuda/PagedTiles.h"
#include "codegen/schedules/cuda/WarpProgram.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kPart = 256;      // keys: shorter ones spread one token over more warps, and take more memory between the kernels (decision 0036)
constexpr int64_t kMostHeads = 8;   // of queries to a program
constexpr int64_t kScores = 32;     // of a step, in registers: 16 keys for one or two heads, 8 for up to 4, 4 for up to 8
constexpr int64_t kPartsAhead = 4;  // of a merge, whose loads overlap
constexpr double kToLog2 = 1.4426950408889634;

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }
/// Heads of queries to a program: as many of those that share keys as registers hold.
int64_t headsOfProgram(int64_t shared) {
  int64_t parts = 1;
  while (shared / parts > kMostHeads || shared % parts) ++parts;
  return shared / parts;
}

/// Extents of a paged_attention, and of what goes between its kernels.
struct Problem {
  explicit Problem(PagedAttentionOp op)
      : op(op), keys(PageLayout::of(op.getKeys(), PageKind::keys, true)), values(PageLayout::of(op.getValues(), PageKind::values, true)),
        q(elementOf(op.getQ())), stored(elementOf(op.getKeys())) {
    Sizes sizes = sizesOf(op.getQ().getType());
    tokens = sizes[0], heads = *sizes[1].constant(), shared = heads / keys.heads;
    entries = sizesOf(op.getTable().getType())[1];
    parts = max(SizeExpr(1), ceilDiv(entries, kPart / kPageRows));  // one says that there is nothing to see
    rows = headsOfProgram(shared);
    while (rows * step > kScores) step /= 2;
  }
  /// out [tokens, heads, parts, columns], logarithms [tokens, heads, parts], range [tokens, 2]: the first part and the last one's next
  SmallVector<Type> between() {
    MLIRContext *context = op.getContext();
    Type f32 = Float32Type::get(context);
    return {tensorOf({tokens, SizeExpr(heads), parts, SizeExpr(values.depth)}, f32), tensorOf({tokens, SizeExpr(heads), parts}, f32),
            tensorOf({tokens, SizeExpr(2)}, IntegerType::get(context, 32))};
  }

  PagedAttentionOp op;
  PageLayout keys, values;
  Type q, stored;
  SizeExpr tokens, entries, parts;
  int64_t heads = 1, shared = 1;
  int64_t rows = 1;   ///< heads of queries of a program
  int64_t step = kPageRows;  ///< keys
};

class PartsProgram : WarpProgram {
 public:
  PartsProgram(OpBuilder &builder, GroupOp group, StringRef name, Problem &p)
      : WarpProgram(builder, group, name, group.getInputs().getTypes(), p.between()), p_(p), op_(p.op) {}

  Scheduled run() {
    const int64_t groups = p_.heads / p_.rows;
    const SizeExpr programs = p_.tokens * SizeExpr(groups) * p_.parts;
    const SizeExpr work = p_.tokens * SizeExpr(p_.heads * (p_.keys.depth + p_.values.depth)) * p_.entries;
    return WarpProgram::run(programs, work, [&](Value program) {
      auto at = kb_.delinearize(program, {p_.tokens, SizeExpr(groups), p_.parts});
      token_ = called(at[0], "token"), part_ = called(at[2], "part");
      firstHead_ = called(kb_.mul(at[1], c(p_.rows)), "first_head");
      head_ = called(kb_.floorDiv(firstHead_, c(p_.shared)), "head");
      findKeys();
      when(compare(arith::CmpIPredicate::slt, begin_, end_), [&] { walk(); });
    });
  }

 private:
  /// Heads' numbers of a row while keys pass by.
  struct Row {
    Value largest, total, out;
  };
  Value input(Value v) { return kb_.input(cast<BlockArgument>(v)); }

  /// The keys [first_, end_) that this program has of those that the token sees, and begin_, the first of a page. The program of part 0 says which parts there are.
  void findKeys() {
    const int64_t window = op_.getWindow();
    Value end = called(kb_.add(loadIndex(input(op_.getPosition()), token_), c(1)), "seen_end");
    first_ = window > 0 ? called(kb_.max(kb_.sub(end, c(window)), c(0)), "seen_first") : c(0);
    Value isFirst = compare(arith::CmpIPredicate::eq, kb_.add(part_, firstHead_), c(0));
    when(isFirst, [&] {
      Value seen = kb_.max(end, c(0));
      storeIndex(kb_.floorDiv(first_, c(kPart)), kb_.output(2), kb_.mul(token_, c(2)));
      storeIndex(kb_.floorDiv(kb_.add(seen, c(kPart - 1)), c(kPart)), kb_.output(2), kb_.add(kb_.mul(token_, c(2)), c(1)));
    });
    Value from = called(kb_.mul(part_, c(kPart)), "from");
    begin_ = called(window > 0 ? kb_.max(from, kb_.mul(kb_.floorDiv(first_, c(kPageRows)), c(kPageRows))) : from, "begin");
    end_ = called(kb_.min(end, kb_.add(from, c(kPart))), "end");
  }

  void walk() {
    loadQueries();
    firstEntry_ = called(kb_.mul(loadIndex(input(op_.getSequence()), token_), kb_.size(p_.entries)), "first_entry");
    SmallVector<Value> init;
    for (int64_t r = 0; r < p_.rows; ++r) init.append({lowest(), number(0), kb_.splat(number(0), p_.values.depth)});
    init.push_back(called(page(begin_), "first_page"));
    auto loop = scf::ForOp::create(b(), loc(), begin_, end_, c(p_.step), init);
    loop.getInductionVar().setLoc(nameLoc(b(), loc(), "first_key"));
    phase(loop, "Keys and values, " + std::to_string(p_.step) + " at a time");
    static constexpr const char *names[] = {"largest", "total", "out"};
    for (auto [i, arg] : llvm::enumerate(loop.getRegionIterArgs())) arg.setLoc(nameLoc(b(), loc(), int64_t(i) < 3 * p_.rows ? names[i % 3] : "page"));
    {
      OpBuilder::InsertionGuard guard(b());
      b().setInsertionPointToStart(loop.getBody());
      firstKey_ = loop.getInductionVar();
      SmallVector<Row> rows = rowsOf(loop.getRegionIterArgs());
      Value next = called(page(kb_.add(firstKey_, c(p_.step))), "next_page");
      emitStep(rows, loop.getRegionIterArgs().back());
      SmallVector<Value> results;
      for (const Row &row : rows) results.append({row.largest, row.total, row.out});
      results.push_back(next);
      scf::YieldOp::create(b(), loc(), results);
    }
    finish(rowsOf(loop.getResults()));
  }
  SmallVector<Row> rowsOf(ValueRange values) {
    SmallVector<Row> rows;
    for (int64_t r = 0; r < p_.rows; ++r) rows.push_back({values[3 * r], values[3 * r + 1], values[3 * r + 2]});
    return rows;
  }

  /// q * scale, so that scores are exponents of 2.
  void loadQueries() {
    Value from = kb_.mul(kb_.add(kb_.mul(token_, c(p_.heads)), firstHead_), c(p_.keys.depth));
    for (int64_t r = 0; r < p_.rows; ++r) {
      Value q = load(memoryType(p_.q), p_.keys.depth, input(op_.getQ()), kb_.add(from, c(r * p_.keys.depth)));
      queries_.push_back(called(scaled(widened(q, p_.q), number(op_.getScale().convertToDouble() * kToLog2)), "query"));
    }
  }
  Value widened(Value tile, Type from) { return buildCast(b(), loc(), tile, from, f32_); }
  /// Of the key; 0 past the program's last one.
  Value page(Value key) { return loadIndex(input(op_.getTable()), kb_.add(firstEntry_, kb_.floorDiv(key, c(kPageRows))), kb_.sub(end_, key)); }

  void emitStep(SmallVectorImpl<Row> &rows, Value page) {
    Value inPage = p_.step == kPageRows ? c(0) : called(kb_.rem(firstKey_, c(kPageRows)), "row");
    SmallVector<Value> isSeen;
    for (int64_t i = 0; i < p_.step; ++i) isSeen.push_back(called(sees(kb_.add(firstKey_, c(i))), "is_seen"));
    SmallVector<Value> keys = loadRows(p_.keys, op_.getKeys(), page, inPage, isSeen), values = loadRows(p_.values, op_.getValues(), page, inPage, isSeen);
    SmallVector<Value> keyScales = loadScales(op_.getKeyScales(), page, inPage, isSeen), valueScales = loadScales(op_.getValueScales(), page, inPage, isSeen);
    SmallVector<SmallVector<Value>> scores = multiply(keys);
    for (int64_t i = 0; i < p_.step; ++i)
      for (SmallVector<Value> &row : scores) {
        if (!keyScales.empty()) row[i] = product(row[i], keyScales[i]);
        row[i] = called(select(isSeen[i], row[i], lowest()), "score");
      }
    SmallVector<SmallVector<Value>> weights;
    for (auto [row, ofRow] : llvm::zip(rows, scores)) weights.push_back(weigh(row, ofRow));
    for (int64_t i = 0; i < p_.step; ++i) {
      Value value = widened(values[i], p_.stored);
      for (auto [row, ofRow] : llvm::zip(rows, weights)) {
        Value weight = valueScales.empty() ? ofRow[i] : product(ofRow[i], valueScales[i]);
        row.out = math::FmaOp::create(b(), loc(), kb_.splat(weight, p_.values.depth), value, row.out);
      }
    }
  }
  /// q[r]·k[i] by r and i. Their sums over lanes meet together.
  SmallVector<SmallVector<Value>> multiply(ArrayRef<Value> keys) {
    SmallVector<SmallVector<Value>> scores(p_.rows);
    for (auto [i, row] : llvm::enumerate(keys)) {
      Value key = widened(row, p_.stored);
      for (int64_t r = 0; r < p_.rows; ++r) {
        auto score = tile::ReduceOp::create(b(), loc(), f32_, tile::ReduceKind::sum, product(queries_[r], key));
        score->setAttr("together", b().getDenseI64ArrayAttr({int64_t(i) * p_.rows + r, p_.step * p_.rows}));
        scores[r].push_back(score);
      }
    }
    return scores;
  }
  Value sees(Value key) {
    Value isBefore = compare(arith::CmpIPredicate::slt, key, end_);
    return op_.getWindow() > 0 ? Value(arith::AndIOp::create(b(), loc(), isBefore, compare(arith::CmpIPredicate::sge, key, first_))) : isBefore;
  }
  /// Rows of a step, as they are stored; zeros for those that are not seen.
  SmallVector<Value> loadRows(const PageLayout &layout, Value pool, Value page, Value inPage, ArrayRef<Value> isSeen) {
    Value from = called(kb_.add(layout.head(kb_, page, head_), layout.row(kb_, inPage)), "rows");
    SmallVector<Value> rows;
    for (auto [i, is] : llvm::enumerate(isSeen))
      rows.push_back(load(memoryType(p_.stored), layout.depth, input(pool), kb_.add(from, c(int64_t(i) * layout.depth)), select(is, c(layout.depth), c(0))));
    return rows;
  }
  SmallVector<Value> loadScales(Value scales, Value page, Value inPage, ArrayRef<Value> isSeen) {
    SmallVector<Value> numbers;
    if (!scales) return numbers;
    Value from = called(kb_.add(kb_.mul(kb_.add(kb_.mul(page, c(p_.keys.heads)), head_), c(kPageRows)), inPage), "scales");
    for (auto [i, is] : llvm::enumerate(isSeen)) numbers.push_back(loadOne(f32_, input(scales), kb_.add(from, c(i)), select(is, c(1), c(0))));
    return numbers;
  }

  /// The weights of a step's keys in a row. What was summed so far is scaled to the new largest score.
  SmallVector<Value> weigh(Row &row, ArrayRef<Value> scores) {
    Value next = row.largest;
    for (Value score : scores) next = arith::MaxNumFOp::create(b(), loc(), next, score);
    next = called(next, "next");
    Value shift = called(select(isNone(next), number(0), next), "shift");
    auto powerOf = [&](Value x) { return power(arith::SubFOp::create(b(), loc(), x, shift)); };
    Value factor = called(powerOf(row.largest), "factor");
    row.largest = next;
    row.total = product(row.total, factor);
    row.out = scaled(row.out, factor);
    SmallVector<Value> weights;
    for (Value score : scores) {
      weights.push_back(called(powerOf(score), "weight"));
      row.total = sum(row.total, weights.back());
    }
    return weights;
  }

  void finish(ArrayRef<Row> rows) {
    for (auto [r, row] : llvm::enumerate(rows)) {
      Value place = called(kb_.add(kb_.mul(kb_.add(kb_.mul(token_, c(p_.heads)), kb_.add(firstHead_, c(r))), kb_.size(p_.parts)), part_), "place");
      store(scaled(row.out, arith::DivFOp::create(b(), loc(), number(1), row.total)), kb_.output(0), kb_.mul(place, c(p_.values.depth)));
      storeOne(sum(row.largest, math::Log2Op::create(b(), loc(), row.total)), kb_.output(1), place);
    }
  }

  Problem &p_;
  PagedAttentionOp op_;
  Value token_, part_, firstHead_, head_;
  Value first_, begin_, end_, firstEntry_, firstKey_;
  SmallVector<Value> queries_;
};

/// y = sum_p w_p out_p / sum_p w_p with w_p = 2^(logarithm_p - the largest), in the order of the parts.
class MergeProgram : WarpProgram {
 public:
  MergeProgram(OpBuilder &builder, GroupOp group, StringRef name, Problem &p) : WarpProgram(builder, group, name, p.between(), group.getResultTypes()), p_(p) {}

  Scheduled run() {
    const SizeExpr programs = p_.tokens * SizeExpr(p_.heads);
    return WarpProgram::run(programs, programs * p_.parts * SizeExpr(p_.values.depth), [&](Value program) {
      Value token = kb_.floorDiv(program, c(p_.heads)), range = kb_.kernel().buffer(2);
      Value first = called(loadIndex(range, kb_.mul(token, c(2))), "first_part"), end = called(loadIndex(range, kb_.add(kb_.mul(token, c(2)), c(1))), "end_part");
      auto loop = scf::ForOp::create(b(), loc(), first, end, c(1), ValueRange{lowest(), number(0), kb_.splat(number(0), p_.values.depth)});
      loop->setAttr("unroll", b().getI64IntegerAttr(kPartsAhead));
      phase(loop, "Parts, each joined to those before");
      {
        OpBuilder::InsertionGuard guard(b());
        b().setInsertionPointToStart(loop.getBody());
        auto args = loop.getRegionIterArgs();
        scf::YieldOp::create(b(), loc(), join(kb_.add(kb_.mul(program, kb_.size(p_.parts)), loop.getInductionVar()), args[0], args[1], args[2]));
      }
      // A token that sees nothing is zeros: divided by 1.
      Value isNothing = arith::CmpFOp::create(b(), loc(), arith::CmpFPredicate::OEQ, loop.getResult(1), number(0));
      Value y = scaled(loop.getResult(2), arith::DivFOp::create(b(), loc(), number(1), select(isNothing, number(1), loop.getResult(1))));
      store(buildCast(b(), loc(), y, f32_, p_.q), kb_.output(0), kb_.mul(program, c(p_.values.depth)));
    });
  }

 private:
  SmallVector<Value> join(Value place, Value largest, Value total, Value out) {
    place = called(place, "place");
    Value logarithm = called(loadOne(f32_, kb_.kernel().buffer(1), place), "logarithm");
    Value part = load(f32_, p_.values.depth, kb_.kernel().buffer(0), kb_.mul(place, c(p_.values.depth)));
    JoinedParts joined = joinPart(b(), loc(), {largest, total, out}, part, logarithm, [&](Value v) { return kb_.splat(v, p_.values.depth); });
    return {joined.largest, joined.total, joined.out};
  }

  Problem &p_;
};

}  // namespace

FailureOr<Scheduled> scheduleCudaPagedAttention(GroupOp group, StringRef name, OpBuilder &builder) {
  auto attention = dyn_cast<PagedAttentionOp>(group.getBody().front().front());
  if (!attention || !llvm::all_of(attention->getOperands(), llvm::IsaPred<BlockArgument>))
    return group.emitOpError("has no paged_attention of inputs of the group to schedule");
  if (auto tiles = PagedTiles::of(attention)) return schedulePagedTiles(group, name, *tiles, builder);
  Problem problem(attention);
  PartsProgram parts(builder, group, name, problem);
  Scheduled scheduled = parts.run();
  builder.setInsertionPointAfter(scheduled.kernel);
  scheduled.parts = problem.between();
  scheduled.then = std::make_shared<Scheduled>(MergeProgram(builder, group, (name + "_merge").str(), problem).run());
  return scheduled;
}

}  // namespace jinx::schedules
