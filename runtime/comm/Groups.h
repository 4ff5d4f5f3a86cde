// Which groups has a rank made? Group 0 is the whole world; the same ranks again are the same group.
//
//   Groups groups(/*rank=*/5, /*size=*/8);
//   groups.make({4, 5, 6, 7})      1
//   groups.make({5, 1})            2
//   groups.make({4, 5, 6, 7})      1
//   groups.place(1)                1: rank 5 is the second of group 1
#pragma once

#include <deque>
#include <map>
#include <span>
#include <vector>

#include "runtime/base/Status.h"

namespace jinx::comm {

class Groups {
 public:
  Groups(int rank, int size);

  /// The group's number; kInvalidArgument where the ranks make no group with this one.
  Expected<int> make(std::span<const int> ranks);
  bool has(int group) const { return group >= 0 && group < static_cast<int>(groups_.size()); }
  /// In order. The ranks stay where they are as long as this object.
  std::span<const int> members(int group) const { return groups_[static_cast<size_t>(group)].ranks; }
  int place(int group) const { return groups_[static_cast<size_t>(group)].place; }

 private:
  struct Group {
    std::vector<int> ranks;
    int place = 0;
  };
  int rank_, size_;
  std::deque<Group> groups_;
  std::map<std::vector<int>, int> numbers_;
};

} // namespace jinx::comm
