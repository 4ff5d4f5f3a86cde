// The few operators that language models are made of, each with the name of what it is a part of as location.
#pragma once

#include <string>

#include "frontends/llm/Model.h"
#include "ir/Graph/Graph.h"
#include "runtime/base/Tensor.h"

namespace jinx::frontends::llm {

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
  Value integer(int64_t value, DType type = DType::kI32);
  Value add(Value a, Value b) { return graph::AddOp::create(builder, loc_, a, b); }
  Value div(Value a, Value b) { return graph::DivOp::create(builder, loc_, a, b); }
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
  /// (x - mean) / sqrt(mean((x - mean)²) + epsilon) * gain + bias, over the last dimension.
  Value layerNorm(Value x, Value gain, Value bias, double epsilon);
  Value sum(Value x, int64_t axis); ///< the dimension stays, with extent 1
  Value runningSum(Value x, int64_t axis) { return graph::CumsumOp::create(builder, loc_, x, axis, /*exclusive=*/false, /*reverse=*/false); }
  /// The largest `count` of the last dimension, and where they are; of equal ones the first.
  graph::TopKOp largest(Value x, SizeExpr count);
  Value numbers(int64_t count); ///< the constant 0, 1, …, i32 [1, count]
  Value softmax(Value x);           ///< over the last dimension
  Value sigmoid(Value x) { return graph::SigmoidOp::create(builder, loc_, x); }
  Value cast(Value x, mlir::Type element);
  /// As f32, in which all but products and attention is computed.
  Value wide(Value x) { return cast(x, builder.getF32Type()); }
  Value transpose(Value x, llvm::ArrayRef<int64_t> permutation) { return graph::TransposeOp::create(builder, loc_, x, permutation); }
  Value silu(Value x);
  Value gelu(Value x);     ///< x * Φ(x), by erf
  Value activate(Value x, Activation by);
  Value geluTanh(Value x); ///< Hendrycks and Gimpel 2016, with tanh

  mlir::OpBuilder builder;

private:
  mlir::Location loc_;
};

} // namespace jinx::frontends::llm
