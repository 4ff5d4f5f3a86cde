// Measures a session after a few warm-up calls until so many calls or so much time. With `--vs` the two sides take
// turns, call by call, so that what disturbs the machine disturbs both. With `--steps` each side runs some more times, traced: what its
// kernels take, beside what they move and compute.
#include "tools/common/Bench.h"

#include <nlohmann/json.hpp>

#include "tools/common/BenchComm.h"
#include "tools/common/BenchServe.h"
#include "tools/common/Exit.h"
#include "tools/common/OutputFile.h"
#include "tools/common/Statistics.h"
#include "tools/common/StepTable.h"
#include "tools/common/Terminal.h"

namespace jinx::tools {
namespace {

struct BenchOptions {
  PlanRequest request;
  InputOptions inputs;
  std::string versus;   ///< "", "unfused" or a plan
  std::string jsonFile; ///< "-": standard output
  int warmUp = 3;
  int maxRuns = 300;
  double seconds = 1.5;
  bool steps = false;
};

/// One side of a measurement.
struct Side {
  std::string title;
  LoadedSession loaded;
  std::vector<Value> inputs, outputs;
  std::vector<double> times;
  std::vector<StepRow> rows; ///< of `--steps`

  Status runOnce(Trace* trace = nullptr) {
    Session& session = *loaded.session;
    for (size_t k = 0; k < outputs.size(); ++k)
      if (!isReusable(session.plan(), static_cast<int>(k))) outputs[k] = {};
    Timer timer;
    JINX_TRY(session.run(inputs, outputs, trace), "running " + title);
    times.push_back(timer.ms());
    return Status::ok();
  }
};

int64_t bytesOf(const std::vector<Value>& values) {
  int64_t bytes = 0;
  for (const Value& value : values)
    if (const Tensor* tensor = tensorOrNull(value)) bytes += tensor->sizeBytes();
  return bytes;
}

/// What running the plan holds at most: constants, activations, scratch of all threads, tensors of sizes known only
/// while running, inputs and outputs.
int64_t peakMemoryBytes(const Side& side, int threads) {
  const SessionStatistics s = side.loaded.session->statistics();
  return s.constantBytes + s.arenaBytes + s.scratchBytes * threads + s.dynamicPeakBytes + bytesOf(side.inputs) +
         bytesOf(side.outputs);
}

Expected<Side> makeSide(const PlanSource& source, const PlanRequest& request, InputOptions inputs, std::string title) {
  JINX_TRY_ASSIGN(LoadedPlan plan, source(request));
  Side side;
  side.title = std::move(title);
  inputs.dimsWereCompiled = plan.compiled;
  JINX_TRY_ASSIGN(side.loaded, makeSession(std::move(plan), request.device));
  if (inputs.files.empty() && !inputs.seed) inputs.seed = 0;
  JINX_TRY_ASSIGN(side.inputs, makeInputs(side.loaded.session->plan(), side.loaded.session->inputs(), inputs));
  side.outputs.resize(side.loaded.session->outputs().size());
  return side;
}

Status measure(std::vector<Side>& sides, const BenchOptions& options, bool quiet) {
  for (Side& side : sides) {
    for (int i = 0; i < options.warmUp; ++i)
      JINX_TRY(side.runOnce());
    side.times.clear();
  }
  ProgressBar progress("measuring", !quiet);
  Timer timer;
  const double limitMs = options.seconds * 1e3 * static_cast<double>(sides.size());
  for (int i = 0; i < options.maxRuns && (i == 0 || timer.ms() < limitMs); ++i) {
    for (Side& side : sides)
      JINX_TRY(side.runOnce());
    progress.update(std::max(timer.ms() / limitMs, (i + 1.0) / options.maxRuns), std::to_string(i + 1) + " runs");
  }
  return Status::ok();
}

/// Fewer runs than for the whole: each keeps its best. Where the device times nothing, counts alone.
Status measureSteps(Side& side, const Roofline& roofline, const BenchOptions& options) {
  constexpr int kMostRuns = 50;
  StepTimes best;
  if (side.loaded.session->device().has(capability::kTiming)) {
    const std::vector<double> whole = side.times;
    JINX_TRY_ASSIGN(auto steps, StepTimer::make(*side.loaded.session, side.inputs, side.outputs, options.request.device.threadCount(),
                                                [&](Trace* trace) { return side.runOnce(trace); }));
    Timer timer;
    for (int i = 0; i < std::min(kMostRuns, options.maxRuns) && (i == 0 || timer.ms() < options.seconds * 1e3); ++i) {
      JINX_TRY(steps->run());
      keepBest(best, *steps);
    }
    side.times = whole;
  }
  JINX_TRY_ASSIGN(std::vector<StepReport> steps, stepsFor(side.loaded, side.inputs));
  side.rows = makeStepRows(std::move(steps), best, roofline);
  return Status::ok();
}

nlohmann::ordered_json toJson(const Side& side, int threads) {
  const TimingSummary time = summarize(side.times);
  nlohmann::ordered_json json;
  json["median_ms"] = time.median;
  json["p10_ms"] = time.p10;
  json["p90_ms"] = time.p90;
  json["runs"] = time.runs;
  json["threads"] = threads;
  json["compile_s"] = side.loaded.plan.compileSeconds;
  json["load_ms"] = side.loaded.loadMs;
  json["peak_memory_bytes"] = peakMemoryBytes(side, threads);
  if (!side.rows.empty()) json["steps"] = toJson(side.rows);
  return json;
}

void print(const Side& side, int threads) {
  const TimingSummary time = summarize(side.times);
  std::printf("%s  median %s  10%% %s  90%% %s  %d runs, %d threads  compile %s  load %s  memory %s\n",
              paint(stdout, Style::kBold, side.title).c_str(), formatMilliseconds(time.median).c_str(),
              formatMilliseconds(time.p10).c_str(), formatMilliseconds(time.p90).c_str(), time.runs, threads,
              formatMilliseconds(side.loaded.plan.compileSeconds * 1e3).c_str(),
              formatMilliseconds(side.loaded.loadMs).c_str(),
              formatBytes(static_cast<double>(peakMemoryBytes(side, threads))).c_str());
}

Status bench(const PlanSource& source, const BenchOptions& options) {
  JINX_TRY(checkOutputFile(options.jsonFile));
  const int threads = options.request.device.threadCount();
  const bool quiet = !options.jsonFile.empty();
  std::vector<Side> sides;
  PlanRequest request = options.request;
  request.quiet = quiet;
  JINX_TRY_ASSIGN(Side first, makeSide(source, request, options.inputs, request.path));
  if (options.versus == "unfused" && !first.loaded.plan.compiled)
    return invalidArgument("--vs unfused needs a model, " + request.path + " is a plan");
  sides.push_back(std::move(first));
  if (!options.versus.empty()) {
    const bool unfused = options.versus == "unfused";
    request.fusion = !unfused;
    if (!unfused) request.path = options.versus;
    JINX_TRY_ASSIGN(Side second, makeSide(source, request, options.inputs, options.versus), "baseline");
    sides.push_back(std::move(second));
  }
  JINX_TRY(measure(sides, options, quiet));
  Roofline roofline;
  if (options.steps) {
    JINX_TRY_ASSIGN(roofline, measureRoofline(sides[0].loaded.session->device(), threads));
    for (Side& side : sides)
      JINX_TRY(measureSteps(side, roofline, options));
  }
  if (options.jsonFile != "-") {
    for (const Side& side : sides) {
      print(side, threads);
      if (options.steps) std::printf("%s", toText(side.rows, roofline).c_str());
    }
    if (sides.size() == 2)
      std::printf("%s the baseline's speed\n",
                  paint(stdout, Style::kBold,
                        formatNumber(summarize(sides[1].times).median / summarize(sides[0].times).median, 3) + "x")
                      .c_str());
  }
  if (options.jsonFile.empty()) return Status::ok();
  nlohmann::ordered_json json = toJson(sides[0], threads);
  if (options.steps) json["roofline"] = toJson(roofline);
  if (sides.size() == 2) json["baseline"] = toJson(sides[1], threads);
  return writeText(options.jsonFile, json.dump(1) + "\n");
}

} // namespace

void addBench(CLI::App& app, Action& action, const PlanSource& source, bool canCompile) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command = app.add_subcommand("bench", "Time a model or a plan; `bench serve`: put a load on a server; `bench comm`: time collectives");
  command->add_option("MODEL", options->request.path, "ONNX model, native IR or plan; needed without a subcommand");
  addBenchServe(*command, action);
  addBenchComm(*command, action);
  addDeviceOptions(*command, options->request.device);
  addInputOptions(*command, options->inputs);
  command->add_option("--vs", options->versus, "Time this beside it, in turns")
      ->type_name(canCompile ? "unfused|PLAN" : "PLAN");
  command->add_option("--json", options->jsonFile, "Write the figures as JSON (- is standard output)")
      ->type_name("FILE");
  command->add_option("--warm-up", options->warmUp, "Calls before measuring (default 3)")
      ->check(CLI::Range(1, 1000000));
  command->add_option("--runs", options->maxRuns, "At most so many calls (default 300)")
      ->check(CLI::Range(1, 100000000));
  command->add_option("--seconds", options->seconds, "At most so long, on each side (default 1.5)")
      ->check(aboveZero());
  command->add_flag("--steps", options->steps, "Show each step too: its time, what it moves and computes, its share of what the device can do");
  // Runs after the callback of a subcommand, which has left what is to be done.
  command->callback([options, source, command, &action] {
    const bool isOther = !command->get_subcommands().empty();
    if (isOther && !options->request.path.empty()) throw CLI::ExtrasError({options->request.path});
    if (isOther) return;
    if (options->request.path.empty()) throw CLI::RequiredError("MODEL");
    action = [options, source] {
      options->request.dims = options->inputs.dims;
      return report(bench(source, *options));
    };
  });
}

} // namespace jinx::tools
