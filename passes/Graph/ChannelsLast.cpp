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
#include "passes/Graph/ReshapeBlocks.h"
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
  using ChannelsLastBase::ChannelsLastBase;

  void runOnOperation() override {
    SmallVector<ConvOp> convs;
    getOperation().walk([&](ConvOp op) {
      int64_t rank = cast<RankedTensorType>(op.getX().getType()).getRank();
      Type element = cast<RankedTensorType>(op.getX().getType()).getElementType();
      bool isTaken = element.isF32() || element.isUnsignedInteger(8) || element.isSignlessInteger(32) || (halves && (element.isF16() || element.isBF16()));
      if (op.getChannelsLast()) return;
      if (isTaken && (rank == 3 || rank == 4)) return convs.push_back(op);
      say(missed(op, kArgument, "Kept"), [&] {
        return isTaken ? "conv: " + std::to_string(rank - 2) + " spatial dimensions, expected 1 or 2" : std::string("conv: elements are not f32, ui8 or i32");
      });
    });
    for (ConvOp op : convs) wrap(op);
    if (convs.empty()) return;
    equal_ = EqualSizes(getOperation()->getParentOfType<ModuleOp>());
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
    if (auto transpose = dyn_cast<TransposeOp>(op)) return join(transpose);
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
    Value result = TransposeOp::create(b, op->getLoc(), moved->getResult(0), perm);
    op->getResult(0).replaceAllUsesWith(result);
    say(passed(op, kArgument, "TransposeMoved"), [&] { return "below " + kindOf(op); });
    op->erase();
    ++numMoved;
  }

  /// One transpose for two in a row, so that what follows sees where the data lie.
  void join(TransposeOp op) {
    auto above = op.getX().getDefiningOp<TransposeOp>();
    if (!above) return;
    Perm perm;
    for (int64_t p : op.getPerm()) perm.push_back(above.getPerm()[p]);
    OpBuilder b(op);
    op.getY().replaceAllUsesWith(TransposeOp::create(b, op.getLoc(), above.getX(), perm).getY());
    op.erase();
  }

  /// Why the transpose stays above `op`: the first operand or property that is in the way.
  static std::string whyNot(Operation *op, ArrayRef<int64_t> perm) {
    if (auto pool = dyn_cast<PoolOp>(op)) return pool.getChannelsLast() ? "it is channels-last already" : "the transpose is not one to channels second";
    if (isa<ReshapeOp>(op)) return "it joins dimensions that are apart above the transpose, or none that are known to match";
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

  /// reshape(transpose(v, perm)) = transpose(view(v'), order), v' being v or a transpose of it. Blocks of the reshape (ReshapeBlocks.h) keep
  /// v's order. Where v has a block's dimensions apart, v' brings them together, if v's innermost run stays innermost:
  ///
  ///   v [n, h, w, kh, kw, c] seen as [n, c, h, kh, w, kw] -> [n, c, h*kh, w*kw]    v' [n, h, kh, w, kw, c], view [n, h*kh, w*kw, c]
  struct MovedReshape {
    Perm gather;  ///< v' = transpose(v, gather)
    Sizes view;   ///< its shape after the reshape
    Perm order;   ///< the result's dimension i is the view's order[i]
  };
  std::optional<MovedReshape> planReshape(ReshapeOp op, ArrayRef<int64_t> perm) const {
    Sizes from = sizesOf(op.getX().getType()), to = sizesOf(op.getY().getType());
    auto blocks = reshapeBlocks(from, to, equal_);
    if (!blocks || from.size() != perm.size()) return std::nullopt;
    const int64_t rank = perm.size();
    // Where v has a block: its first dimension that is not 1, or its first.
    auto place = [&](const ReshapeBlock &block) {
      int64_t first = rank;
      for (int64_t d = block.from; d < block.fromEnd; ++d)
        if (!from[d].isConstant(1)) first = std::min(first, perm[d]);
      return first == rank && block.from < rank ? perm[block.from] : first;
    };
    llvm::sort(*blocks, [&](const ReshapeBlock &a, const ReshapeBlock &b) { return std::pair(place(a), a.to) < std::pair(place(b), b.to); });
    MovedReshape moved;
    moved.order.resize(to.size());
    for (const ReshapeBlock &block : *blocks) {
      for (int64_t d = block.from; d < block.fromEnd; ++d) moved.gather.push_back(perm[d]);
      for (int64_t d = block.to; d < block.toEnd; ++d) {
        moved.order[d] = moved.view.size();
        moved.view.push_back(to[d]);
      }
    }
    // v's dimensions that are not 1, as v' has them: in order, or at least with the innermost still innermost.
    SmallVector<int64_t> real;
    const Perm outerOf = inverse(perm);
    for (int64_t d : moved.gather)
      if (!from[outerOf[d]].isConstant(1)) real.push_back(d);
    if (!llvm::is_sorted(real) && real.back() != *llvm::max_element(real)) return std::nullopt;
    return moved;
  }
  /// \param perm  of the transpose above; becomes that of the one below
  Operation *moveReshape(OpBuilder &b, ReshapeOp op, Perm &perm) {
    auto plan = planReshape(op, perm);
    if (!plan) return nullptr;
    Value v = inner(b, op.getX(), perm);
    perm = plan->order;
    if (!llvm::is_sorted(plan->gather)) v = TransposeOp::create(b, op.getLoc(), v, plan->gather);
    return ReshapeOp::create(b, op.getLoc(), tensorOf(plan->view, cast<RankedTensorType>(op.getY().getType()).getElementType()), v);
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

  EqualSizes equal_;
};

}  // namespace
}  // namespace jinx::passes
