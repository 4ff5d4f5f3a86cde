// Python's arithmetic. Integers have 64 bits: what does not fit is a fault.
#pragma once

#include <optional>
#include <string_view>

#include "runtime/chat/Budget.h"
#include "runtime/chat/Syntax.h"

namespace jinx::chat {

/// \param op  kAdd to kPower. Throws for types that it has not.
Value arithmetic(Operator op, const Value& left, const Value& right, Budget& budget);
Value negated(const Value& value);
/// The elements, or the code points, that [begin:end:step] takes. Each bound may be none or undefined.
Value sliced(const Value& value, const Value& begin, const Value& end, const Value& step, Budget& budget);
/// "…" % value
Value formatted(const Value& format, const Value& value, Budget& budget);
/// As int() and float() of a text; nothing where it is no number.
std::optional<int64_t> parseInteger(std::string_view text, int base);
std::optional<double> parseFloat(std::string_view text);
/// As Python's round(); of an integer an integer for precisions from 0 on.
double rounded(double value, int64_t precision);

} // namespace jinx::chat
