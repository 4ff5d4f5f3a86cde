#include "runtime/serve/Replicas.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <tuple>

#include "runtime/engine/SipHash.h"
#include "runtime/serve/Json.h"

namespace jinx::serve {
namespace {

constexpr size_t kBeginning = 512; ///< bytes of a request's text that decide

/// The same in every router: two of them send equal beginnings to the same replica.
uint64_t hashOf(std::string_view text, uint64_t key) { return engine::sipHash128({key, 0}, std::as_bytes(std::span(text.data(), text.size()))).low; }

/// What a conversation begins with stays the same as it goes on: all up to the first word of its user.
std::string beginningOf(const Json& messages) {
  Json first = Json::array();
  for (const Json& message : messages) {
    first.push_back(message);
    if (message.is_object() && message.contains("role") && message["role"] == "user") break;
  }
  return dump(first);
}

} // namespace

Expected<ReplicaAddress> parseReplica(std::string_view url) {
  std::string_view rest = url;
  if (rest.starts_with("http://")) rest.remove_prefix(7);
  if (rest.ends_with("/")) rest.remove_suffix(1);
  const size_t colon = rest.rfind(':');
  const std::string_view port = colon == std::string_view::npos ? "" : rest.substr(colon + 1);
  const bool good = colon > 0 && !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string_view::npos && rest.find_first_of("/@? ") == std::string_view::npos;
  if (!good) return invalidArgument("replica \"" + std::string(url) + "\", expected http://HOST:PORT");
  std::string_view host = rest.substr(0, colon);
  if (host.starts_with("[") && host.ends_with("]")) host = host.substr(1, host.size() - 2);
  return ReplicaAddress{std::string(host), std::string(port)};
}

Replicas::Replicas(std::vector<ReplicaAddress> addresses) : addresses_(std::move(addresses)), states_(addresses_.size()) {}

std::vector<size_t> Replicas::order(uint64_t affinity, double now_s) const {
  // Rendezvous hashing: a replica that comes or goes moves its own requests only.
  std::vector<std::pair<uint64_t, size_t>> liked;
  for (size_t i = 0; i < size(); ++i)
    liked.emplace_back(hashOf(addresses_[i].host + ":" + addresses_[i].port, affinity), i);
  std::sort(liked.begin(), liked.end(), std::greater<>());
  std::lock_guard lock(mutex_);
  const auto rests = [&](size_t i) { return states_[i].restsUntil_s > now_s; };
  int64_t least = INT64_MAX;
  for (size_t i = 0; i < size(); ++i)
    if (!rests(i)) least = std::min(least, states_[i].running);
  const auto isBusy = [&](size_t i) { return least != INT64_MAX && states_[i].running > least + least / 2 + kMoreAllowed; };
  // Those that are not too busy as they are liked, then the busy ones by what they have, then those that did not answer.
  std::vector<std::tuple<bool, bool, int64_t, size_t, size_t>> ranked;
  for (const auto& [hash, i] : liked)
    ranked.emplace_back(rests(i), isBusy(i), isBusy(i) ? states_[i].running : 0, ranked.size(), i);
  std::sort(ranked.begin(), ranked.end());
  std::vector<size_t> order;
  for (const auto& rank : ranked)
    order.push_back(std::get<4>(rank));
  return order;
}

void Replicas::begin(size_t replica) {
  std::lock_guard lock(mutex_);
  ++states_[replica].running;
}

void Replicas::end(size_t replica) {
  std::lock_guard lock(mutex_);
  --states_[replica].running;
}

void Replicas::fail(size_t replica, double now_s) {
  std::lock_guard lock(mutex_);
  states_[replica].restsUntil_s = now_s + kRestSeconds;
}

int64_t Replicas::running(size_t replica) const {
  std::lock_guard lock(mutex_);
  return states_[replica].running;
}

uint64_t affinityOf(std::string_view body, std::string_view authorization) {
  std::string text(body);
  if (const Expected<Json> json = parseJson(body); json && json->is_object()) {
    if (json->contains("messages") && (*json)["messages"].is_array()) text = beginningOf((*json)["messages"]);
    else if (json->contains("prompt")) text = dump((*json)["prompt"]);
  }
  return hashOf(std::string_view(text).substr(0, kBeginning), hashOf(authorization, 0));
}

} // namespace jinx::serve
