// What comes behind `is`.
#include <algorithm>

#include "runtime/chat/Interpreter.h"
#include "runtime/chat/NameTable.h"
#include "runtime/chat/PythonText.h"

namespace jinx::chat {
namespace {

template <Kind kind> bool isKind(Interpreter&, const Value& value, Arguments& arguments) {
  Bound given("the test", arguments, {});
  return value.is(kind);
}

template <bool (*is)(const Value&)> bool holds(Interpreter&, const Value& value, Arguments& arguments) {
  Bound given("the test", arguments, {});
  return is(value);
}

bool isDefined(const Value& value) { return !value.is(Kind::kUndefined); }
bool isInteger(const Value& value) { return value.is(Kind::kInteger); }
bool isNumber(const Value& value) { return value.isNumber(); }
bool isTrueValue(const Value& value) { return value.is(Kind::kBool) && value.integer() != 0; }
bool isFalseValue(const Value& value) { return value.is(Kind::kBool) && value.integer() == 0; }
bool isCallable(const Value& value) { return value.is(Kind::kFunction); }
bool isIterable(const Value& value) { return value.isSequence() || value.is(Kind::kText) || value.is(Kind::kDict) || value.is(Kind::kIterator) || value.is(Kind::kUndefined) || value.is(Kind::kLoop); }
bool isSequence(const Value& value) { return (value.isSequence() && !value.is(Kind::kView)) || value.is(Kind::kText) || value.is(Kind::kDict) || value.is(Kind::kUndefined); }
bool isLowerText(const Value& value) { return value.is(Kind::kText) && toLower(value.text()).bytes() == value.bytes() && toUpper(value.text()).bytes() != value.bytes(); }
bool isUpperText(const Value& value) { return value.is(Kind::kText) && toUpper(value.text()).bytes() == value.bytes() && toLower(value.text()).bytes() != value.bytes(); }
bool isEscaped(const Value& value) { return value.isMarkup(); }

const Value& numberOf(const Value& value) {
  if (value.is(Kind::kUndefined)) fail("'" + value.undefinedName() + "' is undefined");
  if (!value.isInteger()) fail("the test takes an integer, got a value of type " + typeName(value));
  return value;
}
bool isOdd(const Value& value) { return numberOf(value).integer() % 2 != 0; }
bool isEven(const Value& value) { return numberOf(value).integer() % 2 == 0; }

bool isDivisible(Interpreter&, const Value& value, Arguments& arguments) {
  Bound given("divisibleby", arguments, {"num"}, 1);
  const int64_t by = numberOf(given[0]).integer();
  if (by == 0) fail("division by zero");
  return by == -1 || numberOf(value).integer() % by == 0;
}

template <typename Compare> bool ordered(const Value& value, Arguments& arguments, Interpreter& interpreter, Compare holds) {
  Bound given("the test", arguments, {"other"}, 1);
  return holds(compare(value, given[0], interpreter.budget()));
}

bool isEqualTo(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  Bound given("eq", arguments, {"other"}, 1);
  return isEqual(value, given[0], interpreter.budget());
}
bool isUnequalTo(Interpreter& interpreter, const Value& value, Arguments& arguments) { return !isEqualTo(interpreter, value, arguments); }
bool isIn(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  Bound given("in", arguments, {"seq"}, 1);
  return interpreter.contains(given[0], value);
}
bool isSameAs(Interpreter&, const Value& value, Arguments& arguments) {
  Bound given("sameas", arguments, {"other"}, 1);
  const bool isPlain = value.kind() == given[0].kind() && (value.is(Kind::kNone) || value.is(Kind::kBool) || value.is(Kind::kInteger));
  return isPlain ? value.integer() == given[0].integer() : value.isSameObject(given[0]);
}
bool isLess(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  return ordered(value, arguments, interpreter, [](int order) { return order < 0; });
}
bool isLessOrEqual(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  return ordered(value, arguments, interpreter, [](int order) { return order <= 0; });
}
bool isGreater(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  return ordered(value, arguments, interpreter, [](int order) { return order > 0; });
}
bool isGreaterOrEqual(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  return ordered(value, arguments, interpreter, [](int order) { return order >= 0; });
}
bool isFilter(Interpreter&, const Value& value, Arguments&) { return value.is(Kind::kText) && findFilter(value.bytes()); }
bool isTest(Interpreter&, const Value& value, Arguments&) { return value.is(Kind::kText) && findTest(value.bytes()); }

constexpr std::pair<std::string_view, Test> kTests[] = {
    {"boolean", isKind<Kind::kBool>}, {"callable", holds<isCallable>},  {"defined", holds<isDefined>},      {"divisibleby", isDivisible},
    {"eq", isEqualTo},                {"equalto", isEqualTo},           {"escaped", holds<isEscaped>},      {"even", holds<isEven>},
    {"false", holds<isFalseValue>},   {"filter", isFilter},             {"float", isKind<Kind::kFloat>},    {"ge", isGreaterOrEqual},
    {"greaterthan", isGreater},       {"gt", isGreater},                {"in", isIn},                       {"integer", holds<isInteger>},
    {"iterable", holds<isIterable>},  {"le", isLessOrEqual},            {"lessthan", isLess},               {"lower", holds<isLowerText>},
    {"lt", isLess},                   {"mapping", isKind<Kind::kDict>}, {"ne", isUnequalTo},                {"none", isKind<Kind::kNone>},
    {"number", holds<isNumber>},      {"odd", holds<isOdd>},            {"sameas", isSameAs},               {"sequence", holds<isSequence>},
    {"string", isKind<Kind::kText>},  {"test", isTest},                 {"true", holds<isTrueValue>},       {"undefined", isKind<Kind::kUndefined>},
    {"upper", holds<isUpperText>},
};

} // namespace

Test findTest(std::string_view name) { return findIn(kTests, name); }

} // namespace jinx::chat
