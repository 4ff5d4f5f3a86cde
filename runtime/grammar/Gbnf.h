// Grammars in the notation of llama.cpp.
//
//   # a list of numbers
//   root   ::= "[" ws number ("," ws number)* "]"
//   number ::= "-"? [0-9]{1,15} | "0x" [0-9a-fA-F]+
//   ws     ::= [ \t\n]*
//
// Escapes in literals and sets: \n \r \t \\ \" \[ \] \- \xHH \uHHHH \UHHHHHHHH. `.` is any character. An alternative may begin on a new line with |.
// A rule whose alternatives begin with itself is read as a repetition; one that does so through others is refused.
#pragma once

#include <string_view>

#include "runtime/grammar/Automaton.h"

namespace jinx::grammar {

/// Adds all rules. \returns the one named `root`; errors name the line
Expected<int32_t> parseGbnf(std::string_view grammar, Rules& rules, Budget& budget);

} // namespace jinx::grammar
