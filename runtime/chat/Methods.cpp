// Methods of objects, lists and texts; those of texts are in TextMethods.cpp.
#include <algorithm>

#include "runtime/chat/Interpreter.h"
#include "runtime/chat/NameTable.h"

namespace jinx::chat {
namespace {

const DictObject& dictOf(const Value& self) { return self.as<DictObject>(); }

Value keys(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  Bound given("keys", arguments, {});
  std::vector<Value> items;
  for (const auto& entry : dictOf(self).entries)
    items.push_back(entry.first);
  interpreter.budget().charge(items.size());
  return Value::sequence(Kind::kView, std::move(items), self.isTemplate(), interpreter.budget(), "dict_keys");
}

Value values(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  Bound given("values", arguments, {});
  std::vector<Value> items;
  for (const auto& entry : dictOf(self).entries)
    items.push_back(entry.second);
  interpreter.budget().charge(items.size());
  return Value::sequence(Kind::kView, std::move(items), self.isTemplate(), interpreter.budget(), "dict_values");
}

Value items(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  Bound given("items", arguments, {});
  std::vector<Value> pairs;
  for (const auto& [key, value] : dictOf(self).entries)
    pairs.push_back(Value::sequence(Kind::kTuple, {key, value}, self.isTemplate(), interpreter.budget()));
  interpreter.budget().charge(pairs.size());
  return Value::sequence(Kind::kView, std::move(pairs), self.isTemplate(), interpreter.budget(), "dict_items");
}

Value get(Interpreter&, const Value& self, Arguments& arguments) {
  Bound given("get", arguments, {"", ""}, 1);
  if (!isHashable(given[0])) fail("a value of type " + typeName(given[0]) + " is no key");
  if (const Value* found = dictOf(self).find(given[0])) return *found;
  return given.isGiven(1) ? given[1] : Value::none();
}

Value copy(Interpreter&, const Value& self, Arguments& arguments) {
  Bound given("copy", arguments, {});
  return self;
}

Value count(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  Bound given("count", arguments, {""}, 1);
  return Value::integer(std::ranges::count_if(self.items(), [&](const Value& item) { return isEqual(item, given[0], interpreter.budget()); }), self.isTemplate());
}

Value index(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  Bound given("index", arguments, {""}, 1);
  const auto found = std::ranges::find_if(self.items(), [&](const Value& item) { return isEqual(item, given[0], interpreter.budget()); });
  if (found == self.items().end()) fail("index finds no such element");
  return Value::integer(found - self.items().begin(), self.isTemplate());
}

constexpr std::pair<std::string_view, Method> kOfDicts[] = {{"copy", copy}, {"get", get}, {"items", items}, {"keys", keys}, {"values", values}};
constexpr std::pair<std::string_view, Method> kOfLists[] = {{"copy", copy}, {"count", count}, {"index", index}};

} // namespace

Method findMethod(const Value& self, std::string_view name) {
  switch (self.kind()) {
  case Kind::kText: return findTextMethod(name);
  case Kind::kDict: return findIn(kOfDicts, name);
  case Kind::kTuple:
  case Kind::kRange: return name == "copy" ? nullptr : findIn(kOfLists, name);
  case Kind::kList: return findIn(kOfLists, name);
  default: return nullptr;
  }
}

bool isOtherMethod(const Value& self, std::string_view name) {
  static constexpr std::string_view kOfDict[] = {"clear", "fromkeys", "pop", "popitem", "setdefault", "update"};
  return self.is(Kind::kDict) && (std::ranges::find(kOfDict, name) != std::end(kOfDict) || (name.starts_with("__") && name.ends_with("__")));
}

Value bindMethod(const Value& self, std::string_view name, Method method) {
  return Value::function(std::string(name), [self, method](Interpreter& interpreter, Arguments& arguments) { return method(interpreter, self, arguments); });
}

} // namespace jinx::chat
