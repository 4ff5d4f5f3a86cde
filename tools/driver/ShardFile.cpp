#include "tools/driver/ShardFile.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

namespace jinx::driver {
namespace {

using Json = nlohmann::json;
using passes::DimRule;
using passes::MeshAxis;
using passes::ShardRule;
using passes::ShardRules;

constexpr const char* kExample = R"({"mesh": [["tp", 4]], "rules": [{"values": "blk.*.ffn_up.weight", "dims": ["tp", ""]}]})";

/// A value as it is shown in a message.
std::string shown(const Json& json) {
  std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text.size() > 60 ? text.substr(0, 57) + "..." : text;
}

Status checkKeys(const Json& object, std::initializer_list<const char*> known) {
  for (const auto& [key, value] : object.items()) {
    std::string names;
    bool found = false;
    for (const char* name : known) {
      found = found || key == name;
      names += (names.empty() ? "" : ", ") + std::string(name);
    }
    if (!found) return invalidArgument("has an entry " + shown(key) + ", expected " + names);
  }
  return Status::ok();
}

Expected<std::vector<MeshAxis>> readMesh(const Json& json) {
  if (!json.is_array() || json.empty()) return invalidArgument("is " + shown(json) + ", expected a list of axes like [[\"tp\", 4]]");
  std::vector<MeshAxis> mesh;
  for (const Json& axis : json) {
    if (!axis.is_array() || axis.size() != 2 || !axis[0].is_string() || !axis[1].is_number_integer())
      return invalidArgument("has an axis " + shown(axis) + ", expected a name and a number of ranks like [\"tp\", 4]");
    mesh.push_back({axis[0].get<std::string>(), axis[1].get<int64_t>()});
  }
  JINX_TRY(passes::checkMesh(mesh));
  return mesh;
}

constexpr const char* kRuleFor[] = {"values", "input", "output", "node"}; // by RuleFor

/// What the rule is for.
Status readValues(const Json& json, ShardRule& rule) {
  const char* found = nullptr;
  for (size_t i = 0; i < std::size(kRuleFor); ++i) {
    const char* key = kRuleFor[i];
    if (!json.contains(key)) continue;
    if (found) return invalidArgument("has \"" + std::string(found) + "\" and \"" + key + "\", expected one of them");
    if (!json[key].is_string() || json[key].get<std::string>().empty())
      return invalidArgument(std::string(key) + " is " + shown(json[key]) + (i == 0 ? ", expected a name or a pattern" : ", expected a name"));
    found = key;
    rule.values = json[key];
    rule.of = passes::RuleFor(i);
  }
  return found ? Status::ok() : invalidArgument("has no \"values\", expected a name or a pattern");
}

Expected<ShardRule> readRule(const Json& json) {
  if (!json.is_object()) return invalidArgument("is " + shown(json) + ", expected an object like {\"values\": \"x\", \"dims\": [\"tp\", \"\"]}");
  JINX_TRY(checkKeys(json, {"values", "input", "output", "node", "dims", "priority"}));
  ShardRule rule;
  JINX_TRY(readValues(json, rule));
  if (!json.contains("dims") || !json["dims"].is_array())
    return invalidArgument(json.contains("dims") ? "dims is " + shown(json["dims"]) + ", expected a text for each dimension like [\"tp\", \"\"]"
                                                 : "has no \"dims\", expected a text for each dimension like [\"tp\", \"\"]");
  for (size_t d = 0; d < json["dims"].size(); ++d) {
    const Json& dim = json["dims"][d];
    const std::string where = "dims[" + std::to_string(d) + "]";
    if (!dim.is_string()) return invalidArgument(where + " is " + shown(dim) + ", expected axes with spaces between, like \"dp tp\", \"\" or \"dp ?\"");
    JINX_TRY_ASSIGN(DimRule parsed, passes::parseDimRule(dim.get<std::string>()), where);
    rule.dims.push_back(std::move(parsed));
  }
  if (!json.contains("priority")) return rule;
  if (!json["priority"].is_number_integer()) return invalidArgument("priority is " + shown(json["priority"]) + ", expected a number from 0 to 1000");
  rule.priority = json["priority"];
  return rule;
}

/// "line 3" of the byte at which reading ended.
std::string lineOf(const std::string& text, size_t byte) {
  return "line " + std::to_string(1 + std::count(text.begin(), text.begin() + long(std::min(byte, text.size())), '\n'));
}

/// The library says where it stopped through an exception only.
Expected<Json> parseJson(const std::string& text) {
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    return invalidArgument(lineOf(text, error.byte) + " is no JSON, expected an object like " + kExample);
  }
}

/// A list of patterns for each stage.
Expected<std::vector<std::vector<std::string>>> readStages(const Json& json, const std::vector<MeshAxis>& mesh) {
  const int64_t wanted = passes::ranksAlong(mesh, passes::kStageAxis);
  if (!json.is_array() || int64_t(json.size()) != wanted)
    return invalidArgument("is " + shown(json) + ", expected a list of " + std::to_string(wanted) + " lists of nodes, one for each stage of axis \"pp\"");
  std::vector<std::vector<std::string>> stages;
  for (size_t s = 0; s < json.size(); ++s) {
    if (!json[s].is_array() || json[s].empty())
      return invalidArgument("[" + std::to_string(s) + "] is " + shown(json[s]) + ", expected a list of patterns like [\"layer.0.*\"]");
    stages.emplace_back();
    for (const Json& pattern : json[s]) {
      if (!pattern.is_string() || pattern.get<std::string>().empty())
        return invalidArgument("[" + std::to_string(s) + "] has " + shown(pattern) + ", expected the name of a node or a pattern");
      stages.back().push_back(pattern);
    }
  }
  return stages;
}

/// How tokens come to the experts of a mixture.
Expected<std::string> readExperts(const Json& json) {
  for (const char* known : {"auto", "gather", "exchange"})
    if (json == known) return std::string(known);
  return invalidArgument("is " + shown(json) + ", expected \"auto\", \"gather\" or \"exchange\"");
}

Expected<ShardRules> readRules(const Json& json) {
  if (!json.is_object()) return invalidArgument("is " + shown(json) + ", expected an object like " + std::string(kExample));
  JINX_TRY(checkKeys(json, {"mesh", "rules", "stages", "experts", "keys"}));
  for (const char* key : {"mesh", "rules"})
    if (!json.contains(key)) return invalidArgument("has no \"" + std::string(key) + "\", expected an object like " + kExample);
  ShardRules rules;
  JINX_TRY_ASSIGN(rules.mesh, readMesh(json["mesh"]), "mesh");
  if (json.contains("stages")) {
    JINX_TRY_ASSIGN(rules.stages, readStages(json["stages"], rules.mesh), "stages");
  }
  if (json.contains("experts")) {
    JINX_TRY_ASSIGN(rules.experts, readExperts(json["experts"]), "experts");
  }
  if (json.contains("keys")) {
    if (json["keys"] != "ring" && json["keys"] != "gather") return invalidArgument("keys is " + shown(json["keys"]) + ", expected \"ring\" or \"gather\": how keys and values come to tokens that are split");
    rules.gathersKeys = json["keys"] == "gather";
  }
  if (!json["rules"].is_array()) return invalidArgument("rules is " + shown(json["rules"]) + ", expected a list");
  for (size_t i = 0; i < json["rules"].size(); ++i) {
    JINX_TRY_ASSIGN(ShardRule rule, readRule(json["rules"][i]), "rules[" + std::to_string(i) + "]");
    rules.rules.push_back(std::move(rule));
  }
  return rules;
}

/// "dp=2,tp=4,sp", "cp=4,gather".
Expected<ShardRequest> parseShorthand(const std::string& text) {
  ShardRequest request;
  request.isBuiltIn = true;
  std::stringstream words(text);
  std::string mesh, word;
  while (std::getline(words, word, ',')) {
    if (word == "sp")
      request.isSequenceParallel = true;
    else if (word == "gather")
      request.rules.gathersKeys = true;
    else
      mesh += (mesh.empty() ? "" : ",") + word;
  }
  JINX_TRY_ASSIGN(request.rules.mesh, passes::parseMesh(mesh), "\"" + text + "\"");
  auto has = [&](const char* name) { return std::any_of(request.rules.mesh.begin(), request.rules.mesh.end(), [&](const MeshAxis& axis) { return axis.name == name; }); };
  if (request.isSequenceParallel && !has("tp")) return invalidArgument("\"" + text + "\": sp splits rows by tp, and there is no tp, expected tp=N,sp");
  if (request.rules.gathersKeys && !has("cp")) return invalidArgument("\"" + text + "\": gather is how keys come to tokens that cp splits, and there is no cp, expected cp=N,gather");
  return request;
}

} // namespace

Expected<passes::ShardRules> parseShardFile(const std::string& text, const std::string& where) {
  JINX_TRY_ASSIGN(Json json, parseJson(text), where);
  JINX_TRY_ASSIGN(ShardRules rules, readRules(json), where);
  return rules;
}

Expected<ShardRequest> readShardRequest(const std::string& fileOrMesh) {
  std::ifstream file(fileOrMesh);
  std::error_code error;
  const bool isFile = file.good() && std::filesystem::is_regular_file(fileOrMesh, error);
  if (!isFile && fileOrMesh.find('=') != std::string::npos) return parseShorthand(fileOrMesh);
  if (!isFile) return notFound("there is no file " + fileOrMesh + ", expected a file of rules or a mesh like tp=4 or dp=2,tp=4");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  ShardRequest request;
  JINX_TRY_ASSIGN(request.rules, parseShardFile(text, fileOrMesh));
  return request;
}

std::string formatShardFile(const ShardRules& rules) {
  std::string text = "{\"mesh\": [";
  for (const MeshAxis& axis : rules.mesh)
    text += (&axis == rules.mesh.data() ? "" : ", ") + Json::array({axis.name, axis.ranks}).dump();
  text += "],\n ";
  if (!rules.stages.empty()) text += "\"stages\": " + Json(rules.stages).dump(-1, ' ', false, Json::error_handler_t::replace) + ",\n ";
  if (!rules.experts.empty()) text += "\"experts\": " + Json(rules.experts).dump() + ",\n ";
  if (rules.gathersKeys) text += "\"keys\": \"gather\",\n ";
  text += "\"rules\": [";
  for (const ShardRule& rule : rules.rules) {
    nlohmann::ordered_json json;
    json[kRuleFor[int(rule.of)]] = rule.values;
    json["dims"] = nlohmann::ordered_json::array();
    for (const DimRule& dim : rule.dims)
      json["dims"].push_back(passes::describe(dim));
    if (rule.priority != 0) json["priority"] = rule.priority;
    text += (&rule == rules.rules.data() ? "\n  " : ",\n  ") + json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  }
  return text + "]}\n";
}

} // namespace jinx::driver
