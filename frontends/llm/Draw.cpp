#include "frontends/llm/Draw.h"

#include <algorithm>
#include <limits>
#include <numeric>

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

/// Draws from rows of logits. Columns are [d, 1].
class DrawBuilder {
public:
  DrawBuilder(Graph& g, const DrawInputs& in)
      : g_(g), in_(in), drawn_(sizesOf(in.rows.getType())[0]), vocabulary_(*sizesOf(in.logits.getType())[1].constant()), sorted_(std::min(kSortedTokens, vocabulary_)),
        chunk_(chunkOf(vocabulary_)), chunks_((vocabulary_ + chunk_ - 1) / chunk_), row_(g.gatherRows(in.logits, in.rows)) {
    isCut_ = logical<AndOp>(compare(ComparePredicate::gt, column(in.topK), g.integer(0)), compare(ComparePredicate::lt, column(in.topK), g.integer(vocabulary_)));
    isListed_ = logical<OrOp>(isCut_, compare(ComparePredicate::lt, column(in.topP), g.number(1)));
  }

  /// [d, 1]
  Value token() {
    sortTokens();
    sumChunks();
    Value listed = listedToken(), byId = tokenById();
    g_.at("draw");
    return select(isListed_, listed, byId);
  }

private:
  Value column(Value x) { return g_.reshape(x, {drawn_, SizeExpr(1)}); }
  Value compare(ComparePredicate predicate, Value a, Value b) { return CompareOp::create(g_.builder, g_.loc(), predicate, a, b); }
  template <typename Op> Value logical(Value a, Value b) { return Op::create(g_.builder, g_.loc(), a, b); }
  Value select(Value condition, Value a, Value b) { return SelectOp::create(g_.builder, g_.loc(), condition, a, b); }
  Value reduce(ReduceKind kind, Value x) { return ReduceOp::create(g_.builder, g_.loc(), kind, x, ArrayRef<int64_t>{int64_t(sizesOf(x.getType()).size()) - 1}); }
  Value runningSum(Value x) { return CumsumOp::create(g_.builder, g_.loc(), x, 1, /*exclusive=*/false, /*reverse=*/false); }
  /// The last of running sums, which rise. (In rows of a kernel the largest is at hand, the last one is not.)
  Value total(Value runningSums) { return reduce(ReduceKind::max, runningSums); }
  Value numbers(int64_t count) {
    Tensor values = Tensor::make(DType::kI32, {1, count});
    std::iota(values.as<int32_t>(), values.as<int32_t>() + count, 0);
    return g_.constant(values);
  }

  /// Weights of logits [d, …]; the largest logit has 1.
  Value weigh(Value logits) {
    Sizes one(sizesOf(logits.getType()).size(), SizeExpr(1));
    one[0] = drawn_;
    Value shifted = g_.sub(logits, g_.reshape(largest_, one));
    return ExpOp::create(g_.builder, g_.loc(), g_.mul(shifted, g_.reshape(in_.inverseTemperature, one)));
  }

  /// The place of the first element of `kept` at which the running sum exceeds `at`; the last kept one where rounding left none; -1 where none is kept.
  Value placeAt(Value runningSums, Value at, Value kept, int64_t count) {
    Value isBehind = logical<AndOp>(compare(ComparePredicate::gt, runningSums, at), kept);
    Value first = reduce(ReduceKind::min, select(isBehind, numbers(count), g_.integer(count)));
    Value last = reduce(ReduceKind::max, select(kept, numbers(count), g_.integer(-1)));
    return select(compare(ComparePredicate::lt, first, g_.integer(count)), first, last);
  }

  void sortTokens() {
    g_.at("draw.sorted");
    const Sizes sizes = {drawn_, SizeExpr(sorted_)};
    auto top = TopKOp::create(g_.builder, g_.loc(), tensorOf(sizes, g_.builder.getF32Type()), tensorOf(sizes, g_.builder.getI64Type()), row_, 1, /*ascending=*/false);
    ids_ = g_.cast(top.getIndices(), g_.builder.getI32Type());
    largest_ = g_.sliceLast(top.getValues(), 0, 1);
    topWeights_ = weigh(top.getValues());
  }

  /// Running sums of all chunks: of all tokens where the token is one of the sorted ones, else of those that min-p leaves.
  void sumChunks() {
    g_.at("draw.sums");
    least_ = select(isListed_, g_.number(0), column(in_.minP));
    if (chunk_ * chunks_ > vocabulary_) {
      Value never = g_.number(-std::numeric_limits<double>::infinity());
      auto zeros = g_.builder.getArrayAttr({g_.builder.getStringAttr("0"), g_.builder.getStringAttr("0")});
      row_ = PadOp::create(g_.builder, g_.loc(), tensorOf({drawn_, SizeExpr(chunk_ * chunks_)}, g_.builder.getF32Type()), row_, never, zeros, PadMode::constant);
    }
    Value weights = weigh(g_.reshape(row_, {drawn_, SizeExpr(chunks_), SizeExpr(chunk_)}));
    Value least = g_.reshape(least_, {drawn_, SizeExpr(1), SizeExpr(1)});
    Value left = select(compare(ComparePredicate::ge, weights, least), weights, g_.number(0));
    chunkSums_ = runningSum(g_.reshape(reduce(ReduceKind::sum, left), {drawn_, SizeExpr(chunks_)}));
    total_ = total(chunkSums_);
  }

  /// Of all tokens that min-p leaves, by id: first the chunk, then the token in it.
  Value tokenById() {
    g_.at("draw.by_id");
    Value at = g_.mul(column(in_.u), total_);
    Value isBefore = compare(ComparePredicate::le, chunkSums_, at);
    Value count = reduce(ReduceKind::sum, g_.cast(isBefore, g_.builder.getI32Type()));
    Value which = MinOp::create(g_.builder, g_.loc(), count, g_.integer(chunks_ - 1));
    Value base = reduce(ReduceKind::max, select(isBefore, chunkSums_, g_.number(0)));
    Value rows = IotaOp::create(g_.builder, g_.loc(), tensorOf({drawn_}, g_.builder.getI32Type()), 0, 0, chunks_);
    Value chunk = g_.gatherRows(g_.reshape(row_, {drawn_ * SizeExpr(chunks_), SizeExpr(chunk_)}), g_.add(rows, g_.reshape(which, {drawn_})));
    Value weights = weigh(chunk);
    Value isLeft = logical<AndOp>(compare(ComparePredicate::ge, weights, least_), compare(ComparePredicate::gt, weights, g_.number(0)));
    Value place = placeAt(g_.add(base, runningSum(select(isLeft, weights, g_.number(0)))), at, isLeft, chunk_);
    Value id = g_.add(g_.mul(which, g_.integer(chunk_)), place);
    return select(compare(ComparePredicate::lt, place, g_.integer(0)), g_.integer(kUndecided), id);
  }

  /// Of the sorted tokens that top-k, top-p and min-p leave.
  Value listedToken() {
    g_.at("draw.listed");
    Value zero = g_.number(0), among = select(isCut_, column(in_.topK), g_.integer(sorted_)), isAmong = compare(ComparePredicate::lt, numbers(sorted_), among);
    Value weights = select(isAmong, topWeights_, zero), sums = runningSum(weights);
    Value enough = g_.mul(column(in_.topP), select(isCut_, total(sums), total_));
    Value isInNucleus = compare(ComparePredicate::lt, g_.sub(sums, weights), enough);
    Value isLeft = logical<AndOp>(isInNucleus, logical<AndOp>(compare(ComparePredicate::ge, weights, column(in_.minP)), compare(ComparePredicate::gt, weights, zero)));
    Value leftSums = runningSum(select(isLeft, weights, zero));
    Value place = placeAt(leftSums, g_.mul(column(in_.u), total(leftSums)), isLeft, sorted_);
    Value id = reduce(ReduceKind::max, select(compare(ComparePredicate::eq, numbers(sorted_), place), ids_, g_.integer(kUndecided)));
    if (sorted_ == vocabulary_) return id;
    // What comes behind the sorted tokens does not matter where the nucleus ends among them, or min-p leaves none of it.
    Value lightest = reduce(ReduceKind::min, topWeights_);
    Value isDecided = logical<OrOp>(logical<OrOp>(isCut_, compare(ComparePredicate::ge, total(sums), enough)),
                                    logical<OrOp>(compare(ComparePredicate::lt, lightest, column(in_.minP)), compare(ComparePredicate::le, lightest, zero)));
    return select(isDecided, id, g_.integer(kUndecided));
  }

  Graph& g_;
  const DrawInputs& in_;
  const SizeExpr drawn_;
  const int64_t vocabulary_, sorted_, chunk_, chunks_;
  Value row_;                        ///< [d, vocabulary], padded to whole chunks
  Value isCut_, isListed_;           ///< whether top-k leaves some out, and whether the token is one of the sorted ones
  Value ids_, largest_, topWeights_; ///< [d, sorted], but the largest logit [d, 1]
  Value least_, chunkSums_, total_;  ///< the least weight of a chunk's sum [d, 1]; running sums [d, chunks]; the last of them [d, 1]
};

} // namespace

Value drawTokens(Graph& g, const DrawInputs& in) {
  const SizeExpr drawn = sizesOf(in.rows.getType())[0];
  const int64_t vocabulary = *sizesOf(in.logits.getType())[1].constant();
  g.at("draw");
  Value token = g.reshape(DrawBuilder(g, in).token(), {drawn}), best = g.gatherRows(in.best, in.rows);
  Value isNumber = CompareOp::create(g.builder, g.loc(), ComparePredicate::lt, best, g.integer(vocabulary));
  token = SelectOp::create(g.builder, g.loc(), isNumber, token, best);
  return g.gatherRows(g.concatLast({in.best, token}), in.choice);
}

} // namespace jinx::frontends::llm
