// run_node_tests DIR [--filter SUBSTR] [--op OpType] [--list] [--at-least N] [--except CASE]…: runs the ONNX node tests under DIR through the host ops.
//
// DIR holds one folder a case: model.onnx, tolerance.json, test_data_set_N/{input,output}_M.pb. Prints every failing
// case with its reason (of those that --except names only that they differ), the cases that need more than host ops (control flow, function bodies), counted by what they need, and as last
// line "N passed, N failed, N not run"; the exit status is 0 only when nothing failed and at least N passed. --list
// prints passing cases as well. --op keeps the cases whose model has a node of that type.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>

#include "tests/reference/onnx_interpreter.h"
#include "tools/common/CompareValues.h"
#include "tools/common/OnnxValues.h"

namespace {

namespace fs = std::filesystem;
using namespace jinx;
using jinx::reference::OnnxInterpreter;

/// The expected values of these were drawn without a seed, even where the node has one: such cases check types and
/// shapes only.
bool isRandom(const onnx::ModelProto& model) {
  for (const onnx::NodeProto& node : model.graph().node()) {
    const std::string& op = node.op_type();
    if (op == "Bernoulli" || op == "Multinomial" || op.rfind("Random", 0) == 0) return true;
  }
  return false;
}

Status runCase(const HostOpTable& table, const OnnxInterpreter& interpreter, const fs::path& dir) {
  JINX_TRY_ASSIGN(tools::Tolerance tolerance, tools::readTolerance(dir / "tolerance.json"));
  tolerance.values = !isRandom(interpreter.model());
  const onnx::GraphProto& graph = interpreter.model().graph();
  for (int set = 0; fs::exists(dir / ("test_data_set_" + std::to_string(set))); ++set) {
    const fs::path folder = dir / ("test_data_set_" + std::to_string(set));
    std::vector<Value> inputs;
    for (int i = 0; i < graph.input_size(); ++i) {
      const fs::path path = folder / ("input_" + std::to_string(i) + ".pb");
      if (!fs::exists(path)) break;
      JINX_TRY_ASSIGN(Value v, onnx_values::readValueFile(path, graph.input(i).type()),
                      "reading input " + std::to_string(i));
      inputs.push_back(v);
    }
    JINX_TRY_ASSIGN(std::vector<Value> outputs, interpreter.run(table, inputs));
    for (int i = 0; i < graph.output_size(); ++i) {
      const fs::path path = folder / ("output_" + std::to_string(i) + ".pb");
      if (!fs::exists(path)) break;
      JINX_TRY_ASSIGN(Value expected, onnx_values::readValueFile(path, graph.output(i).type()),
                      "reading output " + std::to_string(i));
      JINX_TRY(tools::compareValues(outputs[i], expected, tolerance), "output " + std::to_string(i));
    }
  }
  return Status::ok();
}

} // namespace

int main(int argc, char** argv) {
  std::string dir, filter, op;
  bool list = false;
  int atLeast = 1;
  std::set<std::string> excepted;
  for (int i = 1; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--filter") && i + 1 < argc)
      filter = argv[++i];
    else if (!std::strcmp(argv[i], "--op") && i + 1 < argc)
      op = argv[++i];
    else if (!std::strcmp(argv[i], "--except") && i + 1 < argc)
      excepted.insert(argv[++i]);
    else if (!std::strcmp(argv[i], "--at-least") && i + 1 < argc)
      atLeast = std::atoi(argv[++i]);
    else if (!std::strcmp(argv[i], "--list"))
      list = true;
    else
      dir = argv[i];
  }
  if (!fs::is_directory(dir)) {
    std::fprintf(stderr, "usage: run_node_tests DIR [--filter SUBSTR] [--op OpType] [--list] [--at-least N] [--except CASE]…\n");
    return 2;
  }
  std::vector<fs::path> cases;
  for (const auto& entry : fs::directory_iterator(dir))
    if (fs::exists(entry.path() / "model.onnx") && entry.path().filename().string().find(filter) != std::string::npos)
      cases.push_back(entry.path());
  std::sort(cases.begin(), cases.end());

  const HostOpTable table = HostOpTable::standard();
  int passed = 0, failed = 0, notRun = 0;
  std::map<std::string, int> needs;
  for (const fs::path& path : cases) {
    const std::string name = path.filename().string();
    auto interpreter = OnnxInterpreter::load(path / "model.onnx");
    if (!op.empty() && interpreter) {
      const auto& nodes = interpreter->model().graph().node();
      if (std::none_of(nodes.begin(), nodes.end(), [&](const onnx::NodeProto& n) { return n.op_type() == op; }))
        continue;
    }
    const Status status = interpreter ? runCase(table, *interpreter, path) : interpreter.status();
    if (status.isOk()) {
      ++passed;
      if (list) std::printf("pass %s\n", name.c_str());
    } else if (excepted.count(name)) {
      ++notRun;
      ++needs["differs, as is known: " + name];
    } else if (status.code() == Code::kUnimplemented) {
      ++notRun;
      ++needs[status.message()];
    } else {
      ++failed;
      std::printf("FAIL %s: %s\n", name.c_str(), status.message().c_str());
    }
    std::fflush(stdout);
  }
  for (const auto& [need, count] : needs)
    std::printf("not run, %d: %s\n", count, need.c_str());
  if (passed < atLeast) std::printf("expected at least %d to pass\n", atLeast);
  std::printf("%d passed, %d failed, %d not run\n", passed, failed, notRun);
  return failed || passed < atLeast ? 1 : 0;
}
