// A tokenizer from what a GGUF file says of it: tokenizer.ggml.model and its companions.
//
//   model   is
//   gpt2    byte-level BPE: tokens, merges, pre (which pre-tokenizer)
//   llama   SentencePiece BPE: tokens, scores
//   t5      Unigram: tokens, scores, precompiled_charsmap
//   bert    WordPiece
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/text/Tokenizer.h"

namespace jinx::text {

/// Entries under tokenizer.ggml; those that a file may lack are empty.
struct GgufVocabulary {
  std::string_view model, pre;
  std::span<const std::string_view> tokens, merges;
  std::vector<int64_t> types; ///< token_type, one for each token: 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte
  std::vector<float> scores;  ///< one for each token
  std::string_view charsMap;  ///< precompiled_charsmap
  TokenId bos = kNoToken, eos = kNoToken, unknown = kNoToken, padding = kNoToken, separator = kNoToken;
  std::optional<bool> addBos, addEos, addSpacePrefix, removeExtraWhitespaces;
};

/// \returns kInvalidArgument for lists that do not fit together, kUnimplemented for a model or pre-tokenizer that is not known
Expected<Tokenizer> makeGgufTokenizer(const GgufVocabulary& vocabulary);

} // namespace jinx::text
