// `tokenize`: text to tokens, or tokens to text, with a tokenizer's file.
#pragma once

#include "tools/common/Arguments.h"

namespace jinx::tools {

void addTokenize(CLI::App& app, Action& action);

} // namespace jinx::tools
