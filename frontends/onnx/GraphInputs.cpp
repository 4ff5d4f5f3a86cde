#include "frontends/onnx/GraphInputs.h"

#include <set>

using namespace mlir;

namespace jinx::frontends {
namespace {

class InputReader {
public:
  InputReader(MLIRContext *context, const ImportOptions &options, Symbols &symbols)
      : context_(context), options_(options), symbols_(symbols), used_(options.dims.size(), false) {}

  /// Names that stand for one size wherever they occur: identifiers. All are known before formulas are read.
  void collectNames(const onnx::ValueInfoProto &input) {
    for (const auto &dim : input.type().tensor_type().shape().dim())
      if (dim.has_dim_param() && SizeExpr::isSymbolName(dim.dim_param())) names_.insert(dim.dim_param());
    inputs_.push_back(input.name());
  }

  Expected<GraphInput> read(const onnx::ValueInfoProto &input) {
    const onnx::TypeProto &proto = input.type();
    if (!proto.has_tensor_type() || !proto.tensor_type().has_shape()) {
      Symbols none;
      if (Type type = typeFromInference(context_, proto, none)) return GraphInput{input.name(), type};
      return unimplemented("input '" + input.name() + "' has a type that Jinx does not know");
    }
    Type element = elementTypeFromOnnx(context_, proto.tensor_type().elem_type());
    if (!element)
      return unimplemented("input '" + input.name() + "' has element type " + std::to_string(proto.tensor_type().elem_type()));
    Sizes sizes;
    for (int axis = 0; axis < proto.tensor_type().shape().dim_size(); ++axis)
      sizes.push_back(readSize(input.name(), axis, proto.tensor_type().shape().dim(axis)));
    constexpr int64_t kMostElements = int64_t(1) << 46;
    SizeExpr count = graph::volume(sizes);
    if (count.isInvalid() || count.constant().value_or(0) > kMostElements)
      return invalidArgument("input '" + input.name() + "' has the impossible shape " + graph::describe(sizes));
    return GraphInput{input.name(), graph::tensorOf(sizes, element)};
  }

  /// An override that names nothing is a mistake worth stopping for.
  Status checkAllUsed() const {
    for (size_t i = 0; i < used_.size(); ++i) {
      if (used_[i]) continue;
      std::string known;
      for (const std::string &name : names_) known += (known.empty() ? "" : ", ") + name;
      std::string inputs;
      for (const std::string &name : inputs_) inputs += (inputs.empty() ? "" : ", ") + name;
      return invalidArgument("the model has no dimension '" + options_.dims[i].name + "'; it names " +
                             (known.empty() ? "none" : known) + "; INPUT:AXIS=VALUE sets one by position (inputs: " + inputs + ")");
    }
    return Status::ok();
  }

private:
  const DimOverride *findOverride(const std::string &input, int axis, const std::string &name) {
    const DimOverride *found = nullptr;
    for (size_t i = 0; i < options_.dims.size(); ++i) {
      const DimOverride &dim = options_.dims[i];
      bool byAxis = dim.axis >= 0 && dim.input == input && dim.axis == axis;
      if (!byAxis && (name.empty() || dim.name != name)) continue;
      used_[i] = true;
      if (!found || byAxis) found = &dim; // a position is more than a name
    }
    return found;
  }

  SizeExpr declare(const std::string &name, const DimOverride *range) {
    Symbols::Info info{name, 0, 0, false};
    if (range) {
      info.min = range->min;
      info.max = range->max == DimOverride::kUnbounded ? 0 : range->max;
    }
    symbols_.declare(info);
    return SizeExpr::symbol(name);
  }

  SizeExpr readSize(const std::string &input, int axis, const onnx::TensorShapeProto::Dimension &dim) {
    std::string name = dim.has_dim_param() ? dim.dim_param() : "";
    std::string madeUp = input + "_d" + std::to_string(axis);
    const DimOverride *override = findOverride(input, axis, name);
    if (override && override->isConstant()) return override->min;
    bool isName = SizeExpr::isSymbolName(name);
    if (override && !(isName && override->name == name)) return declare(symbols_.freeName(madeUp), override);
    if (!override && dim.has_dim_value() && dim.dim_value() > 0) return dim.dim_value();
    if (isName) {
      auto [it, isNew] = symbolOf_.insert({name, ""});
      if (isNew) it->second = symbols_.freeName(name);
      return declare(it->second, override);
    }
    if (auto formula = readFormula(name)) return *formula;
    return declare(symbols_.freeName(madeUp), override);
  }

  /// "past + seq" when past and seq are names of dimensions: exporters write such. Anything else ("?", "unk dim") is a size of its
  /// own at each place.
  std::optional<SizeExpr> readFormula(const std::string &text) {
    if (text.empty()) return std::nullopt;
    auto expr = SizeExpr::parse(text);
    if (!expr || expr->isInvalid() || expr->constant()) return std::nullopt;
    for (const std::string &name : expr->symbols())
      if (!names_.count(name)) return std::nullopt;
    return expr->substitute([&](std::string_view symbol) -> std::optional<SizeExpr> {
      for (const DimOverride &dim : options_.dims)
        if (dim.name == symbol && dim.isConstant()) return SizeExpr(dim.min);
      auto [it, isNew] = symbolOf_.insert({std::string(symbol), ""});
      if (isNew) it->second = symbols_.freeName(symbol);
      return declare(it->second, nullptr);
    });
  }

  MLIRContext *context_;
  const ImportOptions &options_;
  Symbols &symbols_;
  std::set<std::string> names_;
  std::vector<std::string> inputs_;
  std::map<std::string, std::string> symbolOf_; ///< dimension name → symbol
  std::vector<bool> used_;
};

} // namespace

Expected<std::vector<GraphInput>> readGraphInputs(MLIRContext *context, const onnx::GraphProto &graph, const ImportOptions &options,
                                                  Symbols &symbols) {
  JINX_TRY(checkConsistent(options.dims));
  std::set<std::string_view> initializers;
  for (const auto &tensor : graph.initializer()) initializers.insert(tensor.name());
  for (const auto &sparse : graph.sparse_initializer()) initializers.insert(sparse.values().name());
  InputReader reader(context, options, symbols);
  for (const auto &input : graph.input())
    if (!initializers.count(input.name())) reader.collectNames(input);
  std::vector<GraphInput> inputs;
  for (const auto &input : graph.input()) {
    if (initializers.count(input.name())) continue;
    JINX_TRY_ASSIGN(GraphInput read, reader.read(input));
    inputs.push_back(std::move(read));
  }
  JINX_TRY(reader.checkAllUsed());
  return inputs;
}

} // namespace jinx::frontends
