#include "frontends/onnx/OnnxModel.h"

#include <limits>
#include <set>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <onnx/checker.h>
#include <onnx/defs/schema.h>

namespace jinx::frontends {

Expected<std::shared_ptr<const onnx::ModelProto>> parseModel(std::span<const std::byte> bytes, int64_t maxBytes) {
  maxBytes = std::min<int64_t>(maxBytes, std::numeric_limits<int>::max());
  if (int64_t(bytes.size()) > maxBytes)
    return invalidArgument("the model has " + std::to_string(bytes.size()) + " bytes, expected at most " + std::to_string(maxBytes) +
                           "; store its weights as external data");
  google::protobuf::io::ArrayInputStream stream(bytes.data(), int(bytes.size()));
  google::protobuf::io::CodedInputStream coded(&stream);
  coded.SetTotalBytesLimit(int(maxBytes));
  auto model = std::make_shared<onnx::ModelProto>();
  if (!model->ParseFromCodedStream(&coded) || !coded.ConsumedEntireMessage())
    return invalidArgument("not an ONNX model: the file is damaged, cut off, or of another format");
  if (!model->has_graph()) return invalidArgument("not an ONNX model: it has no graph");
  return std::shared_ptr<const onnx::ModelProto>(std::move(model));
}

std::string nodeName(const onnx::NodeProto &node) {
  if (!node.name().empty()) return node.name();
  for (const std::string &output : node.output())
    if (!output.empty()) return output;
  return node.op_type();
}

std::string describeNode(const onnx::NodeProto &node) {
  return "node '" + nodeName(node) + "' (" + (node.domain().empty() ? "" : node.domain() + ".") + node.op_type() + ")";
}

namespace {

/// One line: the checker's messages carry contexts below an empty line.
std::string firstLines(std::string text) {
  text = text.substr(0, text.find("\n\n"));
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

class Checker {
public:
  explicit Checker(const onnx::ModelProto &model) : model_(model) {}

  std::vector<std::string> run() {
    constexpr int64_t kNewest = onnx::Version::IR_VERSION;
    if (model_.ir_version() < 1 || model_.ir_version() > kNewest)
      add("the model's IR version is " + std::to_string(model_.ir_version()) + ", expected 1 to " + std::to_string(kNewest));
    context_.set_ir_version(int(model_.ir_version()));
    Opsets opsets = readOpsets(model_.opset_import());
    if (opsets.empty() && model_.ir_version() < 3) opsets[""] = 1;
    if (opsets.empty()) add("the model imports no operator set");
    attempt("", [&] { onnx::checker::check_function_call_cycles(model_); });
    for (const auto &function : model_.functions()) functions_.insert({function.domain(), function.name()});
    Names none;
    checkGraph(model_.graph(), opsets, none, /*isMain=*/true);
    for (const auto &function : model_.functions()) checkFunction(function, opsets);
    return std::move(problems_);
  }

private:
  struct Names {
    const Names *outer = nullptr;
    std::set<std::string_view> defined;
    bool has(std::string_view name) const {
      for (const Names *names = this; names; names = names->outer)
        if (names->defined.count(name)) return true;
      return false;
    }
  };

  void add(std::string problem) { problems_.push_back(std::move(problem)); }

  /// Runs a check that throws.
  template <typename Check>
  void attempt(const std::string &where, Check check) {
    try {
      check();
    } catch (const std::exception &error) {
      add((where.empty() ? "" : where + ": ") + firstLines(error.what()));
    }
  }

  void define(Names &names, const std::string &name, const std::string &where) {
    if (!name.empty() && !names.defined.insert(name).second) add(where + ": '" + name + "' is defined a second time");
  }

  void checkInput(const onnx::ValueInfoProto &input, bool isMain) {
    if (input.name().empty()) add("a graph input has no name");
    if (isMain && input.type().value_case() == onnx::TypeProto::VALUE_NOT_SET)
      add("graph input '" + input.name() + "' has no type");
  }

  void checkGraph(const onnx::GraphProto &graph, const Opsets &opsets, const Names &outer, bool isMain) {
    Names names{&outer, {}};
    for (const auto &input : graph.input()) {
      checkInput(input, isMain);
      define(names, input.name(), "graph input");
    }
    std::set<std::string_view> initializers;
    for (const auto &tensor : graph.initializer()) {
      if (tensor.name().empty()) add("an initializer has no name");
      if (!initializers.insert(tensor.name()).second) add("initializer '" + tensor.name() + "' is defined a second time");
      names.defined.insert(tensor.name());
      attempt("initializer '" + tensor.name() + "'", [&] { checkTensor(tensor); });
    }
    for (const auto &sparse : graph.sparse_initializer()) {
      names.defined.insert(sparse.values().name());
      attempt("initializer '" + sparse.values().name() + "'", [&] { onnx::checker::check_sparse_tensor(sparse, context_); });
    }
    for (const auto &node : graph.node()) checkNode(node, opsets, names);
    for (const auto &output : graph.output())
      if (!names.has(output.name())) add("graph output '" + output.name() + "' is the output of no node");
  }

  /// The file behind external data is checked when it is mapped.
  void checkTensor(const onnx::TensorProto &tensor) {
    if (tensor.data_location() != onnx::TensorProto::EXTERNAL) onnx::checker::check_tensor(tensor, context_);
  }

  void checkFunction(const onnx::FunctionProto &function, const Opsets &modelOpsets) {
    Opsets opsets = readOpsets(function.opset_import());
    if (opsets.empty()) opsets = modelOpsets;
    Names names;
    for (const std::string &input : function.input()) define(names, input, "function '" + function.name() + "'");
    for (const auto &node : function.node()) checkNode(node, opsets, names);
    for (const std::string &output : function.output())
      if (!names.has(output)) add("function '" + function.name() + "': output '" + output + "' is the output of no node");
  }

  void checkNode(const onnx::NodeProto &node, const Opsets &opsets, Names &names) {
    std::string where = describeNode(node);
    if (node.op_type().empty()) add(where + ": has no operator");
    for (const std::string &input : node.input())
      if (!input.empty() && !names.has(input)) add(where + ": input '" + input + "' is the output of no earlier node");
    std::set<std::string_view> seen;
    for (const auto &attribute : node.attribute()) {
      if (!seen.insert(attribute.name()).second) add(where + ": attribute '" + attribute.name() + "' is given twice");
      if (attribute.has_g()) checkGraph(attribute.g(), opsets, names, /*isMain=*/false);
      for (const auto &graph : attribute.graphs()) checkGraph(graph, opsets, names, /*isMain=*/false);
      if (attribute.has_t()) attempt(where + ": attribute '" + attribute.name() + "'", [&] { checkTensor(attribute.t()); });
    }
    checkSchema(node, opsets, where);
    for (const std::string &output : node.output()) define(names, output, where);
  }

  void checkSchema(const onnx::NodeProto &node, const Opsets &opsets, const std::string &where) {
    std::string domain = node.domain() == "ai.onnx" ? "" : node.domain();
    if (functions_.count({node.domain(), node.op_type()})) return;
    auto version = opsets.find(domain);
    if (version == opsets.end()) return add(where + ": the model imports no operator set for domain '" + domain + "'");
    const onnx::OpSchema *schema = onnx::OpSchemaRegistry::Schema(node.op_type(), int(version->second), domain);
    if (!schema) return; // the import knows whether the operator is supported all the same
    if (schema->deprecated()) return add(where + ": is deprecated in opset " + std::to_string(version->second));
    attempt(where, [&] { schema->Verify(node); });
  }

  const onnx::ModelProto &model_;
  onnx::checker::CheckerContext context_;
  std::set<std::pair<std::string, std::string>> functions_;
  std::vector<std::string> problems_;
};

} // namespace

std::vector<std::string> findProblems(const onnx::ModelProto &model) { return Checker(model).run(); }

} // namespace jinx::frontends
