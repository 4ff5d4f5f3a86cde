// A game of tokens: each rank goes from event to event, "start call i" and "wait for call i". A start never stops it; a wait does until all
// members have started the call. When nobody can go on, each rank that has not ended waits for one that has not come: a cycle, or an end.
#include <algorithm>
#include <map>

#include "runtime/comm/Calls.h"
#include "runtime/comm/Schedule.h"

namespace jinx::comm {
namespace {

struct Event {
  bool isWait = false;
  size_t call = 0;
};

/// What a call belongs to: its order, and its number there.
struct Spot {
  size_t order = 0;
  int64_t number = 0;
};

/// An order as the game sees it: for each of its calls, who has started it and who waits for the others.
struct Table {
  struct Seat {
    std::vector<int> started, waiting;
  };
  std::vector<int> ranks;
  std::vector<Seat> seats;
};

struct Player {
  std::vector<Event> events;
  std::vector<Spot> spots; // by call
  size_t next = 0;         // event
  bool ended() const { return next == events.size(); }
};

/// A call is waited for when `overlap` later ones have started, or the schedule ends.
std::vector<Event> eventsOf(const Schedule& schedule) {
  std::vector<Event> events;
  std::vector<std::vector<size_t>> waits(schedule.calls.size());
  for (size_t i = 0; i < schedule.calls.size(); ++i)
    waits[std::min(schedule.calls.size() - 1, i + static_cast<size_t>(std::max(0, schedule.calls[i].overlap)))].push_back(i);
  for (size_t i = 0; i < schedule.calls.size(); ++i) {
    events.push_back({false, i});
    for (size_t call : waits[i])
      events.push_back({true, call});
  }
  return events;
}

class Game {
 public:
  explicit Game(std::span<const Schedule> schedules) : schedules_(schedules) {
    std::map<std::string, size_t> places;
    for (const Schedule& schedule : schedules) {
      Player player{eventsOf(schedule), std::vector<Spot>(schedule.calls.size())};
      for (const Order& order : ordersOf(schedule)) {
        const size_t place = places.try_emplace(order.key, orders_.size()).first->second;
        if (place == orders_.size()) orders_.push_back({ranksOfFirst(schedule, order), {}});
        Table& table = orders_[place];
        table.seats.resize(std::max(table.seats.size(), order.sequences.size()));
        for (size_t i = 0; i < order.sequences.size(); ++i)
          player.spots[static_cast<size_t>(order.sequences[i])] = {place, static_cast<int64_t>(i)};
      }
      players_.push_back(std::move(player));
    }
  }

  /// Until nobody can go on. A rank is looked at again when all have started the call that it waits in.
  void play() {
    std::vector<int> ready;
    for (int rank = static_cast<int>(players_.size()) - 1; rank >= 0; --rank)
      ready.push_back(rank);
    while (!ready.empty()) {
      const int rank = ready.back();
      ready.pop_back();
      Player& player = players_[static_cast<size_t>(rank)];
      for (; !player.ended(); ++player.next) {
        const Event event = player.events[player.next];
        const Spot spot = player.spots[event.call];
        Table& order = orders_[spot.order];
        Table::Seat& seat = order.seats[static_cast<size_t>(spot.number)];
        if (!event.isWait) seat.started.push_back(rank);
        const bool complete = seat.started.size() == order.ranks.size();
        if (event.isWait && !complete) {
          seat.waiting.push_back(rank);
          break;
        }
        if (!event.isWait && complete) ready.insert(ready.end(), seat.waiting.begin(), seat.waiting.end());
      }
    }
  }

  /// The first rank that has not started what `rank` waits in.
  int missing(int rank) const {
    const Player& player = players_[static_cast<size_t>(rank)];
    const Spot spot = player.spots[player.events[player.next].call];
    const std::vector<int>& started = orders_[spot.order].seats[static_cast<size_t>(spot.number)].started;
    return *std::ranges::find_if(orders_[spot.order].ranks, [&](int other) { return std::ranges::find(started, other) == started.end(); });
  }

  Status verdict() const {
    size_t first = 0;
    while (first < players_.size() && players_[first].ended())
      ++first;
    if (first == players_.size()) return Status::ok();
    std::vector<int> path{static_cast<int>(first)};
    while (true) {
      const int next = missing(path.back());
      if (players_[static_cast<size_t>(next)].ended()) return invalidArgument(waits(path.back(), next) + ", which has made all its calls");
      const auto seen = std::ranges::find(path, next);
      if (seen != path.end()) {
        path.erase(path.begin(), seen);
        break;
      }
      path.push_back(next);
    }
    std::string text = "schedules stop in a cycle of ranks that wait for each other: ";
    for (size_t i = 0; i < path.size(); ++i)
      text += (i ? "; " : "") + waits(path[i], path[(i + 1) % path.size()]);
    return invalidArgument(text + "; make calls of several groups in one order on all ranks, or let them overlap");
  }

 private:
  static std::vector<int> ranksOfFirst(const Schedule& schedule, const Order& order) {
    const ScheduledCall& call = schedule.calls[static_cast<size_t>(order.sequences[0])];
    if (call.op != Op::kSend && call.op != Op::kRecv) return call.ranks;
    return {schedule.rank, call.ranks[static_cast<size_t>(call.root)]};
  }
  std::string waits(int rank, int forRank) const {
    const Player& player = players_[static_cast<size_t>(rank)];
    const size_t at = player.events[player.next].call;
    const ScheduledCall& call = schedules_[static_cast<size_t>(rank)].calls[at];
    const std::string what = describe({.op = call.op, .reduction = call.reduction, .dtype = call.dtype, .count = call.count});
    return "rank " + std::to_string(rank) + " waits in " + identify(static_cast<int64_t>(at), what, call.name) + ", " + ranksText(call.ranks) + ", for rank " +
           std::to_string(forRank);
  }

  std::span<const Schedule> schedules_;
  std::vector<Table> orders_;
  std::vector<Player> players_;
};

} // namespace

Status checkProgress(std::span<const Schedule> schedules) {
  for (size_t rank = 0; rank < schedules.size(); ++rank) {
    if (schedules[rank].rank != static_cast<int>(rank))
      return invalidArgument("got the schedule of rank " + std::to_string(schedules[rank].rank) + " at place " + std::to_string(rank) +
                             "; expected one of each rank, in order");
    JINX_TRY(checkSchedule(schedules[rank], static_cast<int>(schedules.size())));
  }
  Game game(schedules);
  game.play();
  return game.verdict();
}

} // namespace jinx::comm
