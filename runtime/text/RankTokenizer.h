// Byte-level BPE from ranks: tokens as bytes in the order in which they were learned. What the file does not say, the caller does.
//
//   tiktoken's files   a line a token: base64, a space, the rank
//   Mistral's tekken   JSON: "config" with the pattern, "vocab" with base64; control tokens come before all others
//   GPT-2's pair       encoder.json (text to id) and vocab.bpe (merges)
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/text/Json.h"
#include "runtime/text/Tokenizer.h"

namespace jinx::text {

struct RankOptions {
  std::string preTokenizer; ///< a name that findPreTokenizer knows; empty: `pattern`
  std::string pattern;
  std::vector<std::pair<std::string, TokenId>> special; ///< control tokens with their ids
};

/// \returns kInvalidArgument, naming the line, for a damaged file, or when a byte alone has no rank
Expected<Tokenizer> parseTiktoken(std::string_view text, const RankOptions& options);
Expected<Tokenizer> makeTekken(const Json& file);
Expected<Tokenizer> parseGpt2Files(std::string_view encoderJson, std::string_view merges, const RankOptions& options);

} // namespace jinx::text
