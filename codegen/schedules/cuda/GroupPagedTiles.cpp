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

constexpr int64_t kAhead = 16;          // items whose loads overlap
constexpr int64_t kMostDepth = 128; // two tiles of 64 rows, of a part and of all, are in registers
constexpr int64_t kSlotBytes = 16384, kRingBytes = 200 << 10;

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }

class JoinProgram : WarpProgram {
 public:
  /// Reads out, logarithms and ranges.
  JoinProgram(OpBuilder& builder, GroupOp group, StringRef name, const PagedTiles& p, TypeRange inputs)
      : WarpProgram(builder, group, name, inputs, group.getResultTypes()), p_(p) {}

  Scheduled run() {
    const int64_t heads = p_.heads * p_.shared;
    const SizeExpr programs = p_.tokens * SizeExpr(heads);
    return WarpProgram::run(programs, programs * SizeExpr(p_.depth), [&](Value program) {
      Value token = kb_.floorDiv(program, c(heads)), queryHead = kb_.rem(program, c(heads)),
            range = kb_.kernel().buffer(2);
      Value before = called(loadIndex(range, kb_.mul(token, c(2))), "places_before"),
            places = called(loadIndex(range, kb_.add(kb_.mul(token, c(2)), c(1))), "places");
      head_ = called(kb_.floorDiv(queryHead, c(p_.shared)), "head");
      Value first = kb_.add(kb_.mul(before, c(p_.padded)), kb_.mul(kb_.rem(queryHead, c(p_.shared)), places));
      first_ = called(first, "first_place");
      places_ = places;
      JoinedParts begun = joinPart(b(), loc(), {lowest(), number(0), kb_.splat(number(0), p_.depth)}, rowAt(c(0)), logarithmAt(c(0)),
                                   [&](Value v) { return kb_.splat(v, p_.depth); });
      auto loop = scf::ForOp::create(b(), loc(), c(1), places, c(kAhead), ValueRange{begun.largest, begun.total, begun.out});
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
      store(buildCast(b(), loc(), y, f32_, p_.element), kb_.output(0), kb_.mul(program, c(p_.depth)));
    });
  }

 private:
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
  Value head_, first_, places_;
};

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
  tiles.stages = (kRingBytes / tiles.blocks - kQueryStages * kRows * rowBytes) / (2 * kSlotBytes);
  tiles.tokens = sizes[0], tiles.entries = sizesOf(op.getTable().getType())[1],
  tiles.pages = sizesOf(op.getKeys().getType())[0];
  return tiles;
}

SmallVector<Type> PagedTiles::lists() const {
  Type i32 = IntegerType::get(element.getContext(), 32);
  return {tensorOf({places(), SizeExpr(kItemNumbers)}, i32), tensorOf({tokens, SizeExpr(2)}, i32),
          tensorOf({SizeExpr(1)}, i32)};
}
SmallVector<Type> PagedTiles::results() const {
  Type f32 = Float32Type::get(element.getContext());
  SizeExpr rows = places() * SizeExpr(padded);
  return {tensorOf({rows, SizeExpr(heads), SizeExpr(depth)}, f32), tensorOf({rows, SizeExpr(heads)}, f32)};
}

FailureOr<Scheduled> schedulePagedTiles(GroupOp group, StringRef name, const PagedTiles& tiles, OpBuilder& builder) {
  const unsigned inputs = group.getInputs().size();
  Scheduled items = schedulePagedItems(group, (name + "_items").str(), tiles, builder);
  items.parts = tiles.lists();
  auto inputOf = [](Value v) { return cast<BlockArgument>(v).getArgNumber(); };
  PagedAttentionOp op = tiles.op;
  items.takes = {inputOf(op.getSequence()), inputOf(op.getPosition())};
  builder.setInsertionPointAfter(items.kernel);
  Scheduled products = schedulePagedProducts(group, name, tiles, builder);
  products.parts = tiles.results();
  for (unsigned i = 0; i < inputs; ++i)
    products.takes.push_back(i);
  products.takes.append({inputs, inputs + 2});
  builder.setInsertionPointAfter(products.kernel);
  SmallVector<Type> joined = tiles.results();
  joined.push_back(tiles.lists()[1]);
  Scheduled join = JoinProgram(builder, group, (name + "_join").str(), tiles, joined).run();
  join.takes = {inputs + 3, inputs + 4, inputs + 1};
  products.then = std::make_shared<Scheduled>(std::move(join));
  items.then = std::make_shared<Scheduled>(std::move(products));
  return items;
}

} // namespace jinx::schedules
