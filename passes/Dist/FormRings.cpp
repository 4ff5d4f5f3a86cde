// Attention over tokens that are split: keys and values pass round a ring of ranks, where they would be gathered (Liu, Zaharia & Abbeel 2023, Ring Attention).
//
// Where an axis splits the rows of queries, every rank needs all keys and values, and placement gathers them:
//
//   %kall = dist.all_gather %k dim 0 over ["cp"]               %kall and %vall are whole on every rank
//   %vall = dist.all_gather %v dim 0 over ["cp"]
//   %y = softmax(%q %kall + %mask) %vall
//
// On 3 ranks that becomes
//
//   %k1 = start permute %k, %v1 = start permute %v             from the rank in front: [2, 0, 1]
//   %s0 = step(%q, %k, %v, columns of %mask)                   beside them: the rank's own keys
//   wait for both
//   %k2 = start permute %k1, …                                 the keys of the rank two places in front
//   %s1 = join(%s0, step(%q, %k1, %v1, …))
//   wait for both
//   %y = join(%s1, step(%q, %k2, %v2, …))
//
// (RingSteps.h: steps, joins, masks.) As many bytes on the wire as the gathers; a rank has two blocks of keys at a time, the one that it reads and the one that comes. Starts and waits are written
// here, and not left to jinx-overlap-collectives, which would start all permutes as early as it can, and so have all keys on a rank at once.
//
// What goes round is what has the fewest bytes of what keys are made of by views: one head, where several heads of queries share it (%k is a broadcast of it). Views of it are made where it is read.
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/FormatVariadic.h"
#include "passes/Dist/DistPasses.h"
#include "passes/Dist/MeshCosts.h"
#include "passes/Dist/RingSteps.h"
#include "passes/Dist/ValueNames.h"

using namespace mlir;
using namespace jinx::dist;

namespace jinx::passes {
#define GEN_PASS_DEF_FORMRINGS
#include "passes/Dist/DistPasses.h.inc"

namespace {

using graph::sizesOf;

constexpr StringLiteral kPass = "jinx-form-rings";

/// The right operand of a product that is gathered in front of it.
struct Gathered {
  AllGatherOp gather;
  graph::SliceOp cut;  ///< of what was filled up; null where nothing was
  int64_t dim = -1;
  Value part() { return gather.getX(); }
  Value whole() { return cut ? cut.getY() : gather.getY(); }
};

std::optional<Gathered> gatheredAlong(Value value, int64_t dim) {
  Gathered found{.dim = dim};
  found.cut = value.getDefiningOp<graph::SliceOp>();
  found.gather = (found.cut ? found.cut.getX() : value).getDefiningOp<AllGatherOp>();
  if (!found.gather || int64_t(found.gather.getDim()) != dim || isa<PendingType>(found.gather.getY().getType())) return std::nullopt;
  if (!found.cut) return found;
  graph::Sizes before = sizesOf(found.cut.getX().getType()), after = sizesOf(value.getType());
  before[dim] = after[dim];
  const bool cutsTheEnd = before == after && llvm::all_of(found.cut.getSteps(), [](int64_t step) { return step == 1; }) &&
                          llvm::all_of(found.cut.getStarts().getAsValueRange<StringAttr>(), [](StringRef start) { return start == "0"; });
  return cutsTheEnd ? std::optional(found) : std::nullopt;
}
int64_t keyDim(graph::MatmulOp scores) {
  const int64_t rank = cast<RankedTensorType>(scores.getB().getType()).getRank();
  return scores.getTransposeB() ? rank - 2 : rank - 1;
}
int64_t valueDim(graph::MatmulOp context) {
  const int64_t rank = cast<RankedTensorType>(context.getB().getType()).getRank();
  return context.getTransposeB() ? rank - 1 : rank - 2;
}

/// The operand of an operator that moves, repeats, casts or scales it by one number. Null for other operators.
OpOperand *viewedBy(Operation *op) {
  if (isa<graph::BroadcastOp, graph::ReshapeOp, graph::TransposeOp>(op)) return &op->getOpOperand(0);
  OpOperand *viewed = nullptr;
  for (OpOperand &operand : op->getOpOperands()) {
    if (graph::volume(sizesOf(operand.get().getType())).isConstant(1)) continue;
    if (viewed) return nullptr;
    viewed = &operand;
  }
  return op->hasTrait<graph::Elementwise>() ? viewed : nullptr;
}

/// What goes round, and how a rank's part is made of it.
struct Carried {
  Value value;
  SmallVector<OpOperand *> views;  ///< in program order
};

/// Operators that are made belong to the stage and the microbatch of the attention, and not to those of what they are copies of.
struct Marker : OpBuilder::Listener {
  void notifyOperationInserted(Operation *op, OpBuilder::InsertPoint) override {
    made.push_back(op);
    for (StringRef name : {kStage, kPiece})
      if (Attribute mark = like->getAttr(name)) op->setAttr(name, mark);
      else op->removeAttr(name);
  }
  Operation *like = nullptr;
  SmallVector<Operation *> made;
};

class RingFormer {
 public:
  RingFormer(func::FuncOp function, MeshOp mesh, MeshCosts costs, bool gathers)
      : body_(function.getBody().front()), mesh_(mesh), costs_(std::move(costs)), work_(mesh, {}, MeshCosts::symbol()), builder_(function.getContext(), &marker_), own_(builder_, mesh), steps_(own_),
        gathers_(gathers) {}

  void run() {
    for (graph::MatmulOp product : llvm::to_vector(body_.getOps<graph::MatmulOp>())) visit(product);
    eraseReplaced();
  }
  int64_t numRings = 0, numGathered = 0;

 private:
  /// A product of weights and values that were gathered.
  void visit(graph::MatmulOp context) {
    auto values = gatheredAlong(context.getB(), valueDim(context));
    if (!values || ranksOf(llvm::to_vector(values->gather.getAxes().getAsRange<StringAttr>()), mesh_) == 1) return;
    std::string why;
    auto attention = softmaxAttention(context, [](graph::MatmulOp scores) { return gatheredAlong(scores.getB(), keyDim(scores)).has_value(); }, why);
    if (!attention && why.empty()) return;  // a product like any other
    if (attention) {
      Gathered keys = *gatheredAlong(attention->scores.getB(), keyDim(attention->scores));
      why = whyNot(*attention, keys, *values);
      if (why.empty()) return write(*attention, keys, *values);
    }
    ++numGathered;
    say(missed(context, kPass, "Gathered"), [&] { return "its keys and values are gathered: " + why; });
  }

  std::string whyNot(const SoftmaxAttention &attention, Gathered keys, Gathered values) {
    if (gathers_) return "so it was asked";
    if (keys.gather.getAxes() != values.gather.getAxes()) return "keys are split by other axes than values";
    Value queries = attention.scores->getOperand(0);
    for (StringAttr axis : keys.gather.getAxes().getAsRange<StringAttr>())
      if (stateOf(queries.getType(), axis).kind != StateKind::varying) return "its queries are the same along " + axis.str();
    if (sizesOf(keys.whole().getType())[keys.dim] != sizesOf(values.whole().getType())[values.dim] || sizesOf(keys.part().getType())[keys.dim] != sizesOf(values.part().getType())[values.dim])
      return "its keys are not as many as its values";
    graph::Sizes rows = sizesOf(attention.max->getResult(0).getType()), result = sizesOf(attention.context->getResult(0).getType());
    if (rows.size() != result.size() && graph::volume(ArrayRef(rows).drop_back(2)) != graph::volume(ArrayRef(result).drop_back(2))) return "its values have more matrices than its scores";
    for (Gathered *gathered : {&keys, &values}) {
      for (Operation *user : gathered->whole().getUsers())
        if (user != attention.scores && user != attention.context) return kindOf(user) + " needs all of them, too";
      if (gathered->cut && !gathered->gather.getY().hasOneUse()) return "they are needed filled up, too";
    }
    return "";
  }

  // ---- what goes round ----

  Carried carriedOf(Value part, ArrayAttr axes) {
    auto varies = [&](Value value) {
      return llvm::all_of(axes.getAsRange<StringAttr>(), [&](StringAttr axis) { return stateOf(value.getType(), axis).kind == StateKind::varying; });
    };
    auto isSame = [&](Value value) {
      return llvm::all_of(axes.getAsRange<StringAttr>(), [&](StringAttr axis) { return stateOf(value.getType(), axis).kind != StateKind::varying; });
    };
    Carried least{part, {}};
    SmallVector<OpOperand *> views;
    for (Value value = part; Operation *op = value.getDefiningOp();) {
      OpOperand *viewed = viewedBy(op);
      if (!viewed || !varies(viewed->get()) || !llvm::all_of(op->getOperands(), [&](Value operand) { return operand == viewed->get() || isSame(operand); })) break;
      views.insert(views.begin(), viewed);
      value = viewed->get();
      if (work_.bytesOf(value) < work_.bytesOf(least.value)) least = {value, views};
    }
    return least;
  }
  Value start(Location loc, Value value, const RingKeys &ring) {
    SmallVector<int64_t> before = llvm::map_to_vector(llvm::seq<int64_t>(ring.ranks), [&](int64_t rank) { return (rank + ring.ranks - 1) % ring.ranks; });
    return PermuteOp::create(builder_, loc, PendingType::get(value.getContext(), cast<RankedTensorType>(value.getType())), value, before, ring.over);
  }
  Value wait(Location loc, Value pending) { return WaitOp::create(builder_, loc, cast<PendingType>(pending.getType()).getValue(), pending); }
  Value madeOf(const Carried &carried, Value value) {
    for (OpOperand *view : carried.views) {
      Operation *copy = builder_.clone(*view->getOwner());
      copy->setOperand(view->getOperandNumber(), value);
      value = copy->getResult(0);
    }
    return value;
  }

  // ---- the ring ----

  void write(const SoftmaxAttention &attention, Gathered keys, Gathered values) {
    graph::MatmulOp context = attention.context;
    RingKeys ring{.over = keys.gather.getAxes(), .valueDim = values.dim};
    ring.ranks = ranksOf(llvm::to_vector(ring.over.getAsRange<StringAttr>()), mesh_);
    ring.own = sizesOf(keys.part().getType())[keys.dim];
    ring.whole = sizesOf(keys.whole().getType())[keys.dim];
    builder_.setInsertionPoint(context);
    marker_.like = context;
    const Carried k = carriedOf(keys.part(), ring.over), v = carriedOf(values.part(), ring.over);
    Value hereK = k.value, hereV = v.value, partK = keys.part(), partV = values.part();
    RingState all;
    double stepSeconds = 0;
    for (int64_t i = 0; i < ring.ranks; ++i) {
      const bool isLast = i + 1 == ring.ranks;
      Value nextK = isLast ? Value() : start(keys.gather.getLoc(), hereK, ring);
      Value nextV = isLast ? Value() : hereV == hereK ? nextK : start(values.gather.getLoc(), hereV, ring);
      marker_.made.clear();
      const RingState made = steps_.take(attention, ring, i, partK, partV);
      all = i == 0 ? made : steps_.join(context.getLoc(), all, made, isLast);
      stepSeconds = std::max(stepSeconds, secondsOfMade());
      if (isLast) break;
      const bool isOne = nextV == nextK;
      hereK = wait(keys.gather.getLoc(), nextK);
      hereV = isOne ? hereK : wait(values.gather.getLoc(), nextV);
      partK = madeOf(k, hereK);
      partV = madeOf(v, hereV);
    }
    ++numRings;
    sayRing(attention, keys, values, k, v, ring, stepSeconds);
    context.getY().replaceAllUsesWith(steps_.finish(attention, all));
    // They are erased at the end: columns of masks are found by the values that they are of.
    llvm::append_range(replaced_, llvm::reverse(attention.operators()));
    for (Gathered gathered : {keys, values}) {
      if (gathered.cut) replaced_.push_back(gathered.cut);
      replaced_.push_back(gathered.gather);
    }
  }
  double secondsOfMade() {
    double seconds = 0;
    for (Operation *op : marker_.made)
      if (!work_.isOfConstants(op)) seconds += costs_.secondsOf(work_.workOf(op));
    return seconds;
  }

  void sayRing(const SoftmaxAttention &attention, Gathered keys, Gathered values, const Carried &k, const Carried &v, const RingKeys &ring, double stepSeconds) {
    graph::MatmulOp context = attention.context;
    say(passed(context, kPass, "Ring"), [&] {
      const bool isOne = k.value == v.value;
      const double block = work_.bytesOf(k.value) + (isOne ? 0 : work_.bytesOf(v.value));
      double seconds = 0;
      for (Value value : {k.value, isOne ? Value() : v.value})
        if (value) seconds += costs_.secondsOf(WireCall{comm::Op::kPermute, ring.ranks, strideOf(llvm::to_vector(ring.over.getAsRange<StringAttr>()), mesh_), work_.bytesOf(value)});
      const double gathered = work_.bytesOf(keys.whole()) + (keys.gather == values.gather ? 0 : work_.bytesOf(values.whole()));
      return llvm::formatv("its keys and values go round {0} ranks in {1} step{2}: {3:f0} bytes of them are on a rank at a time, {4:f0} where they are gathered; a step of {5:f1} us has {6:f1} us on the wire beside it",
                           ring.ranks, ring.ranks - 1, ring.ranks > 2 ? "s" : "", 2 * block, gathered, stepSeconds * 1e6, seconds * 1e6)
          .str();
    });
  }

  /// And what only they have read.
  void eraseReplaced() {
    llvm::SetVector<Operation *> dead(replaced_.begin(), replaced_.end());
    for (size_t i = 0; i < dead.size(); ++i) {
      SmallVector<Operation *> read;
      for (Value operand : dead[i]->getOperands())
        if (Operation *def = operand.getDefiningOp()) read.push_back(def);
      dead[i]->dropAllReferences();
      for (Operation *def : read)
        if (def->use_empty() && isPure(def)) dead.insert(def);
    }
    for (Operation *op : dead) op->erase();
  }

  Block &body_;
  MeshOp mesh_;
  MeshCosts costs_;
  OperatorWork work_;
  Marker marker_;
  OpBuilder builder_;
  OwnBuilder own_;
  RingSteps steps_;
  SmallVector<Operation *> replaced_;  ///< readers in front of what they read
  bool gathers_;
};

struct FormRings : impl::FormRingsBase<FormRings> {
  using FormRingsBase::FormRingsBase;
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    MeshOp mesh = meshOf(function, kOwn);
    if (!mesh || function.isExternal()) return;
    auto fail = [&](const Twine &message) {
      function.emitError(message);
      signalPassFailure();
    };
    if (keys != "ring" && keys != "gather") return fail("keys is \"" + keys + "\", expected ring or gather");
    auto costs = costsOf(function, network);
    if (failed(costs)) return signalPassFailure();
    RingFormer former(function, mesh, *costs, keys == "gather");
    former.run();
    numRings += former.numRings;
    numGathered += former.numGathered;
  }
};

}  // namespace
}  // namespace jinx::passes
