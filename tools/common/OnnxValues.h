// ONNX's protobuf values (TensorProto, SequenceProto, OptionalProto) as runtime values; for test data, not for models.
#pragma once

#include <string>

#include <onnx/onnx-data.pb.h>
#include <onnx/onnx_pb.h>

#include "runtime/base/Tensor.h"

namespace jinx::onnx_values {

Expected<Tensor> tensorFromProto(const onnx::TensorProto& proto);
Expected<Tensor> tensorFromSparse(const onnx::SparseTensorProto& proto);
Expected<Value> sequenceFromProto(const onnx::SequenceProto& proto);
Expected<Value> optionalFromProto(const onnx::OptionalProto& proto);
/// Reads a serialized TensorProto, SequenceProto or OptionalProto, whichever `type` asks for.
Expected<Value> readValueFile(const std::string& path, const onnx::TypeProto& type);
Expected<onnx::ModelProto> readModelFile(const std::string& path);

} // namespace jinx::onnx_values
