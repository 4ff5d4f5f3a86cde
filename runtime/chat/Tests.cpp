// What comes behind `is`.
#include "runtime/chat/Interpreter.h"
#include "runtime/chat/NameTable.h"
#include "runtime/chat/Operators.h"
#include "runtime/chat/Print.h"
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
bool isEscaped(const Value& value) { return value.isMarkup(); }

/// Of the value's text, whatever it is.
template <bool upper> bool isCased(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  Bound given("the test", arguments, {});
  const MarkedText text = printed(value, interpreter.budget());
  const std::string up = toUpper(text).bytes(), low = toLower(text).bytes();
  return text.bytes() == (upper ? up : low) && up != low;
}

bool hasRest(Interpreter& interpreter, const Value& value, const Value& by, int64_t rest) {
  if (value.is(Kind::kText)) fail("the test takes a number, got a value of type str");
  return isEqual(arithmetic(Operator::kModulo, value, by, interpreter.budget()), Value::integer(rest), interpreter.budget());
}

template <int rest> bool isEvenOrOdd(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  Bound given("the test", arguments, {});
  return hasRest(interpreter, value, Value::integer(2), rest);
}

bool isDivisible(Interpreter& interpreter, const Value& value, Arguments& arguments) {
  Bound given("divisibleby", arguments, {"num"}, 1);
  return hasRest(interpreter, value, given[0], 0);
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
    {"eq", isEqualTo},                {"equalto", isEqualTo},           {"escaped", holds<isEscaped>},      {"even", isEvenOrOdd<0>},
    {"false", holds<isFalseValue>},   {"filter", isFilter},             {"float", isKind<Kind::kFloat>},    {"ge", isGreaterOrEqual},
    {"greaterthan", isGreater},       {"gt", isGreater},                {"in", isIn},                       {"integer", holds<isInteger>},
    {"iterable", holds<isIterable>},  {"le", isLessOrEqual},            {"lessthan", isLess},               {"lower", isCased<false>},
    {"lt", isLess},                   {"mapping", isKind<Kind::kDict>}, {"ne", isUnequalTo},                {"none", isKind<Kind::kNone>},
    {"number", holds<isNumber>},      {"odd", isEvenOrOdd<1>},            {"sameas", isSameAs},               {"sequence", holds<isSequence>},
    {"string", isKind<Kind::kText>},  {"test", isTest},                 {"true", holds<isTrueValue>},       {"undefined", isKind<Kind::kUndefined>},
    {"upper", isCased<true>},
};

} // namespace

Test findTest(std::string_view name) { return findIn(kTests, name); }

} // namespace jinx::chat
