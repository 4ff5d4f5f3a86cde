#include <unordered_map>

#include "codegen/schedules/Schedules.h"
#include "codegen/schedules/cuda/GroupRecurrent.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/SymbolTable.h"
#include "passes/Lowering/Arithmetic.h"
#include "passes/Lowering/HostCalls.h"
#include "passes/Passes.h"

using namespace mlir;

namespace jinx::passes {
#define GEN_PASS_DEF_SCHEDULEGROUPS
#include "passes/Passes.h.inc"

namespace {

/// A C identifier made from a node name: letters and digits kept, all else one underscore, at most 40 characters.
std::string identifier(StringRef name) {
  std::string id;
  for (char c : name) {
    if (llvm::isAlnum(c)) {
      id += c;
    } else if (!id.empty() && id.back() != '_') {
      id += '_';
    }
  }
  if (id.size() > 40) id = id.substr(id.size() - 40);
  return id;
}

struct ScheduleGroupsPass : impl::ScheduleGroupsBase<ScheduleGroupsPass> {
  using ScheduleGroupsBase::ScheduleGroupsBase;
  ScheduleGroupsPass(ScheduleGroupsOptions options, KernelCheck canEmit) : ScheduleGroupsBase(options), canEmit_(std::move(canEmit)) {}

  void runOnOperation() override {
    seen_.clear();
    SmallVector<graph::GroupOp> groups;
    SmallVector<Operation *> alone;
    getOperation().walk([&](Operation *op) {
      if (auto group = dyn_cast<graph::GroupOp>(op)) {
        groups.push_back(group);
      } else if (!op->getParentOfType<graph::GroupOp>()) {
        alone.push_back(op);
      }
    });
    for (Operation *op : alone) replaceByHostCall(op, groups);
    OpBuilder kernels(&getContext());
    for (size_t i = 0; i < groups.size(); ++i) {
      graph::GroupOp group = cuda ? schedules::giveStates(groups[i]) : groups[i];
      kernels.setInsertionPointToEnd(getOperation().getBody());
      std::string name = "k" + std::to_string(i) + "_" + nameOf(group);
      schedules::Target target;
      target.vectorBytes = vectorBytes;
      target.registers = registers;
      target.cuda = cuda;
      std::string reason;
      auto scheduled = cuda ? tryOnCuda(group, name, target, kernels, reason) : schedules::scheduleGroup(group, name, target, kernels);
      if (mlir::failed(scheduled) && cuda) {
        dissolve(group, reason, groups);
        continue;
      }
      if (mlir::failed(scheduled)) return signalPassFailure();
      scheduled->kernel = unique(scheduled->kernel);
      replace(group, *scheduled);
    }
  }

  std::unordered_map<size_t, SmallVector<tile::KernelOp>> seen_;
  KernelCheck canEmit_;

  /// A failure leaves no kernel behind; its diagnostics become `reason`.
  FailureOr<schedules::Scheduled> tryOnCuda(graph::GroupOp group, const std::string &name, const schedules::Target &target, OpBuilder &kernels,
                                            std::string &reason) {
    ScopedDiagnosticHandler quiet(&getContext(), [&](Diagnostic &d) {
      if (reason.empty()) reason = d.str();
      return success();
    });
    auto scheduled = schedules::scheduleGroup(group, name, target, kernels);
    if (mlir::succeeded(scheduled) && (!canEmit_ || canEmit_(scheduled->kernel))) return scheduled;
    if (Operation *kernel = getOperation().lookupSymbol(name)) kernel->erase();
    return failure();
  }

  /// Puts the group's operators back into the graph, where they become host calls; those without one get a kernel of their own.
  void dissolve(graph::GroupOp group, const std::string &reason, SmallVectorImpl<graph::GroupOp> &groups) {
    ++numDissolved;
    say(missed(group, "jinx-schedule", "OnHost"), [&] { return "runs on the host: " + reason; });
    Block &body = group.getBody().front();
    SmallVector<Operation *> members;
    for (Operation &op : body.without_terminator()) members.push_back(&op);
    for (auto [arg, input] : llvm::zip(body.getArguments(), group.getInputs())) arg.replaceAllUsesWith(input);
    group->replaceAllUsesWith(body.getTerminator()->getOperands());
    group->getBlock()->getOperations().splice(group->getIterator(), body.getOperations(), body.begin(), std::prev(body.end()));
    group.erase();
    for (Operation *op : members)
      if (!replaceByHostCall(op, groups) && members.size() > 1 && !isa<graph::ConstantOp>(op)) groups.push_back(alone(op));
  }

  /// A group of one operator.
  static graph::GroupOp alone(Operation *op) {
    OpBuilder b(op);
    StringRef schedule = isa<graph::PackedMatmulOp, graph::PackedConvOp>(op) ? "matmul" : "rows";
    auto group = graph::GroupOp::create(b, op->getLoc(), op->getResultTypes(), op->getOperands(), schedule);
    Block *body = b.createBlock(&group.getBody());
    for (Value v : op->getOperands()) body->addArgument(v.getType(), op->getLoc());
    op->replaceAllUsesWith(group);
    op->setOperands(body->getArguments());
    op->moveBefore(body, body->end());
    graph::YieldOp::create(b, op->getLoc(), op->getResults());
    return group;
  }

  std::string nameOf(graph::GroupOp group) {
    if (group.getSchedule() == "attention") return "attention";
    std::string anchor;
    for (Operation &op : group.getBody().front().without_terminator()) {
      if (isa<graph::ConstantOp>(op)) continue;
      StringRef kind = op.getName().stripDialect();
      if (isa<graph::PackedConvOp, graph::PackedMatmulOp, graph::DepthwiseConvOp, graph::ReduceOp, graph::PoolOp, graph::CumsumOp>(op) || anchor.empty()) anchor = kind;
    }
    return identifier(anchor);
  }

  /// The kernel that does the same as `kernel`, which then goes away, or `kernel` itself. Real models repeat their blocks, and
  /// compiling a kernel costs a thousand times what comparing two does.
  tile::KernelOp unique(tile::KernelOp kernel) {
    llvm::hash_code hash = llvm::hash_combine(kernel.getNumInputs(), kernel.getPrograms(), kernel.getScratch());
    kernel.getBody().walk([&](Operation *op) {
      hash = llvm::hash_combine(hash, op->getName(), op->getDiscardableAttrDictionary(), op->hashProperties());
    });
    SmallVector<tile::KernelOp> &candidates = seen_[hash];
    for (tile::KernelOp other : candidates) {
      if (other.getNumInputs() != kernel.getNumInputs() || other.getPrograms() != kernel.getPrograms() || other.getScratch() != kernel.getScratch() ||
          !OperationEquivalence::isRegionEquivalentTo(&other.getBody(), &kernel.getBody(), OperationEquivalence::IgnoreLocations))
        continue;
      addProvenance(other, kernel.getProvenance());
      kernel.erase();
      ++numShared;
      return other;
    }
    candidates.push_back(kernel);
    return kernel;
  }

  /// A kernel names the nodes of its first few users; each launch names its own.
  static void addProvenance(tile::KernelOp kernel, StringRef more) {
    StringRef old = kernel.getProvenance();
    if (old.size() > 200) {
      if (!old.ends_with("; …")) kernel.setProvenance((old + "; …").str());
    } else {
      kernel.setProvenance((old + "; " + more).str());
    }
  }

  void replace(graph::GroupOp group, schedules::Scheduled &scheduled) {
    ++numKernels;
    OpBuilder b(group);
    auto formulas = [&](ArrayRef<SizeExpr> exprs) {
      SmallVector<Attribute> attrs;
      for (const SizeExpr &e : exprs) attrs.push_back(b.getStringAttr(e.str()));
      return b.getArrayAttr(attrs);
    };
    auto figure = [&](const SizeExpr &e) { return e.isInvalid() ? StringAttr() : b.getStringAttr(e.str()); };
    SmallVector<StringAttr> nodes = schedules::nodesOf(group);
    auto launch = graph::LaunchOp::create(b, group.getLoc(), group.getResultTypes(), scheduled.kernel.getSymName(), formulas(scheduled.sizes),
                                          scheduled.programs.str(), scheduled.scratchBytes.str(), scheduled.work.str(),
                                          b.getArrayAttr(SmallVector<Attribute>(nodes.begin(), nodes.end())),
                                          /*sequential=*/group.getSchedule() == "recurrent", figure(flopsOf(group)), figure(bytesOf(group)), group.getInputs());
    launch->setDiscardableAttrs(group->getDiscardableAttrDictionary());
    say(passed(group, "jinx-schedule", "Scheduled"), [&] {
      return (group.getSchedule() + " kernel " + scheduled.kernel.getSymName() + ", " + std::to_string(nodes.size()) + " nodes, programs " +
              scheduled.programs.str()).str();
    });
    group->replaceAllUsesWith(launch);
    group.erase();
  }
};

}  // namespace

std::unique_ptr<Pass> createScheduleGroups(ScheduleGroupsOptions options, KernelCheck canEmit) {
  return std::make_unique<ScheduleGroupsPass>(std::move(options), std::move(canEmit));
}

}  // namespace jinx::passes
