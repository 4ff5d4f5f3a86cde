#include "runtime/comm/model/Overlap.h"

#include <algorithm>
#include <array>

#include "runtime/comm/model/Units.h"

namespace jinx::comm::model {
namespace {

using Items = std::vector<OverlapItem>;
constexpr size_t kMostTried = 16;  // items that are asked about in one moment

size_t at(int place) { return static_cast<size_t>(place); }

/// What lies in memory: results whose readers have not all ended.
class Memory {
 public:
  explicit Memory(const Items& items) : items_(items), readers_(items.size(), 0) {
    for (const OverlapItem& item : items)
      for (int input : item.after)
        ++readers_[at(input)];
  }
  int64_t live() const { return live_; }
  void begin(int item) { live_ += items_[at(item)].bytes; }
  /// Says what is freed to `freed`.
  template <typename Freed>
  void end(int item, const Freed& freed) {
    for (int input : items_[at(item)].after)
      if (--readers_[at(input)] == 0) {
        live_ -= items_[at(input)].bytes;
        freed(items_[at(input)].bytes);
      }
  }
  void end(int item) {
    end(item, [](int64_t) {});
  }

 private:
  const Items& items_;
  std::vector<int> readers_;
  int64_t live_ = 0;
};

/// The walk through time.
class Walk {
 public:
  Walk(const Items& items, int64_t limit)
      : items_(items), limit_(limit), memory_(items), inputs_(items.size()), readers_(items.size()), tail_(items.size()), isBegun_(items.size(), false),
        freedAt_(items.size(), 0), causes_(items.size(), -1) {
    for (size_t i = items.size(); i-- > 0;) {
      tail_[i] += items[i].seconds;
      inputs_[i] = static_cast<int>(items[i].after.size());
      for (int input : items[i].after) {
        tail_[at(input)] = std::max(tail_[at(input)], tail_[i]);
        readers_[at(input)].push_back(static_cast<int>(i));
      }
      if (inputs_[i] == 0) ready_[handOf(static_cast<int>(i))].push_back(static_cast<int>(i));
    }
  }

  void run() {
    while (order_.size() < items_.size()) {
      for (int hand : {1, 0})  // a collective first: it may wait for others
        if (running_[at(hand)] < 0) beginOne(hand);
      endNext();
    }
    while (running_[0] >= 0 || running_[1] >= 0)
      endNext();
  }

  Overlapped result() const {
    Overlapped out{order_, std::vector<int>(items_.size(), -1), {"overlapped", {}}, now_, peak_};
    std::vector<int> place(items_.size());
    for (size_t p = 0; p < order_.size(); ++p)
      place[at(order_[p])] = static_cast<int>(p);
    for (int i : order_) {
      const OverlapItem& item = items_[at(i)];
      Task task{.name = item.name,
                .use = item.use,
                .slot = item.slot,
                .stream = handOf(i),
                .seconds = item.seconds,
                .allocates = item.bytes,
                .frees = freedAt_[at(i)]};
      for (int input : item.after) {
        task.after.push_back(place[at(input)]);
        if (items_[at(input)].use && out.waitsBefore[at(input)] < 0) out.waitsBefore[at(input)] = i;
      }
      if (causes_[at(i)] >= 0) task.after.push_back(place[at(causes_[at(i)])]);
      out.program.tasks.push_back(std::move(task));
    }
    return out;
  }

 private:
  int handOf(int item) const { return items_[at(item)].use ? 1 : 0; }
  bool isBefore(int a, int b) const { return tail_[at(a)] != tail_[at(b)] ? tail_[at(a)] > tail_[at(b)] : a < b; }

  /// Could all the rest still be done one after the other, if this began now?
  bool isSafe(int item) const {
    if (limit_ == 0) return true;
    Memory memory = memory_;
    memory.begin(item);
    if (memory.live() > limit_) return false;
    for (int other : running_)
      if (other >= 0) memory.end(other);
    memory.end(item);
    for (size_t i = firstLeft_; i < items_.size(); ++i) {
      if (isBegun_[i] || static_cast<int>(i) == item) continue;
      memory.begin(static_cast<int>(i));
      if (memory.live() > limit_) return false;
      memory.end(static_cast<int>(i));
    }
    return true;
  }

  void beginOne(int hand) {
    std::vector<int>& ready = ready_[at(hand)];
    std::sort(ready.begin(), ready.end(), [&](int a, int b) { return isBefore(a, b); });
    for (size_t r = 0; r < ready.size(); ++r) {
      const int item = ready[r];
      if (r >= kMostTried && at(item) != firstLeft_) continue;  // whose turn it is always has one
      if (!isSafe(item)) continue;
      ready.erase(ready.begin() + static_cast<ptrdiff_t>(r));
      running_[at(hand)] = item;
      ends_[at(hand)] = now_ + items_[at(item)].seconds;
      isBegun_[at(item)] = true;
      while (firstLeft_ < items_.size() && isBegun_[firstLeft_])
        ++firstLeft_;
      causes_[at(item)] = lastEnded_;
      memory_.begin(item);
      peak_ = std::max(peak_, memory_.live());
      order_.push_back(item);
      return;
    }
  }

  void endNext() {
    const int hand = running_[0] < 0 || (running_[1] >= 0 && ends_[1] < ends_[0]) ? 1 : 0;
    const int item = running_[at(hand)];
    now_ = ends_[at(hand)];
    running_[at(hand)] = -1;
    lastEnded_ = item;
    memory_.end(item, [&](int64_t bytes) { freedAt_[at(item)] += bytes; });
    for (int reader : readers_[at(item)])
      if (--inputs_[at(reader)] == 0) ready_[at(handOf(reader))].push_back(reader);
    // Both at one moment: one moment.
    if (running_[at(1 - hand)] >= 0 && ends_[at(1 - hand)] == now_) endNext();
  }

  const Items& items_;
  int64_t limit_;
  Memory memory_;
  std::vector<int> inputs_;  // by item: those that have not ended
  std::vector<std::vector<int>> readers_;
  std::vector<double> tail_;  // seconds of the longest way to the end
  std::vector<bool> isBegun_;
  std::vector<int64_t> freedAt_;           // by item: bytes that its end frees
  std::vector<int> causes_;                // by item: what ended last before it began
  std::array<std::vector<int>, 2> ready_;  // by hand
  std::array<int, 2> running_{-1, -1};
  std::array<double, 2> ends_{};
  std::vector<int> order_;
  size_t firstLeft_ = 0;
  int lastEnded_ = -1;
  double now_ = 0;
  int64_t peak_ = 0;
};

int64_t serialPeak(const Items& items) {
  Memory memory(items);
  int64_t peak = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    memory.begin(static_cast<int>(i));
    peak = std::max(peak, memory.live());
    memory.end(static_cast<int>(i));
  }
  return peak;
}

}  // namespace

Status checkItems(const std::vector<OverlapItem>& items) {
  for (size_t i = 0; i < items.size(); ++i) {
    const std::string what = "overlapping: item " + std::to_string(i) + " '" + items[i].name + "': ";
    if (!(items[i].seconds >= 0)) return invalidArgument(what + "got " + std::to_string(items[i].seconds) + " seconds, expected 0 or more");
    if (items[i].bytes < 0) return invalidArgument(what + "got " + std::to_string(items[i].bytes) + " bytes, expected 0 or more");
    for (int input : items[i].after)
      if (input < 0 || at(input) >= i)
        return invalidArgument(what + "reads item " + std::to_string(input) + ", expected one before it; give the items in an order in which they can be done");
  }
  return Status::ok();
}

Program serialProgram(const std::vector<OverlapItem>& items) {
  Program program{"serial", {}};
  Memory memory(items);
  for (size_t i = 0; i < items.size(); ++i) {
    const OverlapItem& item = items[i];
    Task task{.name = item.name, .use = item.use, .slot = item.slot, .stream = 0, .seconds = item.seconds, .after = item.after, .allocates = item.bytes};
    memory.end(static_cast<int>(i), [&](int64_t bytes) { task.frees += bytes; });
    program.tasks.push_back(std::move(task));
  }
  return program;
}

Expected<Overlapped> overlap(const std::vector<OverlapItem>& items, int64_t limit) {
  JINX_TRY(checkItems(items));
  const int64_t needed = serialPeak(items);
  if (limit > 0 && needed > limit)
    return resourceError("overlapping: got a limit of " + bytesText(static_cast<double>(limit)) + ", but one after the other the items need " +
                         bytesText(static_cast<double>(needed)) + "; raise the limit, or compute some results again instead of keeping them");
  Walk walk(items, limit);
  walk.run();
  return walk.result();
}

}  // namespace jinx::comm::model
