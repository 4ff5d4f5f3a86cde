// JSON of clients: objects keep the order of their keys, which templates and schemas see.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "runtime/base/Status.h"

namespace jinx::serve {

using Json = nlohmann::ordered_json;

/// kInvalidArgument, with the place, for text that is no JSON in UTF-8, is nested deeper than 64, has an object of more than 2,048 keys, or a number out of range.
Expected<Json> parseJson(std::string_view text);

/// JSON as text; bytes that are no UTF-8 become U+FFFD.
std::string dump(const Json& json);

/// "3.5" and the like: the beginning of what is there, of bounded length; "an array" and "an object".
std::string shown(const Json& value);

} // namespace jinx::serve
