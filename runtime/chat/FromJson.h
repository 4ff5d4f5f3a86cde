// JSON of a request as values: a user's, but for what only a server writes.
#pragma once

#include <nlohmann/json.hpp>

#include "runtime/chat/Budget.h"
#include "runtime/chat/Value.h"

namespace jinx::chat {

/// The template's are `bos_token` and `eos_token`, and a message's `role` where it is one that all know: some templates make control tokens of it.
/// \param context  an object; throws for another value, and for a number past 64 bits
Value contextOf(const nlohmann::ordered_json& context, Budget& budget);

} // namespace jinx::chat
