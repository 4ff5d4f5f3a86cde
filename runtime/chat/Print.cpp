#include "runtime/chat/Print.h"

#include <charconv>
#include <cmath>

#include "runtime/chat/PythonText.h"

namespace jinx::chat {

std::string printedFloat(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string text(buffer, end); // -d.ddde-xx
  const size_t e = text.find('e');
  const int exponent = std::stoi(text.substr(e + 1));
  if (exponent < -4 || exponent >= 16) return text;
  std::string sign = text[0] == '-' ? "-" : "", digits;
  for (char c : text.substr(sign.size(), e - sign.size()))
    if (c != '.') digits += c;
  if (exponent < 0) return sign + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  const size_t whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) return sign + digits + std::string(whole - digits.size(), '0') + ".0";
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

namespace {

class Writer {
 public:
  explicit Writer(Budget& budget) : budget_(budget) {}

  void write(const Value& value) {
    Budget::Level level(budget_);
    budget_.charge();
    switch (value.kind()) {
    case Kind::kUndefined: return add("Undefined", true);
    case Kind::kNone: return add("None", value.isTemplate());
    case Kind::kBool: return add(value.integer() ? "True" : "False", value.isTemplate());
    case Kind::kInteger: return add(std::to_string(value.integer()), value.isTemplate());
    case Kind::kFloat: return add(printedFloat(value.real()), value.isTemplate());
    case Kind::kText: return writeText(value);
    case Kind::kList: return writeItems(value, "[", "]");
    case Kind::kTuple: return writeItems(value, "(", value.items().size() == 1 ? ",)" : ")");
    case Kind::kRange: return writeRange(value);
    case Kind::kView: return writeItems(value, (value.as<ListObject>().display + "([").c_str(), "])");
    case Kind::kDict: return writeDict(value);
    case Kind::kIterator: return add("<iterator>", true);
    case Kind::kNamespace: return add("<Namespace>", true);
    case Kind::kLoop: return add("<LoopContext>", true);
    case Kind::kFunction: return add("<function " + value.as<FunctionObject>().name + ">", true);
    }
  }

  MarkedText text;

 private:
  void add(std::string_view bytes, bool isTemplate) {
    text.append(bytes, isTemplate);
    budget_.limitBytes(text.size());
  }

  void writeText(const Value& value) {
    MarkedText inside = quoted(value.text());
    budget_.chargeBytes(inside.size());
    if (value.isMarkup()) text.append("Markup(", true);
    text.append(inside);
    if (value.isMarkup()) text.append(")", true);
    budget_.limitBytes(text.size());
  }

  void writeRange(const Value& value) {
    const auto& range = value.as<RangeObject>();
    add("range(" + std::to_string(range.begin) + ", " + std::to_string(range.end) + (range.step == 1 ? ")" : ", " + std::to_string(range.step) + ")"), value.isTemplate());
  }

  void writeItems(const Value& value, const char* before, const char* after) {
    text.append(before, value.isTemplate());
    bool first = true;
    for (const Value& item : value.items()) {
      if (!std::exchange(first, false)) text.append(", ", value.isTemplate());
      write(item);
    }
    text.append(after, value.isTemplate());
  }

  void writeDict(const Value& value) {
    text.append("{", value.isTemplate());
    bool first = true;
    for (const auto& [key, item] : value.as<DictObject>().entries) {
      if (!std::exchange(first, false)) text.append(", ", value.isTemplate());
      write(key);
      text.append(": ", value.isTemplate());
      write(item);
    }
    text.append("}", value.isTemplate());
  }

  Budget& budget_;
};

} // namespace

MarkedText represented(const Value& value, Budget& budget) {
  Writer writer(budget);
  writer.write(value);
  return std::move(writer.text);
}

MarkedText printed(const Value& value, Budget& budget) {
  if (value.is(Kind::kText)) {
    budget.chargeBytes(value.text().size());
    return value.text();
  }
  if (value.is(Kind::kUndefined)) return {};
  return represented(value, budget);
}

} // namespace jinx::chat
