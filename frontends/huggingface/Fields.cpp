#include "frontends/huggingface/Fields.h"

#include <cmath>

#include "frontends/llm/Model.h"

namespace jinx::frontends::huggingface {
namespace {

std::string nameOf(const char* name) { return "field \"" + std::string(name) + "\""; }

} // namespace

Expected<int64_t> Fields::count(const char* name) const {
  if (!has(name)) return invalidArgument(nameOf(name) + " is missing");
  JINX_TRY_ASSIGN(int64_t value, text::integerField(object_, name, 0));
  if (value >= 1 && value <= llm::kMostOfAnything) return value;
  return invalidArgument(nameOf(name) + " is " + std::to_string(value) + ", expected 1 to " + std::to_string(llm::kMostOfAnything));
}

Expected<int64_t> Fields::count(const char* name, int64_t otherwise) const { return has(name) ? count(name) : Expected<int64_t>(otherwise); }

Expected<double> Fields::positive(const char* name) const {
  const text::Json* value = text::findField(object_, name);
  if (!value) return invalidArgument(nameOf(name) + " is missing");
  if (value->is_number() && value->get<double>() > 0 && std::isfinite(value->get<double>())) return value->get<double>();
  return text::isOther(*value, "a positive number").withContext(nameOf(name));
}

Expected<double> Fields::positive(const char* name, double otherwise) const { return has(name) ? positive(name) : Expected<double>(otherwise); }

Expected<bool> Fields::flag(const char* name, bool otherwise) const { return text::boolField(object_, name, otherwise); }

Expected<std::string> Fields::text(const char* name, const char* otherwise) const { return text::textField(object_, name, otherwise); }

Expected<std::vector<int64_t>> Fields::integers(const char* name) const {
  std::vector<int64_t> values;
  const text::Json* field = text::findField(object_, name);
  if (!field) return values;
  for (const text::Json& value : field->is_array() ? *field : text::Json::array({*field})) {
    if (!value.is_number_integer() || value.get<double>() < 0 || value.get<double>() > double(INT32_MAX))
      return text::isOther(value, "a number from 0 on, or several").withContext(nameOf(name));
    values.push_back(value.get<int64_t>());
  }
  return values;
}

} // namespace jinx::frontends::huggingface
