// Values of a template's expressions: those of Python that templates of conversations see.
//
// All but namespaces and iterators never change. A value says whether the template wrote it or a user; a text says so of each byte, and of a list or an object the
// mark is that of what is written around the elements. Namespaces, and the scopes that functions see, belong to the interpreter, so that no value keeps itself alive.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/chat/MarkedText.h"

namespace jinx::chat {

class Budget;
class Interpreter;
class Value;
struct Arguments;
struct LoopState;

enum class Kind : uint8_t {
  kUndefined,
  kNone,
  kBool,
  kInteger,
  kFloat,
  kText,
  kList,
  kTuple,
  kRange,    ///< range(…)
  kView,     ///< what keys(), values() and items() of an object are
  kDict,
  kIterator, ///< what map, select and their kin make: can be walked once
  kNamespace,
  kLoop,
  kFunction,
};

struct Object {
  virtual ~Object() = default;
};

class Value {
 public:
  Value() = default; ///< undefined, without a name

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool isNumber() const { return kind_ == Kind::kBool || kind_ == Kind::kInteger || kind_ == Kind::kFloat; }
  bool isInteger() const { return kind_ == Kind::kBool || kind_ == Kind::kInteger; }
  /// Has elements in `items`.
  bool isSequence() const { return kind_ == Kind::kList || kind_ == Kind::kTuple || kind_ == Kind::kRange || kind_ == Kind::kView; }

  /// Of a bool, 0 or 1.
  int64_t integer() const { return integer_; }
  double real() const { return kind_ == Kind::kFloat ? real_ : static_cast<double>(integer_); }
  const MarkedText& text() const;
  const std::string& bytes() const { return text().bytes(); }
  const std::vector<Value>& items() const;
  Object& object() const { return *object_; }
  template <typename T>
  T& as() const {
    return static_cast<T&>(*object_);
  }
  /// Whether both are one thing in memory.
  bool isSameObject(const Value& other) const { return object_ && object_ == other.object_; }
  /// How deep data lies in it.
  int32_t depth() const;

  bool isTemplate() const { return isTemplate_; }
  bool isMarkup() const { return isMarkup_; } ///< text that `escape` leaves alone
  Value marked(bool isTemplate) const;
  Value asMarkup() const;

  static Value undefined(std::string name);
  static Value none(bool isTemplate = true) { return Value(Kind::kNone, isTemplate); }
  static Value boolean(bool value, bool isTemplate = true);
  static Value integer(int64_t value, bool isTemplate = true);
  static Value real(double value, bool isTemplate = true);
  static Value text(MarkedText text);
  static Value text(std::string bytes, bool isTemplate = true) { return text(MarkedText(std::move(bytes), isTemplate)); }
  /// \param budget  bounds how deep values lie in values
  static Value sequence(Kind kind, std::vector<Value> items, bool isTemplate, const Budget& budget, std::string display = {});
  static Value range(int64_t begin, int64_t end, int64_t step, std::vector<Value> items);
  static Value list(std::vector<Value> items, bool isTemplate, const Budget& budget) { return sequence(Kind::kList, std::move(items), isTemplate, budget); }
  /// Later entries with equal keys replace earlier ones, in their place.
  static Value dict(std::vector<std::pair<Value, Value>> entries, bool isTemplate, const Budget& budget);
  static Value iterator(std::vector<Value> items, bool isTemplate, const Budget& budget);
  static Value object(Kind kind, std::shared_ptr<Object> object) {
    Value value(kind, true);
    value.object_ = std::move(object);
    return value;
  }
  static Value function(std::string name, std::function<Value(Interpreter&, Arguments&)> call);

  /// The name by which an undefined value was asked for.
  std::string undefinedName() const;

 private:
  Value(Kind kind, bool isTemplate) : kind_(kind), isTemplate_(isTemplate) {}
  Kind kind_ = Kind::kUndefined;
  bool isTemplate_ = true, isMarkup_ = false;
  union {
    int64_t integer_ = 0;
    double real_;
  };
  std::shared_ptr<Object> object_;
};

struct TextObject : Object {
  MarkedText text;
};

struct ListObject : Object {
  std::vector<Value> items;
  std::string display; ///< of a view: what stands in front of its elements
  int32_t depth = 1;
};

struct RangeObject : ListObject {
  int64_t begin = 0, end = 0, step = 1;
};

struct DictObject : Object {
  using Entry = std::pair<Value, Value>;
  std::vector<Entry> entries; ///< in the order in which they came
  int32_t depth = 1;
  /// Null when there is none.
  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;

 private:
  friend class Value;
  void makeIndex();
  std::unordered_map<std::string_view, size_t> index_; ///< of texts, where there are many entries
};

struct IteratorObject : Object {
  std::vector<Value> items;
  size_t next = 0; ///< those before were taken
  int32_t depth = 1;
};

/// In the interpreter's list; a value's object only points to it.
struct NamespaceState {
  std::vector<std::pair<std::string, Value>> fields;
  const Value* find(std::string_view name) const;
  void set(std::string_view name, Value value);
};
struct NamespaceObject : Object {
  NamespaceState* state = nullptr;
};

struct FunctionObject : Object {
  std::string name;
  std::function<Value(Interpreter&, Arguments&)> call;
};

/// As Python calls the type: "str", "dict".
std::string typeName(const Value& value);
bool isTrue(const Value& value);
/// Python's ==, which knows no errors.
bool isEqual(const Value& a, const Value& b, Budget& budget);
/// Whether a value can be a key of an object.
bool isHashable(const Value& value);
/// \returns below, at or above 0; throws where Python has no order
int compare(const Value& a, const Value& b, Budget& budget);

} // namespace jinx::chat
