// Sorting as Python does: stable, and safe where the order is none (NaN, a fault in the middle).
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

namespace jinx::chat {

/// Merges from the bottom up. `isBefore` may throw.
template <typename Item, typename Before> void sortStable(std::vector<Item>& items, Before isBefore) {
  std::vector<Item> merged(items.size());
  for (size_t width = 1; width < items.size(); width *= 2) {
    for (size_t begin = 0; begin < items.size(); begin += 2 * width) {
      const size_t middle = std::min(begin + width, items.size()), end = std::min(middle + width, items.size());
      size_t left = begin, right = middle;
      for (size_t to = begin; to < end; ++to) {
        const bool takesRight = left == middle || (right < end && isBefore(items[right], items[left]));
        merged[to] = std::move(items[takesRight ? right++ : left++]);
      }
    }
    items.swap(merged);
  }
}

} // namespace jinx::chat
