#include "tests/reference/onnx_interpreter.h"

#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "runtime/hostops/OnnxTypes.h"

namespace jinx::reference {
namespace {

Expected<std::string> readFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return notFound("cannot open " + path);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

/// Copies a typed repeated field into the packed elements of `t`.
template <typename Stored, typename Field>
Status copyField(const Field& field, int64_t expected, Tensor& t) {
  if (field.size() != expected)
    return invalidArgument("tensor data has " + std::to_string(field.size()) + " entries, expected " +
                           std::to_string(expected));
  for (int i = 0; i < field.size(); ++i)
    t.as<Stored>()[i] = static_cast<Stored>(field[i]);
  return Status::ok();
}

Status fillFromFields(const onnx::TensorProto& proto, Tensor& t) {
  const int64_t count = t.size();
  switch (t.dtype()) {
  case DType::kF32:
    return copyField<float>(proto.float_data(), count, t);
  case DType::kC64:
    return copyField<float>(proto.float_data(), 2 * count, t);
  case DType::kF64:
    return copyField<double>(proto.double_data(), count, t);
  case DType::kC128:
    return copyField<double>(proto.double_data(), 2 * count, t);
  case DType::kI64:
    return copyField<int64_t>(proto.int64_data(), count, t);
  case DType::kU64:
    return copyField<uint64_t>(proto.uint64_data(), count, t);
  case DType::kU32:
    return copyField<uint32_t>(proto.uint64_data(), count, t);
  case DType::kI32:
    return copyField<int32_t>(proto.int32_data(), count, t);
  default:
    break;
  }
  if (bitWidth(t.dtype()) == 16) return copyField<uint16_t>(proto.int32_data(), count, t);
  return copyField<uint8_t>(proto.int32_data(), t.sizeBytes(), t); // sub-byte types: one entry a byte
}

Expected<Tensor> sparseToDense(const onnx::SparseTensorProto& proto) {
  JINX_TRY_ASSIGN(Tensor values, tensorFromProto(proto.values()));
  JINX_TRY_ASSIGN(Tensor indices, tensorFromProto(proto.indices()));
  Tensor dense = Tensor::make(values.dtype(), Shape(proto.dims().begin(), proto.dims().end()));
  const Shape strides = rowMajorStrides(dense.shape());
  const size_t width = static_cast<size_t>(bitWidth(values.dtype())) / 8;
  if (width == 0) return unimplemented("sparse tensor of " + std::string(name(values.dtype())));
  for (int64_t i = 0; i < values.size(); ++i) {
    int64_t at = 0;
    if (indices.rank() == 2) {
      for (int64_t d = 0; d < dense.rank(); ++d)
        at += indices.getInt(i * dense.rank() + d) * strides[d];
    } else {
      at = indices.getInt(i);
    }
    if (at < 0 || at >= dense.size()) return invalidArgument("sparse index " + std::to_string(at) + " is out of range");
    std::memcpy(dense.as<char>() + at * width, values.as<char>() + i * width, width);
  }
  return dense;
}

Status setAttribute(const onnx::AttributeProto& proto, Attributes& attributes) {
  switch (proto.type()) {
  case onnx::AttributeProto::INT:
    attributes.set(proto.name(), proto.i());
    break;
  case onnx::AttributeProto::FLOAT:
    attributes.set(proto.name(), static_cast<double>(proto.f()));
    break;
  case onnx::AttributeProto::STRING:
    attributes.set(proto.name(), proto.s());
    break;
  case onnx::AttributeProto::INTS:
    attributes.set(proto.name(), std::vector<int64_t>(proto.ints().begin(), proto.ints().end()));
    break;
  case onnx::AttributeProto::FLOATS:
    attributes.set(proto.name(), std::vector<double>(proto.floats().begin(), proto.floats().end()));
    break;
  case onnx::AttributeProto::STRINGS:
    attributes.set(proto.name(), std::vector<std::string>(proto.strings().begin(), proto.strings().end()));
    break;
  case onnx::AttributeProto::TENSOR: {
    JINX_TRY_ASSIGN(Tensor t, tensorFromProto(proto.t()), "attribute " + proto.name());
    attributes.set(proto.name(), t);
    break;
  }
  case onnx::AttributeProto::SPARSE_TENSOR: {
    JINX_TRY_ASSIGN(Tensor t, sparseToDense(proto.sparse_tensor()), "attribute " + proto.name());
    attributes.set(proto.name(), t);
    break;
  }
  case onnx::AttributeProto::TYPE_PROTO:
    break; // Optional's `type`: the element type is not needed to run it
  default:
    return unimplemented("attribute " + proto.name() + " holds a graph or a list of tensors");
  }
  return Status::ok();
}

Expected<Value> readTensorFile(const std::string& bytes) {
  onnx::TensorProto proto;
  if (!proto.ParseFromString(bytes)) return invalidArgument("not a TensorProto");
  JINX_TRY_ASSIGN(Tensor t, tensorFromProto(proto));
  return Value(t);
}

} // namespace

Expected<Tensor> tensorFromProto(const onnx::TensorProto& proto) {
  const DType type = dtypeFromOnnx(proto.data_type());
  if (type == DType::kInvalid) return unimplemented("tensor element type " + std::to_string(proto.data_type()));
  Tensor t = Tensor::make(type, Shape(proto.dims().begin(), proto.dims().end()));
  if (type == DType::kString) {
    if (proto.string_data_size() != t.size()) return invalidArgument("string tensor has the wrong number of entries");
    for (int i = 0; i < proto.string_data_size(); ++i)
      t.setString(i, proto.string_data(i));
  } else if (proto.has_raw_data()) {
    const int64_t got = static_cast<int64_t>(proto.raw_data().size());
    if (got < t.sizeBytes())
      return invalidArgument("raw data has " + std::to_string(got) + " bytes, expected " +
                             std::to_string(t.sizeBytes()));
    std::memcpy(t.data(), proto.raw_data().data(), static_cast<size_t>(t.sizeBytes()));
  } else {
    JINX_TRY(fillFromFields(proto, t));
  }
  return t;
}

Expected<Value> sequenceFromProto(const onnx::SequenceProto& proto) {
  auto sequence = std::make_shared<Sequence>();
  for (const onnx::TensorProto& item : proto.tensor_values()) {
    JINX_TRY_ASSIGN(Tensor t, tensorFromProto(item));
    sequence->elementType = t.dtype();
    sequence->items.push_back(t);
  }
  for (const onnx::SequenceProto& item : proto.sequence_values()) {
    JINX_TRY_ASSIGN(Value v, sequenceFromProto(item));
    sequence->items.push_back(v);
  }
  for (const onnx::OptionalProto& item : proto.optional_values()) {
    JINX_TRY_ASSIGN(Value v, optionalFromProto(item));
    sequence->items.push_back(v);
  }
  if (proto.map_values_size()) return unimplemented("sequence of maps");
  return Value(sequence);
}

Expected<Value> optionalFromProto(const onnx::OptionalProto& proto) {
  auto optional = std::make_shared<Optional>();
  if (proto.has_tensor_value()) {
    JINX_TRY_ASSIGN(optional->item, tensorFromProto(proto.tensor_value()));
  } else if (proto.has_sequence_value()) {
    JINX_TRY_ASSIGN(optional->item, sequenceFromProto(proto.sequence_value()));
  } else if (proto.has_map_value()) {
    return unimplemented("optional of a map");
  }
  return Value(optional);
}

Expected<Value> readValueFile(const std::string& path, const onnx::TypeProto& type) {
  JINX_TRY_ASSIGN(std::string bytes, readFile(path));
  if (type.has_sequence_type()) {
    onnx::SequenceProto proto;
    if (!proto.ParseFromString(bytes)) return invalidArgument(path + ": not a SequenceProto");
    return sequenceFromProto(proto);
  }
  if (type.has_optional_type()) {
    onnx::OptionalProto proto;
    if (!proto.ParseFromString(bytes)) return invalidArgument(path + ": not an OptionalProto");
    return optionalFromProto(proto);
  }
  if (type.has_map_type()) return unimplemented("input of map type");
  return readTensorFile(bytes);
}

Expected<OnnxInterpreter> OnnxInterpreter::load(const std::string& path) {
  JINX_TRY_ASSIGN(std::string bytes, readFile(path));
  OnnxInterpreter interpreter;
  if (!interpreter.model_.ParseFromString(bytes)) return invalidArgument(path + ": not an ONNX model");
  return interpreter;
}

Expected<std::vector<Value>> OnnxInterpreter::run(const HostOpTable& table, const std::vector<Value>& inputs) const {
  const onnx::GraphProto& graph = model_.graph();
  std::map<std::string, int64_t> opsets;
  for (const onnx::OperatorSetIdProto& import : model_.opset_import())
    opsets[import.domain() == "ai.onnx" ? "" : import.domain()] = import.version();

  std::map<std::string, Value> values;
  for (const onnx::TensorProto& initializer : graph.initializer()) {
    JINX_TRY_ASSIGN(values[initializer.name()], tensorFromProto(initializer), "initializer " + initializer.name());
  }
  for (const onnx::SparseTensorProto& initializer : graph.sparse_initializer()) {
    JINX_TRY_ASSIGN(values[initializer.values().name()], sparseToDense(initializer));
  }
  size_t next = 0;
  for (const onnx::ValueInfoProto& input : graph.input()) {
    if (values.count(input.name())) continue;
    if (next >= inputs.size()) return invalidArgument("input " + input.name() + " is missing");
    values[input.name()] = inputs[next++];
  }

  for (const onnx::NodeProto& node : graph.node()) {
    const std::string domain = node.domain() == "ai.onnx" ? "" : node.domain();
    HostOpFn fn = table.find(domain, node.op_type(), opsets[domain]);
    if (!fn)
      return unimplemented("no host op " + (domain.empty() ? "" : domain + "::") + node.op_type() + " at opset " +
                           std::to_string(opsets[domain]));
    Attributes attributes;
    for (const onnx::AttributeProto& attribute : node.attribute())
      JINX_TRY(setAttribute(attribute, attributes), node.op_type());

    HostOpCall call;
    call.op = node.op_type();
    call.node = node.name();
    call.opset = opsets[domain];
    call.attributes = &attributes;
    for (const std::string& name : node.input()) {
      if (!name.empty() && !values.count(name)) return invalidArgument("value " + name + " is used before it is made");
      call.inputs.push_back(name.empty() ? Value() : values[name]);
    }
    call.outputs.resize(node.output_size());
    JINX_TRY(fn(call));
    for (int i = 0; i < node.output_size(); ++i)
      if (!node.output(i).empty()) values[node.output(i)] = call.outputs[i];
  }

  std::vector<Value> outputs;
  for (const onnx::ValueInfoProto& output : graph.output())
    outputs.push_back(values[output.name()]);
  return outputs;
}

} // namespace jinx::reference
