// AttributeProto → MLIR attributes, for host calls.
#pragma once

#include "frontends/onnx/OnnxConstants.h"

namespace jinx::frontends {

/// int → i64, float → f64, ints → array<i64>, floats → array<f64>, strings → ["…"], tensors → elements. Graphs and types are left out.
Expected<mlir::DictionaryAttr> attributesFromNode(mlir::MLIRContext *context, const onnx::NodeProto &node, ConstantReader &constants);

/// The attribute of that name, or null.
const onnx::AttributeProto *findAttribute(const onnx::NodeProto &node, std::string_view name);

} // namespace jinx::frontends
