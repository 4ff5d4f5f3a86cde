// What Python's str does, on text that knows who wrote it: places are code points, and every byte keeps its mark.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/chat/MarkedText.h"

namespace jinx::chat {

bool isSpace(char32_t code); ///< as str.isspace
/// The end of `text` without white space there, and the begin.
size_t endWithoutSpace(std::string_view text);
size_t beginWithoutSpace(std::string_view text);

size_t countCodes(std::string_view text);
/// The byte at which the code point of this number begins; the text's size past the last one.
size_t byteOfCode(std::string_view text, size_t code);
/// The bytes at which code points begin, and the text's size.
std::vector<size_t> codeBegins(std::string_view text);

// Case by Unicode's simple mappings, and ß to SS.
MarkedText toUpper(const MarkedText& text);
MarkedText toLower(const MarkedText& text);
MarkedText toCapitalized(const MarkedText& text);
MarkedText toTitle(const MarkedText& text);        ///< as str.title
MarkedText toTitleOfFilter(const MarkedText& text); ///< as Jinja's filter: a letter behind an apostrophe stays small
MarkedText toSwappedCase(const MarkedText& text);

enum class Side : uint8_t { kBoth, kLeft, kRight };
/// \param characters  nothing: white space
MarkedText strip(const MarkedText& text, std::optional<std::string_view> characters, Side side);
/// \param separator  nothing: runs of white space; not empty
/// \param most       splits; -1: all
std::vector<MarkedText> split(const MarkedText& text, std::optional<std::string_view> separator, int64_t most, bool fromRight);
std::vector<MarkedText> splitLines(const MarkedText& text, bool keepsEnds);
/// \param most  replacements; -1: all
MarkedText replace(const MarkedText& text, std::string_view from, const MarkedText& to, int64_t most);
MarkedText escapeHtml(const MarkedText& text);
/// As repr: in quotes, with escapes.
MarkedText quoted(const MarkedText& text);

// str.isalpha and its kin.
bool isAlpha(char32_t code);
bool isDigit(char32_t code);
bool isAlphaOrDigit(char32_t code);
bool isUpper(char32_t code);
bool isLower(char32_t code);
/// Not empty, and all code points are so.
bool all(std::string_view text, bool (*is)(char32_t));

} // namespace jinx::chat
