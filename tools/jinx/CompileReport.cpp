#include "tools/jinx/CompileReport.h"

namespace jinx::tools {
namespace {

using Json = nlohmann::ordered_json;

Json toJson(const driver::PassRecord& pass) {
  Json json = {{"pass", pass.pass},
               {"ms", pass.ms},
               {"operators_before", pass.operatorsBefore},
               {"operators_after", pass.operatorsAfter},
               {"statistics", Json::array()}};
  for (const auto& statistic : pass.statistics)
    json["statistics"].push_back(
        {{"name", statistic.name}, {"description", statistic.description}, {"value", statistic.value}});
  return json;
}

Json toJson(const driver::Remark& remark) {
  Json json = {{"kind", remark.kind},
               {"pass", remark.pass},
               {"name", remark.name},
               {"location", remark.location},
               {"message", remark.message}};
  for (const auto& [key, value] : remark.figures)
    json["figures"][key] = value;
  return json;
}

/// For every operator the steps that compute it.
std::vector<std::vector<int>> stepsOf(const driver::GraphView& view, const std::vector<StepReport>& steps) {
  std::vector<std::string> kinds;
  for (const StepReport& step : steps)
    kinds.push_back(step.kind);
  const auto matched = view.match(kinds);
  std::vector<std::vector<int>> result(view.operators.size());
  for (size_t i = 0; i < steps.size(); ++i)
    if (matched[i])
      for (int op : matched[i]->operators)
        result[static_cast<size_t>(op)].push_back(steps[i].index);
  return result;
}

Json graphJson(const driver::GraphView& view, const PlanReport& report) {
  const std::vector<std::vector<int>> steps = stepsOf(view, report.steps);
  auto operators = Json::array();
  for (size_t i = 0; i < view.operators.size(); ++i) {
    const driver::GraphView::Operator& op = view.operators[i];
    operators.push_back({{"kind", op.kind},
                         {"node", op.node},
                         {"dims", op.dims},
                         {"shape", op.ranked ? shapeText(op.dims, report.sizes) : "?"},
                         {"reads", op.reads},
                         {"steps", steps[i]}});
    if (op.inside >= 0) operators.back()["inside"] = op.inside;
  }
  return {{"operators", operators}};
}

} // namespace

void addCompileReport(PlanReport& report, const driver::Compiled& compiled) {
  CompileReport& result = report.compile.emplace();
  result.stages = compiled.times;
  result.passes = result.remarks = Json::array();
  for (const driver::PassRecord& pass : compiled.passes)
    result.passes.push_back(toJson(pass));
  for (const driver::Remark& remark : compiled.remarks)
    result.remarks.push_back(toJson(remark));
  if (!compiled.view.operators.empty()) result.graph = graphJson(compiled.view, report);
}

} // namespace jinx::tools
