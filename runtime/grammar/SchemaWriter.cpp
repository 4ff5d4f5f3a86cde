// How values of a place are written: choices, literals, numbers, strings, arrays.
#include <algorithm>

#include "runtime/grammar/Expression.h"
#include "runtime/grammar/Formats.h"
#include "runtime/grammar/Regex.h"
#include "runtime/grammar/Schema.h"
#include "runtime/grammar/SourceReader.h"

namespace jinx::grammar {
namespace {

Expected<bool> areEqual(const JsonValue& a, const JsonValue& b) {
  if (a.kind != b.kind || a.items.size() != b.items.size() || a.members.size() != b.members.size()) return false;
  if (a.kind == JsonValue::Kind::kNumber) {
    JINX_TRY_ASSIGN(const Decimal x, parseDecimal(a.text));
    JINX_TRY_ASSIGN(const Decimal y, parseDecimal(b.text));
    return compare(x, y) == 0;
  }
  if (a.boolean != b.boolean || a.text != b.text) return false;
  for (size_t i = 0; i < a.items.size(); ++i) {
    JINX_TRY_ASSIGN(const bool same, areEqual(a.items[i], b.items[i]));
    if (!same) return false;
  }
  for (const auto& [name, value] : a.members) {
    const JsonValue* other = b.find(name);
    if (!other) return false;
    JINX_TRY_ASSIGN(const bool same, areEqual(value, *other));
    if (!same) return false;
  }
  return true;
}

Expected<bool> contains(const std::vector<JsonValue>& list, const JsonValue& value) {
  for (const JsonValue& one : list) {
    JINX_TRY_ASSIGN(const bool same, areEqual(one, value));
    if (same) return true;
  }
  return false;
}

/// Keeps the order: nothing may depend on where things lie in memory.
template <typename T>
void removeRepeated(std::vector<T>& list) {
  for (size_t i = 0; i < list.size();)
    if (std::find(list.begin(), list.begin() + static_cast<ptrdiff_t>(i), list[i]) != list.begin() + static_cast<ptrdiff_t>(i)) list.erase(list.begin() + static_cast<ptrdiff_t>(i));
    else ++i;
}

bool hasAny(const Facts& facts, std::initializer_list<const char*> keywords) {
  return std::ranges::any_of(facts.parts, [&](const JsonValue* part) { return std::ranges::any_of(keywords, [&](const char* keyword) { return part->find(keyword) != nullptr; }); });
}

} // namespace

Expected<int32_t> SchemaCompiler::ruleOf(Conjunction conjunction) {
  // A reference alone is what it leads to.
  for (int32_t i = 0; i < budget_.limits().nesting && conjunction.size() == 1 && conjunction[0]->members.size() == 1 && conjunction[0]->find("$ref") && conjunction[0]->find("$ref")->isString(); ++i) {
    JINX_TRY_ASSIGN(conjunction[0], target(*conjunction[0], *conjunction[0]->find("$ref")));
  }
  std::erase_if(conjunction, [](const JsonValue* one) { return one->kind == JsonValue::Kind::kBool && one->boolean; });
  removeRepeated(conjunction);
  if (conjunction.empty()) return json_.value();
  const auto [found, isNew] = ruleByConjunction_.try_emplace(conjunction, 0);
  if (!isNew) return found->second;
  found->second = rules_.add();
  toWrite_.emplace_back(conjunction, found->second);
  JINX_TRY(budget_.states(1));
  return found->second;
}

Expected<int32_t> SchemaCompiler::write(Nfa& nfa, int32_t from, const Facts& facts, int32_t depth) {
  if (depth > budget_.limits().nesting) return resourceError("choices are nested more than " + std::to_string(budget_.limits().nesting) + " deep (nesting)");
  JINX_TRY(budget_.states(1));
  if (facts.choices.empty()) return writeKinds(nfa, from, facts);
  const int32_t end = nfa.addState(), begin = nfa.addState();
  nfa.addEmpty(from, begin);
  Facts rest = facts;
  const Facts::Choice choice = std::move(rest.choices.back());
  rest.choices.pop_back();
  for (const JsonValue& option : choice.options->items) {
    Facts chosen = rest;
    chosen.path = choice.path;
    JINX_TRY(add(chosen, option));
    JINX_TRY(budget_.work(static_cast<int64_t>(chosen.parts.size())));
    JINX_TRY_ASSIGN(const int32_t to, write(nfa, begin, chosen, depth + 1));
    nfa.addEmpty(to, end);
  }
  return end;
}

Expected<int32_t> SchemaCompiler::writeKinds(Nfa& nfa, int32_t from, const Facts& facts) {
  for (const JsonValue* part : facts.parts) {
    if (const JsonValue* values = part->find("enum")) return writeValues(nfa, from, facts, *values);
    if (const JsonValue* value = part->find("const")) {
      JsonValue values;
      values.items.push_back(*value);
      return writeValues(nfa, from, facts, values);
    }
  }
  const int32_t end = nfa.addState(), begin = nfa.addState();
  nfa.addEmpty(from, begin);
  if (facts.kinds & kNullBit) nfa.addEmpty(nfa.addBytes(begin, "null"), end);
  if (facts.kinds & kBoolBit)
    for (const char* word : {"true", "false"})
      nfa.addEmpty(nfa.addBytes(begin, word), end);
  if (facts.kinds & kIntegerBit) {
    JINX_TRY_ASSIGN(const int32_t to, writeNumber(nfa, begin, facts));
    nfa.addEmpty(to, end);
  }
  if (facts.kinds & kStringBit) {
    JINX_TRY_ASSIGN(const int32_t to, writeString(nfa, begin, facts));
    nfa.addEmpty(to, end);
  }
  if (facts.kinds & kArrayBit) {
    JINX_TRY_ASSIGN(const int32_t to, writeArray(nfa, begin, facts));
    nfa.addEmpty(to, end);
  }
  if (facts.kinds & kObjectBit) {
    JINX_TRY_ASSIGN(const int32_t to, writeObject(nfa, begin, facts));
    nfa.addEmpty(to, end);
  }
  return end;
}

// ---- literals -------------------------------------------------------------------------------------------------------------------------

Expected<int32_t> SchemaCompiler::writeValues(Nfa& nfa, int32_t from, const Facts& facts, const JsonValue& values) {
  const int32_t end = nfa.addState(), begin = nfa.addState();
  nfa.addEmpty(from, begin);
  for (const JsonValue& value : values.items) {
    JINX_TRY(budget_.states(1 + static_cast<int64_t>(value.text.size())));
    JINX_TRY_ASSIGN(const bool isAllowed, fulfills(value, facts));
    if (isAllowed) nfa.addEmpty(writeLiteral(nfa, begin, value), end);
  }
  return end;
}

int32_t SchemaCompiler::writeLiteral(Nfa& nfa, int32_t from, const JsonValue& value) {
  switch (value.kind) {
  case JsonValue::Kind::kNull: return nfa.addBytes(from, "null");
  case JsonValue::Kind::kBool: return nfa.addBytes(from, value.boolean ? "true" : "false");
  case JsonValue::Kind::kNumber: return nfa.addBytes(from, value.text);
  case JsonValue::Kind::kString: return nfa.addBytes(from, "\"" + escapedJson(value.text) + "\"");
  default: break;
  }
  const bool isArray = value.isArray();
  int32_t at = nfa.addCall(nfa.addBytes(from, isArray ? "[" : "{"), json_.space());
  bool isFirst = true;
  const auto separate = [&] {
    if (!isFirst) at = nfa.addCall(nfa.addBytes(at, ","), json_.space());
    isFirst = false;
  };
  for (const JsonValue& item : value.items) {
    separate();
    at = writeLiteral(nfa, at, item);
  }
  for (const auto& [name, member] : value.members) {
    separate();
    at = writeLiteral(nfa, nfa.addCall(nfa.addBytes(at, "\"" + escapedJson(name) + "\":"), json_.space()), member);
  }
  if (!isFirst) at = nfa.addCall(at, json_.space());
  return nfa.addBytes(at, isArray ? "]" : "}");
}

/// Whether a value of enum or const is one that all else allows.
Expected<bool> SchemaCompiler::fulfills(const JsonValue& value, const Facts& facts) {
  for (const JsonValue* part : facts.parts) {
    const JsonValue *values = part->find("enum"), *one = part->find("const");
    if (values) {
      JINX_TRY_ASSIGN(const bool isIn, contains(values->items, value));
      if (!isIn) return false;
    }
    if (one) {
      JINX_TRY_ASSIGN(const bool same, areEqual(*one, value));
      if (!same) return false;
    }
  }
  switch (value.kind) {
  case JsonValue::Kind::kNull: return (facts.kinds & kNullBit) != 0;
  case JsonValue::Kind::kBool: return (facts.kinds & kBoolBit) != 0;
  case JsonValue::Kind::kNumber: {
    JINX_TRY_ASSIGN(const Decimal number, parseDecimal(value.text));
    std::optional<Bound> low, high;
    JINX_TRY(bounds(facts, low, high));
    const int below = low ? compare(number, low->value) : 1, above = high ? compare(number, high->value) : -1;
    const bool isInside = (below > 0 || (below == 0 && !low->isOpen)) && (above < 0 || (above == 0 && !high->isOpen));
    return isInside && (facts.kinds & (number.isInteger() ? kIntegerBit | kNumberBit : kNumberBit)) != 0;
  }
  case JsonValue::Kind::kString: {
    if (!(facts.kinds & kStringBit)) return false;
    JINX_TRY_ASSIGN(const Text text, textOf(facts));
    const auto length = std::ranges::count_if(value.text, [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; });
    const std::string escaped = escapedJson(value.text);
    return length >= text.least && (text.most < 0 || length <= text.most) && std::ranges::all_of(text.contents, [&](const Nfa* content) { return accepts(*content, escaped); });
  }
  case JsonValue::Kind::kArray:
  case JsonValue::Kind::kObject: break;
  }
  const bool isArray = value.isArray();
  if (!(facts.kinds & (isArray ? kArrayBit : kObjectBit))) return false;
  if (isArray ? hasAny(facts, {"items", "prefixItems", "minItems", "maxItems", "additionalItems"}) : hasAny(facts, {"properties", "required", "additionalProperties", "patternProperties", "minProperties", "maxProperties"}))
    return unsupported(*facts.parts[0], "enum or const", "of arrays and objects beside keywords of their members is not supported");
  return true;
}

// ---- numbers --------------------------------------------------------------------------------------------------------------------------

Status SchemaCompiler::bounds(const Facts& facts, std::optional<Bound>& low, std::optional<Bound>& high) {
  for (const JsonValue* part : facts.parts)
    for (const auto& [keyword, value] : part->members) {
      const bool isOpen = keyword.starts_with("exclusive"), isLow = keyword == "minimum" || keyword == "exclusiveMinimum";
      if (!isLow && keyword != "maximum" && keyword != "exclusiveMaximum") continue;
      JINX_TRY_ASSIGN(Decimal number, parseDecimal(value.text), pointerTo(root_, part));
      std::optional<Bound>& bound = isLow ? low : high;
      const int order = bound ? compare(number, bound->value) : 0;
      const bool isTighter = !bound || (isLow ? order > 0 : order < 0) || (order == 0 && isOpen);
      if (isTighter) bound = Bound{std::move(number), isOpen};
    }
  return Status::ok();
}

Expected<int32_t> SchemaCompiler::writeNumber(Nfa& nfa, int32_t from, const Facts& facts) {
  const bool isInteger = !(facts.kinds & kNumberBit);
  std::optional<Bound> low, high;
  JINX_TRY(bounds(facts, low, high));
  if (low || high) return addNumber(nfa, from, low, high, isInteger);
  return nfa.addCall(from, isInteger ? json_.integer() : json_.number());
}

// ---- strings --------------------------------------------------------------------------------------------------------------------------

Expected<std::pair<int64_t, int64_t>> SchemaCompiler::counts(const Facts& facts, const char* least, const char* most) {
  std::pair<int64_t, int64_t> result = {0, -1};
  for (const JsonValue* part : facts.parts) {
    int64_t count = 0;
    if (const JsonValue* value = part->find(least); value && SourceReader(value->text).takeNumber(count)) result.first = std::max(result.first, count);
    if (const JsonValue* value = part->find(most); value && SourceReader(value->text).takeNumber(count)) result.second = result.second < 0 ? count : std::min(result.second, count);
  }
  // What is at least 0 characters or at most 10^12 is not counted, but what is counted is built.
  for (int64_t count : {result.first, result.second})
    if (count > budget_.limits().repetitions)
      return resourceError(pointerTo(root_, facts.parts[0]) + ": " + least + " or " + most + " is " + std::to_string(count) + ", expected at most " + std::to_string(budget_.limits().repetitions) + " (repetitions)");
  return result;
}

Expected<const Nfa*> SchemaCompiler::content(const JsonValue& schema, const char* keyword, const std::string& pattern, bool isWhole) {
  std::unique_ptr<Nfa>& known = contents_[{pattern, isWhole}];
  if (known) return const_cast<const Nfa*>(known.get());
  const std::string place = pointerTo(root_, &schema) + ": " + keyword;
  JINX_TRY_ASSIGN(Expression expression, parseRegex(pattern, budget_), place);
  const Side side = isWhole ? Side::kEdge : Side::kOpen;
  JINX_TRY_ASSIGN(expression, withoutAnchors(std::move(expression), side, side), place);
  JINX_TRY_ASSIGN(Nfa nfa, lowerAlone(expression, Encoding::kJsonString, budget_), place);
  known = std::make_unique<Nfa>(std::move(nfa));
  return const_cast<const Nfa*>(known.get());
}

Expected<SchemaCompiler::Text> SchemaCompiler::textOf(const Facts& facts) {
  Text text;
  JINX_TRY_ASSIGN(const auto lengths, counts(facts, "minLength", "maxLength"));
  text.least = lengths.first, text.most = lengths.second;
  for (const JsonValue* part : facts.parts) {
    if (const JsonValue* pattern = part->find("pattern")) {
      JINX_TRY_ASSIGN(const Nfa* nfa, content(*part, "pattern", pattern->text, false));
      text.contents.push_back(nfa);
    }
    if (const JsonValue* format = part->find("format"); format && !isAnnotation(format->text)) {
      JINX_TRY_ASSIGN(const Nfa* nfa, content(*part, "format", patternOfFormat(format->text), true));
      text.contents.push_back(nfa);
    }
  }
  removeRepeated(text.contents);
  return text;
}

/// Any characters, as many as are wanted.
Status SchemaCompiler::writeCounted(Nfa& nfa, const Text& text) {
  int32_t at = nfa.addBytes(nfa.start(), "\"");
  for (int64_t i = 0; i < text.least; ++i)
    at = json_.addCharacter(nfa, at);
  const int32_t end = nfa.addState();
  for (int64_t i = text.least; i < text.most; ++i) {
    nfa.addEmpty(at, end);
    at = json_.addCharacter(nfa, at);
  }
  if (text.most < 0) nfa.addEmpty(json_.addCharacter(nfa, at), at);
  nfa.addEmpty(at, end);
  nfa.setFinal(nfa.addBytes(end, "\""));
  return budget_.work(nfa.size());
}

/// Strings of all patterns and formats, of the wanted length.
Status SchemaCompiler::writeContents(Nfa& nfa, const Text& text) {
  Nfa all = *text.contents[0];
  for (size_t i = 1; i < text.contents.size(); ++i) {
    JINX_TRY_ASSIGN(all, intersect(all, *text.contents[i], budget_));
  }
  if (text.least > 0 || text.most >= 0) {
    const Expression length = Expression::repeat(Expression::ofSet(CharSet::all()), static_cast<int32_t>(text.least), static_cast<int32_t>(text.most));
    JINX_TRY_ASSIGN(const Nfa lengths, lowerAlone(length, Encoding::kJsonString, budget_));
    JINX_TRY_ASSIGN(all, intersect(all, lengths, budget_));
  }
  nfa.setFinal(nfa.addBytes(nfa.addNfa(nfa.addBytes(nfa.start(), "\""), all), "\""));
  return budget_.states(all.size());
}

Expected<int32_t> SchemaCompiler::writeString(Nfa& nfa, int32_t from, const Facts& facts) {
  JINX_TRY_ASSIGN(const Text text, textOf(facts));
  if (text.most >= 0 && text.most < text.least) return nfa.addState(); // there is none
  if (text == Text()) return nfa.addCall(from, json_.string());
  const auto [found, isNew] = strings_.try_emplace(text, 0);
  if (isNew) {
    found->second = rules_.add();
    Nfa& own = rules_[found->second];
    JINX_TRY(text.contents.empty() ? writeCounted(own, text) : writeContents(own, text));
  }
  return nfa.addCall(from, found->second);
}

// ---- arrays ---------------------------------------------------------------------------------------------------------------------------

/// What the parts say of the item.
Expected<Conjunction> SchemaCompiler::itemAt(const Facts& facts, size_t index) {
  Conjunction conjunction;
  for (const JsonValue* part : facts.parts) {
    // Items as a list, and additionalItems, are how drafts before 2020-12 say prefixItems and items.
    const JsonValue *items = part->find("items"), *first = part->find("prefixItems");
    if (items && items->isArray()) first = items, items = part->find("additionalItems");
    if (first && index < first->items.size()) conjunction.push_back(&first->items[index]);
    else if (items) conjunction.push_back(items);
  }
  return conjunction;
}

Expected<int32_t> SchemaCompiler::writeArray(Nfa& nfa, int32_t from, const Facts& facts) {
  size_t first = 0;
  for (const JsonValue* part : facts.parts)
    for (const char* keyword : {"prefixItems", "items"})
      if (const JsonValue* list = part->find(keyword); list && list->isArray()) first = std::max(first, list->items.size());
  JINX_TRY_ASSIGN(const auto sizes, counts(facts, "minItems", "maxItems"));
  if (first == 0 && sizes.first == 0 && sizes.second < 0 && !hasAny(facts, {"items"})) return nfa.addCall(from, json_.array());
  const int32_t begin = nfa.addCall(nfa.addBytes(from, "["), json_.space()), last = nfa.addState(), end = nfa.addState();
  if (sizes.first == 0) nfa.addEmpty(begin, end);
  // Counted items, then any number of equal ones.
  const int64_t counted = sizes.second >= 0 ? sizes.second : std::max({static_cast<int64_t>(first), sizes.first, int64_t(1)});
  int32_t at = begin;
  for (int64_t i = 0; i < counted; ++i) {
    JINX_TRY_ASSIGN(Conjunction item, itemAt(facts, static_cast<size_t>(i)));
    JINX_TRY_ASSIGN(const int32_t rule, ruleOf(std::move(item)));
    if (i > 0) at = nfa.addCall(nfa.addBytes(at, ","), json_.space());
    at = nfa.addCall(at, rule);
    if (i + 1 >= sizes.first) nfa.addEmpty(at, last);
    JINX_TRY(budget_.states(1));
  }
  if (sizes.second < 0) {
    JINX_TRY_ASSIGN(Conjunction item, itemAt(facts, static_cast<size_t>(counted)));
    JINX_TRY_ASSIGN(const int32_t rule, ruleOf(std::move(item)));
    nfa.addEmpty(nfa.addCall(nfa.addCall(nfa.addBytes(at, ","), json_.space()), rule), at);
  }
  nfa.addEmpty(nfa.addCall(last, json_.space()), end);
  return nfa.addBytes(end, "]");
}

} // namespace jinx::grammar
