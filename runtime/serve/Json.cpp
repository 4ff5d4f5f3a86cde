#include "runtime/serve/Json.h"

#include <vector>

namespace jinx::serve {
namespace {

constexpr size_t kDeepest = 64;  // parts in parts are read by recursion
constexpr size_t kMostKeys = 2048; // of an object, whose keys are looked for one after the other

/// Looks at brackets and colons outside of strings, before anything is built.
Status checkShape(std::string_view text) {
  std::vector<size_t> keys; // by depth
  bool inText = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (inText && c == '\\') ++i;
    else if (c == '"') inText = !inText;
    else if (inText) continue;
    else if (c == '[' || c == '{') keys.push_back(0);
    else if ((c == ']' || c == '}') && !keys.empty()) keys.pop_back();
    else if (c == ':' && !keys.empty() && ++keys.back() > kMostKeys) return invalidArgument("the body has an object of more than " + std::to_string(kMostKeys) + " keys");
    if (keys.size() > kDeepest) return invalidArgument("the body is JSON nested deeper than " + std::to_string(kDeepest));
  }
  return Status::ok();
}

} // namespace

Expected<Json> parseJson(std::string_view text) {
  JINX_TRY(checkShape(text));
  // The library tells an error by an exception; none leaves this function.
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    return invalidArgument("the body is no JSON: malformed at byte " + std::to_string(error.byte));
  } catch (const Json::exception&) {
    return invalidArgument("the body has a number that is out of range");
  }
}

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string shown(const Json& value) {
  if (value.is_structured()) return std::string("an ") + value.type_name();
  constexpr size_t kMost = 60;
  std::string text = dump(value);
  if (text.size() > kMost) text = text.substr(0, kMost) + "...";
  return text;
}

} // namespace jinx::serve
