// `serve`: a language model behind HTTP, as OpenAI's interface has it.
#pragma once

#include "tools/common/Arguments.h"

namespace jinx::tools {

/// \param canCompile  the model may be a GGUF file, which has its tokenizer inside; else it is a plan, and --tokenizer names the file
void addServe(CLI::App& app, Action& action, const PlanSource& source, bool canCompile);

} // namespace jinx::tools
