// Which ranks of a world stand in the same place? `Simulator.h` says what that means, and why one of each class is enough.
#pragma once

#include <vector>

#include "runtime/comm/model/Simulator.h"

namespace jinx::comm::model {

/// One rank's slot, of one class: a kind of member of a group.
struct Port {
  int rankClass = 0;
  int slot = 0;
  bool operator==(const Port&) const = default;
  auto operator<=>(const Port&) const = default;
};

struct Folding {
  std::vector<int> classOf;                  ///< by rank
  std::vector<int> first;                    ///< by class: the first rank of it
  std::vector<int> count;                    ///< by class
  std::vector<std::vector<int>> groupsOf;    ///< by class and slot: a class of groups
  std::vector<std::vector<Port>> ports;      ///< by class of groups: its kinds of members, ascending
  std::vector<int> firstGroup;               ///< by class of groups: one of them
  std::vector<int> members;                  ///< by class of groups: how many each has
};

/// \pre the world is checked. With `folds` off each rank is a class of its own.
Folding fold(const World& world, bool folds);

} // namespace jinx::comm::model
