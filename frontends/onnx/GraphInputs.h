// The graph's inputs as function arguments: where named dimensions become symbols and the user's sizes replace declared ones.
#pragma once

#include "frontends/ImportOptions.h"
#include "frontends/onnx/OnnxTypes.h"

namespace jinx::frontends {

struct GraphInput {
  std::string name;
  mlir::Type type;
};

/// The inputs that are no initializers, in order. Declares their symbols.
Expected<std::vector<GraphInput>> readGraphInputs(mlir::MLIRContext *context, const onnx::GraphProto &graph,
                                                  const ImportOptions &options, Symbols &symbols);

} // namespace jinx::frontends
