// Fields of JSON objects, checked: what is missing or of another kind is an error that names the field and what is there.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "runtime/base/Status.h"

namespace jinx::text {

using Json = nlohmann::json;

/// kInvalidArgument, with the place, for text that is no JSON.
Expected<Json> parseJson(std::string_view text);

/// The field; a null one is taken for missing. Null when it is missing.
const Json* findField(const Json& object, const char* name);

// Each: the field; `otherwise` when it is missing; kInvalidArgument when it is of another kind.
Expected<bool> boolField(const Json& object, const char* name, bool otherwise);
Expected<int64_t> integerField(const Json& object, const char* name, int64_t otherwise);
Expected<std::string> textField(const Json& object, const char* name, std::string_view otherwise);
/// Without which nothing goes.
Expected<std::string> textField(const Json& object, const char* name);
Expected<const Json*> objectField(const Json& object, const char* name);
Expected<const Json*> arrayField(const Json& object, const char* name);

/// "is 3, expected text"
Status isOther(const Json& value, const char* expected);

} // namespace jinx::text
