// Products of one operand with several constants, whose results are heads of attention, become one product with all of them:
//
//   %q = packed_matmul %x, %wq      %w = concat %wq, %wk, %wv axis 0     a constant in three pieces: nothing is copied (ir/Graph/StackedConstants.h)
//   %k = packed_matmul %x, %wk      %y = packed_matmul %x, %w
//   %v = packed_matmul %x, %wv  ->  %h = reshape %y                      [n, (32 + 8 + 8) * 64] as [n, 48, 64]
//   %a = reshape %q                 %a = slice %h heads 0 to 32
//   %b = reshape %k                 %b = slice %h heads 32 to 40
//   %c = reshape %v                 %c = slice %h heads 40 to 48
//
// A product of few rows takes as long as its weights take to come, and some microseconds to begin and to end. k and v have few columns where heads of queries
// share them, so a launch of their own would not fill the machine.
//
// Where results become other things than heads (gates of a feed-forward network), their kernels read a product as it is computed, and stay apart.
#include "ir/Graph/StackedConstants.h"
#include "llvm/ADT/MapVector.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
#define GEN_PASS_DEF_MERGEPRODUCTS
#include "passes/Passes.h.inc"

namespace {

constexpr StringRef kArgument = "jinx-merge-products";

/// A product, and what its columns become: heads of one depth.
struct HeadProduct {
  PackedMatmulOp product;
  CastOp cast;        ///< between the two, or null
  ReshapeOp reshape;  ///< [n, heads * depth] as [n, heads, depth]
  int64_t heads = 0, depth = 0;
};

template <typename Op>
Op onlyUser(Value v) { return v.hasOneUse() ? dyn_cast<Op>(*v.getUsers().begin()) : Op(); }

/// The constant operand of a product of two matrices that a copy engine or warps read by rows.
ConstantOp weightsOf(PackedMatmulOp op) {
  auto weights = op.getB().getDefiningOp<ConstantOp>();
  const bool isMatrix = sizesOf(op.getB().getType()).size() == 2 && sizesOf(op.getY().getType()).size() == 2;
  // Rows that were filled up are as many elements as those of the other operand.
  return op.getByRows() && isMatrix && weights && sizesOf(op.getA().getType()).back() == sizesOf(op.getB().getType()).back() ? weights : ConstantOp();
}

std::optional<HeadProduct> headsOf(PackedMatmulOp op) {
  HeadProduct found{op};
  Value y = op.getY();
  if ((found.cast = onlyUser<CastOp>(y))) y = found.cast.getY();
  if (!(found.reshape = onlyUser<ReshapeOp>(y))) return {};
  const Sizes in = sizesOf(y.getType()), out = sizesOf(found.reshape.getY().getType());
  if (out.size() != 3 || !(out[0] == in[0]) || !out[1].constant() || !out[2].constant()) return {};
  found.heads = *out[1].constant(), found.depth = *out[2].constant();
  return found;
}

struct MergeProductsPass : impl::MergeProductsBase<MergeProductsPass> {
  using MergeProductsBase::MergeProductsBase;

  void runOnOperation() override {
    llvm::MapVector<std::pair<Value, Block *>, SmallVector<PackedMatmulOp>> products;
    getOperation().walk([&](PackedMatmulOp op) {
      if (!isa<GroupOp>(op->getParentOp()) && weightsOf(op)) products[{op.getA(), op->getBlock()}].push_back(op);
    });
    for (auto &[operand, all] : products) {
      if (all.size() < 2) continue;
      SmallVector<HeadProduct> like = productsLike(all);
      if (like.size() > 1) merge(like);
    }
  }

  /// Those of `all` whose results are heads, and which multiply like the first of them.
  SmallVector<HeadProduct> productsLike(ArrayRef<PackedMatmulOp> all) {
    SmallVector<HeadProduct> like;
    for (PackedMatmulOp op : all) {
      const std::optional<HeadProduct> heads = headsOf(op);
      if (heads && (like.empty() || isLike(*heads, like.front()))) {
        like.push_back(*heads);
        continue;
      }
      say(missed(op, kArgument, "Apart"), [&] {
        return std::string("packed_matmul: ") + (heads ? "its heads, or how it multiplies, are not those of the others" : "its result is not only read as heads, [n, heads, depth]");
      });
    }
    return like;
  }
  static bool isLike(HeadProduct x, HeadProduct y) {
    return x.depth == y.depth && x.product.getTf32() == y.product.getTf32() && x.product.getFastSums() == y.product.getFastSums() &&
           elementOf(x.product.getB()) == elementOf(y.product.getB()) && elementOf(x.product.getY()) == elementOf(y.product.getY());
  }
  static Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }

  void merge(ArrayRef<HeadProduct> products) {
    PackedMatmulOp first = products.front().product;
    OpBuilder b(first);
    SmallVector<Value> weights;
    SmallVector<Location> locations;
    int64_t heads = 0;
    for (HeadProduct each : products) {
      // What is there before any product may be where the first one is.
      weightsOf(each.product)->moveBefore(first);
      weights.push_back(each.product.getB());
      locations.push_back(each.product.getLoc());
      heads += each.heads;
    }
    const int64_t depth = products.front().depth;
    const SizeExpr rows = sizesOf(first.getY().getType())[0], k = sizesOf(first.getB().getType())[1];
    const Location all = b.getFusedLoc(locations);
    Value stack = ConcatOp::create(b, all, tensorOf({SizeExpr(heads * depth), k}, elementOf(first.getB())), weights, 0);
    Value y = PackedMatmulOp::create(b, all, tensorOf({rows, SizeExpr(heads * depth)}, elementOf(first.getY())), first.getA(), stack, first.getByRowsAttr(), first.getFastSumsAttr(), first.getTf32Attr());
    Value whole = ReshapeOp::create(b, all, tensorOf({rows, SizeExpr(heads), SizeExpr(depth)}, elementOf(y)), y);
    say(passed(first, kArgument, "Merged"), [&] { return "packed_matmul: " + std::to_string(products.size()) + " products of one operand are one, of " + std::to_string(heads) + " heads of " + std::to_string(depth); });
    ++numMerged;
    int64_t at = 0;
    for (const HeadProduct &each : products) {
      at += each.heads;
      replace(each, whole, at - each.heads);
    }
  }

  /// The heads of one of the products, where they were made.
  static void replace(HeadProduct part, Value whole, int64_t head) {
    OpBuilder b(part.reshape);
    Sizes sizes = sizesOf(whole.getType());
    sizes[1] = SizeExpr(part.heads);
    const std::string from = std::to_string(head);
    Value heads = SliceOp::create(b, part.reshape.getLoc(), tensorOf(sizes, elementOf(whole)), whole, b.getStrArrayAttr({"0", StringRef(from), "0"}), ArrayRef<int64_t>{1, 1, 1});
    if (part.cast) heads = CastOp::create(b, part.cast.getLoc(), part.reshape.getType(), heads);
    part.reshape.getY().replaceAllUsesWith(heads);
    part.reshape.erase();
    if (part.cast) part.cast.erase();
    part.product.erase();
  }
};

}  // namespace
}  // namespace jinx::passes
