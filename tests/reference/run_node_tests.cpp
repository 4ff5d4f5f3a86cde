// run_node_tests DIR [--filter SUBSTR] [--op OpType] [--list] [--at-least N] [--except CASE]…: runs the ONNX node tests under DIR through the host ops.
//
// DIR holds one folder a case: model.onnx, tolerance.json, test_data_set_N/{input,output}_M.pb. Prints every failing
// case with its reason (of those that --except names only that they differ), the cases that need more than host ops (control flow, function bodies), counted by what they need, and as last
// line "N passed, N failed, N not run"; the exit status is 0 only when nothing failed and at least N passed. --list
// prints passing cases as well. --op keeps the cases whose model has a node of that type.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "tests/reference/onnx_interpreter.h"
#include "tools/common/OnnxValues.h"

namespace {

namespace fs = std::filesystem;
using namespace jinx;
using jinx::reference::OnnxInterpreter;

struct Tolerance {
  double relative = 1e-3;
  double absolute = 1e-7;
};

Tolerance readTolerance(const fs::path& path) {
  Tolerance tolerance;
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  auto number = [&](const char* key, double fallback) {
    const std::string quoted = std::string("\"") + key + "\"";
    const size_t at = text.str().find(quoted);
    if (at == std::string::npos) return fallback;
    const size_t colon = text.str().find(':', at);
    return colon == std::string::npos ? fallback : std::strtod(text.str().c_str() + colon + 1, nullptr);
  };
  tolerance.relative = number("rtol", tolerance.relative);
  tolerance.absolute = number("atol", tolerance.absolute);
  return tolerance;
}

Status compare(const Value& got, const Value& expected, const Tolerance& tolerance, bool valuesToo);

bool close(double got, double expected, double relative, double absolute) {
  if (std::isnan(expected) || std::isnan(got)) return std::isnan(expected) && std::isnan(got);
  if (std::isinf(expected) || std::isinf(got)) return expected == got;
  return std::fabs(got - expected) <= absolute + relative * std::fabs(expected);
}

Status compareTensors(const Tensor& got, const Tensor& expected, const Tolerance& tolerance, bool valuesToo) {
  if (got.describe() != expected.describe() || got.rank() != expected.rank())
    return invalidArgument("got " + got.describe() + ", expected " + expected.describe());
  if (!valuesToo) return Status::ok();
  const bool complex = isComplex(got.dtype());
  const int64_t count = got.size() * (complex ? 2 : 1);
  const DType type = got.dtype() == DType::kC64 ? DType::kF32 : got.dtype() == DType::kC128 ? DType::kF64 : got.dtype();
  // Every node rounds to its element type: two units in the last place of the half types.
  const double half = type == DType::kBF16 ? std::ldexp(1, -6) : type == DType::kF16 ? std::ldexp(1, -9) : 0;
  const double relative = std::max(tolerance.relative, half);
  int64_t wrong = 0, first = 0;
  for (int64_t i = count - 1; i >= 0; --i) {
    bool same;
    if (type == DType::kString)
      same = got.getString(i) == expected.getString(i);
    else if (isFloat(type))
      same = close(loadAsDouble(type, got.data(), i), loadAsDouble(type, expected.data(), i), relative,
                   tolerance.absolute);
    else
      same = got.getInt(i) == expected.getInt(i);
    if (!same) ++wrong, first = i;
  }
  if (wrong == 0) return Status::ok();
  auto show = [&](const Tensor& t) {
    if (type == DType::kString) return "'" + t.getString(first) + "'";
    std::ostringstream text;
    text.precision(9);
    if (isFloat(type))
      text << loadAsDouble(type, t.data(), first);
    else
      text << t.getInt(first);
    return text.str();
  };
  return invalidArgument(std::to_string(wrong) + " of " + std::to_string(count) + " elements of " + got.describe() +
                         " differ: element " + std::to_string(first) + " is " + show(got) + ", expected " +
                         show(expected));
}

Status compare(const Value& got, const Value& expected, const Tolerance& tolerance, bool valuesToo) {
  if (got.index() != expected.index())
    return invalidArgument("got a value of kind " + std::to_string(got.index()) + ", expected kind " +
                           std::to_string(expected.index()));
  if (const Tensor* t = tensorOrNull(got)) return compareTensors(*t, std::get<Tensor>(expected), tolerance, valuesToo);
  if (auto* sequence = std::get_if<std::shared_ptr<Sequence>>(&got)) {
    const auto &a = (*sequence)->items, &b = std::get<std::shared_ptr<Sequence>>(expected)->items;
    if (a.size() != b.size())
      return invalidArgument("got a sequence of " + std::to_string(a.size()) + ", expected " +
                             std::to_string(b.size()));
    for (size_t i = 0; i < a.size(); ++i)
      JINX_TRY(compare(a[i], b[i], tolerance, valuesToo), "item " + std::to_string(i));
    return Status::ok();
  }
  if (auto* optional = std::get_if<std::shared_ptr<Optional>>(&got))
    return compare((*optional)->item, std::get<std::shared_ptr<Optional>>(expected)->item, tolerance, valuesToo);
  return Status::ok();
}

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
  const Tolerance tolerance = readTolerance(dir / "tolerance.json");
  const onnx::GraphProto& graph = interpreter.model().graph();
  const bool valuesToo = !isRandom(interpreter.model());
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
      JINX_TRY(compare(outputs[i], expected, tolerance, valuesToo), "output " + std::to_string(i));
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
