#include "runtime/comm/Watch.h"

#include <algorithm>
#include <numeric>

#include "runtime/comm/Calls.h"

namespace jinx::comm {

std::string since(Clock::time_point begin) {
  return secondsText(std::chrono::duration<double>(Clock::now() - begin).count());
}

Watch::Entry* Watch::find(int64_t ticket) {
  Entry& entry = ring_[static_cast<size_t>(ticket) % ring_.size()];
  return entry.ticket == ticket ? &entry : nullptr; // a newer call may have its place
}

void Watch::started(int64_t ticket, const Call& call, std::span<const int> ranks) {
  std::lock_guard lock(mutex_);
  Entry& entry = ring_[static_cast<size_t>(ticket) % ring_.size()];
  entry.ticket = ticket;
  entry.name = call.name;
  entry.call = call;
  if (call.op == Op::kAllToAllV) entry.call.count = std::accumulate(call.sends.begin(), call.sends.end(), int64_t{0});
  entry.call.name = {};
  entry.call.sources = {};
  entry.call.sends = entry.call.receives = {};
  entry.ranks.assign(ranks.begin(), ranks.end());
  entry.state = State::kStarted;
  entry.start = entry.change = Clock::now();
  next_ = ticket + 1;
}

void Watch::waiting(int64_t ticket) {
  std::lock_guard lock(mutex_);
  if (Entry* entry = find(ticket)) entry->state = State::kWaiting, entry->change = Clock::now();
}

void Watch::done(int64_t ticket) {
  std::lock_guard lock(mutex_);
  if (Entry* entry = find(ticket)) entry->state = State::kDone, entry->change = Clock::now();
}

std::string Watch::text(const Entry& entry) {
  return identify(entry.call.sequence, describe(entry.call), entry.name) + ", " + ranksText(entry.ranks);
}

std::string Watch::text(int64_t ticket) const {
  std::lock_guard lock(mutex_);
  return at(ticket).ticket == ticket ? text(at(ticket)) : "call " + std::to_string(ticket);
}

std::string Watch::lastSeen() const {
  std::lock_guard lock(mutex_);
  if (next_ == 0) return "has made no call";
  for (int64_t ticket = first(); ticket < next_; ++ticket) {
    const Entry& entry = at(ticket);
    if (entry.state == State::kWaiting) return "waits in " + text(entry) + " since " + since(entry.change);
  }
  const Entry& newest = at(next_ - 1);
  return (newest.state == State::kDone ? "last done " : "last started ") + text(newest);
}

std::string Watch::print() const {
  std::lock_guard lock(mutex_);
  std::string lines;
  for (int64_t ticket = first(); ticket < next_; ++ticket) {
    const Entry& entry = at(ticket);
    lines += text(entry);
    if (entry.state == State::kDone)
      lines += ": done, " + secondsText(std::chrono::duration<double>(entry.change - entry.start).count()) +
               " from start to end\n";
    else
      lines += std::string(entry.state == State::kWaiting ? ": waits" : ": started") + ", started " +
               since(entry.start) + " ago\n";
  }
  return lines;
}

} // namespace jinx::comm
