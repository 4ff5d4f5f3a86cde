#include "tools/common/loadgen/SseReader.h"

#include <algorithm>
#include <utility>

namespace jinx::loadgen {

std::vector<std::string> SseReader::push(std::string_view bytes) {
  std::vector<std::string> events;
  for (const char c : bytes) {
    if (isTooLong_) break;
    const bool isSecondOfTwo = c == '\n' && endedInCr_;
    endedInCr_ = c == '\r';
    if (isSecondOfTwo) continue;
    if (c == '\n' || c == '\r') endLine(events);
    else line_ += c;
    isTooLong_ = line_.size() + data_.size() > kMostBytes;
  }
  return events;
}

void SseReader::endLine(std::vector<std::string>& events) {
  std::string_view line = line_;
  if (std::exchange(isFirstLine_, false) && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
  if (line.empty()) {
    if (std::exchange(hasData_, false)) events.push_back(std::exchange(data_, {}));
  } else if (line == "data" || line.starts_with("data:")) {
    line.remove_prefix(std::min<size_t>(5, line.size()));
    if (line.starts_with(' ')) line.remove_prefix(1);
    if (std::exchange(hasData_, true)) data_ += '\n';
    data_ += line;
  }
  line_.clear();
}

} // namespace jinx::loadgen
