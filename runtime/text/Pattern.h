// Regular expressions of tokenizer files, over PCRE2: Unicode properties, lookahead, possessive quantifiers; compiled to machine code where PCRE2 can.
//
// What `\s` means is changed to Unicode's White_Space: PCRE2 takes U+180E for white space too, the engines that such files are written for do not.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "runtime/base/Status.h"

struct pcre2_real_code_8;
struct pcre2_real_match_data_8;
struct pcre2_real_match_context_8;

namespace jinx::text {

class Pattern {
 public:
  /// kInvalidArgument, with the place, for a malformed pattern; kUnimplemented for intersections of character classes.
  static Expected<Pattern> compile(std::string_view pattern);

 private:
  friend class PatternMatcher;
  std::shared_ptr<pcre2_real_code_8> code_; ///< never changes: copies share it
  bool native_ = false;
};

/// Finds the matches of a pattern one after another. Not shared by threads.
class PatternMatcher {
 public:
  explicit PatternMatcher(const Pattern& pattern);
  ~PatternMatcher();
  PatternMatcher(const PatternMatcher&) = delete;
  PatternMatcher& operator=(const PatternMatcher&) = delete;

  enum class Answer { kMatch, kNone, kFailed };
  /// The first match in text, valid UTF-8, at `from` or behind it: begin() and end(). kFailed when it takes too many steps or too much memory: failure() says which.
  Answer find(std::string_view text, size_t from);
  size_t begin() const { return begin_; }
  size_t end() const { return end_; }
  Status failure() const;

 private:
  const Pattern& pattern_;
  pcre2_real_match_data_8* data_ = nullptr;
  pcre2_real_match_context_8* context_ = nullptr;
  size_t begin_ = 0, end_ = 0;
  int error_ = 0;
};

} // namespace jinx::text
