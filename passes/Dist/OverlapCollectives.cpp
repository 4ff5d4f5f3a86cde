// Collectives beside what does not need them.
//
//   %a = all_reduce %x                    %p = all_reduce %x : … -> !dist.pending<…>
//   %n = neg %a                   ->      %m = matmul %u, %w
//   %m = matmul %u, %w                    %a = dist.wait %p
//                                         %n = neg %a
//
// Operators become items of the scheduler (runtime/comm/model/IssueOrder.h): what they take by MeshCosts, what they need, and how many bytes their results are. What it decides is written down.
//
//   weights              what is made of constants alone is folded, or decoded where it is multiplied: no items, and they stand in front of their first reader
//   reshapes, pages      take no time, and their readers hold the memory that they show
//   sends, receives      stay where they are among themselves, and take the walker's time: stages wait for each other as they did
//   what is started      (jinx-form-rings) stays so: what stands between a start and its wait stays between them, and the wait takes what that does not hide
//
// Nothing that is undecided is moved: an order that wins nothing leaves the function as it is.
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/FormatVariadic.h"
#include "passes/Dist/BlockOrder.h"
#include "passes/Dist/DistPasses.h"
#include "passes/Dist/MeshCosts.h"
#include "passes/Dist/ValueNames.h"
#include "runtime/comm/model/IssueOrder.h"

using namespace mlir;
using namespace jinx::dist;

namespace jinx::passes {
#define GEN_PASS_DEF_OVERLAPCOLLECTIVES
#include "passes/Dist/DistPasses.h.inc"

namespace {

using comm::model::Issue;
using comm::model::IssueOrder;
using comm::model::OverlapItem;

constexpr StringLiteral kPass = "jinx-overlap-collectives";


class Overlapper {
 public:
  Overlapper(func::FuncOp function, MeshOp mesh, MeshCosts costs)
      : body_(function.getBody().front()), builder_(function), costs_(std::move(costs)), work_(mesh, {}, MeshCosts::symbol()) {}

  Status run(double memory, double leastSeconds) {
    makeItems();
    if (llvm::none_of(items_, [](const OverlapItem &item) { return item.use.has_value(); })) return Status::ok();
    comm::model::IssueOptions options{.leastSeconds = leastSeconds};
    std::vector<Issue> given;
    for (size_t i = 0; i < items_.size(); ++i) given.push_back({Issue::Kind::kRun, int(i)});
    options.limitBytes = std::max<int64_t>(1, int64_t(memory * double(comm::model::timesOf(items_, given).peakBytes)));
    JINX_TRY_ASSIGN(const IssueOrder order, comm::model::issueOrder(items_, options));
    const bool isChanged = order.steps != given;
    tell(order);
    if (isChanged) write(order);
    return Status::ok();
  }

  int64_t numStarted = 0, numKept = 0;

 private:
  // ---- items ----

  double secondsOf(Operation *op) {
    if (isa<WaitOp>(op)) return 0;
    return isOnWire(op) ? costs_.secondsOf(work_.callOf(op)) : costs_.secondsOf(work_.workOf(op));
  }

  /// Collectives that are started already, walked through in program order.
  struct Started {
    /// How long the walker stands at an operator that takes `seconds`.
    double take(Operation *op, double seconds) {
      if (isa<Collective>(op) && isa<PendingType>(op->getResult(0).getType())) {
        ends[op] = wireFree = std::max(now, wireFree) + seconds;
        return 0;
      }
      if (auto wait = dyn_cast<WaitOp>(op)) seconds = std::max(0.0, ends.lookup(wait.getPending().getDefiningOp()) - now);
      now += seconds;
      return seconds;
    }
    /// A wait needs what stands between its start and itself, and that the start.
    SmallVector<Operation *> neededBy(Operation *op) {
      SmallVector<Operation *> needed;
      if (auto wait = dyn_cast<WaitOp>(op)) {
        Operation *start = wait.getPending().getDefiningOp();
        needed = std::move(between[start]);
        between.erase(start);
      } else if (!isOnWire(op)) {
        for (auto &[start, ops] : between) {
          needed.push_back(start);
          ops.push_back(op);
        }
      } else if (ends.contains(op)) {
        between[op];
      }
      return needed;
    }
    llvm::MapVector<Operation *, SmallVector<Operation *>> between;  ///< by start, of those that are not waited for so far
    llvm::DenseMap<Operation *, double> ends;
    double now = 0, wireFree = 0;
  };

  void makeItems() {
    Operation *lastInOrder = nullptr;
    Started started;
    for (Operation &op : body_.without_terminator()) {
      if (work_.isOfConstants(&op)) {
        weights_.push_back(&op);
        continue;
      }
      OverlapItem item{.name = described(&op), .seconds = started.take(&op, secondsOf(&op))};
      if (isMovable(&op)) item.use = work_.callOf(&op).op, item.slot = 0;
      if (!OperatorWork::isAlias(&op))
        for (Value result : op.getResults()) item.bytes += int64_t(work_.bytesOf(result));
      for (Operation *needed : neededBy(&op)) addNeed(item, needed);
      for (Operation *needed : started.neededBy(&op)) addNeed(item, needed);
      if (keepsOrder(&op)) {
        if (lastInOrder) addNeed(item, lastInOrder);
        lastInOrder = &op;
      }
      itemOf_[&op] = int(items_.size());
      ops_.push_back(&op);
      items_.push_back(std::move(item));
    }
  }
  /// And what its memory is.
  void addNeed(OverlapItem &item, Operation *needed) {
    for (auto found = itemOf_.find(needed); found != itemOf_.end();) {
      if (!llvm::is_contained(item.after, found->second)) item.after.push_back(found->second);
      Operation *op = ops_[size_t(found->second)];
      Operation *shown = OperatorWork::isAlias(op) ? op->getOperand(0).getDefiningOp() : nullptr;
      found = shown ? itemOf_.find(shown) : itemOf_.end();
    }
  }

  // ---- what was decided ----

  void tell(const IssueOrder &order) {
    SmallVector<SmallVector<int>> beside(items_.size());  // by collective: what is between its start and its wait
    SmallVector<int> open;
    for (const Issue &step : order.steps) {
      if (step.kind == Issue::Kind::kStart) {
        open.push_back(step.item);
      } else if (step.kind == Issue::Kind::kWait) {
        llvm::erase(open, step.item);
        sayStarted(order, step.item, beside[size_t(step.item)]);
      } else {
        if (!items_[size_t(step.item)].use && items_[size_t(step.item)].seconds > 0)
          for (int collective : open) beside[size_t(collective)].push_back(step.item);
        if (items_[size_t(step.item)].use) sayKept(step.item);
      }
    }
  }
  void sayStarted(const IssueOrder &order, int item, ArrayRef<int> beside) {
    ++numStarted;
    const double seconds = items_[size_t(item)].seconds, wait = order.times.waits[size_t(item)];
    say(passed(ops_[size_t(item)], kPass, "Started"), [&] {
      std::string what = beside.empty() ? "other collectives" : items_[size_t(beside.front())].name;
      if (beside.size() > 1) what += llvm::formatv(" and {0} more", beside.size() - 1).str();
      return "is started early: " + microseconds(std::max(0.0, seconds - wait)) + " of " + microseconds(seconds) + " lie beside " + what;
    });
  }
  void sayKept(int item) {
    ++numKept;
    say(missed(ops_[size_t(item)], kPass, "NothingBeside"),
        [&] { return "is waited for at once: nothing that pays lies between it and its reader, " + microseconds(items_[size_t(item)].seconds) + " are not hidden"; });
  }

  void write(const IssueOrder &order) {
    llvm::SmallPtrSet<Operation *, 32> placed;
    for (const Issue &step : order.steps) {
      Operation *op = ops_[size_t(step.item)];
      if (step.kind == Issue::Kind::kStart) start(op);
      place(step.kind == Issue::Kind::kWait ? waits_[op] : op, placed);
    }
    place(body_.getTerminator(), placed);
    for (Operation *op : weights_) place(op, placed);  // that nobody reads
  }
  /// At the end, behind the weights that it needs.
  void place(Operation *op, llvm::SmallPtrSetImpl<Operation *> &placed) {
    if (!placed.insert(op).second) return;
    for (Operation *needed : neededBy(op))
      if (work_.isOfConstants(needed)) place(needed, placed);
    if (!op->hasTrait<OpTrait::IsTerminator>()) op->moveBefore(body_.getTerminator());
  }
  void start(Operation *op) {
    Value result = op->getResult(0);
    auto type = cast<RankedTensorType>(result.getType());
    builder_.setInsertionPointAfter(op);
    result.setType(PendingType::get(type.getContext(), type));
    auto wait = WaitOp::create(builder_, op->getLoc(), type, result);
    result.replaceAllUsesExcept(wait.getY(), wait);
    waits_[op] = wait;
  }

  Block &body_;
  OpBuilder builder_;
  MeshCosts costs_;
  OperatorWork work_;
  std::vector<OverlapItem> items_;
  SmallVector<Operation *> ops_, weights_;  // ops_ by item
  llvm::DenseMap<Operation *, int> itemOf_;
  llvm::DenseMap<Operation *, WaitOp> waits_;
};

struct OverlapCollectives : impl::OverlapCollectivesBase<OverlapCollectives> {
  using OverlapCollectivesBase::OverlapCollectivesBase;
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    MeshOp mesh = meshOf(function, kOwn);
    if (!mesh || function.isExternal()) return;
    auto fail = [&](const Twine &message) {
      function.emitError(message);
      signalPassFailure();
    };
    if (!(memory >= 1)) return fail("memory is " + llvm::formatv("{0}", double(memory)).str() + ", expected 1 or more: times what the function needs as it is");
    auto costs = costsOf(function, network);
    if (failed(costs)) return signalPassFailure();
    Overlapper overlapper(function, mesh, *costs);
    if (Status status = overlapper.run(memory, least * 1e-6); !status.isOk()) return fail(status.message());
    numStarted += overlapper.numStarted;
    numKept += overlapper.numKept;
  }
};

}  // namespace
}  // namespace jinx::passes
