#include "runtime/comm/Schedule.h"

#include <algorithm>
#include <map>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "runtime/comm/Calls.h"
#include "runtime/comm/Groups.h"

namespace jinx::comm {
namespace {

/// All ranks, one by one: two groups of equal keys are equal.
std::string listOf(std::span<const int> ranks) {
  std::string text = "ranks";
  for (size_t i = 0; i < ranks.size(); ++i)
    text += (i ? ", " : " ") + std::to_string(ranks[i]);
  return text;
}

/// Texts travel as lines (Agree.cpp).
std::string onOneLine(std::string text) {
  for (size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at))
    text.replace(at, 1, "\\n");
  return text;
}

std::string textOf(const ScheduledCall& call) {
  const bool end = call.op == Op::kSend || call.op == Op::kRecv;
  std::string text = describe({.op = end ? Op::kSend : call.op, .reduction = call.reduction, .dtype = call.dtype, .count = call.count});
  if (call.op == Op::kBroadcast) text += " from place " + std::to_string(call.root);
  if (call.op == Op::kPermute) {
    text += " from places";
    for (int source : call.sources)
      text += ' ' + std::to_string(source);
  }
  if (call.isFused) text += " by the kernel behind it";
  return end || call.name.empty() ? text : text + " of " + onOneLine(call.name);
}

} // namespace

Status checkSchedule(const Schedule& schedule, int size) {
  Groups groups(schedule.rank, size);
  for (size_t i = 0; i < schedule.calls.size(); ++i) {
    const ScheduledCall& call = schedule.calls[i];
    const std::string what = "call " + std::to_string(i) + " of rank " + std::to_string(schedule.rank) + "'s schedule, " + textOf(call);
    JINX_TRY_ASSIGN([[maybe_unused]] const int group, groups.make(call.ranks), what);
    const int n = static_cast<int>(call.ranks.size());
    if (call.root < 0 || call.root >= n)
      return invalidArgument(what + ": got root " + std::to_string(call.root) + ", expected 0 to " + std::to_string(n - 1) + ", a place in the group");
    if ((call.op == Op::kSend || call.op == Op::kRecv) && call.ranks[static_cast<size_t>(call.root)] == schedule.rank)
      return invalidArgument(what + ": the other end is this rank itself");
  }
  return Status::ok();
}

std::vector<Order> ordersOf(const Schedule& schedule) {
  std::vector<Order> orders;
  std::map<std::string, size_t> places;
  for (size_t i = 0; i < schedule.calls.size(); ++i) {
    const ScheduledCall& call = schedule.calls[i];
    const auto own = std::ranges::find(call.ranks, schedule.rank) - call.ranks.begin();
    std::string key = listOf(call.ranks);
    const bool end = call.op == Op::kSend || call.op == Op::kRecv;
    if (end) {
      const auto from = call.op == Op::kSend ? own : call.root, to = call.op == Op::kSend ? call.root : own;
      key = "from place " + std::to_string(from) + " to place " + std::to_string(to) + " of " + key;
    }
    auto [known, isNew] = places.try_emplace(key, orders.size());
    if (isNew) orders.push_back({.key = key, .numRanks = end ? 2 : static_cast<int>(call.ranks.size())});
    orders[known->second].texts.push_back(textOf(call));
    orders[known->second].sequences.push_back(static_cast<int64_t>(i));
  }
  for (Order& order : orders) {
    std::string all;
    for (const std::string& text : order.texts)
      (all += text) += '\n';
    order.hash = XXH3_64bits(all.data(), all.size());
  }
  return orders;
}

} // namespace jinx::comm
