#include <algorithm>
#include <cmath>
#include <cstdio>

#include "runtime/chat/Print.h"
#include "runtime/chat/Sort.h"
#include "runtime/text/Utf8.h"

namespace jinx::chat {
namespace {

/// A text in quotes; with `asciiOnly` what is no ASCII as \uXXXX.
MarkedText quotedJson(const MarkedText& text, bool asciiOnly) {
  const bool isTemplate = text.isWhollyTemplate();
  MarkedText made("\"", isTemplate);
  size_t plain = 0; // bytes from here on need no escape so far
  const auto addEscape = [&](size_t at, size_t size, const std::string& escape) {
    made.append(text, plain, at);
    made.append(escape, text.isTemplateAt(at));
    plain = at + size;
  };
  const auto hex = [](uint32_t unit) {
    char escape[8];
    std::snprintf(escape, sizeof escape, "\\u%04x", unit & 0xFFFF);
    return std::string(escape);
  };
  for (size_t at = 0; at < text.size();) {
    const text::Utf8Sequence s = text::utf8At(text.bytes(), at);
    const char32_t c = s.code;
    static constexpr std::string_view kFrom = "\"\\\n\r\t\f\b", kTo = "\"\\nrtfb";
    if (const size_t found = c < 0x80 ? kFrom.find(static_cast<char>(c)) : std::string_view::npos; found != std::string_view::npos) addEscape(at, s.size, std::string("\\") + kTo[found]);
    else if (c < 0x20) addEscape(at, s.size, hex(c));
    else if (asciiOnly && c >= 0x10000) addEscape(at, s.size, hex(0xD7C0 + (c >> 10)) + hex(0xDC00 + (c & 0x3FF)));
    else if (asciiOnly && c >= 0x80) addEscape(at, s.size, hex(c));
    at += s.size;
  }
  made.append(text, plain, text.size());
  made.append("\"", isTemplate);
  return made;
}

class JsonWriter {
 public:
  JsonWriter(const JsonStyle& style, Budget& budget) : style_(style), budget_(budget) {}

  void write(const Value& value) {
    Budget::Level level(budget_);
    budget_.charge();
    switch (value.kind()) {
    case Kind::kNone: return add("null", value.isTemplate());
    case Kind::kBool: return add(value.integer() ? "true" : "false", value.isTemplate());
    case Kind::kInteger: return add(std::to_string(value.integer()), value.isTemplate());
    case Kind::kFloat: return add(number(value.real()), value.isTemplate());
    case Kind::kText: return writeText(value.text());
    case Kind::kList:
    case Kind::kTuple: return writeList(value);
    case Kind::kDict: return writeDict(value);
    case Kind::kUndefined: fail("'" + value.undefinedName() + "' is undefined, which is no JSON");
    default: fail("a value of type " + typeName(value) + " is no JSON");
    }
  }

  MarkedText text;

 private:
  static std::string number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
    return printedFloat(value);
  }

  void add(std::string_view bytes, bool isTemplate) {
    text.append(bytes, isTemplate);
    budget_.limitBytes(text.size());
  }

  void writeText(const MarkedText& value) {
    MarkedText inside = quotedJson(value, style_.asciiOnly);
    text.append(inside);
    budget_.chargeBytes(inside.size());
    budget_.limitBytes(text.size());
  }

  void newLine(bool isTemplate) {
    if (!style_.isIndented) return;
    std::string line = "\n";
    for (size_t i = 0; i < depth_; ++i)
      line += style_.indent;
    text.append(line, isTemplate);
    budget_.limitBytes(text.size());
  }

  void writeList(const Value& value) {
    if (value.items().empty()) return add("[]", value.isTemplate());
    text.append("[", value.isTemplate());
    ++depth_;
    bool first = true;
    for (const Value& item : value.items()) {
      if (!std::exchange(first, false)) text.append(style_.betweenItems);
      newLine(value.isTemplate());
      write(item);
    }
    --depth_;
    newLine(value.isTemplate());
    text.append("]", value.isTemplate());
  }

  void writeKey(const Value& key) {
    switch (key.kind()) {
    case Kind::kText: return writeText(key.text());
    case Kind::kNone: return writeText(MarkedText("null", key.isTemplate()));
    case Kind::kBool: return writeText(MarkedText(key.integer() ? "true" : "false", key.isTemplate()));
    case Kind::kInteger: return writeText(MarkedText(std::to_string(key.integer()), key.isTemplate()));
    case Kind::kFloat: return writeText(MarkedText(number(key.real()), key.isTemplate()));
    default: fail("a key of type " + typeName(key) + " is no JSON");
    }
  }

  void writeDict(const Value& value) {
    std::vector<const DictObject::Entry*> entries;
    for (const auto& entry : value.as<DictObject>().entries)
      entries.push_back(&entry);
    if (entries.empty()) return add("{}", value.isTemplate());
    if (style_.sortsKeys) sortStable(entries, [&](const auto* a, const auto* b) { return compare(a->first, b->first, budget_) < 0; });
    text.append("{", value.isTemplate());
    ++depth_;
    bool first = true;
    for (const auto* entry : entries) {
      if (!std::exchange(first, false)) text.append(style_.betweenItems);
      newLine(value.isTemplate());
      writeKey(entry->first);
      text.append(style_.betweenKeyAndValue);
      write(entry->second);
    }
    --depth_;
    newLine(value.isTemplate());
    text.append("}", value.isTemplate());
  }

  const JsonStyle& style_;
  Budget& budget_;
  size_t depth_ = 0;
};

} // namespace

MarkedText toJson(const Value& value, const JsonStyle& style, Budget& budget) {
  JsonWriter writer(style, budget);
  writer.write(value);
  budget.chargeBytes(writer.text.size());
  return std::move(writer.text);
}

} // namespace jinx::chat
