#include "tools/common/StepTable.h"

#include <algorithm>

#include "tools/common/InputValues.h"
#include "tools/common/Terminal.h"
#include "tools/common/TextTable.h"

namespace jinx::tools {

void keepBest(StepTimes& times, const StepTimer& timer) {
  for (const StepTiming& step : timer.timings()) {
    const double ms = step.totalMs / timer.runs();
    auto [entry, added] = times.try_emplace(step.step, ms);
    entry->second = std::min(entry->second, ms);
  }
}

Expected<std::vector<StepReport>> stepsFor(const LoadedSession& loaded, std::span<const Value> inputs) {
  const auto sizes = withSizesOf(inputs, loaded.session->inputs(), {});
  JINX_TRY_ASSIGN(PlanReport report, makePlanReport(loaded.plan.file, sizes));
  return std::move(report.steps);
}

std::vector<StepRow> makeStepRows(std::vector<StepReport> steps, const StepTimes& times, const Roofline& roofline) {
  std::vector<StepRow> rows;
  for (StepReport& step : steps) {
    StepRow row;
    if (auto time = times.find(static_cast<uint32_t>(step.index)); time != times.end()) row.ms = time->second;
    row.reached = achieved(roofline, step.bytes, step.flops, step.products, row.ms);
    row.step = std::move(step);
    rows.push_back(std::move(row));
  }
  std::sort(rows.begin(), rows.end(), [](const StepRow& a, const StepRow& b) {
    return a.ms > b.ms || (a.ms == b.ms && a.step.index < b.step.index);
  });
  return rows;
}

std::string toText(const std::vector<StepRow>& rows, const Roofline& roofline) {
  TextTable table({"time", "bytes", "flops", "memory", "arithmetic", "of roof", "bound by", "kernel: nodes"});
  for (const StepRow& row : rows) {
    const StepReport& step = row.step;
    std::string what = (step.kind == "launch" ? "" : step.kind + " ") + step.kernel;
    for (size_t i = 0; i < std::min<size_t>(step.nodes.size(), 4); ++i)
      what += (i ? ", " : ": ") + step.nodes[i];
    if (step.nodes.size() > 4) what += ", +" + std::to_string(step.nodes.size() - 4);
    table.add({row.ms > 0 ? formatMilliseconds(row.ms) : "-", step.bytes ? formatBytes(static_cast<double>(*step.bytes)) : "",
               formatFlops(step.flops), formatBytesRate(row.reached.bytesPerSecond), formatFlopsRate(row.reached.flopsPerSecond),
               formatShare(row.reached.share), row.reached.bound, what});
  }
  return toText(roofline) + "\n" + table.str();
}

nlohmann::ordered_json toJson(const std::vector<StepRow>& rows) {
  auto json = nlohmann::ordered_json::array();
  for (const StepRow& row : rows) {
    const StepReport& step = row.step;
    nlohmann::ordered_json entry = {{"step", step.index}, {"kind", step.kind}, {"kernel", step.kernel}, {"nodes", step.nodes}};
    if (row.ms > 0) entry["ms"] = row.ms;
    if (!step.products.empty()) entry["products"] = step.products;
    addJson(entry, step.bytes, step.flops, row.reached);
    json.push_back(std::move(entry));
  }
  return json;
}

} // namespace jinx::tools
