#include "tools/common/Inspect.h"

#include <iostream>

#include "tools/common/Exit.h"
#include "tools/common/OutputFile.h"

namespace jinx::tools {
namespace {

struct InspectOptions {
  PlanRequest request;
  std::string htmlFile, measuredFile;
  bool json = false;
};

Status inspect(const InspectOptions& options) {
  JINX_TRY(checkOutputFile(options.htmlFile));
  JINX_TRY_ASSIGN(LoadedPlan plan, openPlan(options.request));
  JINX_TRY_ASSIGN(PlanReport report, makePlanReport(plan.file, options.request.dims));
  if (!options.measuredFile.empty()) JINX_TRY(addMeasured(report, options.measuredFile));
  if (!options.htmlFile.empty()) JINX_TRY(writeText(options.htmlFile, toHtml(report)));
  if (options.json)
    std::cout << toJson(report).dump(1, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
  else if (options.htmlFile.empty())
    std::cout << toText(report) << std::flush;
  return Status::ok();
}

} // namespace

void addInspect(CLI::App& app, Action& action) {
  auto options = std::make_shared<InspectOptions>();
  options->request.opensExternal = false;
  CLI::App* command = app.add_subcommand("inspect", "Show a plan: steps, kernels with their nodes, memory, sizes");
  command->add_option("PLAN", options->request.path, "A plan")->required();
  addDimOption(*command, options->request.dims, "A dynamic size that is shown (default: the least that works)");
  command->add_option("--html", options->htmlFile, "Write one self-contained page")->type_name("FILE");
  command->add_option("--measured", options->measuredFile, "Show times of its steps: what `bench --steps --json` has written")->type_name("FILE.json");
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &action] { action = [options] { return report(inspect(*options)); }; });
}

} // namespace jinx::tools
