#include <algorithm>

#include "runtime/chat/Interpreter.h"
#include "runtime/chat/Operators.h"
#include "runtime/chat/Print.h"
#include "runtime/chat/PythonText.h"

namespace jinx::chat {

namespace {

[[noreturn]] void failUndefined(const Value& value) { fail("'" + value.undefinedName() + "' is undefined"); }

} // namespace

Value Interpreter::evaluate(const Expression& expression) {
  Budget::Level level(budget_);
  budget_.charge();
  using K = Expression::Kind;
  const auto part = [&](size_t i) { return evaluate(*expression.parts[i]); };
  switch (expression.kind) {
  case K::kConstant: return expression.value;
  case K::kName: return evaluateName(expression);
  case K::kTuple: return Value::sequence(Kind::kTuple, evaluateAll(expression.parts), true, budget_);
  case K::kList: return Value::list(evaluateAll(expression.parts), true, budget_);
  case K::kDict: return evaluateDict(expression);
  case K::kSlice: return evaluateSlice(expression);
  case K::kCompare: return evaluateCompare(expression);
  case K::kConcat: return evaluateConcat(expression);
  case K::kFilter: return evaluateFilter(expression, nullptr);
  case K::kTest: return evaluateTest(expression);
  case K::kNot: {
    const Value value = part(0);
    return Value::boolean(!isTrue(value), value.isTemplate());
  }
  case K::kAnd: {
    Value left = part(0);
    return isTrue(left) ? part(1) : left;
  }
  case K::kOr: {
    Value left = part(0);
    return isTrue(left) ? left : part(1);
  }
  case K::kConditional:
    if (isTrue(part(0))) return part(1);
    return expression.parts[2] ? part(2) : Value::undefined("the value of an if without else");
  default: break;
  }
  // What may fail, once its operands are known.
  Value first = part(0);
  if (expression.kind == K::kAttribute) {
    at_ = expression.at;
    return attribute(first, expression.name);
  }
  if (expression.kind == K::kCall) {
    Arguments arguments = evaluateArguments(expression.arguments);
    at_ = expression.at;
    return call(first, arguments);
  }
  if (expression.kind == K::kNegate || expression.kind == K::kPlus) {
    at_ = expression.at;
    Value other = negated(first);
    return expression.kind == K::kNegate ? other : negated(other);
  }
  Value second = part(1);
  at_ = expression.at;
  return expression.kind == K::kItem ? item(first, second) : arithmetic(expression.operators[0], first, second, budget_);
}

std::vector<Value> Interpreter::evaluateAll(const std::vector<ExpressionPtr>& parts) {
  std::vector<Value> values;
  values.reserve(parts.size());
  for (const ExpressionPtr& part : parts)
    values.push_back(evaluate(*part));
  return values;
}

Value Interpreter::evaluateName(const Expression& expression) {
  for (const Scope* scope = scope_; scope; scope = scope->parent)
    for (const auto& [name, value] : scope->names)
      if (name == expression.name) return value;
  if (const Value* value = context_.as<DictObject>().find(std::string_view(expression.name))) return *value;
  if (const Function function = findFunction(expression.name)) return Value::function(expression.name, function);
  return Value::undefined(expression.name);
}

Value Interpreter::evaluateDict(const Expression& expression) {
  std::vector<std::pair<Value, Value>> entries;
  for (size_t i = 0; i < expression.parts.size(); i += 2) {
    Value key = evaluate(*expression.parts[i]);
    at_ = expression.at;
    if (!isHashable(key)) fail("a value of type " + typeName(key) + " is no key");
    entries.emplace_back(std::move(key), evaluate(*expression.parts[i + 1]));
  }
  return Value::dict(std::move(entries), true, budget_);
}

Value Interpreter::evaluateSlice(const Expression& expression) {
  const Value value = evaluate(*expression.parts[0]);
  Value bounds[3];
  for (size_t i = 0; i < 3; ++i)
    bounds[i] = expression.parts[i + 1] ? evaluate(*expression.parts[i + 1]) : Value::none();
  at_ = expression.at;
  return sliced(value, bounds[0], bounds[1], bounds[2], budget_);
}

bool Interpreter::holds(Operator op, const Value& left, const Value& right) {
  switch (op) {
  case Operator::kEqual: return isEqual(left, right, budget_);
  case Operator::kUnequal: return !isEqual(left, right, budget_);
  case Operator::kIn: return contains(right, left);
  case Operator::kNotIn: return !contains(right, left);
  default: break;
  }
  const auto isNan = [](const Value& value) { return value.is(Kind::kFloat) && value.real() != value.real(); };
  const int order = compare(left, right, budget_);
  if (isNan(left) || isNan(right)) return false;
  switch (op) {
  case Operator::kLess: return order < 0;
  case Operator::kLessEqual: return order <= 0;
  case Operator::kGreater: return order > 0;
  default: return order >= 0;
  }
}

Value Interpreter::evaluateCompare(const Expression& expression) {
  Value left = evaluate(*expression.parts[0]);
  bool isTemplate = left.isTemplate();
  for (size_t i = 0; i < expression.operators.size(); ++i) {
    Value right = evaluate(*expression.parts[i + 1]);
    at_ = expression.at;
    isTemplate = isTemplate && right.isTemplate();
    if (!holds(expression.operators[i], left, right)) return Value::boolean(false, isTemplate);
    left = std::move(right);
  }
  return Value::boolean(true, isTemplate);
}

Value Interpreter::evaluateConcat(const Expression& expression) {
  MarkedText text;
  for (const ExpressionPtr& part : expression.parts) {
    const Value value = evaluate(*part);
    at_ = expression.at;
    text.append(printed(value, budget_));
    budget_.limitBytes(text.size());
  }
  return Value::text(std::move(text));
}

Arguments Interpreter::evaluateArguments(const std::vector<Argument>& arguments) {
  Arguments made;
  for (const Argument& argument : arguments) {
    Value value = evaluate(*argument.value);
    at_ = argument.value->at;
    if (argument.spread == Argument::Spread::kList) {
      for (Value& one : elements(value))
        made.positional.push_back(std::move(one));
    } else if (argument.spread == Argument::Spread::kDict) {
      if (!value.is(Kind::kDict)) fail("** takes a dict, got a value of type " + typeName(value));
      for (const auto& [key, one] : value.as<DictObject>().entries) {
        if (!key.is(Kind::kText)) fail("** takes a dict of names");
        made.named.emplace_back(key.bytes(), one);
      }
    } else if (argument.name.empty()) {
      made.positional.push_back(std::move(value));
    } else {
      made.named.emplace_back(argument.name, std::move(value));
    }
  }
  return made;
}

/// \param input  what a filter block has written; null: the expression's own part
Value Interpreter::evaluateFilter(const Expression& expression, const Value* input) {
  const Expression* inner = expression.parts.empty() ? nullptr : expression.parts[0].get();
  Value value;
  if (!inner) value = input ? *input : Value();
  else if (input && inner->kind == Expression::Kind::kFilter) value = evaluateFilter(*inner, input);
  else value = evaluate(*inner);
  Arguments arguments = evaluateArguments(expression.arguments);
  at_ = expression.at;
  return filtered(expression.name, value, arguments);
}

Value Interpreter::evaluateTest(const Expression& expression) {
  const Value value = evaluate(*expression.parts[0]);
  Arguments arguments = evaluateArguments(expression.arguments);
  at_ = expression.at;
  return Value::boolean(passes(expression.name, value, arguments), value.isTemplate());
}

// ---- what filters, too, ask of values ----------------------------------------------------------------------------------------------

Value Interpreter::filtered(const std::string& name, const Value& value, Arguments& arguments) {
  budget_.charge();
  const Filter filter = findFilter(name);
  if (!filter) failUnimplemented("there is no filter '" + name + "'");
  return filter(*this, value, arguments);
}

bool Interpreter::passes(const std::string& name, const Value& value, Arguments& arguments) {
  budget_.charge();
  const Test test = findTest(name);
  if (!test) failUnimplemented("there is no test '" + name + "'");
  return test(*this, value, arguments);
}

Value Interpreter::call(const Value& function, Arguments& arguments) {
  if (function.is(Kind::kUndefined)) failUndefined(function);
  if (!function.is(Kind::kFunction)) fail("a value of type " + typeName(function) + " cannot be called");
  Budget::Level level(budget_);
  budget_.charge(1 + arguments.positional.size());
  return function.as<FunctionObject>().call(*this, arguments);
}

Value Interpreter::attribute(const Value& object, const std::string& name) {
  if (object.is(Kind::kUndefined)) failUndefined(object);
  if (object.is(Kind::kLoop)) return loopAttribute(*this, object, name);
  if (object.is(Kind::kNamespace)) {
    const Value* found = object.as<NamespaceObject>().state->find(name);
    return found ? *found : Value::undefined(name);
  }
  // Python's dict["x"] is dict with a note about types, and so is Jinja's dict.x: some templates make dicts by dict.from_keys(pairs).
  if (object.is(Kind::kFunction) && object.as<FunctionObject>().name == "dict" && name != "fromkeys" && !name.starts_with("_")) return object;
  if (const Method method = findMethod(object, name)) return bindMethod(object, name, method);
  if (isOtherMethod(object, name)) return Value::undefined(typeName(object) + "." + name);
  if (object.is(Kind::kDict))
    if (const Value* found = object.as<DictObject>().find(std::string_view(name))) return *found;
  return Value::undefined(name);
}

Value Interpreter::item(const Value& object, const Value& key) {
  if (object.is(Kind::kUndefined)) failUndefined(object);
  if (object.is(Kind::kDict) && isHashable(key))
    if (const Value* found = object.as<DictObject>().find(key)) return *found;
  const bool isIndexed = object.is(Kind::kText) || (object.isSequence() && !object.is(Kind::kView));
  if (isIndexed && key.isInteger()) {
    const bool isText = object.is(Kind::kText);
    if (isText) budget_.chargeBytes(object.text().size());
    const auto size = static_cast<int64_t>(isText ? countCodes(object.bytes()) : object.items().size());
    const int64_t place = key.integer() < 0 ? key.integer() + size : key.integer();
    if (place < 0 || place >= size) return Value::undefined("element " + std::to_string(key.integer()));
    if (!isText) return object.items()[static_cast<size_t>(place)];
    const size_t begin = byteOfCode(object.bytes(), static_cast<size_t>(place));
    return Value::text(object.text().slice(begin, begin + byteOfCode(std::string_view(object.bytes()).substr(begin), 1)));
  }
  if (key.is(Kind::kText)) return attribute(object, key.bytes());
  return Value::undefined("an element of '" + typeName(object) + "'");
}

std::vector<Value> Interpreter::elements(const Value& value) {
  std::vector<Value> items;
  if (value.is(Kind::kUndefined)) return items;
  if (value.isSequence()) items = value.items();
  else if (value.is(Kind::kDict))
    for (const auto& entry : value.as<DictObject>().entries)
      items.push_back(entry.first);
  else if (value.is(Kind::kIterator)) {
    auto& iterator = value.as<IteratorObject>();
    items.assign(iterator.items.begin() + static_cast<std::ptrdiff_t>(iterator.next), iterator.items.end());
    iterator.next = iterator.items.size();
  } else if (value.is(Kind::kText)) {
    budget_.charge(value.text().size());
    const std::vector<size_t> begins = codeBegins(value.bytes());
    for (size_t i = 0; i + 1 < begins.size(); ++i)
      items.push_back(Value::text(value.text().slice(begins[i], begins[i + 1])));
  } else {
    fail("a value of type " + typeName(value) + " has no elements");
  }
  budget_.charge(items.size());
  return items;
}

bool Interpreter::contains(const Value& container, const Value& value) {
  if (container.is(Kind::kText)) {
    if (!value.is(Kind::kText)) fail("'in' of a text takes a text, got a value of type " + typeName(value));
    budget_.chargeBytes(container.text().size());
    return container.bytes().find(value.bytes()) != std::string::npos;
  }
  const bool areKeys = container.is(Kind::kView) && container.as<ListObject>().display == "dict_keys";
  if (areKeys && !isHashable(value)) fail("a value of type " + typeName(value) + " is no key");
  if (container.is(Kind::kDict)) {
    if (!isHashable(value)) fail("a value of type " + typeName(value) + " is no key");
    return container.as<DictObject>().find(value) != nullptr;
  }
  return std::ranges::any_of(elements(container), [&](const Value& one) { return isEqual(one, value, budget_); });
}

Value Interpreter::makeNamespace() {
  budget_.charge(8);
  auto object = std::make_shared<NamespaceObject>();
  object->state = &namespaces_.emplace_back();
  return Value::object(Kind::kNamespace, std::move(object));
}

} // namespace jinx::chat
