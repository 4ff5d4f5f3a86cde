// Reading a ModelProto from a file or from memory, within limits.
#pragma once

#include <span>

#include "frontends/onnx/OnnxPch.h"

namespace jinx::frontends {

/// kInvalidArgument when the bytes are no ModelProto with a graph, or too many.
Expected<std::shared_ptr<const onnx::ModelProto>> parseModel(std::span<const std::byte> bytes, int64_t maxBytes);

/// Opset version per domain; "ai.onnx" is "".
using Opsets = std::map<std::string, int64_t, std::less<>>;
template <typename Imports>
Opsets readOpsets(const Imports &imports) {
  Opsets opsets;
  for (const auto &import : imports) opsets[import.domain() == "ai.onnx" ? "" : import.domain()] = import.version();
  return opsets;
}

/// Everything that is wrong with the model, one line each, with node names: names that nothing defines or two nodes define, wrong
/// attributes, missing operands, damaged tensors, operators that their opset lacks. Empty for a valid model.
std::vector<std::string> findProblems(const onnx::ModelProto &model);

/// `node "conv1" (Conv)`; a node without a name is named by its first output.
std::string describeNode(const onnx::NodeProto &node);
/// The node's name, or its first output's.
std::string nodeName(const onnx::NodeProto &node);

} // namespace jinx::frontends
