// Programs that are a warp each: what kernels of paged attention do beside tensor cores. Internal to
// codegen/schedules/cuda.
#pragma once

#include "codegen/schedules/cuda/IndexBuilder.h"

namespace jinx::schedules {

/// Scalars, and tiles of rank 1 over the lanes of a warp.
class WarpProgram {
 protected:
  WarpProgram(mlir::OpBuilder& builder, graph::GroupOp group, llvm::StringRef name, mlir::TypeRange inputs,
              mlir::TypeRange results);

  mlir::OpBuilder& b() { return kb_.b(); }
  mlir::Location loc() { return kb_.loc(); }
  mlir::Value c(int64_t v) { return kb_.constant(v); }
  mlir::VectorType vec(int64_t width, mlir::Type element = {}) {
    return mlir::VectorType::get({width}, element ? element : f32_);
  }
  mlir::Value number(double v);
  mlir::Value lowest(); ///< -inf
  mlir::Value called(mlir::Value v, llvm::StringRef name);
  mlir::Value compare(mlir::arith::CmpIPredicate predicate, mlir::Value x, mlir::Value y);
  mlir::Value select(mlir::Value condition, mlir::Value x, mlir::Value y);
  mlir::Value product(mlir::Value x, mlir::Value y);
  mlir::Value sum(mlir::Value x, mlir::Value y);
  mlir::Value scaled(mlir::Value tile, mlir::Value by);
  mlir::Value power(mlir::Value x);        ///< 2^x
  mlir::Value isNone(mlir::Value largest); ///< of nothing seen

  mlir::Value load(mlir::Type element, int64_t width, mlir::Value ptr, mlir::Value at, mlir::Value limit = {});
  mlir::Value loadOne(mlir::Type element, mlir::Value ptr, mlir::Value at, mlir::Value limit = {});
  mlir::Value loadIndex(mlir::Value ptr, mlir::Value at, mlir::Value limit = {});
  void store(mlir::Value tile, mlir::Value ptr, mlir::Value at);
  void storeOne(mlir::Value scalar, mlir::Value ptr, mlir::Value at);
  void storeIndex(mlir::Value index, mlir::Value ptr, mlir::Value at);

  void when(mlir::Value condition, llvm::function_ref<void()> then);
  /// A warp to a program, for those that there are.
  Scheduled run(const SizeExpr& programs, const SizeExpr& work, llvm::function_ref<void(mlir::Value program)> body);

  KernelBuilder kb_;
  mlir::Type f32_;
};

/// What keys have given so far to a row, each part a softmax of its own: sum_p w_p out_p, sum_p w_p and the largest
/// logarithm, w_p = 2^(logarithm_p - the largest).
struct JoinedParts {
  mlir::Value largest, total, out;
};
/// One part more. Kernels that join in registers and those that join what lies in memory write the same operations, in
/// the same order: their results are the same to the bit.
/// \param spread  a row's number over its elements
JoinedParts joinPart(mlir::OpBuilder& b, mlir::Location loc, const JoinedParts& before, mlir::Value out,
                     mlir::Value logarithm, llvm::function_ref<mlir::Value(mlir::Value)> spread);

} // namespace jinx::schedules
