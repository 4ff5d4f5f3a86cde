#include "tools/driver/RankFigures.h"

#include "ir/Dist/Forms.h"
#include "passes/Dist/OperatorWork.h"
#include "passes/Dist/ValueNames.h"
#include "tools/driver/ModelModule.h"
#include "tools/driver/Shard.h"

using namespace mlir;

namespace jinx::driver {
namespace {

class Counter {
 public:
  Counter(func::FuncOp function, dist::MeshOp mesh, const std::map<std::string, int64_t>& sizes)
      : body_(function.getBody().front()), work_(mesh, sizes, /*unknown=*/1) {}

  RankFigures run() {
    for (BlockArgument argument : body_.getArguments())
      figures_.inputBytes += work_.bytesOf(argument);
    for (Value result : body_.getTerminator()->getOperands())
      figures_.outputBytes += work_.bytesOf(result);
    for (Operation& op : body_)
      if (!work_.isDerived(&op)) count(&op);
    figures_.activationBytes = peak();
    figures_.assumed = work_.assumed();
    return std::move(figures_);
  }

 private:
  void count(Operation* op) {
    if (op->hasTrait<OpTrait::IsTerminator>()) return;
    const passes::Work work = work_.workOf(op);
    OperatorFigure figure{.flops = work.flops, .bytes = work.bytes, .isHalf = work.isHalf};
    for (Value operand : op->getOperands()) {
      Operation* def = operand.getDefiningOp();
      if (def && work_.isDerived(def)) {
        if (weights_.insert(operand).second) figures_.weightBytes += work_.bytesOf(operand);
      } else if (auto made = places_.find(def); def && made != places_.end()) {
        figure.after.push_back(made->second);
      }
    }
    figures_.flops += figure.flops;
    if (isa<dist::Collective, dist::SendOp>(op)) {
      figure.collective = int(figures_.collectives.size());
      addCollective(op);
    }
    places_[op] = int(figures_.operators.size());
    figures_.operators.push_back(std::move(figure));
  }

  void addCollective(Operation* op) {
    const passes::WireCall call = work_.callOf(op);
    CollectiveFigure figure{.op = call.op, .node = passes::nodeName(op->getLoc()).str(), .ranks = call.ranks, .stride = call.stride, .bytes = call.bytes};
    for (StringRef axis : op->getAttrOfType<ArrayAttr>("axes").getAsValueRange<StringAttr>())
      figure.axes += (figure.axes.empty() ? "" : ", ") + axis.str();
    const double share = double(figure.ranks - 1) / double(figure.ranks);
    figure.wireBytes = figure.op == comm::Op::kPermute || figure.op == comm::Op::kBroadcast || figure.op == comm::Op::kSend
                           ? figure.bytes
                           : figure.bytes * share * (figure.op == comm::Op::kAllReduce ? 2 : 1);
    figures_.wireBytes += figure.wireBytes;
    figures_.collectives.push_back(std::move(figure));
  }

  double peak() {
    llvm::DenseMap<Value, int64_t> lastRead;
    int64_t place = 0;
    for (Operation& op : body_) {
      for (Value operand : op.getOperands())
        lastRead[passes::OperatorWork::storageOf(operand)] = place;
      ++place;
    }
    llvm::DenseMap<int64_t, double> freed;
    double alive = 0, most = 0;
    place = 0;
    for (Operation& op : body_) {
      if (!work_.isDerived(&op) && !passes::OperatorWork::isAlias(&op) && !op.hasTrait<OpTrait::IsTerminator>())
        for (Value result : op.getResults()) {
          alive += work_.bytesOf(result);
          auto last = lastRead.find(result);
          freed[last == lastRead.end() ? place : last->second] += work_.bytesOf(result);
        }
      most = std::max(most, alive + work_.bytesInside(&op));
      alive -= freed.lookup(place++);
    }
    return most;
  }

  Block& body_;
  passes::OperatorWork work_;
  RankFigures figures_;
  llvm::DenseMap<Operation*, int> places_;
  llvm::DenseSet<Value> weights_;
};

} // namespace

RankFigures rankFigures(ShardedModel& sharded, const std::map<std::string, int64_t>& sizes) {
  func::FuncOp main = sharded.model->main();
  return Counter(main, dist::meshOf(main), sizes).run();
}

Expected<std::vector<RankFigures>> stageFigures(ShardedModel& sharded, const std::map<std::string, int64_t>& sizes) {
  const int64_t stages = passes::ranksAlong(sharded.rules.mesh, passes::kStageAxis);
  if (stages <= 1) return std::vector<RankFigures>{rankFigures(sharded, sizes)};
  std::vector<RankFigures> figures;
  for (int64_t stage = 0; stage < stages; ++stage) {
    JINX_TRY_ASSIGN(std::shared_ptr<ModelModule> model, stageProgram(sharded, stage));
    figures.push_back(Counter(model->main(), dist::meshOf(model->main()), sizes).run());
  }
  return figures;
}

} // namespace jinx::driver
