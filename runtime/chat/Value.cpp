#include "runtime/chat/Value.h"

#include <algorithm>
#include <cmath>

#include "runtime/chat/Budget.h"

namespace jinx::chat {
namespace {

/// The depth of a value that holds these.
int32_t depthAround(std::span<const Value> items, const Budget& budget) {
  int32_t depth = 0;
  for (const Value& item : items)
    depth = std::max(depth, item.depth());
  if (depth + 1 > budget.nesting()) failLimit("data nests deeper than " + std::to_string(budget.nesting()));
  return depth + 1;
}

} // namespace

const MarkedText& Value::text() const { return as<TextObject>().text; }
const std::vector<Value>& Value::items() const { return as<ListObject>().items; }

int32_t Value::depth() const {
  if (isSequence()) return as<ListObject>().depth;
  if (is(Kind::kDict)) return as<DictObject>().depth;
  return is(Kind::kIterator) ? as<IteratorObject>().depth : 0;
}

Value Value::marked(bool isTemplate) const {
  Value value = *this;
  value.isTemplate_ = isTemplate;
  return value;
}

Value Value::asMarkup() const {
  Value value = *this;
  value.isMarkup_ = is(Kind::kText);
  return value;
}

Value Value::undefined(std::string name) {
  Value value(Kind::kUndefined, true);
  auto object = std::make_shared<TextObject>();
  object->text.append(name, true);
  value.object_ = std::move(object);
  return value;
}

std::string Value::undefinedName() const { return object_ ? text().bytes() : "a value"; }

Value Value::boolean(bool value, bool isTemplate) {
  Value made(Kind::kBool, isTemplate);
  made.integer_ = value;
  return made;
}

Value Value::integer(int64_t value, bool isTemplate) {
  Value made(Kind::kInteger, isTemplate);
  made.integer_ = value;
  return made;
}

Value Value::real(double value, bool isTemplate) {
  Value made(Kind::kFloat, isTemplate);
  made.real_ = value;
  return made;
}

Value Value::text(MarkedText text) {
  Value made(Kind::kText, text.isWhollyTemplate());
  auto object = std::make_shared<TextObject>();
  object->text = std::move(text);
  made.object_ = std::move(object);
  return made;
}

Value Value::sequence(Kind kind, std::vector<Value> items, bool isTemplate, const Budget& budget, std::string display) {
  Value made(kind, isTemplate);
  auto object = std::make_shared<ListObject>();
  object->depth = depthAround(items, budget);
  object->items = std::move(items);
  object->display = std::move(display);
  made.object_ = std::move(object);
  return made;
}

Value Value::range(int64_t begin, int64_t end, int64_t step, std::vector<Value> items) {
  Value made(Kind::kRange, true);
  auto object = std::make_shared<RangeObject>();
  object->items = std::move(items);
  object->begin = begin, object->end = end, object->step = step;
  made.object_ = std::move(object);
  return made;
}

Value Value::iterator(std::vector<Value> items, bool isTemplate, const Budget& budget) {
  Value made(Kind::kIterator, isTemplate);
  auto object = std::make_shared<IteratorObject>();
  object->depth = depthAround(items, budget);
  object->items = std::move(items);
  made.object_ = std::move(object);
  return made;
}

Value Value::dict(std::vector<std::pair<Value, Value>> entries, bool isTemplate, const Budget& budget) {
  auto object = std::make_shared<DictObject>();
  object->entries = std::move(entries);
  object->makeIndex();
  int32_t depth = 0;
  for (const auto& [key, value] : object->entries)
    depth = std::max({depth, key.depth(), value.depth()});
  if (depth + 1 > budget.nesting()) failLimit("data nests deeper than " + std::to_string(budget.nesting()));
  object->depth = depth + 1;
  Value made(Kind::kDict, isTemplate);
  made.object_ = std::move(object);
  return made;
}

Value Value::function(std::string name, std::function<Value(Interpreter&, Arguments&)> call) {
  auto object = std::make_shared<FunctionObject>();
  object->name = std::move(name);
  object->call = std::move(call);
  return Value::object(Kind::kFunction, std::move(object));
}

// ---- objects -----------------------------------------------------------------------------------------------------------------------

namespace {

bool isEqualKey(const Value& a, const Value& b) {
  if (a.isNumber() && b.isNumber()) return a.isInteger() && b.isInteger() ? a.integer() == b.integer() : a.real() == b.real();
  if (a.kind() != b.kind()) return false;
  if (a.is(Kind::kText)) return a.bytes() == b.bytes();
  if (a.is(Kind::kTuple)) return std::ranges::equal(a.items(), b.items(), isEqualKey);
  return a.is(Kind::kNone) || a.isSameObject(b);
}

} // namespace

const Value* DictObject::find(std::string_view key) const {
  const auto found = index_.find(key);
  return found == index_.end() ? nullptr : &entries[found->second].second;
}

const Value* DictObject::find(const Value& key) const {
  if (key.is(Kind::kText)) return find(std::string_view(key.bytes()));
  const auto found = std::ranges::find_if(entries, [&](const Entry& entry) { return isEqualKey(entry.first, key); });
  return found == entries.end() ? nullptr : &found->second;
}

void DictObject::makeIndex() {
  std::vector<Entry> all = std::exchange(entries, {});
  entries.reserve(all.size());
  for (Entry& entry : all) {
    const Value* earlier = find(entry.first);
    if (earlier) {
      const_cast<Value&>(*earlier) = std::move(entry.second);
      continue;
    }
    entries.push_back(std::move(entry));
    const Value& key = entries.back().first;
    if (key.is(Kind::kText)) index_.emplace(key.bytes(), entries.size() - 1);
  }
}

const Value* NamespaceState::find(std::string_view name) const {
  const auto found = std::ranges::find_if(fields, [&](const auto& field) { return field.first == name; });
  return found == fields.end() ? nullptr : &found->second;
}

void NamespaceState::set(std::string_view name, Value value) {
  if (const Value* field = find(name)) const_cast<Value&>(*field) = std::move(value);
  else fields.emplace_back(name, std::move(value));
}

// ---- what all values have ----------------------------------------------------------------------------------------------------------

std::string typeName(const Value& value) {
  switch (value.kind()) {
  case Kind::kUndefined: return "Undefined";
  case Kind::kNone: return "NoneType";
  case Kind::kBool: return "bool";
  case Kind::kInteger: return "int";
  case Kind::kFloat: return "float";
  case Kind::kText: return "str";
  case Kind::kList: return "list";
  case Kind::kTuple: return "tuple";
  case Kind::kRange: return "range";
  case Kind::kView: return value.as<ListObject>().display;
  case Kind::kDict: return "dict";
  case Kind::kIterator: return "iterator";
  case Kind::kNamespace: return "Namespace";
  case Kind::kLoop: return "LoopContext";
  case Kind::kFunction: return "function";
  }
  return "value";
}

bool isTrue(const Value& value) {
  switch (value.kind()) {
  case Kind::kUndefined:
  case Kind::kNone: return false;
  case Kind::kBool:
  case Kind::kInteger: return value.integer() != 0;
  case Kind::kFloat: return value.real() != 0;
  case Kind::kText: return !value.text().empty();
  case Kind::kDict: return !value.as<DictObject>().entries.empty();
  default: return !value.isSequence() || !value.items().empty();
  }
}

bool isHashable(const Value& value) {
  if (value.is(Kind::kTuple)) return std::ranges::all_of(value.items(), isHashable);
  return !value.is(Kind::kList) && !value.is(Kind::kDict) && !value.is(Kind::kView);
}

namespace {

bool isEqualDict(const DictObject& a, const DictObject& b, Budget& budget) {
  if (a.entries.size() != b.entries.size()) return false;
  return std::ranges::all_of(a.entries, [&](const DictObject::Entry& entry) {
    const Value* other = b.find(entry.first);
    return other && isEqual(entry.second, *other, budget);
  });
}

/// Keys and items are sets; values are only themselves.
bool isEqualView(const Value& a, const Value& b, Budget& budget) {
  const std::string& display = a.as<ListObject>().display;
  if (display == "dict_values" || a.items().size() != b.items().size()) return a.isSameObject(b);
  return std::ranges::all_of(a.items(), [&](const Value& item) { return std::ranges::any_of(b.items(), [&](const Value& other) { return isEqual(item, other, budget); }); });
}

int compareNumbers(const Value& a, const Value& b) {
  if (a.isInteger() && b.isInteger()) return a.integer() < b.integer() ? -1 : a.integer() > b.integer();
  return a.real() < b.real() ? -1 : a.real() > b.real() ? 1 : 0;
}

} // namespace

bool isEqual(const Value& a, const Value& b, Budget& budget) {
  budget.charge();
  if (a.isNumber() && b.isNumber()) return isEqualKey(a, b);
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
  case Kind::kUndefined:
  case Kind::kNone: return true;
  case Kind::kText: return a.bytes() == b.bytes();
  case Kind::kDict: return isEqualDict(a.as<DictObject>(), b.as<DictObject>(), budget);
  case Kind::kList:
  case Kind::kTuple:
  case Kind::kRange: return std::ranges::equal(a.items(), b.items(), [&](const Value& x, const Value& y) { return isEqual(x, y, budget); });
  case Kind::kView: return isEqualView(a, b, budget);
  case Kind::kNamespace: return a.as<NamespaceObject>().state == b.as<NamespaceObject>().state;
  default: return a.isSameObject(b);
  }
}

int compare(const Value& a, const Value& b, Budget& budget) {
  budget.charge();
  if (a.isNumber() && b.isNumber()) return compareNumbers(a, b);
  const bool ordered = a.kind() == b.kind() && (a.is(Kind::kText) || a.is(Kind::kList) || a.is(Kind::kTuple));
  if (a.is(Kind::kUndefined) || b.is(Kind::kUndefined)) fail("'" + (a.is(Kind::kUndefined) ? a : b).undefinedName() + "' is undefined");
  if (!ordered) fail("cannot order '" + typeName(a) + "' and '" + typeName(b) + "'");
  if (a.is(Kind::kText)) return a.bytes().compare(b.bytes());
  for (size_t i = 0; i < a.items().size() && i < b.items().size(); ++i)
    if (!isEqual(a.items()[i], b.items()[i], budget)) return compare(a.items()[i], b.items()[i], budget);
  return a.items().size() < b.items().size() ? -1 : a.items().size() > b.items().size();
}

} // namespace jinx::chat
