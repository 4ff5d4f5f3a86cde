// `compare`: the fused model beside the unfused one. Are the numbers the same, and which kernel got faster?
//
// The two are compiled from the same file and run on the same inputs, in turns. A fused step computes some nodes; the
// unfused steps that compute nodes of that set only are what it is compared with.
#include <algorithm>
#include <fstream>
#include <set>

#include <nlohmann/json.hpp>

#include "tools/common/CompareValues.h"
#include "tools/common/Exit.h"
#include "tools/common/Inspect.h"
#include "tools/common/Preview.h"
#include "tools/common/Statistics.h"
#include "tools/common/Terminal.h"
#include "tools/jinx/Commands.h"
#include "tools/jinx/ModelSource.h"

namespace jinx::tools {
namespace {

struct CompareOptions {
  PlanRequest request;
  InputOptions inputs;
  Tolerance tolerance{1e-3, 1e-6, /*ofMagnitude=*/true};
  bool toleranceGiven = false;
  std::string jsonFile, remarksFile;
  int runs = 20;
};

struct Side {
  LoadedSession loaded;
  std::vector<driver::Remark> remarks;
  std::vector<Value> inputs, outputs;
  std::vector<TraceStep> steps;
  std::map<uint32_t, double> stepMs; ///< best of all runs
  std::vector<double> runMs;
};

Expected<Side> makeSide(const CompareOptions& options, bool fusion) {
  ProgressBar progress(fusion ? "compiling fused" : "compiling unfused", !options.request.quiet);
  driver::CompileOptions compile = optionsFor(options.request);
  compile.fusion = fusion;
  compile.remarks = true;
  compile.progress = [&](const std::string& stage, double fraction) { progress.update(fraction, stage); };
  Timer timer;
  JINX_TRY_ASSIGN(driver::Compiled compiled, driver::compileModel(options.request.path, compile));
  Side side;
  side.remarks = compiled.remarks;
  JINX_TRY_ASSIGN(LoadedPlan plan, toLoadedPlan(std::move(compiled), timer.ms() / 1e3));
  JINX_TRY_ASSIGN(side.loaded, makeSession(std::move(plan), options.request.device));
  InputOptions inputs = options.inputs;
  inputs.dimsWereCompiled = true;
  if (inputs.files.empty() && !inputs.seed) inputs.seed = 0;
  Session& session = *side.loaded.session;
  JINX_TRY_ASSIGN(side.inputs, makeInputs(session.plan(), session.inputs(), inputs));
  side.outputs.resize(session.outputs().size());
  side.steps = session.steps();
  return side;
}

Status runOnce(Side& side, Trace* trace) {
  Session& session = *side.loaded.session;
  for (size_t k = 0; k < side.outputs.size(); ++k)
    if (!isReusable(session.plan(), static_cast<int>(k))) side.outputs[k] = {};
  Timer timer;
  JINX_TRY(session.run(side.inputs, side.outputs, trace));
  side.runMs.push_back(timer.ms());
  return Status::ok();
}

Status measure(Side& fused, Side& unfused, const CompareOptions& options) {
  Side* sides[] = {&fused, &unfused};
  const size_t events =
      std::max(fused.steps.size(), unfused.steps.size()) * static_cast<size_t>(options.request.device.threadCount());
  Trace trace(std::clamp<size_t>(events, 1 << 10, 1 << 22));
  for (int i = 0; i < options.runs; ++i) {
    for (Side* side : sides) {
      trace.clear();
      JINX_TRY(runOnce(*side, &trace), side == &fused ? "running the fused plan" : "running the unfused plan");
      if (i == 0) side->runMs.clear(); // the first call makes bindings
      for (const StepTiming& step : trace.timings()) {
        auto [entry, added] = side->stepMs.try_emplace(step.step, step.totalMs);
        entry->second = std::min(entry->second, step.totalMs);
      }
    }
  }
  return Status::ok();
}

struct TensorRow {
  std::string name, what, problem;
  Difference difference;
};

std::vector<TensorRow> compareOutputs(const Side& fused, const Side& unfused, const Tolerance& given, bool isGiven) {
  std::vector<TensorRow> rows;
  for (size_t k = 0; k < fused.outputs.size(); ++k) {
    const Value &got = fused.outputs[k], &expected = unfused.outputs[k];
    const Tensor *a = tensorOrNull(got), *b = tensorOrNull(expected);
    Tolerance tolerance = given;
    if (!isGiven && a && isFloat(a->dtype()) && bitWidth(a->dtype()) <= 16) tolerance.relative = 2e-2;
    TensorRow row{fused.loaded.session->outputs()[k].name,
                  describeValue(got),
                  compareValues(got, expected, tolerance).message(),
                  {}};
    if (a && b && a->dtype() == b->dtype() && a->shape() == b->shape())
      row.difference = differenceOf(*a, *b, tolerance);
    rows.push_back(std::move(row));
  }
  return rows;
}

struct KernelRow {
  std::string kernel;
  std::vector<std::string> nodes;
  double fusedMs = 0, unfusedMs = 0;
  int unfusedSteps = 0;
};

std::vector<KernelRow> compareKernels(const Side& fused, const Side& unfused) {
  std::vector<KernelRow> rows;
  std::map<std::string, size_t> rowOf; ///< of the fused step that computes a node
  for (const auto& [index, ms] : fused.stepMs) {
    const TraceStep& step = fused.steps[index];
    for (const std::string& node : step.nodes)
      rowOf.try_emplace(node, rows.size());
    rows.push_back({step.kernel, step.nodes, ms, 0, 0});
  }
  for (const auto& [index, ms] : unfused.stepMs) {
    std::set<size_t> homes;
    for (const std::string& node : unfused.steps[index].nodes)
      if (auto home = rowOf.find(node); home != rowOf.end()) homes.insert(home->second);
    if (homes.size() != 1) continue;
    rows[*homes.begin()].unfusedMs += ms;
    ++rows[*homes.begin()].unfusedSteps;
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const KernelRow& a, const KernelRow& b) { return a.fusedMs > b.fusedMs; });
  return rows;
}

std::string joined(const std::vector<std::string>& nodes, size_t most) {
  std::string text;
  for (size_t i = 0; i < std::min(nodes.size(), most); ++i)
    text += (i ? ", " : "") + nodes[i];
  if (nodes.size() > most) text += ", +" + std::to_string(nodes.size() - most);
  return text;
}

void printTensors(const std::vector<TensorRow>& rows) {
  std::printf("outputs, fused against unfused\n");
  for (const TensorRow& row : rows) {
    const bool same = row.problem.empty();
    std::printf("  %s  %s %s", paint(stdout, same ? Style::kGood : Style::kError, same ? "same" : "DIFFERS").c_str(),
                row.name.c_str(), row.what.c_str());
    std::printf("  max abs %s  max rel %s  signal to noise %s dB", formatNumber(row.difference.maxAbsolute, 3).c_str(),
                formatNumber(row.difference.maxRelative, 3).c_str(),
                formatNumber(row.difference.signalToNoiseDb, 3).c_str());
    std::printf(same ? "\n" : "\n    %s\n", row.problem.c_str());
  }
}

void printKernels(const std::vector<KernelRow>& rows) {
  std::printf("\nkernels, best of all runs, slowest first\n  %10s %10s %8s  %s\n", "fused", "unfused", "speed",
              "kernel: nodes");
  for (const KernelRow& row : rows) {
    const std::string unfused =
        row.unfusedSteps
            ? formatMilliseconds(row.unfusedMs) + (row.unfusedSteps > 1 ? " /" + std::to_string(row.unfusedSteps) : "")
            : "-";
    const std::string speed = row.unfusedSteps ? formatNumber(row.unfusedMs / row.fusedMs, 3) + "x" : "";
    std::printf("  %10s %10s %8s  %s: %s\n", formatMilliseconds(row.fusedMs).c_str(), unfused.c_str(), speed.c_str(),
                row.kernel.c_str(), joined(row.nodes, 4).c_str());
  }
}

void printWhole(const Side& fused, const Side& unfused) {
  const double a = summarize(fused.runMs).median, b = summarize(unfused.runMs).median;
  std::printf("\nwhole model: fused %s in %zu steps, unfused %s in %zu steps, %sx\n", formatMilliseconds(a).c_str(),
              fused.steps.size(), formatMilliseconds(b).c_str(), unfused.steps.size(), formatNumber(b / a, 3).c_str());
}

nlohmann::ordered_json toJson(const Side& fused, const Side& unfused, const std::vector<TensorRow>& tensors,
                              const std::vector<KernelRow>& kernels) {
  nlohmann::ordered_json json;
  for (const TensorRow& row : tensors)
    json["outputs"].push_back({{"name", row.name},
                               {"value", row.what},
                               {"same", row.problem.empty()},
                               {"problem", row.problem},
                               {"max_abs", row.difference.maxAbsolute},
                               {"max_rel", row.difference.maxRelative},
                               {"wrong", row.difference.wrong}});
  for (const KernelRow& row : kernels)
    json["kernels"].push_back({{"kernel", row.kernel},
                               {"nodes", row.nodes},
                               {"fused_ms", row.fusedMs},
                               {"unfused_ms", row.unfusedMs},
                               {"unfused_steps", row.unfusedSteps}});
  json["fused_ms"] = summarize(fused.runMs).median;
  json["unfused_ms"] = summarize(unfused.runMs).median;
  return json;
}

Status compare(CompareOptions& options) {
  if (startsAsPlan(options.request.path))
    return invalidArgument(options.request.path + " is a plan, compare needs a model");
  options.request.quiet = !options.jsonFile.empty();
  JINX_TRY_ASSIGN(Side fused, makeSide(options, true), "fused");
  JINX_TRY_ASSIGN(Side unfused, makeSide(options, false), "unfused");
  JINX_TRY(measure(fused, unfused, options));
  const auto tensors = compareOutputs(fused, unfused, options.tolerance, options.toleranceGiven);
  const auto kernels = compareKernels(fused, unfused);
  if (!options.remarksFile.empty())
    JINX_TRY(writeText(options.remarksFile,
                       driver::formatRemarks(fused.remarks, driver::remarkFormatOf(options.remarksFile))));
  if (options.jsonFile != "-") {
    printTensors(tensors);
    printKernels(kernels);
    printWhole(fused, unfused);
  }
  if (!options.jsonFile.empty())
    JINX_TRY(writeText(options.jsonFile, toJson(fused, unfused, tensors, kernels).dump(1) + "\n"));
  const auto wrong =
      std::count_if(tensors.begin(), tensors.end(), [](const TensorRow& row) { return !row.problem.empty(); });
  if (wrong == 0) return Status::ok();
  return invalidArgument(std::to_string(wrong) + " of " + std::to_string(tensors.size()) +
                         " outputs differ beyond the tolerance");
}

} // namespace

void addCompare(CLI::App& app, Action& action) {
  auto options = std::make_shared<CompareOptions>();
  CLI::App* command = app.add_subcommand("compare", "Compare a model fused with the same unfused: results and times");
  command->add_option("MODEL", options->request.path, "ONNX model or native IR")->required();
  addDeviceOptions(*command, options->request.device);
  addInputOptions(*command, options->inputs);
  command->add_option("--runs", options->runs, "Runs of each (default 20)")->check(CLI::Range(2, 1000000));
  CLI::Option* relative = command->add_option(
      "--rtol", options->tolerance.relative,
      "Tolerance relative to the larger of the element and the output's root mean square (default 1e-3, "
      "2e-2 for types of up to 16 bits)");
  command->add_option("--atol", options->tolerance.absolute, "Absolute tolerance (default 1e-6)");
  command->add_option("--json", options->jsonFile, "Write the comparison as JSON (- is standard output)")
      ->type_name("FILE");
  command->add_option("--remarks", options->remarksFile, "Write why operators were fused or not")->type_name("FILE");
  command->callback([options, relative, &action] {
    options->toleranceGiven = relative->count() > 0;
    action = [options] {
      options->request.dims = options->inputs.dims;
      return report(compare(*options));
    };
  });
}

} // namespace jinx::tools
