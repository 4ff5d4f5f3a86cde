// `tune`: plans of one model with other sizes of its kernels, measured here or written for a machine without the
// compiler.
#include <filesystem>

#include "tools/common/Exit.h"
#include "tools/common/Terminal.h"
#include "tools/common/Tune.h"
#include "tools/jinx/Commands.h"
#include "tools/jinx/ModelSource.h"

namespace jinx::tools {
namespace {

namespace fs = std::filesystem;

struct TuneCommand : TuneOptions {
  std::string model, target, emitDir;
  int top = 4;
  bool noFusion = false, cubins = false;
};

driver::CompileOptions compileOptionsOf(const TuneCommand& command) {
  PlanRequest request;
  request.device = command.device;
  request.dims = command.inputs.dims;
  request.fusion = !command.noFusion;
  driver::CompileOptions options = optionsFor(request);
  if (!command.target.empty()) options.target = command.target;
  options.cubins = command.cubins;
  return options;
}

/// The r-th candidates, of problems that have as many.
schedules::MeasuredChoices candidatesAt(const std::vector<schedules::Question>& questions, size_t r) {
  schedules::MeasuredChoices choices;
  for (const schedules::Question& question : questions)
    if (r < question.candidates.size()) choices[question.problem] = question.candidates[r].choice;
  return choices;
}

Expected<std::vector<driver::Compiled>> compileAll(const TuneCommand& command) {
  ProgressBar progress("compiling");
  driver::CompileOptions options = compileOptionsOf(command);
  std::vector<driver::Compiled> plans;
  std::vector<schedules::Question> questions;
  for (int r = 0; r < command.top; ++r) {
    progress.update(static_cast<double>(r) / command.top,
                    "plan " + std::to_string(r + 1) + " of " + std::to_string(command.top));
    options.measured = candidatesAt(questions, static_cast<size_t>(r));
    options.measuredOn = "candidates " + std::to_string(r);
    if (r > 0 && options.measured.empty()) break;
    JINX_TRY_ASSIGN(driver::Compiled compiled, driver::compileModel(command.model, options));
    if (r == 0) questions = compiled.questions;
    plans.push_back(std::move(compiled));
  }
  if (questions.empty())
    return invalidArgument("no kernel of " + command.model +
                           " has sizes to choose: products, attention and, on CUDA, reductions of rows have");
  return plans;
}

Status emit(std::vector<driver::Compiled>& plans, const std::string& dir) {
  std::error_code error;
  fs::create_directories(dir, error);
  if (error) return systemError(error.value(), "cannot make the folder " + dir);
  std::vector<std::string> names;
  for (driver::Compiled& compiled : plans) {
    names.push_back("plan" + std::to_string(names.size()) + ".jxp");
    JINX_TRY(compiled.plan->writeFile((fs::path(dir) / names.back()).string()), "writing " + names.back());
  }
  JINX_TRY(writeTuneIndex(dir, names));
  std::printf("%s: %zu plans, %zu problems; `jinx-rt tune %s --db FILE` measures them\n", dir.c_str(), plans.size(),
              plans[0].questions.size(), dir.c_str());
  return Status::ok();
}

Status tuneModel(const TuneCommand& command) {
  if (startsAsPlan(command.model)) return invalidArgument(command.model + " is a plan, tune needs a model");
  JINX_TRY_ASSIGN(std::vector<driver::Compiled> compiled, compileAll(command));
  if (!command.emitDir.empty()) return emit(compiled, command.emitDir);
  std::vector<LoadedPlan> plans;
  for (driver::Compiled& each : compiled) {
    JINX_TRY_ASSIGN(LoadedPlan plan, toLoadedPlan(std::move(each), 0));
    plans.push_back(std::move(plan));
  }
  return tune(std::move(plans), command);
}

} // namespace

void addTune(CLI::App& app, Action& action) {
  auto options = std::make_shared<TuneCommand>();
  CLI::App* command = app.add_subcommand("tune", "Measure other sizes of a model's kernels, for `compile --tuning`");
  command->add_option("MODEL", options->model, "ONNX model or native IR")->required();
  addTuneOptions(*command, *options);
  CLI::Option* database = command->get_option("--db");
  CLI::Option* folder =
      command->add_option("--emit", options->emitDir, "Measure nothing: write the plans, for `jinx-rt tune DIR`")
          ->type_name("DIR");
  database->excludes(folder);
  command->add_option("--target", options->target, "With --emit: cpu (default) or cuda:sm_90a")
      ->check(CLI::Validator(checkTarget, "TARGET"))
      ->needs(folder);
  command->add_flag("--cubins", options->cubins, "With --emit, as of `compile`: for machines without NVRTC")->needs(folder);
  command->add_option("--top", options->top, "Candidates of each kernel (default 4)")->check(CLI::Range(1, 64));
  command->add_flag("--no-fusion", options->noFusion, "One kernel per operator");
  command->callback([options, &action] {
    if (options->emitDir.empty() && options->database.empty()) throw CLI::RequiredError("--db FILE or --emit DIR");
    action = [options] { return report(tuneModel(*options)); };
  });
}

} // namespace jinx::tools
