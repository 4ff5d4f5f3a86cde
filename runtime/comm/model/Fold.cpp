#include "runtime/comm/model/Fold.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

namespace jinx::comm::model {
namespace {

/// Numbers for equal keys, in the order in which they first come.
template <typename Key>
class Numbers {
 public:
  int of(Key key) { return numbers_.try_emplace(std::move(key), static_cast<int>(numbers_.size())).first->second; }
  size_t size() const { return numbers_.size(); }

 private:
  std::map<Key, int> numbers_;
};

using Members = std::vector<Port>;  // the class of each member, with its slot; with a rank for a class where members are ranks

std::vector<Members> membersOf(const World& world) {
  std::vector<Members> members(world.groups.size());
  for (size_t rank = 0; rank < world.ranks.size(); ++rank)
    for (size_t slot = 0; slot < world.ranks[rank].groups.size(); ++slot)
      members[static_cast<size_t>(world.ranks[rank].groups[slot])].push_back({static_cast<int>(rank), static_cast<int>(slot)});
  return members;
}

/// The class of each group, from those of its members.
std::vector<int> groupClasses(const std::vector<Members>& members, const std::vector<int>& classOf) {
  Numbers<Members> numbers;
  std::vector<int> classes;
  for (const Members& group : members) {
    Members key = group;
    for (Port& port : key)
      port.rankClass = classOf[static_cast<size_t>(port.rankClass)];
    std::sort(key.begin(), key.end());
    classes.push_back(numbers.of(std::move(key)));
  }
  return classes;
}

/// Splits classes until ranks of one class have groups of one class in each slot.
std::vector<int> stableClasses(const World& world, const std::vector<Members>& members) {
  std::vector<int> classOf;
  Numbers<int> programs;
  for (const Rank& rank : world.ranks)
    classOf.push_back(programs.of(rank.program));
  for (size_t count = programs.size();;) {
    const std::vector<int> groups = groupClasses(members, classOf);
    Numbers<std::vector<int>> numbers;
    std::vector<int> next;
    for (size_t rank = 0; rank < world.ranks.size(); ++rank) {
      std::vector<int> key = {classOf[rank]};
      for (int group : world.ranks[rank].groups)
        key.push_back(groups[static_cast<size_t>(group)]);
      next.push_back(numbers.of(std::move(key)));
    }
    classOf = std::move(next);
    if (numbers.size() == count) return classOf;
    count = numbers.size();
  }
}

} // namespace

Folding fold(const World& world, bool folds) {
  const std::vector<Members> members = membersOf(world);
  Folding result;
  if (folds) {
    result.classOf = stableClasses(world, members);
  } else {
    result.classOf.resize(world.ranks.size());
    std::iota(result.classOf.begin(), result.classOf.end(), 0);
  }
  for (size_t rank = 0; rank < world.ranks.size(); ++rank) {
    const auto number = static_cast<size_t>(result.classOf[rank]);
    if (number == result.first.size()) {
      result.first.push_back(static_cast<int>(rank));
      result.count.push_back(0);
    }
    ++result.count[number];
  }
  const std::vector<int> groupClass = groupClasses(members, result.classOf);
  for (size_t group = 0; group < groupClass.size(); ++group) {
    if (static_cast<size_t>(groupClass[group]) < result.ports.size()) continue;
    result.members.push_back(static_cast<int>(members[group].size()));
    Members ports = members[group];
    for (Port& port : ports)
      port.rankClass = result.classOf[static_cast<size_t>(port.rankClass)];
    std::sort(ports.begin(), ports.end());
    ports.erase(std::unique(ports.begin(), ports.end()), ports.end());
    result.ports.push_back(std::move(ports));
    result.firstGroup.push_back(static_cast<int>(group));
  }
  for (int rank : result.first) {
    result.groupsOf.emplace_back();
    for (int group : world.ranks[static_cast<size_t>(rank)].groups)
      result.groupsOf.back().push_back(groupClass[static_cast<size_t>(group)]);
  }
  return result;
}

} // namespace jinx::comm::model
