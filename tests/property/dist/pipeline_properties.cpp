// Stages with microbatches: whatever values go from stage to stage, all stages come to the ends of their programs.
//
// Random chains and skips over stages, in any order of the program; microbatches unrolled, a program for each stage,
// transfers started. The calls of all programs, in their order, are played against each other (comm/Schedule.h,
// checkProgress): nobody waits for one that does not come. And what one stage sends, piece by piece, is what the other
// receives.
#include "ir/Dist/Forms.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Dist/DistPasses.h"
#include "runtime/comm/Schedule.h"
#include "tests/property/Property.h"

namespace jinx::test {
namespace {

struct Shape {
  int stages, pieces, ops, rows;
};

/// Values 0 and 1 are the arguments: the first is cut into pieces, the second is whole.
std::string drawText(const Shape& shape) {
  const std::string rows = "tensor<" + std::to_string(shape.rows) + "x4xf32>";
  std::string text = "dist.mesh @mesh <\"pp\" = " + std::to_string(shape.stages) +
                     ", \"micro\" = " + std::to_string(shape.pieces) + ">\nfunc.func @main(%v0: " + rows +
                     " {dist.sharding = #dist.sharding<[[\"micro\"], []]>}, %v1: tensor<1x4xf32>) -> (" + rows +
                     " {dist.sharding = #dist.sharding<[[\"micro\"], []]>}) attributes {dist.annotated = @mesh} {\n";
  std::vector<int> stageOf = {0, 0};
  std::vector<bool> isCut = {true, false};
  for (int i = 2; i < shape.ops + 2; ++i) {
    const bool isLast = i == shape.ops + 1;
    const int a = isLast ? 0 : *rc::gen::inRange(0, i), b = *rc::gen::inRange(0, i),
              least = std::max(stageOf[size_t(a)], stageOf[size_t(b)]);
    stageOf.push_back(isLast ? shape.stages - 1 : *rc::gen::inRange(least, shape.stages));
    isCut.push_back(isCut[size_t(a)] || isCut[size_t(b)]);
    auto type = [&](int value) { return isCut[size_t(value)] ? rows : std::string("tensor<1x4xf32>"); };
    text += "  %v" + std::to_string(i) + " = jinx.add %v" + std::to_string(a) + ", %v" + std::to_string(b) +
            " {dist.stage = " + std::to_string(stageOf.back()) + " : i64} : " + type(a) + ", " + type(b) + " -> " +
            type(i) + "\n";
  }
  return text + "  return %v" + std::to_string(shape.ops + 1) + " : " + rows + "\n}\n";
}

/// What a stage calls, in order.
comm::Schedule scheduleOf(mlir::func::FuncOp function, int stage, int stages) {
  comm::Schedule schedule{.rank = stage, .calls = {}};
  llvm::DenseMap<mlir::Operation*, size_t> started;
  std::vector<int> all;
  for (int rank = 0; rank < stages; ++rank)
    all.push_back(rank);
  for (mlir::Operation& op : function.getBody().front()) {
    if (auto wait = mlir::dyn_cast<dist::WaitOp>(op)) {
      const size_t call = started.lookup(wait.getPending().getDefiningOp());
      schedule.calls[call].overlap = int(schedule.calls.size() - call) - 1;
    } else if (dist::isOnWire(&op)) {
      started[&op] = schedule.calls.size();
      comm::ScheduledCall call{.dtype = DType::kF32, .ranks = all};
      const mlir::Type moved = op.getNumOperands() ? op.getOperand(0).getType() : op.getResult(0).getType();
      call.count = mlir::cast<mlir::RankedTensorType>(dist::startedType(moved)).getNumElements();
      if (auto send = mlir::dyn_cast<dist::SendOp>(op))
        call.op = comm::Op::kSend, call.root = int(send.getTo());
      else if (auto receive = mlir::dyn_cast<dist::RecvOp>(op))
        call.op = comm::Op::kRecv, call.root = int(receive.getFrom());
      else
        call.op = comm::Op::kBroadcast, call.root = int(mlir::cast<dist::BroadcastOp>(op).getRoot());
      schedule.calls.push_back(std::move(call));
    }
  }
  return schedule;
}

JINX_PROPERTY(PipelineLaws, StagesComeToTheirEnds, 200) {
  const int stages = *rc::gen::inRange(2, 5);
  Shape shape{stages, *rc::gen::inRange(1, 6), *rc::gen::inRange(1, 12), 0};
  shape.rows = *rc::gen::inRange(std::max(2, shape.pieces), 9); // a piece has a row at least
  const std::string text = drawText(shape);
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  context.loadDialect<dist::DistDialect, graph::GraphDialect, mlir::func::FuncDialect>();
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, mlir::ParserConfig(&context));
  if (!module) RC_FAIL("is no module: " + text);
  auto run = [&](mlir::ModuleOp of, const std::string& pipeline) {
    mlir::PassManager passes(&context);
    if (mlir::failed(mlir::parsePassPipeline(pipeline, passes)) || mlir::failed(passes.run(of)))
      RC_FAIL(pipeline + " failed on " + text);
  };
  passes::registerJinxDistPasses();
  run(*module, "func.func(jinx-place-values,jinx-verify-microbatches,jinx-partition),jinx-unroll-microbatches");
  std::vector<comm::Schedule> schedules;
  for (int stage = 0; stage < stages; ++stage) {
    mlir::OwningOpRef<mlir::ModuleOp> one(module->clone());
    run(*one, "func.func(jinx-stage-program{stage=" + std::to_string(stage) + "},jinx-start-transfers)");
    schedules.push_back(scheduleOf(one->lookupSymbol<mlir::func::FuncOp>("main"), stage, stages));
  }
  const Status progress = comm::checkProgress(schedules);
  if (!progress.isOk()) RC_FAIL(progress.message() + "\n" + text);
  // The order of starts is one in which calls could run one behind the other, as on a stream.
  std::vector<comm::Schedule> inOrder = schedules;
  for (comm::Schedule& schedule : inOrder)
    for (comm::ScheduledCall& call : schedule.calls)
      call.overlap = 0;
  if (const Status blocking = comm::checkProgress(inOrder); !blocking.isOk())
    RC_FAIL("one behind the other: " + blocking.message() + "\n" + text);
  size_t sends = 0, receives = 0;
  for (const comm::Schedule& schedule : schedules)
    for (const comm::ScheduledCall& call : schedule.calls)
      sends += call.op == comm::Op::kSend, receives += call.op == comm::Op::kRecv;
  RC_ASSERT(sends == receives);
}

} // namespace
} // namespace jinx::test
