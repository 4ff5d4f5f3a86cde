#include "runtime/chat/Arguments.h"

#include <algorithm>

namespace jinx::chat {

bool Arguments::take(std::string_view name, Value& value) {
  const auto found = std::ranges::find_if(named, [&](const auto& one) { return one.first == name; });
  if (found == named.end()) return false;
  value = std::move(found->second);
  named.erase(found);
  return true;
}

Bound::Bound(std::string_view function, const Arguments& arguments, std::initializer_list<std::string_view> names, size_t required)
    : function_(function), values_(names.size()), given_(names.size()) {
  if (arguments.positional.size() > names.size())
    fail(function_ + " has " + std::to_string(arguments.positional.size()) + " arguments, expected at most " + std::to_string(names.size()));
  for (size_t i = 0; i < arguments.positional.size(); ++i)
    values_[i] = arguments.positional[i], given_[i] = true;
  for (const auto& [name, value] : arguments.named) {
    const auto i = static_cast<size_t>(std::ranges::find(names, name) - names.begin());
    if (i == names.size()) fail(function_ + " has no argument '" + name + "'");
    if (given_[i]) fail(function_ + " has two values for '" + name + "'");
    values_[i] = value, given_[i] = true;
  }
  for (size_t i = 0; i < required; ++i)
    if (!given_[i]) fail(function_ + " lacks its argument '" + std::string(names.begin()[i]) + "'");
}

const MarkedText& Bound::text(size_t i) const {
  if (!values_[i].is(Kind::kText)) fail(function_ + " got a value of type " + typeName(values_[i]) + ", expected str");
  return values_[i].text();
}

int64_t Bound::integer(size_t i, int64_t otherwise) const {
  if (!given_[i]) return otherwise;
  if (!values_[i].isInteger()) fail(function_ + " got a value of type " + typeName(values_[i]) + ", expected int");
  return values_[i].integer();
}

} // namespace jinx::chat
