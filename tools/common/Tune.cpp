#include "tools/common/Tune.h"

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <set>

#include <nlohmann/json.hpp>

#include "tools/common/CompareValues.h"
#include "tools/common/Exit.h"
#include "tools/common/OutputFile.h"
#include "tools/common/Statistics.h"
#include "tools/common/StepTable.h"
#include "tools/common/Terminal.h"
#include "tools/common/TextTable.h"

namespace jinx::tools {
namespace {

namespace fs = std::filesystem;

constexpr const char* kIndexFormat = "jinx tuning plans";
constexpr double kLeastGain = 0.02; ///< less may be noise
constexpr int kLeastRounds = 5, kMostRounds = 200;

/// Times of a problem: by choice, in order of first appearance, microseconds a launch of each run.
struct Problem {
  std::string text;
  std::vector<std::pair<std::string, std::vector<double>>> choices;

  std::vector<double>& samplesOf(const std::string& choice) {
    for (auto& [text, samples] : choices)
      if (text == choice) return samples;
    return choices.emplace_back(choice, std::vector<double>()).second;
  }
};

/// A plan with what its steps are about.
struct Side {
  LoadedSession loaded;
  std::vector<Value> inputs, outputs;
  std::vector<StepReport> steps;

  Status runOnce(Trace* trace) {
    for (size_t k = 0; k < outputs.size(); ++k)
      if (!isReusable(loaded.session->plan(), static_cast<int>(k))) outputs[k] = {};
    return loaded.session->run(inputs, outputs, trace);
  }
};

Expected<Side> makeSide(LoadedPlan plan, const TuneOptions& options) {
  Side side;
  InputOptions inputs = options.inputs;
  inputs.dimsWereCompiled = plan.compiled;
  if (inputs.files.empty() && !inputs.seed) inputs.seed = 0;
  JINX_TRY_ASSIGN(side.loaded, makeSession(std::move(plan), options.device));
  Session& session = *side.loaded.session;
  JINX_TRY_ASSIGN(side.inputs, makeInputs(session.plan(), session.inputs(), inputs));
  side.outputs.resize(session.outputs().size());
  JINX_TRY_ASSIGN(side.steps, stepsFor(side.loaded, side.inputs));
  return side;
}

/// A wrong kernel must not win. Other sizes sum in another order.
Status checkOutputs(const Side& first, const Side& other, size_t number) {
  for (size_t k = 0; k < first.outputs.size(); ++k) {
    const Tensor* tensor = tensorOrNull(first.outputs[k]);
    const bool isNarrow = tensor && isFloat(tensor->dtype()) && bitWidth(tensor->dtype()) <= 16;
    JINX_TRY(compareValues(other.outputs[k], first.outputs[k], {isNarrow ? 2e-2 : 1e-3, 1e-6, /*ofMagnitude=*/true}),
             "plan " + std::to_string(number) + " disagrees with plan 0 in output \"" + first.loaded.session->outputs()[k].name + "\"");
  }
  return Status::ok();
}

/// What the last runs took, by problem: the mean of the launches that have it.
void collect(const Side& side, const StepTimer& timer, std::vector<Problem>& problems) {
  struct Sum {
    std::string choice;
    double us = 0;
    int launches = 0;
  };
  std::map<std::string, Sum> sums;
  for (const StepTiming& timing : timer.timings()) {
    const StepReport& step = side.steps[timing.step];
    if (step.problem.empty()) continue;
    Sum& sum = sums[step.problem];
    sum.choice = step.choice;
    sum.us += timing.totalMs * 1e3;
    sum.launches += static_cast<int>(timing.count);
  }
  for (auto& [text, sum] : sums) {
    auto problem = std::find_if(problems.begin(), problems.end(), [&](const Problem& p) { return p.text == text; });
    if (problem == problems.end()) problem = problems.insert(problem, Problem{text, {}});
    problem->samplesOf(sum.choice).push_back(sum.us / sum.launches);
  }
}

Expected<std::vector<Problem>> measure(std::vector<Side>& sides, const TuneOptions& options) {
  for (size_t i = 0; i < sides.size(); ++i) {
    JINX_TRY(sides[i].runOnce(nullptr), "plan " + std::to_string(i));
    if (i > 0) JINX_TRY(checkOutputs(sides[0], sides[i], i));
  }
  std::vector<Problem> problems;
  std::vector<std::unique_ptr<StepTimer>> timers;
  for (Side& side : sides) {
    JINX_TRY_ASSIGN(auto timer, StepTimer::make(*side.loaded.session, side.inputs, side.outputs, options.device.threadCount(),
                                                [&side](Trace* trace) { return side.runOnce(trace); }));
    timers.push_back(std::move(timer));
  }
  ProgressBar progress("measuring");
  Timer timer;
  const double limitMs = options.seconds * 1e3;
  for (int round = 0; round < kMostRounds && (round < kLeastRounds || timer.ms() < limitMs); ++round) {
    for (size_t i = 0; i < sides.size(); ++i) {
      JINX_TRY(timers[i]->run());
      collect(sides[i], *timers[i], problems);
    }
    progress.update(timer.ms() / limitMs, std::to_string(round + 1) + " rounds");
  }
  return problems;
}

std::string now() {
  const std::time_t time = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

TunedChoice bestOf(const Problem& problem, const Session& session, const std::string& device) {
  TunedChoice best;
  best.target = session.plan().target();
  best.device = device;
  best.problem = problem.text;
  best.producer = session.plan().producer();
  best.when = now();
  best.candidates = static_cast<int>(problem.choices.size());
  best.estimate = best.choice = problem.choices[0].first;
  best.estimateUs = best.us = percentile(problem.choices[0].second, 50);
  best.runs = static_cast<int>(problem.choices[0].second.size());
  for (const auto& [choice, samples] : problem.choices) {
    const double us = percentile(samples, 50);
    if (us >= best.us || us > best.estimateUs * (1 - kLeastGain)) continue;
    best.choice = choice;
    best.us = us;
  }
  return best;
}

void print(const std::vector<TunedChoice>& found) {
  TextTable table({"estimate", "best", "gain", "of", "problem: choice"});
  for (const TunedChoice& entry : found)
    table.add({formatMilliseconds(entry.estimateUs / 1e3), formatMilliseconds(entry.us / 1e3),
               entry.choice == entry.estimate ? "-" : formatNumber(entry.estimateUs / entry.us, 3) + "x", std::to_string(entry.candidates),
               entry.problem + ": " + entry.choice});
  std::printf("%s", table.str().c_str());
}

Expected<std::vector<LoadedPlan>> openFolder(const std::string& dir) {
  const std::string path = (fs::path(dir) / kTuneIndex).string();
  std::ifstream file(path);
  if (!file) return notFound("there is no " + path + ": `jinx tune MODEL --emit " + dir + "` makes such a folder");
  const auto json = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || json.value("format", "") != kIndexFormat || !json.contains("plans") || !json["plans"].is_array() || json["plans"].empty())
    return invalidArgument(path + " is no list of tuning plans: expected JSON with \"format\": \"" + kIndexFormat + "\" and \"plans\"");
  std::vector<LoadedPlan> plans;
  for (const auto& name : json["plans"]) {
    if (!name.is_string()) return invalidArgument(path + " has a plan without a name");
    PlanRequest request;
    request.path = (fs::path(dir) / name.get<std::string>()).string();
    JINX_TRY_ASSIGN(LoadedPlan plan, openPlan(request));
    plans.push_back(std::move(plan));
  }
  return plans;
}

} // namespace

void addTuneOptions(CLI::App& command, TuneOptions& options) {
  addDeviceOptions(command, options.device);
  addInputOptions(command, options.inputs);
  command.add_option("--db", options.database, "The tuning database to write, or to add to")->type_name("FILE");
  command.add_option("--seconds", options.seconds, "Measure so long, all plans together (default 3)")->check(aboveZero());
}

Status writeTuneIndex(const std::string& dir, const std::vector<std::string>& plans) {
  const nlohmann::ordered_json json = {{"format", kIndexFormat}, {"plans", plans}};
  return writeText((fs::path(dir) / kTuneIndex).string(), json.dump(1) + "\n");
}

Status tune(std::vector<LoadedPlan> plans, const TuneOptions& options) {
  JINX_TRY(checkOutputFile(options.database));
  TuningDatabase database;
  auto old = TuningDatabase::read(options.database);
  if (!old && old.status().code() != Code::kNotFound) return old.status();
  if (old) database = std::move(*old);
  std::vector<Side> sides;
  for (size_t i = 0; i < plans.size(); ++i) {
    JINX_TRY_ASSIGN(Side side, makeSide(std::move(plans[i]), options), "plan " + std::to_string(i));
    sides.push_back(std::move(side));
  }
  const std::string device = sides[0].loaded.session->device().description();
  JINX_TRY_ASSIGN(std::vector<Problem> problems, measure(sides, options));
  if (problems.empty()) return invalidArgument("no step of the plans had sizes to choose");
  std::vector<TunedChoice> found;
  for (const Problem& problem : problems) {
    found.push_back(bestOf(problem, *sides[0].loaded.session, device));
    database.put(found.back());
  }
  print(found);
  const auto changed = std::count_if(found.begin(), found.end(), [](const TunedChoice& entry) { return entry.choice != entry.estimate; });
  JINX_TRY(database.write(options.database));
  std::printf("%s: %zu problems measured on %s in %zu plans, %td of them better than estimated\n", options.database.c_str(), found.size(),
              device.c_str(), sides.size(), changed);
  return Status::ok();
}

void addTuneFolder(CLI::App& app, Action& action) {
  struct FolderOptions : TuneOptions {
    std::string dir;
  };
  auto options = std::make_shared<FolderOptions>();
  CLI::App* command = app.add_subcommand("tune", "Measure the plans of `jinx tune --emit`, and write what is fastest into a database");
  command->add_option("DIR", options->dir, "The folder")->required();
  addTuneOptions(*command, *options);
  command->get_option("--db")->required();
  command->callback([options, &action] {
    action = [options] {
      auto plans = openFolder(options->dir);
      return report(plans ? tune(std::move(*plans), *options) : plans.status());
    };
  });
}

} // namespace jinx::tools
