#include "runtime/memory/ArenaPlanner.h"

#include <algorithm>
#include <numeric>

namespace jinx {
namespace {

using Order = std::vector<uint32_t>;

/// Items placed so far, sorted by offset.
///
/// With a ceiling, an item that goes above all others hangs from the ceiling instead of lying on them. So the values of
/// a chain, each alive with the next, lie by turns at the floor and at the ceiling and never get into each other's way,
/// whatever their sizes.
class Placer {
 public:
  /// \param ceiling  0: none
  Placer(std::span<const ArenaItem> items, int64_t ceiling)
      : items_(items), ceiling_(ceiling), offsets_(items.size(), 0) {}

  int64_t placeAll(const Order& order) {
    int64_t top = 0;
    for (uint32_t i : order) {
      offsets_[i] = bestGap(items_[i]);
      top = std::max(top, offsets_[i] + items_[i].sizeBytes);
      auto at = std::upper_bound(placed_.begin(), placed_.end(), offsets_[i],
                                 [&](int64_t offset, uint32_t other) { return offset < offsets_[other]; });
      placed_.insert(at, i);
    }
    return top;
  }

  std::vector<int64_t> takeOffsets() { return std::move(offsets_); }

 private:
  /// The offset of the smallest gap that holds `item` between placed items alive with it, or above them all.
  int64_t bestGap(const ArenaItem& item) const {
    int64_t best = -1, bestSize = 0, end = 0; // `end`: top of the overlapping items seen so far
    for (uint32_t other : placed_) {
      if (items_[other].firstUse > item.lastUse || items_[other].lastUse < item.firstUse) continue;
      int64_t gap = offsets_[other] - end;
      if (gap >= item.sizeBytes && (best < 0 || gap < bestSize)) {
        best = end;
        bestSize = gap;
      }
      end = std::max(end, offsets_[other] + items_[other].sizeBytes);
    }
    int64_t above = ceiling_ - end;
    if (end > 0 && above >= item.sizeBytes && (best < 0 || above < bestSize)) return ceiling_ - item.sizeBytes;
    return best >= 0 ? best : end;
  }

  std::span<const ArenaItem> items_;
  const int64_t ceiling_;
  std::vector<int64_t> offsets_;
  std::vector<uint32_t> placed_;
};

/// Bytes alive at each step at which some item begins (the maximum is reached at one of those).
std::vector<std::pair<int32_t, int64_t>> liveSets(std::span<const ArenaItem> items) {
  std::vector<std::pair<int64_t, int64_t>> changes; // (2*step + 1 for an end, else 2*step; bytes)
  for (const ArenaItem& item : items) {
    changes.push_back({2 * int64_t{item.firstUse}, item.sizeBytes});
    changes.push_back({2 * int64_t{item.lastUse} + 1, -item.sizeBytes});
  }
  std::sort(changes.begin(), changes.end());
  std::vector<std::pair<int32_t, int64_t>> live;
  int64_t now = 0;
  for (const auto& [time, bytes] : changes) {
    now += bytes;
    int32_t step = static_cast<int32_t>(time / 2);
    if (live.empty() || live.back().first != step) live.push_back({step, now});
    live.back().second = std::max(live.back().second, now);
  }
  return live;
}

Order bySize(std::span<const ArenaItem> items) {
  Order order(items.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    if (items[a].sizeBytes != items[b].sizeBytes) return items[a].sizeBytes > items[b].sizeBytes;
    return items[a].firstUse != items[b].firstUse ? items[a].firstUse < items[b].firstUse : a < b;
  });
  return order;
}

/// By a measure, ties by size.
template <typename Measure>
Order byDecreasing(std::span<const ArenaItem> items, Measure measure) {
  Order order(items.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    if (measure(a) != measure(b)) return measure(a) > measure(b);
    return items[a].sizeBytes != items[b].sizeBytes ? items[a].sizeBytes > items[b].sizeBytes : a < b;
  });
  return order;
}

Order byArea(std::span<const ArenaItem> items) {
  return byDecreasing(items, [&](uint32_t i) {
    return static_cast<double>(items[i].sizeBytes) * (items[i].lastUse - items[i].firstUse + 1);
  });
}

Order byLifetime(std::span<const ArenaItem> items) {
  return byDecreasing(items, [&](uint32_t i) { return items[i].lastUse - items[i].firstUse; });
}

Order byFirstUse(std::span<const ArenaItem> items) {
  return byDecreasing(items, [&](uint32_t i) { return -items[i].firstUse; });
}

/// The items alive at the most crowded step first, then those at the next, each set by size.
Order byBreadth(std::span<const ArenaItem> items, std::vector<std::pair<int32_t, int64_t>> live) {
  std::sort(live.begin(), live.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  constexpr size_t kSteps = 256; // the crowded steps decide; the rest follows by size
  if (live.size() > kSteps) live.resize(kSteps);
  Order sized = bySize(items), order;
  std::vector<bool> taken(items.size(), false);
  for (const auto& [step, bytes] : live) {
    for (uint32_t i : sized) {
      if (taken[i] || items[i].firstUse > step || items[i].lastUse < step) continue;
      taken[i] = true;
      order.push_back(i);
    }
  }
  for (uint32_t i : sized)
    if (!taken[i]) order.push_back(i);
  return order;
}

/// Keeps the lowest layout of the orders tried.
class Search {
 public:
  Search(std::span<const ArenaItem> items, int64_t lowerBound, double goodEnough) : items_(items), lowerBound_(lowerBound), goodEnough_(goodEnough) {}

  /// Places in this order; true when no better layout is worth looking for.
  bool attempt(const Order& order, bool hanging = false) {
    Placer placer(items_, hanging ? lowerBound_ : 0);
    int64_t size = placer.placeAll(order);
    if (best_.empty() || size <= size_) { // an equal one too: the search must be able to walk along a plateau
      size_ = size;
      best_ = order;
      hanging_ = hanging;
      offsets_ = placer.takeOffsets();
    }
    return static_cast<double>(size_) <= goodEnough_ * static_cast<double>(lowerBound_);
  }

  /// Moves an item to an earlier place in the order, as long as the work stays small: by turns one that reaches the top of the arena
  /// and any (a small one in the wrong place can split what two large ones need).
  /// The generator is seeded by nothing but its constant: the same items give the same layout.
  void improve() {
    constexpr int64_t kWork = 4'000'000; // some milliseconds: a binding with new sizes waits for this
    int64_t n = static_cast<int64_t>(items_.size());
    uint64_t random = 0x9E3779B97F4A7C15;
    for (int64_t round = std::min<int64_t>(2000, kWork / (n * n + 1)); round > 0; --round) {
      std::vector<size_t> tops;
      for (size_t i = 0; i < best_.size(); ++i)
        if (offsets_[best_[i]] + items_[best_[i]].sizeBytes == size_) tops.push_back(i);
      auto next = [&](uint64_t below) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        return below ? (random >> 33) % below : 0;
      };
      size_t from = round % 2 ? next(best_.size()) : tops[next(tops.size())], to = next(from + 1);
      Order order = best_;
      std::rotate(order.begin() + static_cast<ptrdiff_t>(to), order.begin() + static_cast<ptrdiff_t>(from),
                  order.begin() + static_cast<ptrdiff_t>(from) + 1);
      if (attempt(order, hanging_)) return;
    }
  }

  int64_t sizeBytes() const { return size_; }
  std::vector<int64_t> takeOffsets() { return std::move(offsets_); }

 private:
  std::span<const ArenaItem> items_;
  const int64_t lowerBound_;
  const double goodEnough_;
  Order best_;
  bool hanging_ = false;
  int64_t size_ = 0;
  std::vector<int64_t> offsets_;
};

} // namespace

ArenaLayout planArena(std::span<const ArenaItem> items, double goodEnough, int64_t alignment) {
  std::vector<ArenaItem> rounded(items.begin(), items.end());
  ArenaLayout layout;
  for (ArenaItem& item : rounded) {
    item.sizeBytes = alignUp(item.sizeBytes, alignment);
    layout.totalBytes += item.sizeBytes;
  }
  auto live = liveSets(rounded);
  for (const auto& [step, bytes] : live)
    layout.largestLiveBytes = std::max(layout.largestLiveBytes, bytes);

  Search search(rounded, layout.largestLiveBytes, goodEnough);
  if (!search.attempt(bySize(rounded)) && !search.attempt(byFirstUse(rounded), true) &&
      !search.attempt(byFirstUse(rounded)) && !search.attempt(byLifetime(rounded), true) && !search.attempt(byBreadth(rounded, live)) &&
      !search.attempt(byArea(rounded)) && !search.attempt(bySize(rounded), true))
    search.improve();
  layout.sizeBytes = search.sizeBytes();
  layout.offsets = search.takeOffsets();
  for (size_t i = 0; i < rounded.size(); ++i)
    if (rounded[i].sizeBytes == 0) layout.offsets[i] = 0;
  return layout;
}

} // namespace jinx
