// The kernel that finds tiles and items of a step of attention to pages (PagedTiles.h). A warp for each token: it looks
// over the step's tokens, kLanes at a time, and counts what lies before its own.
//
// What a token needs to know of its tile follows from its own numbers: were the tile to begin at the multiple of
// tileTokens before it, its position would be position - index mod tileTokens, and its last token would see that plus
// tileTokens keys. So all of a tile's tokens find the same first and last part, whoever else is in the tile; at times
// there is one part more than there are keys for. A token that is a tile by itself counts its own keys.
#include "codegen/schedules/cuda/PagedTiles.h"
#include "codegen/schedules/cuda/WarpProgram.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kLanes = 128;
constexpr int64_t kAhead = 2;  // steps whose loads overlap
constexpr int32_t kFar = 1 << 30; // behind every token

class ItemsProgram : WarpProgram {
 public:
  ItemsProgram(OpBuilder& builder, GroupOp group, StringRef name, const PagedTiles& p)
      : WarpProgram(builder, group, name, {PagedAttentionOp(p.op).getSequence().getType(), PagedAttentionOp(p.op).getPosition().getType()}, p.lists()), p_(p), op_(p.op),
        lanes_(vec(kLanes, builder.getI32Type())) {}

  Scheduled run() {
    return WarpProgram::run(p_.tokens, p_.tokens * p_.tokens, [&](Value token) {
      token_ = called(token, "token");
      sequence_ = kb_.kernel().buffer(0);
      position_ = kb_.kernel().buffer(1);
      tokens_ = kb_.size(p_.tokens);
      count();
      choose();
      storeRange();
      when(compare(arith::CmpIPredicate::sgt, ownLeads_, c(0)), [&] { storeItems(); });
    });
  }

 private:
  // ---- lanes
  // ------------------------------------------------------------------------------------------------------------------------
  Value narrow(Value index) { return arith::IndexCastOp::create(b(), loc(), b().getI32Type(), index); }
  Value wide(Value number) { return arith::IndexCastOp::create(b(), loc(), b().getIndexType(), number); }
  Value spread(Value scalar) { return vector::BroadcastOp::create(b(), loc(), lanes_, scalar); }
  Value lane(int64_t v) { return spread(arith::ConstantOp::create(b(), loc(), b().getI32IntegerAttr(int32_t(v)))); }
  Value plus(Value x, Value y) { return arith::AddIOp::create(b(), loc(), x, y); }
  Value minus(Value x, Value y) { return arith::SubIOp::create(b(), loc(), x, y); }
  Value both(Value x, Value y) { return arith::AndIOp::create(b(), loc(), x, y); }
  Value either(Value x, Value y) { return arith::OrIOp::create(b(), loc(), x, y); }
  Value over(Value x, int64_t by) { return arith::DivUIOp::create(b(), loc(), x, lane(by)); }
  Value within(Value x, int64_t of) { return arith::RemUIOp::create(b(), loc(), x, lane(of)); }
  Value differ(Value x, Value y) { return compare(arith::CmpIPredicate::ne, x, y); }

  /// Of the tokens from `first` on.
  struct Tokens {
    Value index, exists;
    Value leads;   ///< begins a tile
    Value isAlone; ///< is a tile
    Value parts;   ///< of its tile; 0 where there is no such token
  };
  Tokens tokensFrom(Value first) {
    Type i32 = b().getI32Type();
    VectorType places = vec(kLanes, b().getIndexType());
    Value lanes = vector::StepOp::create(b(), loc(), places),
          at = plus(vector::BroadcastOp::create(b(), loc(), places, first), lanes);
    Tokens t;
    t.index = called(arith::IndexCastOp::create(b(), loc(), lanes_, at), "index");
    Value count = spread(narrow(tokens_));
    t.exists = called(compare(arith::CmpIPredicate::slt, t.index, count), "exists");
    Value left = called(kb_.sub(tokens_, first), "left"), next = kb_.add(first, c(1)), nextLeft = kb_.sub(left, c(1));
    Value zero = vector::BroadcastOp::create(b(), loc(), places, c(0)),
          one = vector::BroadcastOp::create(b(), loc(), places, c(1));
    Value before = called(arith::MaxSIOp::create(b(), loc(), minus(at, one), zero), "before");
    auto ofBefore = [&](Value buffer) { return tile::GatherOp::create(b(), loc(), lanes_, buffer, before, t.exists); };
    Value sequence = load(i32, kLanes, sequence_, first, left), position = load(i32, kLanes, position_, first, left);
    Value nextSequence = load(i32, kLanes, sequence_, next, nextLeft),
          nextPosition = load(i32, kLanes, position_, next, nextLeft);
    Value beforeSequence = ofBefore(sequence_), beforePosition = ofBefore(position_);
    Value inTile = called(within(t.index, p_.tileTokens()), "in_tile"),
          nextIndex = called(plus(t.index, lane(1)), "next_index");
    Value breaks = either(differ(sequence, beforeSequence), differ(position, plus(beforePosition, lane(1))));
    Value begins =
        either(compare(arith::CmpIPredicate::eq, inTile, lane(0)), breaks); // the first token of all is at a multiple
    t.leads = called(both(t.exists, begins), "leads");
    Value nextBreaks = either(differ(sequence, nextSequence), differ(nextPosition, plus(position, lane(1))));
    Value nextBegins = either(either(compare(arith::CmpIPredicate::sge, nextIndex, count), nextBreaks),
                              compare(arith::CmpIPredicate::eq, within(nextIndex, p_.tileTokens()), lane(0)));
    t.isAlone = called(both(t.leads, nextBegins), "is_alone");
    Value aligned = called(select(t.isAlone, position, minus(position, inTile)), "aligned");
    Value parts = partsOf(aligned, select(t.isAlone, lane(1), lane(p_.tileTokens())));
    t.parts = called(select(t.exists, parts, lane(0)), "parts");
    return t;
  }
  Value firstPart(Value aligned) {
    const int64_t window = op_.getWindow();
    if (window <= 0) return lane(0);
    return over(arith::MaxSIOp::create(b(), loc(), plus(aligned, lane(1 - window)), lane(0)), p_.partKeys);
  }
  /// \param aligned  the position that a token at the multiple of tileTokens before would have, or that of a token that
  ///                 is a tile
  /// \param tokens  that may follow each other from there on
  Value partsOf(Value aligned, Value tokens) {
    Value end = over(plus(plus(aligned, tokens), lane(p_.partKeys - 1)), p_.partKeys);
    Value most = arith::MinSIOp::create(b(), loc(), end, spread(narrow(kb_.size(p_.parts()))));
    return arith::MaxSIOp::create(b(), loc(), minus(most, firstPart(aligned)), lane(1));
  }

  // ---- what lies before the token ----
  // clang-format off
  enum Sum { kAll, kAlone, kAllBefore, kAloneBefore, kItemsAll, kItemsAlone, kItemsWhole, kOwnLeads, kOwnAlone, kOwnParts, kSums };
  // clang-format on

  /// Sums over all tokens, over those before, and this one's numbers, each in lanes first.
  void count() {
    SmallVector<Value> zeros(kSums, lane(0));
    auto loop = scf::ForOp::create(b(), loc(), c(0), tokens_, c(kLanes), zeros);
    loop->setAttr("unroll", b().getI64IntegerAttr(kAhead));
    phase(loop, "Tokens of the step, " + std::to_string(kLanes) + " at a time: what lies before this one");
    {
      OpBuilder::InsertionGuard guard(b());
      b().setInsertionPointToStart(loop.getBody());
      Tokens t = tokensFrom(loop.getInductionVar());
      Value own = spread(narrow(token_)),
            isBefore = called(compare(arith::CmpIPredicate::slt, t.index, own), "is_before");
      Value isOwn = called(compare(arith::CmpIPredicate::eq, t.index, own), "is_own"), zero = lane(0), one = lane(1);
      Value some = select(t.exists, one, zero), ifAlone = called(select(t.isAlone, t.parts, some), "if_alone");
      Value leads = both(t.leads, isBefore);
      Value terms[kSums];
      terms[kAll] = t.parts, terms[kAlone] = ifAlone;
      terms[kAllBefore] = select(isBefore, t.parts, zero), terms[kAloneBefore] = select(isBefore, ifAlone, zero);
      terms[kItemsAll] = select(leads, t.parts, zero), terms[kItemsAlone] = select(leads, ifAlone, zero),
      terms[kItemsWhole] = select(leads, one, zero);
      terms[kOwnLeads] = select(both(isOwn, t.leads), one, zero),
      terms[kOwnAlone] = select(both(isOwn, t.isAlone), one, zero);
      terms[kOwnParts] = select(isOwn, t.parts, zero);
      SmallVector<Value> sums;
      for (int i = 0; i < kSums; ++i)
        sums.push_back(plus(loop.getRegionIterArg(i), terms[i]));
      scf::YieldOp::create(b(), loc(), sums);
    }
    for (Value lanes : loop.getResults())
      sums_.push_back(wide(tile::ReduceOp::create(b(), loc(), b().getI32Type(), tile::ReduceKind::sum, lanes)));
    ownLeads_ = sums_[kOwnLeads];
  }
  /// Which tiles have an item for each part: all, those of one token, none.
  void choose() {
    auto fits = [&](Value sum, StringRef name) {
      return called(compare(arith::CmpIPredicate::sle, sum, c(PagedTiles::kMostPlaces)), name);
    };
    Value all = fits(sums_[kAll], "all_split"), alone = fits(sums_[kAlone], "alone_split");
    auto chosen = [&](Value ifAll, Value ifAlone, Value ifWhole, StringRef name) {
      return called(select(all, ifAll, select(alone, ifAlone, ifWhole)), name);
    };
    Value isAlone = compare(arith::CmpIPredicate::sgt, sums_[kOwnAlone], c(0));
    places_ = chosen(sums_[kOwnParts], select(isAlone, sums_[kOwnParts], c(1)), c(1), "places");
    before_ = chosen(sums_[kAllBefore], sums_[kAloneBefore], token_, "places_before");
    items_ = chosen(sums_[kItemsAll], sums_[kItemsAlone], sums_[kItemsWhole], "items_before");
  }
  void storeRange() {
    Value at = kb_.mul(token_, c(2));
    storeIndex(before_, kb_.output(1), at);
    storeIndex(places_, kb_.output(1), kb_.add(at, c(1)));
    when(compare(arith::CmpIPredicate::eq, token_, kb_.sub(tokens_, c(1))),
         [&] { storeIndex(kb_.add(items_, kb_.mul(ownLeads_, places_)), kb_.output(2), c(0)); });
  }

  void storeItems() {
    Tokens after = tokensFrom(kb_.add(token_, c(1)));
    Value isInside =
        both(after.exists, compare(arith::CmpIPredicate::eq, select(after.leads, lane(1), lane(0)), lane(0)));
    Value ends = select(isInside, lane(kFar), after.index);
    Value end = wide(tile::ReduceOp::create(b(), loc(), b().getI32Type(), tile::ReduceKind::min, ends));
    Value count = called(kb_.sub(end, token_), "count"), sequence = loadIndex(sequence_, token_),
          position = loadIndex(position_, token_);
    Value first = c(0);
    if (const int64_t window = op_.getWindow(); window > 0) {
      Value isAlone = compare(arith::CmpIPredicate::sgt, sums_[kOwnAlone], c(0));
      Value aligned = select(isAlone, position, kb_.sub(position, kb_.rem(token_, c(p_.tileTokens()))));
      first =
          called(kb_.floorDiv(kb_.max(kb_.add(aligned, c(1 - window)), c(0)), c(p_.partKeys)), "first_part");
    }
    Value isWhole = called(compare(arith::CmpIPredicate::eq, places_, c(1)), "is_whole"),
          base = called(kb_.mul(before_, c(p_.padded)), "base");
    auto loop = scf::ForOp::create(b(), loc(), c(0), places_, c(1));
    loop.getInductionVar().setLoc(nameLoc(b(), loc(), "place"));
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    Value j = loop.getInductionVar(), part = called(kb_.add(first, j), "part");
    Value partEnd = called(kb_.add(part, select(isWhole, sums_[kOwnParts], c(1))), "part_end");
    Value at = called(kb_.mul(kb_.add(items_, j), c(PagedTiles::kItemNumbers)), "item");
    const Value numbers[PagedTiles::kItemNumbers] = {token_, count,   sequence,         position,
                                                     part,   partEnd, kb_.add(base, j), places_};
    for (auto [i, number] : llvm::enumerate(numbers))
      storeIndex(number, kb_.output(0), kb_.add(at, c(int64_t(i))));
  }

  const PagedTiles& p_;
  PagedAttentionOp op_;
  VectorType lanes_;
  Value token_, sequence_, position_, tokens_;
  SmallVector<Value> sums_;
  Value ownLeads_, places_, before_, items_;
};

} // namespace

Scheduled schedulePagedItems(GroupOp group, StringRef name, const PagedTiles& tiles, OpBuilder& builder) {
  return ItemsProgram(builder, group, name, tiles).run();
}

} // namespace jinx::schedules
