// Source of a template to tokens, white space around tags removed as transformers has it.
//
//   "a\n  {%- if x %}\n{{ 'b' }}"   text "a" | {% | name if | name x | %} | {{ | text 'b' | }}
//
// A minus beside a tag takes all white space on that side. Without a sign a newline behind a block or a comment goes (trim_blocks), and so does what
// stands in front of it on its line where that is white space (lstrip_blocks); a plus keeps it. The newline at the end of the source goes, too.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/chat/Fault.h"

namespace jinx::chat {

struct Token {
  enum class Kind : uint8_t { kText, kBlockBegin, kBlockEnd, kPrintBegin, kPrintEnd, kName, kString, kInteger, kFloat, kOperator, kEnd };
  Kind kind;
  std::string text; ///< of a string its value; of an operator its signs
  Position at;
};

/// \param source  valid UTF-8. Throws a Fault.
std::vector<Token> tokenize(std::string_view source);

/// What a token is called in messages.
std::string describe(const Token& token);

} // namespace jinx::chat
