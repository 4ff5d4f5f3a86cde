#include "runtime/comm/Groups.h"

#include <algorithm>
#include <numeric>

#include "runtime/comm/Calls.h"

namespace jinx::comm {

Groups::Groups(int rank, int size) : rank_(rank), size_(size) {
  std::vector<int> world(static_cast<size_t>(size));
  std::iota(world.begin(), world.end(), 0);
  numbers_[world] = 0;
  groups_.push_back({std::move(world), rank});
}

Expected<int> Groups::make(std::span<const int> ranks) {
  const std::vector<int> key(ranks.begin(), ranks.end());
  if (auto known = numbers_.find(key); known != numbers_.end()) return known->second;
  if (key.empty()) return invalidArgument("got a group of no ranks, expected at least rank " + std::to_string(rank_));
  std::vector<int> sorted = key;
  std::ranges::sort(sorted);
  const std::string text = "a group of " + ranksText(key);
  if (sorted.front() < 0 || sorted.back() >= size_)
    return invalidArgument(text + ": got rank " + std::to_string(sorted.front() < 0 ? sorted.front() : sorted.back()) + ", expected 0 to " +
                           std::to_string(size_ - 1) + ", the ranks of this world");
  if (auto twice = std::ranges::adjacent_find(sorted); twice != sorted.end())
    return invalidArgument(text + ": rank " + std::to_string(*twice) + " is there twice; name each rank once");
  const auto own = std::ranges::find(key, rank_);
  if (own == key.end()) return invalidArgument(text + ": rank " + std::to_string(rank_) + " makes it and is not in it; only members make a group");
  const int number = static_cast<int>(groups_.size());
  groups_.push_back({key, static_cast<int>(own - key.begin())});
  numbers_[key] = number;
  return number;
}

} // namespace jinx::comm
