// Which calls on a device are still on their way, and for how long? A thread looks: the host does not wait for calls
// that are enqueued, so nobody else would see that one never ends.
//
//   watch.begins(call, ranks);        the host is in the call
//   watch.enqueued(stream);           … and has left it; an event behind it says when it has ended
//   every 20 ms                       the oldest is asked whether it has ended; one that takes longer than the timeout
//   is told to `onLate`
//
// Of calls that are replayed together only the last one is known, and on which groups the others are.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "runtime/comm/Watch.h"
#include "runtime/device/Device.h"

namespace jinx::comm {

class DeviceWatch {
 public:
  /// A call that takes too long.
  struct Late {
    std::string what;        ///< "#12 all_reduce sum f32[4096] of /layer.3/down, ranks 0, 1"
    std::vector<int> groups; ///< of the call, or of all that were replayed with it
    double seconds = 0;      ///< since those in front of it ended
  };
  /// What the thread does beside looking. After one has returned false it only looks.
  struct Handlers {
    std::function<bool(const Late&)> onLate;
    std::function<bool()> onLook; ///< each time
  };

  DeviceWatch(std::shared_ptr<Device> device, std::chrono::milliseconds timeout, Handlers handlers);
  /// Ends the thread.
  ~DeviceWatch();
  /// Handlers are called from here on.
  void begin() {
    thread_ = std::thread([this] { run(); });
  }

  /// The host goes into a call.
  void begins(const Call& call, std::span<const int> ranks) { begins(call, ranks, {&call.group, 1}, 1); }
  /// … or replays so many together, on these groups.
  void begins(const Call& last, std::span<const int> ranks, std::span<const int> groups, int64_t calls);
  /// The call that began last is on `stream`. \returns what making or recording an event says
  Status enqueued(Stream& stream);
  /// The call that began last was refused.
  void dropped();

  std::string lastSeen() const { return watch_.lastSeen(); }
  std::string print() const { return watch_.print(); }

 private:
  struct Flight {
    int64_t ticket = 0, calls = 1;
    std::vector<int> groups;
    std::unique_ptr<Event> end;
    bool isEnqueued = false; ///< false: the host is in the call
  };
  void run();
  void settle();
  bool isLate(Late& late);

  const std::shared_ptr<Device> device_;
  const std::chrono::milliseconds timeout_;
  const Handlers handlers_;
  Watch watch_;
  std::mutex mutex_;
  std::condition_variable ending_;
  bool ends_ = false;
  int64_t nextTicket_ = 0;
  std::deque<Flight> flights_;             // the oldest first
  std::vector<Flight> spare_;              // with their events and room for groups
  Clock::time_point since_ = Clock::now(); // from when on the oldest is on its way
  std::thread thread_;
};

} // namespace jinx::comm
