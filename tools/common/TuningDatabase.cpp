#include "tools/common/TuningDatabase.h"

#include <filesystem>
#include <fstream>
#include <set>

#include <nlohmann/json.hpp>

#include "tools/common/OutputFile.h"

namespace jinx::tools {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "jinx tuning database";
constexpr int kVersion = 1;

Expected<std::string> textOf(const Json& json, const char* key) {
  const auto entry = json.find(key);
  if (entry == json.end() || !entry->is_string() || entry->get<std::string>().empty())
    return invalidArgument("has no text \"" + std::string(key) + "\"");
  return entry->get<std::string>();
}
Expected<double> numberOf(const Json& json, const char* key) {
  const auto entry = json.find(key);
  if (entry == json.end() || !entry->is_number() || entry->get<double>() < 0)
    return invalidArgument("has no number \"" + std::string(key) + "\"");
  return entry->get<double>();
}

Expected<TunedChoice> entryOf(const Json& json) {
  if (!json.is_object()) return invalidArgument("is no object");
  TunedChoice entry;
  JINX_TRY_ASSIGN(entry.target, textOf(json, "target"));
  JINX_TRY_ASSIGN(entry.device, textOf(json, "device"));
  JINX_TRY_ASSIGN(entry.problem, textOf(json, "problem"));
  JINX_TRY_ASSIGN(entry.choice, textOf(json, "choice"));
  JINX_TRY_ASSIGN(entry.us, numberOf(json, "us"));
  JINX_TRY_ASSIGN(entry.estimate, textOf(json, "estimate"));
  JINX_TRY_ASSIGN(entry.estimateUs, numberOf(json, "estimate_us"));
  JINX_TRY_ASSIGN(double candidates, numberOf(json, "candidates"));
  JINX_TRY_ASSIGN(double runs, numberOf(json, "runs"));
  entry.candidates = static_cast<int>(candidates);
  entry.runs = static_cast<int>(runs);
  JINX_TRY_ASSIGN(entry.when, textOf(json, "when"));
  JINX_TRY_ASSIGN(entry.producer, textOf(json, "producer"));
  return entry;
}

Json jsonOf(const TunedChoice& entry) {
  return {{"target", entry.target},
          {"device", entry.device},
          {"problem", entry.problem},
          {"choice", entry.choice},
          {"us", entry.us},
          {"estimate", entry.estimate},
          {"estimate_us", entry.estimateUs},
          {"candidates", entry.candidates},
          {"runs", entry.runs},
          {"when", entry.when},
          {"producer", entry.producer}};
}

std::string joined(const std::set<std::string>& names) {
  std::string text;
  for (const std::string& name : names)
    text += (text.empty() ? "" : "; ") + name;
  return text;
}

} // namespace

Expected<TuningDatabase> TuningDatabase::read(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return notFound("there is no tuning database " + path);
  std::ifstream file(path);
  if (!file) return invalidArgument("cannot read " + path);
  const Json json = Json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || json.value("format", Json()) != kFormat)
    return invalidArgument(path + " is no tuning database: expected JSON with \"format\": \"" + kFormat + "\"; `jinx tune` writes one");
  if (json.value("version", Json()) != kVersion)
    return invalidArgument(path + " is of version " + json.value("version", Json()).dump() + ", this program reads " +
                           std::to_string(kVersion) + ": tune again");
  if (!json.contains("entries") || !json["entries"].is_array()) return invalidArgument(path + " has no list \"entries\"");
  TuningDatabase database;
  for (size_t i = 0; i < json["entries"].size(); ++i) {
    JINX_TRY_ASSIGN(TunedChoice entry, entryOf(json["entries"][i]), path + ": entry " + std::to_string(i));
    database.put(std::move(entry));
  }
  return database;
}

void TuningDatabase::put(TunedChoice entry) {
  Key key{entry.target, entry.device, entry.problem};
  entries_.insert_or_assign(std::move(key), std::move(entry));
}

Status TuningDatabase::write(const std::string& path) const {
  Json json = {{"format", kFormat}, {"version", kVersion}, {"entries", Json::array()}};
  for (const auto& [key, entry] : entries_)
    json["entries"].push_back(jsonOf(entry));
  return writeText(path, json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

Expected<TuningDatabase::Selection> TuningDatabase::select(const std::string& target, const std::string& device) const {
  std::set<std::string> targets, devices, fitting;
  for (const auto& [key, entry] : entries_) {
    targets.insert(key.target);
    if (key.target == target) devices.insert(key.device);
  }
  for (const std::string& name : devices)
    if (name.find(device) != std::string::npos) fitting.insert(name);
  if (devices.contains(device)) fitting = {device};
  if (devices.empty())
    return notFound("has nothing for target " + target + (targets.empty() ? ", it is empty" : ", it is about " + joined(targets)));
  if (fitting.empty()) return notFound("has nothing for a device '" + device + "', for " + target + " it is about " + joined(devices));
  if (fitting.size() > 1)
    return invalidArgument("is about several devices of target " + target + ", choose one by --tuning-device: " + joined(fitting));
  Selection selection{*fitting.begin(), {}};
  for (const auto& [key, entry] : entries_)
    if (key.target == target && key.device == selection.device) selection.choices[key.problem] = entry.choice;
  return selection;
}

} // namespace jinx::tools
