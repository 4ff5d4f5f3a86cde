#include "passes/Quant/Repeat.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {

Value repeated(OpBuilder &b, Location loc, Value v, int64_t axis, int64_t times, const SizeExpr &extent) {
  const Sizes sizes = sizesOf(v.getType());
  const Type element = cast<RankedTensorType>(v.getType()).getElementType();
  Sizes apart = sizes, joined = sizes, cut = sizes;
  apart.insert(apart.begin() + axis + 1, SizeExpr(1));
  Sizes spread = apart;
  spread[axis + 1] = times;
  joined[axis] = sizes[axis] * SizeExpr(times);
  cut[axis] = extent;
  v = ReshapeOp::create(b, loc, tensorOf(apart, element), v);
  v = BroadcastOp::create(b, loc, tensorOf(spread, element), v);
  v = ReshapeOp::create(b, loc, tensorOf(joined, element), v);
  if (joined == cut) return v;
  SmallVector<StringRef> starts(sizes.size(), "0");
  return SliceOp::create(b, loc, tensorOf(cut, element), v, b.getStrArrayAttr(starts), SmallVector<int64_t>(sizes.size(), 1));
}

std::optional<Repetition> repetitionOf(Value v, int64_t axis) {
  if (auto slice = v.getDefiningOp<SliceOp>()) {
    const bool isHead = llvm::all_of(slice.getStarts().getAsValueRange<StringAttr>(), [](StringRef start) { return start == "0"; }) &&
                        llvm::all_of(slice.getSteps(), [](int64_t step) { return step == 1; });
    if (!isHead) return std::nullopt;
    v = slice.getX();
  }
  auto join = v.getDefiningOp<ReshapeOp>();
  auto broadcast = join ? join.getX().getDefiningOp<BroadcastOp>() : BroadcastOp();
  auto apart = broadcast ? broadcast.getX().getDefiningOp<ReshapeOp>() : ReshapeOp();
  if (!apart) return std::nullopt;
  const Sizes of = sizesOf(apart.getX().getType()), spread = sizesOf(broadcast.getY().getType());
  if (int64_t(of.size()) <= axis || spread.size() != of.size() + 1) return std::nullopt;
  const auto times = spread[axis + 1].constant();
  if (!times) return std::nullopt;
  Sizes between = of, expected = of, joined = of;
  between.insert(between.begin() + axis + 1, SizeExpr(1));
  expected.insert(expected.begin() + axis + 1, SizeExpr(*times));
  joined[axis] = of[axis] * SizeExpr(*times);
  if (sizesOf(apart.getY().getType()) != between || spread != expected || sizesOf(join.getY().getType()) != joined) return std::nullopt;
  return Repetition{apart.getX(), *times};
}

}  // namespace jinx::passes
