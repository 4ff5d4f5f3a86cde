#include "runtime/serve/Fields.h"

#include <algorithm>

namespace jinx::serve {
namespace {

std::string numberText(double value) { return dump(Json(value)); }

} // namespace

Fields::Fields(const Json& object) : object_(object) {
  if (!object.is_object()) fail("", "the body is " + shown(object) + ", expected an object");
}

void Fields::fail(std::string name, std::string message) {
  if (!error_) error_ = badField(std::move(name), std::move(message));
}

const Json* Fields::find(const char* name) {
  known_.insert(name);
  if (!object_.is_object()) return nullptr;
  const auto field = object_.find(name);
  return field == object_.end() || field->is_null() ? nullptr : &*field;
}

bool Fields::boolean(const char* name, bool otherwise) {
  const Json* value = find(name);
  if (!value) return otherwise;
  if (value->is_boolean()) return value->get<bool>();
  fail(name, std::string(name) + " is " + shown(*value) + ", expected true or false");
  return otherwise;
}

int64_t Fields::integer(const char* name, int64_t otherwise, IntegerRange range) {
  const Json* value = find(name);
  if (!value) return otherwise;
  // A number above 2^63 is unsigned to the library, and a negative one never is.
  const bool fits = value->is_number_integer() && (!value->is_number_unsigned() || value->get<uint64_t>() <= uint64_t{INT64_MAX});
  const int64_t number = fits ? value->get<int64_t>() : 0;
  if (fits && number >= range.least && number <= range.most) return number;
  fail(name, std::string(name) + " is " + shown(*value) + ", expected an integer from " + std::to_string(range.least) + " to " + std::to_string(range.most));
  return otherwise;
}

double Fields::number(const char* name, double otherwise, NumberRange range) {
  const Json* value = find(name);
  if (!value) return otherwise;
  const double number = value->is_number() ? value->get<double>() : 0;
  if (value->is_number() && number >= range.least && number <= range.most) return number;
  fail(name, std::string(name) + " is " + shown(*value) + ", expected a number from " + numberText(range.least) + " to " + numberText(range.most));
  return otherwise;
}

std::string Fields::text(const char* name, std::string_view otherwise) {
  const Json* value = find(name);
  if (!value) return std::string(otherwise);
  if (value->is_string()) return value->get<std::string>();
  fail(name, std::string(name) + " is " + shown(*value) + ", expected text");
  return std::string(otherwise);
}

std::vector<std::string> Fields::texts(const char* name, size_t most, size_t mostBytes) {
  const Json* value = find(name);
  if (!value) return {};
  std::vector<std::string> texts;
  const auto take = [&](const Json& text) {
    const bool good = text.is_string() && !text.get_ref<const std::string&>().empty() && text.get_ref<const std::string&>().size() <= mostBytes;
    if (good) texts.push_back(text.get<std::string>());
    else fail(name, std::string(name) + " has " + shown(text) + ", expected text of 1 to " + std::to_string(mostBytes) + " bytes");
  };
  if (!value->is_array()) take(*value);
  else if (value->size() > most) fail(name, std::string(name) + " has " + std::to_string(value->size()) + " texts, expected at most " + std::to_string(most));
  else std::ranges::for_each(*value, take);
  return texts;
}

void Fields::refuseOthers(std::span<const std::string_view> harmless) {
  if (!object_.is_object()) return;
  for (const auto& [name, value] : object_.items()) {
    const bool isKnown = value.is_null() || known_.contains(name) || std::ranges::find(harmless, name) != harmless.end();
    if (!isKnown) fail(name, "there is no field \"" + name.substr(0, 60) + "\" here that we know");
  }
}

} // namespace jinx::serve
