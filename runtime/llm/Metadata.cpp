#include "runtime/llm/Metadata.h"

#include <algorithm>
#include <charconv>

namespace jinx::llm {
namespace {

std::string_view entryOf(const PlanFile& plan, const std::string& name) {
  auto at = plan.plan().metadata().find(name);
  return at == plan.plan().metadata().end() ? std::string_view() : std::string_view(at->second);
}

} // namespace

std::optional<int64_t> numberIn(std::string_view text) {
  int64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<int32_t> numberOf(const PlanFile& plan, const std::string& name, int32_t least, int32_t most) {
  const std::optional<int64_t> number = numberIn(entryOf(plan, name));
  if (!number || *number < least || *number > most) return std::nullopt;
  return static_cast<int32_t>(*number);
}

std::vector<int32_t> numbersOf(const PlanFile& plan, const std::string& name, int32_t least, int32_t most) {
  std::vector<int32_t> numbers;
  const std::string_view text = entryOf(plan, name);
  for (size_t at = 0; at <= text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    const std::optional<int64_t> number = numberIn(text.substr(at, comma - at));
    if (!number || *number < least || *number > most) return {};
    numbers.push_back(static_cast<int32_t>(*number));
    at = comma + 1;
  }
  return numbers;
}

} // namespace jinx::llm
