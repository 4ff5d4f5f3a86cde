// What a kind of tokenizer makes of a piece of text: its tokens.
#pragma once

#include <string_view>
#include <vector>

#include "runtime/text/Vocabulary.h"

namespace jinx::text {

/// A part of a piece while it is made into tokens.
struct Symbol {
  uint32_t begin = 0, size = 0; ///< bytes of the piece
  TokenId id = kNoToken;        ///< kNoToken: these bytes are no token
  uint32_t rank = 0;            ///< of the merge with the next one (while merging)
};

/// The best way to a place of a piece (while Unigram looks for it).
struct BestPath {
  double score = 0;
  uint32_t from = UINT32_MAX; ///< UINT32_MAX: no way leads here
  TokenId id = kNoToken;
};

/// Memory that a model works in, kept from piece to piece. Not shared by threads.
struct Workspace {
  std::vector<Symbol> symbols;
  std::vector<BestPath> paths;
};

class Model {
 public:
  virtual ~Model() = default;
  /// Appends the tokens of `piece`: normalized and pre-tokenized text, valid UTF-8 of at most 2^31 bytes. Safe to call from several threads, each with
  /// its own workspace.
  virtual void encode(std::string_view piece, Workspace& workspace, std::vector<TokenId>& ids) const = 0;
};

} // namespace jinx::text
