// What a kind of tokenizer makes of a piece of text: its tokens.
#pragma once

#include <string_view>
#include <vector>

#include "runtime/text/Hash.h"
#include "runtime/text/Vocabulary.h"

namespace jinx::text {

/// A part of a piece while it is made into tokens.
struct Symbol {
  uint32_t begin = 0, size = 0; ///< bytes of the piece
  TokenId id = kNoToken;        ///< kNoToken: these bytes are no token
  uint32_t rank = 0;            ///< of the merge with the next one, and what it makes (while merging)
  TokenId merged = kNoToken;
};

/// The best way to a place of a piece (while Unigram looks for it).
struct BestPath {
  double score = 0;
  uint32_t from = UINT32_MAX; ///< UINT32_MAX: no way leads here
  TokenId id = kNoToken;
};

/// Pieces whose tokens are known: texts repeat their words. A piece is found by its hash in the one place where it may be.
class PieceCache {
 public:
  struct Entry {
    std::string_view piece; ///< bytes that stay until `forget`
    size_t begin = 0;       ///< of its tokens among those of the text
    size_t count = 0;       ///< 0: an empty entry
  };
  Entry& entryOf(std::string_view piece) {
    if (entries_.empty()) entries_.resize(kSize);
    return entries_[hashOf(piece) % kSize];
  }
  void forget() { entries_.clear(); }

 private:
  static constexpr size_t kSize = 8192;
  std::vector<Entry> entries_;
};

/// Memory that a model works in, kept from piece to piece. Not shared by threads.
struct Workspace {
  std::vector<Symbol> symbols;
  std::vector<BestPath> paths;
  PieceCache cache;
};

class Model {
 public:
  virtual ~Model() = default;
  /// Appends the tokens of `piece`: normalized and pre-tokenized text, valid UTF-8 of at most 2^31 bytes. Safe to call from several threads, each with
  /// its own workspace.
  virtual void encode(std::string_view piece, Workspace& workspace, std::vector<TokenId>& ids) const = 0;
};

} // namespace jinx::text
