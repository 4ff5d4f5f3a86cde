// What passes on bytes share: constants that are read, changed, summed and written; bytes of the other sign; images with margins.
#pragma once

#include "passes/Passes.h"

namespace jinx::passes {

/// Integers of a constant, in the order of its elements.
struct ConstantIntegers {
  llvm::SmallVector<int64_t> values, shape;
};
/// \returns nothing when `v` is no constant of integers
std::optional<ConstantIntegers> readConstant(Value v);

/// A constant of `shape`: of bytes of either sign, i32, or f32.
Value writeConstant(mlir::OpBuilder &b, mlir::Location loc, llvm::ArrayRef<int64_t> shape, mlir::Type element, llvm::ArrayRef<int64_t> values);

/// Sums along one axis, which has extent 1 afterwards.
ConstantIntegers sumsAlong(const ConstantIntegers &integers, int64_t axis);

/// \returns the elements of `v`, bytes, plus `shift`, as bytes of the other sign: 128 makes unsigned ones of signed ones, -128 signed ones of
/// unsigned ones. Of a constant a constant.
Value withOtherSign(mlir::OpBuilder &b, mlir::Location loc, Value v);

/// The image of a convolution with margins of `value`, a scalar of its type, or of zeros where that is null.
///
/// \param pads  begin… then end…, as the convolution has them
Value paddedImage(mlir::OpBuilder &b, mlir::Location loc, Value x, llvm::ArrayRef<int64_t> pads, bool channelsLast, Value value);

}  // namespace jinx::passes
