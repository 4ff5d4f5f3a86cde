// Figures for machines and for people.
#include <cstdio>

#include "tools/common/TextTable.h"
#include "tools/common/loadgen/Figures.h"

namespace jinx::loadgen {
namespace {

using Json = nlohmann::ordered_json;

Json toJson(const Distribution& times) {
  if (times.count == 0) return {{"count", 0}, {"mean", nullptr}, {"p50", nullptr}, {"p90", nullptr}, {"p99", nullptr}};
  return {{"count", times.count}, {"mean", times.mean}, {"p50", times.p50}, {"p90", times.p90}, {"p99", times.p99}};
}

Json toJson(const GoodputLimits& limits) {
  Json json = Json::object();
  if (limits.ttft_s) json["ttft"] = *limits.ttft_s;
  if (limits.itl_s) json["itl"] = *limits.itl_s;
  if (limits.e2e_s) json["e2e"] = *limits.e2e_s;
  return json;
}

/// Four digits, and no exponents for what is large.
std::string numberText(double value) {
  char text[40];
  std::snprintf(text, sizeof text, value >= 1000 ? "%.0f" : "%.4g", value);
  return text;
}

double share(size_t part, size_t whole) { return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole); }

std::string countsOf(const Figures& figures) {
  std::string text = std::to_string(figures.completed) + " of " + std::to_string(figures.requests) + " requests answered in " + numberText(figures.duration_s) + " s";
  if (figures.rejected > 0) text += ", " + std::to_string(figures.rejected) + " rejected (429)";
  for (const auto& [failure, count] : figures.failures)
    text += ", " + std::to_string(count) + " failed (" + failure + ")";
  return text + "\n";
}

void addTimes(tools::TextTable& table, const std::string& name, const Distribution& times) {
  std::vector<std::string> cells = {name};
  for (const double time_s : {times.mean, times.p50, times.p90, times.p99})
    cells.push_back(times.count == 0 ? "-" : numberText(time_s * 1e3));
  cells.push_back(std::to_string(times.count));
  table.add(std::move(cells));
}

} // namespace

Json toJson(const Figures& figures) {
  Json json;
  json["duration_s"] = figures.duration_s;
  json["latest_s"] = figures.latest_s;
  json["requests"] = figures.requests;
  json["completed"] = figures.completed;
  json["rejected"] = figures.rejected;
  json["failures"] = Json::object();
  for (const auto& [failure, count] : figures.failures)
    json["failures"][failure] = count;
  json["without_usage"] = figures.withoutUsage;
  json["prompt_tokens"] = figures.promptTokens;
  json["cached_tokens"] = figures.cachedTokens;
  json["output_tokens"] = figures.outputTokens;
  json["requests_per_s"] = figures.perSecond(static_cast<double>(figures.completed));
  json["output_tokens_per_s"] = figures.perSecond(static_cast<double>(figures.outputTokens));
  json["total_tokens_per_s"] = figures.perSecond(static_cast<double>(figures.promptTokens + figures.outputTokens));
  json["ttft_s"] = toJson(figures.ttft_s);
  json["tpot_s"] = toJson(figures.tpot_s);
  json["itl_s"] = toJson(figures.itl_s);
  json["e2e_s"] = toJson(figures.e2e_s);
  if (!figures.limits.isEmpty())
    json["goodput"] = {{"limits_s", toJson(figures.limits)},
                       {"requests", figures.good},
                       {"share", share(figures.good, figures.requests)},
                       {"requests_per_s", figures.perSecond(static_cast<double>(figures.good))}};
  return json;
}

Json toJson(const Record& record) {
  const auto orNull = [](double time_s) { return time_s < 0 ? Json() : Json(time_s); };
  return {{"index", record.index},
          {"at_s", record.at_s},
          {"late_s", record.late_s},
          {"ttft_s", orNull(record.ttft_s)},
          {"tpot_s", orNull(record.tpot_s())},
          {"e2e_s", record.e2e_s},
          {"gaps_s", record.gaps_s},
          {"prompt_tokens", record.promptTokens},
          {"cached_tokens", record.cachedTokens},
          {"output_tokens", record.outputTokens},
          {"status", record.status},
          {"failure", record.isCompleted() ? Json() : Json(record.failure)},
          {"message", record.message}};
}

std::string tableOf(const Figures& figures) {
  std::string text = countsOf(figures);
  tools::TextTable counts({"", "per s", "in all"});
  const auto add = [&](const std::string& name, double count) { counts.add({name, numberText(figures.perSecond(count)), numberText(count)}); };
  add("requests", static_cast<double>(figures.completed));
  add("output tokens", static_cast<double>(figures.outputTokens));
  add("prompt tokens", static_cast<double>(figures.promptTokens));
  add("  of these cached", static_cast<double>(figures.cachedTokens));
  add("all tokens", static_cast<double>(figures.promptTokens + figures.outputTokens));
  if (!figures.limits.isEmpty()) add("good requests (" + numberText(100 * share(figures.good, figures.requests)) + "%)", static_cast<double>(figures.good));
  text += counts.str() + "\n";

  tools::TextTable times({"ms", "mean", "p50", "p90", "p99", "samples"});
  addTimes(times, "TTFT (to the first token)", figures.ttft_s);
  addTimes(times, "TPOT (mean of a request's later tokens)", figures.tpot_s);
  addTimes(times, "ITL (each gap)", figures.itl_s);
  addTimes(times, "E2E (whole request)", figures.e2e_s);
  text += times.str();
  if (figures.withoutUsage > 0) text += "of " + std::to_string(figures.withoutUsage) + " answers the server did not say the tokens: events with text are counted instead\n";
  constexpr double kMuch_s = 0.1;
  if (figures.latest_s > kMuch_s) text += "requests were sent up to " + numberText(figures.latest_s * 1e3) + " ms late: the machine of this client is too slow for the load\n";
  return text;
}

} // namespace jinx::loadgen
