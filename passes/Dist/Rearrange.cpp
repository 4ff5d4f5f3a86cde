#include "passes/Dist/Rearrange.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
namespace {

bool isInFront(ArrayRef<SizeExpr> sizes, int64_t dim) {
  return llvm::all_of(sizes.take_front(dim), [](const SizeExpr &size) { return size.isConstant(1); });
}

/// The type of what is made of x.
RankedTensorType like(Value x, ArrayRef<SizeExpr> sizes) {
  return dist::withStates(tensorOf(sizes, cast<RankedTensorType>(x.getType()).getElementType()), dist::statesOf(x.getType()));
}

}  // namespace

SizeExpr Rearranger::partOf(const SizeExpr &size) const {
  auto part = size.exactDivide(ranks_);
  return part ? *part : floorDiv(size, ranks_);
}

Value Rearranger::reshape(Value x, ArrayRef<SizeExpr> sizes) const {
  RankedTensorType type = like(x, sizes);
  return x.getType() == type ? x : ReshapeOp::create(builder_, loc_, type, x).getY();
}

Value Rearranger::apart(Value x, int64_t dim) const {
  Sizes sizes = sizesOf(x.getType());
  sizes[dim] = partOf(sizes[dim]);
  Sizes behind = sizes, split = sizes;
  behind.insert(behind.begin(), SizeExpr(ranks_));
  if (isInFront(sizes, dim)) return reshape(x, behind);
  split.insert(split.begin() + dim, SizeExpr(ranks_));
  SmallVector<int64_t> perm = {dim};
  for (int64_t d = 0; d <= int64_t(sizes.size()); ++d)
    if (d != dim) perm.push_back(d);
  return TransposeOp::create(builder_, loc_, like(x, behind), reshape(x, split), perm);
}

Value Rearranger::joined(Value x, int64_t dim) const {
  Sizes sizes = sizesOf(x.getType());
  sizes.erase(sizes.begin());
  Sizes whole = sizes, split = sizes;
  whole[dim] = sizes[dim] * SizeExpr(ranks_);
  if (isInFront(sizes, dim)) return reshape(x, whole);
  split.insert(split.begin() + dim, SizeExpr(ranks_));
  SmallVector<int64_t> perm;
  for (int64_t d = 1; d <= int64_t(sizes.size()); ++d) {
    if (d == dim + 1) perm.push_back(0);
    perm.push_back(d);
  }
  return reshape(TransposeOp::create(builder_, loc_, like(x, split), x, perm), whole);
}

}  // namespace jinx::passes
