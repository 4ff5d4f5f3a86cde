#include "runtime/serve/OtlpJson.h"

#include <charconv>
#include <chrono>
#include <cmath>

#include "runtime/serve/Json.h"

namespace jinx::serve {
namespace {

constexpr int kInternal = 1, kServer = 2; // kinds of spans
constexpr int kError = 2;                 // of a status

Json toJson(const SpanValue& value) {
  if (const auto* number = std::get_if<int64_t>(&value)) return {{"intValue", std::to_string(*number)}};
  if (const auto* number = std::get_if<double>(&value)) return {{"doubleValue", *number}};
  if (const auto* text = std::get_if<std::string>(&value)) return {{"stringValue", *text}};
  Json values = Json::array();
  for (const std::string& text : std::get<std::vector<std::string>>(value))
    values.push_back({{"stringValue", text}});
  return {{"arrayValue", {{"values", std::move(values)}}}};
}

Json attribute(const std::string& key, const SpanValue& value) { return Json{{"key", key}, {"value", toJson(value)}}; }

Json toJson(const Span& span, int64_t epoch_ns) {
  const auto time = [epoch_ns](double seconds) { return std::to_string(epoch_ns + std::llround(seconds * 1e9)); };
  const TraceContext& context = span.context;
  Json json = {{"traceId", hexOf(context.trace)}, {"spanId", hexOf(span.isWhole ? context.span : randomSpanId())}};
  if (!span.isWhole) json["parentSpanId"] = hexOf(context.span);
  else if (context.parent) json["parentSpanId"] = hexOf(*context.parent);
  json["name"] = span.name;
  json["kind"] = span.isWhole ? kServer : kInternal;
  json["startTimeUnixNano"] = time(span.begin_s);
  json["endTimeUnixNano"] = time(span.end_s);
  json["attributes"] = Json::array();
  for (const auto& [key, value] : span.values)
    json["attributes"].push_back(attribute(key, value));
  json["attributes"].push_back(attribute("jinx.request", span.request));
  if (span.choice >= 0) json["attributes"].push_back(attribute("jinx.choice", int64_t{span.choice}));
  if (span.error.empty()) return json;
  json["attributes"].push_back(attribute("error.type", span.error));
  json["status"] = {{"code", kError}};
  return json;
}

} // namespace

int64_t steadyEpoch_ns() {
  using std::chrono::nanoseconds;
  const auto sinceEpoch = [](auto now) { return std::chrono::duration_cast<nanoseconds>(now.time_since_epoch()).count(); };
  return sinceEpoch(std::chrono::system_clock::now()) - sinceEpoch(std::chrono::steady_clock::now());
}

std::string otlpBody(std::span<const Span> spans, int64_t epoch_ns) {
  Json list = Json::array();
  for (const Span& span : spans)
    list.push_back(toJson(span, epoch_ns));
  const Json scope = {{"scope", {{"name", "jinx.serve"}}}, {"spans", std::move(list)}};
  const Json resource = {{"attributes", Json::array({attribute("service.name", std::string("jinx"))})}};
  return dump(Json{{"resourceSpans", Json::array({Json{{"resource", resource}, {"scopeSpans", Json::array({scope})}}})}});
}

uint64_t rejectedSpans(std::string_view answer) {
  const Expected<Json> json = parseJson(answer);
  if (!json || !json->is_object() || !json->contains("partialSuccess")) return 0;
  const Json& partial = (*json)["partialSuccess"];
  if (!partial.is_object() || !partial.contains("rejectedSpans")) return 0;
  const Json& count = partial["rejectedSpans"];
  if (count.is_number_unsigned()) return count.get<uint64_t>();
  uint64_t number = 0;
  if (count.is_string()) {
    const std::string& text = count.get_ref<const std::string&>();
    std::from_chars(text.data(), text.data() + text.size(), number);
  }
  return number;
}

} // namespace jinx::serve
