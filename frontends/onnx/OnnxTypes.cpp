#include "frontends/onnx/OnnxTypes.h"

#include "ir/Graph/Constants.h"
#include "runtime/hostops/OnnxTypes.h"

using namespace mlir;
using jinx::graph::Sizes;

namespace jinx::frontends {

Type elementTypeFromOnnx(MLIRContext *context, int64_t onnxType) {
  return graph::elementTypeOf(dtypeFromOnnx(onnxType), context);
}

int32_t onnxFromElementType(Type type) { return int32_t(onnxFromDType(graph::dtypeOf(type))); }

bool isKernelElement(Type element) {
  if (isa<Float32Type, Float64Type, Float16Type, BFloat16Type, Float8E4M3FNType, Float8E5M2Type>(element)) return true;
  auto integer = dyn_cast<IntegerType>(element);
  if (!integer) return false;
  if (integer.isUnsigned()) return integer.getWidth() == 8;
  return llvm::is_contained({1u, 8u, 32u, 64u}, integer.getWidth());
}

std::string Symbols::freeName(std::string_view hint) const {
  std::string base;
  for (char c : hint) base += SizeExpr::isSymbolName(std::string("_") + c) ? c : '_';
  if (!SizeExpr::isSymbolName(base)) base = "d" + base;
  for (const char *word : {"floordiv", "ceildiv", "mod", "max", "min"}) // words of the formulas' own grammar
    if (base == word) base += "_";
  std::string name = base;
  for (int i = 1; known(name); ++i) name = base + "_" + std::to_string(i);
  return name;
}

void Symbols::declare(Info info) {
  if (!names_.insert(info.name).second) return;
  if (info.definedByStep) stepNames_.insert(info.name);
  infos_.push_back(std::move(info));
}

SizeExpr Symbols::fresh() {
  std::string name;
  do {
    name = "s" + std::to_string(next_++);
  } while (known(name));
  declare({name, 0, 0, true});
  return SizeExpr::symbol(name);
}

bool Symbols::visibleBefore(const SizeExpr &size, size_t mark) const {
  std::vector<std::string> used = size.symbols();
  for (size_t i = mark; i < infos_.size(); ++i)
    if (llvm::is_contained(used, infos_[i].name)) return false;
  return true;
}

bool Symbols::limit(std::string_view name, int64_t max) {
  for (Info &info : infos_) {
    if (info.name != name || info.definedByStep) continue;
    info.max = info.max ? std::min(info.max, max) : max;
    return max > 0;
  }
  return false;
}

void Symbols::dropUnused(const std::set<std::string> &live) {
  llvm::erase_if(infos_, [&](const Info &info) { return info.definedByStep && !live.count(info.name); });
}

ArrayAttr Symbols::toAttr(MLIRContext *context) const {
  Builder builder(context);
  SmallVector<Attribute> entries;
  for (const Info &info : infos_) {
    SmallVector<NamedAttribute> fields = {builder.getNamedAttr("name", builder.getStringAttr(info.name))};
    if (info.min) fields.push_back(builder.getNamedAttr("min", builder.getI64IntegerAttr(info.min)));
    if (info.max) fields.push_back(builder.getNamedAttr("max", builder.getI64IntegerAttr(info.max)));
    if (info.definedByStep) fields.push_back(builder.getNamedAttr("defined_by_step", builder.getUnitAttr()));
    entries.push_back(builder.getDictionaryAttr(fields));
  }
  return builder.getArrayAttr(entries);
}

namespace {

SizeExpr sizeFromInference(const onnx::TensorShapeProto::Dimension &dim, Symbols &symbols) {
  if (dim.has_dim_value() && dim.dim_value() >= 0) return dim.dim_value();
  if (!dim.has_dim_param()) return symbols.fresh();
  auto expr = SizeExpr::parse(dim.dim_param());
  if (!expr || expr->isInvalid()) return symbols.fresh();
  for (const std::string &name : expr->symbols())
    if (!symbols.known(name)) return symbols.fresh();
  return *expr;
}

Type unranked(Type type) {
  auto tensor = dyn_cast_or_null<TensorType>(type);
  return tensor ? UnrankedTensorType::get(tensor.getElementType()) : type;
}

} // namespace

Type typeFromInference(MLIRContext *context, const onnx::TypeProto &proto, Symbols &symbols) {
  if (proto.has_tensor_type()) {
    Type element = elementTypeFromOnnx(context, proto.tensor_type().elem_type());
    if (!element) return nullptr;
    if (!proto.tensor_type().has_shape()) return UnrankedTensorType::get(element);
    Sizes sizes;
    for (const auto &dim : proto.tensor_type().shape().dim()) sizes.push_back(sizeFromInference(dim, symbols));
    return graph::tensorOf(sizes, element);
  }
  Symbols ignored; // sizes of elements are dropped
  if (proto.has_sequence_type()) {
    Type element = unranked(typeFromInference(context, proto.sequence_type().elem_type(), ignored));
    return element ? graph::SequenceType::get(context, element) : Type();
  }
  if (proto.has_optional_type()) {
    Type element = unranked(typeFromInference(context, proto.optional_type().elem_type(), ignored));
    return element ? graph::OptionalType::get(context, element) : Type();
  }
  return nullptr;
}

bool typeToOnnx(Type type, onnx::TypeProto &proto) {
  if (auto tensor = dyn_cast<TensorType>(type)) {
    proto.mutable_tensor_type()->set_elem_type(onnxFromElementType(tensor.getElementType()));
    if (!tensor.hasRank()) return true;
    auto *shape = proto.mutable_tensor_type()->mutable_shape();
    for (const SizeExpr &size : graph::sizesOf(tensor)) {
      auto *dim = shape->add_dim();
      if (auto constant = size.constant())
        dim->set_dim_value(*constant);
      else
        dim->set_dim_param(size.str());
    }
    return true;
  }
  if (auto sequence = dyn_cast<graph::SequenceType>(type))
    return typeToOnnx(sequence.getElement(), *proto.mutable_sequence_type()->mutable_elem_type());
  if (auto optional = dyn_cast<graph::OptionalType>(type))
    return typeToOnnx(optional.getElement(), *proto.mutable_optional_type()->mutable_elem_type());
  return false;
}

} // namespace jinx::frontends
