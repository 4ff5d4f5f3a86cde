#include "tools/driver/RankFigures.h"

#include "ir/Dist/Forms.h"
#include "ir/Graph/Pages.h"
#include "passes/Dist/ValueNames.h"
#include "tools/driver/ModelModule.h"
#include "tools/driver/Shard.h"

using namespace mlir;

namespace jinx::driver {
namespace {

constexpr double kLargestGrowth = 4 << 20; ///< that constants are folded at (jinx-fold-constants)

class Counter {
 public:
  Counter(func::FuncOp function, dist::MeshOp mesh, const std::map<std::string, int64_t>& sizes)
      : body_(function.getBody().front()), mesh_(mesh), sizes_(sizes) {}

  RankFigures run() {
    for (BlockArgument argument : body_.getArguments())
      figures_.inputBytes += bytesOf(argument);
    for (Value result : body_.getTerminator()->getOperands())
      figures_.outputBytes += bytesOf(result);
    for (Operation& op : body_)
      if (!isDerived(&op)) count(&op);
    figures_.activationBytes = peak();
    return std::move(figures_);
  }

 private:
  double sizeOf(const SizeExpr& size) {
    auto value = size.evaluate([&](std::string_view symbol) -> std::optional<int64_t> {
      if (symbol.substr(0, 5) == "rank.") return 0;
      auto found = sizes_.find(std::string(symbol));
      if (found != sizes_.end()) return found->second;
      figures_.assumed.insert(std::string(symbol));
      return 1;
    });
    return value ? double(std::max<int64_t>(0, *value)) : 0;
  }
  double volumeOf(Type type) {
    if (auto pending = dyn_cast<dist::PendingType>(type)) type = pending.getValue();
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor) return 0;
    double volume = 1;
    for (const SizeExpr& size : graph::sizesOf(tensor))
      volume *= sizeOf(size);
    return volume;
  }
  double bytesOf(Value value) {
    auto [entry, isNew] = bytes_.try_emplace(value, 0);
    if (isNew) {
      Type type = value.getType();
      if (auto pending = dyn_cast<dist::PendingType>(type)) type = pending.getValue();
      auto tensor = dyn_cast<RankedTensorType>(type);
      Type element = tensor ? tensor.getElementType() : Type();
      if (element && element.isIntOrFloat()) bytes_[value] = volumeOf(type) * std::max(1u, element.getIntOrFloatBitWidth()) / 8;
    }
    return bytes_[value];
  }

  /// Made of constants and coordinates alone: it is folded when a rank's plan is made.
  bool isDerived(Operation* op) {
    auto [entry, isNew] = derived_.try_emplace(op, false);
    if (!isNew) return entry->second;
    const bool is = findDerived(op);
    return derived_[op] = is;
  }
  bool findDerived(Operation* op) {
    if (op->hasTrait<OpTrait::ConstantLike>()) return true;
    if (auto sizes = dyn_cast<graph::SizesOp>(op))
      return llvm::all_of(sizes.getExprs().getAsValueRange<StringAttr>(), [](StringRef text) {
        return llvm::all_of(graph::parseSize(text).symbols(), [](const std::string& symbol) { return StringRef(symbol).starts_with("rank."); });
      });
    if (isa<graph::DequantizeOp, graph::DecodeBlocksOp>(op) || op->getNumRegions() || !isPure(op) || op->hasTrait<OpTrait::IsTerminator>()) return false;
    if (op->getNumOperands() == 0) return false;
    double before = 0, after = 0;
    for (Value operand : op->getOperands()) {
      Operation* def = operand.getDefiningOp();
      if (!def || !isDerived(def)) return false;
      before += bytesOf(operand);
    }
    for (Value result : op->getResults())
      after += bytesOf(result);
    return after <= before + kLargestGrowth;
  }

  void count(Operation* op) {
    if (op->hasTrait<OpTrait::IsTerminator>()) return;
    OperatorFigure figure;
    const int index = int(figures_.operators.size());
    const bool isProduct = isa<graph::MatmulOp, graph::GroupedMatmulOp, graph::ExpertsOp, graph::ConvOp, graph::PagedAttentionOp>(op);
    for (Value operand : op->getOperands()) {
      Operation* def = operand.getDefiningOp();
      if (def && isDerived(def)) {
        if (weights_.insert(operand).second) figures_.weightBytes += bytesOf(operand);
        figure.bytes += bytesOf(operand);
        continue;
      }
      if (auto made = places_.find(def); def && made != places_.end()) figure.after.push_back(made->second);
      if (isProduct && !isTable(op, operand)) figure.bytes += bytesOf(operand);
    }
    if (!isAlias(op))
      for (Value result : op->getResults())
        figure.bytes += bytesOf(result);
    if (isAlias(op)) figure.bytes = 0;
    figure.flops = flopsOf(op);
    figures_.flops += figure.flops;
    if (isProduct) figure.isHalf = cast<RankedTensorType>(op->getOperand(0).getType()).getElementType().getIntOrFloatBitWidth() == 16;
    if (auto collective = dyn_cast<dist::Collective>(op)) {
      figure.collective = int(figures_.collectives.size());
      figure.bytes = 0;
      addCollective(collective);
    }
    places_[op] = index;
    figures_.operators.push_back(std::move(figure));
  }

  /// Pools of pages: attention reads the pages of its sequences and no others.
  static bool isTable(Operation* op, Value operand) {
    auto attention = dyn_cast<graph::PagedAttentionOp>(op);
    return attention && (operand == attention.getKeys() || operand == attention.getValues());
  }
  static bool isAlias(Operation* op) { return isa<graph::ReshapeOp, graph::WritePagesOp, dist::WaitOp>(op); }

  double flopsOf(Operation* op) {
    using graph::sizesOf;
    if (auto matmul = dyn_cast<graph::MatmulOp>(op)) return 2 * volumeOf(matmul.getY().getType()) * sizeOf(sizesOf(matmul.getA().getType()).back());
    if (auto grouped = dyn_cast<graph::GroupedMatmulOp>(op)) return 2 * volumeOf(grouped.getY().getType()) * sizeOf(sizesOf(grouped.getX().getType()).back());
    if (auto experts = dyn_cast<graph::ExpertsOp>(op))
      return 2 * pairsOf(experts) * (volumeOf(experts.getGate().getType()) * 2 + volumeOf(experts.getDown().getType())) / expertsOf(experts);
    if (auto conv = dyn_cast<graph::ConvOp>(op)) {
      const double channels = sizeOf(sizesOf(conv->getOperand(1).getType())[0]);
      return channels > 0 ? 2 * volumeOf(conv->getResult(0).getType()) * volumeOf(conv->getOperand(1).getType()) / channels : 0;
    }
    if (auto attention = dyn_cast<graph::PagedAttentionOp>(op))
      return 4 * volumeOf(attention.getQ().getType()) * sizeOf(sizesOf(attention.getTable().getType())[1]) * double(graph::kPageRows);
    double flops = 0;
    for (Value result : op->getResults())
      flops += isAlias(op) || isa<dist::Collective>(op) ? 0 : volumeOf(result.getType());
    return flops;
  }

  double expertsOf(graph::ExpertsOp op) { return sizeOf(graph::sizesOf(op.getGate().getType())[0]); }
  /// Pairs of a token and an expert that this rank computes where each expert is chosen as often as another.
  double pairsOf(graph::ExpertsOp op) {
    Value chosen = op.getChosen();
    while (Operation* def = chosen.getDefiningOp()) {
      auto best = dyn_cast<graph::TopKOp>(def);
      if (best) return volumeOf(chosen.getType()) * expertsOf(op) / sizeOf(graph::sizesOf(best.getX().getType()).back());
      if (!isa<graph::SubOp, graph::CastOp, graph::SelectOp>(def)) break;  // that count from a rank's first expert
      chosen = def->getOperand(isa<graph::SelectOp>(def) ? 1 : 0);
    }
    return volumeOf(chosen.getType());
  }
  /// What is alive inside of a mixture (jinx-expand-experts): rows of all pairs, for a rank does not know which are its own before it runs.
  double bytesInside(Operation* op) {
    auto experts = dyn_cast<graph::ExpertsOp>(op);
    if (!experts) return 0;
    auto x = cast<RankedTensorType>(experts.getX().getType());
    const double width = sizeOf(graph::sizesOf(x)[1]), hidden = sizeOf(graph::sizesOf(experts.getGate().getType())[1]);
    return volumeOf(experts.getChosen().getType()) * (width + 2 * hidden) * x.getElementType().getIntOrFloatBitWidth() / 8;
  }

  void addCollective(dist::Collective op) {
    CollectiveFigure figure;
    figure.op = kindOf(op);
    figure.node = passes::nodeName(op->getLoc()).str();
    int64_t last = -1;
    for (StringRef axis : op.getAxes().getAsValueRange<StringAttr>()) {
      figure.axes += (figure.axes.empty() ? "" : ", ") + axis.str();
      figure.ranks *= mesh_.sizeOf(axis);
      last = std::max(last, mesh_.placeOf(axis));
    }
    for (int64_t size : mesh_.getSizes().drop_front(size_t(last + 1)))
      figure.stride *= size;
    figure.bytes = std::max(bytesOf(op->getOperand(0)), bytesOf(op->getResult(0)));
    const double share = double(figure.ranks - 1) / double(figure.ranks);
    figure.wireBytes = figure.op == comm::Op::kPermute || figure.op == comm::Op::kBroadcast
                           ? figure.bytes
                           : figure.bytes * share * (figure.op == comm::Op::kAllReduce ? 2 : 1);
    figures_.wireBytes += figure.wireBytes;
    figures_.collectives.push_back(std::move(figure));
  }
  static comm::Op kindOf(Operation* op) {
    if (isa<dist::AllGatherOp>(op)) return comm::Op::kAllGather;
    if (isa<dist::ReduceScatterOp>(op)) return comm::Op::kReduceScatter;
    if (isa<dist::AllToAllOp>(op)) return comm::Op::kAllToAll;
    if (isa<dist::PermuteOp>(op)) return comm::Op::kPermute;
    if (isa<dist::BroadcastOp>(op)) return comm::Op::kBroadcast;
    return comm::Op::kAllReduce;
  }

  /// The value whose memory this one is in.
  static Value storage(Value value) {
    while (Operation* op = value.getDefiningOp()) {
      if (!isAlias(op)) return value;
      value = op->getOperand(0);
    }
    return value;
  }
  double peak() {
    llvm::DenseMap<Value, int64_t> lastRead;
    int64_t place = 0;
    for (Operation& op : body_) {
      for (Value operand : op.getOperands())
        lastRead[storage(operand)] = place;
      ++place;
    }
    llvm::DenseMap<int64_t, double> freed;
    double alive = 0, most = 0;
    place = 0;
    for (Operation& op : body_) {
      if (!isDerived(&op) && !isAlias(&op) && !op.hasTrait<OpTrait::IsTerminator>())
        for (Value result : op.getResults()) {
          alive += bytesOf(result);
          auto last = lastRead.find(result);
          freed[last == lastRead.end() ? place : last->second] += bytesOf(result);
        }
      most = std::max(most, alive + bytesInside(&op));
      alive -= freed.lookup(place++);
    }
    return most;
  }

  Block& body_;
  dist::MeshOp mesh_;
  const std::map<std::string, int64_t>& sizes_;
  RankFigures figures_;
  llvm::DenseMap<Value, double> bytes_;
  llvm::DenseMap<Operation*, bool> derived_;
  llvm::DenseMap<Operation*, int> places_;
  llvm::DenseSet<Value> weights_;
};

} // namespace

RankFigures rankFigures(ShardedModel& sharded, const std::map<std::string, int64_t>& sizes) {
  func::FuncOp main = sharded.model->main();
  return Counter(main, dist::meshOf(main), sizes).run();
}

} // namespace jinx::driver
