// The three kernels of PagedTiles.h as one group's, and the last of them: what items have of a token, joined in the
// order of its keys.
#include "codegen/schedules/ScalarOps.h"
#include "codegen/schedules/cuda/GpuOf.h"
#include "codegen/schedules/cuda/PagedTiles.h"
#include "codegen/schedules/cuda/WarpProgram.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kAhead = 8;          // items whose loads overlap
constexpr int64_t kTokensApart = 256; // warps of a head, each with every 256th token
constexpr int64_t kTokensAhead = 8;   // of a warp, whose numbers of places are asked for together
constexpr int64_t kMostDepth = 128; // two tiles of 64 rows, of a part and of all, are in registers
constexpr int64_t kSlotBytes = 16384, kRingBytes = 200 << 10;

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }

/// A warp has a head of a token, and of every so many tokens behind it. Of a prompt most tokens are written already: a warp asks for
/// the places of several at once, so that passing over them takes a fraction of the time that as many warps take to start.
class JoinProgram : WarpProgram {
 public:
  /// Reads out, logarithms and ranges, and the result where that is written in its place.
  JoinProgram(OpBuilder& builder, GroupOp group, StringRef name, const PagedTiles& p, TypeRange inputs)
      : WarpProgram(builder, group, name, inputs, group.getResultTypes()), p_(p) {}

  Scheduled run() {
    heads_ = p_.heads * p_.shared;
    const SizeExpr apart = min(p_.tokens, SizeExpr(kTokensApart)), programs = apart * SizeExpr(heads_);
    return WarpProgram::run(programs, p_.tokens * SizeExpr(heads_ * p_.depth), [&](Value program) {
      Value first = called(kb_.floorDiv(program, c(heads_)), "first_token");
      queryHead_ = called(kb_.rem(program, c(heads_)), "query_head"), head_ = called(kb_.floorDiv(queryHead_, c(p_.shared)), "head");
      tokens_ = kb_.size(p_.tokens), apart_ = kb_.size(apart);
      Value step = kb_.mul(apart_, c(kTokensAhead));
      auto loop = scf::ForOp::create(b(), loc(), first, tokens_, step);
      loop.getInductionVar().setLoc(nameLoc(b(), loc(), "token"));
      phase(loop, "Tokens, " + std::to_string(kTokensAhead) + " asked for together");
      OpBuilder::InsertionGuard guard(b());
      b().setInsertionPointToStart(loop.getBody());
      Value begin = loop.getInductionVar(), before = numberAt(begin, 0), places = numberAt(begin, 1), most = places;
      for (int64_t i = 1; i < kTokensAhead; ++i)
        most = kb_.max(most, numberAt(kb_.add(begin, kb_.mul(apart_, c(i))), 1));
      when(compare(arith::CmpIPredicate::sgt, called(most, "most_places"), leastPlaces()),
           [&] { emitTokens(begin, kb_.min(kb_.add(begin, step), tokens_), before, places); });
    });
  }

 private:
  /// Of a token's range: its first place, or how many it has. That of the last token where there is no such one.
  Value numberAt(Value token, int64_t which) {
    Value at = kb_.mul(kb_.min(token, kb_.sub(tokens_, c(1))), c(2));
    return called(loadIndex(kb_.kernel().buffer(2), kb_.add(at, c(which))), which ? "places" : "places_before");
  }
  /// Tokens with more places than that are written here.
  Value leastPlaces() { return c(p_.writesWhole() ? 1 : 0); }

  void emitTokens(Value begin, Value end, Value before, Value places) {
    auto loop = scf::ForOp::create(b(), loc(), begin, end, apart_, ValueRange{before, places});
    loop.getInductionVar().setLoc(nameLoc(b(), loc(), "own_token"));
    loop->setAttr("unroll", b().getI64IntegerAttr(1));
    static constexpr const char* names[] = {"own_before", "own_places"};
    for (auto [arg, name] : llvm::zip(loop.getRegionIterArgs(), names)) arg.setLoc(nameLoc(b(), loc(), name));
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    Value token = loop.getInductionVar(), next = kb_.add(token, apart_);
    before = loop.getRegionIterArg(0), places = loop.getRegionIterArg(1);
    when(compare(arith::CmpIPredicate::sgt, places, leastPlaces()), [&] { emitToken(token, before, places); });
    Value nextBefore = numberAt(next, 0), nextPlaces = numberAt(next, 1);
    scf::YieldOp::create(b(), loc(), ValueRange{nextBefore, nextPlaces});
  }
  void emitToken(Value token, Value before, Value places) {
    first_ = called(kb_.add(kb_.mul(before, c(p_.padded)), kb_.mul(kb_.rem(queryHead_, c(p_.shared)), places)), "first_place");
    places_ = places;
    auto loop = scf::ForOp::create(b(), loc(), c(0), places, c(kAhead), ValueRange{lowest(), number(0), kb_.splat(number(0), p_.depth)});
    phase(loop, "Parts, each joined to those before");
    {
      OpBuilder::InsertionGuard guard(b());
      b().setInsertionPointToStart(loop.getBody());
      auto args = loop.getRegionIterArgs();
      JoinedParts joined = join(loop.getInductionVar(), {args[0], args[1], args[2]});
      scf::YieldOp::create(b(), loc(), ValueRange{joined.largest, joined.total, joined.out});
    }
    // A token that sees nothing is zeros: divided by 1.
    Value isNothing = arith::CmpFOp::create(b(), loc(), arith::CmpFPredicate::OEQ, loop.getResult(1), number(0));
    Value seen = select(isNothing, number(1), loop.getResult(1));
    // As the second kernel divides parts that it joins (inverseOf): within a unit in the last place, and 1 of 1.
    auto isShort = arith::FastMathFlagsAttr::get(b().getContext(), arith::FastMathFlags::afn);
    Value y = scaled(loop.getResult(2), arith::DivFOp::create(b(), loc(), number(1), seen, isShort));
    Value row = kb_.add(kb_.mul(token, c(heads_)), queryHead_);
    tile::StoreOp::create(b(), loc(), buildCast(b(), loc(), y, f32_, p_.element), kb_.output(0), kb_.mul(row, c(p_.depth)), ValueRange{c(1)}, ValueRange())
        ->setAttr("whole", b().getUnitAttr());
  }
  Value placeOf(Value part) { return called(kb_.add(kb_.mul(kb_.add(first_, part), c(p_.heads)), head_), "place"); }
  Value logarithmAt(Value part) { return called(loadOne(f32_, kb_.kernel().buffer(1), placeOf(part)), "logarithm"); }
  Value rowAt(Value part) { return load(f32_, p_.depth, kb_.kernel().buffer(0), kb_.mul(placeOf(part), c(p_.depth))); }

  /// The places from `from` on, all asked for before the first is used: the last one again past the end, where it weighs nothing.
  JoinedParts join(Value from, JoinedParts joined) {
    SmallVector<std::pair<Value, Value>> parts;
    Value last = kb_.sub(places_, c(1));
    for (int64_t i = 0; i < kAhead; ++i) {
      Value at = kb_.add(from, c(i)), isThere = called(compare(arith::CmpIPredicate::sle, at, last), "is_there"), part = kb_.min(at, last);
      Value logarithm = called(select(isThere, logarithmAt(part), lowest()), "logarithm"), row = rowAt(part);
      parts.push_back({select(isThere, row, kb_.splat(number(0), p_.depth)), logarithm});
    }
    for (auto [row, logarithm] : parts)
      joined = joinPart(b(), loc(), joined, row, logarithm, [&](Value v) { return kb_.splat(v, p_.depth); });
    return joined;
  }

  const PagedTiles& p_;
  int64_t heads_ = 1; ///< of queries
  Value tokens_, apart_, queryHead_, head_, first_, places_;
};

/// Slots of the rings of keys and of values, each.
int64_t stagesOf(const PagedTiles& tiles) {
  const int64_t rowBytes = kSlotBytes / tiles.steps;
  return (kRingBytes / tiles.blocks - PagedTiles::kQueryStages * PagedTiles::kRows * rowBytes) / (2 * kSlotBytes);
}

/// 1 for a step of few tokens, else 0.
SizeExpr isFew(const SizeExpr& tokens) { return max(SizeExpr(0), min(SizeExpr(1), SizeExpr(PagedTiles::kFewTokens + 1) - tokens)); }

} // namespace

std::optional<PagedTiles> PagedTiles::of(PagedAttentionOp op) {
  PageLayout keys = PageLayout::of(op.getKeys(), PageKind::keys, true),
             values = PageLayout::of(op.getValues(), PageKind::values, true);
  Type q = elementOf(op.getQ());
  if (!gpuOf(op).hasCopyEngine() || !(q.isF16() || q.isBF16()) || elementOf(op.getKeys()) != q ||
      elementOf(op.getValues()) != q || op.getKeyScales())
    return std::nullopt;
  Sizes sizes = sizesOf(op.getQ().getType());
  const int64_t shared = *sizes[1].constant() / keys.heads, padded = int64_t(llvm::PowerOf2Ceil(uint64_t(shared)));
  if (keys.depth != values.depth || keys.depth % 16 || keys.depth > kMostDepth || padded > kRows ||
      op.getScale().convertToDouble() <= 0)
    return std::nullopt;
  PagedTiles tiles;
  tiles.op = op, tiles.element = q, tiles.depth = keys.depth, tiles.heads = keys.heads, tiles.shared = shared,
  tiles.padded = padded;
  const int64_t rowBytes = int64_t(llvm::alignTo(keys.depth, 64)) * 2;
  tiles.steps = kSlotBytes / rowBytes;
  tiles.stages = stagesOf(tiles);
  tiles.tokens = sizes[0], tiles.entries = sizesOf(op.getTable().getType())[1],
  tiles.pages = sizesOf(op.getKeys().getType())[0];
  return tiles;
}

PagedTiles PagedTiles::forFewTokens() const {
  PagedTiles few = *this;
  few.isForFew = true, few.blocks = 1;
  few.stages = stagesOf(few);
  return few;
}

SmallVector<Type> PagedTiles::lists() const {
  Type i32 = IntegerType::get(element.getContext(), 32);
  return {tensorOf({places(), SizeExpr(kItemNumbers)}, i32), tensorOf({tokens, SizeExpr(2)}, i32),
          tensorOf({SizeExpr(1)}, i32)};
}
SmallVector<Type> PagedTiles::results() const {
  Type f32 = Float32Type::get(element.getContext());
  SizeExpr rows = places() * SizeExpr(padded);
  SmallVector<Type> types = {tensorOf({rows, SizeExpr(heads), SizeExpr(depth)}, f32), tensorOf({rows, SizeExpr(heads)}, f32)};
  if (writesWhole()) types.push_back(PagedAttentionOp(op).getResult().getType());
  return types;
}

/// The kernels that compute items, chained: for few tokens, for more, or one of them where the model says how many there are.
static std::shared_ptr<Scheduled> schedulePagedItemsOf(GroupOp group, StringRef name, const PagedTiles& tiles, OpBuilder& builder, unsigned& results) {
  const unsigned inputs = group.getInputs().size(), lists = 3;
  auto schedule = [&](StringRef own, const PagedTiles& form) {
    auto products = std::make_shared<Scheduled>(schedulePagedProducts(group, own, form, builder));
    products->parts = tiles.results();
    for (unsigned i = 0; i < inputs; ++i) products->takes.push_back(i);
    products->takes.append({inputs, inputs + 2});
    builder.setInsertionPointAfter(products->kernel);
    return products;
  };
  results = inputs + lists;
  if (!PagedTiles::kFewTokens) return schedule(name, tiles);
  const SizeExpr few = isFew(tiles.tokens);
  if (auto known = few.constant()) return schedule(name, *known ? tiles.forFewTokens() : tiles);
  std::shared_ptr<Scheduled> first = schedule((name + "_few").str(), tiles.forFewTokens());
  first->within(few);
  PagedTiles more = tiles;
  more.isBehind = true;
  std::shared_ptr<Scheduled> second = schedule(name, more);
  second->within(SizeExpr(1) - few);
  for (unsigned i = 0; i < first->parts.size(); ++i) {
    second->inPlace.push_back(int64_t(second->takes.size()));
    second->takes.push_back(results + i);
  }
  results += first->parts.size();
  first->then = second;
  return first;
}

FailureOr<Scheduled> schedulePagedTiles(GroupOp group, StringRef name, const PagedTiles& tiles, OpBuilder& builder) {
  const unsigned inputs = group.getInputs().size();
  Scheduled items = schedulePagedItems(group, (name + "_items").str(), tiles, builder);
  items.parts = tiles.lists();
  auto inputOf = [](Value v) { return cast<BlockArgument>(v).getArgNumber(); };
  PagedAttentionOp op = tiles.op;
  items.takes = {inputOf(op.getSequence()), inputOf(op.getPosition())};
  builder.setInsertionPointAfter(items.kernel);
  unsigned results = 0;
  items.then = schedulePagedItemsOf(group, name, tiles, builder, results);
  SmallVector<Type> joined = tiles.results();
  joined.insert(joined.begin() + 2, tiles.lists()[1]);
  Scheduled join = JoinProgram(builder, group, (name + "_join").str(), tiles, joined).run();
  join.takes = {results, results + 1, inputs + 1};
  if (tiles.writesWhole()) join.takes.push_back(results + 2), join.inPlace = {3};
  Scheduled* last = items.then.get();
  while (last->then) last = last->then.get();
  last->then = std::make_shared<Scheduled>(std::move(join));
  return items;
}

} // namespace jinx::schedules
