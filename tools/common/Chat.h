// `chat`: a conversation with a language model in the terminal.
#pragma once

#include "tools/common/Arguments.h"

namespace jinx::tools {

/// \param canCompile  the model may be a GGUF file, which has tokenizer and template inside; else it is a plan, and --tokenizer names the file
void addChat(CLI::App& app, Action& action, const PlanSource& source, bool canCompile);

} // namespace jinx::tools
