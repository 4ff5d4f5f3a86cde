// Methods of texts, as Python's str has them.
#include <algorithm>

#include "runtime/chat/Interpreter.h"
#include "runtime/chat/NameTable.h"
#include "runtime/chat/Print.h"
#include "runtime/chat/PythonText.h"

namespace jinx::chat {
namespace {

Value made(Interpreter& interpreter, const Value& self, MarkedText text) {
  interpreter.budget().chargeBytes(text.size());
  Value value = Value::text(std::move(text));
  return self.isMarkup() ? value.asMarkup() : value;
}

Value made(Interpreter& interpreter, const Value& self, std::vector<MarkedText> texts) {
  interpreter.budget().charge(texts.size());
  interpreter.budget().chargeBytes(self.text().size());
  std::vector<Value> items;
  for (MarkedText& text : texts)
    items.push_back(self.isMarkup() ? Value::text(std::move(text)).asMarkup() : Value::text(std::move(text)));
  return Value::list(std::move(items), self.isTemplate(), interpreter.budget());
}

template <MarkedText (*map)(const MarkedText&)> Value mapped(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  Bound given("the method", arguments, {});
  return made(interpreter, self, map(self.text()));
}

template <Side side> Value stripped(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  Bound given("strip", arguments, {""});
  std::optional<std::string_view> characters;
  if (given.has(0)) characters = given.text(0).bytes();
  return made(interpreter, self, strip(self.text(), characters, side));
}

template <bool fromRight> Value splitText(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  Bound given("split", arguments, {"sep", "maxsplit"});
  std::optional<std::string_view> separator;
  if (given.has(0)) separator = given.text(0).bytes();
  if (separator && separator->empty()) fail("split has an empty separator");
  return made(interpreter, self, split(self.text(), separator, given.integer(1, -1), fromRight));
}

Value lines(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  Bound given("splitlines", arguments, {"keepends"});
  return made(interpreter, self, splitLines(self.text(), given.truth(0, false)));
}

Value replaceText(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  Bound given("replace", arguments, {"", "", "count"}, 2);
  return made(interpreter, self, replaceWithin(self.text(), given.text(0).bytes(), given.text(1), given.integer(2, -1), interpreter.budget()));
}

/// The bytes that [begin:end] of the arguments `first` and `first + 1` takes.
std::pair<size_t, size_t> bytesOf(const Value& self, const Bound& given, size_t first) {
  const std::string_view all = self.bytes();
  if (!given.has(first) && !given.has(first + 1)) return {0, all.size()};
  const auto size = static_cast<int64_t>(countCodes(all));
  const auto place = [&](size_t i, int64_t otherwise) {
    const int64_t at = given.has(i) ? given.integer(i, 0) : otherwise;
    return at < 0 ? std::max<int64_t>(at + size, 0) : at;
  };
  const int64_t begin = place(first, 0), end = std::min(place(first + 1, size), size);
  if (begin > end) return {all.size() + 1, all.size()};
  return {byteOfCode(all, static_cast<size_t>(begin)), byteOfCode(all, static_cast<size_t>(end))};
}

template <bool atEnd> Value startsOrEnds(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  Bound given(atEnd ? "endswith" : "startswith", arguments, {"", "", ""}, 1);
  const auto [begin, end] = bytesOf(self, given, 1);
  const bool isTemplate = self.isTemplate();
  if (begin > end) return Value::boolean(false, isTemplate);
  const std::string_view part = std::string_view(self.bytes()).substr(begin, end - begin);
  const auto holds = [&](const Value& what) {
    if (!what.is(Kind::kText)) fail("startswith and endswith take texts, got a value of type " + typeName(what));
    return atEnd ? part.ends_with(what.bytes()) : part.starts_with(what.bytes());
  };
  interpreter.budget().charge();
  const bool found = given[0].is(Kind::kTuple) ? std::ranges::any_of(given[0].items(), holds) : holds(given[0]);
  return Value::boolean(found, isTemplate);
}

/// The place of a text; -1 without it.
template <bool fromRight> int64_t placeIn(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  Bound given("find", arguments, {"", "", ""}, 1);
  interpreter.budget().chargeBytes(self.text().size());
  const auto [begin, end] = bytesOf(self, given, 1);
  if (begin > end) return -1;
  const std::string_view part = std::string_view(self.bytes()).substr(begin, end - begin);
  const size_t found = fromRight ? part.rfind(given.text(0).bytes()) : part.find(given.text(0).bytes());
  if (found == std::string_view::npos) return -1;
  return static_cast<int64_t>(countCodes(std::string_view(self.bytes()).substr(0, begin + found)));
}

template <bool fromRight, bool mustBe> Value find(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const int64_t place = placeIn<fromRight>(interpreter, self, arguments);
  if (mustBe && place < 0) fail("index finds no such text");
  return Value::integer(place, self.isTemplate());
}

Value countOf(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  Bound given("count", arguments, {"", "", ""}, 1);
  interpreter.budget().chargeBytes(self.text().size());
  const auto [begin, end] = bytesOf(self, given, 1);
  const std::string_view what = given.text(0).bytes();
  if (begin > end) return Value::integer(0, self.isTemplate());
  const std::string_view part = std::string_view(self.bytes()).substr(begin, end - begin);
  int64_t count = what.empty() ? static_cast<int64_t>(countCodes(part)) + 1 : 0;
  for (size_t at = what.empty() ? part.npos : part.find(what); at != part.npos; at = part.find(what, at + what.size()))
    ++count;
  return Value::integer(count, self.isTemplate());
}

Value joinTexts(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  Bound given("join", arguments, {""}, 1);
  if (given[0].is(Kind::kUndefined)) return made(interpreter, self, MarkedText());
  MarkedText text;
  bool first = true;
  for (const Value& item : interpreter.elements(given[0])) {
    if (!item.is(Kind::kText)) fail("join takes texts, got a value of type " + typeName(item));
    if (!std::exchange(first, false)) text.append(self.text());
    text.append(item.text());
    interpreter.budget().limitBytes(text.size());
  }
  return made(interpreter, self, std::move(text));
}

template <bool (*is)(char32_t)> Value allAre(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  Bound given("the method", arguments, {});
  interpreter.budget().chargeBytes(self.text().size());
  return Value::boolean(all(self.bytes(), is), self.isTemplate());
}

template <bool upper> Value isCased(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  Bound given("the method", arguments, {});
  interpreter.budget().chargeBytes(self.text().size());
  const std::string same = (upper ? toUpper(self.text()) : toLower(self.text())).bytes(), other = (upper ? toLower(self.text()) : toUpper(self.text())).bytes();
  return Value::boolean(same == self.bytes() && other != self.bytes(), self.isTemplate());
}

template <bool suffix> Value withoutAffix(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  Bound given("removeprefix", arguments, {""}, 1);
  const std::string& affix = given.text(0).bytes();
  const MarkedText& text = self.text();
  const bool has = suffix ? text.bytes().ends_with(affix) : text.bytes().starts_with(affix);
  const size_t cut = has ? affix.size() : 0;
  return made(interpreter, self, suffix ? text.slice(0, text.size() - cut) : text.slice(cut, text.size()));
}

template <bool fromRight> Value partition(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  Bound given("partition", arguments, {""}, 1);
  const MarkedText& text = self.text();
  const std::string& separator = given.text(0).bytes();
  if (separator.empty()) fail("partition has an empty separator");
  const size_t found = fromRight ? text.bytes().rfind(separator) : text.bytes().find(separator);
  std::vector<Value> parts;
  if (found == std::string::npos) {
    parts = {self, Value::text(""), Value::text("")};
    if (fromRight) std::ranges::reverse(parts);
  } else {
    parts = {Value::text(text.slice(0, found)), given[0], Value::text(text.slice(found + separator.size(), text.size()))};
  }
  interpreter.budget().chargeBytes(text.size());
  return Value::sequence(Kind::kTuple, std::move(parts), self.isTemplate(), interpreter.budget());
}

enum class Align : uint8_t { kLeft, kRight, kCenter };
template <Align align> Value justified(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  Bound given("ljust", arguments, {"", ""}, 1);
  const MarkedText fill = given.isGiven(1) ? given.text(1) : MarkedText(" ", true);
  if (countCodes(fill.bytes()) != 1) fail("a text is filled up with one character");
  const auto size = static_cast<int64_t>(countCodes(self.bytes()));
  const int64_t width = given.integer(0, 0), missing = std::max<int64_t>(width - size, 0);
  interpreter.budget().chargeBytes(self.text().size() + static_cast<size_t>(missing) * fill.size());
  const int64_t left = align == Align::kLeft ? 0 : align == Align::kRight ? missing : missing / 2 + (missing & width & 1);
  MarkedText text;
  for (int64_t i = 0; i < left; ++i)
    text.append(fill);
  text.append(self.text());
  for (int64_t i = left; i < missing; ++i)
    text.append(fill);
  return made(interpreter, self, std::move(text));
}

Value zfill(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  Bound given("zfill", arguments, {""}, 1);
  const int64_t missing = given.integer(0, 0) - static_cast<int64_t>(countCodes(self.bytes()));
  if (missing <= 0) return self;
  interpreter.budget().chargeBytes(self.text().size() + static_cast<size_t>(missing));
  const size_t sign = self.bytes().starts_with('-') || self.bytes().starts_with('+') ? 1 : 0;
  MarkedText text = self.text().slice(0, sign);
  text.append(std::string(static_cast<size_t>(missing), '0'), true);
  text.append(self.text(), sign, self.text().size());
  return made(interpreter, self, std::move(text));
}

/// "{} {0} {name}".format(…), without attributes and forms.
Value format(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const MarkedText& format = self.text();
  const std::string& all = format.bytes();
  MarkedText text;
  size_t next = 0;
  for (size_t at = 0; at < all.size();) {
    const char c = all[at];
    if ((c == '{' || c == '}') && at + 1 < all.size() && all[at + 1] == c) {
      text.append(format, at, at + 1);
      at += 2;
      continue;
    }
    if (c != '{' && c != '}') {
      text.append(format, at, at + 1);
      ++at;
      continue;
    }
    const size_t end = all.find('}', at);
    if (c == '}' || end == std::string::npos) fail("a format has a single '" + std::string(1, c) + "'");
    const std::string name = all.substr(at + 1, end - at - 1);
    if (name.find_first_of("!:.[{") != std::string::npos) failUnimplemented("format takes {}, {0} and {name}, got {" + name + "}");
    const bool isPlace = name.find_first_not_of("0123456789") == std::string::npos && name.size() < 6;
    const Value* value = nullptr;
    if (const size_t place = name.empty() ? next++ : isPlace ? static_cast<size_t>(std::stoul(name)) : SIZE_MAX; place < arguments.positional.size()) value = &arguments.positional[place];
    for (const auto& [known, one] : arguments.named)
      if (!isPlace && known == name) value = &one;
    if (!value) fail("format lacks a value for {" + name + "}");
    text.append(printed(*value, interpreter.budget()));
    interpreter.budget().limitBytes(text.size());
    at = end + 1;
  }
  return made(interpreter, self, std::move(text));
}

constexpr std::pair<std::string_view, Method> kMethods[] = {
    {"capitalize", mapped<toCapitalized>}, {"casefold", mapped<toLower>},     {"center", justified<Align::kCenter>}, {"count", countOf},
    {"endswith", startsOrEnds<true>},      {"find", find<false, false>},      {"format", format},                    {"index", find<false, true>},
    {"isalnum", allAre<isAlphaOrDigit>},   {"isalpha", allAre<isAlpha>},      {"isdigit", allAre<isDigit>},          {"islower", isCased<false>},
    {"isspace", allAre<isSpace>},          {"isupper", isCased<true>},        {"join", joinTexts},                   {"ljust", justified<Align::kLeft>},
    {"lower", mapped<toLower>},            {"lstrip", stripped<Side::kLeft>}, {"partition", partition<false>},       {"removeprefix", withoutAffix<false>},
    {"removesuffix", withoutAffix<true>},  {"replace", replaceText},          {"rfind", find<true, false>},          {"rindex", find<true, true>},
    {"rjust", justified<Align::kRight>},   {"rpartition", partition<true>},   {"rsplit", splitText<true>},           {"rstrip", stripped<Side::kRight>},
    {"split", splitText<false>},           {"splitlines", lines},             {"startswith", startsOrEnds<false>},   {"strip", stripped<Side::kBoth>},
    {"swapcase", mapped<toSwappedCase>},   {"title", mapped<toTitle>},        {"upper", mapped<toUpper>},            {"zfill", zfill},
};

} // namespace

Method findTextMethod(std::string_view name) { return findIn(kMethods, name); }

} // namespace jinx::chat
