// What ONNX itself knows about an operator: result types for given operands, and its body as a function.
//
// Shape inference runs node by node, on the types and values that the importer already has. Sizes travel as dimension names whose
// text is a formula ("2*n"), so what comes back is a formula again.
#pragma once

#include "frontends/onnx/OnnxModel.h"
#include "frontends/onnx/OnnxTypes.h"

namespace onnx {
class OpSchema;
}

namespace jinx::frontends {

struct InferredTypes {
  std::vector<onnx::TypeProto> results; ///< empty protos for what is not known
  std::string error;                    ///< not empty when inference says that the operands do not fit
};

/// \param operands  null for an omitted one
InferredTypes inferTypes(const onnx::NodeProto &node, const onnx::OpSchema &schema, llvm::ArrayRef<mlir::Value> operands);

/// The schema's function body for this node, or nothing.
std::optional<onnx::FunctionProto> functionBody(const onnx::NodeProto &node, const onnx::OpSchema &schema, int64_t opset,
                                                llvm::ArrayRef<mlir::Value> operands);
bool hasFunctionBody(const onnx::OpSchema &schema);

/// Replaces references to the function's attributes by the caller's values or the declared defaults.
void bindAttributes(onnx::FunctionProto &function, const onnx::NodeProto &caller, const onnx::OpSchema *schema);

} // namespace jinx::frontends
