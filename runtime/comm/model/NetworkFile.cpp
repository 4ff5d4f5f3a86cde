#include "runtime/comm/model/NetworkFile.h"

#include <algorithm>
#include <initializer_list>

#include <nlohmann/json.hpp>

namespace jinx::comm::model {
namespace {

using Json = nlohmann::ordered_json;

Status isOther(const std::string& field, const Json& got, const std::string& expected) {
  std::string text = got.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 40) text = text.substr(0, 40) + "…";
  return invalidArgument(field + ": got " + text + ", expected " + expected);
}

/// A field that is not among `known` is an error.
Status onlyKnown(const Json& object, const std::string& where, std::initializer_list<std::string_view> known) {
  if (!object.is_object()) return isOther(where, object, "an object");
  for (const auto& item : object.items()) {
    if (std::find(known.begin(), known.end(), item.key()) != known.end()) continue;
    std::string names;
    for (std::string_view name : known)
      names += (names.empty() ? "" : ", ") + std::string(name);
    return invalidArgument(where + ": got a field \"" + item.key() + "\", expected one of " + names + "; correct or remove it");
  }
  return Status::ok();
}

/// Leaves `value` as it is where the field is missing.
Status number(const Json& object, const std::string& where, const char* name, double least, bool orEqual, double scale, double& value) {
  if (!object.contains(name)) return Status::ok();
  const Json& got = object[name];
  const std::string expected = std::string("a number ") + (orEqual ? "of at least " : "above ") + std::to_string(static_cast<int>(least));
  if (!got.is_number()) return isOther(where + name, got, expected);
  const double read = got.get<double>();
  if (!(orEqual ? read >= least : read > least)) return isOther(where + name, got, expected);
  value = read * scale;
  return Status::ok();
}

Status count(const Json& object, const std::string& where, const char* name, int& value) {
  if (!object.contains(name)) return Status::ok();
  const Json& got = object[name];
  if (!got.is_number_integer() || got < 1 || got > 1000000) return isOther(where + name, got, "an integer from 1 to 1000000");
  value = got.get<int>();
  return Status::ok();
}

Expected<size_t> protocolOf(const std::string& where, const Json& got) {
  for (size_t p = 0; p < kNumProtocols; ++p)
    if (got.is_string() && got.get<std::string>() == nameOf(static_cast<Protocol>(p))) return p;
  return isOther(where, got, "one of LL, LL128, Simple");
}

Status latency(const Json& got, const std::string& where, Level& level) {
  if (got.is_number()) {
    double seconds = 0;
    JINX_TRY(number(Json{{"latency_us", got}}, where, "latency_us", 0, true, 1e-6, seconds));
    level.ringLatency.fill(seconds);
    level.treeLatency.fill(seconds);
    return Status::ok();
  }
  if (!got.is_object()) return isOther(where + "latency_us", got, "a number of at least 0, or an object with one for each protocol");
  for (const auto& item : got.items()) {
    JINX_TRY_ASSIGN(const size_t p, protocolOf(where + "latency_us", item.key()));
    JINX_TRY(number(got, where + "latency_us.", item.key().c_str(), 0, true, 1e-6, level.ringLatency[p]));
    level.treeLatency[p] = level.ringLatency[p];
  }
  return Status::ok();
}

Status readLevel(const Json& file, const char* name, Level& level) {
  if (!file.contains(name)) return Status::ok();
  const Json& got = file[name];
  const std::string where = std::string(name) + ".";
  JINX_TRY(onlyKnown(got, name, {"latency_us", "bandwidth_gb_s", "channels"}));
  if (got.contains("latency_us")) JINX_TRY(latency(got["latency_us"], where, level));
  JINX_TRY(number(got, where, "bandwidth_gb_s", 0, false, 1e9, level.bandwidth));
  return count(got, where, "channels", level.channels);
}

Status readProtocols(const Json& file, Network& network) {
  if (!file.contains("protocols")) return Status::ok();
  if (!file["protocols"].is_array()) return isOther("protocols", file["protocols"], "an array of LL, LL128, Simple");
  network.hasProtocol.fill(false);
  for (const Json& name : file["protocols"]) {
    JINX_TRY_ASSIGN(const size_t p, protocolOf("protocols", name));
    network.hasProtocol[p] = true;
  }
  return Status::ok();
}

Expected<Network> begun(const Json& file) {
  if (!file.contains("like")) return networkNamed("host");
  if (!file["like"].is_string()) return isOther("like", file["like"], "the name of a network");
  auto network = networkNamed(file["like"].get<std::string>());
  if (!network) return invalidArgument("like: " + network.status().message());
  return network;
}

/// A file has one latency for rings and trees: those of `like`, where they are the same, are left to it.
Json levelJson(const Level& level, const Level& like) {
  Json json = {{"bandwidth_gb_s", level.bandwidth / 1e9}, {"channels", level.channels}};
  if (level.ringLatency == like.ringLatency && level.treeLatency == like.treeLatency) return json;
  for (size_t p = 0; p < kNumProtocols; ++p)
    json["latency_us"][std::string(nameOf(static_cast<Protocol>(p)))] = level.ringLatency[p] * 1e6;
  return json;
}

} // namespace

Expected<Network> networkFromJson(std::string_view text) {
  const Json file = Json::parse(text, nullptr, false);
  if (file.is_discarded()) return invalidArgument("network: got text that is no JSON, expected an object as runtime/comm/model/NetworkFile.h describes it");
  JINX_TRY(onlyKnown(file, "network", {"like", "name", "ranks_per_node", "inside", "between", "protocols", "base_us", "ring_plateau", "nvls"}));
  JINX_TRY_ASSIGN(Network network, begun(file));
  if (file.contains("name")) {
    if (!file["name"].is_string()) return isOther("name", file["name"], "text");
    network.name = file["name"].get<std::string>();
  }
  JINX_TRY(count(file, "", "ranks_per_node", network.ranksPerNode));
  JINX_TRY(readLevel(file, "inside", network.inside));
  JINX_TRY(readLevel(file, "between", network.between));
  JINX_TRY(readProtocols(file, network));
  if (file.contains("base_us")) {
    double seconds = 0;
    JINX_TRY(number(file, "", "base_us", 0, true, 1e-6, seconds));
    network.ringBase.fill(seconds);
    network.treeBase.fill(seconds);
  }
  JINX_TRY(number(file, "", "ring_plateau", 1, true, 1, network.ringPlateau));
  if (file.contains("nvls")) {
    if (file["nvls"] != false) return isOther("nvls", file["nvls"], "false, which switches it off; a network that has it is named by \"like\"");
    network.nvls = {};
  }
  JINX_TRY(checkNetwork(network), "network");
  return network;
}

Expected<std::string> networkToJson(const Network& network, std::string_view like) {
  JINX_TRY_ASSIGN(const Network base, networkNamed(like), "like");
  Json file = {{"like", like}, {"name", network.name}, {"ranks_per_node", network.ranksPerNode}, {"inside", levelJson(network.inside, base.inside)},
               {"between", levelJson(network.between, base.between)}, {"protocols", Json::array()}};
  for (size_t p = 0; p < kNumProtocols; ++p)
    if (network.hasProtocol[p]) file["protocols"].push_back(nameOf(static_cast<Protocol>(p)));
  file["ring_plateau"] = network.ringPlateau;
  if (network.nvls.channels == 0) file["nvls"] = false;
  return file.dump(1) + "\n";
}

} // namespace jinx::comm::model
