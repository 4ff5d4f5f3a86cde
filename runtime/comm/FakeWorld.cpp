#include "runtime/comm/FakeWorld.h"

#include <mutex>
#include <set>

#include "runtime/comm/Calls.h"
#include "runtime/comm/Groups.h"
#include "runtime/comm/Watch.h"

namespace jinx::comm {
namespace {

class FakeCommunicator final : public Communicator {
 public:
  FakeCommunicator(int rank, int size) : rank_(rank), groups_(rank, size) {}

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(groups_.members(0).size()); }
  Expected<int> makeGroup(std::span<const int> ranks) override { return groups_.make(ranks); }
  std::span<const int> members(int group) const override { return groups_.has(group) ? groups_.members(group) : std::span<const int>(); }

  Expected<Ticket> start(const Call& call, const void* in, void* out) override {
    JINX_TRY(error());
    if (!groups_.has(call.group))
      return invalidArgument(identify(call) + ": got group " + std::to_string(call.group) + ", expected one of makeGroup on this communicator");
    const int n = static_cast<int>(groups_.members(call.group).size()), place = groups_.place(call.group);
    JINX_TRY(checkCall(call, place, n, in, out));
    const Traffic moved = trafficOf(call, place, n);
    traffic_.sentBytes += moved.sentBytes;
    traffic_.receivedBytes += moved.receivedBytes;
    const Ticket ticket{traffic_.calls++};
    flights_.insert(ticket.id);
    watch_.started(ticket.id, call, groups_.members(call.group));
    return ticket;
  }
  Status wait(Ticket ticket) override {
    JINX_TRY(error());
    if (!flights_.erase(ticket.id)) return invalidArgument("got ticket " + std::to_string(ticket.id) + ", expected one of start that was not waited for");
    watch_.done(ticket.id);
    return Status::ok();
  }
  void abort(const Status& why) override {
    std::lock_guard lock(mutex_);
    if (error_.isOk()) error_ = Status(why.isOk() ? Code::kInternal : why.code(), "rank " + std::to_string(rank_) + " has failed: " + why.message());
  }

  Traffic traffic() const override { return traffic_; }
  std::string recentCalls() const override { return watch_.print(); }
  bool movesData() const override { return false; }

 private:
  Status error() {
    std::lock_guard lock(mutex_);
    return error_;
  }

  int rank_;
  Groups groups_;
  Traffic traffic_;
  Watch watch_;
  std::set<int64_t> flights_;
  std::mutex mutex_; // guards the error: abort is from any thread
  Status error_;
};

} // namespace

Expected<std::unique_ptr<Communicator>> fakeCommunicator(int rank, int size) {
  if (size < 1 || rank < 0 || rank >= size)
    return invalidArgument("got rank " + std::to_string(rank) + " of a world of " + std::to_string(size) + ", expected 0 to one below the size");
  return std::unique_ptr<Communicator>(std::make_unique<FakeCommunicator>(rank, size));
}

} // namespace jinx::comm
