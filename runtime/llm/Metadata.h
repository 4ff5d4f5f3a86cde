// Numbers in a plan's metadata, which is text by name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/plan/PlanFile.h"

namespace jinx::llm {

/// All of the text is one number; else nothing.
std::optional<int64_t> numberIn(std::string_view text);

/// The plan's entry of that name as a number; nothing when it is missing, or no number from `least` to `most`.
std::optional<int32_t> numberOf(const PlanFile& plan, const std::string& name, int32_t least, int32_t most);

/// The same of an entry with several, separated by commas: "2,7". Empty when it is missing or one of them is none.
std::vector<int32_t> numbersOf(const PlanFile& plan, const std::string& name, int32_t least, int32_t most);

} // namespace jinx::llm
