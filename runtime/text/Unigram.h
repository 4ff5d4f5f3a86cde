// Unigram (Kudo 2018): of all ways to cut a piece into tokens the one whose scores (logarithms of probabilities) have the largest sum.
//
//   the best way to byte i = over every token that ends there, the best way to its start + its score      (Viterbi)
#pragma once

#include <string>
#include <vector>

#include "runtime/text/ByteTrie.h"
#include "runtime/text/Model.h"

namespace jinx::text {

struct UnigramOptions {
  TokenId unknown = kNoToken;
  bool byteFallback = false; ///< a character that is no token becomes its bytes, <0x00> to <0xFF>
  bool roundSums = false;    ///< sums are f32, as SentencePiece has them, else f64, as Hugging Face: ties come out as theirs
};

/// How pieces of a Unigram or SentencePiece model are found in text.
enum class PieceKind : uint8_t {
  kNormal,
  kUserDefined, ///< always whole, whatever it scores
  kUnused,      ///< there to be taken apart again
  kHidden       ///< never found in text: control, unknown and byte tokens
};

class Unigram final : public Model {
 public:
  /// \param scores, kinds  one for each token
  Unigram(Vocabulary vocabulary, std::vector<float> scores, const std::vector<PieceKind>& kinds, UnigramOptions options);
  /// The same, every token normal, scores in double.
  Unigram(Vocabulary vocabulary, std::vector<double> scores, const std::vector<PieceKind>& kinds, UnigramOptions options);
  void encode(std::string_view piece, Workspace& workspace, std::vector<TokenId>& ids) const override;

 private:
  void findPaths(std::string_view piece, std::vector<BestPath>& paths) const;
  void append(TokenId id, std::string_view bytes, std::vector<TokenId>& ids) const;

  Vocabulary vocabulary_;
  ByteTrie trie_;
  std::vector<double> scores_;
  std::vector<bool> userDefined_;
  double unknownScore_ = 0, largestScore_ = 0;
  std::vector<TokenId> byteIds_; ///< 256, or none
  UnigramOptions options_;
};

} // namespace jinx::text
