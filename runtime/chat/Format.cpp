// "…" % value.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "runtime/chat/Operators.h"
#include "runtime/chat/Print.h"
#include "runtime/chat/PythonText.h"
#include "runtime/text/Utf8.h"

namespace jinx::chat {
namespace {

/// %[(key)][flags][width][.precision]type
struct Conversion {
  std::optional<MarkedText> key;
  bool left = false, plus = false, space = false, zero = false, alternate = false;
  size_t width = 0;
  std::optional<int> precision;
  char type = 's';
  bool isTemplate = true; ///< who wrote it
};

class Formatter {
 public:
  Formatter(const Value& format, const Value& value, Budget& budget) : format_(format.text()), value_(value), budget_(budget) {}

  Value run() {
    const std::string& all = format_.bytes();
    size_t plain = 0;
    for (size_t at = all.find('%'); at != std::string::npos; at = all.find('%', at_)) {
      text_.append(format_, plain, at);
      at_ = at + 1;
      const Conversion conversion = read();
      plain = at_;
      if (conversion.type == '%') text_.append("%", conversion.isTemplate);
      else write(conversion);
      budget_.limitBytes(text_.size());
    }
    text_.append(format_, plain, all.size());
    const bool usedAll = value_.is(Kind::kTuple) ? used_ == value_.items().size() : used_ > 0 || usedKeys_ || value_.is(Kind::kDict) || value_.is(Kind::kList);
    if (!usedAll) fail("not all arguments were converted by '%'");
    return Value::text(std::move(text_));
  }

 private:
  char take() {
    if (at_ >= format_.size()) fail("an incomplete format");
    return format_.bytes()[at_++];
  }

  int takeNumber() {
    int number = 0;
    while (at_ < format_.size() && format_.bytes()[at_] >= '0' && format_.bytes()[at_] <= '9') {
      number = number * 10 + (take() - '0');
      if (number > 100000) failLimit("a format is wider than 100000");
    }
    return number;
  }

  Conversion read() {
    Conversion conversion;
    conversion.isTemplate = format_.isTemplateAt(at_ - 1);
    const std::string& all = format_.bytes();
    if (at_ < all.size() && all[at_] == '(') {
      const size_t end = all.find(')', at_);
      if (end == std::string::npos) fail("an incomplete format");
      conversion.key = format_.slice(at_ + 1, end);
      at_ = end + 1;
    }
    for (; at_ < all.size(); ++at_) {
      const char c = all[at_];
      if (c == '-') conversion.left = true;
      else if (c == '+') conversion.plus = true;
      else if (c == ' ') conversion.space = true;
      else if (c == '0') conversion.zero = true;
      else if (c == '#') conversion.alternate = true;
      else break;
    }
    conversion.width = static_cast<size_t>(takeNumber());
    if (at_ < all.size() && all[at_] == '.') ++at_, conversion.precision = takeNumber();
    conversion.type = take();
    return conversion;
  }

  const Value& next(const Conversion& conversion) {
    if (conversion.key) {
      if (!value_.is(Kind::kDict)) fail("a format with names takes a dict");
      usedKeys_ = true;
      const Value* found = value_.as<DictObject>().find(std::string_view(conversion.key->bytes()));
      if (!found) fail("a format names '" + conversion.key->bytes() + "', which is not there");
      return *found;
    }
    const bool isTuple = value_.is(Kind::kTuple);
    if (used_ >= (isTuple ? value_.items().size() : 1)) fail("not enough arguments for a format");
    return isTuple ? value_.items()[used_++] : (++used_, value_);
  }

  void write(const Conversion& conversion) {
    const Value& value = next(conversion);
    const char type = conversion.type;
    if (type == 's' || type == 'r' || type == 'a') {
      MarkedText text = type == 's' ? printed(value, budget_) : represented(value, budget_);
      if (conversion.precision) text = text.slice(0, byteOfCode(text.bytes(), static_cast<size_t>(*conversion.precision)));
      return pad(std::move(text), conversion);
    }
    if (type == 'c') {
      std::string one;
      if (value.isInteger() && value.integer() >= 0 && value.integer() < 0x110000) text::appendUtf8(one, static_cast<char32_t>(value.integer()));
      else if (value.is(Kind::kText) && countCodes(value.bytes()) == 1) one = value.bytes();
      else fail("%c takes a character");
      return pad(MarkedText(one, value.isTemplate()), conversion);
    }
    if (std::string_view("diuxXofFeEgG").find(type) == std::string_view::npos) fail(std::string("a format has the type '") + type + "'");
    if (value.is(Kind::kUndefined)) fail("'" + value.undefinedName() + "' is undefined");
    if (!value.isNumber()) fail(std::string("%") + type + " takes a number, got a value of type " + typeName(value));
    pad(MarkedText(number(conversion, value), value.isTemplate()), conversion);
  }

  std::string number(const Conversion& conversion, const Value& value) {
    const char type = conversion.type;
    const bool isWhole = std::string_view("diuxXo").find(type) != std::string_view::npos;
    std::string spec = "%";
    if (conversion.plus) spec += '+';
    else if (conversion.space) spec += ' ';
    if (conversion.alternate && !isWhole) spec += '#';
    const std::string sign = conversion.plus ? "+" : conversion.space ? " " : "";
    if (isWhole) {
      if (!value.isInteger() && (std::string_view("diu").find(type) == std::string_view::npos || !(std::fabs(value.real()) < 9e18))) fail(std::string("%") + type + " takes an integer");
      const int64_t whole = value.isInteger() ? value.integer() : static_cast<int64_t>(value.real());
      const uint64_t size = whole < 0 ? 0 - static_cast<uint64_t>(whole) : static_cast<uint64_t>(whole);
      char buffer[32];
      std::snprintf(buffer, sizeof buffer, type == 'x' ? "%lx" : type == 'X' ? "%lX" : type == 'o' ? "%lo" : "%lu", static_cast<unsigned long>(size));
      std::string digits = buffer;
      if (conversion.precision && static_cast<int>(digits.size()) < *conversion.precision) digits.insert(0, static_cast<size_t>(*conversion.precision) - digits.size(), '0');
      const std::string prefix = !conversion.alternate ? "" : type == 'x' ? "0x" : type == 'X' ? "0X" : type == 'o' ? "0o" : "";
      return (whole < 0 ? "-" : sign) + prefix + digits;
    }
    if (conversion.precision.value_or(6) > 5000) failLimit("a format has more than 5000 digits");
    std::string buffer(6000, '\0');
    const int size = std::snprintf(buffer.data(), buffer.size(), (spec + ".*" + type).c_str(), conversion.precision.value_or(6), value.real());
    buffer.resize(static_cast<size_t>(std::max(size, 0)));
    return buffer;
  }

  void pad(MarkedText text, const Conversion& conversion) {
    const size_t size = countCodes(text.bytes()), missing = conversion.width > size ? conversion.width - size : 0;
    const bool isNumber = std::string_view("diuxXofFeEgG").find(conversion.type) != std::string_view::npos;
    const bool zeros = conversion.zero && !conversion.left && isNumber && text.bytes().find_first_of("in") == std::string::npos;
    if (zeros) {
      size_t sign = !text.empty() && std::string_view("+- ").find(text.bytes()[0]) != std::string_view::npos ? 1 : 0;
      if (conversion.alternate && std::string_view("xXo").find(conversion.type) != std::string_view::npos) sign += 2;
      text_.append(text, 0, sign);
      text_.append(std::string(missing, '0'), conversion.isTemplate);
      return text_.append(text, sign, text.size());
    }
    if (!conversion.left) text_.append(std::string(missing, ' '), conversion.isTemplate);
    text_.append(text);
    if (conversion.left) text_.append(std::string(missing, ' '), conversion.isTemplate);
  }

  const MarkedText& format_;
  const Value& value_;
  Budget& budget_;
  MarkedText text_;
  size_t at_ = 0, used_ = 0;
  bool usedKeys_ = false;
};

} // namespace

Value formatted(const Value& format, const Value& value, Budget& budget) {
  budget.chargeBytes(format.text().size());
  return Formatter(format, value, budget).run();
}

} // namespace jinx::chat
