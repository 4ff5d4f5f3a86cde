// One lock guards who has come to what; bytes are moved without it. Each rank sleeps on a condition variable of its
// own.
#include "runtime/comm/VirtualWorld.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <utility>

#include "runtime/comm/Calls.h"
#include "runtime/comm/Exchange.h"
#include "runtime/comm/Groups.h"
#include "runtime/comm/Watch.h"

namespace jinx::comm {
namespace {

/// The exchanges of one order: a group's collectives, or the sends of one member to another.
struct Channel {
  std::deque<std::shared_ptr<Exchange>> open; // to which somebody has yet to come; the first has number `first`
  int64_t first = 0;
  std::vector<int64_t> next; // by place: the number of its next call
};

struct Rank {
  std::condition_variable changed;
  std::atomic<int64_t> sentBytes{0}, receivedBytes{0};
  Watch watch;
  bool given = false, gone = false;
  Communicator::Answer answer; // of a world over this one
};

} // namespace

struct VirtualWorld::State {
  State(int size, const WorldOptions& options) : options(options), ranks(static_cast<size_t>(size)) {}

  WorldOptions options;
  std::deque<Rank> ranks;
  std::mutex mutex; // guards all below, and what ranks have but counts and watches
  std::map<std::pair<std::vector<int>, std::pair<int, int>>, Channel>
      channels; // by the group's ranks and, of sends, both ends
  Status error;

  Rank& at(int rank) { return ranks[static_cast<size_t>(rank)]; }
  /// The first error stays; everybody wakes.
  void breakWith(Status why) {
    if (error.isOk()) error = std::move(why);
    for (Rank& rank : ranks)
      rank.changed.notify_all();
  }
  void notify(const Exchange& exchange) {
    for (int rank : exchange.ranks())
      at(rank).changed.notify_all();
  }
};

namespace {

using State = VirtualWorld::State;
using Lock = std::unique_lock<std::mutex>;

class VirtualCommunicator final : public Communicator {
 public:
  VirtualCommunicator(std::shared_ptr<VirtualWorld> world, State& state, int rank)
      : world_(std::move(world)), state_(state), me_(state.at(rank)), rank_(rank),
        groups_(rank, static_cast<int>(state.ranks.size())) {}
  ~VirtualCommunicator() override;

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(state_.ranks.size()); }
  Expected<int> makeGroup(std::span<const int> ranks) override { return groups_.make(ranks); }
  std::span<const int> members(int group) const override {
    return groups_.has(group) ? groups_.members(group) : std::span<const int>();
  }
  Expected<Ticket> start(const Call& call, const void* in, void* out) override;
  Status wait(Ticket ticket) override;
  void abort(const Status& why) override;
  Traffic traffic() const override { return {me_.sentBytes, me_.receivedBytes, nextTicket_}; }
  std::string recentCalls() const override { return me_.watch.print(); }
  Status status() const override {
    Lock lock(state_.mutex);
    return state_.error;
  }
  void answerWith(Answer answer) override {
    Lock lock(state_.mutex);
    me_.answer = std::move(answer);
  }
  std::vector<Whereabouts> ask(std::span<const int> ranks, uint64_t order) override;

 private:
  /// A call that was started and not waited for.
  struct Flight {
    std::shared_ptr<Exchange> exchange;
    int place = 0;
  };
  Flight join(const Call& call);
  Status broken(Lock& lock);
  void work(Exchange& exchange, int place, Lock& lock);
  Status timedOut(const Flight& flight, Clock::time_point begin) const;
  int firstGone(const Exchange& exchange) const;

  std::shared_ptr<VirtualWorld> world_;
  State& state_;
  Rank& me_;
  int rank_;
  Groups groups_;
  std::map<int64_t, Flight> flights_; // by ticket
  int64_t nextTicket_ = 0;
};

VirtualCommunicator::~VirtualCommunicator() {
  Lock lock(state_.mutex);
  me_.gone = true;
  if (!flights_.empty() && state_.error.isOk()) {
    const Flight& first = flights_.begin()->second;
    state_.error =
        resourceError("rank " + std::to_string(rank_) + " has gone and has not waited for " +
                      identify(first.exchange->call(first.place)) + ", " + ranksText(first.exchange->ranks()) +
                      "; wait for every call before the communicator is destroyed");
  }
  state_.breakWith(state_.error); // nothing where there is none; those that wait for this rank look again
  if (!state_.error.isOk()) (void)broken(lock);
}

/// The world's error, when no thread works on this rank's buffers any more: what it leaves may be freed.
Status VirtualCommunicator::broken(Lock& lock) {
  me_.changed.wait(lock, [&] {
    for (const auto& [ticket, flight] : flights_)
      if (flight.exchange->active() > 0) return false;
    return true;
  });
  flights_.clear();
  return state_.error;
}

/// The exchange that this rank's next call on the group, or between the two ends, belongs to.
VirtualCommunicator::Flight VirtualCommunicator::join(const Call& call) {
  const std::span<const int> members = groups_.members(call.group);
  const int own = groups_.place(call.group);
  std::vector<int> ranks(members.begin(), members.end());
  std::pair<int, int> ends{-1, -1};
  int place = own;
  if (call.op == Op::kSend || call.op == Op::kRecv) {
    ends = call.op == Op::kSend ? std::pair{own, call.root} : std::pair{call.root, own};
    place = call.op == Op::kSend ? 0 : 1;
  }
  Channel& channel = state_.channels[{ranks, ends}];
  if (ends.first >= 0) ranks = {members[static_cast<size_t>(ends.first)], members[static_cast<size_t>(ends.second)]};
  channel.next.resize(ranks.size());
  const int64_t number = channel.next[static_cast<size_t>(place)]++;
  while (channel.first + static_cast<int64_t>(channel.open.size()) <= number)
    channel.open.push_back(
        std::make_shared<Exchange>(ranks, channel.first + static_cast<int64_t>(channel.open.size())));
  Flight flight{channel.open[static_cast<size_t>(number - channel.first)], place};
  // Members come in order: an exchange that this one completes is the oldest.
  bool last = true;
  for (int i = 0; i < flight.exchange->size(); ++i)
    last &= i == place || flight.exchange->came(i);
  if (last) channel.open.pop_front(), ++channel.first;
  return flight;
}

Expected<Ticket> VirtualCommunicator::start(const Call& call, const void* in, void* out) {
  if (!groups_.has(call.group))
    return invalidArgument(identify(call) + ": got group " + std::to_string(call.group) +
                           ", expected one of makeGroup on this communicator");
  const std::span<const int> members = groups_.members(call.group);
  JINX_TRY(checkCall(call, groups_.place(call.group), static_cast<int>(members.size()), in, out));
  Lock lock(state_.mutex);
  if (!state_.error.isOk()) return broken(lock);
  const Flight flight = join(call);
  const Ticket ticket{nextTicket_++};
  flights_[ticket.id] = flight;
  me_.watch.started(ticket.id, call, members);
  if (auto differs = flight.exchange->come(flight.place, call, in, out)) {
    state_.breakWith(invalidArgument(*differs));
    return broken(lock);
  }
  if (flight.exchange->complete()) state_.notify(*flight.exchange);
  return ticket;
}

Status VirtualCommunicator::wait(Ticket ticket) {
  Lock lock(state_.mutex);
  if (!state_.error.isOk()) return broken(lock);
  const auto found = flights_.find(ticket.id);
  if (found == flights_.end())
    return invalidArgument("got ticket " + std::to_string(ticket.id) +
                           ", expected one of start that was not waited for");
  const Flight flight = found->second; // a copy: an abort from another thread clears flights while this one sleeps
  Exchange& exchange = *flight.exchange;
  const int place = flight.place;
  me_.watch.waiting(ticket.id);
  const Clock::time_point begin = Clock::now();
  while (!exchange.finished()) {
    if (!state_.error.isOk()) return broken(lock);
    if (const int taken = exchange.take(place); taken >= 0) {
      work(exchange, taken, lock);
    } else if (exchange.complete()) {
      me_.changed.wait(lock); // others are at it
    } else if (const int gone = firstGone(exchange); gone >= 0) {
      state_.breakWith(resourceError(identify(exchange.call(place)) + ", " + ranksText(exchange.ranks()) + ": rank " +
                                     std::to_string(gone) + " has gone and did not come; it " +
                                     state_.at(gone).watch.lastSeen()));
    } else if (exchange.call(place).isPatient) {
      me_.changed.wait(lock);
    } else if (me_.changed.wait_until(lock, begin + state_.options.timeout) == std::cv_status::timeout &&
               !exchange.complete() && state_.error.isOk()) {
      state_.breakWith(timedOut(flight, begin));
    }
  }
  me_.watch.done(ticket.id);
  flights_.erase(ticket.id);
  return Status::ok();
}

/// Moves what the member at `place` takes; the world is unlocked meanwhile.
void VirtualCommunicator::work(Exchange& exchange, int place, Lock& lock) {
  lock.unlock();
  exchange.work(place, [&](int from, int to, int64_t bytes) {
    state_.at(exchange.ranks()[static_cast<size_t>(from)]).sentBytes += bytes;
    state_.at(exchange.ranks()[static_cast<size_t>(to)]).receivedBytes += bytes;
  });
  lock.lock();
  if (exchange.done() || !state_.error.isOk()) state_.notify(exchange);
}

/// A member that has not come and never will; -1 when there is none.
int VirtualCommunicator::firstGone(const Exchange& exchange) const {
  for (int i = 0; i < exchange.size(); ++i)
    if (const int rank = exchange.ranks()[static_cast<size_t>(i)]; !exchange.came(i) && state_.at(rank).gone)
      return rank;
  return -1;
}

Status VirtualCommunicator::timedOut(const Flight& flight, Clock::time_point begin) const {
  const Exchange& exchange = *flight.exchange;
  std::string text = identify(exchange.call(flight.place)) + ", " + ranksText(exchange.ranks()) + ": rank " +
                     std::to_string(rank_) + " has waited " + since(begin);
  for (int i = 0; i < exchange.size(); ++i) {
    const int rank = exchange.ranks()[static_cast<size_t>(i)];
    if (!exchange.came(i))
      text += "; rank " + std::to_string(rank) + ": has not come; " + state_.at(rank).watch.lastSeen();
  }
  return resourceError(text + "; where these are only slow, raise the timeout");
}

std::vector<Whereabouts> VirtualCommunicator::ask(std::span<const int> ranks, uint64_t order) {
  Lock lock(state_.mutex);
  std::vector<Whereabouts> all;
  for (int rank : ranks) {
    const Rank& other = state_.at(rank);
    Whereabouts said{.rank = rank, .answers = !other.gone, .text = other.watch.lastSeen()};
    if (other.answer) said = other.answer(order);
    all.push_back(std::move(said));
  }
  return all;
}

void VirtualCommunicator::abort(const Status& why) {
  Lock lock(state_.mutex);
  state_.breakWith(Status(why.isOk() ? Code::kInternal : why.code(),
                          "rank " + std::to_string(rank_) + " has failed: " + why.message()));
  (void)broken(lock);
}

} // namespace

VirtualWorld::VirtualWorld(std::unique_ptr<State> state) : state_(std::move(state)) {}
VirtualWorld::~VirtualWorld() = default;
int VirtualWorld::size() const { return static_cast<int>(state_->ranks.size()); }

Expected<std::shared_ptr<VirtualWorld>> VirtualWorld::create(int size, const WorldOptions& options) {
  if (size < 1) return invalidArgument("got a world of " + std::to_string(size) + " ranks, expected at least 1");
  return std::shared_ptr<VirtualWorld>(new VirtualWorld(std::make_unique<State>(size, options)));
}

Expected<std::unique_ptr<Communicator>> VirtualWorld::communicator(int rank) {
  if (rank < 0 || rank >= size())
    return invalidArgument("got rank " + std::to_string(rank) + ", expected 0 to " + std::to_string(size() - 1) +
                           ", the ranks of this world");
  std::lock_guard lock(state_->mutex);
  if (std::exchange(state_->at(rank).given, true))
    return invalidArgument("rank " + std::to_string(rank) + " has its communicator already; each rank takes one");
  return std::unique_ptr<Communicator>(std::make_unique<VirtualCommunicator>(shared_from_this(), *state_, rank));
}

} // namespace jinx::comm
