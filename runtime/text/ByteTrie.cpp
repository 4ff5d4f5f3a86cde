#include "runtime/text/ByteTrie.h"

#include <algorithm>

namespace jinx::text {

ByteTrie::ByteTrie(std::vector<std::pair<std::string_view, int32_t>> strings) {
  std::erase_if(strings, [](const auto& string) { return string.first.empty(); });
  if (strings.empty()) return;
  std::ranges::sort(strings); // of equal strings the least value comes first
  // The strings of a node are a range; all have `depth` bytes in common.
  struct Range {
    size_t begin, end;
  };
  std::vector<Range> ranges = {{0, strings.size()}};
  nodes_.push_back({});
  size_t levelEnd = 1, depth = 0;
  for (size_t node = 0; node < nodes_.size(); ++node) {
    if (node == levelEnd) ++depth, levelEnd = nodes_.size();
    auto [at, end] = ranges[node];
    for (; at < end && strings[at].first.size() == depth; ++at)
      if (nodes_[node].value < 0) nodes_[node].value = strings[at].second;
    nodes_[node].firstChild = static_cast<uint32_t>(nodes_.size());
    while (at < end) {
      const auto label = static_cast<uint8_t>(strings[at].first[depth]);
      size_t next = at;
      while (next < end && static_cast<uint8_t>(strings[next].first[depth]) == label)
        ++next;
      nodes_.push_back({0, 0, label, -1});
      ranges.push_back({at, next});
      ++nodes_[node].numChildren;
      at = next;
    }
  }
  rootChildren_.assign(256, 0);
  for (uint32_t i = 0; i < nodes_[0].numChildren; ++i)
    rootChildren_[nodes_[nodes_[0].firstChild + i].label] = nodes_[0].firstChild + i;
}

} // namespace jinx::text
