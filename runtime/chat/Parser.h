// Tokens of a template to its tree; the grammar is Jinja's.
#pragma once

#include "runtime/chat/ChatTemplate.h"
#include "runtime/chat/Lexer.h"
#include "runtime/chat/Syntax.h"

namespace jinx::chat {

/// Throws a Fault.
Body parseTemplate(std::string_view source, const Limits& limits);

} // namespace jinx::chat
