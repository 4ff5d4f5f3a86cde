#include "codegen/schedules/Schedules.h"
#include "ir/Graph/Constants.h"
#include "ir/Graph/PartAttr.h"
#include "mlir/IR/Matchers.h"
#include "passes/Graph/Evaluate.h"
#include "passes/Passes.h"

using namespace mlir;

namespace jinx::passes {
#define GEN_PASS_DEF_FOLDCONSTANTS
#include "passes/Passes.h.inc"

namespace {

struct FoldConstantsPass : impl::FoldConstantsBase<FoldConstantsPass> {
  using FoldConstantsBase::FoldConstantsBase;

  void runOnOperation() override {
    HostOpTable table = HostOpTable::standard();
    getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (!isFoldable(op) || (keepCodes && isa<graph::DequantizeOp>(op))) return;
      fold(op, table);
    });
  }

  /// One op with results, every operand a constant (an omitted one counts), no region.
  static bool isFoldable(Operation *op) {
    if (isa<graph::ConstantOp, graph::NoneOp>(op) || op->getNumResults() == 0 || op->getNumRegions() != 0) return false;
    if (!isa<graph::GraphDialect>(op->getDialect())) return false;  // a collective of constants: other ranks have other ones
    if (op->getNumOperands() == 0) return false;
    return llvm::all_of(op->getOperands(), [](Value v) {
      Operation *def = v.getDefiningOp();
      return def && isa<graph::ConstantOp, graph::NoneOp>(def);
    });
  }

  /// Weights on their way into panels: what packs them reads them once, here.
  static bool isOnlyPacked(Operation *op) {
    return llvm::all_of(op->getUsers(), [](Operation *user) { return isa<graph::PackOp>(user); });
  }

  /// What a slice, or a pad with zeros behind the end, has of a large constant: a part, which is no copy.
  static graph::PartAttr partOf(Operation *op) {
    auto slice = dyn_cast<graph::SliceOp>(op);
    auto pad = dyn_cast<graph::PadOp>(op);
    if (!slice && !(pad && pad.getMode() == graph::PadMode::constant)) return {};
    const auto whole = op->getOperand(0).getDefiningOp<graph::ConstantOp>().getValue();
    const auto type = cast<RankedTensorType>(op->getResult(0).getType());
    if (!type.hasStaticShape() || (slice && !llvm::all_of(slice.getSteps(), [](int64_t step) { return step == 1; }))) return {};
    SmallVector<int64_t> starts;
    for (StringRef text : (slice ? slice.getStarts() : pad.getLow()).getAsValueRange<StringAttr>()) {
      const std::optional<int64_t> start = graph::parseSize(text).constant();
      if (!start || (pad && *start != 0)) return {};
      starts.push_back(*start);
    }
    if (pad && pad.getValue() && !isZero(pad.getValue())) return {};
    const ArrayRef<int64_t> from = whole.getShapedType().getShape();
    for (size_t d = 0; d < starts.size(); ++d)
      if (pad && type.getDimSize(d) < from[d]) return {};  // crops
    return graph::partOf(whole, starts, type);
  }
  static bool isZero(Value v) {
    auto tensor = graph::tensorOf(v.getDefiningOp<graph::ConstantOp>().getValue());
    const auto *bytes = tensor ? static_cast<const char *>(tensor->data()) : nullptr;
    return bytes && llvm::all_of(ArrayRef(bytes, size_t(tensor->sizeBytes())), [](char byte) { return byte == 0; });
  }

  void fold(Operation *op, const HostOpTable &table) {
    if (graph::PartAttr part = partOf(op)) {
      OpBuilder builder(op);
      op->getResult(0).replaceAllUsesWith(graph::ConstantOp::create(builder, op->getLoc(), part).getY());
      ++numFolded;
      say(passes::passed(op, "jinx-fold-constants", "Folded"), [&] { return kindOf(op) + " is a part of a constant"; });
      return op->erase();
    }
    int64_t operandBytes = 0;
    std::vector<Tensor> operands;
    for (Value v : op->getOperands()) {
      auto constant = v.getDefiningOp<graph::ConstantOp>();
      if (!constant) {
        operands.emplace_back();
        continue;
      }
      auto tensor = graph::tensorOf(constant.getValue());
      if (!tensor) return keep(op, "an operand of a type that cannot be read here");
      operandBytes += constant.getValue().isSplat() ? bitWidth(tensor->dtype()) / 8 : tensor->sizeBytes();
      operands.push_back(std::move(*tensor));
    }
    for (Type type : op->getResultTypes()) {
      auto tensor = dyn_cast<RankedTensorType>(type);
      if (!tensor || !tensor.hasStaticShape()) return keep(op, "the size of the result is known only when the model runs");
      int64_t bytes = packedBytes(graph::dtypeOf(tensor.getElementType()), tensor.getNumElements());
      if (bytes > operandBytes + maxGrowth && !isa<graph::PackOp, graph::HostCallOp>(op) && !isOnlyPacked(op) && llvm::all_of(op->getOperandTypes(), schedules::isAddressable))
        return keep(op, "the result has " + std::to_string(bytes) + " bytes, the operands " + std::to_string(operandBytes) +
                            "; max-growth is " + std::to_string(maxGrowth));
    }
    auto results = evaluate(op, operands, table);
    if (!results) {
      ++numKept;
      say(passes::failed(op, "jinx-fold-constants", "NotComputed"), [&] { return kindOf(op) + ": " + results.status().message(); });
      return;
    }
    OpBuilder builder(op);
    for (auto [result, tensor] : llvm::zip(op->getResults(), *results)) {
      ElementsAttr elements = graph::elementsOf(tensor, &getContext());
      if (elements.getType() != result.getType()) return keep(op, "the computed shape is not the inferred one");
    }
    for (auto [result, tensor] : llvm::zip(op->getResults(), *results))
      result.replaceAllUsesWith(graph::ConstantOp::create(builder, op->getLoc(), graph::elementsOf(tensor, &getContext())).getY());
    ++numFolded;
    say(passes::passed(op, "jinx-fold-constants", "Folded"), [&] { return "computed " + kindOf(op); });
    op->erase();
  }
  void keep(Operation *op, const std::string &why) {
    ++numKept;
    say(missed(op, "jinx-fold-constants", "Kept"), [&] { return kindOf(op) + ": " + why; });
  }
};

}  // namespace
}  // namespace jinx::passes
