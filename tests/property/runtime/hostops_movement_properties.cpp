// Host operators that move elements: every one has an inverse, or a twin that says the same in other words. All exact, on any bits.
#include <algorithm>
#include <numeric>

#include "tests/property/runtime/HostOps.h"

namespace jinx::test {
namespace {

rc::Gen<DType> movedTypes() {
  return rc::gen::element(DType::kF32, DType::kF64, DType::kF16, DType::kBF16, DType::kI8, DType::kI64, DType::kU16, DType::kBool, DType::kC64);
}

/// A tensor of rank at least `minRank`.
Tensor drawTensor(int minRank, int maxRank) {
  Shape shape;
  int rank = *rc::gen::inRange(minRank, maxRank + 1);
  for (int i = 0; i < rank; ++i)
    shape.push_back(*extents(0, 9));
  return randomBits(*movedTypes(), shape, *seeds());
}

JINX_PROPERTY(HostMovementLaws, ATransposeIsUndoneByItsInverse, 400) {
  Tensor x = drawTensor(0, 4);
  std::vector<int64_t> perm = *permutations(x.rank()), inverse(perm.size());
  for (size_t i = 0; i < perm.size(); ++i)
    inverse[static_cast<size_t>(perm[i])] = static_cast<int64_t>(i);
  Tensor y = call("Transpose", {x}, attributes({{"perm", perm}}));
  for (size_t i = 0; i < perm.size(); ++i)
    RC_ASSERT(y.shape()[i] == x.shape()[static_cast<size_t>(perm[i])]);
  RC_ASSERT(sameBytes(call("Transpose", {y}, attributes({{"perm", inverse}})), x));
}

JINX_PROPERTY(HostMovementLaws, TransposesCompose, 300) {
  Tensor x = drawTensor(1, 4);
  std::vector<int64_t> p = *permutations(x.rank()), q = *permutations(x.rank()), both;
  for (int64_t axis : q)
    both.push_back(p[static_cast<size_t>(axis)]);
  Tensor twice = call("Transpose", {call("Transpose", {x}, attributes({{"perm", p}}))}, attributes({{"perm", q}}));
  RC_ASSERT(sameBytes(twice, call("Transpose", {x}, attributes({{"perm", both}}))));
}

JINX_PROPERTY(HostMovementLaws, WhatIsSplitIsJoinedAgain, 400) {
  Tensor x = drawTensor(1, 4);
  int64_t axis = *rc::gen::inRange<int64_t>(0, x.rank()), left = x.dim(axis);
  std::vector<int64_t> sizes;
  for (int more = *rc::gen::inRange(0, 5); more > 0; --more) {
    sizes.push_back(*rc::gen::inRange<int64_t>(0, left + 1));
    left -= sizes.back();
  }
  sizes.push_back(left);
  std::vector<Tensor> pieces = callAll("Split", {x, i64(sizes)}, attributes({{"axis", axis}}), sizes.size());
  RC_ASSERT(sameBytes(call("Concat", pieces, attributes({{"axis", axis - x.rank()}})), x));
  int64_t at = 0;
  for (size_t i = 0; i < pieces.size(); ++i) {
    Tensor slice = call("Slice", {x, i64({at}), i64({at + sizes[i]}), i64({axis})});
    RC_ASSERT(sameBytes(slice, pieces[i]));
    at += sizes[i];
  }
}

JINX_PROPERTY(HostMovementLaws, ASliceIsAGather, 400) {
  Tensor x = drawTensor(1, 4);
  int64_t axis = *rc::gen::inRange<int64_t>(0, x.rank()), extent = x.dim(axis);
  int64_t start = *rc::gen::inRange<int64_t>(-extent - 2, extent + 3), end = *rc::gen::inRange<int64_t>(-extent - 2, extent + 3);
  int64_t step = *rc::gen::element<int64_t>(1, 2, 3, -1, -2);
  // As ONNX has it. Going backwards the start is clamped to an element that is there (Python would clamp to -1), the end to -1.
  auto fromEnd = [&](int64_t i) { return i < 0 ? i + extent : i; };
  std::vector<int64_t> rows;
  if (extent > 0) {
    int64_t first = std::clamp<int64_t>(fromEnd(start), 0, step > 0 ? extent : extent - 1);
    int64_t last = std::clamp<int64_t>(fromEnd(end), step > 0 ? 0 : -1, step > 0 ? extent : extent - 1);
    for (int64_t i = first; step > 0 ? i < last : i > last; i += step)
      rows.push_back(i);
  }
  Tensor slice = call("Slice", {x, i64({start}), i64({end}), i64({axis}), i64({step})});
  RC_ASSERT(sameBytes(slice, call("Gather", {x, i64(rows)}, attributes({{"axis", axis}}))));
}

JINX_PROPERTY(HostMovementLaws, APadIsUndoneByItsNegative, 300) {
  Tensor x = drawTensor(1, 3);
  RC_PRE(x.dtype() != DType::kBool && x.dtype() != DType::kC64);
  std::vector<int64_t> pads, back;
  for (int64_t i = 0; i < 2 * x.rank(); ++i)
    pads.push_back(*rc::gen::inRange<int64_t>(0, 4));
  for (int64_t p : pads)
    back.push_back(-p);
  std::string mode = *rc::gen::element<std::string>("constant", "edge", "reflect", "wrap");
  for (int64_t i = 0; mode != "constant" && i < x.rank(); ++i) // what is repeated must be there, and reflections be inside
    RC_PRE(x.dim(i) > std::max(pads[static_cast<size_t>(i)], pads[static_cast<size_t>(i + x.rank())]));
  Tensor padded = call("Pad", {x, i64(pads)}, attributes({{"mode", mode}}));
  for (int64_t i = 0; i < x.rank(); ++i)
    RC_ASSERT(padded.dim(i) == x.dim(i) + pads[static_cast<size_t>(i)] + pads[static_cast<size_t>(i + x.rank())]);
  RC_ASSERT(sameBytes(call("Pad", {padded, i64(back)}, attributes({{"mode", std::string("constant")}})), x));
}

JINX_PROPERTY(HostMovementLaws, ATileIsAConcat, 200) {
  Tensor x = drawTensor(1, 3);
  int64_t axis = *rc::gen::inRange<int64_t>(0, x.rank()), times = *rc::gen::inRange<int64_t>(1, 5);
  std::vector<int64_t> repeats(static_cast<size_t>(x.rank()), 1);
  repeats[static_cast<size_t>(axis)] = times;
  std::vector<Tensor> copies(static_cast<size_t>(times), x);
  RC_ASSERT(sameBytes(call("Tile", {x, i64(repeats)}), call("Concat", copies, attributes({{"axis", axis}}))));
}

JINX_PROPERTY(HostMovementLaws, GatherElementsUndoesAShuffleAndScatterElementsDoesIt, 300) {
  Tensor x = drawTensor(1, 1);
  std::vector<int64_t> order = *permutations(x.size()), inverse(order.size());
  for (size_t i = 0; i < order.size(); ++i)
    inverse[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  Tensor shuffled = call("GatherElements", {x, i64(order)});
  RC_ASSERT(sameBytes(call("GatherElements", {shuffled, i64(inverse)}), x));
  Tensor blank = Tensor::make(x.dtype(), x.shape());
  RC_ASSERT(sameBytes(call("ScatterElements", {blank, i64(order), shuffled}), x));
  RC_ASSERT(sameBytes(call("Gather", {x, i64(order)}), shuffled));
}

JINX_PROPERTY(HostMovementLaws, ScatterNDWritesWhatGatherNDReads, 300) {
  Tensor x = drawTensor(2, 3);
  RC_PRE(x.dim(0) > 0 && x.dim(1) > 0 && x.dtype() != DType::kC64);
  // Distinct places, so that the order of writing says nothing.
  std::vector<int64_t> places = *permutations(x.dim(0) * x.dim(1));
  places.resize(static_cast<size_t>(*rc::gen::inRange<int64_t>(0, static_cast<int64_t>(places.size()) + 1)));
  Tensor indices = Tensor::make(DType::kI64, {static_cast<int64_t>(places.size()), 2});
  for (size_t i = 0; i < places.size(); ++i) {
    indices.setInt(static_cast<int64_t>(2 * i), places[i] / x.dim(1));
    indices.setInt(static_cast<int64_t>(2 * i + 1), places[i] % x.dim(1));
  }
  Tensor updates = randomBits(x.dtype(), [&] {
    Shape s(x.shape().begin() + 1, x.shape().end());
    s[0] = static_cast<int64_t>(places.size());
    return s;
  }(), *seeds());
  Tensor written = call("ScatterND", {x, indices, updates});
  RC_ASSERT(sameBytes(call("GatherND", {written, indices}), updates));
  Tensor before = call("GatherND", {x, indices});
  RC_ASSERT(sameBytes(call("ScatterND", {written, indices, before}), x));
}

JINX_PROPERTY(HostMovementLaws, SpaceGoesIntoDepthAndBack, 200) {
  int64_t block = *rc::gen::inRange<int64_t>(1, 4);
  Shape shape = {*extents(0, 3), *extents(1, 4), block * *extents(1, 4), block * *extents(1, 4)};
  Tensor x = randomBits(DType::kF32, shape, *seeds());
  Tensor deep = call("SpaceToDepth", {x}, attributes({{"blocksize", block}}));
  RC_ASSERT(sameBytes(call("DepthToSpace", {deep}, attributes({{"blocksize", block}, {"mode", std::string("DCR")}})), x));
}

JINX_PROPERTY(HostMovementLaws, TheTriangleAndTheRestMakeTheWhole, 200) {
  Tensor x = smallIntegers(DType::kI64, {*extents(0, 3), *extents(0, 7), *extents(0, 7)}, *seeds());
  Tensor k = Tensor::scalarInt(*rc::gen::inRange<int64_t>(-8, 9)), beyond = Tensor::scalarInt(k.getInt(0) - 1);
  Tensor upper = call("Trilu", {x, k}, attributes({{"upper", int64_t{1}}}));
  Tensor lower = call("Trilu", {x, beyond}, attributes({{"upper", int64_t{0}}}));
  RC_ASSERT(sameBytes(call("Add", {upper, lower}), x));
}

JINX_PROPERTY(HostMovementLaws, TopKGivesTheLargestInOrder, 300) {
  Tensor x = smallIntegers(*rc::gen::element(DType::kF32, DType::kI64, DType::kI8), {*extents(0, 4), *extents(1, 30)}, *seeds(), -20, 20);
  int64_t k = *rc::gen::inRange<int64_t>(0, x.dim(1) + 1);
  bool least = *rc::gen::arbitrary<bool>();
  std::vector<Tensor> top = callAll("TopK", {x, i64({k})}, attributes({{"axis", int64_t{1}}, {"largest", int64_t{!least}}}), 2);
  for (int64_t row = 0; row < x.dim(0); ++row) {
    std::vector<std::pair<double, int64_t>> all; // ties: the lower index first
    for (int64_t i = 0; i < x.dim(1); ++i)
      all.push_back({least ? x.getDouble(row * x.dim(1) + i) : -x.getDouble(row * x.dim(1) + i), i});
    std::sort(all.begin(), all.end());
    for (int64_t i = 0; i < k; ++i) {
      int64_t at = all[static_cast<size_t>(i)].second;
      RC_ASSERT(top[1].getInt(row * k + i) == at);
      RC_ASSERT(top[0].getDouble(row * k + i) == x.getDouble(row * x.dim(1) + at));
    }
  }
}

JINX_PROPERTY(HostMovementLaws, WhereChoosesAndCompressKeepsWhatNonZeroFinds, 200) {
  Tensor x = randomBits(DType::kI32, {*extents(0, 40)}, *seeds()), y = randomBits(DType::kI32, x.shape(), *seeds());
  Tensor c = randomBits(DType::kBool, x.shape(), *seeds());
  RC_ASSERT(sameBytes(call("Where", {c, x, y}), call("Where", {call("Not", {c}), y, x})));
  Tensor places = call("NonZero", {c});
  RC_ASSERT(places.dim(0) == 1);
  Tensor kept = call("Gather", {x, places.reshaped({places.dim(1)})});
  RC_ASSERT(sameBytes(call("Compress", {x, c}), kept));
}

} // namespace
} // namespace jinx::test
