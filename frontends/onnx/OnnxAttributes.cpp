#include "frontends/onnx/OnnxAttributes.h"

using namespace mlir;

namespace jinx::frontends {

const onnx::AttributeProto *findAttribute(const onnx::NodeProto &node, std::string_view name) {
  for (const auto &attribute : node.attribute())
    if (attribute.name() == name) return &attribute;
  return nullptr;
}

Expected<DictionaryAttr> attributesFromNode(MLIRContext *context, const onnx::NodeProto &node, ConstantReader &constants) {
  Builder builder(context);
  SmallVector<NamedAttribute> entries;
  for (const auto &proto : node.attribute()) {
    Attribute value;
    switch (proto.type()) {
    case onnx::AttributeProto::INT: value = builder.getI64IntegerAttr(proto.i()); break;
    case onnx::AttributeProto::FLOAT: value = builder.getF64FloatAttr(proto.f()); break;
    case onnx::AttributeProto::STRING: value = builder.getStringAttr(proto.s()); break;
    case onnx::AttributeProto::INTS:
      value = builder.getDenseI64ArrayAttr(SmallVector<int64_t>(proto.ints().begin(), proto.ints().end()));
      break;
    case onnx::AttributeProto::FLOATS:
      value = builder.getDenseF64ArrayAttr(SmallVector<double>(proto.floats().begin(), proto.floats().end()));
      break;
    case onnx::AttributeProto::STRINGS: {
      SmallVector<Attribute> strings;
      for (const std::string &text : proto.strings()) strings.push_back(builder.getStringAttr(text));
      value = builder.getArrayAttr(strings);
      break;
    }
    case onnx::AttributeProto::TENSOR: {
      JINX_TRY_ASSIGN(ElementsAttr elements, constants.read(proto.t()), "attribute " + proto.name());
      value = elements;
      break;
    }
    case onnx::AttributeProto::SPARSE_TENSOR: {
      JINX_TRY_ASSIGN(ElementsAttr elements, constants.readSparse(proto.sparse_tensor()), "attribute " + proto.name());
      value = elements;
      break;
    }
    default: continue;
    }
    if (!proto.name().empty()) entries.push_back(builder.getNamedAttr(proto.name(), value));
  }
  return builder.getDictionaryAttr(entries);
}

} // namespace jinx::frontends
