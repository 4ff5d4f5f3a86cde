// Properties of code points and the normalization forms of Unicode, by utf8proc's tables.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace jinx::text {

bool isWhiteSpace(char32_t c);  ///< property White_Space
bool isNumeric(char32_t c);     ///< category N: digits, letters as numbers, fractions
bool isPunctuation(char32_t c); ///< category P
bool isSign(char32_t c);        ///< punctuation, and the symbols of ASCII
bool isMark(char32_t c);        ///< category Mn: marks that take no room
bool isAnyMark(char32_t c);     ///< category M
bool isControl(char32_t c);     ///< categories Cc, Cf, Co, Cs: not what is not assigned
bool isWord(char32_t c);        ///< letters, marks, decimal digits, connecting punctuation: \w
char32_t lowerCase(char32_t c); ///< of U+0130 the i without what follows it

enum class NormalForm : uint8_t { kNfc, kNfd, kNfkc, kNfkd };
/// \param text  valid UTF-8. The time is linear in it, but for runs of marks, which are sorted.
std::string normalForm(std::string_view text, NormalForm form);

/// Whether a grapheme cluster ends between `before` and `after`. `state` is 0 at the start of a text, and is kept from call to call.
bool isGraphemeBreak(char32_t before, char32_t after, int32_t& state);

} // namespace jinx::text
