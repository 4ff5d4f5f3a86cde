// How JSON is written: the rules that schemas share.
//
//   space    after { [ , : and before } ]: nothing, one space, or a line feed and up to 40 spaces or tabs. No space before a document or behind it
//   string   any characters; escapes \" \\ \/ \b \f \n \r \t and \uXXXX, in which surrogates come in pairs
//   number   as RFC 8259 has it; a bounded one has no exponent
//   integer  no fraction and no exponent
#pragma once

#include <string>
#include <string_view>

#include "runtime/grammar/Automaton.h"

namespace jinx::grammar {

/// A character of the set inside a string, in the one way that a printer without ASCII escapes writes it.
int32_t addJsonCharacter(Nfa& nfa, int32_t from, const CharSet& set);
/// Text as such a printer writes it, without quotation marks.
std::string escapedJson(std::string_view text);

/// Rules that are added when they are first asked for.
class JsonText {
 public:
  explicit JsonText(Rules& rules) : rules_(rules) {}

  int32_t space() { return rule(space_, &JsonText::writeSpace); }
  int32_t string() { return rule(string_, &JsonText::writeString); }
  int32_t number() { return rule(number_, &JsonText::writeNumber); }
  int32_t integer() { return rule(integer_, &JsonText::writeInteger); }
  int32_t value() { return rule(value_, &JsonText::writeValue); }
  int32_t object() { return rule(object_, &JsonText::writeObject); }
  int32_t array() { return rule(array_, &JsonText::writeArray); }

  /// One character of a string, escaped in any way.
  int32_t addCharacter(Nfa& nfa, int32_t from);

 private:
  int32_t rule(int32_t& known, void (JsonText::*write)(Nfa&)) {
    if (known >= 0) return known;
    known = rules_.add();
    (this->*write)(rules_[known]);
    return known;
  }
  void writeSpace(Nfa& nfa);
  void writeString(Nfa& nfa);
  void writeEscape(Nfa& nfa);
  void writeNumber(Nfa& nfa);
  void writeInteger(Nfa& nfa);
  void writeValue(Nfa& nfa);
  void writeObject(Nfa& nfa);
  void writeArray(Nfa& nfa);
  /// open, parts with commas between them, close
  template <typename Part>
  void writeList(Nfa& nfa, char open, char close, Part part);

  Rules& rules_;
  int32_t space_ = -1, string_ = -1, escape_ = -1, number_ = -1, integer_ = -1, value_ = -1, object_ = -1, array_ = -1;
};

} // namespace jinx::grammar
