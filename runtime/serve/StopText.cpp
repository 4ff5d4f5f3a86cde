#include "runtime/serve/StopText.h"

#include <algorithm>
#include <utility>

namespace jinx::serve {

std::string StopText::push(std::string_view text) {
  if (stops_.empty()) return std::string(text);
  held_ += text;
  size_t first = std::string::npos;
  for (const std::string& stop : stops_)
    first = std::min(first, held_.find(stop));
  if (first != std::string::npos) {
    isStopped_ = true;
    held_.resize(first);
    return std::exchange(held_, {});
  }
  const size_t sure = held_.size() - heldBack();
  std::string out = held_.substr(0, sure);
  held_.erase(0, sure);
  return out;
}

std::string StopText::finish() { return std::exchange(held_, {}); }

/// How long the longest end of the text is that begins a stop string.
size_t StopText::heldBack() const {
  size_t longest = 0;
  for (const std::string& stop : stops_)
    for (size_t length = std::min(stop.size() - 1, held_.size()); length > longest; --length)
      if (std::string_view(held_).substr(held_.size() - length) == std::string_view(stop).substr(0, length)) longest = length;
  return longest;
}

} // namespace jinx::serve
