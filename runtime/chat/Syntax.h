// A template as a tree.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/chat/Fault.h"
#include "runtime/chat/Value.h"

namespace jinx::chat {

enum class Operator : uint8_t { kAdd, kSubtract, kMultiply, kDivide, kFloorDivide, kModulo, kPower, kEqual, kUnequal, kLess, kLessEqual, kGreater, kGreaterEqual, kIn, kNotIn };

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

/// Of a call, a filter or a test.
struct Argument {
  enum class Spread : uint8_t { kNone, kList, kDict }; ///< f(x), f(*x), f(**x)
  std::string name;                                    ///< empty: by its place
  Spread spread = Spread::kNone;
  ExpressionPtr value;
};

struct Expression {
  enum class Kind : uint8_t {
    kConstant,    ///< value
    kName,        ///< name
    kTuple,       ///< parts
    kList,        ///< parts
    kDict,        ///< parts: key, value, key, value …
    kAttribute,   ///< parts[0].name
    kItem,        ///< parts[0][parts[1]]
    kSlice,       ///< parts[0][parts[1] : parts[2] : parts[3]], each of the last three may be null
    kCall,        ///< parts[0](arguments)
    kFilter,      ///< parts[0] | name(arguments); without parts in a filter block
    kTest,        ///< parts[0] is name(arguments)
    kNot,         ///< parts[0]
    kNegate,      ///< parts[0]
    kPlus,        ///< parts[0]
    kAnd,         ///< parts[0], parts[1]
    kOr,          ///< parts[0], parts[1]
    kCompare,     ///< parts[0] operators[0] parts[1] operators[1] …
    kArithmetic,  ///< parts[0] operators[0] parts[1]
    kConcat,      ///< parts, with ~ between
    kConditional, ///< parts[1] if parts[0] else parts[2], which may be null
  };
  Kind kind;
  Position at;
  int32_t depth = 1; ///< of expressions in it
  Value value;
  std::string name;
  std::vector<ExpressionPtr> parts;
  std::vector<Argument> arguments;
  std::vector<Operator> operators;
};

/// What is assigned to: a name, a field of a namespace, or a tuple of targets.
struct Target {
  std::string name, field;
  std::vector<Target> parts;
  Position at;
};

struct Statement;
using Body = std::vector<std::unique_ptr<Statement>>;

struct Parameter {
  std::string name;
  ExpressionPtr otherwise; ///< null: none
};

/// A part of a template that is called: a macro, or what `call` gives to one.
struct Macro {
  std::string name;
  std::vector<Parameter> parameters;
  Body body;
  bool usesCaller = false, usesVarargs = false, usesKwargs = false;
};

struct Statement {
  enum class Kind : uint8_t {
    kText,     ///< text
    kPrint,    ///< expression
    kIf,       ///< conditions[i]: bodies[i]; one more body: else
    kFor,      ///< target in expression if conditions[0]: bodies[0], else bodies[1]
    kSet,      ///< target = expression
    kSetBlock, ///< target = bodies[0], through the filters of `expression`
    kMacro,    ///< macro
    kCall,     ///< expression, a call, with `macro` as caller
    kFilter,   ///< bodies[0] through `expression`
    kWith,     ///< targets = conditions, for bodies[0]
    kScope,    ///< bodies[0] with names of its own
    kBreak,
    kContinue,
  };
  Kind kind;
  Position at;
  std::string text;
  ExpressionPtr expression;
  std::vector<ExpressionPtr> conditions;
  std::vector<Target> targets;
  std::vector<Body> bodies;
  std::unique_ptr<Macro> macro;
  bool usesLoop = false; ///< of kFor: the body names `loop`
};

} // namespace jinx::chat
