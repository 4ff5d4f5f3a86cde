#include "tools/jinx/VerifyCase.h"

#include <algorithm>
#include <charconv>

#include "tools/common/CompareValues.h"
#include "tools/common/OnnxValues.h"
#include "tools/jinx/ModelSource.h"

namespace jinx::tools {
namespace {

namespace fs = std::filesystem;

/// Dropout that drops: it has a training mode and no seed.
bool isUnseededDropout(const onnx::NodeProto& node) {
  if (node.op_type() != "Dropout" || node.input_size() < 3 || node.input(2).empty()) return false;
  return std::none_of(node.attribute().begin(), node.attribute().end(),
                      [](const onnx::AttributeProto& attribute) { return attribute.name() == "seed"; });
}

/// Expected values of these were drawn by another generator, even where the node has a seed.
template <typename Nodes>
bool drawsRandomNumbers(const Nodes& nodes) {
  for (const onnx::NodeProto& node : nodes) {
    const std::string& op = node.op_type();
    if (op == "Bernoulli" || op == "Multinomial" || op.rfind("Random", 0) == 0 || isUnseededDropout(node)) return true;
    for (const onnx::AttributeProto& attribute : node.attribute()) {
      if (attribute.has_g() && drawsRandomNumbers(attribute.g().node())) return true;
      for (const onnx::GraphProto& graph : attribute.graphs())
        if (drawsRandomNumbers(graph.node())) return true;
    }
  }
  return false;
}

bool drawsRandomNumbers(const onnx::ModelProto& model) {
  for (const onnx::FunctionProto& function : model.functions())
    if (drawsRandomNumbers(function.node())) return true;
  return drawsRandomNumbers(model.graph().node());
}

/// The number at the end of "test_data_set_12"; -1 for other names.
int setNumber(const fs::path& path) {
  constexpr std::string_view kPrefix = "test_data_set_";
  const std::string name = path.filename().string();
  int number = -1;
  if (name.rfind(kPrefix, 0) == 0) std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), number);
  return number;
}

std::vector<fs::path> dataSets(const fs::path& dir) {
  std::vector<fs::path> sets;
  for (const auto& entry : fs::directory_iterator(dir))
    if (entry.is_directory() && setNumber(entry.path()) >= 0) sets.push_back(entry.path());
  std::sort(sets.begin(), sets.end(), [](const fs::path& a, const fs::path& b) { return setNumber(a) < setNumber(b); });
  return sets;
}

fs::path valueFile(const fs::path& set, const char* stem, int index) {
  return set / (std::string(stem) + "_" + std::to_string(index) + ".pb");
}

class Case {
 public:
  Case(onnx::ModelProto model, Session& session, const Tolerance& tolerance)
      : model_(std::move(model)), session_(session), tolerance_(tolerance) {}

  Status runSet(const fs::path& set) {
    JINX_TRY_ASSIGN(auto inputs, readInputs(set));
    JINX_TRY_ASSIGN(auto outputs, session_.run(inputs));
    int compared = 0;
    for (int i = 0; i < model_.graph().output_size(); ++i) {
      const fs::path path = valueFile(set, "output", i);
      if (!fs::exists(path)) continue;
      ++compared;
      const std::string& name = model_.graph().output(i).name();
      JINX_TRY(compareOutput(path, i, outputs), "output " + std::to_string(i) + " \"" + name + "\"");
    }
    return compared ? Status::ok() : invalidArgument("has no output_*.pb to compare with");
  }

 private:
  bool isInitializer(const std::string& name) const {
    const auto& graph = model_.graph();
    return std::any_of(graph.initializer().begin(), graph.initializer().end(),
                       [&](const onnx::TensorProto& tensor) { return tensor.name() == name; }) ||
           std::any_of(graph.sparse_initializer().begin(), graph.sparse_initializer().end(),
                       [&](const onnx::SparseTensorProto& tensor) { return tensor.values().name() == name; });
  }

  /// Files are numbered over all inputs of the graph; data made for the inputs without initializers only is numbered
  /// over these.
  std::vector<int> inputIndices(const fs::path& set) const {
    std::vector<int> all, free;
    for (int i = 0; i < model_.graph().input_size(); ++i) {
      all.push_back(i);
      if (!isInitializer(model_.graph().input(i).name())) free.push_back(i);
    }
    return fs::exists(valueFile(set, "input", static_cast<int>(free.size()))) ? all : free;
  }

  Expected<std::map<std::string, Value>> readInputs(const fs::path& set) const {
    std::map<std::string, Value> inputs;
    const std::vector<int> indices = inputIndices(set);
    for (size_t i = 0; i < indices.size(); ++i) {
      const onnx::ValueInfoProto& input = model_.graph().input(indices[i]);
      const fs::path path = valueFile(set, "input", static_cast<int>(i));
      if (!fs::exists(path) || isInitializer(input.name())) continue;
      JINX_TRY_ASSIGN(inputs[input.name()], onnx_values::readValueFile(path.string(), input.type()),
                      "reading input \"" + input.name() + "\"");
    }
    return inputs;
  }

  Status compareOutput(const fs::path& path, int index, const std::vector<NamedValue>& outputs) const {
    const onnx::ValueInfoProto& output = model_.graph().output(index);
    JINX_TRY_ASSIGN(Value expected, onnx_values::readValueFile(path.string(), output.type()),
                    "reading what is expected");
    auto got =
        std::find_if(outputs.begin(), outputs.end(), [&](const NamedValue& v) { return v.name == output.name(); });
    if (got == outputs.end()) return invalidArgument("the plan has no such output");
    return compareValues(got->value, expected, tolerance_);
  }

  onnx::ModelProto model_;
  Session& session_;
  Tolerance tolerance_;
};

CaseSteps stepsOf(const driver::Compiled& compiled) {
  CaseSteps steps;
  for (const plan::Block& block : compiled.plan->plan().blocks())
    for (const plan::Step& step : block.steps()) {
      steps.kernels += step.has_launch();
      if (step.has_host()) steps.host.insert(step.host().domain() + "::" + step.host().op());
    }
  for (const driver::Remark& remark : compiled.remarks)
    if (remark.name == "FunctionBody")
      for (const auto& [key, value] : remark.figures)
        if (key == "operator") steps.functions.insert(value);
  return steps;
}

} // namespace

Expected<CaseSteps> verifyCase(const fs::path& dir, const DeviceChoice& device, bool fusion) {
  const fs::path path = dir / "model.onnx";
  JINX_TRY_ASSIGN(onnx::ModelProto model, onnx_values::readModelFile(path.string()));
  JINX_TRY_ASSIGN(Tolerance tolerance, readTolerance(dir / "tolerance.json"));
  tolerance.values = !drawsRandomNumbers(model);
  const std::vector<fs::path> sets = dataSets(dir);
  if (sets.empty()) return invalidArgument("has no test_data_set_* folder");

  PlanRequest request;
  request.path = path.string();
  request.device = device;
  request.fusion = fusion;
  request.quiet = true;
  driver::CompileOptions options = optionsFor(request);
  options.threads = 1;
  options.remarks = true;
  JINX_TRY_ASSIGN(driver::Compiled compiled, driver::compileModel(request.path, options), "compile");
  CaseSteps steps = stepsOf(compiled);
  JINX_TRY_ASSIGN(LoadedPlan plan, toLoadedPlan(std::move(compiled), 0), "load");
  JINX_TRY_ASSIGN(LoadedSession loaded, makeSession(std::move(plan), device), "load");
  Case test(std::move(model), *loaded.session, tolerance);
  for (const fs::path& set : sets)
    JINX_TRY(test.runSet(set), sets.size() > 1 ? set.filename().string() : "");
  return steps;
}

} // namespace jinx::tools
