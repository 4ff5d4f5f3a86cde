#include "runtime/chat/Operators.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "runtime/chat/Print.h"
#include "runtime/chat/PythonText.h"

namespace jinx::chat {
namespace {

constexpr std::string_view kSigns[] = {"+", "-", "*", "/", "//", "%", "**"};

[[noreturn]] void failOverflow() { fail("an integer is not in the range of 64 bits"); }
[[noreturn]] void failTypes(Operator op, const Value& left, const Value& right) {
  for (const Value* value : {&left, &right})
    if (value->is(Kind::kUndefined)) fail("'" + value->undefinedName() + "' is undefined");
  fail("'" + std::string(kSigns[static_cast<size_t>(op)]) + "' does not take '" + typeName(left) + "' and '" + typeName(right) + "'");
}

int64_t power(int64_t base, int64_t exponent) {
  int64_t result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) && __builtin_mul_overflow(result, base, &result)) failOverflow();
    if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) failOverflow();
  }
  return result;
}

double modulo(double a, double b) {
  const double rest = std::fmod(a, b);
  if (rest == 0) return std::copysign(0.0, b);
  return (rest < 0) != (b < 0) ? rest + b : rest;
}

double floorDivide(double a, double b) {
  const double quotient = (a - modulo(a, b)) / b;
  if (quotient == 0) return std::copysign(0.0, a / b);
  const double floored = std::floor(quotient);
  return quotient - floored > 0.5 ? floored + 1 : floored;
}

Value integerArithmetic(Operator op, int64_t a, int64_t b, bool mark) {
  int64_t result = 0;
  if (b == 0 && (op == Operator::kFloorDivide || op == Operator::kModulo)) fail("division by zero");
  const bool overflows = a == INT64_MIN && b == -1 && (op == Operator::kFloorDivide || op == Operator::kModulo);
  if (overflows && op == Operator::kFloorDivide) failOverflow();
  switch (op) {
  case Operator::kAdd:
    if (__builtin_add_overflow(a, b, &result)) failOverflow();
    break;
  case Operator::kSubtract:
    if (__builtin_sub_overflow(a, b, &result)) failOverflow();
    break;
  case Operator::kMultiply:
    if (__builtin_mul_overflow(a, b, &result)) failOverflow();
    break;
  case Operator::kFloorDivide: result = a / b - (a % b != 0 && (a % b < 0) != (b < 0)); break;
  case Operator::kModulo: result = overflows ? 0 : a % b == 0 ? 0 : a % b + ((a % b < 0) != (b < 0) ? b : 0); break;
  default: result = power(a, b);
  }
  return Value::integer(result, mark);
}

Value numberArithmetic(Operator op, const Value& left, const Value& right) {
  const bool mark = left.isTemplate() && right.isTemplate();
  const bool whole = left.isInteger() && right.isInteger();
  if (whole && op != Operator::kDivide && (op != Operator::kPower || right.integer() >= 0)) return integerArithmetic(op, left.integer(), right.integer(), mark);
  const double a = left.real(), b = right.real();
  switch (op) {
  case Operator::kAdd: return Value::real(a + b, mark);
  case Operator::kSubtract: return Value::real(a - b, mark);
  case Operator::kMultiply: return Value::real(a * b, mark);
  case Operator::kPower:
    if (a == 0 && b < 0) fail("zero has no negative powers");
    if (a < 0 && std::isfinite(b) && std::floor(b) != b) fail("a negative number has no such power");
    if (const double result = std::pow(a, b); std::isfinite(result) || !std::isfinite(a) || !std::isfinite(b)) return Value::real(result, mark);
    fail("a power is too large");
  default: break;
  }
  if (b == 0) fail("division by zero");
  if (op == Operator::kDivide) return Value::real(a / b, mark);
  return Value::real(op == Operator::kModulo ? modulo(a, b) : floorDivide(a, b), mark);
}

Value addTexts(const Value& left, const Value& right, Budget& budget) {
  const bool isMarkup = left.isMarkup() || right.isMarkup();
  MarkedText sum = isMarkup && !left.isMarkup() ? escapeHtml(left.text()) : left.text();
  sum.append(isMarkup && !right.isMarkup() ? escapeHtml(right.text()) : right.text());
  budget.chargeBytes(sum.size());
  return isMarkup ? Value::text(std::move(sum)).asMarkup() : Value::text(std::move(sum));
}

Value addLists(const Value& left, const Value& right, Budget& budget) {
  std::vector<Value> items = left.items();
  items.insert(items.end(), right.items().begin(), right.items().end());
  budget.charge(items.size());
  return Value::sequence(left.kind(), std::move(items), left.isTemplate() && right.isTemplate(), budget);
}

Value repeated(const Value& value, int64_t times, Budget& budget) {
  times = std::max<int64_t>(times, 0);
  const size_t size = value.is(Kind::kText) ? value.text().size() : value.items().size();
  size_t total = 0;
  if (__builtin_mul_overflow(size, static_cast<size_t>(times), &total)) total = SIZE_MAX / 2;
  if (value.is(Kind::kText)) {
    budget.chargeBytes(total);
    MarkedText text;
    for (; times > 0 && size > 0; --times)
      text.append(value.text());
    return value.isMarkup() ? Value::text(std::move(text)).asMarkup() : Value::text(std::move(text));
  }
  budget.charge(total);
  std::vector<Value> items;
  for (; times > 0 && size > 0; --times)
    items.insert(items.end(), value.items().begin(), value.items().end());
  return Value::sequence(value.kind(), std::move(items), value.isTemplate(), budget);
}

} // namespace

Value arithmetic(Operator op, const Value& left, const Value& right, Budget& budget) {
  if (left.isNumber() && right.isNumber()) return numberArithmetic(op, left, right);
  const bool isList = left.is(Kind::kList) || left.is(Kind::kTuple);
  if (op == Operator::kModulo && left.is(Kind::kText)) return formatted(left, right, budget);
  if (op == Operator::kAdd && left.is(Kind::kText) && right.is(Kind::kText)) return addTexts(left, right, budget);
  if (op == Operator::kAdd && isList && left.kind() == right.kind()) return addLists(left, right, budget);
  if (op == Operator::kMultiply && (isList || left.is(Kind::kText)) && right.isInteger()) return repeated(left, right.integer(), budget);
  if (op == Operator::kMultiply && left.isInteger() && (right.is(Kind::kText) || right.is(Kind::kList) || right.is(Kind::kTuple))) return repeated(right, left.integer(), budget);
  failTypes(op, left, right);
}

Value negated(const Value& value) {
  if (value.is(Kind::kFloat)) return Value::real(-value.real(), value.isTemplate());
  if (value.is(Kind::kUndefined)) fail("'" + value.undefinedName() + "' is undefined");
  if (!value.isInteger()) fail("'-' does not take '" + typeName(value) + "'");
  if (value.integer() == INT64_MIN) failOverflow();
  return Value::integer(-value.integer(), value.isTemplate());
}

// ---- slices ------------------------------------------------------------------------------------------------------------------------

namespace {

std::optional<int64_t> boundOf(const Value& value) {
  if (value.is(Kind::kNone)) return std::nullopt;
  if (!value.isInteger()) fail("a slice has a bound of type " + typeName(value) + ", expected int");
  return value.integer();
}

/// The places that a slice takes: from `begin` on by `step`, not `end` itself.
struct Slice {
  int64_t begin, end, step;
  std::vector<size_t> places;
};

/// Of `size` elements, as Python has them.
Slice sliceOf(int64_t size, std::optional<int64_t> begin, std::optional<int64_t> end, int64_t step) {
  const auto clamp = [&](int64_t place) {
    if (place < 0) place = std::max<int64_t>(place, -size - 1) + size;
    return std::clamp<int64_t>(place, step < 0 ? -1 : 0, step < 0 ? size - 1 : size);
  };
  Slice slice{begin ? clamp(*begin) : step < 0 ? size - 1 : 0, end ? clamp(*end) : step < 0 ? -1 : size, step, {}};
  for (int64_t at = slice.begin; step < 0 ? at > slice.end : at < slice.end;) {
    slice.places.push_back(static_cast<size_t>(at));
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  return slice;
}

/// Past 64 bits a bound is only shown, never walked to.
int64_t boundAt(const RangeObject& range, int64_t place) {
  int64_t bound = 0;
  if (__builtin_mul_overflow(place, range.step, &bound) || __builtin_add_overflow(bound, range.begin, &bound)) failOverflow();
  return bound;
}

} // namespace

Value sliced(const Value& value, const Value& begin, const Value& end, const Value& step, Budget& budget) {
  const bool isText = value.is(Kind::kText);
  if (value.is(Kind::kUndefined)) fail("'" + value.undefinedName() + "' is undefined");
  if (!isText && (!value.isSequence() || value.is(Kind::kView))) fail("a value of type " + typeName(value) + " has no slices");
  const std::optional<int64_t> from = boundOf(begin), to = boundOf(end);
  const int64_t by = boundOf(step).value_or(1);
  if (by == 0) fail("the step of a slice is 0");
  if (!isText) {
    const Slice slice = sliceOf(static_cast<int64_t>(value.items().size()), from, to, by);
    budget.charge(slice.places.size());
    std::vector<Value> items;
    for (size_t place : slice.places)
      items.push_back(value.items()[place]);
    if (value.is(Kind::kRange)) {
      const auto& range = value.as<RangeObject>();
      int64_t step = 0;
      if (__builtin_mul_overflow(range.step, by, &step)) failOverflow();
      return Value::range(boundAt(range, slice.begin), boundAt(range, slice.end), step, std::move(items));
    }
    return Value::sequence(value.is(Kind::kTuple) ? Kind::kTuple : Kind::kList, std::move(items), value.isTemplate(), budget);
  }
  const std::vector<size_t> begins = codeBegins(value.bytes());
  const std::vector<size_t> places = sliceOf(static_cast<int64_t>(begins.size()) - 1, from, to, by).places;
  budget.chargeBytes(value.text().size());
  MarkedText text;
  if (by == 1 && !places.empty()) text = value.text().slice(begins[places.front()], begins[places.back() + 1]);
  else
    for (size_t place : places)
      text.append(value.text(), begins[place], begins[place + 1]);
  return value.isMarkup() ? Value::text(std::move(text)).asMarkup() : Value::text(std::move(text));
}

// ---- numbers in text ---------------------------------------------------------------------------------------------------------------

namespace {

/// Without white space around it and underscores between digits; nothing where those stand elsewhere.
std::optional<std::string> plainNumber(std::string_view text) {
  text = text.substr(0, endWithoutSpace(text));
  text = text.substr(beginWithoutSpace(text));
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto isDigitAt = [&](size_t at) { return at < text.size() && std::isalnum(static_cast<unsigned char>(text[at])); };
    if (text[i] != '_') plain += text[i];
    else if (i == 0 || !isDigitAt(i - 1) || !isDigitAt(i + 1)) return std::nullopt;
  }
  return plain;
}

} // namespace

std::optional<int64_t> parseInteger(std::string_view text, int base) {
  std::optional<std::string> plain = plainNumber(text);
  if (!plain || plain->empty()) return std::nullopt;
  const bool isNegative = (*plain)[0] == '-';
  std::string digits = plain->substr(isNegative || (*plain)[0] == '+' ? 1 : 0);
  const auto hasPrefix = [&](char letter) { return digits.size() > 2 && digits[0] == '0' && (digits[1] | 0x20) == letter; };
  for (auto [letter, own] : {std::pair{'x', 16}, {'o', 8}, {'b', 2}})
    if ((base == own || base == 0) && hasPrefix(letter)) digits = digits.substr(2), base = own;
  if (base == 0) base = 10;
  if (digits.empty() || digits[0] == '-' || digits[0] == '+') return std::nullopt;
  digits = (isNegative ? "-" : "") + digits;
  int64_t number = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), number, base);
  if (read.ptr != digits.data() + digits.size() || read.ec == std::errc::invalid_argument) return std::nullopt;
  if (read.ec != std::errc()) failOverflow();
  return number;
}

std::optional<double> parseFloat(std::string_view text) {
  std::optional<std::string> plain = plainNumber(text);
  if (!plain || plain->empty()) return std::nullopt;
  std::string digits = *plain;
  std::ranges::transform(digits, digits.begin(), [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
  const std::string_view unsignedPart = std::string_view(digits).substr(digits[0] == '-' || digits[0] == '+' ? 1 : 0);
  const double sign = digits[0] == '-' ? -1 : 1;
  if (unsignedPart == "inf" || unsignedPart == "infinity") return sign * INFINITY;
  if (unsignedPart == "nan") return NAN;
  if (unsignedPart.empty() || unsignedPart.find_first_not_of("0123456789.e+-") != std::string_view::npos) return std::nullopt;
  double number = 0;
  const auto read = std::from_chars(unsignedPart.data(), unsignedPart.data() + unsignedPart.size(), number);
  if (unsignedPart[0] == '-' || read.ptr != unsignedPart.data() + unsignedPart.size() || read.ec == std::errc::invalid_argument) return std::nullopt;
  if (read.ec == std::errc::result_out_of_range) number = std::strtod(std::string(unsignedPart).c_str(), nullptr);
  return sign * number;
}

double rounded(double value, int64_t precision) {
  if (!std::isfinite(value) || precision > 300) return value;
  if (precision < -300) return std::copysign(0.0, value);
  if (precision >= 0) {
    char buffer[700];
    std::snprintf(buffer, sizeof buffer, "%.*f", static_cast<int>(precision), value);
    return std::strtod(buffer, nullptr);
  }
  const double unit = std::pow(10.0, static_cast<double>(-precision));
  return std::nearbyint(value / unit) * unit;
}

} // namespace jinx::chat
