#include "runtime/grammar/JsonText.h"

namespace jinx::grammar {
namespace {

constexpr std::string_view kShort = "\b\f\n\r\t\"\\", kShortNames = "bfnrt\"\\";
constexpr std::string_view kHexDigits = "0123456789abcdef";

/// What may stand in a string as it is.
const CharSet& plainCharacters() {
  static const CharSet set = CharSet({{' ', 0x10FFFF}}).without(CharSet({{'"', '"'}, {'\\', '\\'}}));
  return set;
}

std::string escapedControl(char c) {
  const size_t at = kShort.find(c);
  if (at != std::string_view::npos) return {'\\', kShortNames[at]};
  return std::string("\\u00") + kHexDigits[static_cast<uint8_t>(c) / 16] + kHexDigits[static_cast<uint8_t>(c) % 16];
}

bool isEscaped(char c) { return static_cast<uint8_t>(c) < 0x20 || c == '"' || c == '\\'; }

int32_t addDigits(Nfa& nfa, int32_t from) { // any number
  nfa.addEdge(from, '0', '9', from);
  return from;
}

int32_t addHexDigit(Nfa& nfa, int32_t from, std::string_view ranges = "09afAF") {
  const int32_t to = nfa.addState();
  for (size_t i = 0; i < ranges.size(); i += 2)
    nfa.addEdge(from, static_cast<uint8_t>(ranges[i]), static_cast<uint8_t>(ranges[i + 1]), to);
  return to;
}

} // namespace

int32_t addJsonCharacter(Nfa& nfa, int32_t from, const CharSet& set) {
  const int32_t to = nfa.addState();
  const CharSet plain = set.intersect(plainCharacters());
  if (!plain.empty()) nfa.addEmpty(nfa.addSet(from, plain), to);
  for (int c = 0; c < 0x80; ++c)
    if (isEscaped(static_cast<char>(c)) && set.contains(static_cast<char32_t>(c))) nfa.addEmpty(nfa.addBytes(from, escapedControl(static_cast<char>(c))), to);
  return to;
}

std::string escapedJson(std::string_view text) {
  std::string result;
  for (char c : text)
    result += isEscaped(c) ? escapedControl(c) : std::string(1, c);
  return result;
}

void JsonText::writeSpace(Nfa& nfa) {
  constexpr int kIndentation = 40;
  nfa.setFinal(nfa.start());
  nfa.setFinal(nfa.addBytes(nfa.start(), " "));
  int32_t at = nfa.addBytes(nfa.start(), "\n");
  nfa.setFinal(at);
  for (int i = 0; i < kIndentation; ++i) {
    const int32_t next = nfa.addByte(at, ' ', ' ');
    nfa.addEdge(at, '\t', '\t', next);
    nfa.setFinal(at = next);
  }
}

/// What comes behind a backslash.
void JsonText::writeEscape(Nfa& nfa) {
  const int32_t end = nfa.addState();
  nfa.setFinal(end);
  for (char c : std::string_view("\"\\/bfnrt"))
    nfa.addEdge(nfa.start(), static_cast<uint8_t>(c), static_cast<uint8_t>(c), end);
  const int32_t u = nfa.addBytes(nfa.start(), "u");
  const int32_t bmp = addHexDigit(nfa, u, "09acefACEF"), d = addHexDigit(nfa, u, "ddDD");
  const int32_t two = addHexDigit(nfa, bmp);
  nfa.addEmpty(addHexDigit(nfa, d, "07"), two); // below D800
  nfa.addEmpty(addHexDigit(nfa, addHexDigit(nfa, two)), end);
  int32_t low = addHexDigit(nfa, addHexDigit(nfa, addHexDigit(nfa, d, "89abAB"))); // a pair of surrogates
  low = addHexDigit(nfa, addHexDigit(nfa, nfa.addBytes(low, "\\u"), "ddDD"), "cfCF");
  nfa.addEmpty(addHexDigit(nfa, addHexDigit(nfa, low)), end);
}

int32_t JsonText::addCharacter(Nfa& nfa, int32_t from) {
  const int32_t to = nfa.addSet(from, plainCharacters());
  nfa.addEmpty(nfa.addCall(nfa.addBytes(from, "\\"), rule(escape_, &JsonText::writeEscape)), to);
  return to;
}

void JsonText::writeString(Nfa& nfa) {
  const int32_t loop = nfa.addBytes(nfa.start(), "\"");
  nfa.addEmpty(addCharacter(nfa, loop), loop);
  nfa.setFinal(nfa.addBytes(loop, "\""));
}

void JsonText::writeInteger(Nfa& nfa) {
  const int32_t digits = nfa.addState();
  nfa.addEmpty(nfa.start(), digits);
  nfa.addEmpty(nfa.addBytes(nfa.start(), "-"), digits);
  nfa.setFinal(nfa.addBytes(digits, "0"));
  nfa.setFinal(addDigits(nfa, nfa.addByte(digits, '1', '9')));
}

void JsonText::writeNumber(Nfa& nfa) {
  const int32_t whole = nfa.addCall(nfa.start(), integer());
  nfa.setFinal(whole);
  const int32_t fraction = addDigits(nfa, nfa.addByte(nfa.addBytes(whole, "."), '0', '9'));
  nfa.setFinal(fraction);
  const int32_t e = nfa.addState(), digits = nfa.addState();
  for (int32_t from : {whole, fraction})
    for (uint8_t c : {'e', 'E'})
      nfa.addEdge(from, c, c, e);
  nfa.addEmpty(e, digits);
  for (uint8_t c : {'+', '-'})
    nfa.addEdge(e, c, c, digits);
  nfa.setFinal(addDigits(nfa, nfa.addByte(digits, '0', '9')));
}

template <typename Part>
void JsonText::writeList(Nfa& nfa, char open, char close, Part part) {
  const int32_t first = nfa.addCall(nfa.addBytes(nfa.start(), {&open, 1}), space());
  const int32_t end = nfa.addState(), more = part(first);
  nfa.addEmpty(part(nfa.addCall(nfa.addBytes(more, ","), space())), more);
  nfa.addEmpty(nfa.addCall(more, space()), end);
  nfa.addEmpty(first, end);
  nfa.setFinal(nfa.addBytes(end, {&close, 1}));
}

void JsonText::writeObject(Nfa& nfa) {
  writeList(nfa, '{', '}', [&](int32_t from) { return nfa.addCall(nfa.addCall(nfa.addBytes(nfa.addCall(from, string()), ":"), space()), value()); });
}

void JsonText::writeArray(Nfa& nfa) {
  writeList(nfa, '[', ']', [&](int32_t from) { return nfa.addCall(from, value()); });
}

void JsonText::writeValue(Nfa& nfa) {
  for (const char* word : {"null", "true", "false"})
    nfa.setFinal(nfa.addBytes(nfa.start(), word));
  for (int32_t part : {string(), number(), object(), array()})
    nfa.setFinal(nfa.addCall(nfa.start(), part));
}

} // namespace jinx::grammar
