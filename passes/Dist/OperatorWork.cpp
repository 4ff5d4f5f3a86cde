#include "passes/Dist/OperatorWork.h"

#include "ir/Graph/Pages.h"

using namespace mlir;
using namespace jinx::dist;

namespace jinx::passes {
namespace {

constexpr double kLargestGrowth = 4 << 20;  // that constants are folded at (jinx-fold-constants)

RankedTensorType tensorOf(Type type) {
  return dyn_cast<RankedTensorType>(startedType(type));
}

bool isProduct(Operation *op) { return isa<graph::MatmulOp, graph::GroupedMatmulOp, graph::ExpertsOp, graph::ConvOp, graph::PagedAttentionOp>(op); }

/// Pools of pages: attention reads the pages of its sequences and no others.
bool isTable(Operation *op, Value operand) {
  auto attention = dyn_cast<graph::PagedAttentionOp>(op);
  return attention && (operand == attention.getKeys() || operand == attention.getValues());
}

comm::Op wireOp(Operation *op) {
  if (isa<AllGatherOp>(op)) return comm::Op::kAllGather;
  if (isa<ReduceScatterOp>(op)) return comm::Op::kReduceScatter;
  if (isa<AllToAllOp>(op)) return comm::Op::kAllToAll;
  if (isa<AllToAllVOp>(op)) return comm::Op::kAllToAllV;
  if (isa<PermuteOp>(op)) return comm::Op::kPermute;
  if (isa<BroadcastOp>(op)) return comm::Op::kBroadcast;
  if (isa<SendOp>(op)) return comm::Op::kSend;
  if (isa<RecvOp>(op)) return comm::Op::kRecv;
  return comm::Op::kAllReduce;
}

/// A constant, or a formula of coordinates.
bool isFreeOfOperands(Operation *op) {
  if (op->hasTrait<OpTrait::ConstantLike>()) return true;
  auto sizes = dyn_cast<graph::SizesOp>(op);
  return sizes && llvm::all_of(sizes.getExprs().getAsValueRange<StringAttr>(), [](StringRef text) {
           return llvm::all_of(graph::parseSize(text).symbols(), [](const std::string &symbol) { return StringRef(symbol).starts_with("rank."); });
         });
}
/// Of operands, and of nothing else.
bool isComputation(Operation *op) { return op->getNumOperands() > 0 && op->getNumRegions() == 0 && isPure(op) && !op->hasTrait<OpTrait::IsTerminator>(); }

ArrayAttr axesOf(Operation *op) {
  if (auto collective = dyn_cast<Collective>(op)) return collective.getAxes();
  return op->getAttrOfType<ArrayAttr>("axes");
}

}  // namespace

int64_t strideOf(ArrayRef<StringAttr> axes, MeshOp mesh) {
  int64_t last = -1, stride = 1;
  for (StringAttr axis : axes) last = std::max(last, mesh.placeOf(axis));
  for (int64_t size : mesh.getSizes().drop_front(size_t(last + 1))) stride *= size;
  return stride;
}

double bytesOfElement(Type element) {
  if (!element.isIntOrFloat()) return 0;
  const unsigned bits = element.getIntOrFloatBitWidth();
  return bits == 1 ? 1 : double(bits) / 8;
}

double OperatorWork::sizeOf(const SizeExpr &size) {
  auto value = size.evaluate([&](std::string_view symbol) -> std::optional<int64_t> {
    if (symbol.starts_with("rank.")) return 0;
    auto found = sizes_.find(std::string(symbol));
    if (found != sizes_.end()) return found->second;
    assumed_.insert(std::string(symbol));
    return unknown_;
  });
  return value ? double(std::max<int64_t>(0, *value)) : 0;
}

double OperatorWork::volumeOf(Type type) {
  RankedTensorType tensor = tensorOf(type);
  if (!tensor) return 0;
  double volume = 1;
  for (const SizeExpr &size : graph::sizesOf(tensor)) volume *= sizeOf(size);
  return volume;
}

double OperatorWork::bytesOf(Value value) {
  auto [entry, isNew] = bytes_.try_emplace(value, 0);
  if (isNew) {
    if (RankedTensorType tensor = tensorOf(value.getType())) entry->second = volumeOf(tensor) * bytesOfElement(tensor.getElementType());
  }
  return entry->second;
}

bool OperatorWork::isDerived(Operation *op) {
  auto [entry, isNew] = derived_.try_emplace(op, false);
  if (!isNew) return entry->second;
  const bool is = findDerived(op);
  return derived_[op] = is;
}

bool OperatorWork::findDerived(Operation *op) {
  if (isFreeOfOperands(op)) return true;
  if (isa<graph::DequantizeOp, graph::DecodeBlocksOp>(op) || !isComputation(op)) return false;
  double before = 0, after = 0;
  for (Value operand : op->getOperands()) {
    Operation *def = operand.getDefiningOp();
    if (!def || !isDerived(def)) return false;
    before += bytesOf(operand);
  }
  for (Value result : op->getResults()) after += bytesOf(result);
  return after <= before + kLargestGrowth;
}

bool OperatorWork::isOfConstants(Operation *op) {
  auto [entry, isNew] = ofConstants_.try_emplace(op, false);
  if (!isNew) return entry->second;
  const bool is = isFreeOfOperands(op) || (isComputation(op) && llvm::all_of(op->getOperands(), [&](Value operand) {
                                             Operation *def = operand.getDefiningOp();
                                             return def && isOfConstants(def);
                                           }));
  return ofConstants_[op] = is;
}

bool OperatorWork::isAlias(Operation *op) {
  return isa<graph::ReshapeOp, graph::WritePagesOp, RowsOp, WaitOp>(op) || (isa<SendOp>(op) && op->getNumResults() > 0);  // what is sent lies there until the wait
}

Value OperatorWork::storageOf(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isAlias(op)) return value;
    value = op->getOperand(0);
  }
  return value;
}

Work OperatorWork::workOf(Operation *op) {
  Work work;
  if (isOnWire(op) || isAlias(op)) return work;
  for (Value operand : op->getOperands()) {
    Operation *def = operand.getDefiningOp();
    if ((def && isDerived(def)) || (isProduct(op) && !isTable(op, operand))) work.bytes += bytesOf(operand);
  }
  for (Value result : op->getResults()) work.bytes += bytesOf(result);
  work.flops = flopsOf(op);
  work.isHalf = isProduct(op) && cast<RankedTensorType>(op->getOperand(0).getType()).getElementType().getIntOrFloatBitWidth() == 16;
  return work;
}

double OperatorWork::flopsOf(Operation *op) {
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
  for (Value result : op->getResults()) flops += volumeOf(result.getType());
  return flops;
}

double OperatorWork::expertsOf(graph::ExpertsOp op) { return sizeOf(graph::sizesOf(op.getGate().getType())[0]); }

double OperatorWork::pairsOf(graph::ExpertsOp op) {
  Value chosen = op.getChosen();
  while (Operation *def = chosen.getDefiningOp()) {
    if (auto best = dyn_cast<graph::TopKOp>(def)) return volumeOf(chosen.getType()) * expertsOf(op) / sizeOf(graph::sizesOf(best.getX().getType()).back());
    // That count from a rank's first expert, and that bring numbers there.
    if (!isa<Collective, graph::AddOp, graph::SubOp, graph::CastOp, graph::SelectOp, graph::SliceOp, graph::GatherOp, graph::ConcatOp>(def)) break;
    chosen = def->getOperand(isa<graph::SelectOp>(def) ? 1 : 0);
  }
  return volumeOf(chosen.getType());
}

double OperatorWork::bytesInside(Operation *op) {
  auto experts = dyn_cast<graph::ExpertsOp>(op);
  if (!experts) return 0;
  auto x = cast<RankedTensorType>(experts.getX().getType());
  const double width = sizeOf(graph::sizesOf(x)[1]), hidden = sizeOf(graph::sizesOf(experts.getGate().getType())[1]);
  return volumeOf(experts.getChosen().getType()) * (width + 2 * hidden) * x.getElementType().getIntOrFloatBitWidth() / 8;
}

WireCall OperatorWork::callOf(Operation *op) {
  WireCall call{wireOp(op)};
  SmallVector<StringAttr> axes(axesOf(op).getAsRange<StringAttr>());
  for (StringAttr axis : axes) call.ranks *= mesh_.sizeOf(axis);
  call.stride = strideOf(axes, mesh_);
  for (Value value : op->getOperands()) call.bytes = std::max(call.bytes, bytesOf(value));
  for (Value value : op->getResults()) call.bytes = std::max(call.bytes, bytesOf(value));
  if (auto rows = dyn_cast<AllToAllVOp>(op); rows && rows.getShare()) call.bytes *= rows.getShare()->convertToDouble();
  return call;
}

}  // namespace jinx::passes
