#include "tools/jinx/ModelSource.h"

#include "runtime/device/Isa.h"
#include "tools/common/PlanCache.h"
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

namespace {

/// All that a plan of this request depends on: the model, this program, and what optionsFor makes of the request.
Expected<std::string> cacheKey(const PlanRequest& request, const driver::CompileOptions& options) {
  JINX_TRY_ASSIGN(std::string key, identityOf(request.path));
  JINX_TRY_ASSIGN(std::string program, identityOf("/proc/self/exe"));
  key += "\n" + program + "\ntarget=" + options.target + "\nfusion=" + (options.fusion ? "on" : "off");
  key += "\nisa=" + (options.isas.empty() ? hostIsa() : options.isas[0]);
  for (const frontends::DimOverride& dim : options.import.dims)
    key += "\ndim." + dim.name + "=" + std::to_string(dim.min) + ".." + std::to_string(dim.max);
  return key;
}

/// The plan, from the cache where it is there; a cache that cannot be used is none.
Expected<LoadedPlan> openKept(const PlanRequest& request, const driver::CompileOptions& options) {
  const PlanCache cache(planCacheFolder());
  JINX_TRY_ASSIGN(const std::string key, cacheKey(request, options));
  PlanRequest kept = request;
  kept.path = cache.pathOf(key);
  if (cache.touch(kept.path))
    if (Expected<LoadedPlan> plan = openPlan(kept)) return plan;
  Timer timer;
  JINX_TRY_ASSIGN(driver::Compiled compiled, driver::compileModel(request.path, options));
  const double seconds = timer.ms() / 1e3;
  if (!cache.prepare().isOk() || !compiled.plan->writeFile(kept.path).isOk()) return toLoadedPlan(std::move(compiled), seconds);
  cache.trim(kept.path);
  JINX_TRY_ASSIGN(LoadedPlan plan, openPlan(kept));
  plan.compiled = true, plan.compileSeconds = seconds;
  return plan;
}

} // namespace

Expected<LoadedPlan> openOrCompile(const PlanRequest& request) {
  if (startsAsPlan(request.path)) return openPlan(request);
  ProgressBar progress("compiling", !request.quiet);
  driver::CompileOptions options = optionsFor(request);
  options.progress = [&](const std::string& stage, double fraction) { progress.update(fraction, stage); };
  if (request.keepsPlan && !planCacheFolder().empty()) return openKept(request, options);
  Timer timer;
  JINX_TRY_ASSIGN(driver::Compiled compiled, driver::compileModel(request.path, options));
  return toLoadedPlan(std::move(compiled), timer.ms() / 1e3);
}

} // namespace jinx::tools
