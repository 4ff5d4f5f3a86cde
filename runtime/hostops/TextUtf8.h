// Text as code points: what the string operators need of UTF-8, case and white space.
#pragma once

#include <string>
#include <string_view>

namespace jinx::utf8 {

/// The code point at `*at`, which moves behind it. A malformed byte stands for itself as U+FFFD.
char32_t next(std::string_view text, size_t* at);
void append(std::string* text, char32_t c);

/// Unicode's White_Space, and the separators 28…31 that Python adds.
bool isSpace(char32_t c);

/// One code point to one code point, in the character type of some locale; ASCII only when the system has no UTF-8
/// locale.
class CaseMap {
 public:
  /// `locale` as in "en_US"; an unknown or empty one means plain Unicode.
  explicit CaseMap(const std::string& locale = "");
  ~CaseMap();
  CaseMap(const CaseMap&) = delete;
  CaseMap& operator=(const CaseMap&) = delete;

  char32_t lower(char32_t c) const;
  char32_t upper(char32_t c) const;
  std::string lower(std::string_view text) const;
  std::string upper(std::string_view text) const;

 private:
  void* locale_; // a POSIX locale_t, or null
};

} // namespace jinx::utf8
