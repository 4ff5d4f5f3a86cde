// Host operators on constants, evaluated while importing: shapes that models compute in roundabout ways (NonZero of ones, Range,
// CumSum of a constant) become constants before anything asks for them.
#include <onnx/defs/schema.h>

#include "frontends/onnx/Importer.h"

using namespace mlir;

namespace jinx::frontends {
namespace {

constexpr int64_t kMaxElements = 1 << 14;

std::optional<jinx::Attribute> hostAttribute(mlir::Attribute attribute) {
  if (auto v = dyn_cast<IntegerAttr>(attribute)) return v.getInt();
  if (auto v = dyn_cast<FloatAttr>(attribute)) return v.getValueAsDouble();
  if (auto v = dyn_cast<StringAttr>(attribute)) return v.str();
  if (auto v = dyn_cast<DenseI64ArrayAttr>(attribute)) return std::vector<int64_t>(v.asArrayRef().begin(), v.asArrayRef().end());
  if (auto v = dyn_cast<DenseF64ArrayAttr>(attribute)) return std::vector<double>(v.asArrayRef().begin(), v.asArrayRef().end());
  if (auto v = dyn_cast<ArrayAttr>(attribute)) {
    std::vector<std::string> strings;
    for (mlir::Attribute text : v) strings.push_back(cast<StringAttr>(text).str());
    return strings;
  }
  if (auto v = dyn_cast<ElementsAttr>(attribute))
    if (auto tensor = graph::tensorOf(v)) return *tensor;
  return std::nullopt;
}

bool isRepeatable(const Node &n) {
  std::string domain = n.proto.domain() == "ai.onnx" ? "" : n.proto.domain();
  const onnx::OpSchema *schema = onnx::OpSchemaRegistry::Schema(n.proto.op_type(), int(n.opset), domain);
  if (schema && schema->GetNodeDeterminism() == onnx::OpSchema::NodeDeterminism::NonDeterministic) return false;
  for (const char *random : {"Random", "Bernoulli", "Multinomial", "Dropout"})
    if (n.proto.op_type().rfind(random, 0) == 0) return false;
  return true;
}

/// False when the operand is no small constant.
bool pushOperand(Value operand, HostOpCall &call, int64_t &elements) {
  if (!operand) {
    call.inputs.emplace_back();
    return true;
  }
  auto constant = operand.getDefiningOp<graph::ConstantOp>();
  if (!constant) return false;
  elements += cast<RankedTensorType>(constant.getType()).getNumElements();
  if (elements > kMaxElements) return false;
  auto tensor = graph::tensorOf(constant.getValue());
  if (!tensor) return false;
  call.inputs.emplace_back(*tensor);
  return true;
}

} // namespace

std::optional<SmallVector<ElementsAttr>> evaluateOnHost(Node &n, HostOpFn fn, DictionaryAttr attributes) {
  if (n.operands.empty() || !isRepeatable(n)) return std::nullopt;
  std::string name = nodeName(n.proto);
  HostOpCall call;
  call.op = n.proto.op_type();
  call.node = name;
  call.opset = n.opset;
  int64_t elements = 0;
  for (Value operand : n.operands)
    if (!pushOperand(operand, call, elements)) return std::nullopt;
  Attributes values;
  for (NamedAttribute attribute : attributes) {
    auto value = hostAttribute(attribute.getValue());
    if (!value) return std::nullopt;
    values.set(attribute.getName().str(), *value);
  }
  call.attributes = &values;
  call.outputs.resize(n.numOutputs());
  if (!fn(call).isOk()) return std::nullopt; // the same failure shows at run time, with the same message
  SmallVector<ElementsAttr> results;
  for (size_t i = 0; i < n.numOutputs(); ++i) {
    const Tensor *tensor = tensorOrNull(call.outputs[i]);
    if (n.wants(i) && (!tensor || tensor->size() > 4 * kMaxElements)) return std::nullopt;
    results.push_back(tensor && n.wants(i) ? graph::elementsOf(*tensor, n.context()) : ElementsAttr());
  }
  return results;
}

} // namespace jinx::frontends
