#include "frontends/llm/Draw.h"

#include <algorithm>
#include <limits>

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends::llm {
namespace {

constexpr int64_t kLeastChunk = 64, kMostChunk = 256, kPaddedChunk = 128; ///< tokens whose weights are one sum
constexpr int64_t kUndecided = -1;

/// How many tokens a chunk has: a divisor of the vocabulary's size where there is one of about this size.
int64_t chunkOf(int64_t vocabulary) {
  if (vocabulary <= kMostChunk) return vocabulary;
  for (int64_t chunk = kMostChunk; chunk >= kLeastChunk; --chunk)
    if (vocabulary % chunk == 0) return chunk;
  return kPaddedChunk;
}

/// What both kinds of draws are made of. Columns are [rows, 1].
struct DrawOps {
  Graph& g;

  Value column(Value x) { return g.reshape(x, {sizesOf(x.getType())[0], SizeExpr(1)}); }
  Value compare(ComparePredicate predicate, Value a, Value b) { return CompareOp::create(g.builder, g.loc(), predicate, a, b); }
  template <typename Op> Value logical(Value a, Value b) { return Op::create(g.builder, g.loc(), a, b); }
  Value select(Value condition, Value a, Value b) { return SelectOp::create(g.builder, g.loc(), condition, a, b); }
  Value reduce(ReduceKind kind, Value x) { return ReduceOp::create(g.builder, g.loc(), kind, x, ArrayRef<int64_t>{int64_t(sizesOf(x.getType()).size()) - 1}); }
  /// The last of running sums, which rise. (In rows of a kernel the largest is at hand, the last one is not.)
  Value total(Value runningSums) { return reduce(ReduceKind::max, runningSums); }

  /// Weights of logits [rows, …]; that of the largest logit is 1.
  Value weigh(Value logits, Value largest, Value inverseTemperature) {
    Sizes one(sizesOf(logits.getType()).size(), SizeExpr(1));
    one[0] = sizesOf(logits.getType())[0];
    Value shifted = g.sub(logits, g.reshape(largest, one));
    return ExpOp::create(g.builder, g.loc(), g.mul(shifted, g.reshape(inverseTemperature, one)));
  }

  /// The place of the first element of `kept` at which the running sum exceeds `at`; the last kept one where rounding left none; -1 where none is kept.
  Value placeAt(Value runningSums, Value at, Value kept, int64_t count) {
    Value isBehind = logical<AndOp>(compare(ComparePredicate::gt, runningSums, at), kept);
    Value first = reduce(ReduceKind::min, select(isBehind, g.numbers(count), g.integer(count)));
    Value last = reduce(ReduceKind::max, select(kept, g.numbers(count), g.integer(-1)));
    return select(compare(ComparePredicate::lt, first, g.integer(count)), first, last);
  }
};

/// Draws by id, from all tokens that min-p leaves: first a chunk, by sums over chunks, then a token in it.
class DrawById : DrawOps {
public:
  DrawById(Graph& g, const DrawInputs& in)
      : DrawOps{g}, in_(in), drawn_(sizesOf(in.rows.getType())[0]), vocabulary_(*sizesOf(in.logits.getType())[1].constant()), chunk_(chunkOf(vocabulary_)),
        chunks_((vocabulary_ + chunk_ - 1) / chunk_) {
    g.at("draw.sums");
    padLogits();
    const SizeExpr rows = sizesOf(in.logits.getType())[0];
    // Where a logit is no number there is none at `best` either, and any other is as good.
    auto wide = [&](Value x) { return g.cast(x, g.builder.getI64Type()); };
    Value place = g.add(g.mul(wide(in.rows), g.integer(chunk_ * chunks_, DType::kI64)), wide(g.gatherRows(in.best, in.rows)));
    largest_ = g.gatherRows(g.reshape(logits_, {rows * SizeExpr(chunk_ * chunks_)}), place);
    sumChunks();
  }
  Value total() const { return total_; } ///< [d, 1]: of all weights that min-p leaves

  /// [d, 1]
  Value token() {
    g.at("draw.by_id");
    Value at = g.mul(column(in_.u), total_);
    Value isBefore = compare(ComparePredicate::le, chunkSums_, at);
    Value count = reduce(ReduceKind::sum, g.cast(isBefore, g.builder.getI32Type()));
    Value which = MinOp::create(g.builder, g.loc(), count, g.integer(chunks_ - 1));
    Value base = reduce(ReduceKind::max, select(isBefore, chunkSums_, g.number(0)));
    Value chunk = g.gatherRows(g.reshape(logits_, {sizesOf(logits_.getType())[0] * SizeExpr(chunks_), SizeExpr(chunk_)}),
                               g.add(g.mul(in_.rows, g.integer(chunks_)), g.reshape(which, {drawn_})));
    Value weights = weigh(chunk, largest_, in_.inverseTemperature);
    Value isLeft = logical<AndOp>(compare(ComparePredicate::ge, weights, column(in_.minP)), compare(ComparePredicate::gt, weights, g.number(0)));
    Value place = placeAt(g.add(base, g.runningSum(select(isLeft, weights, g.number(0)), 1)), at, isLeft, chunk_);
    Value id = g.add(g.mul(which, g.integer(chunk_)), place);
    return select(compare(ComparePredicate::lt, place, g.integer(0)), g.integer(kUndecided), id);
  }

private:
  void padLogits() {
    logits_ = in_.logits;
    if (chunk_ * chunks_ == vocabulary_) return;
    Value never = g.number(-std::numeric_limits<double>::infinity());
    auto zeros = g.builder.getArrayAttr({g.builder.getStringAttr("0"), g.builder.getStringAttr("0")});
    const Sizes sizes = {sizesOf(logits_.getType())[0], SizeExpr(chunk_ * chunks_)};
    logits_ = PadOp::create(g.builder, g.loc(), tensorOf(sizes, g.builder.getF32Type()), logits_, never, zeros, PadMode::constant);
  }

  void sumChunks() {
    Value chunks = g.gatherRows(g.reshape(logits_, {sizesOf(logits_.getType())[0], SizeExpr(chunks_), SizeExpr(chunk_)}), in_.rows);
    Value weights = weigh(chunks, largest_, in_.inverseTemperature);
    Value left = select(compare(ComparePredicate::ge, weights, g.reshape(in_.minP, {drawn_, SizeExpr(1), SizeExpr(1)})), weights, g.number(0));
    chunkSums_ = g.runningSum(g.reshape(reduce(ReduceKind::sum, left), {drawn_, SizeExpr(chunks_)}), 1);
    total_ = DrawOps::total(chunkSums_);
  }

  const DrawInputs& in_;
  const SizeExpr drawn_;
  const int64_t vocabulary_, chunk_, chunks_;
  Value logits_;                    ///< [r, chunk * chunks]
  Value largest_;                   ///< [d]
  Value chunkSums_, total_;         ///< running sums [d, chunks]; the last of them [d, 1]
};

/// Draws from the sorted tokens, of draws that are listed. Columns are [l, 1].
class DrawListed : DrawOps {
public:
  /// \param total  of all weights of each draw, [d, 1]
  DrawListed(Graph& g, const DrawInputs& in, Value total)
      : DrawOps{g}, in_(in), vocabulary_(*sizesOf(in.logits.getType())[1].constant()), sorted_(std::min(kSortedTokens, vocabulary_)), all_(g.gatherRows(total, in.listed)) {
    g.at("draw.sorted");
    TopKOp top = g.largest(g.gatherRows(in.logits, in.listedRows), SizeExpr(sorted_));
    ids_ = g.cast(top.getIndices(), g.builder.getI32Type());
    weights_ = weigh(top.getValues(), g.sliceLast(top.getValues(), 0, 1), in.listedInverseTemperature);
  }

  /// [l, 1], of the sorted tokens that top-k, top-p and min-p leave.
  Value token() {
    g.at("draw.listed");
    Value zero = g.number(0), topK = column(in_.topK), topP = column(in_.topP), least = column(in_.listedMinP);
    Value isCut = logical<AndOp>(compare(ComparePredicate::gt, topK, g.integer(0)), compare(ComparePredicate::lt, topK, g.integer(vocabulary_)));
    Value among = select(isCut, topK, g.integer(sorted_));
    Value weights = select(compare(ComparePredicate::lt, g.numbers(sorted_), among), weights_, zero), sums = g.runningSum(weights, 1);
    Value enough = g.mul(topP, select(isCut, total(sums), all_));
    Value isInNucleus = compare(ComparePredicate::lt, g.sub(sums, weights), enough);
    Value isLeft = logical<AndOp>(isInNucleus, logical<AndOp>(compare(ComparePredicate::ge, weights, least), compare(ComparePredicate::gt, weights, zero)));
    Value leftSums = g.runningSum(select(isLeft, weights, zero), 1);
    Value place = placeAt(leftSums, g.mul(column(in_.listedU), total(leftSums)), isLeft, sorted_);
    Value id = reduce(ReduceKind::max, select(compare(ComparePredicate::eq, g.numbers(sorted_), place), ids_, g.integer(kUndecided)));
    if (sorted_ == vocabulary_) return id;
    // What comes behind the sorted tokens does not matter where the nucleus ends among them, or min-p leaves none of it.
    Value lightest = reduce(ReduceKind::min, weights_);
    Value isDecided = logical<OrOp>(logical<OrOp>(isCut, compare(ComparePredicate::ge, total(sums), enough)),
                                    logical<OrOp>(compare(ComparePredicate::lt, lightest, least), compare(ComparePredicate::le, lightest, zero)));
    return select(isDecided, id, g.integer(kUndecided));
  }

private:
  const DrawInputs& in_;
  const int64_t vocabulary_, sorted_;
  Value all_;           ///< [l, 1]
  Value ids_, weights_; ///< [l, sorted]
};

/// The token of each row, or what `best` says where a logit is no number.
Value finite(Graph& g, Value token, Value best, int64_t vocabulary) {
  g.at("draw");
  Value isNumber = CompareOp::create(g.builder, g.loc(), ComparePredicate::lt, best, g.integer(vocabulary));
  return SelectOp::create(g.builder, g.loc(), isNumber, g.reshape(token, {sizesOf(token.getType())[0]}), best);
}

} // namespace

Value drawTokens(Graph& g, const DrawInputs& in) {
  const int64_t vocabulary = *sizesOf(in.logits.getType())[1].constant();
  DrawById byId(g, in);
  DrawListed listed(g, in, byId.total());
  Value tokens = finite(g, byId.token(), g.gatherRows(in.best, in.rows), vocabulary);
  Value listedTokens = finite(g, listed.token(), g.gatherRows(in.best, in.listedRows), vocabulary);
  return g.gatherRows(g.concatLast({in.best, tokens, listedTokens}), in.choice);
}

} // namespace jinx::frontends::llm
