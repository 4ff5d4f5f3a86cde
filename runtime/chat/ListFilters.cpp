// Filters of sequences.
#include <algorithm>
#include <functional>

#include "runtime/chat/Interpreter.h"
#include "runtime/chat/NameTable.h"
#include "runtime/chat/Operators.h"
#include "runtime/chat/Print.h"
#include "runtime/chat/PythonText.h"
#include "runtime/chat/Sort.h"

namespace jinx::chat {
namespace {

[[noreturn]] void failOn(std::string_view filter, const Value& value) {
  if (value.is(Kind::kUndefined)) fail("'" + value.undefinedName() + "' is undefined");
  fail(std::string(filter) + " does not take a value of type " + typeName(value));
}

/// Elements, of something that is not undefined.
std::vector<Value> itemsOf(Interpreter& interpreter, const Value& value) { return interpreter.elements(value); }

Value iteratorOf(Interpreter& interpreter, std::vector<Value> items, bool isTemplate) { return Value::iterator(std::move(items), isTemplate, interpreter.budget()); }

Value lengthOf(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  Bound given("length", arguments, {});
  size_t length = 0;
  if (value.is(Kind::kText)) interpreter.budget().chargeBytes(value.text().size()), length = countCodes(value.bytes());
  else if (value.isSequence()) length = value.items().size();
  else if (value.is(Kind::kDict)) length = value.as<DictObject>().entries.size();
  else if (value.is(Kind::kLoop)) return loopAttribute(interpreter, value, "length");
  else if (!value.is(Kind::kUndefined)) failOn("length", value);
  return Value::integer(static_cast<int64_t>(length), value.isTemplate());
}

// ---- elements by attribute ---------------------------------------------------------------------------------------------------------

/// "a.b.0": element a, of it b, of that the first; an integer: that element.
Value attributeOf(Interpreter& interpreter, const Value& value, const Value& path) {
  if (path.isInteger()) return interpreter.item(value, path);
  if (!path.is(Kind::kText)) fail("an attribute has the type " + typeName(path) + ", expected str or int");
  Value found = value;
  for (const MarkedText& part : split(path.text(), ".", -1, false)) {
    const bool isNumber = !part.empty() && std::ranges::all_of(part.bytes(), [](char c) { return c >= '0' && c <= '9'; });
    Value key = Value::text(part);
    if (isNumber)
      if (const auto number = parseInteger(part.bytes(), 10)) key = Value::integer(*number);
    found = interpreter.item(found, key);
  }
  return found;
}

Value ignoringCase(const Value& value) { return value.is(Kind::kText) ? Value::text(toLower(value.text())) : value; }

/// What elements are compared by.
struct Key {
  Interpreter& interpreter;
  std::vector<Value> paths; ///< none: the element itself
  bool caseSensitive;

  Value operator()(const Value& value) const {
    if (paths.empty()) return caseSensitive ? value : ignoringCase(value);
    std::vector<Value> keys;
    for (const Value& path : paths) {
      const Value key = attributeOf(interpreter, value, path);
      keys.push_back(caseSensitive ? key : ignoringCase(key));
    }
    return keys.size() == 1 ? keys[0] : Value::list(std::move(keys), true, interpreter.budget());
  }
};

Key keyOf(Interpreter& interpreter, const Bound& given, size_t attribute, size_t caseSensitive, bool several) {
  Key key{interpreter, {}, given.truth(caseSensitive, false)};
  if (!given.has(attribute)) return key;
  if (!several || !given[attribute].is(Kind::kText)) key.paths.push_back(given[attribute]);
  else
    for (MarkedText& part : split(given.text(attribute), ",", -1, false))
      key.paths.push_back(Value::text(std::move(part)));
  return key;
}

Value sorted(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  Bound given("sort", arguments, {"reverse", "case_sensitive", "attribute"});
  const Key key = keyOf(interpreter, given, 2, 1, true);
  if (value.is(Kind::kUndefined)) return Value::list({}, true, interpreter.budget());
  std::vector<std::pair<Value, Value>> items;
  for (Value& item : itemsOf(interpreter, value))
    items.emplace_back(key(item), item);
  const bool reverse = given.truth(0, false);
  sortStable(items, [&](const auto& a, const auto& b) {
    // Values that are equal need no order.
    const int order = isEqual(a.first, b.first, interpreter.budget()) ? 0 : compare(a.first, b.first, interpreter.budget());
    return reverse ? order > 0 : order < 0;
  });
  std::vector<Value> made;
  for (auto& item : items)
    made.push_back(std::move(item.second));
  return Value::list(std::move(made), value.isTemplate(), interpreter.budget());
}

Value dictSorted(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  Bound given("dictsort", arguments, {"case_sensitive", "by", "reverse"});
  const std::string by = given.has(1) ? given.text(1).bytes() : "key";
  if (by != "key" && by != "value") fail("dictsort is by \"" + by + "\", expected key or value");
  if (!value.is(Kind::kDict)) failOn("dictsort", value);
  const Key key{interpreter, {}, given.truth(0, false)};
  std::vector<DictObject::Entry> entries = value.as<DictObject>().entries;
  const bool reverse = given.truth(2, false);
  sortStable(entries, [&](const auto& a, const auto& b) {
    const int order = by == "key" ? compare(key(a.first), key(b.first), interpreter.budget()) : compare(key(a.second), key(b.second), interpreter.budget());
    return reverse ? order > 0 : order < 0;
  });
  std::vector<Value> pairs;
  for (auto& [name, one] : entries)
    pairs.push_back(Value::sequence(Kind::kTuple, {name, one}, value.isTemplate(), interpreter.budget()));
  return Value::list(std::move(pairs), value.isTemplate(), interpreter.budget());
}

Value unique(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  Bound given("unique", arguments, {"case_sensitive", "attribute"});
  const Key key = keyOf(interpreter, given, 1, 0, false);
  std::vector<Value> keys, made;
  for (Value& item : itemsOf(interpreter, value)) {
    Value own = key(item);
    if (!isHashable(own)) fail("unique compares values of type " + typeName(own));
    if (std::ranges::any_of(keys, [&](const Value& other) { return isEqual(own, other, interpreter.budget()); })) continue;
    keys.push_back(std::move(own));
    made.push_back(std::move(item));
  }
  return iteratorOf(interpreter, std::move(made), value.isTemplate());
}

template <int sign> Value extreme(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  Bound given(sign < 0 ? "min" : "max", arguments, {"case_sensitive", "attribute"});
  const Key key = keyOf(interpreter, given, 1, 0, false);
  std::vector<Value> items = itemsOf(interpreter, value);
  if (items.empty()) return Value::undefined("the extreme of an empty sequence");
  size_t best = 0;
  for (size_t i = 1; i < items.size(); ++i)
    if (compare(key(items[i]), key(items[best]), interpreter.budget()) * sign > 0) best = i;
  return items[best];
}

Value sumOf(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  Bound given("sum", arguments, {"attribute", "start"});
  Value sum = given.isGiven(1) ? given[1] : Value::integer(0);
  if (sum.is(Kind::kText)) fail("sum does not add texts");
  for (const Value& item : itemsOf(interpreter, value))
    sum = arithmetic(Operator::kAdd, sum, given.has(0) ? attributeOf(interpreter, item, given[0]) : item, interpreter.budget());
  return sum;
}

// ---- parts -------------------------------------------------------------------------------------------------------------------------

Value first(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  Bound given("first", arguments, {});
  if (value.is(Kind::kIterator)) {
    auto& iterator = value.as<IteratorObject>();
    return iterator.next < iterator.items.size() ? iterator.items[iterator.next++] : Value::undefined("the first element of an empty sequence");
  }
  std::vector<Value> items = itemsOf(interpreter, value);
  return items.empty() ? Value::undefined("the first element of an empty sequence") : std::move(items.front());
}

Value last(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  Bound given("last", arguments, {});
  if (value.is(Kind::kIterator)) failOn("last", value);
  std::vector<Value> items = itemsOf(interpreter, value);
  return items.empty() ? Value::undefined("the last element of an empty sequence") : std::move(items.back());
}

Value reversed(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  Bound given("reverse", arguments, {});
  std::vector<Value> items = itemsOf(interpreter, value);
  std::ranges::reverse(items);
  if (!value.is(Kind::kText)) return value.is(Kind::kIterator) ? Value::list(std::move(items), value.isTemplate(), interpreter.budget()) : iteratorOf(interpreter, std::move(items), value.isTemplate());
  MarkedText text;
  for (const Value& item : items)
    text.append(item.text());
  return Value::text(std::move(text));
}

Value listOf(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  Bound given("list", arguments, {});
  return Value::list(itemsOf(interpreter, value), value.isTemplate(), interpreter.budget());
}

Value itemsOfDict(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  Bound given("items", arguments, {});
  std::vector<Value> pairs;
  if (value.is(Kind::kUndefined)) return iteratorOf(interpreter, {}, true);
  if (!value.is(Kind::kDict)) failOn("items", value);
  for (const auto& [key, one] : value.as<DictObject>().entries)
    pairs.push_back(Value::sequence(Kind::kTuple, {key, one}, value.isTemplate(), interpreter.budget()));
  interpreter.budget().charge(pairs.size());
  return iteratorOf(interpreter, std::move(pairs), value.isTemplate());
}

Value join(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  Bound given("join", arguments, {"d", "attribute"});
  Budget& budget = interpreter.budget();
  const MarkedText between = given.isGiven(0) ? printed(given[0], budget) : MarkedText();
  MarkedText text;
  bool isFirst = true;
  for (const Value& item : itemsOf(interpreter, value)) {
    if (!std::exchange(isFirst, false)) text.append(between);
    text.append(printed(given.has(1) ? attributeOf(interpreter, item, given[1]) : item, budget));
    budget.limitBytes(text.size());
  }
  budget.chargeBytes(text.size());
  return Value::text(std::move(text));
}

// ---- choices -----------------------------------------------------------------------------------------------------------------------

/// Takes the first argument by place.
Value takeFirst(std::string_view filter, Arguments& arguments) {
  if (arguments.positional.empty()) fail(std::string(filter) + " lacks its argument");
  Value value = std::move(arguments.positional[0]);
  arguments.positional.erase(arguments.positional.begin());
  return value;
}

/// The name of a filter or a test.
std::string takeFunction(std::string_view filter, Arguments& arguments) {
  const Value name = takeFirst(filter, arguments);
  if (!name.is(Kind::kText)) fail(std::string(filter) + " takes a name, got a value of type " + typeName(name));
  return name.bytes();
}

template <bool wanted, bool byAttribute> Value choose(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  if (!isTrue(value)) return iteratorOf(interpreter, {}, value.isTemplate()); // none, too, as Jinja has it
  const std::string_view filter = wanted ? byAttribute ? "selectattr" : "select" : byAttribute ? "rejectattr" : "reject";
  Value path;
  if (byAttribute) path = takeFirst(filter, arguments);
  const bool hasTest = !arguments.positional.empty();
  const std::string test = hasTest ? takeFunction(filter, arguments) : "";
  std::vector<Value> chosen;
  for (Value& item : itemsOf(interpreter, value)) {
    const Value asked = byAttribute ? attributeOf(interpreter, item, path) : item;
    Arguments own = arguments;
    if ((hasTest ? interpreter.passes(test, asked, own) : isTrue(asked)) == wanted) chosen.push_back(std::move(item));
  }
  return iteratorOf(interpreter, std::move(chosen), value.isTemplate());
}

Value map(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  if (!isTrue(value)) return iteratorOf(interpreter, {}, value.isTemplate());
  Value path;
  const bool byAttribute = arguments.positional.empty() && arguments.take("attribute", path);
  Value otherwise;
  const bool hasDefault = byAttribute && arguments.take("default", otherwise);
  if (byAttribute && !arguments.named.empty()) fail("map has no argument '" + arguments.named[0].first + "'");
  const std::string filter = byAttribute ? "" : takeFunction("map", arguments);
  std::vector<Value> mapped;
  for (const Value& item : itemsOf(interpreter, value)) {
    Arguments own = arguments;
    Value one = byAttribute ? attributeOf(interpreter, item, path) : interpreter.filtered(filter, item, own);
    if (hasDefault && one.is(Kind::kUndefined)) one = otherwise;
    mapped.push_back(std::move(one));
  }
  return iteratorOf(interpreter, std::move(mapped), value.isTemplate());
}

constexpr std::pair<std::string_view, Filter> kFilters[] = {
    {"count", lengthOf}, {"dictsort", dictSorted},       {"first", first},   {"items", itemsOfDict},         {"join", join},
    {"last", last},      {"length", lengthOf},           {"list", listOf},   {"map", map},                   {"max", extreme<1>},
    {"min", extreme<-1>}, {"reject", choose<false, false>}, {"rejectattr", choose<false, true>}, {"reverse", reversed}, {"select", choose<true, false>},
    {"selectattr", choose<true, true>}, {"sort", sorted}, {"sum", sumOf}, {"unique", unique},
};

} // namespace

Filter findListFilter(std::string_view name) { return findIn(kFilters, name); }

} // namespace jinx::chat
