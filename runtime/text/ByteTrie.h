// A set of byte strings, each with a number, that is asked which of them a text begins with.
//
// Nodes are numbered breadth first, so that the children of a node are neighbors: a node needs its first child and its number of children only.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace jinx::text {

class ByteTrie {
 public:
  ByteTrie() = default;
  /// \param strings  in any order; of equal ones the least value counts; an empty one is left out. Values are at least 0.
  explicit ByteTrie(std::vector<std::pair<std::string_view, int32_t>> strings);

  bool empty() const { return nodes_.size() < 2; }

  /// Calls found(length, value) for each string that text begins with, the shortest first.
  template <typename Found>
  void prefixes(std::string_view text, Found found) const {
    if (nodes_.empty()) return;
    uint32_t node = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      node = child(node, static_cast<uint8_t>(text[i]));
      if (node == 0) return;
      if (nodes_[node].value >= 0) found(i + 1, nodes_[node].value);
    }
  }

  struct Match {
    size_t length = 0;
    int32_t value = -1; ///< -1: none
  };
  Match longestPrefix(std::string_view text) const {
    Match longest;
    prefixes(text, [&](size_t length, int32_t value) { longest = {length, value}; });
    return longest;
  }
  /// Whether a string begins with this byte.
  bool beginsWith(char first) const { return !rootChildren_.empty() && rootChildren_[static_cast<uint8_t>(first)] != 0; }

 private:
  struct Node {
    uint32_t firstChild = 0;
    uint16_t numChildren = 0;
    uint8_t label = 0; ///< the byte that leads here
    int32_t value = -1;
  };
  /// 0: none
  uint32_t child(uint32_t node, uint8_t label) const {
    if (node == 0) return rootChildren_[label];
    const Node& parent = nodes_[node];
    uint32_t low = parent.firstChild, high = low + parent.numChildren;
    while (high - low > 4) {
      const uint32_t middle = low + (high - low) / 2;
      if (nodes_[middle].label <= label) low = middle;
      else high = middle;
    }
    for (; low < high; ++low)
      if (nodes_[low].label == label) return low;
    return 0;
  }

  std::vector<Node> nodes_;
  std::vector<uint32_t> rootChildren_; ///< 256
};

} // namespace jinx::text
