// Pre-tokenizers that files name and do not describe: GGUF's tokenizer.ggml.pre, and rank files, which say nothing at all.
#pragma once

#include <string>
#include <string_view>

#include "runtime/text/PreTokenizer.h"

namespace jinx::text {

struct KnownPreTokenizer {
  PreTokenizer preTokenizer;
  bool wholeWords = false; ///< a piece that is a token is that token (BpeOptions)
};

/// \param name  "gpt-2", "llama-bpe", "qwen2", "smollm", …
/// \returns kUnimplemented for a name that is not known, with those that are
Expected<KnownPreTokenizer> findPreTokenizer(std::string_view name);

/// GPT-2's pattern: contractions, words, numbers and signs with a space in front, white space.
extern const std::string_view kGpt2Pattern;

} // namespace jinx::text
