#include <algorithm>

#include "runtime/chat/Interpreter.h"
#include "runtime/chat/Loop.h"
#include "runtime/chat/Print.h"

namespace jinx::chat {

Interpreter::~Interpreter() {
  for (const Value& loop : loops_)
    loop.as<LoopState>().changed.reset();
}

void Interpreter::letGoAtEnd(const Value& loop) { loops_.push_back(loop); }

// ---- scopes ------------------------------------------------------------------------------------------------------------------------

Scope* Interpreter::enter(Scope* parent) {
  Scope* scope = free_.empty() ? &scopes_.emplace_back() : free_.back();
  if (!free_.empty()) free_.pop_back();
  scope->parent = parent;
  return scope;
}

void Interpreter::leave(Scope* scope) {
  if (scope->isCaptured) return;
  scope->names.clear();
  free_.push_back(scope);
}

/// Names of a block, for as long as it runs.
class Interpreter::ScopeGuard {
 public:
  ScopeGuard(Interpreter& interpreter, Scope* parent) : interpreter_(interpreter), before_(interpreter.scope_), scope_(interpreter.enter(parent)) { interpreter.scope_ = scope_; }
  ~ScopeGuard() {
    interpreter_.scope_ = before_;
    interpreter_.leave(scope_);
  }
  ScopeGuard(const ScopeGuard&) = delete;
  ScopeGuard& operator=(const ScopeGuard&) = delete;

 private:
  Interpreter& interpreter_;
  Scope* before_;
  Scope* scope_;
};

void Interpreter::setName(std::string_view name, Value value) {
  for (auto& [known, old] : scope_->names)
    if (known == name) {
      old = std::move(value);
      return;
    }
  scope_->names.emplace_back(name, std::move(value));
}

void Interpreter::assign(const Target& target, const Value& value) {
  at_ = target.at;
  if (!target.parts.empty()) {
    std::vector<Value> items = elements(value);
    if (items.size() != target.parts.size())
      fail("a value of " + std::to_string(items.size()) + " elements is assigned to " + std::to_string(target.parts.size()) + " names");
    for (size_t i = 0; i < items.size(); ++i)
      assign(target.parts[i], items[i]);
    return;
  }
  if (target.field.empty()) return setName(target.name, value);
  Expression name;
  name.kind = Expression::Kind::kName;
  name.name = target.name;
  const Value object = evaluateName(name);
  if (!object.is(Kind::kNamespace)) fail("'" + target.name + "' is no namespace: its fields cannot be set");
  object.as<NamespaceObject>().state->set(target.field, value);
}

// ---- output ------------------------------------------------------------------------------------------------------------------------

void Interpreter::write(const MarkedText& text) {
  output_->append(text);
  budget_.limitBytes(output_->size());
}

MarkedText Interpreter::capture(const Body& body) {
  struct Redirect {
    MarkedText*& output;
    MarkedText* before;
    ~Redirect() { output = before; }
  };
  MarkedText text;
  Redirect redirect{output_, std::exchange(output_, &text)};
  execute(body);
  return text;
}

MarkedText Interpreter::run(const Body& body) {
  ScopeGuard guard(*this, nullptr);
  try {
    return capture(body);
  } catch (Fault& fault) {
    if (fault.at.line == 0) fault.at = at_;
    throw;
  }
}

// ---- statements --------------------------------------------------------------------------------------------------------------------

Interpreter::Flow Interpreter::execute(const Body& body) {
  Budget::Level level(budget_);
  for (const auto& statement : body)
    if (const Flow flow = execute(*statement); flow != Flow::kOn) return flow;
  return Flow::kOn;
}

Interpreter::Flow Interpreter::execute(const Statement& statement) {
  budget_.charge();
  at_ = statement.at;
  using K = Statement::Kind;
  switch (statement.kind) {
  case K::kText:
    budget_.chargeBytes(statement.text.size());
    output_->append(statement.text, true);
    budget_.limitBytes(output_->size());
    return Flow::kOn;
  case K::kPrint: write(printed(evaluate(*statement.expression), budget_)); return Flow::kOn;
  case K::kIf: return executeIf(statement);
  case K::kFor: return executeFor(statement);
  case K::kSet: assign(statement.targets[0], evaluate(*statement.expression)); return Flow::kOn;
  case K::kSetBlock: executeSetBlock(statement); return Flow::kOn;
  case K::kMacro: setName(statement.macro->name, makeMacro(*statement.macro)); return Flow::kOn;
  case K::kCall: executeCall(statement); return Flow::kOn;
  case K::kFilter: executeFilterBlock(statement); return Flow::kOn;
  case K::kWith: return executeWith(statement);
  case K::kScope: return executeScope(statement);
  case K::kBreak: return Flow::kBreak;
  case K::kContinue: return Flow::kContinue;
  }
  return Flow::kOn;
}

Interpreter::Flow Interpreter::executeIf(const Statement& statement) {
  for (size_t i = 0; i < statement.conditions.size(); ++i)
    if (isTrue(evaluate(*statement.conditions[i]))) return execute(statement.bodies[i]);
  return statement.bodies.size() > statement.conditions.size() ? execute(statement.bodies.back()) : Flow::kOn;
}

Interpreter::Flow Interpreter::executeRound(const Statement& statement, const Value& item, const Value& loop) {
  ScopeGuard guard(*this, scope_);
  if (statement.usesLoop) setName("loop", loop);
  assign(statement.targets[0], item);
  return execute(statement.bodies[0]);
}

Interpreter::Flow Interpreter::executeFor(const Statement& statement) {
  const Value sequence = evaluate(*statement.expression);
  at_ = statement.at;
  auto state = std::make_shared<LoopState>();
  state->items = elements(sequence);
  Scope* around = scope_;
  if (!statement.conditions.empty()) state->condition = [&, around](const Value& item) {
    ScopeGuard guard(*this, around);
    assign(statement.targets[0], item);
    return isTrue(evaluate(*statement.conditions[0]));
  };
  // Whoever kept `loop` sees it empty later, and no longer what it refers to here.
  struct Ending {
    LoopState& state;
    ~Ending() { state.condition = nullptr, state.changed.reset(), state.items.clear(), state.taken = 0; }
  } ending{*state};
  const Value loop = Value::object(Kind::kLoop, state);
  bool isWalked = false; // as in Jinja by a round that came to its end, not by one that was left
  for (std::optional<Value> item = state->next(); item; item = state->next()) {
    ++state->index;
    state->previous = std::exchange(state->current, *item);
    const Flow flow = executeRound(statement, *item, loop);
    if (flow == Flow::kBreak) break;
    isWalked |= flow == Flow::kOn;
  }
  if (isWalked || statement.bodies.size() < 2) return Flow::kOn;
  ScopeGuard guard(*this, scope_);
  return execute(statement.bodies[1]);
}

void Interpreter::executeSetBlock(const Statement& statement) {
  Value text;
  {
    ScopeGuard guard(*this, scope_);
    text = Value::text(capture(statement.bodies[0]));
    if (statement.expression) text = evaluateFilter(*statement.expression, &text);
  }
  assign(statement.targets[0], text);
}

void Interpreter::executeFilterBlock(const Statement& statement) {
  ScopeGuard guard(*this, scope_);
  const Value text = Value::text(capture(statement.bodies[0]));
  write(printed(evaluateFilter(*statement.expression, &text), budget_));
}

Interpreter::Flow Interpreter::executeWith(const Statement& statement) {
  const std::vector<Value> values = evaluateAll(statement.conditions);
  ScopeGuard guard(*this, scope_);
  for (size_t i = 0; i < values.size(); ++i)
    assign(statement.targets[i], values[i]);
  return execute(statement.bodies[0]);
}

Interpreter::Flow Interpreter::executeScope(const Statement& statement) {
  ScopeGuard guard(*this, scope_);
  return execute(statement.bodies[0]);
}

// ---- macros ------------------------------------------------------------------------------------------------------------------------

Value Interpreter::makeMacro(const Macro& macro) {
  Scope* around = scope_;
  for (Scope* scope = around; scope; scope = scope->parent)
    scope->isCaptured = true;
  budget_.charge(8);
  return Value::function(macro.name, [&macro, around](Interpreter& interpreter, Arguments& arguments) { return interpreter.callMacro(macro, around, arguments); });
}

Value Interpreter::callMacro(const Macro& macro, Scope* around, Arguments& arguments) {
  ScopeGuard guard(*this, around);
  const size_t count = macro.parameters.size();
  for (size_t i = 0; i < count; ++i) {
    const std::string& name = macro.parameters[i].name;
    Value value;
    const bool isNamed = arguments.take(name, value);
    if (i < arguments.positional.size()) {
      if (isNamed) fail("macro '" + macro.name + "' has two values for '" + name + "'");
      setName(name, arguments.positional[i]);
    } else if (isNamed) {
      setName(name, std::move(value));
    } else {
      setName(name, macro.parameters[i].otherwise ? evaluate(*macro.parameters[i].otherwise) : Value::undefined(name));
    }
  }
  if (Value caller; macro.usesCaller) setName("caller", arguments.take("caller", caller) ? caller : Value::undefined("caller"));
  const size_t extra = arguments.positional.size() > count ? arguments.positional.size() - count : 0;
  if (extra > 0 && !macro.usesVarargs) fail("macro '" + macro.name + "' takes " + std::to_string(count) + " arguments, got " + std::to_string(arguments.positional.size()));
  if (!arguments.named.empty() && !macro.usesKwargs) fail("macro '" + macro.name + "' has no parameter '" + arguments.named[0].first + "'");
  if (macro.usesVarargs) {
    std::vector<Value> rest(arguments.positional.end() - static_cast<std::ptrdiff_t>(extra), arguments.positional.end());
    setName("varargs", Value::sequence(Kind::kTuple, std::move(rest), true, budget_));
  }
  if (macro.usesKwargs) {
    std::vector<std::pair<Value, Value>> entries;
    for (auto& [name, value] : arguments.named)
      entries.emplace_back(Value::text(name), std::move(value));
    setName("kwargs", Value::dict(std::move(entries), true, budget_));
  }
  return Value::text(capture(macro.body));
}

void Interpreter::executeCall(const Statement& statement) {
  const Value caller = makeMacro(*statement.macro);
  const Value function = evaluate(*statement.expression->parts[0]);
  Arguments arguments = evaluateArguments(statement.expression->arguments);
  arguments.named.emplace_back("caller", caller);
  at_ = statement.at;
  write(printed(call(function, arguments), budget_));
}

} // namespace jinx::chat
