// Regular expressions in RE2's syntax, matched in time linear in the text and without recursion over it.
//
// A pattern is parsed to a tree and compiled to a small program; all its threads run side by side over the text
// (Thompson 1968; Cox, "Regular Expression Matching: the Virtual Machine Approach"). Example, (ab)?c :
//
//   0 split 1 3   1 'a'   2 'b'   3 'c'   4 match
//
// Supported: literals, . [] [^] ranges, \d \w \s and their opposites, [[:alpha:]], ( ) (?: ) (?P<n> ) (?<n> ), flags i
// m s U, | * + ? {n,m} with lazy forms, ^ $ \A \z \b \B, escapes \n \t \x41 \x{41} \101 \Q…\E. Not supported: \p{…} and
// \C.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/Status.h"

namespace jinx {

class Regex {
 public:
  /// kInvalidArgument for a malformed pattern, kUnimplemented for a construct listed above as not supported.
  static Expected<Regex> compile(std::string_view pattern);
  /// Whether the whole of `text` (UTF-8) matches.
  bool fullMatch(std::string_view text) const;

  struct Range {
    char32_t low, high;
  };
  enum class Kind : uint8_t { kChar, kSplit, kJump, kAssert, kMatch };
  enum class Assertion : uint8_t { kTextStart, kTextEnd, kLineStart, kLineEnd, kWordBoundary, kNotWordBoundary };
  struct Instruction {
    Kind kind;
    Assertion assertion = Assertion::kTextStart;
    int next = 0, other = 0;   // kSplit goes to both
    std::vector<Range> ranges; // kChar: sorted or not, any may match
  };

 private:
  std::vector<Instruction> program_;
};

} // namespace jinx
