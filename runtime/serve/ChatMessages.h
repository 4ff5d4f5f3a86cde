// What of a chat's request a template sees: messages, tools, and what it is told beside them.
#pragma once

#include <set>
#include <string>

#include "runtime/serve/Fields.h"
#include "runtime/serve/ServedModel.h"

namespace jinx::serve {

struct ChatMessages {
  Json context;                ///< of the template
  std::set<std::string> tools; ///< names of those that an answer may call
  Json callFormat;             ///< a `response_format` that is a call, where `tool_choice` asks for one; else null
};

/// Reads `messages`, `tools`, `tool_choice` and `chat_template_kwargs`. Errors are left in `fields`.
///
/// Content in parts is joined to one text; only text is taken. Arguments of earlier calls, which are JSON as text, become objects, as templates expect.
ChatMessages readChatMessages(Fields& fields, const ServedModel& model);

} // namespace jinx::serve
