#include "runtime/grammar/Decimal.h"

#include <algorithm>
#include <array>
#include <map>

#include "runtime/grammar/SourceReader.h"

namespace jinx::grammar {
namespace {

int sign(int64_t value) { return value < 0 ? -1 : value > 0; }

int compareMagnitudes(const Decimal& a, const Decimal& b) {
  if (a.whole.size() != b.whole.size()) return a.whole.size() < b.whole.size() ? -1 : 1;
  if (const int order = a.whole.compare(b.whole)) return sign(order);
  return sign(a.fraction.compare(b.fraction)); // "15" < "151": there are no zeros at the end
}

/// Digits of a number that is read, as far as they matter: how it compares with each bound.
///
/// Of the whole part: as many digits as there are, and how they compare with as many of the bound's. Of the fraction: how the number compares so far.
class Magnitudes {
 public:
  Magnitudes(Nfa& nfa, const std::optional<Bound>& low, const std::optional<Bound>& high, bool isInteger)
      : nfa_(nfa), low_(low), high_(high), isInteger_(isInteger), end_(nfa.addState()) {
    for (const auto* bound : {&low, &high})
      if (*bound) {
        mostWhole_ = std::max(mostWhole_, static_cast<int>((*bound)->value.whole.size()) + 1);
        mostFraction_ = std::max(mostFraction_, static_cast<int>((*bound)->value.fraction.size()) + 1);
      }
  }
  int32_t append(int32_t from) {
    const int32_t zero = nfa_.addByte(from, '0', '0');
    endWhole(zero, 0, 0, 0);
    for (int digit = 1; digit <= 9; ++digit)
      nfa_.addEdge(from, byte(digit), byte(digit), whole(1, next(low_, 0, 0, digit), next(high_, 0, 0, digit)));
    return end_;
  }

 private:
  static uint8_t byte(int digit) { return static_cast<uint8_t>('0' + digit); }
  static int next(const std::optional<Bound>& bound, int order, int at, int digit) {
    if (!bound || order != 0 || at >= static_cast<int>(bound->value.whole.size())) return order;
    return sign(digit - (bound->value.whole[static_cast<size_t>(at)] - '0'));
  }
  static int nextFraction(const std::optional<Bound>& bound, int order, int at, int digit) {
    if (!bound || order != 0) return order;
    const std::string& fraction = bound->value.fraction;
    return sign(digit - (at < static_cast<int>(fraction.size()) ? fraction[static_cast<size_t>(at)] - '0' : 0));
  }
  static int orderOfWhole(const std::optional<Bound>& bound, int digits, int order) {
    if (!bound) return 0;
    const int own = static_cast<int>(bound->value.whole.size());
    return digits != own ? sign(digits - own) : order;
  }
  static int orderAtEnd(const std::optional<Bound>& bound, int order, int digits) {
    return bound && order == 0 && digits < static_cast<int>(bound->value.fraction.size()) ? -1 : order;
  }
  void finish(int32_t state, int low, int high, int digits) {
    low = orderAtEnd(low_, low, digits), high = orderAtEnd(high_, high, digits);
    const bool isAbove = !low_ || low > 0 || (low == 0 && !low_->isOpen), isBelow = !high_ || high < 0 || (high == 0 && !high_->isOpen);
    if (isAbove && isBelow) nfa_.addEmpty(state, end_);
  }
  void endWhole(int32_t state, int digits, int low, int high) {
    low = orderOfWhole(low_, digits, low), high = orderOfWhole(high_, digits, high);
    finish(state, low, high, 0);
    if (isInteger_) return;
    const int32_t point = nfa_.addByte(state, '.', '.');
    addFraction(point, 0, low, high);
  }
  int32_t whole(int digits, int low, int high) {
    digits = std::min(digits, mostWhole_);
    const auto [found, isNew] = states_.try_emplace({0, digits, low, high}, 0);
    if (!isNew) return found->second;
    const int32_t state = found->second = nfa_.addState();
    endWhole(state, digits, low, high);
    for (int digit = 0; digit <= 9; ++digit)
      nfa_.addEdge(state, byte(digit), byte(digit), whole(digits + 1, next(low_, low, digits, digit), next(high_, high, digits, digit)));
    return state;
  }
  void addFraction(int32_t from, int digits, int low, int high) {
    for (int digit = 0; digit <= 9; ++digit)
      nfa_.addEdge(from, byte(digit), byte(digit), fraction(digits + 1, nextFraction(low_, low, digits, digit), nextFraction(high_, high, digits, digit)));
  }
  int32_t fraction(int digits, int low, int high) {
    digits = std::min(digits, mostFraction_);
    const auto [found, isNew] = states_.try_emplace({1, digits, low, high}, 0);
    if (!isNew) return found->second;
    const int32_t state = found->second = nfa_.addState();
    finish(state, low, high, digits);
    addFraction(state, digits, low, high);
    return state;
  }

  Nfa& nfa_;
  const std::optional<Bound>&low_, &high_;
  const bool isInteger_;
  const int32_t end_;
  int mostWhole_ = 1, mostFraction_ = 1;
  std::map<std::array<int, 4>, int32_t> states_;
};

std::optional<Bound> negated(const std::optional<Bound>& bound) {
  if (!bound) return bound;
  return Bound{bound->value.negated(), bound->isOpen};
}

/// A bound below a number that is not negative says nothing.
std::optional<Bound> positive(const std::optional<Bound>& bound) { return bound && bound->value.isNegative ? std::nullopt : bound; }

} // namespace

Decimal Decimal::negated() const {
  Decimal result = *this;
  result.isNegative = !isNegative && !isZero();
  return result;
}

Expected<Decimal> parseDecimal(std::string_view text) {
  constexpr int64_t kMostDigits = 400;
  Decimal result;
  SourceReader reader(text);
  const bool isNegative = reader.take('-');
  std::string digits;
  int64_t point = -1, exponent = 0;
  for (; !reader.atEnd(); reader.skip()) {
    const char c = static_cast<char>(reader.peek());
    if (c == '.') point = static_cast<int64_t>(digits.size());
    else if (c >= '0' && c <= '9') digits += c;
    else break;
  }
  if (point < 0) point = static_cast<int64_t>(digits.size());
  if (reader.take('e') || reader.take('E')) {
    const bool isDown = reader.take('-');
    if (!isDown) reader.take('+');
    reader.takeNumber(exponent);
    if (isDown) exponent = -exponent;
  }
  const size_t first = digits.find_first_not_of('0');
  if (first == std::string::npos) return result;
  point += exponent;
  const int64_t last = static_cast<int64_t>(digits.find_last_not_of('0'));
  if (std::max(point, int64_t(0)) - std::min(static_cast<int64_t>(first), point) > kMostDigits || last - point > kMostDigits || point > kMostDigits)
    return resourceError("the number " + std::string(text.substr(0, 40)) + " needs more than " + std::to_string(kMostDigits) + " digits");
  for (int64_t at = static_cast<int64_t>(first); at < point; ++at)
    result.whole += at < static_cast<int64_t>(digits.size()) ? digits[static_cast<size_t>(at)] : '0';
  for (int64_t at = point; at <= last; ++at)
    result.fraction += at < 0 ? '0' : digits[static_cast<size_t>(at)];
  result.isNegative = isNegative;
  return result;
}

int compare(const Decimal& a, const Decimal& b) {
  if (a.isNegative != b.isNegative) return a.isNegative ? -1 : 1;
  return a.isNegative ? -compareMagnitudes(a, b) : compareMagnitudes(a, b);
}

int32_t addNumber(Nfa& nfa, int32_t from, const std::optional<Bound>& low, const std::optional<Bound>& high, bool isInteger) {
  const int32_t end = nfa.addState(), begin = nfa.addState();
  nfa.addEmpty(from, begin);
  if (!high || !high->value.isNegative) {
    const int32_t digits = nfa.addState();
    nfa.addEmpty(begin, digits);
    const std::optional<Bound> least = positive(low);
    nfa.addEmpty(Magnitudes(nfa, least, high, isInteger).append(digits), end);
  }
  if (!low || low->value.isNegative) {
    const std::optional<Bound> least = positive(negated(high)), most = negated(low);
    nfa.addEmpty(Magnitudes(nfa, least, most, isInteger).append(nfa.addBytes(begin, "-")), end);
  }
  return end;
}

} // namespace jinx::grammar
