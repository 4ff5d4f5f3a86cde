// Times of a plan's steps, from the file of `bench --steps --json`: they are taken where the device is, and looked at elsewhere.
#include <fstream>

#include "tools/common/PlanReport.h"

namespace jinx::tools {
namespace {

using Json = nlohmann::ordered_json;

template <typename T>
std::optional<T> numberOf(const Json& json, const char* key) {
  const auto entry = json.find(key);
  return entry != json.end() && entry->is_number() ? std::optional(entry->get<T>()) : std::nullopt;
}
std::string textOf(const Json& json, const char* key) {
  const auto entry = json.find(key);
  return entry != json.end() && entry->is_string() ? entry->get<std::string>() : std::string();
}

Status addStep(StepReport& step, const Json& json) {
  if (textOf(json, "kernel") != step.kernel)
    return invalidArgument("is about another plan: step " + std::to_string(step.index) + " is \"" + textOf(json, "kernel") + "\" there and \"" +
                           step.kernel + "\" in the plan");
  if (auto bytes = numberOf<int64_t>(json, "bytes")) step.bytes = bytes;
  if (auto flops = numberOf<int64_t>(json, "flops")) step.flops = flops;
  const auto ms = numberOf<double>(json, "ms");
  if (!ms) return Status::ok();
  step.measured = MeasuredReport{*ms, numberOf<double>(json, "bytes_per_s"), numberOf<double>(json, "flops_per_s"),
                                 numberOf<double>(json, "roof_share"), textOf(json, "bound")};
  return Status::ok();
}

} // namespace

Status addMeasured(PlanReport& report, const std::string& path) {
  std::ifstream file(path);
  if (!file) return notFound("cannot open " + path);
  const Json json = Json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("roofline") || !json.contains("steps") || !json["steps"].is_array())
    return invalidArgument(path + " has no times of steps: `jinx-rt bench PLAN --steps --json FILE` writes them");
  if (json["steps"].size() != report.steps.size())
    return invalidArgument(path + " is about another plan: it has " + std::to_string(json["steps"].size()) + " steps, the plan " +
                           std::to_string(report.steps.size()));
  for (const Json& entry : json["steps"]) {
    const auto index = entry.is_object() ? numberOf<size_t>(entry, "step") : std::nullopt;
    if (!index || *index >= report.steps.size()) return invalidArgument(path + " has a step without a number");
    JINX_TRY(addStep(report.steps[*index], entry), path);
  }
  report.measuredOn = textOf(json["roofline"], "device");
  return Status::ok();
}

} // namespace jinx::tools
