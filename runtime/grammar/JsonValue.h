// JSON as schemas need it: members in their order, numbers as they are written.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/grammar/Budget.h"

namespace jinx::grammar {

struct JsonMember;

struct JsonValue {
  enum class Kind : uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };
  Kind kind = Kind::kNull;
  bool boolean = false;
  std::string text; ///< a string's bytes, a number's text
  std::vector<JsonValue> items;
  std::vector<JsonMember> members; ///< no name twice

  bool isObject() const { return kind == Kind::kObject; }
  bool isArray() const { return kind == Kind::kArray; }
  bool isString() const { return kind == Kind::kString; }
  /// Null where there is none.
  const JsonValue* find(std::string_view name) const;
};
struct JsonMember {
  std::string name;
  JsonValue value;
};

/// kInvalidArgument with the offset in bytes, kResource past a limit.
Expected<JsonValue> parseJsonValue(std::string_view text, Budget& budget);

/// The JSON pointer of a part of `root`, as a fragment: "#/properties/a".
std::string pointerTo(const JsonValue& root, const JsonValue* part);
/// The part that a fragment ("#/$defs/a") names; null when there is none.
const JsonValue* findPointer(const JsonValue& root, std::string_view fragment);

} // namespace jinx::grammar
