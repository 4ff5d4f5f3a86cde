// Short names for index arithmetic, folded where operands are constant. Internal to codegen/schedules/cuda.
#pragma once

#include "codegen/schedules/Expression.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Builders.h"

namespace jinx::schedules {

struct IndexBuilder {
  mlir::OpBuilder &b;
  mlir::Location loc;

  mlir::Value c(int64_t v) const { return mlir::arith::ConstantIndexOp::create(b, loc, v); }
  mlir::Value add(mlir::Value x, mlir::Value y) const { return b.createOrFold<mlir::arith::AddIOp>(loc, x, y); }
  mlir::Value sub(mlir::Value x, mlir::Value y) const { return b.createOrFold<mlir::arith::SubIOp>(loc, x, y); }
  mlir::Value mul(mlir::Value x, mlir::Value y) const { return b.createOrFold<mlir::arith::MulIOp>(loc, x, y); }
  mlir::Value mul(mlir::Value x, int64_t y) const { return mul(x, c(y)); }
  mlir::Value add(mlir::Value x, int64_t y) const { return add(x, c(y)); }
  mlir::Value min(mlir::Value x, mlir::Value y) const { return b.createOrFold<mlir::arith::MinSIOp>(loc, x, y); }
  /// Division of small counts (tiles, ranks) in 32 bits, which costs a GPU a fifth of 64 bits. Operands are not negative.
  mlir::Value div(mlir::Value x, mlir::Value y) const {
    if (auto constant = mlir::getConstantIntValue(y); constant == 1) return x;
    mlir::Type i32 = b.getI32Type();
    mlir::Value narrow = b.createOrFold<mlir::arith::DivUIOp>(loc, b.createOrFold<mlir::arith::IndexCastOp>(loc, i32, x),
                                                              b.createOrFold<mlir::arith::IndexCastOp>(loc, i32, y));
    return b.createOrFold<mlir::arith::IndexCastOp>(loc, b.getIndexType(), narrow);
  }
  mlir::Value div(mlir::Value x, int64_t y) const { return div(x, c(y)); }
  /// Rounded up.
  mlir::Value tiles(mlir::Value x, int64_t size) const { return div(add(x, size - 1), c(size)); }
  mlir::Value named(mlir::Value v, llvm::StringRef name) const {
    if (v.getDefiningOp() && v.hasOneUse() == false) v.setLoc(mlir::NameLoc::get(b.getStringAttr(name), loc));
    return v;
  }
};

/// As KernelBuilder::delinearize, in 32 bits where the model fixes that there are so few.
inline llvm::SmallVector<mlir::Value> delinearizeSmall(KernelBuilder &kb, mlir::Value linear, llvm::ArrayRef<SizeExpr> extents) {
  constexpr int64_t kSmall = int64_t(1) << 31;
  if (graph::volume(extents).constant().value_or(kSmall) >= kSmall) return kb.delinearize(linear, extents);
  IndexBuilder ix{kb.b(), kb.loc()};
  llvm::SmallVector<mlir::Value> at(extents.size(), kb.constant(0));
  size_t outermost = 0;
  while (outermost + 1 < extents.size() && extents[outermost].isConstant(1)) ++outermost;
  for (size_t i = extents.size(); i-- > outermost + 1;) {
    if (extents[i].isConstant(1)) continue;
    mlir::Value extent = kb.size(extents[i]), rest = ix.div(linear, extent);
    at[i] = kb.sub(linear, kb.mul(rest, extent));
    linear = rest;
  }
  at[outermost] = linear;
  return at;
}

/// Gives the operation a comment in printed text.
inline void phase(mlir::Operation *op, llvm::StringRef text) { op->setAttr("phase", mlir::StringAttr::get(op->getContext(), text)); }
inline mlir::Location nameLoc(mlir::OpBuilder &b, mlir::Location loc, llvm::StringRef name) {
  return mlir::NameLoc::get(b.getStringAttr(name), loc);
}

}  // namespace jinx::schedules
