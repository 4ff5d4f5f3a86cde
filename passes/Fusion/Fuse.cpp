// Forming groups.
//
// Operators are visited in order. Each either joins the group that makes one of its operands, or starts a group. A group is one of:
//
//   rows     elementwise operators, data movement, windows, and reductions that share one operand shape and one set of axes
//   matmul   one packed product or convolution, and elementwise operators on its result's shape
//
// An operator o may join group G when all of this holds:
//   R1 holdable   the schedule of G can hold o (kind of operator, shape relative to the group's iteration shape)
//   R2 acyclic    no operand of o depends on G through an operator outside of it
//   R3 results    every value of G that is used outside of G and o has the shape of an iteration result
//   R4 no blow-up a value that o reads several times per element (window, gather, broadcast) is not recomputed: o does not join its maker
//
// Constants with one value, iotas and size tensors cost nothing and are cloned into every group that reads them.
#include "codegen/schedules/Schedules.h"
#include "codegen/schedules/ScalarOps.h"
#include "llvm/ADT/SetVector.h"
#include "mlir/IR/IRMapping.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
#define GEN_PASS_DEF_FUSEOPERATORS
#include "passes/Passes.h.inc"

namespace {

bool isProduct(Operation *op) { return isa<PackedMatmulOp, PackedConvOp>(op); }
bool isRecurrent(Operation *op) { return isa<LstmOp, GruOp>(op); }
bool isFree(Operation *op) {
  if (auto constant = dyn_cast<ConstantOp>(op)) return constant.getValue().isSplat() && schedules::isEmittable(op);
  return false;
}
/// Reads elements of its (first) operand more than once, or in another order than it writes.
bool moves(Operation *op) { return isa<TransposeOp, BroadcastOp, SliceOp, ConcatOp, PadOp, GatherOp, PoolOp, DepthwiseConvOp, ResizeOp, PackOp>(op); }

struct Group {
  SmallVector<Operation *> ops;  // in program order
  Operation *product = nullptr;
  SmallVector<ReduceOp> reduces;
  StringRef schedule;
  bool moving = false;  // holds data movement: a single result, the last operator's
};

class Fuser {
 public:
  Fuser(Block &block, bool enable) : block_(block), enable_(enable) {
    int64_t i = 0;
    for (Operation &op : block) position_[&op] = i++;
  }
  int64_t fused = 0, refused = 0;

  void run() {
    for (Operation &op : block_) visit(&op);
  }
  std::vector<std::unique_ptr<Group>> &groups() { return groups_; }

 private:
  void visit(Operation *op) {
    if (isFree(op)) return;
    bool product = isProduct(op);
    if (isRecurrent(op)) return start(op, "recurrent");
    if (!product && (!schedules::isEmittable(op) || isa<ReshapeOp, ConstantOp>(op))) return;
    if (op->getNumResults() == 1 && !op->getResult(0).use_empty() && enable_ && !product) {
      SmallVector<Group *> candidates;
      for (Value v : op->getOperands())
        if (Group *g = groupOf(v); g && !llvm::is_contained(candidates, g)) candidates.push_back(g);
      // A product's group first: its result is the one that must not travel through memory.
      if (auto it = llvm::find_if(candidates, [](Group *g) { return g->product; }); it != candidates.end())
        std::swap(*it, candidates.front());
      for (Group *g : candidates) {
        if (!canJoin(op, *g)) {
          ++refused;
          continue;
        }
        join(op, *g);
        for (Group *other : candidates)
          if (other != g && canMerge(*other, *g, op)) merge(*other, *g);
        ++fused;
        return;
      }
    }
    start(op, product ? "matmul" : "rows");
  }

  void start(Operation *op, StringRef schedule) {
    auto group = std::make_unique<Group>();
    group->ops.push_back(op);
    group->schedule = schedule;
    if (isProduct(op)) group->product = op;
    if (auto reduce = dyn_cast<ReduceOp>(op)) group->reduces.push_back(reduce);
    group->moving = moves(op);
    of_[op] = group.get();
    groups_.push_back(std::move(group));
  }

  Group *groupOf(Value v) {
    Operation *def = v.getDefiningOp();
    return def ? of_.lookup(def) : nullptr;
  }

  // ---- rules --------------------------------------------------------------------------------------------------------------------
  bool canJoin(Operation *op, Group &g) { return holds(op, g) && acyclic(op, g) && resultsFit(op, g); }

  static Sizes sizes(Value v) { return sizesOf(v.getType()); }

  /// R1 and R4.
  bool holds(Operation *op, Group &g) {
    if (g.schedule == "recurrent") return false;
    bool elementwise = schedules::isElementwiseSupported(op);
    Sizes shape = sizes(op->getResult(0));
    if (g.product) {
      if (!elementwise || shape != sizes(g.product->getResult(0))) return false;
      // Operands from the group must have the full shape.
      return llvm::all_of(op->getOperands(), [&](Value v) { return groupOf(v) != &g || sizes(v) == shape; });
    }
    if (g.reduces.empty()) {
      if (auto reduce = dyn_cast<ReduceOp>(op)) return !g.moving && sizes(reduce.getX()) == sizes(last(g)) && sameShapeGroup(g);
      if (elementwise) {
        // Recomputing a broadcast operand per element would blow up its cost.
        return llvm::all_of(op->getOperands(), [&](Value v) { return groupOf(v) != &g || sizes(v) == shape; });
      }
      // Pure re-indexing of a chain that nobody else wants.
      return isa<TransposeOp, SliceOp>(op) && !g.moving && sizes(last(g)) != shape;
    }
    // A group with reductions: full or reduced shape.
    Sizes full = sizes(g.reduces[0].getX()), reduced = sizes(g.reduces[0].getY());
    if (auto reduce = dyn_cast<ReduceOp>(op)) return sizes(reduce.getX()) == full && reduce.getAxes() == g.reduces[0].getAxes();
    return elementwise && (shape == full || shape == reduced);
  }
  Value last(Group &g) { return g.ops.back()->getResult(0); }
  bool sameShapeGroup(Group &g) {
    return llvm::all_of(g.ops, [&](Operation *o) { return sizes(o->getResult(0)) == sizes(last(g)); });
  }

  /// R2: walks up from the operands that the group does not make, through operators later than the group's first.
  bool acyclic(Operation *op, Group &g) {
    int64_t first = position_[g.ops.front()];
    SmallVector<Operation *> work;
    llvm::SmallPtrSet<Operation *, 16> seen;
    auto push = [&](Operation *o) {
      if (o && o->getBlock() == &block_ && position_[o] > first && seen.insert(o).second) work.push_back(o);
    };
    for (Value v : op->getOperands())
      if (groupOf(v) != &g) push(v.getDefiningOp());
    while (!work.empty()) {
      Operation *o = work.pop_back_val();
      Group *og = of_.lookup(o);
      if (og == &g) return false;
      // A group runs as one: what any of its members needs, it needs.
      if (og) {
        for (Operation *member : og->ops)
          for (Value v : operandsOf(member))
            if (groupOf(v) == &g) return false; else push(v.getDefiningOp());
      }
      for (Value v : operandsOf(o)) {
        if (groupOf(v) == &g) return false;
        push(v.getDefiningOp());
      }
    }
    return true;
  }
  /// Operands, including values that regions use from outside.
  static SmallVector<Value> operandsOf(Operation *op) {
    SmallVector<Value> values(op->getOperands());
    for (Region &region : op->getRegions())
      region.walk([&](Operation *inner) { llvm::append_range(values, inner->getOperands()); });
    return values;
  }

  /// R3.
  bool resultsFit(Operation *op, Group &g) {
    Sizes shape = sizes(op->getResult(0));
    bool fullSpace = !g.reduces.empty() || isa<ReduceOp>(op);
    for (Operation *member : g.ops) {
      bool escapes = llvm::any_of(member->getUsers(), [&](Operation *user) { return user != op && of_.lookup(topLevel(user)) != &g; });
      if (!escapes) continue;
      if (isa<TransposeOp, SliceOp>(op)) return false;
      if (!fullSpace && sizes(member->getResult(0)) != shape) return false;
    }
    return true;
  }
  Operation *topLevel(Operation *op) {
    while (op && op->getBlock() != &block_) op = op->getParentOp();
    return op;
  }

  void join(Operation *op, Group &g) {
    g.ops.push_back(op);
    if (auto reduce = dyn_cast<ReduceOp>(op)) g.reduces.push_back(reduce);
    g.moving |= moves(op);
    of_[op] = &g;
  }

  /// A map group that only feeds `op`, of op's shape, may come along; its values are evaluated where op needs them.
  bool canMerge(Group &other, Group &g, Operation *op) {
    if (other.product || other.schedule != "rows" || !other.reduces.empty() || other.moving) return false;
    Sizes shape = sizes(op->getResult(0));
    for (Operation *member : other.ops) {
      if (sizes(member->getResult(0)) != shape || !schedules::isElementwiseSupported(member)) return false;
      for (Operation *user : member->getUsers())
        if (user != op && of_.lookup(topLevel(user)) != &other) return false;
    }
    // Nothing that g needs may come after, and g must not feed other (else there would be a cycle through other).
    for (Operation *member : other.ops)
      if (!acyclic(member, g)) return false;
    return llvm::none_of(other.ops, [&](Operation *m) { return llvm::any_of(m->getOperands(), [&](Value v) { return groupOf(v) == &g; }); });
  }
  void merge(Group &other, Group &g) {
    for (Operation *member : other.ops) {
      of_[member] = &g;
      g.ops.push_back(member);
    }
    llvm::sort(g.ops, [&](Operation *a, Operation *b) { return position_[a] < position_[b]; });
    other.ops.clear();
  }

  Block &block_;
  bool enable_;
  llvm::DenseMap<Operation *, int64_t> position_;
  llvm::DenseMap<Operation *, Group *> of_;
  std::vector<std::unique_ptr<Group>> groups_;
};

struct FuseOperatorsPass : impl::FuseOperatorsBase<FuseOperatorsPass> {
  using FuseOperatorsBase::FuseOperatorsBase;

  void runOnOperation() override {
    SmallVector<Block *> blocks;
    getOperation().walk([&](Block *block) {
      if (!isa<GroupOp>(block->getParentOp())) blocks.push_back(block);
    });
    for (Block *block : blocks) {
      Fuser fuser(*block, enable);
      fuser.run();
      numFused += fuser.fused;
      numRefused += fuser.refused;
      for (auto &group : fuser.groups())
        if (!group->ops.empty()) outline(*group);
    }
    // Outlining puts a group where its last member stood; what only depends on earlier members may stand before it already.
    for (Block *block : blocks) sortTopologically(block);
  }

  void outline(Group &group) {
    llvm::SmallPtrSet<Operation *, 16> members(group.ops.begin(), group.ops.end());
    llvm::SetVector<Value> inputs, outputs;
    SmallVector<Operation *> clones;  // free operators, computed inside
    for (Operation *op : group.ops) {
      for (Value v : op->getOperands()) {
        Operation *def = v.getDefiningOp();
        if (def && members.contains(def)) continue;
        if (def && isFree(def)) {
          if (!llvm::is_contained(clones, def)) clones.push_back(def);
          continue;
        }
        inputs.insert(v);
      }
      for (Value v : op->getResults())
        if (llvm::any_of(v.getUsers(), [&](Operation *user) { return !members.contains(user); })) outputs.insert(v);
    }
    if (outputs.empty()) return;  // dead code
    Operation *lastOp = group.ops.back();
    OpBuilder b(lastOp);
    SmallVector<Location> locations;
    SmallVector<Type> types;
    for (Operation *op : group.ops) locations.push_back(op->getLoc());
    for (Value v : outputs) types.push_back(v.getType());
    auto outlined = GroupOp::create(b, FusedLoc::get(b.getContext(), locations), types, inputs.getArrayRef(), group.schedule);
    Block *body = b.createBlock(&outlined.getBody());
    IRMapping mapping;
    for (Value v : inputs) mapping.map(v, body->addArgument(v.getType(), v.getLoc()));
    b.setInsertionPointToStart(body);
    for (Operation *op : clones) b.clone(*op, mapping);
    for (Operation *op : group.ops) b.clone(*op, mapping);
    SmallVector<Value> yields;
    for (Value v : outputs) yields.push_back(mapping.lookup(v));
    YieldOp::create(b, outlined.getLoc(), yields);
    for (auto [i, result] : llvm::enumerate(outlined.getResults())) Value(outputs[i]).replaceAllUsesWith(result);
    for (Operation *op : llvm::reverse(group.ops)) op->erase();
    ++numGroups;
  }

  static void sortTopologically(Block *block) {
    llvm::SmallPtrSet<Operation *, 32> placed;
    SmallVector<Operation *> ops;
    for (Operation &op : block->without_terminator()) ops.push_back(&op);
    Operation *terminator = block->mightHaveTerminator() ? block->getTerminator() : nullptr;
    std::function<void(Operation *)> place = [&](Operation *op) {
      if (!placed.insert(op).second) return;
      auto need = [&](Value v) {
        Operation *def = v.getDefiningOp();
        while (def && def->getBlock() != block) def = def->getParentOp();
        if (def && def != op) place(def);
      };
      for (Value v : op->getOperands()) need(v);
      for (Region &region : op->getRegions())
        region.walk([&](Operation *inner) {
          for (Value v : inner->getOperands()) need(v);
        });
      terminator ? op->moveBefore(terminator) : op->moveBefore(block, block->end());
    };
    for (Operation *op : ops) place(op);
  }
};

}  // namespace
}  // namespace jinx::passes
