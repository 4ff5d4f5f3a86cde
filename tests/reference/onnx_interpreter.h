// Runs an ONNX model node by node through the host ops: the shortest way from a model to numbers, by which the host ops themselves
// are judged.
//
// It knows no control flow (If, Loop, Scan, SequenceMap) and no function bodies: such a model is kUnimplemented.
#pragma once

#include <string>
#include <vector>

#include <onnx/onnx_pb.h>

#include "runtime/hostops/HostOp.h"

namespace jinx::reference {

class OnnxInterpreter {
 public:
  static Expected<OnnxInterpreter> load(const std::string& path);

  const onnx::ModelProto& model() const { return model_; }
  /// `inputs` follow the graph's inputs that are not initializers; the result follows the graph's outputs.
  Expected<std::vector<Value>> run(const HostOpTable& table, const std::vector<Value>& inputs) const;

 private:
  onnx::ModelProto model_;
};

} // namespace jinx::reference
