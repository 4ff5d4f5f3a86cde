// `generate`: continues a text with a language model.
#pragma once

#include "tools/common/Arguments.h"

namespace jinx::tools {

/// \param canCompile  the model may be a GGUF file, which has its tokenizer inside; else it is a plan, and --tokenizer names the file
void addGenerate(CLI::App& app, Action& action, const PlanSource& source, bool canCompile);

} // namespace jinx::tools
