// Tensors of a GGUF file as constants: which a model needs, and how they become values of the graph.
#pragma once

#include <memory>
#include <string>

#include "frontends/gguf/Architecture.h"
#include "ir/Graph/Graph.h"

namespace jinx::frontends {

using mlir::Value;

/// Are all tensors there, of the right shapes, and no others?
/// \returns kInvalidArgument with every problem, a line each: the tensor, what it is and what was expected
Status checkTensors(const GgufFile& file, const ModelShape& shape);

/// Constants share the file's memory; call it with tensors that `checkTensors` has seen only.
class Weights {
public:
  explicit Weights(std::shared_ptr<const GgufFile> file) : file_(std::move(file)) {}

  bool has(const std::string& name) const { return file_->findTensor(name) != nullptr; }
  /// The tensor as f32: a constant, a constant that is cast, or jinx.decode_blocks.
  Value get(mlir::OpBuilder& builder, const std::string& name) const;
  /// The same with rows in another order. Rows come in heads of `depth`, in each of which the even ones come first, then the odd ones: what
  /// rope rotates together, neighbors in the file, is then half a head apart. Scores are sums over a head and do not see its order.
  Value getWithHalves(mlir::OpBuilder& builder, const std::string& name, int64_t depth) const;

private:
  Value make(mlir::OpBuilder& builder, const GgufTensor& tensor, const Tensor& elements) const;

  std::shared_ptr<const GgufFile> file_;
};

} // namespace jinx::frontends
