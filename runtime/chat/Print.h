// Values as text: as Python's str and repr write them, and as JSON.
#pragma once

#include "runtime/chat/Budget.h"
#include "runtime/chat/Value.h"

namespace jinx::chat {

/// As str: of an undefined value nothing.
MarkedText printed(const Value& value, Budget& budget);
/// As repr.
MarkedText represented(const Value& value, Budget& budget);
/// The shortest digits that read as the same number: "0.1", "1e+16", "inf".
std::string printedFloat(double value);

struct JsonStyle {
  bool asciiOnly = false, sortsKeys = false;
  bool isIndented = false;
  std::string indent; ///< of one level
  MarkedText betweenItems, betweenKeyAndValue;
};
/// As json.dumps; throws for what JSON has not.
MarkedText toJson(const Value& value, const JsonStyle& style, Budget& budget);

} // namespace jinx::chat
