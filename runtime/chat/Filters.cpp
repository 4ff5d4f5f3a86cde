// Filters of single values; those of sequences are in ListFilters.cpp.
#include <algorithm>
#include <cmath>

#include "runtime/chat/Interpreter.h"
#include "runtime/chat/NameTable.h"
#include "runtime/chat/Operators.h"
#include "runtime/chat/Print.h"
#include "runtime/chat/PythonText.h"

namespace jinx::chat {
namespace {

[[noreturn]] void failOn(std::string_view filter, const Value& value) {
  if (value.is(Kind::kUndefined)) fail("'" + value.undefinedName() + "' is undefined");
  fail(std::string(filter) + " does not take a value of type " + typeName(value));
}

/// As Jinja's soft_str: text stays what it is, marks and all.
Value asText(Interpreter& interpreter, const Value& value) { return value.is(Kind::kText) ? value : Value::text(printed(value, interpreter.budget())); }

/// A filter that maps the value's text.
template <MarkedText (*map)(const MarkedText&)> Value mapText(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  Bound given("the filter", arguments, {});
  const Value text = asText(interpreter, value);
  Value mapped = Value::text(map(text.text()));
  interpreter.budget().chargeBytes(mapped.text().size());
  return text.isMarkup() ? mapped.asMarkup() : mapped;
}

Value titleOf(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  Bound given("title", arguments, {});
  return Value::text(toTitleOfFilter(printed(value, interpreter.budget())));
}

Value trim(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  Bound given("trim", arguments, {"chars"});
  const Value text = asText(interpreter, value);
  std::optional<std::string_view> characters;
  if (given.has(0)) characters = given.text(0).bytes();
  Value trimmed = Value::text(strip(text.text(), characters, Side::kBoth));
  interpreter.budget().chargeBytes(text.text().size());
  return text.isMarkup() ? trimmed.asMarkup() : trimmed;
}

Value replaceIn(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  Bound given("replace", arguments, {"old", "new", "count"}, 2);
  Budget& budget = interpreter.budget();
  const MarkedText text = printed(value, budget), from = printed(given[0], budget), to = printed(given[1], budget);
  return Value::text(replaceWithin(text, from.bytes(), to, given.has(2) ? given.integer(2, -1) : -1, budget));
}

Value asString(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  Bound given("string", arguments, {});
  return asText(interpreter, value);
}

Value escape(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  Bound given("escape", arguments, {});
  const Value text = asText(interpreter, value);
  if (text.isMarkup()) return text;
  Value escaped = Value::text(escapeHtml(text.text())).asMarkup();
  interpreter.budget().chargeBytes(escaped.text().size());
  return escaped;
}

Value forceEscape(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  Bound given("forceescape", arguments, {});
  return Value::text(escapeHtml(printed(value, interpreter.budget()))).asMarkup();
}

Value safe(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  Bound given("safe", arguments, {});
  return asText(interpreter, value).asMarkup();
}

Value defaultOf(Interpreter&, const Value& value, Arguments& arguments) {
  Bound given("default", arguments, {"default_value", "boolean"});
  const bool isMissing = value.is(Kind::kUndefined) || (given.truth(1, false) && !isTrue(value));
  if (!isMissing) return value;
  return given.isGiven(0) ? given[0] : Value::text("");
}

Value absOf(Interpreter&, const Value& value, Arguments& arguments) {
  Bound given("abs", arguments, {});
  if (!value.isNumber()) failOn("abs", value);
  if (value.is(Kind::kFloat)) return Value::real(std::fabs(value.real()), value.isTemplate());
  return value.integer() < 0 ? negated(value) : Value::integer(value.integer(), value.isTemplate());
}

Value intOf(Interpreter&, const Value& value, Arguments& arguments) {
  Bound given("int", arguments, {"default", "base"});
  const Value otherwise = given.isGiven(0) ? given[0] : Value::integer(0);
  if (value.is(Kind::kUndefined)) failOn("int", value);
  if (value.isInteger()) return Value::integer(value.integer(), value.isTemplate());
  std::optional<double> real;
  if (value.is(Kind::kText)) {
    if (const auto whole = parseInteger(value.bytes(), static_cast<int>(std::clamp<int64_t>(given.integer(1, 10), 0, 36)))) return Value::integer(*whole, value.isTemplate());
    real = parseFloat(value.bytes());
  } else if (value.is(Kind::kFloat)) {
    real = value.real();
  }
  if (!real || !std::isfinite(*real)) return otherwise;
  if (std::fabs(*real) >= 9.2e18) fail("an integer is not in the range of 64 bits");
  return Value::integer(static_cast<int64_t>(*real), value.isTemplate());
}

Value floatOf(Interpreter&, const Value& value, Arguments& arguments) {
  Bound given("float", arguments, {"default"});
  if (value.is(Kind::kUndefined)) failOn("float", value);
  if (value.isNumber()) return Value::real(value.real(), value.isTemplate());
  const std::optional<double> real = value.is(Kind::kText) ? parseFloat(value.bytes()) : std::nullopt;
  if (real) return Value::real(*real, value.isTemplate());
  return given.isGiven(0) ? given[0] : Value::real(0);
}

Value roundOf(Interpreter&, const Value& value, Arguments& arguments) {
  Bound given("round", arguments, {"precision", "method"});
  const std::string method = given.has(1) ? given.text(1).bytes() : "common";
  const int64_t precision = given.integer(0, 0);
  if (method != "common" && method != "ceil" && method != "floor") fail("round has the method \"" + method + "\", expected common, ceil or floor");
  if (!value.isNumber()) failOn("round", value);
  if (method == "common" && value.isInteger()) {
    if (precision >= 0) return Value::integer(value.integer(), value.isTemplate());
    return Value::integer(static_cast<int64_t>(rounded(value.real(), precision)), value.isTemplate());
  }
  if (method == "common") return Value::real(rounded(value.real(), precision), value.isTemplate());
  const double unit = std::pow(10.0, static_cast<double>(precision));
  const double result = (method == "ceil" ? std::ceil(value.real() * unit) : std::floor(value.real() * unit)) / unit + 0.0; // never -0.0
  if (!std::isfinite(result)) fail("round got a number that is too large");
  return Value::real(result, value.isTemplate());
}

Value indent(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  Bound given("indent", arguments, {"width", "first", "blank"});
  Budget& budget = interpreter.budget();
  MarkedText by;
  if (given.has(0) && given[0].is(Kind::kText)) by = given.text(0);
  else {
    const int64_t width = given.integer(0, 4);
    budget.chargeBytes(static_cast<size_t>(std::max<int64_t>(width, 0)));
    by = MarkedText(std::string(static_cast<size_t>(std::max<int64_t>(width, 0)), ' '), given.isGiven(0) ? given[0].isTemplate() : true);
  }
  if (!value.is(Kind::kText)) failOn("indent", value);
  MarkedText text = value.text();
  text.append("\n", true); // Jinja's, so that splitlines sees the last line
  const bool blank = given.truth(2, false);
  MarkedText made;
  if (given.truth(1, false)) made.append(by);
  const std::vector<MarkedText> lines = splitLines(text, false);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) made.append("\n", true);
    if (i > 0 && (blank || !lines[i].empty())) made.append(by);
    made.append(lines[i]);
    budget.limitBytes(made.size());
  }
  budget.chargeBytes(made.size());
  return Value::text(std::move(made));
}

Value tojson(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  Bound given("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.asciiOnly = given.truth(0, false);
  style.sortsKeys = given.truth(3, false);
  style.isIndented = given.has(1);
  if (style.isIndented && given[1].is(Kind::kText)) style.indent = given.text(1).bytes();
  else if (style.isIndented) style.indent = std::string(static_cast<size_t>(std::clamp<int64_t>(given.integer(1, 0), 0, 1000)), ' ');
  style.betweenItems = MarkedText(style.isIndented ? "," : ", ", value.isTemplate());
  style.betweenKeyAndValue = MarkedText(": ", value.isTemplate());
  if (given.has(2)) {
    if (!given[2].isSequence() || given[2].items().size() != 2 || !given[2].items()[0].is(Kind::kText) || !given[2].items()[1].is(Kind::kText)) fail("tojson has separators that are not two texts");
    style.betweenItems = given[2].items()[0].text();
    style.betweenKeyAndValue = given[2].items()[1].text();
  }
  return Value::text(toJson(value, style, interpreter.budget()));
}

Value formatOf(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  const Value text = asText(interpreter, value);
  if (arguments.named.empty()) return formatted(text, Value::sequence(Kind::kTuple, arguments.positional, true, interpreter.budget()), interpreter.budget());
  if (!arguments.positional.empty()) fail("format takes values by place or by name, not both");
  std::vector<std::pair<Value, Value>> entries;
  for (auto& [name, one] : arguments.named)
    entries.emplace_back(Value::text(name), one);
  return formatted(text, Value::dict(std::move(entries), true, interpreter.budget()), interpreter.budget());
}

Value wordCount(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  Bound given("wordcount", arguments, {});
  const MarkedText text = printed(value, interpreter.budget());
  int64_t words = 0;
  bool inWord = false;
  for (size_t at = 0; at < text.size();) {
    const size_t next = at + byteOfCode(std::string_view(text.bytes()).substr(at), 1);
    const bool isWord = all(std::string_view(text.bytes()).substr(at, next - at), [](char32_t c) { return isAlphaOrDigit(c) || c == '_'; });
    words += isWord && !inWord;
    inWord = isWord;
    at = next;
  }
  return Value::integer(words, value.isTemplate());
}

constexpr std::pair<std::string_view, Filter> kFilters[] = {
    {"abs", absOf},         {"capitalize", mapText<toCapitalized>}, {"d", defaultOf},     {"default", defaultOf}, {"e", escape},
    {"escape", escape},     {"float", floatOf},                     {"forceescape", forceEscape}, {"format", formatOf}, {"indent", indent},
    {"int", intOf},         {"lower", mapText<toLower>},            {"replace", replaceIn}, {"round", roundOf},     {"safe", safe},
    {"string", asString},   {"title", titleOf},                     {"tojson", tojson},   {"trim", trim},         {"upper", mapText<toUpper>},
    {"wordcount", wordCount},
};

} // namespace

MarkedText replaceWithin(const MarkedText& text, std::string_view from, const MarkedText& to, int64_t most, Budget& budget) {
  size_t count = from.empty() ? text.size() + 1 : 0;
  if (!from.empty())
    for (size_t at = text.bytes().find(from); at != std::string::npos; at = text.bytes().find(from, at + from.size()))
      ++count;
  if (most >= 0) count = std::min(count, static_cast<size_t>(most));
  budget.chargeBytes(text.size() + count * to.size());
  return replace(text, from, to, most);
}

Filter findFilter(std::string_view name) {
  const Filter filter = findIn(kFilters, name);
  return filter ? filter : findListFilter(name);
}

} // namespace jinx::chat
