#include "runtime/comm/model/IssueOrder.h"

#include <algorithm>
#include <numeric>

namespace jinx::comm::model {
namespace {

using Items = std::vector<OverlapItem>;
using Steps = std::vector<Issue>;
using Kind = Issue::Kind;

size_t at(int place) { return static_cast<size_t>(place); }

/// Bytes that are alive, step by step.
class Alive {
 public:
  explicit Alive(const Items& items) : items_(items), readers_(items.size(), 0) {
    for (const OverlapItem& item : items)
      for (int input : item.after)
        ++readers_[at(input)];
  }
  void issue(const Issue& step) {
    const OverlapItem& item = items_[at(step.item)];
    if (step.kind != Kind::kWait) live_ += item.bytes;
    peak_ = std::max(peak_, live_);
    if (step.kind == Kind::kStart) return;
    for (int input : item.after)
      if (--readers_[at(input)] == 0) live_ -= items_[at(input)].bytes;
  }
  int64_t peak() const { return peak_; }

 private:
  const Items& items_;
  std::vector<int> readers_;
  int64_t live_ = 0, peak_ = 0;
};

Steps inOrder(const std::vector<int>& order) {
  Steps steps;
  for (int item : order)
    steps.push_back({Kind::kRun, item});
  return steps;
}

/// Collectives of an order as starts, and waits in front of their first readers.
Steps spread(const Items& items, const std::vector<int>& order) {
  Steps steps;
  std::vector<bool> isOpen(items.size(), false);
  for (int i : order) {
    for (int input : items[at(i)].after) {
      if (!isOpen[at(input)]) continue;
      steps.push_back({Kind::kWait, input});
      isOpen[at(input)] = false;
    }
    steps.push_back({items[at(i)].use ? Kind::kStart : Kind::kRun, i});
    isOpen[at(i)] = items[at(i)].use.has_value();
  }
  for (int i : order)
    if (isOpen[at(i)]) steps.push_back({Kind::kWait, i});
  return steps;
}

/// Each start goes up to what it reads, and past no other start: the order of collectives stays.
Steps hoisted(const Items& items, const Steps& steps) {
  Steps made;
  for (const Issue& step : steps) {
    made.push_back(step);
    if (step.kind != Kind::kStart) continue;
    const std::vector<int>& reads = items[at(step.item)].after;
    for (size_t i = made.size() - 1; i > 0; --i) {
      const Issue& above = made[i - 1];
      const bool isCollective = items[at(above.item)].use && above.kind != Kind::kWait;
      if (isCollective || std::find(reads.begin(), reads.end(), above.item) != reads.end()) break;
      std::swap(made[i], made[i - 1]);
    }
  }
  return made;
}

/// Collectives that hide less than `least` are waited for at once.
Steps withoutIdle(const Items& items, const Steps& steps, double least) {
  const IssueTimes times = timesOf(items, steps);
  auto isIdle = [&](int item) {
    return items[at(item)].use && items[at(item)].seconds - times.waits[at(item)] < least;
  };
  Steps made;
  for (const Issue& step : steps)
    if (!isIdle(step.item))
      made.push_back(step);
    else if (step.kind != Kind::kWait)
      made.push_back({Kind::kRun, step.item});
  return made;
}

class Search {
 public:
  Search(const Items& items, const IssueOptions& options) : items_(items), options_(options) {
    std::vector<int> given(items.size());
    std::iota(given.begin(), given.end(), 0);
    best_.steps = inOrder(given);
    best_.times = timesOf(items, best_.steps);
    best_.serialSeconds = best_.times.seconds;
    best_.serialPeakBytes = best_.times.peakBytes;
    tryOrder(given);
  }

  /// The list scheduler's orders. What waits late holds longer what it reads than the scheduler thinks: where its order
  /// does not fit, it gets less.
  Status trySchedules() {
    for (double share : {1.0, 0.75, 0.5}) {
      const auto limit = static_cast<int64_t>(share * static_cast<double>(options_.limitBytes));
      if (limit > 0 && limit < best_.serialPeakBytes) break;
      JINX_TRY_ASSIGN(const Overlapped overlapped, overlap(items_, limit));
      if (tryOrder(overlapped.order) || limit == 0) break;
    }
    return Status::ok();
  }

  IssueOrder take() { return std::move(best_); }

 private:
  /// Whether the order fits.
  bool tryOrder(const std::vector<int>& order) {
    bool anyFits = false;
    const Steps late = spread(items_, order);
    for (const Steps& steps : {hoisted(items_, late), late}) {
      const Steps worthwhile = withoutIdle(items_, steps, options_.leastSeconds);
      const IssueTimes times = timesOf(items_, worthwhile);
      const bool fits = options_.limitBytes == 0 || times.peakBytes <= options_.limitBytes;
      anyFits |= fits;
      if (!fits || times.seconds + options_.leastSeconds > best_.times.seconds) continue;
      best_.steps = worthwhile;
      best_.times = times;
    }
    return anyFits;
  }

  const Items& items_;
  IssueOptions options_;
  IssueOrder best_;
};

} // namespace

IssueTimes timesOf(const Items& items, const Steps& steps) {
  IssueTimes times{0, std::vector<double>(items.size(), 0), 0};
  std::vector<double> ends(items.size(), 0);
  double wireFree = 0;
  Alive alive(items);
  for (const Issue& step : steps) {
    const OverlapItem& item = items[at(step.item)];
    alive.issue(step);
    if (!item.use) {
      times.seconds += item.seconds;
      continue;
    }
    if (step.kind != Kind::kWait) ends[at(step.item)] = wireFree = std::max(times.seconds, wireFree) + item.seconds;
    if (step.kind == Kind::kStart) continue;
    times.waits[at(step.item)] = std::max(0.0, ends[at(step.item)] - times.seconds);
    times.seconds = std::max(times.seconds, ends[at(step.item)]);
  }
  times.peakBytes = alive.peak();
  return times;
}

Expected<IssueOrder> issueOrder(const Items& items, const IssueOptions& options) {
  JINX_TRY(checkItems(items));
  Search search(items, options);
  JINX_TRY(search.trySchedules());
  return search.take();
}

} // namespace jinx::comm::model
