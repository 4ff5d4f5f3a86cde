// A tokenizer from SentencePiece's pieces: of a tokenizer.model file, or of a GGUF file that holds the same.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "runtime/text/Tokenizer.h"
#include "runtime/text/Unigram.h"

namespace jinx::text {

struct SentencePieces {
  struct Item {
    std::string_view text;
    float score = 0;
    PieceKind kind = PieceKind::kNormal;
  };
  std::vector<Item> list;
  bool unigram = false; ///< else BPE
  bool byteFallback = false, addDummyPrefix = true, removeExtraWhitespaces = true, escapeWhitespaces = true;
  TokenId unknown = kNoToken;
  std::string_view charsMap; ///< precompiled; may be empty
  std::string unknownText = " \u2047 "; ///< what the unknown token is decoded to
};

/// Vocabulary, normalizer, model and decoder; no frame, no control tokens. kInvalidArgument for a score that is no number or a damaged map.
Expected<TokenizerParts> makeSentencePieceParts(const SentencePieces& pieces);

/// SentencePiece's tokenizer.model. The file does not say whether BOS and EOS are put around a text; BPE models get BOS, Unigram models EOS.
/// \returns kInvalidArgument for a damaged file, kUnimplemented for a model of words or characters
Expected<Tokenizer> parseSentencePieceModel(std::span<const std::byte> bytes);

} // namespace jinx::text
