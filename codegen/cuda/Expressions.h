// One scalar operation of `arith` or `math` as a CUDA C++ expression. Tiles are computed element by element, so this is all the
// arithmetic there is.
#pragma once

#include <optional>
#include <string>

#include "mlir/IR/Operation.h"

namespace jinx::cuda {

/// Text with the precedence of its outermost operator, so that parentheses appear only where they must.
struct Expr {
  enum Precedence { kPrimary, kUnary, kMultiply, kAdd, kShift, kRelation, kEquality, kAnd, kXor, kOr, kLogicalAnd, kLogicalOr, kTernary };
  std::string text;
  Precedence precedence = kPrimary;

  /// The text, in parentheses if it binds more loosely than `loosest`.
  std::string in(Precedence loosest) const { return precedence <= loosest ? text : "(" + text + ")"; }
  bool isSimple() const { return precedence == kPrimary && text.size() < 24; }
};

inline Expr call(const std::string &function, const std::string &arguments) { return {function + "(" + arguments + ")"}; }
Expr add(const Expr &a, const Expr &b);
Expr subtract(const Expr &a, const Expr &b);
Expr multiply(const Expr &a, const Expr &b);

/// True for an operation that `elementExpr` prints.
bool isElementwise(mlir::Operation *op);
/// Marked as approximate (`afn`): by who writes it, or where its value is rounded to 16 bits (codegen/schedules/cuda/WidenHalves.cpp).
bool isShort(mlir::Operation *op);
/// The operation on one element of each operand; nothing for an operation that CUDA text has no form for.
std::optional<Expr> elementExpr(mlir::Operation *op, llvm::ArrayRef<Expr> operands);

}  // namespace jinx::cuda
