#include <unordered_map>

#include "codegen/schedules/Schedules.h"
#include "codegen/schedules/cuda/GroupMatmul.h"
#include "codegen/schedules/cuda/GroupRecurrent.h"
#include "codegen/schedules/cuda/RowParts.h"
#include "codegen/schedules/cuda/RowStrips.h"
#include "ir/Graph/Pages.h"
#include "llvm/ADT/DenseSet.h"
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
  ScheduleGroupsPass(ScheduleGroupsOptions options, KernelCheck canEmit, Tuning tuning)
      : ScheduleGroupsBase(options), canEmit_(std::move(canEmit)), tuning_(std::move(tuning)) {}

  void runOnOperation() override {
    seen_.clear();
    rests_.clear();
    unfinished_.clear();
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
      target.measured = &tuning_.measured;
      std::string reason;
      bool allRows = rests_.erase(group);
      if (auto parts = cuda && !allRows ? schedules::rowPartsOf(group) : std::nullopt) {
        allRows = parts->each == 0;
        if (!allRows && cutRows(group, *parts, name, kernels, groups)) continue;
      }
      if (auto strips = cuda ? schedules::rowStripsOf(group) : std::nullopt)
        if (cutStrips(group, *strips, name, kernels, groups)) continue;
      if (cuda && scheduleByRows(group, name, target, kernels)) continue;
      auto schedule = [&] { return allRows ? schedules::scheduleAllRows(group, name, kernels) : schedules::scheduleGroup(group, name, target, kernels); };
      auto scheduled = cuda ? tryKernel(name, reason, schedule) : schedule();
      if (mlir::failed(scheduled) && cuda && !tuning_.measured.empty()) {  // sizes that code generation does not take
        target.measured = nullptr;
        reason.clear();
        scheduled = tryKernel(name, reason, schedule);
      }
      if (mlir::failed(scheduled) && cuda) {
        dissolve(group, reason, groups);
        continue;
      }
      if (mlir::failed(scheduled)) return signalPassFailure();
      for (schedules::Scheduled *each = &*scheduled; each; each = each->then.get()) each->kernel = unique(each->kernel);
      replace(group, *scheduled);
    }
  }

  std::unordered_map<size_t, SmallVector<tile::KernelOp>> seen_;
  llvm::DenseSet<Operation *> rests_;  ///< what is left of reductions that were cut
  SmallVector<graph::LaunchOp> unfinished_;  ///< of kernels that do not finish their group
  KernelCheck canEmit_;
  Tuning tuning_;

  /// A reduction over many rows becomes the launch of a kernel of parts of them, and a group that stands at the end of `groups`.
  bool cutRows(graph::GroupOp group, const schedules::RowParts &parts, const std::string &name, OpBuilder &kernels,
               SmallVectorImpl<graph::GroupOp> &groups) {
    std::string reason;
    auto scheduled = tryKernel(name, reason, [&] { return schedules::scheduleRowParts(group, parts, name, kernels); });
    if (mlir::failed(scheduled)) return false;
    ++numCut;
    say(passed(group, "jinx-schedule", "Cut"), [&] {
      return "reduces " + parts.rows.str() + " rows in parts of " + std::to_string(parts.each) + ", by a kernel of its own";
    });
    SmallVector<Value> inputs;
    for (unsigned i : parts.inputs) inputs.push_back(group.getInputs()[i]);
    scheduled->kernel = unique(scheduled->kernel);
    auto launch = launchOf(group, *scheduled, parts.partials, inputs);
    groups.push_back(schedules::restOfRowParts(group, launch.getResults()));
    rests_.insert(groups.back());
    group->replaceAllUsesWith(groups.back());
    group.erase();
    return true;
  }

  /// The largest of long rows becomes the launch of a kernel of strips of them, and a group that stands at the end of `groups`.
  bool cutStrips(graph::GroupOp group, const schedules::RowStrips &strips, const std::string &name, OpBuilder &kernels, SmallVectorImpl<graph::GroupOp> &groups) {
    std::string reason;
    auto scheduled = tryKernel(name, reason, [&] { return schedules::scheduleRowStrips(group, strips, name, kernels); });
    if (mlir::failed(scheduled)) return false;
    ++numCut;
    say(passed(group, "jinx-schedule", "Cut"), [&] {
      return "reduces rows of " + strips.length.str() + " in " + std::to_string(strips.count) + " strips, by a kernel of its own";
    });
    SmallVector<Value> inputs;
    for (unsigned i : strips.inputs) inputs.push_back(group.getInputs()[i]);
    scheduled->kernel = unique(scheduled->kernel);
    auto launch = launchOf(group, *scheduled, strips.partials, inputs);
    groups.push_back(schedules::restOfRowStrips(group, strips, launch.getResults()));
    group->replaceAllUsesWith(groups.back());
    group.erase();
    return true;
  }

  /// A product of as many rows as a step has tokens: one kernel cannot be fast for one row and for thousands. Each range of rows has its own, and all but one
  /// have no programs:
  ///
  ///   %a = launch @k_8(%x, %w) programs "(n <= 8) * …"
  ///   %b = launch @k_32(%x, %w, %a) programs "(8 < n <= 32) * …" {in_place = 2}      what @k_8 has left alone is written here
  bool scheduleByRows(graph::GroupOp group, const std::string &name, const schedules::Target &target, OpBuilder &kernels) {
    const std::optional<schedules::RowRanges> found = schedules::rowRangesOf(group);
    if (!found || graph::inPlaceOf(group)) return false;
    const auto &[rows, bounds] = *found;
    struct Range {
      schedules::Scheduled scheduled;
      int64_t above;              // rows; 0: none are too few
      std::optional<int64_t> most;
    };
    std::vector<Range> ranges;
    std::string reason;
    for (size_t i = 0; i <= bounds.size(); ++i) {
      const std::optional<int64_t> most = i == bounds.size() ? std::nullopt : std::optional(bounds[i]);
      schedules::Target own = target;
      own.mostRows = most.value_or(0);
      kernels.setInsertionPointToEnd(getOperation().getBody());
      graph::GroupOp reader = i == 0 ? group : withOperands(group, group.getResults());
      auto scheduled = tryKernel(name, reason, [&] { return schedules::scheduleGroup(reader, most ? name + "_" + std::to_string(*most) : name, own, kernels); });
      if (reader != group) reader.erase();
      if (mlir::failed(scheduled) || scheduled->then) return false;
      ranges.push_back({std::move(*scheduled), i == 0 ? 0 : bounds[i - 1], most});
    }
    SmallVector<Value> inputs(group.getInputs());
    graph::LaunchOp last;
    for (Range &range : ranges) range.scheduled.kernel = unique(range.scheduled.kernel);
    for (size_t i = 0; i < ranges.size(); ++i) {
      schedules::Scheduled &scheduled = ranges[i].scheduled;
      const int64_t above = ranges[i].above;
      while (i + 1 < ranges.size() && ranges[i + 1].scheduled.kernel == scheduled.kernel) ++i; // one kernel for several ranges
      scheduled.within(isBetween(rows, above, ranges[i].most));
      last = launchOf(group, scheduled, group.getResultTypes(), inputs);
      if (inputs.size() > group.getInputs().size()) {
        SmallVector<int64_t> memory;
        for (size_t j = group.getInputs().size(); j < inputs.size(); ++j) memory.push_back(int64_t(j));
        last.setInPlace(memory);
      }
      inputs.assign(group.getInputs().begin(), group.getInputs().end());
      inputs.append(last.result_begin(), last.result_end());
    }
    say(passed(group, "jinx-schedule", "ByRows"), [&] { return std::to_string(ranges.size()) + " ranges, each with a kernel, of the number of rows, " + rows.str(); });
    group->replaceAllUsesWith(last);
    group.erase();
    return true;
  }

  /// 1 where low < x <= high, else 0.
  static SizeExpr isBetween(const SizeExpr &x, int64_t low, std::optional<int64_t> high) {
    const SizeExpr above = low ? max(SizeExpr(0), min(SizeExpr(1), x - SizeExpr(low))) : SizeExpr(1);
    return high ? above * max(SizeExpr(0), min(SizeExpr(1), SizeExpr(*high + 1) - x)) : above;
  }

  /// The same group with operands that nothing in it reads.
  static graph::GroupOp withOperands(graph::GroupOp group, ValueRange more) {
    OpBuilder b(group.getContext());
    b.setInsertionPointAfter(group);
    auto reader = cast<graph::GroupOp>(b.clone(*group));
    reader.getInputsMutable().append(more);
    for (Value v : more) reader.getBody().addArgument(v.getType(), v.getLoc());
    return reader;
  }

  /// A failure leaves no kernel behind; its diagnostics become `reason`.
  FailureOr<schedules::Scheduled> tryKernel(const std::string &name, std::string &reason, function_ref<FailureOr<schedules::Scheduled>()> schedule) {
    ScopedDiagnosticHandler quiet(&getContext(), [&](Diagnostic &d) {
      if (reason.empty()) reason = d.str();
      return success();
    });
    auto scheduled = schedule();
    bool isWhole = mlir::succeeded(scheduled);
    for (schedules::Scheduled *each = isWhole ? &*scheduled : nullptr; each && canEmit_; each = each->then.get()) isWhole = isWhole && canEmit_(each->kernel);
    if (isWhole) return scheduled;
    for (tile::KernelOp kernel : llvm::make_early_inc_range(getOperation().getOps<tile::KernelOp>()))
      if (kernel.getSymName().starts_with(name)) kernel.erase();
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
    StringRef schedule = isa<graph::PackedMatmulOp, graph::PackedConvOp, graph::ScaledMatmulOp>(op) ? "matmul" : isa<graph::PackedGroupedMatmulOp>(op) ? "grouped" : isa<graph::DequantMatmulOp>(op) ? "dequant_matmul" : "rows";
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
      if (isa<graph::PackedConvOp, graph::PackedMatmulOp, graph::PackedGroupedMatmulOp, graph::DequantMatmulOp, graph::ScaledMatmulOp, graph::DepthwiseConvOp, graph::ReduceOp, graph::PoolOp, graph::CumsumOp, graph::WritePagesOp>(op) || anchor.empty()) anchor = kind;
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
    SmallVector<Value> known(group.getInputs()), inputs = known;
    // What a group computes is counted with the last kernel that reads its operands.
    const schedules::Scheduled *counted = &scheduled;
    for (const schedules::Scheduled *each = &scheduled; each; each = each->then.get())
      if (llvm::any_of(each->takes, [&](unsigned i) { return i < group.getInputs().size(); })) counted = each;
    graph::LaunchOp last;
    for (schedules::Scheduled *each = &scheduled; each; each = each->then.get()) {
      TypeRange results = each->then ? TypeRange(each->parts) : TypeRange(group.getResultTypes());
      if (!each->takes.empty()) inputs = llvm::map_to_vector(each->takes, [&](unsigned i) { return known[i]; });
      last = sharedLaunch(group, *each, inputs);
      if (!last) {
        const bool isShare = !each->share.isConstant(1);  // of sizes: another kernel counts for the rest
        last = launchOf(group, *each, results, inputs, each == counted || isShare);
        if (!each->inPlace.empty()) last.setInPlace(each->inPlace);
        if (each->then && !each->takes.empty()) unfinished_.push_back(last);
      }
      inputs.assign(last.getResults().begin(), last.getResults().end());
      known.append(inputs);
      say(passed(group, "jinx-schedule", "Scheduled"), [&] {
        return (group.getSchedule() + " kernel " + each->kernel.getSymName() + ", " + std::to_string(schedules::nodesOf(group).size()) +
                " nodes, programs " + each->programs.str()).str();
      });
    }
    group->replaceAllUsesWith(last);
    group.erase();
  }

  /// The launch, for an earlier group, of a kernel that does not finish its group, on the same operands; null: there is none.
  graph::LaunchOp sharedLaunch(graph::GroupOp group, schedules::Scheduled &scheduled, ValueRange inputs) {
    if (!scheduled.then || scheduled.takes.empty()) return {};
    auto sizes = llvm::map_to_vector(scheduled.sizes, [](const SizeExpr &size) { return size.str(); });
    for (graph::LaunchOp launch : unfinished_) {
      if (launch.getKernel() != scheduled.kernel.getSymName() || launch->getBlock() != group->getBlock() || !launch->isBeforeInBlock(group)) continue;
      auto own = llvm::map_to_vector(launch.getSizes().getAsRange<StringAttr>(), [](StringAttr size) { return size.str(); });
      if (own == sizes && llvm::equal(launch.getInputs(), inputs)) return launch;
    }
    return {};
  }

  /// The launch of a kernel that computes `group`, or a part of it.
  /// \param isCounted  what a group computes is counted once
  graph::LaunchOp launchOf(graph::GroupOp group, schedules::Scheduled &scheduled, TypeRange results, ValueRange inputs, bool isCounted = true) {
    ++numKernels;
    OpBuilder b(group);
    auto formulas = [&](ArrayRef<SizeExpr> exprs) {
      SmallVector<Attribute> attrs;
      for (const SizeExpr &e : exprs) attrs.push_back(b.getStringAttr(e.str()));
      return b.getArrayAttr(attrs);
    };
    auto figure = [&](const SizeExpr &e) { return !isCounted || e.isInvalid() ? StringAttr() : b.getStringAttr((e * scheduled.share).str()); };
    SmallVector<StringAttr> nodes = schedules::nodesOf(group);
    const auto inPlace = graph::inPlaceOf(group);
    assert((!inPlace || inputs == ValueRange(group.getInputs())) && "pages are written by one kernel");
    auto launch = graph::LaunchOp::create(b, group.getLoc(), results, scheduled.kernel.getSymName(), formulas(scheduled.sizes),
                                          scheduled.programs.str(), scheduled.scratchBytes.str(), scheduled.work.str(),
                                          b.getArrayAttr(SmallVector<Attribute>(nodes.begin(), nodes.end())),
                                          /*sequential=*/group.getSchedule() == "recurrent", figure(flopsOf(group)), figure(bytesOf(group)),
                                          inPlace ? b.getDenseI64ArrayAttr(*inPlace) : DenseI64ArrayAttr(), inputs);
    launch->setDiscardableAttrs(group->getDiscardableAttrDictionary());
    if (scheduled.question) tell(group, launch, *scheduled.question);
    return launch;
  }

  /// The choice that was made goes with the launch, and to whom it may concern.
  void tell(graph::GroupOp group, graph::LaunchOp launch, const schedules::Question &question) {
    OpBuilder b(launch);
    const std::string &choice = question.candidates[question.taken].choice;
    launch->setAttr("jinx.problem", b.getStringAttr(question.problem));
    launch->setAttr("jinx.choice", b.getStringAttr(choice));
    if (tuning_.asked) tuning_.asked(question);
    if (question.isMeasured) {
      ++numMeasured;
      say(passed(group, "jinx-schedule", "Measured"), [&] {
        return question.problem + ": takes " + choice + ", as was measured" + (question.taken ? "; the estimate is " + question.candidates[0].choice : ", and estimated");
      });
    } else if (!question.unknown.empty()) {
      say(missed(group, "jinx-schedule", "Unknown"), [&] {
        return question.problem + ": the measured " + question.unknown + " is none of its " + std::to_string(question.candidates.size()) +
               " candidates, takes the estimate, " + choice + ": tune again with this version";
      });
    }
  }
};

}  // namespace

std::unique_ptr<Pass> createScheduleGroups(ScheduleGroupsOptions options, KernelCheck canEmit, Tuning tuning) {
  return std::make_unique<ScheduleGroupsPass>(std::move(options), std::move(canEmit), std::move(tuning));
}

}  // namespace jinx::passes
