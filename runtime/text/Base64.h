// Bytes written as base64 (RFC 4648), with or without `=` at the end.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace jinx::text {

/// Nothing for what is none.
std::optional<std::string> decodeBase64(std::string_view text);

} // namespace jinx::text
