// The few operators that language models are made of, each with the name of what it is a part of as location.
#pragma once

#include <string>

#include "ir/Graph/Graph.h"
#include "runtime/base/Tensor.h"

namespace jinx::frontends::gguf {

using mlir::Value;

/// Operands fit: whoever builds has checked the file's shapes.
class Graph {
public:
  explicit Graph(mlir::OpBuilder builder) : builder(builder), loc_(builder.getUnknownLoc()) {}

  /// Operators from here on are parts of `name`.
  void at(const std::string& name) { loc_ = mlir::NameLoc::get(builder.getStringAttr(name)); }
  mlir::Location loc() const { return loc_; }

  Value constant(const Tensor& elements);
  Value number(double value); ///< f32
  Value add(Value a, Value b) { return graph::AddOp::create(builder, loc_, a, b); }
  Value sub(Value a, Value b) { return graph::SubOp::create(builder, loc_, a, b); }
  Value mul(Value a, Value b) { return graph::MulOp::create(builder, loc_, a, b); }
  Value mul(Value a, double b) { return mul(a, number(b)); }
  /// y = x · wᵀ, w [n, k] as files have it.
  Value linear(Value x, Value w) { return graph::MatmulOp::create(builder, loc_, x, w, /*transpose_b=*/true); }
  Value gatherRows(Value x, Value rows) { return graph::GatherOp::create(builder, loc_, x, rows, 0); }
  Value reshape(Value x, llvm::ArrayRef<SizeExpr> sizes);
  /// Elements `first` to first + count - 1 of the last dimension.
  Value sliceLast(Value x, int64_t first, int64_t count);
  Value concatLast(mlir::ValueRange xs);
  /// x / sqrt(mean(x²) + epsilon) * gain, over the last dimension.
  Value rmsNorm(Value x, Value gain, double epsilon);
  Value silu(Value x);
  Value geluTanh(Value x); ///< Hendrycks and Gimpel 2016, with tanh

  mlir::OpBuilder builder;

private:
  mlir::Location loc_;
};

} // namespace jinx::frontends::gguf
