#include "tools/jinx/ModelSource.h"

#include "tools/common/Terminal.h"

namespace jinx::tools {

driver::CompileOptions optionsFor(const PlanRequest& request) {
  driver::CompileOptions options;
  options.target = request.device.device == "cpu" ? "cpu" : "cuda:sm_90a";
  if (!request.device.isa.empty()) options.isas = {request.device.isa};
  options.portable = false;
  options.threads = static_cast<unsigned>(DeviceChoice().threadCount());
  options.fusion = request.fusion;
  options.import.dims = request.dims;
  return options;
}

Expected<LoadedPlan> toLoadedPlan(driver::Compiled compiled, double compileSeconds) {
  LoadedPlan plan;
  plan.compiled = true;
  plan.compileSeconds = compileSeconds;
  plan.keepAlive = compiled.keepAlive;
  Timer timer;
  JINX_TRY_ASSIGN(plan.file, std::move(*compiled.plan).toMemory());
  plan.loadMs = timer.ms();
  return plan;
}

Expected<LoadedPlan> openOrCompile(const PlanRequest& request) {
  if (startsAsPlan(request.path)) return openPlan(request);
  ProgressBar progress("compiling", !request.quiet);
  driver::CompileOptions options = optionsFor(request);
  options.progress = [&](const std::string& stage, double fraction) { progress.update(fraction, stage); };
  Timer timer;
  JINX_TRY_ASSIGN(driver::Compiled compiled, driver::compileModel(request.path, options));
  return toLoadedPlan(std::move(compiled), timer.ms() / 1e3);
}

} // namespace jinx::tools
