// Channels-last layout, in two steps. First every convolution is wrapped:
//
//   y = conv(x)   ->   y = transpose(conv_channels_last(transpose(x, to)), back)
//
// Then one forward sweep moves each `transpose(v, p)` below its user u wherever u can as well compute on v's layout:
//
//   u(transpose(v, p), w)  ->  transpose(u'(v, transpose(w, p⁻¹)), p)
//
// where u' has its axes renamed and w's transpose is cheap (a constant, a small operand, or itself a transpose that cancels). The sweep
// visits users in order, so one pass carries a transpose down as far as it can go; opposite transposes cancel by canonicalisation.
#include "llvm/ADT/TypeSwitch.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
#define GEN_PASS_DEF_CHANNELSLAST
#include "passes/Passes.h.inc"

namespace {

constexpr StringRef kArgument = "jinx-channels-last";
using Perm = SmallVector<int64_t>;

Perm inverse(ArrayRef<int64_t> perm) {
  Perm result(perm.size());
  for (auto [i, p] : llvm::enumerate(perm)) result[p] = i;
  return result;
}

/// [0, 2, 3, …, 1]: from channels second to channels last.
Perm toChannelsLast(int64_t rank) {
  Perm perm = {0};
  for (int64_t d = 2; d < rank; ++d) perm.push_back(d);
  perm.push_back(1);
  return perm;
}

struct ChannelsLastPass : impl::ChannelsLastBase<ChannelsLastPass> {
  void runOnOperation() override {
    SmallVector<ConvOp> convs;
    getOperation().walk([&](ConvOp op) {
      int64_t rank = cast<RankedTensorType>(op.getX().getType()).getRank();
      bool isF32 = cast<RankedTensorType>(op.getX().getType()).getElementType().isF32();
      if (op.getChannelsLast()) return;
      if (isF32 && (rank == 3 || rank == 4)) return convs.push_back(op);
      say(missed(op, kArgument, "Kept"), [&] {
        return isF32 ? "conv: " + std::to_string(rank - 2) + " spatial dimensions, expected 1 or 2" : std::string("conv: elements are not f32");
      });
    });
    for (ConvOp op : convs) wrap(op);
    if (convs.empty()) return;
    SmallVector<Operation *> order;
    getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (op->getNumResults() == 1 && op->getNumRegions() == 0) order.push_back(op);
    });
    for (Operation *op : order) sink(op);
  }

  void wrap(ConvOp op) {
    OpBuilder b(op);
    int64_t rank = cast<RankedTensorType>(op.getX().getType()).getRank();
    Perm to = toChannelsLast(rank), back = inverse(to);
    Value x = TransposeOp::create(b, op.getLoc(), op.getX(), to);
    Value y = ConvOp::create(b, op.getLoc(), x, op.getW(), op.getStrides(), op.getPads(), op.getDilations(), op.getGroup(), true);
    op.getY().replaceAllUsesWith(TransposeOp::create(b, op.getLoc(), y, back).getY());
    say(passed(op, kArgument, "ChannelsLast"), [] { return "conv reads and writes channels last"; });
    op.erase();
    ++numConvs;
  }

  static TransposeOp backTranspose(Value v) {
    auto transpose = v.getDefiningOp<TransposeOp>();
    return transpose && cast<RankedTensorType>(v.getType()).getRank() >= 3 ? transpose : TransposeOp();
  }

  /// Moves the transposes above `op` below it, when it can compute in their layout.
  void sink(Operation *op) {
    if (isa<TransposeOp>(op)) return;
    TransposeOp found;
    for (Value v : op->getOperands())
      if (auto t = isa<RankedTensorType>(v.getType()) ? backTranspose(v) : TransposeOp()) {
        if (!found) found = t;
      }
    if (!found) return;
    Perm perm(found.getPerm());  // outer dimension i is inner dimension perm[i]
    OpBuilder b(op);
    Operation *moved = TypeSwitch<Operation *, Operation *>(op)
                           .Case<ConcatOp>([&](ConcatOp o) { return moveConcat(b, o, perm); })
                           .Case<PoolOp>([&](PoolOp o) { return movePool(b, o, perm); })
                           .Case<ReduceOp>([&](ReduceOp o) { return moveReduce(b, o, perm); })
                           .Case<ReshapeOp>([&](ReshapeOp o) { return moveReshape(b, o, perm); })
                           .Case<ResizeOp>([&](ResizeOp o) { return moveResize(b, o, perm); })
                           .Case<SliceOp>([&](SliceOp o) { return moveSlice(b, o, perm); })
                           .Case<PadOp>([&](PadOp o) { return movePad(b, o, perm); })
                           .Default([&](Operation *o) { return o->hasTrait<Elementwise>() ? moveElementwise(b, o, perm) : nullptr; });
    if (!moved) {
      // A convolution's own transpose belongs where it is; it goes when another meets it.
      if (isa<ConvOp>(op)) return;
      say(missed(op, kArgument, "TransposeStays"), [&] { return "above " + kindOf(op) + ": " + whyNot(op, perm); });
      return;
    }
    if (auto reshape = dyn_cast<ReshapeOp>(op)) perm = reshapedPerm(reshape, perm);
    Value result = TransposeOp::create(b, op->getLoc(), moved->getResult(0), perm);
    op->getResult(0).replaceAllUsesWith(result);
    say(passed(op, kArgument, "TransposeMoved"), [&] { return "below " + kindOf(op); });
    op->erase();
    ++numMoved;
  }

  /// Why the transpose stays above `op`: the first operand or property that is in the way.
  static std::string whyNot(Operation *op, ArrayRef<int64_t> perm) {
    if (auto pool = dyn_cast<PoolOp>(op)) return pool.getChannelsLast() ? "it is channels-last already" : "the transpose is not one to channels second";
    if (isa<ReshapeOp>(op)) return "it does more than drop and insert dimensions of extent 1";
    if (!isa<ConcatOp>(op) && !op->hasTrait<Elementwise>()) return "it computes in one layout only";
    for (auto [i, v] : llvm::enumerate(op->getOperands())) {
      auto t = backTranspose(v);
      if (t && t.getPerm() != perm) return "operand " + std::to_string(i) + " is transposed in another way";
      if (!t && !v.getDefiningOp<ConstantOp>() && isa<ConcatOp>(op)) return "operand " + std::to_string(i) + " is not transposed";
      if (!t && !v.getDefiningOp<ConstantOp>() && volume(sizesOf(v.getType())) == volume(sizesOf(op->getResult(0).getType())))
        return "operand " + std::to_string(i) + " is as large and not transposed: it would need a copy";
    }
    return "its result has another rank than the transpose";
  }

  /// `v` in the inner layout: the transpose's operand where it has this permutation, a transposed copy otherwise.
  Value inner(OpBuilder &b, Value v, ArrayRef<int64_t> perm) {
    auto t = backTranspose(v);
    if (t && t.getPerm() == perm) return t.getX();
    return TransposeOp::create(b, v.getLoc(), v, inverse(perm));
  }
  RankedTensorType innerType(Type type, ArrayRef<int64_t> perm) {
    Sizes outer = sizesOf(type), in(outer.size());
    for (auto [i, p] : llvm::enumerate(perm)) in[p] = outer[i];
    return tensorOf(in, cast<RankedTensorType>(type).getElementType());
  }
  template <typename T>
  SmallVector<T> innerOrder(ArrayRef<T> values, ArrayRef<int64_t> perm) {
    SmallVector<T> result(values.begin(), values.end());
    for (auto [i, p] : llvm::enumerate(perm)) result[p] = values[i];
    return result;
  }

  Operation *moveElementwise(OpBuilder &b, Operation *op, ArrayRef<int64_t> perm) {
    int64_t rank = cast<RankedTensorType>(op->getResult(0).getType()).getRank();
    if (rank != int64_t(perm.size())) return nullptr;
    // Big operands that are not transposed would need a copy: not worth it when they are as big as the rest.
    for (Value v : op->getOperands()) {
      bool constant = v.getDefiningOp<ConstantOp>() != nullptr;
      bool small = !(volume(sizesOf(v.getType())) == volume(sizesOf(op->getResult(0).getType())));
      if (!constant && !small && !backTranspose(v)) return nullptr;
      if (auto t = backTranspose(v); t && t.getPerm() != perm) return nullptr;
    }
    SmallVector<Value> operands;
    for (Value v : op->getOperands()) {
      auto type = cast<RankedTensorType>(v.getType());
      if (type.getRank() == 0) {
        operands.push_back(v);
        continue;
      }
      if (type.getRank() < rank) {  // align on the right before permuting
        Sizes sizes(rank - type.getRank(), SizeExpr(1));
        sizes.append(sizesOf(type));
        v = ReshapeOp::create(b, v.getLoc(), tensorOf(sizes, type.getElementType()), v);
      }
      operands.push_back(inner(b, v, perm));
    }
    return b.create(op->getLoc(), op->getName().getIdentifier(), operands, TypeRange{innerType(op->getResult(0).getType(), perm)}, op->getAttrs());
  }

  Operation *moveConcat(OpBuilder &b, ConcatOp op, ArrayRef<int64_t> perm) {
    for (Value v : op.getXs())
      if (auto t = backTranspose(v); (!t || t.getPerm() != perm) && !v.getDefiningOp<ConstantOp>()) return nullptr;
    SmallVector<Value> operands;
    for (Value v : op.getXs()) operands.push_back(inner(b, v, perm));
    return ConcatOp::create(b, op.getLoc(), operands, perm[op.getAxis()]);
  }

  Operation *movePool(OpBuilder &b, PoolOp op, ArrayRef<int64_t> perm) {
    int64_t rank = perm.size();
    if (op.getChannelsLast() || Perm(perm) != inverse(toChannelsLast(rank))) return nullptr;
    return PoolOp::create(b, op.getLoc(), innerType(op.getY().getType(), perm), op.getKind(), inner(b, op.getX(), perm), op.getKernel(),
                          op.getStrides(), op.getPads(), op.getDilations(), true);
  }

  Operation *moveReduce(OpBuilder &b, ReduceOp op, ArrayRef<int64_t> perm) {
    SmallVector<int64_t> axes;
    for (int64_t axis : op.getAxes()) axes.push_back(perm[axis]);
    llvm::sort(axes);
    return ReduceOp::create(b, op.getLoc(), op.getKind(), inner(b, op.getX(), perm), axes);
  }

  /// Of each dimension of `to` the one of `from` that it is, -1 for one of extent 1 that `from` lacks; nothing when more than such
  /// dimensions differ.
  static std::optional<Perm> matchDims(const Sizes &from, const Sizes &to) {
    Perm result;
    size_t i = 0;
    for (const SizeExpr &size : to) {
      while (i < from.size() && from[i] != size && from[i].isConstant(1)) ++i;
      if (i < from.size() && from[i] == size) result.push_back(i++);
      else if (size.isConstant(1)) result.push_back(-1);
      else return std::nullopt;
    }
    if (!std::all_of(from.begin() + i, from.end(), [](const SizeExpr &s) { return s.isConstant(1); })) return std::nullopt;
    return result;
  }

  /// reshape(transpose(v, perm)) = transpose(reshape'(v), reshapedPerm), when the reshape drops or inserts dimensions of extent 1 only.
  /// The dimensions that stay keep v's order; those that are inserted stand before its last.
  static Perm reshapedPerm(ReshapeOp op, ArrayRef<int64_t> perm) {
    Perm from = *matchDims(sizesOf(op.getX().getType()), sizesOf(op.getY().getType()));
    auto innerPlace = [&](int64_t d) { return from[d] < 0 ? int64_t(perm.size()) - 2 : perm[from[d]]; };
    Perm order = llvm::to_vector(llvm::seq<int64_t>(from.size()));  // outer dimensions as the inner layout has them
    llvm::sort(order, [&](int64_t x, int64_t y) { return std::pair(innerPlace(x), x) < std::pair(innerPlace(y), y); });
    return inverse(order);
  }
  Operation *moveReshape(OpBuilder &b, ReshapeOp op, ArrayRef<int64_t> perm) {
    if (!matchDims(sizesOf(op.getX().getType()), sizesOf(op.getY().getType()))) return nullptr;
    return ReshapeOp::create(b, op.getLoc(), innerType(op.getY().getType(), reshapedPerm(op, perm)), inner(b, op.getX(), perm));
  }

  Operation *moveResize(OpBuilder &b, ResizeOp op, ArrayRef<int64_t> perm) {
    auto scales = innerOrder<double>(op.getScales(), perm);
    return ResizeOp::create(b, op.getLoc(), innerType(op.getY().getType(), perm), inner(b, op.getX(), perm), op.getMode(), op.getCoordinates(),
                            op.getRounding(), scales);
  }

  Operation *moveSlice(OpBuilder &b, SliceOp op, ArrayRef<int64_t> perm) {
    auto starts = innerOrder<Attribute>(op.getStarts().getValue(), perm);
    return SliceOp::create(b, op.getLoc(), innerType(op.getY().getType(), perm), inner(b, op.getX(), perm), b.getArrayAttr(starts),
                           innerOrder<int64_t>(op.getSteps(), perm));
  }

  Operation *movePad(OpBuilder &b, PadOp op, ArrayRef<int64_t> perm) {
    auto low = innerOrder<Attribute>(op.getLow().getValue(), perm);
    return PadOp::create(b, op.getLoc(), innerType(op.getY().getType(), perm), inner(b, op.getX(), perm), op.getValue(), b.getArrayAttr(low),
                         op.getMode());
  }
};

}  // namespace
}  // namespace jinx::passes
