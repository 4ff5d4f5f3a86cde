#include "tools/common/Inspect.h"

#include <fstream>
#include <iostream>

#include "tools/common/Exit.h"

namespace jinx::tools {
namespace {

struct InspectOptions {
  PlanRequest request;
  std::string htmlFile;
  bool json = false;
};

Status inspect(const InspectOptions& options) {
  JINX_TRY_ASSIGN(LoadedPlan plan, openPlan(options.request));
  JINX_TRY_ASSIGN(PlanReport report, makePlanReport(plan.file, options.request.dims));
  if (!options.htmlFile.empty()) JINX_TRY(writeText(options.htmlFile, toHtml(report)));
  if (options.json)
    std::cout << toJson(report).dump(1, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
  else if (options.htmlFile.empty())
    std::cout << toText(report) << std::flush;
  return Status::ok();
}

} // namespace

Status writeText(const std::string& path, const std::string& text) {
  if (path == "-") {
    std::cout << text << std::flush;
    return Status::ok();
  }
  JINX_TRY_ASSIGN(AtomicFile file, AtomicFile::create(path));
  JINX_TRY(file.write(std::as_bytes(std::span(text))));
  return file.commit();
}

void addInspect(CLI::App& app, Action& action) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App* command = app.add_subcommand("inspect", "Show a plan: steps, kernels with their nodes, memory, sizes");
  command->add_option("PLAN", options->request.path, "A plan")->required();
  addDimOption(*command, options->request.dims, "A dynamic size that is shown (default: the least that works)");
  command->add_option("--html", options->htmlFile, "Write one self-contained page")->type_name("FILE");
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options, &action] { action = [options] { return report(inspect(*options)); }; });
}

} // namespace jinx::tools
