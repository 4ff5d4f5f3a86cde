#include "tools/common/loadgen/TraceFile.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "runtime/serve/Json.h"

namespace jinx::loadgen {
namespace {

using serve::Json;
using serve::shown;

constexpr int64_t kMostTokens = 1'000'000;

Status readField(const std::string& name, const Json& value, TraceEntry& entry) {
  if (name == "at") {
    if (!value.is_number() || !std::isfinite(value.get<double>()) || value.get<double>() < 0) return invalidArgument("at is " + shown(value) + ", expected seconds from 0 on");
    entry.at_s = value.get<double>();
    return Status::ok();
  }
  if (name == "prompt") {
    if (!value.is_string() || value.get_ref<const std::string&>().empty()) return invalidArgument("prompt is " + shown(value) + ", expected a text");
    entry.prompt = value.get<std::string>();
    return Status::ok();
  }
  if (name != "prompt_tokens" && name != "output_tokens") return invalidArgument("\"" + name.substr(0, 40) + "\" is no field, expected at, prompt_tokens, output_tokens, prompt");
  if (!value.is_number_unsigned() || value.get<uint64_t>() < 1 || value.get<uint64_t>() > kMostTokens)
    return invalidArgument(name + " is " + shown(value) + ", expected a whole number from 1 to " + std::to_string(kMostTokens));
  (name == "prompt_tokens" ? entry.promptTokens : entry.outputTokens) = value.get<int64_t>();
  return Status::ok();
}

Expected<TraceEntry> parseLine(std::string_view line) {
  Expected<Json> json = serve::parseJson(line);
  if (!json || !json->is_object()) return invalidArgument("no JSON object");
  TraceEntry entry;
  for (const auto& [name, value] : json->items())
    JINX_TRY(readField(name, value, entry));
  if (!json->contains("at")) return invalidArgument("at is missing");
  if (entry.outputTokens == 0) return invalidArgument("output_tokens is missing");
  if (entry.promptTokens == 0 && entry.prompt.empty()) return invalidArgument("there is neither prompt_tokens nor prompt");
  return entry;
}

} // namespace

Expected<std::vector<TraceEntry>> parseTrace(std::string_view text) {
  std::multimap<double, TraceEntry> sorted; // keeps the order of those of one time
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    JINX_TRY_ASSIGN(TraceEntry entry, parseLine(line), "line " + std::to_string(number));
    sorted.emplace(entry.at_s, std::move(entry));
  }
  if (sorted.empty()) return invalidArgument("there is no request");
  std::vector<TraceEntry> entries;
  for (auto& [at_s, entry] : sorted)
    entries.push_back(std::move(entry));
  return entries;
}

} // namespace jinx::loadgen
