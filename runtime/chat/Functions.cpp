// Functions that all templates have.
#include <ctime>

#include "runtime/chat/Interpreter.h"
#include "runtime/chat/NameTable.h"
#include "runtime/chat/Print.h"

namespace jinx::chat {
namespace {

constexpr int64_t kLongestRange = 100'000; // as Jinja's sandbox has it

Value range(Interpreter& interpreter, Arguments& arguments) {
  const size_t count = arguments.positional.size();
  if (count == 0) fail("range lacks its argument");
  Bound given("range", arguments, {"", "", ""});
  const int64_t begin = count == 1 ? 0 : given.integer(0, 0), end = given.integer(count == 1 ? 0 : 1, 0), step = given.integer(2, 1);
  if (step == 0) fail("the step of a range is 0");
  std::vector<Value> items;
  for (int64_t at = begin; step > 0 ? at < end : at > end;) {
    if (static_cast<int64_t>(items.size()) >= kLongestRange) failLimit("a range is longer than " + std::to_string(kLongestRange));
    items.push_back(Value::integer(at));
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  interpreter.budget().charge(items.size());
  return Value::range(begin, end, step, std::move(items));
}

/// Of a dict, or of pairs; then of names.
std::vector<std::pair<Value, Value>> entriesOf(Interpreter& interpreter, Arguments& arguments) {
  std::vector<std::pair<Value, Value>> entries;
  if (arguments.positional.size() > 1) fail("a dict is made of one value and names");
  for (const Value& value : arguments.positional) {
    if (value.is(Kind::kDict)) {
      entries = value.as<DictObject>().entries;
      continue;
    }
    for (const Value& pair : interpreter.elements(value)) {
      std::vector<Value> two = interpreter.elements(pair);
      if (two.size() != 2) fail("a dict is made of pairs, got " + std::to_string(two.size()) + " elements");
      if (!isHashable(two[0])) fail("a value of type " + typeName(two[0]) + " is no key");
      entries.emplace_back(std::move(two[0]), std::move(two[1]));
    }
  }
  for (auto& [name, value] : arguments.named)
    entries.emplace_back(Value::text(name), std::move(value));
  interpreter.budget().charge(entries.size());
  return entries;
}

Value dict(Interpreter& interpreter, Arguments& arguments) { return Value::dict(entriesOf(interpreter, arguments), true, interpreter.budget()); }

Value makeNamespace(Interpreter& interpreter, Arguments& arguments) {
  Value made = interpreter.makeNamespace();
  for (auto& [key, value] : entriesOf(interpreter, arguments))
    if (key.is(Kind::kText)) made.as<NamespaceObject>().state->set(key.bytes(), std::move(value));
  return made;
}

Value raiseException(Interpreter& interpreter, Arguments& arguments) {
  Bound given("raise_exception", arguments, {"message"}, 1);
  fail("the template refuses the conversation: " + printed(given[0], interpreter.budget()).bytes());
}

Value strftimeNow(Interpreter& interpreter, Arguments& arguments) {
  Bound given("strftime_now", arguments, {"format"}, 1);
  const std::string& format = given.text(0).bytes();
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  std::string text(format.size() * 40 + 64, '\0');
  interpreter.budget().chargeBytes(text.size());
  text.resize(std::strftime(text.data(), text.size(), format.c_str(), &local));
  return Value::text(std::move(text), given[0].isTemplate());
}

constexpr std::pair<std::string_view, Function> kFunctions[] = {
    {"dict", dict}, {"namespace", makeNamespace}, {"raise_exception", raiseException}, {"range", range}, {"strftime_now", strftimeNow},
};

} // namespace

Function findFunction(std::string_view name) { return findIn(kFunctions, name); }

} // namespace jinx::chat
