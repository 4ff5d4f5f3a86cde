// A reader of source text, by characters.
#pragma once

#include <string>
#include <string_view>

#include "runtime/grammar/Budget.h"
#include "runtime/text/Utf8.h"

namespace jinx::grammar {

/// kResource for one that is too long, kInvalidArgument for one that is no UTF-8.
inline Status checkSource(std::string_view text, const char* what, Budget& budget) {
  if (text.size() > budget.limits().sourceBytes)
    return resourceError(std::string(what) + " has " + std::to_string(text.size()) + " bytes, expected at most " + std::to_string(budget.limits().sourceBytes) + " (sourceBytes)");
  if (!text::isUtf8(text)) return invalidArgument(std::string(what) + " is no UTF-8");
  return Status::ok();
}

class SourceReader {
 public:
  /// \param text  UTF-8
  explicit SourceReader(std::string_view text) : text_(text) {}

  bool atEnd() const { return at_ >= text_.size(); }
  size_t offset() const { return at_; } ///< in bytes
  void goTo(size_t offset) { at_ = offset; }
  /// 0 at the end.
  char32_t peek() const { return atEnd() ? 0 : text::utf8At(text_, at_).code; }
  void skip() {
    if (!atEnd()) at_ += text::utf8At(text_, at_).size;
  }
  bool startsWith(std::string_view text) const { return text_.substr(at_).starts_with(text); }
  bool take(char c) {
    if (atEnd() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool takeText(std::string_view text) {
    if (!startsWith(text)) return false;
    at_ += text.size();
    return true;
  }
  /// Decimal digits; as many as 10^12 says, more counts as that.
  bool takeNumber(int64_t& value) {
    constexpr int64_t kMost = 1'000'000'000'000;
    if (atEnd() || text_[at_] < '0' || text_[at_] > '9') return false;
    for (value = 0; !atEnd() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_)
      value = std::min(kMost, value * 10 + (text_[at_] - '0'));
    return true;
  }
  bool takeHexadecimal(int32_t least, int32_t most, char32_t& code) {
    int32_t count = 0;
    for (code = 0; count < most && !atEnd(); ++count, ++at_) {
      const char c = text_[at_];
      const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
      if (digit < 0) break;
      code = code * 16 + static_cast<char32_t>(digit);
    }
    return count >= least;
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

} // namespace jinx::grammar
