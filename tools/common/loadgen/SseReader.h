// Server-sent events out of the bytes of a stream, as WHATWG's HTML standard says in section 9.2.6.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace jinx::loadgen {

/// Bytes come in any portions. Lines end in LF, CR LF or CR; lines of "data" belong to an event, a blank line ends it; comments and other fields are dropped.
class SseReader {
 public:
  /// An event that is longer is no answer of a model.
  static constexpr size_t kMostBytes = 4 << 20;

  /// \returns the data of the events that these bytes end, in order; what no blank line has ended waits
  std::vector<std::string> push(std::string_view bytes);
  /// An event had more than kMostBytes; it and all after it are dropped.
  bool isTooLong() const { return isTooLong_; }

 private:
  void endLine(std::vector<std::string>& events);

  std::string line_, data_;
  bool hasData_ = false, endedInCr_ = false, isFirstLine_ = true, isTooLong_ = false;
};

} // namespace jinx::loadgen
