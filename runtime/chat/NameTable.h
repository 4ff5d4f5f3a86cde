// Small tables of functions by name.
#pragma once

#include <string_view>
#include <utility>

namespace jinx::chat {

/// Null when there is none.
template <typename Function, size_t size> Function findIn(const std::pair<std::string_view, Function> (&table)[size], std::string_view name) {
  for (const auto& [known, function] : table)
    if (known == name) return function;
  return nullptr;
}

} // namespace jinx::chat
