#include "runtime/chat/MarkedText.h"

#include <algorithm>

namespace jinx::chat {

size_t MarkedText::runAt(size_t byte) const {
  return static_cast<size_t>(std::upper_bound(runs_.begin(), runs_.end(), byte, [](size_t at, const Run& run) { return at < run.end; }) - runs_.begin());
}

bool MarkedText::isTemplateAt(size_t byte) const {
  const size_t run = runAt(byte);
  return run < runs_.size() && runs_[run].isTemplate;
}

void MarkedText::append(std::string_view bytes, bool isTemplate) {
  if (bytes.empty()) return;
  bytes_ += bytes;
  if (!runs_.empty() && runs_.back().isTemplate == isTemplate) runs_.back().end = bytes_.size();
  else runs_.push_back({bytes_.size(), isTemplate});
}

void MarkedText::append(const MarkedText& other, size_t begin, size_t end) {
  if (this == &other) return append(other.slice(begin, end));
  for (size_t run = other.runAt(begin); begin < end && run < other.runs_.size(); ++run) {
    const size_t stop = std::min(end, other.runs_[run].end);
    append(std::string_view(other.bytes_).substr(begin, stop - begin), other.runs_[run].isTemplate);
    begin = stop;
  }
}

MarkedText MarkedText::slice(size_t begin, size_t end) const {
  MarkedText part;
  part.append(*this, std::min(begin, size()), std::min(end, size()));
  return part;
}

} // namespace jinx::chat
