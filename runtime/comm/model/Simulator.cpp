#include "runtime/comm/model/Simulator.h"

#include <algorithm>
#include <map>
#include <utility>

#include "runtime/comm/model/CheckWorld.h"
#include "runtime/comm/model/Meetings.h"

namespace jinx::comm::model {
namespace {

/// A task of a class on its way.
struct Node {
  Place place;
  const Task* task = nullptr;
  int meeting = -1;         ///< none: it computes
  int before = -1;          ///< the node before it on its stream
  std::vector<int> next;    ///< nodes that wait for its end
  int waitsFor = 0;         ///< of its own rank: ends that are to come
  double ready = 0;         ///< the latest of those that have come
  double begin = -1, end = -1;
  bool hasEnded() const { return end >= 0; }
};

/// All tasks of all classes, and the walk over them.
class Walk {
 public:
  Walk(const World& world, const Folding& folding, std::vector<Meeting> meetings) : world_(world), folding_(folding), meetings_(std::move(meetings)) {
    for (size_t c = 0; c < folding.first.size(); ++c)
      addClass(static_cast<int>(c));
    for (size_t m = 0; m < meetings_.size(); ++m)
      for (const Place& place : meetings_[m].members)
        nodes_[node(place)].meeting = static_cast<int>(m);
    missing_.reserve(meetings_.size());
    for (const Meeting& meeting : meetings_)
      missing_.push_back(static_cast<int>(meeting.members.size()));
  }

  Status run() {
    for (size_t n = 0; n < nodes_.size(); ++n)
      if (nodes_[n].waitsFor == 0) arrive(n);
    while (!begun_.empty()) {
      const size_t n = begun_.back();
      begun_.pop_back();
      ++ended_;
      for (int next : nodes_[n].next) {
        Node& other = nodes_[static_cast<size_t>(next)];
        other.ready = std::max(other.ready, nodes_[n].end);
        if (--other.waitsFor == 0) arrive(static_cast<size_t>(next));
      }
    }
    return ended_ == nodes_.size() ? Status::ok() : deadlock();
  }

  const std::vector<Node>& nodes() const { return nodes_; }
  size_t firstOf(int rankClass) const { return first_[static_cast<size_t>(rankClass)]; }

 private:
  size_t node(const Place& place) const { return firstOf(place.rankClass) + static_cast<size_t>(place.task); }

  void addClass(int rankClass) {
    const size_t first = nodes_.size();
    first_.push_back(first);
    const Rank& rank = world_.ranks[static_cast<size_t>(folding_.first[static_cast<size_t>(rankClass)])];
    const std::vector<Task>& tasks = world_.programs[static_cast<size_t>(rank.program)].tasks;
    nodes_.resize(first + tasks.size());
    std::map<int, int> lastOf;  // by stream
    for (size_t t = 0; t < tasks.size(); ++t) {
      Node& n = nodes_[first + t];
      n.place = {rankClass, static_cast<int>(t)};
      n.task = &tasks[t];
      const auto self = static_cast<int>(first + t);
      const auto [last, isFirst] = lastOf.try_emplace(tasks[t].stream, self);
      if (!isFirst) {
        n.before = last->second;
        nodes_[static_cast<size_t>(n.before)].next.push_back(self);
        ++n.waitsFor;
        last->second = self;
      }
      for (int before : tasks[t].after) {
        nodes_[first + static_cast<size_t>(before)].next.push_back(self);
        ++n.waitsFor;
      }
    }
  }

  /// Nothing of its own rank keeps the task any more.
  void arrive(size_t n) {
    if (nodes_[n].meeting < 0) return begin(n, nodes_[n].ready, nodes_[n].task->seconds);
    const auto number = static_cast<size_t>(nodes_[n].meeting);
    if (--missing_[number] > 0) return;
    const Meeting& meeting = meetings_[number];
    double when = 0;
    for (const Place& place : meeting.members)
      when = std::max(when, nodes_[node(place)].ready);
    for (const Place& place : meeting.members)
      begin(node(place), when, meeting.seconds);
  }

  void begin(size_t n, double when, double seconds) {
    nodes_[n].begin = when;
    nodes_[n].end = when + seconds;
    begun_.push_back(n);
  }

  std::string text(size_t n) const { return rankText(folding_, nodes_[n].place.rankClass) + " '" + nodes_[n].task->name + "'"; }

  /// A node that this one waits for, and how.
  std::pair<size_t, std::string> cause(size_t n) const {
    const Node& waiting = nodes_[n];
    if (waiting.before >= 0 && !nodes_[static_cast<size_t>(waiting.before)].hasEnded())
      return {static_cast<size_t>(waiting.before), "waits behind it on stream " + std::to_string(waiting.task->stream)};
    for (int before : waiting.task->after) {
      const size_t other = firstOf(waiting.place.rankClass) + static_cast<size_t>(before);
      if (!nodes_[other].hasEnded()) return {other, "comes after it"};
    }
    const Meeting& meeting = meetings_[static_cast<size_t>(waiting.meeting)];
    for (const Place& place : meeting.members)
      if (nodes_[node(place)].waitsFor > 0)
        return {node(place), "waits for it in group '" + world_.groups[static_cast<size_t>(folding_.firstGroup[static_cast<size_t>(meeting.group)])] + "'"};
    return {n, "waits for itself"};
  }

  /// Follows causes until one comes again: from there on it is a circle.
  Status deadlock() const {
    size_t n = 0;
    while (nodes_[n].hasEnded())
      ++n;
    std::vector<size_t> path;
    std::vector<bool> isSeen(nodes_.size(), false);
    for (; !isSeen[n]; n = cause(n).first) {
      isSeen[n] = true;
      path.push_back(n);
    }
    std::string circle = text(n);
    for (auto at = std::find(path.begin(), path.end(), n); at != path.end(); ++at) {
      const auto [next, how] = cause(*at);
      circle += " <- " + text(next) + " (" + how + ")";
    }
    return invalidArgument("deadlock: " + std::to_string(nodes_.size() - ended_) + " tasks never begin; " + circle +
                           "; change the order of two of these tasks, or put them on streams of their own");
  }

  const World& world_;
  const Folding& folding_;
  std::vector<Meeting> meetings_;
  std::vector<int> missing_;   // by meeting: members that have not come
  std::vector<Node> nodes_;
  std::vector<size_t> first_;  // by class
  std::vector<size_t> begun_;
  size_t ended_ = 0;
};

using Spans = std::vector<std::pair<double, double>>;

/// Seconds that at least one span covers.
double covered(Spans spans) {
  std::sort(spans.begin(), spans.end());
  double sum = 0, until = 0;
  for (const auto& [begin, end] : spans) {
    sum += std::max(0.0, end - std::max(begin, until));
    until = std::max(until, end);
  }
  return sum;
}

void account(const Program& program, double makespan, ClassTimeline& timeline) {
  Spans computing, all;
  for (size_t t = 0; t < program.tasks.size(); ++t) {
    const std::pair span(timeline.begin[t], timeline.end[t]);
    all.push_back(span);
    if (!program.tasks[t].use) computing.push_back(span);
  }
  const double any = covered(std::move(all));
  timeline.busy = covered(std::move(computing));
  timeline.exposed = std::max(0.0, any - timeline.busy);
  timeline.idle = std::max(0.0, makespan - any);
  for (const auto& [when, bytes] : memoryOverTime(program, timeline))
    timeline.peakBytes = std::max(timeline.peakBytes, bytes);
}

} // namespace

double Timeline::bubble() const {
  double busy = 0, ranks = 0;
  for (const ClassTimeline& one : classes) {
    busy += one.busy * one.ranks;
    ranks += one.ranks;
  }
  return makespan > 0 ? 1 - busy / (makespan * ranks) : 0;
}

int64_t Timeline::peakBytes() const {
  int64_t peak = 0;
  for (const ClassTimeline& one : classes)
    peak = std::max(peak, one.peakBytes);
  return peak;
}

std::vector<std::pair<double, int64_t>> memoryOverTime(const Program& program, const ClassTimeline& timeline) {
  struct Change {
    double when;
    int order;  // at one moment: ends of what was before, begins, ends of what took no time
    int64_t bytes;
  };
  std::vector<Change> changes;
  for (size_t t = 0; t < program.tasks.size(); ++t) {
    const Task& task = program.tasks[t];
    if (task.allocates > 0) changes.push_back({timeline.begin[t], 1, task.allocates});
    if (task.frees > 0) changes.push_back({timeline.end[t], timeline.end[t] > timeline.begin[t] ? 0 : 2, -task.frees});
  }
  std::sort(changes.begin(), changes.end(), [](const Change& a, const Change& b) { return std::pair(a.when, a.order) < std::pair(b.when, b.order); });
  std::vector<std::pair<double, int64_t>> levels;
  int64_t bytes = 0;
  for (size_t i = 0; i < changes.size(); ++i) {
    bytes += changes[i].bytes;
    const bool isLastOfKind = i + 1 == changes.size() || changes[i + 1].when != changes[i].when || changes[i + 1].order != changes[i].order;
    if (isLastOfKind) levels.emplace_back(changes[i].when, bytes);
  }
  return levels;
}

Expected<Timeline> simulate(const World& world, const SimulateOptions& options) {
  JINX_TRY(checkWorld(world), "simulating");
  const Folding folding = fold(world, options.folds);
  JINX_TRY_ASSIGN(std::vector<Meeting> meetings, meetingsOf(world, folding), "simulating");
  Walk walk(world, folding, std::move(meetings));
  JINX_TRY(walk.run(), "simulating");
  Timeline result;
  result.classOf = folding.classOf;
  for (const Node& node : walk.nodes())
    result.makespan = std::max(result.makespan, node.end);
  for (size_t c = 0; c < folding.first.size(); ++c) {
    const Program& program = world.programs[static_cast<size_t>(world.ranks[static_cast<size_t>(folding.first[c])].program)];
    ClassTimeline timeline{.rank = folding.first[c], .ranks = folding.count[c]};
    for (size_t t = 0; t < program.tasks.size(); ++t) {
      const Node& node = walk.nodes()[walk.firstOf(static_cast<int>(c)) + t];
      timeline.begin.push_back(node.begin);
      timeline.end.push_back(node.end);
    }
    account(program, result.makespan, timeline);
    result.classes.push_back(std::move(timeline));
  }
  return result;
}

} // namespace jinx::comm::model
