#include "runtime/chat/FromJson.h"

#include <algorithm>

#include "runtime/text/Utf8.h"

namespace jinx::chat {
namespace {

using Json = nlohmann::ordered_json;

Value textOf(const std::string& text, bool isTemplate, Budget& budget) {
  budget.limitBytes(text.size());
  return Value::text(text::isUtf8(text) ? text : text::replaceInvalidUtf8(text), isTemplate);
}

Value valueOf(const Json& json, Budget& budget) {
  Budget::Level level(budget);
  budget.charge();
  switch (json.type()) {
  case Json::value_t::boolean: return Value::boolean(json.get<bool>(), false);
  case Json::value_t::number_float: return Value::real(json.get<double>(), false);
  case Json::value_t::string: return textOf(json.get_ref<const std::string&>(), false, budget);
  case Json::value_t::number_unsigned:
    if (json.get<uint64_t>() > uint64_t{INT64_MAX}) fail("the context has the number " + json.dump() + ", expected one of 64 bits");
    [[fallthrough]];
  case Json::value_t::number_integer: return Value::integer(json.get<int64_t>(), false);
  case Json::value_t::array: {
    std::vector<Value> items;
    for (const Json& item : json)
      items.push_back(valueOf(item, budget));
    return Value::list(std::move(items), false, budget);
  }
  case Json::value_t::object: {
    std::vector<std::pair<Value, Value>> entries;
    for (const auto& [key, value] : json.items())
      entries.emplace_back(textOf(key, false, budget), valueOf(value, budget));
    return Value::dict(std::move(entries), false, budget);
  }
  default: return Value::none(false);
  }
}

bool isKnownRole(const Json& role) {
  static constexpr std::string_view kRoles[] = {"assistant", "developer", "function", "ipython", "model", "system", "tool", "user"};
  return role.is_string() && std::ranges::find(kRoles, role.get_ref<const std::string&>()) != std::end(kRoles);
}

/// A message with a role that the template may write as its own.
Value messageOf(const Json& message, Budget& budget) {
  if (!message.is_object()) return valueOf(message, budget);
  std::vector<std::pair<Value, Value>> entries;
  for (const auto& [key, value] : message.items())
    entries.emplace_back(textOf(key, false, budget), key == "role" && isKnownRole(value) ? textOf(value.get_ref<const std::string&>(), true, budget) : valueOf(value, budget));
  return Value::dict(std::move(entries), false, budget);
}

} // namespace

Value contextOf(const Json& context, Budget& budget) {
  if (!context.is_object()) fail(std::string("the context is of type ") + context.type_name() + ", expected an object");
  std::vector<std::pair<Value, Value>> entries;
  for (const auto& [key, value] : context.items()) {
    Value own;
    if ((key == "bos_token" || key == "eos_token") && value.is_string()) own = textOf(value.get_ref<const std::string&>(), true, budget);
    else if (key == "messages" && value.is_array()) {
      std::vector<Value> messages;
      for (const Json& message : value)
        messages.push_back(messageOf(message, budget));
      own = Value::list(std::move(messages), false, budget);
    } else {
      own = valueOf(value, budget);
    }
    entries.emplace_back(textOf(key, false, budget), std::move(own));
  }
  return Value::dict(std::move(entries), false, budget);
}

} // namespace jinx::chat
