// Numbers in decimal, exactly, and automata of the numbers between two of them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "runtime/grammar/Nfa.h"

namespace jinx::grammar {

struct Decimal {
  bool isNegative = false;
  std::string whole, fraction; ///< digits, without zeros in front, or at the end

  bool isZero() const { return whole.empty() && fraction.empty(); }
  bool isInteger() const { return fraction.empty(); }
  Decimal negated() const;
};

/// \param text  a JSON number. kResource for one that needs more than 400 digits.
Expected<Decimal> parseDecimal(std::string_view text);
/// Below 0 when a is less, 0 when they are equal.
int compare(const Decimal& a, const Decimal& b);

struct Bound {
  Decimal value;
  bool isOpen = false; ///< the value itself is not in the range
};

/// A JSON number without exponent between the bounds, where there are any. \returns the state behind it
int32_t addNumber(Nfa& nfa, int32_t from, const std::optional<Bound>& low, const std::optional<Bound>& high, bool isInteger);

} // namespace jinx::grammar
