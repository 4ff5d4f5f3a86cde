#include "runtime/text/Json.h"

namespace jinx::text {
namespace {

std::string quoted(const char* name) { return "field \"" + std::string(name) + "\""; }

Expected<const Json*> needed(const Json& object, const char* name) {
  const Json* value = findField(object, name);
  if (!value) return invalidArgument(quoted(name) + " is missing");
  return value;
}

} // namespace

Status isOther(const Json& value, const char* expected) {
  constexpr size_t kMost = 60;
  std::string text = value.is_structured() ? std::string("an ") + value.type_name() : value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > kMost) text = text.substr(0, kMost) + "...";
  return invalidArgument("is " + text + ", expected " + expected);
}

Expected<Json> parseJson(std::string_view text) {
  // The library tells an error by an exception; none leaves this function.
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    return invalidArgument("is no JSON: malformed at byte " + std::to_string(error.byte));
  }
}

const Json* findField(const Json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto field = object.find(name);
  return field == object.end() || field->is_null() ? nullptr : &*field;
}

Expected<bool> boolField(const Json& object, const char* name, bool otherwise) {
  const Json* value = findField(object, name);
  if (!value) return otherwise;
  if (!value->is_boolean()) return isOther(*value, "true or false").withContext(quoted(name));
  return value->get<bool>();
}

Expected<int64_t> integerField(const Json& object, const char* name, int64_t otherwise) {
  const Json* value = findField(object, name);
  if (!value) return otherwise;
  const bool fits = value->is_number_integer() && (!value->is_number_unsigned() || value->get<uint64_t>() <= uint64_t{INT64_MAX});
  if (!fits) return isOther(*value, "an integer").withContext(quoted(name));
  return value->get<int64_t>();
}

Expected<std::string> textField(const Json& object, const char* name, std::string_view otherwise) {
  const Json* value = findField(object, name);
  if (!value) return std::string(otherwise);
  if (!value->is_string()) return isOther(*value, "text").withContext(quoted(name));
  return value->get_ref<const std::string&>();
}

Expected<std::string> textField(const Json& object, const char* name) {
  JINX_TRY_ASSIGN([[maybe_unused]] const Json* value, needed(object, name));
  return textField(object, name, "");
}

Expected<const Json*> objectField(const Json& object, const char* name) {
  JINX_TRY_ASSIGN(const Json* value, needed(object, name));
  if (!value->is_object()) return isOther(*value, "an object").withContext(quoted(name));
  return value;
}

Expected<const Json*> arrayField(const Json& object, const char* name) {
  JINX_TRY_ASSIGN(const Json* value, needed(object, name));
  if (!value->is_array()) return isOther(*value, "an array").withContext(quoted(name));
  return value;
}

} // namespace jinx::text
