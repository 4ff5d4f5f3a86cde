#include "codegen/schedules/Schedules.h"
#include "mlir/IR/SymbolTable.h"
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

  void runOnOperation() override {
    SmallVector<graph::GroupOp> groups;
    getOperation().walk([&](graph::GroupOp op) { groups.push_back(op); });
    OpBuilder kernels(&getContext());
    for (auto [i, group] : llvm::enumerate(groups)) {
      kernels.setInsertionPointToEnd(getOperation().getBody());
      std::string name = "k" + std::to_string(i) + "_" + nameOf(group);
      schedules::Target target;
      target.vectorBytes = vectorBytes;
      target.registers = registers;
      auto scheduled = schedules::scheduleGroup(group, name, target, kernels);
      if (failed(scheduled)) return signalPassFailure();
      replace(group, *scheduled);
    }
  }

  std::string nameOf(graph::GroupOp group) {
    std::string anchor;
    for (Operation &op : group.getBody().front().without_terminator()) {
      StringRef kind = op.getName().stripDialect();
      if (isa<graph::PackedConvOp, graph::PackedMatmulOp, graph::DepthwiseConvOp, graph::ReduceOp, graph::PoolOp>(op) || anchor.empty()) anchor = kind;
    }
    return identifier(anchor);
  }

  /// Kernels that differ only in their names are one kernel: text without name and provenance is the key.
  std::string keyOf(tile::KernelOp kernel) {
    std::string text;
    llvm::raw_string_ostream stream(text);
    for (Type type : kernel.getBody().getArgumentTypes()) stream << type << ',';
    stream << kernel.getNumInputs() << '|' << kernel.getPrograms() << '|' << kernel.getScratch() << '|';
    OpPrintingFlags flags;
    flags.useLocalScope().elideLargeElementsAttrs();
    for (Operation &op : kernel.getBody().front()) {
      // Values print by number within the kernel: cloning into a detached module would be the slow way to the same text.
      op.print(stream, flags.skipRegions(false));
      stream << '\n';
    }
    return text;
  }

  void replace(graph::GroupOp group, schedules::Scheduled &scheduled) {
    ++numKernels;
    OpBuilder b(group);
    auto formulas = [&](ArrayRef<SizeExpr> exprs) {
      SmallVector<Attribute> attrs;
      for (const SizeExpr &e : exprs) attrs.push_back(b.getStringAttr(e.str()));
      return b.getArrayAttr(attrs);
    };
    SmallVector<Attribute> nodes;
    group.getBody().walk([&](Operation *op) {
      if (auto name = dyn_cast<NameLoc>(op->getLoc()))
        if (Attribute a = name.getName(); !llvm::is_contained(nodes, a)) nodes.push_back(a);
    });
    auto launch = graph::LaunchOp::create(b, group.getLoc(), group.getResultTypes(), scheduled.kernel.getSymName(), formulas(scheduled.sizes),
                                          scheduled.programs.str(), scheduled.scratchBytes.str(), scheduled.work.str(), b.getArrayAttr(nodes),
                                          group.getInputs());
    say(passed(group, "jinx-schedule", "Scheduled"), [&] {
      return (group.getSchedule() + " kernel " + scheduled.kernel.getSymName() + ", " + std::to_string(nodes.size()) + " nodes, programs " +
              scheduled.programs.str()).str();
    });
    group->replaceAllUsesWith(launch);
    group.erase();
  }
};

}  // namespace
}  // namespace jinx::passes
