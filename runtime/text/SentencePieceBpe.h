// Byte pair encoding as SentencePiece has it: neighbors whose bytes together are a piece merge, the pair of the highest score first.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/text/ByteTrie.h"
#include "runtime/text/Unigram.h"

namespace jinx::text {

class SentencePieceBpe final : public Model {
 public:
  struct Options {
    TokenId unknown = kNoToken;
    bool byteFallback = false;
  };
  /// \param scores, kinds  one for each token
  SentencePieceBpe(Vocabulary vocabulary, std::vector<float> scores, std::vector<PieceKind> kinds, Options options);
  void encode(std::string_view piece, Workspace& workspace, std::vector<TokenId>& ids) const override;
  /// Whether text may be cut into words first: no piece has U+2581 behind another character, so that none reaches over such a place.
  bool wordsAreApart() const { return wordsAreApart_; }

 private:
  using Halves = std::unordered_map<std::string_view, uint32_t>; ///< bytes that merged -> the length of the left part
  void merge(std::string_view word, std::vector<Symbol>& symbols, std::vector<TokenId>& ids) const;
  void append(std::string_view bytes, TokenId id, const Halves& halves, std::vector<TokenId>& ids) const;

  TokenId find(std::string_view bytes) const;

  Vocabulary vocabulary_;
  std::vector<PieceKind> kinds_;
  std::vector<uint32_t> ranks_; ///< scores in order, the highest 0
  ByteTrie userDefined_;
  bool hasUnused_ = false;
  bool wordsAreApart_ = false;
  std::vector<TokenId> byteIds_;
  Options options_;
  std::unique_ptr<std::atomic<uint8_t>[]> whole_; ///< as in Bpe
};

} // namespace jinx::text
