// TensorProto → ElementsAttr: initializers, attributes, external data.
//
// Small tensors become dense attributes, which print and fold; big ones resources (ir/Graph/Constants.h); all elements equal, a
// splat. External data is mapped, not copied, unless it lies at an odd offset.
#pragma once

#include "frontends/onnx/OnnxPch.h"
#include "ir/Graph/Constants.h"

namespace jinx::frontends {

class ConstantReader {
public:
  /// \param modelDir  where external data lies; empty for a model from memory, which may have none
  ConstantReader(mlir::MLIRContext *context, std::string modelDir) : context_(context), modelDir_(std::move(modelDir)) {}

  Expected<mlir::ElementsAttr> read(const onnx::TensorProto &proto);
  Expected<mlir::ElementsAttr> readSparse(const onnx::SparseTensorProto &proto);

private:
  Expected<std::shared_ptr<const std::string_view>> map(const std::string &location, const std::string &tensor);
  Expected<mlir::ElementsAttr> readExternal(const onnx::TensorProto &proto, mlir::RankedTensorType type, int64_t bytes);

  mlir::MLIRContext *context_;
  std::string modelDir_;
  std::map<std::string, std::shared_ptr<const std::string_view>> mapped_; ///< by location
};

/// The attribute of packed elements; copies them. All elements equal: a splat.
mlir::ElementsAttr elementsFromPacked(mlir::RankedTensorType type, llvm::ArrayRef<char> packed);

} // namespace jinx::frontends
