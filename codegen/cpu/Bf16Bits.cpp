#include "codegen/cpu/Bf16Bits.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace jinx::cpu {
namespace {

bool isBf16(Type type) { return getElementTypeOrSelf(type).isBF16(); }

Type bitsOf(Type type) {
  Type bits = IntegerType::get(type.getContext(), 16);
  auto vector = dyn_cast<VectorType>(type);
  return vector ? Type(vector.clone(bits)) : bits;
}

Attribute bitsOf(Attribute value) {
  if (auto number = dyn_cast<FloatAttr>(value)) return IntegerAttr::get(bitsOf(number.getType()), number.getValue().bitcastToAPInt());
  if (auto numbers = dyn_cast<DenseElementsAttr>(value)) return numbers.bitcast(IntegerType::get(value.getContext(), 16));
  return {};
}

/// Does the same to integers of as many bits.
bool movesBits(Operation *op) {
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) return bitsOf(constant.getValue()) != nullptr;
  return isa<arith::SelectOp, arith::BitcastOp, ub::PoisonOp, vector::BroadcastOp, vector::ExtractOp, vector::InsertOp, vector::ShuffleOp,
             vector::FromElementsOp, vector::ExtractStridedSliceOp, vector::InsertStridedSliceOp, LLVM::LoadOp, LLVM::StoreOp, LLVM::MaskedLoadOp,
             LLVM::MaskedStoreOp, LLVM::BitcastOp, scf::ForOp, scf::IfOp, scf::WhileOp, scf::ConditionOp, scf::YieldOp>(op);
}

struct Bf16BitsPass : PassWrapper<Bf16BitsPass, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(Bf16BitsPass)
  void runOnOperation() override {
    SmallVector<Value> values;
    auto collect = [&](ValueRange some) { llvm::copy_if(some, std::back_inserter(values), [](Value v) { return isBf16(v.getType()); }); };
    bool onlyMoves = true;
    getOperation().walk([&](Operation *op) {
      const size_t before = values.size();
      collect(op->getResults());
      for (Region &region : op->getRegions())
        for (Block &block : region) collect(block.getArguments());
      bool touches = values.size() > before || llvm::any_of(op->getOperandTypes(), isBf16);
      onlyMoves &= !touches || movesBits(op);
    });
    if (!onlyMoves || values.empty()) return;
    for (Value v : values) {
      if (auto constant = v.getDefiningOp<arith::ConstantOp>()) constant.setValueAttr(cast<TypedAttr>(bitsOf(constant.getValue())));
      v.setType(bitsOf(v.getType()));
    }
    getOperation().walk([](arith::BitcastOp op) {
      if (op.getIn().getType() != op.getType()) return;
      op.getOut().replaceAllUsesWith(op.getIn());
      op.erase();
    });
  }
};

}  // namespace

std::unique_ptr<Pass> createBf16BitsPass() { return std::make_unique<Bf16BitsPass>(); }

}  // namespace jinx::cpu
