// Forming groups of operators that one kernel computes. Three files answer the questions on the way:
//
//   Legality.h     can one kernel compute these?
//   CostModel.h    how long does it take?
//   FusionHeap.h   which groups merge, in which order?
//
// What is left here: to take groups that are there already as a start, to run that on every block, to say why, and to outline each group into a `jinx.group`:
//
//   %e = jinx.exp %x                        %y = jinx.group "rows"(%x) {
//   %y = jinx.add %e, %x            ->        %e = jinx.exp %a   %s = jinx.add %e, %a   jinx.yield %s
//                                           }
#include "ir/Dist/Dist.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/FormatVariadic.h"
#include "mlir/IR/IRMapping.h"
#include "passes/Fusion/FusionHeap.h"
#include "passes/Fusion/Legality.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
#define GEN_PASS_DEF_FUSEOPERATORS
#include "passes/Passes.h.inc"

namespace {

constexpr StringRef kArgument = "jinx-fuse";

/// "conv1" of the operator's location, "" when it has none.
StringRef nodeName(Operation *op) {
  StringRef name;
  op->getLoc()->walk([&](Location inner) {
    auto named = dyn_cast<NameLoc>(inner);
    if (named) name = named.getName();
    return named ? WalkResult::interrupt() : WalkResult::advance();
  });
  return name;
}
std::string described(Operation *op) {
  std::string text = kindOf(op);
  if (StringRef name = nodeName(op); !name.empty()) text += (" (" + name + ")").str();
  return text;
}

struct FuseOperatorsPass : impl::FuseOperatorsBase<FuseOperatorsPass> {
  using FuseOperatorsBase::FuseOperatorsBase;

  void runOnOperation() override {
    if (target != "cpu" && target != "cuda") {
      getOperation().emitError("unknown target '") << target << "', expected cpu or cuda";
      return signalPassFailure();
    }
    Machine machine = target == "cuda" ? Machine::gpu() : Machine::cpu(vectorBytes);
    SmallVector<Block *> blocks;
    getOperation().walk([&](Block *block) {
      if (!isa<GroupOp>(block->getParentOp())) blocks.push_back(block);
    });
    for (Block *block : blocks) {
      // The CUDA schedule takes its groups whole, and nothing more.
      FusionHeap heap(*block, machine, enable, target == "cuda" ? std::vector<SmallVector<Operation *>>() : takeApart(*block));
      heap.run();
      for (const Decision &decision : heap.decisions) tell(decision);
      outlineAll(heap);
    }
    // Outlining puts a group where its last member stood; what only depends on earlier members may stand before it already.
    for (Block *block : blocks) sortTopologically(block);
  }

  /// Puts the operators of groups back into the block; gives those of each.
  static std::vector<SmallVector<Operation *>> takeApart(Block &block) {
    std::vector<SmallVector<Operation *>> seeds;
    for (GroupOp group : llvm::make_early_inc_range(block.getOps<GroupOp>())) {
      Block &body = group.getBody().front();
      for (auto [arg, input] : llvm::zip(body.getArguments(), group.getInputs())) arg.replaceAllUsesWith(input);
      group->replaceAllUsesWith(body.getTerminator()->getOperands());
      auto &seed = seeds.emplace_back();
      for (Operation &op : body.without_terminator()) seed.push_back(&op);
      block.getOperations().splice(group->getIterator(), body.getOperations(), body.begin(), std::prev(body.end()));
      group.erase();
    }
    return seeds;
  }

  void tell(const Decision &d) {
    auto both = [&](const char *verb) { return described(d.producer) + verb + described(d.consumer); };
    auto withFigure = [&](InFlightRemark r, auto text) {
      if (r) r << StringRef(text()) << remark::metric("saved_us", llvm::formatv("{0:f2}", d.savedUs).str());
    };
    switch (d.kind) {
      case Decision::Kind::kJoined:
        ++numFused;
        return withFigure(passed(d.producer, kArgument, "Joined"), [&] { return both(" joins the kernel of "); });
      case Decision::Kind::kCloned:
        ++numCloned;
        return withFigure(passed(d.producer, kArgument, "Cloned"), [&] { return both(" is computed anew in the kernel of "); });
      case Decision::Kind::kIllegal:
        ++numRefused;
        return say(missed(d.producer, kArgument, "Refused"), [&] { return both(" and ") + " stay apart: " + d.why; });
      case Decision::Kind::kNotWorthwhile:
        ++numNotWorthwhile;
        return withFigure(missed(d.producer, kArgument, "NotWorthwhile"), [&] { return both(" and ") + " stay apart: " + d.why; });
    }
  }

  /// Groups are copied out first and erased last: a cloned operator is in several.
  void outlineAll(FusionHeap &heap) {
    std::vector<FusionGroup *> groups = heap.groups();
    SmallVector<SmallVector<Value>> results;
    for (FusionGroup *group : groups) results.push_back(heap.results(*group));
    llvm::SetVector<Operation *> members;
    for (auto [group, values] : llvm::zip(groups, results)) {
      if (values.empty()) continue;  // dead code
      outline(*group, values);
      members.insert(group->members.begin(), group->members.end());
    }
    SmallVector<Operation *> dead(members.takeVector());
    for (Operation *op : dead) op->dropAllReferences();
    for (Operation *op : dead) op->erase();
  }

  void outline(const FusionGroup &group, ArrayRef<Value> outputs) {
    llvm::SmallPtrSet<Operation *, 16> members(group.members.begin(), group.members.end());
    llvm::SetVector<Value> inputs;
    SmallVector<Operation *> clones;  // free operators, computed inside
    for (Operation *op : group.members)
      for (Value v : op->getOperands()) {
        Operation *def = v.getDefiningOp();
        if (def && members.contains(def)) continue;
        if (def && isFree(def) && !readsBuffers(op)) {
          if (!llvm::is_contained(clones, def)) clones.push_back(def);
          continue;
        }
        inputs.insert(v);
      }
    OpBuilder b(group.members.back());
    SmallVector<Location> locations;
    SmallVector<Type> types;
    for (Operation *op : group.members) locations.push_back(op->getLoc());
    for (Value v : outputs) types.push_back(v.getType());
    Shapes shapes;
    StringRef schedule = canShareKernel(shapes, group.members, outputs).schedule;
    auto outlined = GroupOp::create(b, FusedLoc::get(b.getContext(), locations), types, inputs.getArrayRef(), schedule);
    Block *body = b.createBlock(&outlined.getBody());
    IRMapping mapping;
    for (Value v : inputs) mapping.map(v, body->addArgument(v.getType(), v.getLoc()));
    b.setInsertionPointToStart(body);
    for (Operation *op : clones) b.clone(*op, mapping);
    for (Operation *op : group.members) b.clone(*op, mapping);
    SmallVector<Value> yields;
    for (Value v : outputs) yields.push_back(mapping.lookup(v));
    YieldOp::create(b, outlined.getLoc(), yields);
    for (auto [i, result] : llvm::enumerate(outlined.getResults()))
      Value(outputs[i]).replaceUsesWithIf(result, [&](OpOperand &use) { return !members.contains(use.getOwner()); });
    ++numGroups;
  }

  static void sortTopologically(Block *block) {
    llvm::SmallPtrSet<Operation *, 32> placed;
    SmallVector<Operation *> ops;
    llvm::DenseMap<Operation *, Operation *> before;  // of what is on the wire: what was there last
    Operation *onWire = nullptr;
    for (Operation &op : block->without_terminator()) {
      ops.push_back(&op);
      if (!dist::isOnWire(&op)) continue;
      before[&op] = onWire;
      onWire = &op;
    }
    Operation *terminator = block->mightHaveTerminator() ? block->getTerminator() : nullptr;
    std::function<void(Operation *)> place = [&](Operation *op) {
      if (!placed.insert(op).second) return;
      auto need = [&](Value v) {
        Operation *def = v.getDefiningOp();
        while (def && def->getBlock() != block) def = def->getParentOp();
        if (def && def != op) place(def);
      };
      if (Operation *last = before.lookup(op)) place(last);
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
