#include "tools/jinx/QuantizeTime.h"

#include <algorithm>

#include "tools/common/InputValues.h"
#include "tools/common/StepTable.h"
#include "tools/common/StepTimer.h"
#include "tools/driver/ModelModule.h"
#include "tools/jinx/ModelSource.h"

namespace jinx::tools {
namespace {

constexpr int kRuns = 12;

/// One of the two.
struct Timed {
  LoadedSession loaded;
  std::vector<Value> inputs, outputs;
  std::unique_ptr<StepTimer> timer;
  StepTimes stepMs;
  double bestMs = 0;

  Status once(Trace* trace) { return loaded.session->run(inputs, outputs, trace); }
};

Expected<std::unique_ptr<Timed>> load(driver::ModelModule& model, const driver::CompileOptions& compile) {
  driver::CompileOptions options;
  options.portable = false;
  options.threads = compile.threads;
  JINX_TRY_ASSIGN(driver::Compiled compiled, driver::compileModule(model.clone(), options));
  JINX_TRY_ASSIGN(LoadedPlan plan, toLoadedPlan(std::move(compiled), 0));
  DeviceChoice device;
  device.threads = static_cast<int>(compile.threads);
  auto timed = std::make_unique<Timed>();
  JINX_TRY_ASSIGN(timed->loaded, makeSession(std::move(plan), device));
  Session& session = *timed->loaded.session;
  InputOptions inputs;
  inputs.seed = 0;
  JINX_TRY_ASSIGN(timed->inputs, makeInputs(session.plan(), session.inputs(), inputs));
  timed->outputs.resize(session.outputs().size());
  JINX_TRY(timed->once(nullptr));
  JINX_TRY_ASSIGN(timed->timer, StepTimer::make(session, timed->inputs, timed->outputs, device.threads, [side = timed.get()](Trace* trace) { return side->once(trace); }));
  return timed;
}

/// Time of the steps that a node is in.
std::optional<double> timeOf(const Timed& timed, const std::vector<TraceStep>& steps, const std::string& node) {
  std::optional<double> ms;
  for (const auto& [step, best] : timed.stepMs)
    if (const auto& nodes = steps[step].nodes; std::find(nodes.begin(), nodes.end(), node) != nodes.end()) ms = ms.value_or(0) + best;
  return ms;
}

} // namespace

Status measureBoth(driver::Quantized& quantized, const driver::CompileOptions& compile) {
  JINX_TRY_ASSIGN(std::unique_ptr<Timed> inFloat, load(*quantized.original, compile));
  JINX_TRY_ASSIGN(std::unique_ptr<Timed> codes, load(*quantized.module, compile));
  for (int run = 0; run < kRuns; ++run)
    for (Timed* side : {inFloat.get(), codes.get()}) {
      JINX_TRY(side->timer->run());
      keepBest(side->stepMs, *side->timer);
      Timer timer;
      JINX_TRY(side->once(nullptr));
      const double ms = timer.ms();
      side->bestMs = run == 0 ? ms : std::min(side->bestMs, ms);
    }
  const std::vector<TraceStep> floatSteps = inFloat->loaded.session->steps(), steps = codes->loaded.session->steps();
  for (QuantizedLayer& layer : quantized.report.layers) {
    layer.floatMs = timeOf(*inFloat, floatSteps, layer.node);
    layer.ms = timeOf(*codes, steps, layer.node);
  }
  quantized.report.floatMs = inFloat->bestMs;
  quantized.report.ms = codes->bestMs;
  return Status::ok();
}

} // namespace jinx::tools
