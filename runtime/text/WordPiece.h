// WordPiece: of what is left of a word, the longest token that it begins with, again and again; "unaffable" -> un ##aff ##able.
#pragma once

#include <string>

#include "runtime/text/Model.h"

namespace jinx::text {

struct WordPieceOptions {
  TokenId unknown = kNoToken;          ///< for a word that cannot be taken apart
  std::string continuingPrefix = "##"; ///< of tokens that do not begin a word
  size_t longestWord = 100;            ///< in characters; a longer one is unknown
};

class WordPiece final : public Model {
 public:
  WordPiece(Vocabulary vocabulary, WordPieceOptions options) : vocabulary_(std::move(vocabulary)), options_(std::move(options)) {}
  void encode(std::string_view piece, Workspace& workspace, std::vector<TokenId>& ids) const override;

 private:
  Vocabulary vocabulary_;
  WordPieceOptions options_;
};

} // namespace jinx::text
