// The steps of a plan with what each took, moved and computed, beside the roof of the device (Roofline.h).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tools/common/PlanReport.h"
#include "tools/common/PlanSource.h"
#include "tools/common/Roofline.h"
#include "tools/common/StepTimer.h"

namespace jinx::tools {

/// Milliseconds of each step that was timed: the best of several runs.
using StepTimes = std::map<uint32_t, double>;
/// Takes in what the timer's last runs took on average.
void keepBest(StepTimes& times, const StepTimer& timer);

/// What the steps of a session move and compute when it is called with these inputs, in flattened order.
Expected<std::vector<StepReport>> stepsFor(const LoadedSession& loaded, std::span<const Value> inputs);

struct StepRow {
  StepReport step;
  double ms = 0; ///< 0: not timed
  Achieved reached;
};
/// Slowest first; steps without a time in their order.
std::vector<StepRow> makeStepRows(std::vector<StepReport> steps, const StepTimes& times, const Roofline& roofline);

std::string toText(const std::vector<StepRow>& rows, const Roofline& roofline);
nlohmann::ordered_json toJson(const std::vector<StepRow>& rows);

} // namespace jinx::tools
