// Regular expressions as constrained decoding takes them.
//
//   characters  a \n \t \r \f \v \a \0 \xHH \uHHHH \u{H…} \x{H…} \.          .  (all but a line feed)
//   sets        [a-z\d] [^…] \d \w \s \D \W \S (of ASCII, as in ECMAScript's \d)  \p{L} \P{Lu} (general categories)
//   structure   a|b  (a)  (?:a)  (?P<name>a)  (?<name>a)  * + ? {n} {n,} {n,m} {,m}; lazy forms (*?) are the same texts
//   anchors     ^ \A and $ \Z at the ends of the pattern, or of its alternatives
//
// Lookaround, backreferences, word boundaries, flags, atomic groups and possessive repetition are refused by name.
#pragma once

#include <string_view>

#include "runtime/grammar/Expression.h"

namespace jinx::grammar {

/// \returns with anchors; kInvalidArgument and kUnimplemented name the offset in bytes
Expected<Expression> parseRegex(std::string_view pattern, Budget& budget);

} // namespace jinx::grammar
