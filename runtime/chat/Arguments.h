// What a function, a filter, a test or a method is called with.
//
//   Bound given("replace", arguments, {"old", "new", "count"}, 2);   // throws where old or new is missing, or something else is there
//   given.text(0) …  given.integer(2, -1)
#pragma once

#include <initializer_list>

#include "runtime/chat/Fault.h"
#include "runtime/chat/Value.h"

namespace jinx::chat {

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;

  /// Takes a named one out.
  bool take(std::string_view name, Value& value);
};

/// Arguments by parameter. The function's name is for messages.
class Bound {
 public:
  Bound(std::string_view function, const Arguments& arguments, std::initializer_list<std::string_view> names, size_t required = 0);

  /// Given, and not none.
  bool has(size_t i) const { return given_[i] && !values_[i].is(Kind::kNone); }
  bool isGiven(size_t i) const { return given_[i]; }
  const Value& operator[](size_t i) const { return values_[i]; }
  /// Throw for another type.
  const MarkedText& text(size_t i) const;
  int64_t integer(size_t i, int64_t otherwise) const;
  bool truth(size_t i, bool otherwise) const { return given_[i] ? isTrue(values_[i]) : otherwise; }

 private:
  std::string function_;
  std::vector<Value> values_;
  std::vector<bool> given_;
};

} // namespace jinx::chat
