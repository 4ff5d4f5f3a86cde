#include "tests/reference/onnx_interpreter.h"

#include <map>

#include "tools/common/OnnxValues.h"

namespace jinx::reference {
namespace {

using onnx_values::tensorFromProto;
using onnx_values::tensorFromSparse;

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
    JINX_TRY_ASSIGN(Tensor t, tensorFromSparse(proto.sparse_tensor()), "attribute " + proto.name());
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

} // namespace

Expected<OnnxInterpreter> OnnxInterpreter::load(const std::string& path) {
  OnnxInterpreter interpreter;
  JINX_TRY_ASSIGN(interpreter.model_, onnx_values::readModelFile(path));
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
    JINX_TRY_ASSIGN(values[initializer.values().name()], tensorFromSparse(initializer));
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
