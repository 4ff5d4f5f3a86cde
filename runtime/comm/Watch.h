// What was a rank last seen doing? The last 64 calls (or so many as are asked for) of one rank, for messages about
// ranks that do not come.
//
//   watch.started(7, call, ranks);  watch.waiting(7);  watch.done(7);
//   watch.lastSeen()     "last done #12 all_reduce sum f32[4096] of /layer.3/down, ranks 4, 5, 6, 7"
//   watch.print()        the ring, a call a line:
//     #11 all_gather f32[512] of /layer.3/up, ranks 4, 5, 6, 7: done, 0.02 s from start to end
//     #12 all_reduce sum f32[4096] of /layer.3/down, ranks 4, 5, 6, 7: waits, started 3.10 s ago
//
// A wait that is over its time says with it which call it is, for how long it waited, who has not come and what those
// did last:
//
//   #12 all_reduce sum f32[4096] of /layer.3/down, ranks 4, 5, 6, 7: rank 4 has waited 30.00 s; rank 6: has not come;
//   last done #11 …
//
// Thread-safe: others read while the rank goes on.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "runtime/comm/Communicator.h"

namespace jinx::comm {

using Clock = std::chrono::steady_clock;

class Watch {
 public:
  static constexpr size_t kCalls = 64;

  explicit Watch(size_t calls = kCalls) : ring_(calls) {}

  /// \param ticket  one more with each call, from 0
  /// \param ranks   of its group
  void started(int64_t ticket, const Call& call, std::span<const int> ranks);
  void waiting(int64_t ticket);
  void done(int64_t ticket);

  /// The oldest call that it waits in, else the newest: "has made no call", "waits in …", "last started …", "last done
  /// …".
  std::string lastSeen() const;
  /// "#12 all_reduce sum f32[4096] of /layer.3/down, ranks 4, 5, 6, 7"; of a call that the ring has no more, its
  /// ticket.
  std::string text(int64_t ticket) const;
  /// The ring from the oldest call on, a line each.
  std::string print() const;

 private:
  enum class State : uint8_t { kStarted, kWaiting, kDone };
  struct Entry {
    int64_t ticket = -1;
    Call call;              // without what it points to
    std::string name;       // "/layer.3/down"
    std::vector<int> ranks; // these are written over and not made anew
    State state = State::kStarted;
    Clock::time_point start, change; // of the call; of its state
  };
  Entry* find(int64_t ticket);
  int64_t first() const { return std::max<int64_t>(0, next_ - static_cast<int64_t>(ring_.size())); } // in the ring
  const Entry& at(int64_t ticket) const { return ring_[static_cast<size_t>(ticket) % ring_.size()]; }
  static std::string text(const Entry& entry);

  mutable std::mutex mutex_;
  std::vector<Entry> ring_; // at ticket modulo its size
  int64_t next_ = 0;        // the ticket after the newest
};

/// "1.25 s" since then.
std::string since(Clock::time_point begin);

} // namespace jinx::comm
