// A tokenizer from a file of any kind that we read; what it is shows in its first bytes.
//
//   GGUF                 its metadata                                  (GgufTokenizer.h)
//   tokenizer.json       Hugging Face's; or Mistral's tekken           (HuggingFace.h, RankTokenizer.h)
//   rank files           tiktoken's, as Qwen and Llama 3 have them     (RankTokenizer.h)
//   tokenizer.model      SentencePiece's                               (SentencePieceTokenizer.h)
//   encoder.json         GPT-2's, with vocab.bpe as `merges`
#pragma once

#include <span>
#include <string>

#include "runtime/text/Tokenizer.h"

namespace jinx::text {

/// What a file of ranks, and GPT-2's pair of files, do not say. Other files ignore it.
struct OpenOptions {
  std::string preTokenizer = "gpt-2"; ///< KnownPreTokenizers.h
  std::string merges;                 ///< the path of vocab.bpe
  std::vector<std::pair<std::string, TokenId>> special;
};

/// A folder stands for its tokenizer.json, else for its tokenizer.model.
/// \returns kNotFound without the file, kInvalidArgument for a damaged one, kUnimplemented for what we do not know; each says what was got and expected
Expected<Tokenizer> openTokenizer(const std::string& path, const OpenOptions& options = {});
/// The same over bytes; `options.merges` is a path all the same.
Expected<Tokenizer> parseTokenizer(std::span<const std::byte> bytes, const OpenOptions& options = {});

} // namespace jinx::text
