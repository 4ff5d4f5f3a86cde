// The program of one stage of a pipeline.
//
// An axis of the mesh, "pp", counts stages. Operators say in `dist.stage` which stage computes them; those without a mark come where the latest of their operands is. What depends on no mark
// at all, on arguments and constants alone, is computed in every stage that needs it. A value that a later stage needs is sent there as soon as it is made, and taken at the same place of
// the order: all stages pass on values in the order of the one program, so no two wait for each other.
//
//   %h = layer0(%x) {dist.stage = 0}        stage 0: %h = layer0(%x)     dist.send %h to 1 over ["pp"]     %y = dist.broadcast %none root 1 over ["pp"]
//   %y = layer1(%h) {dist.stage = 1}        stage 1: %h = dist.recv from 0 over ["pp"]    %0 = layer1(%h)  %y = dist.broadcast %0 root 1 over ["pp"]
//   return %y
//
// Results are broadcast from the stage that has them, so every rank returns them. All stages have the same arguments, which bind sizes and are cut alike, but for pools of pages: those of other
// layers' keys and values are gone, and need no memory.
#include "mlir/IR/IRMapping.h"
#include "passes/Dist/DistPasses.h"

using namespace mlir;
using namespace jinx::dist;

namespace jinx::passes {
#define GEN_PASS_DEF_STAGEPROGRAM
#include "passes/Dist/DistPasses.h.inc"

namespace {

constexpr int64_t kEvery = -1;  ///< computed in each stage that needs it

class StageSplitter {
 public:
  StageSplitter(func::FuncOp function, MeshOp mesh, StringRef axis, int64_t stage) : function_(function), builder_(function), axis_(builder_.getStringAttr(axis)), stages_(mesh.sizeOf(axis)), stage_(stage) {}

  LogicalResult run() {
    Block &body = function_.getBody().front();
    for (Type type : body.getArgumentTypes())
      if (failed(isWhole(function_, type))) return failure();
    for (Operation &op : body)
      if (failed(findStage(op))) return failure();
    findNeeds(body);
    findPools(body);
    SmallVector<Operation *> ops;
    for (Operation &op : body.without_terminator()) ops.push_back(&op);
    for (Operation *op : ops) place(op);
    returnAll(body.getTerminator());
    for (Operation *op : llvm::reverse(ops))
      if (!isHere(stageOf_[op]) || !needed_.contains(op)) {
        op->dropAllUses();  // what is here takes what was received
        op->erase();
        ++numDropped;
      }
    dropPools(body);
    for (Operation &op : body) op.removeAttr(kStage);
    return success();
  }

  int64_t numSent = 0, numReceived = 0, numDropped = 0, numPools = 0;

 private:
  bool isHere(int64_t stage) const { return stage == kEvery || stage == stage_; }
  int64_t stageOf(Value value) {
    Operation *op = value.getDefiningOp();
    return op ? stageOf_[op] : kEvery;
  }

  /// Stages pass on values, no parts of them.
  LogicalResult isWhole(Operation *op, Type type) {
    if (auto pending = dyn_cast<PendingType>(type)) type = pending.getValue();
    const AxisState state = stateOf(type, axis_);
    if (state.kind == StateKind::replicate || state.kind == StateKind::invariant) return success();
    return op->emitOpError("has what is ") << describe(state) << " on " << axis_ << ", which counts stages: they pass on whole values";
  }

  LogicalResult findStage(Operation &op) {
    for (Type type : op.getResultTypes())
      if (failed(isWhole(&op, type))) return failure();
    int64_t stage = kEvery;
    op.walk([&](Operation *inner) {
      for (Value operand : inner->getOperands())
        if (operand.getParentRegion() == &function_.getBody()) stage = std::max(stage, stageOf(operand));
    });
    auto mark = op.getAttrOfType<IntegerAttr>(kStage);
    stageOf_[&op] = mark ? mark.getInt() : stage;
    if (!mark) return success();
    if (mark.getInt() < 0 || mark.getInt() >= stages_) return op.emitOpError("is of stage ") << mark.getInt() << ", expected 0.." << stages_ - 1 << " (ranks of axis \"" << axis_.getValue() << "\")";
    if (mark.getInt() < stage) return op.emitOpError("is of stage ") << mark.getInt() << " and needs a value of stage " << stage << ", expected that values go forward";
    return success();
  }

  /// Which stages use a value, and which operators of every stage this one needs.
  void findNeeds(Block &body) {
    for (Operation &op : llvm::reverse(body)) {
      bool isReturn = op.hasTrait<OpTrait::IsTerminator>();
      // An operator of every stage is needed where its users are; the others where they are marked, and side effects count.
      if (!isReturn && stageOf_[&op] == stage_) needed_.insert(&op);
      for (Operation *user : op.getUsers()) {
        Operation *outer = function_.getBody().front().findAncestorOpInBlock(*user);
        bool usedHere = outer->hasTrait<OpTrait::IsTerminator>() ? stageOf_[&op] == kEvery : needed_.contains(outer) && isHere(stageOf_[outer]);
        if (stageOf_[&op] == kEvery && usedHere) needed_.insert(&op);
      }
    }
  }

  /// Stages behind a value's own that use it.
  SmallVector<int64_t> laterStages(Value value, int64_t from) {
    llvm::SmallSetVector<int64_t, 4> later;
    for (Operation *user : value.getUsers()) {
      Operation *outer = function_.getBody().front().findAncestorOpInBlock(*user);
      int64_t stage = stageOf_.lookup(outer);
      if (!outer->hasTrait<OpTrait::IsTerminator>() && stage > from) later.insert(stage);
    }
    SmallVector<int64_t> sorted = later.takeVector();
    llvm::sort(sorted);
    return sorted;
  }

  void place(Operation *op) {
    int64_t from = stageOf_[op];
    if (from == kEvery) return;
    ArrayAttr over = builder_.getArrayAttr({axis_});
    builder_.setInsertionPointAfter(op);
    for (Value result : op->getResults())
      for (int64_t to : laterStages(result, from)) {
        if (from == stage_) {
          auto send = SendOp::create(builder_, op->getLoc(), Type(), result, to, over);
          keepPiece(op, send);
          ++numSent;
        }
        if (to != stage_) continue;
        ++numReceived;
        auto receive = RecvOp::create(builder_, op->getLoc(), cast<RankedTensorType>(result.getType()), from, over);
        keepPiece(op, receive);
        Value received = receive.getY();
        result.replaceUsesWithIf(received, [&](OpOperand &use) {
          Operation *outer = function_.getBody().front().findAncestorOpInBlock(*use.getOwner());
          return stageOf_.lookup(outer) == stage_ && !outer->hasTrait<OpTrait::IsTerminator>();
        });
      }
  }

  /// What is passed on belongs to the microbatch that it is of.
  static void keepPiece(Operation *from, Operation *to) {
    if (Attribute piece = from->getAttr(kPiece)) to->setAttr(kPiece, piece);
  }

  /// Every rank returns what the stage that has it broadcasts.
  void returnAll(Operation *terminator) {
    builder_.setInsertionPoint(terminator);
    ArrayAttr over = builder_.getArrayAttr({axis_});
    for (OpOperand &operand : terminator->getOpOperands()) {
      int64_t from = stageOf(operand.get());
      auto type = dyn_cast<RankedTensorType>(operand.get().getType());
      if (from == kEvery || !type) continue;
      Location loc = operand.get().getLoc();
      Value mine = from == stage_ ? operand.get() : nothing(loc, type);
      operand.set(BroadcastOp::create(builder_, loc, type, mine, from, over));
    }
  }
  /// Room that nobody reads.
  Value nothing(Location loc, RankedTensorType type) {
    auto zero = DenseElementsAttr::get(RankedTensorType::get({}, type.getElementType()), builder_.getZeroAttr(type.getElementType()));
    Value scalar = graph::ConstantOp::create(builder_, loc, zero);
    return graph::BroadcastOp::create(builder_, loc, type, scalar);
  }

  /// Arguments that operators change in place.
  void findPools(Block &body) {
    for (BlockArgument argument : body.getArguments())
      if (llvm::any_of(argument.getUsers(), [&](Operation *user) {
            auto write = dyn_cast<graph::WritePagesOp>(user);
            return write && (write.getPool() == argument || write.getScales() == argument);
          }))
        pools_.insert(argument);
  }
  void dropPools(Block &body) {
    llvm::BitVector gone(body.getNumArguments());
    for (BlockArgument argument : body.getArguments())
      if (argument.use_empty() && pools_.contains(argument)) gone.set(argument.getArgNumber());
    numPools = gone.count();
    (void)function_.eraseArguments(gone);
  }

  func::FuncOp function_;
  OpBuilder builder_;
  StringAttr axis_;
  int64_t stages_, stage_;
  llvm::DenseMap<Operation *, int64_t> stageOf_;
  llvm::DenseSet<Operation *> needed_;
  llvm::DenseSet<Value> pools_;
};

struct StageProgram : impl::StageProgramBase<StageProgram> {
  using StageProgramBase::StageProgramBase;
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    MeshOp mesh = meshOf(function, kOwn);
    if (!mesh || function.isExternal() || mesh.sizeOf(axis) < 2) return;
    if (stage < 0 || stage >= mesh.sizeOf(axis)) {
      function.emitError("stage is ") << stage << ", expected 0.." << mesh.sizeOf(axis) - 1 << " (ranks of axis \"" << axis << "\")";
      return signalPassFailure();
    }
    StageSplitter splitter(function, mesh, axis, stage);
    if (failed(splitter.run())) return signalPassFailure();
    numSent += splitter.numSent;
    numReceived += splitter.numReceived;
    numDropped += splitter.numDropped;
    numPools += splitter.numPools;
    Builder b(function.getContext());
    function->setAttr(kCoordinates, b.getDictionaryAttr(b.getNamedAttr(axis, b.getI64IntegerAttr(stage))));
  }
};

}  // namespace
}  // namespace jinx::passes
