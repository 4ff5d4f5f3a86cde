#include "frontends/onnx/OnnxInference.h"

#include <onnx/defs/schema.h>
#include <onnx/defs/shape_inference.h>

#include "frontends/onnx/OnnxAttributes.h"

using namespace mlir;

namespace jinx::frontends {
namespace {

/// Bodies of control flow are imported before their results are typed, so nothing asks for their inference.
class Context : public onnx::InferenceContext {
public:
  Context(const onnx::NodeProto &node, ArrayRef<Value> operands) : node_(node), operands_(operands) {
    types_.resize(operands.size());
    data_.resize(operands.size());
    shapes_.resize(operands.size());
    for (size_t i = 0; i < operands.size(); ++i)
      if (operands[i] && !typeToOnnx(operands[i].getType(), types_[i])) types_[i].Clear();
    results_.resize(node.output_size());
  }

  const onnx::AttributeProto *getAttribute(const std::string &name) const override { return findAttribute(node_, name); }
  size_t getNumInputs() const override { return operands_.size(); }
  bool hasInput(size_t i) const override { return i < operands_.size() && operands_[i]; }
  const onnx::TypeProto *getInputType(size_t i) const override {
    return hasInput(i) && types_[i].value_case() != onnx::TypeProto::VALUE_NOT_SET ? &types_[i] : nullptr;
  }
  const onnx::TensorProto *getInputData(size_t i) const override {
    if (!hasInput(i)) return nullptr;
    if (!data_[i]) data_[i] = constantData(operands_[i]);
    return data_[i]->data_type() ? data_[i].get() : nullptr;
  }
  const onnx::TensorShapeProto *getSymbolicInput(size_t i) const override {
    if (!hasInput(i)) return nullptr;
    if (!shapes_[i]) {
      auto exprs = graph::inferIntegerValues(operands_[i]);
      if (!exprs) return nullptr;
      shapes_[i] = std::make_unique<onnx::TensorShapeProto>();
      for (const SizeExpr &expr : *exprs) {
        auto *dim = shapes_[i]->add_dim();
        if (auto constant = expr.constant())
          dim->set_dim_value(*constant);
        else
          dim->set_dim_param(expr.str());
      }
    }
    return shapes_[i].get();
  }
  const onnx::SparseTensorProto *getInputSparseData(size_t) const override { return nullptr; }
  size_t getNumOutputs() const override { return results_.size(); }
  bool hasOutput(size_t i) override { return i < results_.size() && !node_.output(int(i)).empty(); }
  onnx::TypeProto *getOutputType(size_t i) override {
    if (i >= results_.size()) throw std::out_of_range("result " + std::to_string(i));
    return &results_[i];
  }
  onnx::GraphInferencer *getGraphAttributeInferencer(const std::string &) override { return nullptr; }

  std::vector<onnx::TypeProto> takeResults() { return std::move(results_); }

private:
  /// The value of a small constant; a proto without a type when there is none.
  static std::unique_ptr<onnx::TensorProto> constantData(Value value) {
    auto proto = std::make_unique<onnx::TensorProto>();
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!type || !type.hasStaticShape()) return proto;
    int32_t onnxType = onnxFromElementType(type.getElementType());
    if (auto integers = graph::inferConstantIntegers(value)) {
      for (int64_t v : *integers) onnxType == onnx::TensorProto::INT64 ? proto->add_int64_data(v) : proto->add_int32_data(int32_t(v));
    } else if (auto constant = value.getDefiningOp<graph::ConstantOp>(); constant && isa<FloatType>(type.getElementType())) {
      auto numbers = graph::readNumbers(constant.getValue());
      if (!numbers) return proto;
      if (onnxType != onnx::TensorProto::FLOAT && onnxType != onnx::TensorProto::DOUBLE) return proto;
      for (double v : *numbers) onnxType == onnx::TensorProto::FLOAT ? proto->add_float_data(float(v)) : proto->add_double_data(v);
    } else {
      return proto;
    }
    proto->set_data_type(onnxType);
    for (int64_t dim : type.getShape()) proto->add_dims(dim);
    return proto;
  }

  const onnx::NodeProto &node_;
  ArrayRef<Value> operands_;
  std::vector<onnx::TypeProto> types_, results_;
  mutable std::vector<std::unique_ptr<onnx::TensorProto>> data_;
  mutable std::vector<std::unique_ptr<onnx::TensorShapeProto>> shapes_;
};

} // namespace

InferredTypes inferTypes(const onnx::NodeProto &node, const onnx::OpSchema &schema, ArrayRef<Value> operands) {
  Context context(node, operands);
  InferredTypes inferred;
  try {
    if (auto infer = schema.GetTypeAndShapeInferenceFunction()) infer(context);
  } catch (const std::exception &error) {
    inferred.error = error.what();
  }
  inferred.results = context.takeResults();
  return inferred;
}

bool hasFunctionBody(const onnx::OpSchema &schema) { return schema.HasFunction() || schema.HasContextDependentFunction(); }

std::optional<onnx::FunctionProto> functionBody(const onnx::NodeProto &node, const onnx::OpSchema &schema, int64_t opset,
                                                ArrayRef<Value> operands) {
  try {
    if (const onnx::FunctionProto *function = schema.GetFunction(int(opset))) return *function;
    if (!schema.HasContextDependentFunction()) return std::nullopt;
    std::vector<onnx::TypeProto> types(operands.size());
    for (size_t i = 0; i < operands.size(); ++i)
      if (operands[i]) typeToOnnx(operands[i].getType(), types[i]);
    onnx::FunctionBodyBuildContextImpl context(node, types);
    onnx::FunctionProto function;
    if (schema.BuildContextDependentFunction(context, function, int(opset))) return function;
  } catch (const std::exception &) { // no builder for this opset
  }
  return std::nullopt;
}

namespace {

void bindNodes(google::protobuf::RepeatedPtrField<onnx::NodeProto> &nodes,
               const std::function<const onnx::AttributeProto *(const std::string &)> &lookup) {
  for (onnx::NodeProto &node : nodes) {
    for (int i = 0; i < node.attribute_size();) {
      onnx::AttributeProto &attribute = *node.mutable_attribute(i);
      if (attribute.has_g()) bindNodes(*attribute.mutable_g()->mutable_node(), lookup);
      if (attribute.ref_attr_name().empty()) {
        ++i;
        continue;
      }
      const onnx::AttributeProto *value = lookup(attribute.ref_attr_name());
      if (!value) { // the caller has left it out: so does the node
        node.mutable_attribute()->DeleteSubrange(i, 1);
        continue;
      }
      std::string name = attribute.name();
      attribute = *value;
      attribute.set_name(name);
      ++i;
    }
  }
}

} // namespace

void bindAttributes(onnx::FunctionProto &function, const onnx::NodeProto &caller, const onnx::OpSchema *schema) {
  std::map<std::string, const onnx::AttributeProto *> values;
  if (schema)
    for (const auto &[name, attribute] : schema->attributes())
      if (!attribute.default_value.name().empty()) values[name] = &attribute.default_value;
  for (const auto &attribute : function.attribute_proto()) values[attribute.name()] = &attribute;
  for (const auto &attribute : caller.attribute()) values[attribute.name()] = &attribute;
  // The defaults live in `function` itself, whose nodes are about to change: attributes are not moved by that.
  bindNodes(*function.mutable_node(), [&](const std::string &name) -> const onnx::AttributeProto * {
    auto it = values.find(name);
    return it == values.end() ? nullptr : it->second;
  });
}

} // namespace jinx::frontends
