// `verify-onnx`: folders of ONNX test data through the compiler and the runtime, each in a process of its own.
#include <algorithm>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "tools/common/Exit.h"
#include "tools/common/Inspect.h"
#include "tools/common/OutputFile.h"
#include "tools/common/Terminal.h"
#include "tools/jinx/Commands.h"
#include "tools/jinx/ForkPool.h"
#include "tools/jinx/VerifyCase.h"

namespace jinx::tools {
namespace {

namespace fs = std::filesystem;

struct VerifyOptions {
  std::vector<std::string> dirs;
  DeviceChoice device;
  ForkOptions fork;
  std::string filter, jsonFile;
  bool all = false, noFusion = false;
};

/// Each folder with a model; of a folder without one, its subfolders that have one. A folder with neither stays, and
/// will fail.
std::vector<fs::path> findCases(const VerifyOptions& options) {
  std::vector<fs::path> cases;
  for (const std::string& text : options.dirs) {
    fs::path dir = fs::path(text).lexically_normal();
    if (!dir.has_filename()) dir = dir.parent_path();
    std::vector<fs::path> inner;
    std::error_code error;
    if (!fs::exists(dir / "model.onnx", error))
      for (const auto& entry : fs::directory_iterator(dir, error))
        if (fs::exists(entry.path() / "model.onnx", error)) inner.push_back(entry.path());
    std::sort(inner.begin(), inner.end());
    if (inner.empty()) inner.push_back(dir);
    cases.insert(cases.end(), inner.begin(), inner.end());
  }
  if (!options.filter.empty())
    std::erase_if(
        cases, [&](const fs::path& dir) { return dir.filename().string().find(options.filter) == std::string::npos; });
  return cases;
}

std::string oneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

/// In the child: how the case's plan is made, as JSON, or why it failed.
Outcome runCase(const fs::path& dir, const VerifyOptions& options) {
  auto steps = verifyCase(dir, options.device, !options.noFusion);
  if (steps)
    return {true, nlohmann::ordered_json{{"kernels", steps->kernels}, {"host", steps->host}, {"functions", steps->functions}}.dump()};
  const Status& status = steps.status();
  return {false, (status.code() == Code::kInternal ? "internal: " : "") + status.message()};
}

nlohmann::ordered_json recordOf(const std::string& name, const Outcome& outcome) {
  nlohmann::ordered_json record = {{"case", name}, {"passed", outcome.passed}};
  if (outcome.passed)
    record.update(nlohmann::ordered_json::parse(outcome.text));
  else
    record["reason"] = outcome.text;
  return record;
}

std::string toText(const nlohmann::ordered_json& records) {
  return records.dump(1, ' ', /*ensure_ascii=*/false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

int verify(const VerifyOptions& options) {
  const std::vector<fs::path> cases = findCases(options);
  size_t passed = 0, failed = 0;
  auto records = nlohmann::ordered_json::array();
  ProgressBar progress("verifying");
  runForked(
      cases.size(), options.fork,
      [&](size_t i) { return runCase(cases[i], options); },
      [&](size_t i, const Outcome& outcome) {
        const std::string name = cases[i].filename().string();
        ++(outcome.passed ? passed : failed);
        records.push_back(recordOf(name, outcome));
        progress.clear();
        if (!outcome.passed)
          std::printf("%s %s: %s\n", paint(stdout, Style::kError, "FAIL").c_str(), name.c_str(),
                      oneLine(outcome.text).c_str());
        else if (options.all)
          std::printf("%s %s\n", paint(stdout, Style::kGood, "pass").c_str(), name.c_str());
        std::fflush(stdout);
        progress.update(static_cast<double>(i + 1) / static_cast<double>(cases.size()),
                        std::to_string(i + 1) + " of " + std::to_string(cases.size()) + ", " + std::to_string(failed) +
                            " failed");
      });
  progress.clear();
  std::printf("%zu passed, %zu failed\n", passed, failed);
  if (cases.empty()) return report(notFound("there is no case with '" + options.filter + "' in its name"));
  if (!options.jsonFile.empty())
    if (Status status = writeText(options.jsonFile, toText(records)); !status.isOk()) return report(status);
  return failed ? kExitInput : kExitSuccess;
}

} // namespace

void addVerifyOnnx(CLI::App& app, Action& action) {
  auto options = std::make_shared<VerifyOptions>();
  options->device.threads = 1;
  options->fork.parallel = DeviceChoice().threadCount();
  CLI::App* command =
      app.add_subcommand("verify-onnx", "Check folders of ONNX test data (model.onnx, test_data_set_*)");
  command->add_option("DIR", options->dirs, "A case, or a folder of cases")->required();
  addDeviceOptions(*command, options->device);
  command->add_option("-j,--jobs", options->fork.parallel, "Cases at a time (default: all cores)")
      ->check(CLI::Range(1, 4096));
  command->add_option("--timeout", options->fork.timeoutSeconds, "Seconds a case may take (default 60)")
      ->check(aboveZero());
  command->add_option("--filter", options->filter, "Only cases whose name has this in it");
  command->add_flag("--all", options->all, "List passing cases too");
  command->add_option("--json", options->jsonFile, "Write each case's result, and what its plan is made of, as JSON");
  command->add_flag("--no-fusion", options->noFusion, "One kernel per operator");
  command->callback([options, &action] { action = [options] { return verify(*options); }; });
}

} // namespace jinx::tools
