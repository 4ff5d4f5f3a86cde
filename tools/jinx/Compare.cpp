// `compare`: the fused model beside the unfused one. Are the numbers the same, and which kernel got faster?
#include <algorithm>

#include <nlohmann/json.hpp>

#include "tools/common/Exit.h"
#include "tools/common/OutputFile.h"
#include "tools/common/Preview.h"
#include "tools/common/Statistics.h"
#include "tools/common/Terminal.h"
#include "tools/common/TextTable.h"
#include "tools/jinx/Commands.h"
#include "tools/jinx/Comparison.h"
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

Expected<Side> makeSide(const CompareOptions& options, bool fusion) {
  ProgressBar progress(fusion ? "compiling fused" : "compiling unfused", !options.request.quiet);
  driver::CompileOptions compile = optionsFor(options.request);
  compile.fusion = fusion;
  compile.remarks = compile.view = true;
  compile.progress = [&](const std::string& stage, double fraction) { progress.update(fraction, stage); };
  Timer timer;
  JINX_TRY_ASSIGN(driver::Compiled compiled, driver::compileModel(options.request.path, compile));
  Side side;
  side.remarks = compiled.remarks;
  side.view = compiled.view;
  JINX_TRY_ASSIGN(LoadedPlan plan, toLoadedPlan(std::move(compiled), timer.ms() / 1e3));
  JINX_TRY_ASSIGN(side.loaded, makeSession(std::move(plan), options.request.device));
  InputOptions inputs = options.inputs;
  inputs.dimsWereCompiled = true;
  if (inputs.files.empty() && !inputs.seed) inputs.seed = 0;
  Session& session = *side.loaded.session;
  JINX_TRY_ASSIGN(side.inputs, makeInputs(session.plan(), session.inputs(), inputs));
  side.outputs.resize(session.outputs().size());
  side.steps = session.steps();
  JINX_TRY_ASSIGN(side.figures, stepsFor(side.loaded, side.inputs));
  return side;
}

/// In turns, so that what disturbs the machine disturbs both.
Status measure(Side& fused, Side& unfused, const CompareOptions& options) {
  fused.runMs.clear();
  unfused.runMs.clear();
  std::vector<std::unique_ptr<StepTimer>> timers;
  for (Side* side : {&fused, &unfused}) {
    JINX_TRY_ASSIGN(auto timer, StepTimer::make(*side->loaded.session, side->inputs, side->outputs, options.request.device.threadCount(),
                                                [side](Trace* trace) { return side->runOnce(trace); }));
    timers.push_back(std::move(timer));
  }
  for (int i = 0; i < options.runs; ++i) {
    for (Side* side : {&fused, &unfused}) {
      StepTimer& timer = *timers[side == &unfused];
      JINX_TRY(timer.run(), side == &fused ? "running the fused plan" : "running the unfused plan");
      keepBest(side->stepMs, timer);
      if (timer.runs() > 1) JINX_TRY(side->runOnce(nullptr)); // the whole is timed as a caller sees it
    }
  }
  return Status::ok();
}

// ---- showing it ----

std::string joined(const std::vector<std::string>& nodes, size_t most) {
  std::string text;
  for (size_t i = 0; i < std::min(nodes.size(), most); ++i)
    text += (i ? ", " : "") + nodes[i];
  if (nodes.size() > most) text += ", +" + std::to_string(nodes.size() - most);
  return text;
}

/// "k3_reduce", of a step that is no launch its kind too: "host LSTM".
std::string kernelOf(const Side& side, uint32_t step) {
  const TraceStep& s = side.steps[step];
  return s.kind == "launch" ? s.kernel : s.kind + (s.kernel.empty() ? "" : " " + s.kernel);
}

std::string accuracyText(const Difference& difference) {
  return difference.maxAbsolute == 0 && difference.wrong == 0 ? "exact"
                                                              : formatNumber(difference.signalToNoiseDb, 3) + " dB";
}

void printTensor(const TensorRow& row, const std::string& where) {
  const bool same = row.problem.empty();
  std::printf("  %s  %s %s  max abs %s  max rel %s  signal to noise %s%s\n",
              paint(stdout, same ? Style::kGood : Style::kError, same ? "same" : "DIFFERS").c_str(), row.name.c_str(),
              row.what.c_str(), formatNumber(row.difference.maxAbsolute, 3).c_str(),
              formatNumber(row.difference.maxRelative, 3).c_str(), accuracyText(row.difference).c_str(), where.c_str());
  if (!same) std::printf("    %s\n", row.problem.c_str());
}

int64_t countWrong(const std::vector<TensorRow>& rows) {
  return std::count_if(rows.begin(), rows.end(), [](const TensorRow& row) { return !row.problem.empty(); });
}

/// All outputs; of the values between kernels those that differ, in the order in which they are computed.
void printTensors(const Side& fused, const Comparison& comparison) {
  std::printf("outputs, fused against unfused\n");
  for (const TensorRow& row : comparison.outputs)
    printTensor(row, "");
  std::printf("\nvalues that kernels write: %zu compared, %lld differ", comparison.tensors.size(),
              static_cast<long long>(countWrong(comparison.tensors)));
  if (comparison.alone) std::printf(", %d have no counterpart in the unfused plan", comparison.alone);
  std::printf("\n");
  for (const TensorRow& row : comparison.tensors)
    if (!row.problem.empty())
      printTensor(row,
                  "  by step " + std::to_string(row.step) + " " + kernelOf(fused, static_cast<uint32_t>(row.step)));
}

Achieved reachedBy(const Side& side, const KernelRow& row, const Roofline& roofline) {
  const StepReport& step = side.figures[row.step];
  const bool isTimed = side.loaded.session->device().has(capability::kTiming);
  return achieved(roofline, step.bytes, step.flops, step.products, isTimed ? row.fusedMs : 0);
}

std::string bytesText(std::optional<int64_t> bytes) { return bytes ? formatBytes(static_cast<double>(*bytes)) : "?"; }

void printKernels(const Side& fused, const std::vector<KernelRow>& rows, const Roofline& roofline) {
  std::printf("\nkernels, best of all runs, slowest first\n  %s\n", toText(roofline).c_str());
  TextTable table({"fused", "unfused", "speed", "accuracy", "bytes", "unfused bytes", "flops", "memory", "arithmetic", "of roof", "bound by", "kernel: nodes"});
  for (const KernelRow& row : rows) {
    const std::string unfused =
        row.unfusedSteps
            ? formatMilliseconds(row.unfusedMs) + (row.unfusedSteps > 1 ? " /" + std::to_string(row.unfusedSteps) : "")
            : "-";
    const std::string speed = row.unfusedSteps ? formatNumber(row.unfusedMs / row.fusedMs, 3) + "x" : "";
    const std::string accuracy = !row.worst                    ? "-"
                                 : !row.worst->problem.empty() ? "DIFFERS"
                                                               : accuracyText(row.worst->difference);
    const StepReport& step = fused.figures[row.step];
    const Achieved reached = reachedBy(fused, row, roofline);
    table.add({formatMilliseconds(row.fusedMs), unfused, speed, accuracy, bytesText(step.bytes),
               row.unfusedSteps ? bytesText(row.unfusedBytes) : "", formatFlops(step.flops), formatBytesRate(reached.bytesPerSecond),
               formatFlopsRate(reached.flopsPerSecond), formatShare(reached.share), reached.bound,
               kernelOf(fused, row.step) + ": " + joined(fused.steps[row.step].nodes, 4)});
  }
  std::printf("%s", table.str().c_str());
}

void printWhole(const Side& fused, const Side& unfused) {
  const double a = summarize(fused.runMs).median, b = summarize(unfused.runMs).median;
  std::printf("\nwhole model: fused %s in %zu steps, unfused %s in %zu steps, %sx\n", formatMilliseconds(a).c_str(),
              fused.steps.size(), formatMilliseconds(b).c_str(), unfused.steps.size(), formatNumber(b / a, 3).c_str());
}

nlohmann::ordered_json toJson(const TensorRow& row) {
  nlohmann::ordered_json json = {{"name", row.name},
                                 {"value", row.what},
                                 {"same", row.problem.empty()},
                                 {"problem", row.problem},
                                 {"max_abs", row.difference.maxAbsolute},
                                 {"max_rel", row.difference.maxRelative},
                                 {"wrong", row.difference.wrong}};
  if (row.step >= 0) json["step"] = row.step;
  return json;
}

nlohmann::ordered_json toJson(const Side& fused, const Side& unfused, const Comparison& comparison,
                              const std::vector<KernelRow>& kernels, const Roofline& roofline) {
  nlohmann::ordered_json json;
  json["outputs"] = json["tensors"] = json["kernels"] = nlohmann::ordered_json::array();
  for (const TensorRow& row : comparison.outputs)
    json["outputs"].push_back(toJson(row));
  for (const TensorRow& row : comparison.tensors)
    json["tensors"].push_back(toJson(row));
  for (const KernelRow& row : kernels) {
    nlohmann::ordered_json entry = {{"step", row.step},
                                    {"kernel", kernelOf(fused, row.step)},
                                    {"nodes", fused.steps[row.step].nodes},
                                    {"fused_ms", row.fusedMs},
                                    {"unfused_ms", row.unfusedMs},
                                    {"unfused_steps", row.unfusedSteps},
                                    {"same", !row.worst || row.worst->problem.empty()}};
    if (row.unfusedSteps && row.unfusedBytes) entry["unfused_bytes"] = *row.unfusedBytes;
    const StepReport& step = fused.figures[row.step];
    if (!step.products.empty()) entry["products"] = step.products;
    addJson(entry, step.bytes, step.flops, reachedBy(fused, row, roofline));
    json["kernels"].push_back(std::move(entry));
  }
  json["roofline"] = toJson(roofline);
  json["fused_ms"] = summarize(fused.runMs).median;
  json["unfused_ms"] = summarize(unfused.runMs).median;
  return json;
}

/// The first value that differs is where to look.
Status verdict(const Side& fused, const Comparison& comparison) {
  const int64_t outputs = countWrong(comparison.outputs), tensors = countWrong(comparison.tensors);
  if (outputs + tensors == 0) return Status::ok();
  std::string text = std::to_string(outputs) + " of " + std::to_string(comparison.outputs.size()) + " outputs and " +
                     std::to_string(tensors) + " of " + std::to_string(comparison.tensors.size()) +
                     " values that kernels write differ beyond the tolerance";
  for (const TensorRow& row : comparison.tensors)
    if (!row.problem.empty())
      return invalidArgument(text + "; the first is " + row.name + ", by step " + std::to_string(row.step) + " " +
                             kernelOf(fused, static_cast<uint32_t>(row.step)));
  return invalidArgument(text);
}

Status compare(CompareOptions& options) {
  if (startsAsPlan(options.request.path))
    return invalidArgument(options.request.path + " is a plan, compare needs a model");
  for (const std::string& file : {options.jsonFile, options.remarksFile})
    JINX_TRY(checkOutputFile(file));
  options.request.quiet = !options.jsonFile.empty();
  JINX_TRY_ASSIGN(Side fused, makeSide(options, true), "fused");
  JINX_TRY_ASSIGN(Side unfused, makeSide(options, false), "unfused");
  JINX_TRY_ASSIGN(Comparison comparison, compareValuesOf(fused, unfused, options.tolerance, options.toleranceGiven));
  JINX_TRY(measure(fused, unfused, options));
  const auto kernels = compareKernels(fused, unfused, comparison);
  JINX_TRY_ASSIGN(Roofline roofline, measureRoofline(fused.loaded.session->device(), options.request.device.threadCount()));
  if (!options.remarksFile.empty())
    JINX_TRY(writeText(options.remarksFile,
                       driver::formatRemarks(fused.remarks, driver::remarkFormatOf(options.remarksFile))));
  if (options.jsonFile != "-") {
    printTensors(fused, comparison);
    printKernels(fused, kernels, roofline);
    printWhole(fused, unfused);
  }
  if (!options.jsonFile.empty())
    JINX_TRY(writeText(
        options.jsonFile,
        toJson(fused, unfused, comparison, kernels, roofline).dump(1, ' ', false, nlohmann::json::error_handler_t::replace) +
            "\n"));
  return verdict(fused, comparison);
}

} // namespace

void addCompare(CLI::App& app, Action& action) {
  auto options = std::make_shared<CompareOptions>();
  CLI::App* command = app.add_subcommand("compare", "Compare a model fused with the same unfused: results and times");
  command->add_option("MODEL", options->request.path, "ONNX model or native IR")->required();
  addDeviceOptions(*command, options->request.device);
  addInputOptions(*command, options->inputs);
  command->add_option("--runs", options->runs, "Timed runs of each (default 20)")->check(CLI::Range(1, 1000000));
  CLI::Option* relative = command->add_option(
      "--rtol", options->tolerance.relative,
      "Tolerance relative to the larger of the element and the value's root mean square (default 1e-3, "
      "2e-2 for types of up to 16 bits)");
  relative->check(zeroOrMore());
  command->add_option("--atol", options->tolerance.absolute, "Absolute tolerance (default 1e-6)")->check(zeroOrMore());
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
