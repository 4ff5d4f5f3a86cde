// Walks a template's tree over a context and writes text.
//
// A scope has the names that were set in it; what it lacks is looked for in the scope around it, then in the context, then among the functions that all templates
// have. Bodies of `if` share the scope around them; those of loops (each time round), macros and blocks that are set have their own.
#pragma once

#include <deque>
#include <optional>

#include "runtime/chat/Arguments.h"
#include "runtime/chat/Budget.h"
#include "runtime/chat/Syntax.h"

namespace jinx::chat {

/// Names of a block. Kept for reuse, unless a function was made in it, which may see it later.
struct Scope {
  std::vector<std::pair<std::string_view, Value>> names; ///< the keys are the tree's
  Scope* parent = nullptr;
  bool isCaptured = false;
};

class Interpreter {
 public:
  /// \param context  of Kind::kDict
  Interpreter(const Limits& limits, Value context) : budget_(limits), context_(std::move(context)) {}
  /// Throws a Fault with a position.
  MarkedText run(const Body& body);
  ~Interpreter();

  Budget& budget() { return budget_; }
  Value call(const Value& function, Arguments& arguments);
  Value filtered(const std::string& name, const Value& value, Arguments& arguments);
  bool passes(const std::string& name, const Value& value, Arguments& arguments);
  /// object.name: a method, else the element of this name, else undefined.
  Value attribute(const Value& object, const std::string& name);
  /// object[key]: the element, else an attribute of this name, else undefined.
  Value item(const Value& object, const Value& key);
  /// What a loop over the value sees; of an iterator what is left of it. Throws for what cannot be walked.
  std::vector<Value> elements(const Value& value);
  bool contains(const Value& container, const Value& value);
  Value makeNamespace();
  /// A loop that keeps a value which may be the loop: it lets go of it at the end.
  void letGoAtEnd(const Value& loop);

 private:
  enum class Flow : uint8_t { kOn, kBreak, kContinue };
  class ScopeGuard;

  // ---- expressions (Evaluate.cpp)
  Value evaluate(const Expression& expression);
  Value evaluateName(const Expression& expression);
  Value evaluateSlice(const Expression& expression);
  Value evaluateCompare(const Expression& expression);
  Value evaluateConcat(const Expression& expression);
  Value evaluateDict(const Expression& expression);
  std::vector<Value> evaluateAll(const std::vector<ExpressionPtr>& parts);
  Arguments evaluateArguments(const std::vector<Argument>& arguments);
  Value evaluateFilter(const Expression& expression, const Value* input);
  Value evaluateTest(const Expression& expression);
  bool holds(Operator op, const Value& left, const Value& right);

  // ---- statements (Execute.cpp)
  Flow execute(const Body& body);
  Flow execute(const Statement& statement);
  Flow executeIf(const Statement& statement);
  Flow executeFor(const Statement& statement);
  Flow executeRound(const Statement& statement, const Value& item, const Value& loop);
  void executeSetBlock(const Statement& statement);
  void executeFilterBlock(const Statement& statement);
  Flow executeWith(const Statement& statement);
  Flow executeScope(const Statement& statement);
  void executeCall(const Statement& statement);
  void assign(const Target& target, const Value& value);
  void setName(std::string_view name, Value value);
  Value makeMacro(const Macro& macro);
  Value callMacro(const Macro& macro, Scope* around, Arguments& arguments);
  /// What the body writes.
  MarkedText capture(const Body& body);
  void write(const MarkedText& text);

  Scope* enter(Scope* parent);
  void leave(Scope* scope);

  Budget budget_;
  Value context_;
  MarkedText* output_ = nullptr;
  Scope* scope_ = nullptr;
  Position at_; ///< of the expression that is computed, for faults
  std::deque<Scope> scopes_;
  std::vector<Scope*> free_;
  std::deque<NamespaceState> namespaces_;
  std::vector<Value> loops_; ///< letGoAtEnd
};

/// Filters, tests, functions and methods by name; null where there is none.
using Filter = Value (*)(Interpreter&, const Value& value, Arguments&);
using Test = bool (*)(Interpreter&, const Value& value, Arguments&);
using Method = Value (*)(Interpreter&, const Value& self, Arguments&);
using Function = Value (*)(Interpreter&, Arguments&);
Filter findFilter(std::string_view name);
Filter findListFilter(std::string_view name);
Test findTest(std::string_view name);
Method findMethod(const Value& self, std::string_view name);
Method findTextMethod(std::string_view name);
Function findFunction(std::string_view name);
/// Whether Python's objects of this kind have a method of this name that we have not: it hides an element of the name.
bool isOtherMethod(const Value& self, std::string_view name);

/// PythonText's replace, paid for.
MarkedText replaceWithin(const MarkedText& text, std::string_view from, const MarkedText& to, int64_t most, Budget& budget);
/// A function made of a method.
Value bindMethod(const Value& self, std::string_view name, Method method);
/// `loop.name`; undefined for another name.
Value loopAttribute(Interpreter& interpreter, const Value& loop, std::string_view name);

} // namespace jinx::chat
