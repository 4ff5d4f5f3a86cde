#include "tools/common/Run.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include <nlohmann/json.hpp>

#include "runtime/base/Npy.h"
#include "tools/common/Exit.h"
#include "tools/common/OutputFile.h"
#include "tools/common/Preview.h"
#include "tools/common/RankFolder.h"
#include "tools/common/Ranks.h"
#include "tools/common/Statistics.h"
#include "tools/common/Terminal.h"

namespace jinx::tools {
namespace {

namespace fs = std::filesystem;

struct RunOptions {
  PlanRequest request;
  InputOptions inputs;
  RankOptions ranks;
  std::string outputDir;
  std::string traceFile, useFile;
  int repeat = 1;
};

Status writeStrings(const fs::path& path, const Tensor& tensor) {
  nlohmann::json json;
  json["shape"] = tensor.shape();
  json["values"] = nlohmann::json::array();
  for (int64_t i = 0; i < tensor.size(); ++i)
    json["values"].push_back(tensor.getString(i));
  std::ofstream file(path);
  file << json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  return file ? Status::ok() : resourceError("cannot write " + path.string());
}

/// `stem`.npy for a tensor, `stem`.json for strings, `stem`.0.npy … for the items of a sequence; nothing for an empty
/// optional.
Status writeValue(const fs::path& dir, const std::string& stem, const Value& value) {
  if (const Tensor* tensor = tensorOrNull(value)) {
    if (tensor->dtype() == DType::kString) return writeStrings(dir / (stem + ".json"), *tensor);
    return writeNpy((dir / (stem + ".npy")).string(), *tensor);
  }
  if (auto* sequence = std::get_if<std::shared_ptr<Sequence>>(&value)) {
    const auto& items = (*sequence)->items;
    for (size_t i = 0; i < items.size(); ++i)
      JINX_TRY(writeValue(dir, stem + "." + std::to_string(i), items[i]));
    return Status::ok();
  }
  if (auto* optional = std::get_if<std::shared_ptr<Optional>>(&value)) return writeValue(dir, stem, (*optional)->item);
  return Status::ok();
}

Status checkNames(std::span<const Port> outputs) {
  std::set<std::string> seen;
  for (const Port& port : outputs)
    if (!seen.insert(outputFileName(port.name)).second)
      return invalidArgument("two outputs would be written to " + outputFileName(port.name) + ".npy");
  return Status::ok();
}

Status makeFolder(const std::string& dir) {
  std::error_code error;
  fs::create_directories(dir, error);
  return error ? systemError(error.value(), "cannot make the folder " + dir) : Status::ok();
}

Status writeOutputs(const std::string& dir, std::span<const Port> ports, std::span<const Value> outputs) {
  JINX_TRY(checkNames(ports));
  for (size_t i = 0; i < outputs.size(); ++i)
    JINX_TRY(writeValue(dir, outputFileName(ports[i].name), outputs[i]), "output \"" + ports[i].name + "\"");
  return Status::ok();
}

void printOutputs(std::span<const Port> ports, std::span<const Value> outputs) {
  for (size_t i = 0; i < outputs.size(); ++i)
    std::printf("%s  %s  %s\n", paint(stdout, Style::kBold, ports[i].name).c_str(), describeValue(outputs[i]).c_str(),
                paint(stdout, Style::kDim, previewValue(outputs[i])).c_str());
}

Expected<std::vector<double>> runRepeatedly(Session& session, std::span<const Value> inputs, std::span<Value> outputs,
                                            int repeat, Trace* trace) {
  std::vector<double> times;
  for (int i = 0; i < repeat; ++i) {
    for (size_t k = 0; k < outputs.size(); ++k)
      if (!isReusable(session.plan(), static_cast<int>(k))) outputs[k] = {};
    Timer timer;
    JINX_TRY(session.run(inputs, outputs, trace), "running the plan");
    times.push_back(timer.ms());
  }
  return times;
}

std::unique_ptr<Trace> makeTrace(const RunOptions& options, size_t steps) {
  if (options.traceFile.empty()) return nullptr;
  const size_t events = steps * static_cast<size_t>(options.request.device.threadCount());
  return std::make_unique<Trace>(std::clamp<size_t>(events * static_cast<size_t>(options.repeat), 1 << 12, 1 << 22));
}

void printTimes(const std::vector<double>& times) {
  if (times.size() < 2) return;
  const TimingSummary time = summarize(times);
  std::printf("%d runs: median %s, 10th percentile %s, 90th %s\n", time.runs, formatMilliseconds(time.median).c_str(),
              formatMilliseconds(time.p10).c_str(), formatMilliseconds(time.p90).c_str());
}

Status writeTrace(const RunOptions& options, const Trace* trace, const std::vector<TraceStep>& steps) {
  if (!trace) return Status::ok();
  if (trace->dropped())
    std::fprintf(stderr, "warning: the trace is full, %lld events were left out\n", static_cast<long long>(trace->dropped()));
  return trace->writeJson(options.traceFile, steps);
}

Status writeUse(const std::string& path, std::span<const RankUse> all) {
  nlohmann::ordered_json ranks = nlohmann::ordered_json::array();
  for (const RankUse& use : all)
    ranks.push_back({{"collectives", use.collectives},
                     {"sent_bytes", use.sentBytes},
                     {"received_bytes", use.receivedBytes},
                     {"constant_bytes", use.constantBytes},
                     {"arena_bytes", use.arenaBytes},
                     {"planned_bytes", use.plannedBytes},
                     {"largest_live_bytes", use.largestLiveBytes}});
  return writeText(path, ranks.dump(1) + "\n");
}

/// Plans of all ranks: whole inputs and outputs; of several processes the first one shows and writes.
Status runRanks(const RunOptions& options) {
  JINX_TRY_ASSIGN(std::unique_ptr<Ranks> ranks, openRanks(options.request.path, options.ranks, options.request.device));
  const std::span<const Port> ports = ranks->ports().outputs();
  const auto inputs = makeInputs(ranks->plan(), ranks->ports().inputs(), options.inputs);
  if (!inputs) ranks->abort(inputs.status());
  JINX_TRY(inputs.status());
  std::unique_ptr<Trace> trace = ranks->isFirst() ? makeTrace(options, ranks->steps().size()) : nullptr;
  std::vector<Value> outputs;
  std::vector<double> times;
  for (int i = 0; i < options.repeat; ++i) {
    Timer timer;
    JINX_TRY_ASSIGN(outputs, ranks->run(*inputs, trace.get()), "running the plans");
    times.push_back(timer.ms());
  }
  JINX_TRY_ASSIGN(const std::vector<RankUse> use, ranks->use());
  if (!ranks->isFirst()) return Status::ok();
  if (!options.useFile.empty()) JINX_TRY(writeUse(options.useFile, use));
  printOutputs(ports, outputs);
  printTimes(times);
  if (!options.outputDir.empty()) JINX_TRY(writeOutputs(options.outputDir, ports, outputs));
  return writeTrace(options, trace.get(), ranks->steps());
}

Status run(const PlanSource& source, const RunOptions& options) {
  JINX_TRY(checkOutputFile(options.traceFile));
  JINX_TRY(checkOutputFile(options.useFile));
  JINX_TRY(checkRankOptions(options.ranks));
  if (!options.useFile.empty() && !options.ranks.any()) return invalidArgument("--rank-use: is about the plans of ranks, expected --ranks or --communicator");
  if (!options.outputDir.empty()) JINX_TRY(makeFolder(options.outputDir));
  if (options.ranks.any() || isRankFolder(options.request.path)) return runRanks(options);
  JINX_TRY_ASSIGN(LoadedPlan plan, source(options.request));
  JINX_TRY_ASSIGN(LoadedSession loaded, makeSession(std::move(plan), options.request.device));
  Session& session = *loaded.session;
  InputOptions inputOptions = options.inputs;
  inputOptions.dimsWereCompiled = loaded.plan.compiled;
  JINX_TRY_ASSIGN(std::vector<Value> inputs, makeInputs(session.plan(), session.inputs(), inputOptions));
  std::vector<Value> outputs(session.outputs().size());

  const std::unique_ptr<Trace> trace = makeTrace(options, session.steps().size());
  JINX_TRY_ASSIGN(std::vector<double> times, runRepeatedly(session, inputs, outputs, options.repeat, trace.get()));
  printOutputs(session.outputs(), outputs);
  printTimes(times);
  if (!options.outputDir.empty()) JINX_TRY(writeOutputs(options.outputDir, session.outputs(), outputs));
  return writeTrace(options, trace.get(), session.steps());
}

} // namespace

std::string outputFileName(const std::string& output) {
  std::string name = output;
  std::replace(name.begin(), name.end(), '/', '_');
  return name;
}

void addRun(CLI::App& app, Action& action, const PlanSource& source) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command = app.add_subcommand("run", "Run a model or a plan");
  command->add_option("MODEL", options->request.path, "ONNX model, native IR or plan; a folder with ranks.json: the plans of all ranks")->required();
  addDeviceOptions(*command, options->request.device);
  addInputOptions(*command, options->inputs);
  command->add_option("--output-dir", options->outputDir, "Write each output to DIR/NAME.npy")->type_name("DIR");
  addRankOptions(*command, options->ranks);
  command->add_option("--rank-use", options->useFile, "Write what each rank has sent and holds (- is standard output)")->type_name("FILE.json");
  command->add_option("--repeat", options->repeat, "Run so often")->check(CLI::Range(1, 1000000000));
  command->add_option("--record-launches", options->request.device.record,
                      "With --device emulated: write text, sizes and operands of a launch of each kernel to DIR")
      ->type_name("DIR");
  command->add_option("--trace", options->traceFile, "Write a Chrome trace (Perfetto reads it)")
      ->type_name("FILE.json");
  command->callback([options, source, &action] {
    action = [options, source] {
      options->request.dims = options->inputs.dims;
      return report(run(source, *options));
    };
  });
}

} // namespace jinx::tools
