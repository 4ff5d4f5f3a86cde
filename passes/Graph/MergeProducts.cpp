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
// A bias of each column may stand between a product and its heads (qwen2). The biases of all are one constant then, joined here, and are added before heads are
// told apart. What rounds a sum does so behind the slice: as before, the kernel that reads a sum decides what it is rounded to.
//
//   %q = cast (add (cast (packed_matmul %x, %wq)), %bq)      %y = packed_matmul %x, %w
//   %k = cast (add (cast (packed_matmul %x, %wk)), %bk)  ->  %s = add (cast %y), %b             %b = constant, the three behind each other
//   %v = cast (add (cast (packed_matmul %x, %wv)), %bv)      %h = reshape %s                    %a = cast (slice %h heads 0 to 32)
//
// A product that has none beside others that have one gets -0, which changes no number: x + -0 is x, where -0 + 0 would be 0.
//
// Where results become other things than heads (gates of a feed-forward network), their kernels read a product as it is computed, and stay apart.
#include <cstring>

#include "ir/Graph/Constants.h"
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

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }

/// What is added to each row of a product.
struct RowBias {
  CastOp widen;     ///< of the product, or null
  AddOp sum;        ///< in f32 or 16 bits
  Tensor elements;  ///< a number for each column, of the sum's type
};

/// A product, and what its columns become: heads of one depth.
struct HeadProduct {
  PackedMatmulOp product;
  std::optional<RowBias> bias;
  SmallVector<CastOp, 2> casts;  ///< between the product, or the sum, and its heads
  ReshapeOp reshape;             ///< [n, heads * depth] as [n, heads, depth]
  int64_t heads = 0, depth = 0;

  /// Of the product, or the sum.
  Type rowType() { return elementOf(bias ? bias->sum.getY() : product.getY()); }
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

/// The constant of one row, [columns] or [1, columns], that is added to `x`; invalid if it is none.
Tensor rowAddedTo(Value x, AddOp sum) {
  auto constant = (sum.getA() == x ? sum.getB() : sum.getA()).getDefiningOp<ConstantOp>();
  if (!constant || !(sizesOf(sum.getY().getType()) == sizesOf(x.getType()))) return {};
  if (!isa<Float32Type, Float16Type, BFloat16Type>(elementOf(sum.getY()))) return {};
  const Sizes sizes = sizesOf(constant.getY().getType());
  const SizeExpr columns = sizesOf(x.getType()).back();
  if (sizes.empty() || !(sizes.back() == columns) || !(volume(sizes) == columns)) return {};
  Expected<Tensor> elements = graph::tensorOf(constant.getValue());
  return elements ? *elements : Tensor();
}

/// What `op` and the operators behind it are; nothing, and why, if its result is not only read as heads.
std::optional<HeadProduct> headsOf(PackedMatmulOp op, std::string &why) {
  HeadProduct found{op};
  Value y = op.getY();
  CastOp widen = onlyUser<CastOp>(y);
  Value widened = widen ? widen.getY() : y;
  if (auto sum = onlyUser<AddOp>(widened)) {
    found.bias = RowBias{widen, sum, rowAddedTo(widened, sum)};
    y = sum.getY();
  }
  while (auto cast = onlyUser<CastOp>(y)) {
    found.casts.push_back(cast);
    y = cast.getY();
  }
  found.reshape = onlyUser<ReshapeOp>(y);
  const Sizes in = sizesOf(y.getType()), out = found.reshape ? sizesOf(found.reshape.getY().getType()) : Sizes();
  if (out.size() != 3 || !(out[0] == in[0]) || !out[1].constant() || !out[2].constant()) {
    why = "its result is not only read as heads, [n, heads, depth]";
    return {};
  }
  if (found.bias && !found.bias->elements.valid()) {
    why = "what is added to its result is no constant of one row, [" + in[1].str() + "]";
    return {};
  }
  found.heads = *out[1].constant(), found.depth = *out[2].constant();
  return found;
}

bool multiplyAlike(PackedMatmulOp x, PackedMatmulOp y) {
  return x.getTf32() == y.getTf32() && x.getFastSums() == y.getFastSums() && elementOf(x.getB()) == elementOf(y.getB()) && elementOf(x.getY()) == elementOf(y.getY());
}

/// Are biases added in one type? A product without one is as one whose bias is -0, if the others' sums hold every number of it.
bool haveSameSums(HeadProduct x, HeadProduct y) {
  if (x.bias.has_value() == y.bias.has_value()) return x.rowType() == y.rowType();
  const Type of = elementOf(x.product.getY()), in = x.bias ? x.rowType() : y.rowType();
  return of == in || (in.isF32() && (of.isF16() || of.isBF16()));
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
      std::string why;
      std::optional<HeadProduct> heads = headsOf(op, why);
      for (const HeadProduct &other : like)
        if (heads && why.empty()) why = unlike(*heads, other);
      if (why.empty()) {
        like.push_back(*heads);
        continue;
      }
      say(missed(op, kArgument, "Apart"), [&] { return "packed_matmul: " + why; });
    }
    return like;
  }
  /// Why two of them are no one product; empty if they can be.
  static std::string unlike(HeadProduct x, HeadProduct y) {
    if (x.depth != y.depth || !multiplyAlike(x.product, y.product)) return "its heads, or how it multiplies, are not those of the others";
    return haveSameSums(x, y) ? "" : "a bias is added in another type than that of the others";
  }

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
    y = withBiases(b, y, products);
    Value whole = ReshapeOp::create(b, all, tensorOf({rows, SizeExpr(heads), SizeExpr(depth)}, elementOf(y)), y);
    say(passed(first, kArgument, "Merged"), [&] {
      const auto biases = llvm::count_if(products, [](const HeadProduct &each) { return each.bias.has_value(); });
      return "packed_matmul: " + std::to_string(products.size()) + " products of one operand are one, of " + std::to_string(heads) + " heads of " + std::to_string(depth) +
             (biases ? ", and their biases one (" + std::to_string(biases) + " joined)" : "");
    });
    ++numMerged;
    int64_t at = 0;
    for (const HeadProduct &each : products) {
      at += each.heads;
      replace(each, whole, at - each.heads);
    }
  }

  /// The one product's rows with all biases, in the type of the sums.
  static Value withBiases(OpBuilder &b, Value y, ArrayRef<HeadProduct> products) {
    const HeadProduct *model = llvm::find_if(products, [](const HeadProduct &each) { return each.bias.has_value(); });
    if (model == products.end()) return y;
    RowBias like = *model->bias;
    SmallVector<Location> locations;
    for (const HeadProduct &each : products)
      if (each.bias) locations.push_back(AddOp(each.bias->sum).getLoc());
    const Location loc = b.getFusedLoc(locations);
    const Sizes sizes = sizesOf(y.getType());
    if (like.widen) y = CastOp::create(b, loc, tensorOf(sizes, elementOf(like.widen.getY())), y);
    Value bias = ConstantOp::create(b, loc, elementsOf(joined(products, like.elements.dtype()), b.getContext()));
    return AddOp::create(b, loc, tensorOf(sizes, elementOf(like.sum.getY())), y, bias);
  }
  /// The biases behind each other, [columns of all]; -0 where there is none.
  static Tensor joined(ArrayRef<HeadProduct> products, DType type) {
    int64_t columns = 0, at = 0;
    for (const HeadProduct &each : products) columns += each.heads * each.depth;
    Tensor all = Tensor::make(type, {columns});
    for (const HeadProduct &each : products) {
      const int64_t count = each.heads * each.depth;
      for (int64_t i = 0; !each.bias && i < count; ++i) all.setDouble(at + i, -0.0);
      if (each.bias) std::memcpy(static_cast<char *>(all.data()) + at * all.sizeBytes() / columns, each.bias->elements.data(), size_t(each.bias->elements.sizeBytes()));
      at += count;
    }
    return all;
  }

  /// The heads of one of the products, where they were made.
  static void replace(HeadProduct part, Value whole, int64_t head) {
    OpBuilder b(part.reshape);
    Sizes sizes = sizesOf(whole.getType());
    sizes[1] = SizeExpr(part.heads);
    const std::string from = std::to_string(head);
    Value heads = SliceOp::create(b, part.reshape.getLoc(), tensorOf(sizes, elementOf(whole)), whole, b.getStrArrayAttr({"0", StringRef(from), "0"}), ArrayRef<int64_t>{1, 1, 1});
    auto castTo = [&](Type element, Location loc) {
      if (element != elementOf(heads)) heads = CastOp::create(b, loc, tensorOf(sizes, element), heads);
    };
    castTo(part.rowType(), part.reshape.getLoc());
    for (CastOp cast : part.casts) castTo(elementOf(cast.getY()), cast.getLoc());
    part.reshape.getY().replaceAllUsesWith(heads);
    part.reshape.erase();
    for (CastOp cast : llvm::reverse(part.casts)) cast.erase();
    if (part.bias) erase(*part.bias);
    part.product.erase();
  }
  static void erase(RowBias bias) {
    SmallVector<Operation *> constants;
    for (Value v : bias.sum->getOperands())
      if (v.getDefiningOp<ConstantOp>()) constants.push_back(v.getDefiningOp());
    bias.sum.erase();
    if (bias.widen) bias.widen.erase();
    for (Operation *constant : constants)
      if (constant->use_empty()) constant->erase();
  }
};

}  // namespace
}  // namespace jinx::passes
