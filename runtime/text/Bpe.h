// Byte pair encoding with an ordered list of merges, or with tokens in the order of their ranks; of bytes (GPT-2, Llama 3, Qwen) or of characters.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "runtime/base/Status.h"
#include "runtime/text/Merge.h"

namespace jinx::text {

/// Pairs of tokens that become one, by their order.
class MergeTable {
 public:
  /// \param count  how many will be added
  explicit MergeTable(size_t count = 0);
  /// A pair that is there already keeps its rule.
  void add(TokenId left, TokenId right, MergeRule rule);
  MergeRule find(TokenId left, TokenId right) const;
  bool empty() const { return used_ == 0; }

 private:
  struct Entry {
    uint64_t pair = kEmpty;
    MergeRule rule;
  };
  static constexpr uint64_t kEmpty = UINT64_MAX; // no pair of ids: they are at least 0
  size_t slotOf(uint64_t pair) const;
  std::vector<Entry> entries_; ///< open addressing; a power of two
  size_t used_ = 0;
};

struct BpeOptions {
  bool bytes = false;            ///< symbols are single bytes to begin with, else characters
  bool ranks = false;            ///< neighbors merge when together they are a token, the token of the lowest id first; else by the table
  bool wholeWords = false;       ///< a piece that is a token is that token, whatever its merges come to
  bool byteFallback = false;     ///< a character that is no token becomes its bytes, <0x00> to <0xFF>
  bool fuseUnknown = false;      ///< neighbors that are unknown become one unknown token
  TokenId unknown = kNoToken;    ///< for what is no token; without it, nothing is
  std::string prefix, suffix;    ///< added to each character but the first of a piece, and to the last
};

class Bpe final : public Model {
 public:
  Bpe(Vocabulary vocabulary, MergeTable merges, BpeOptions options);
  void encode(std::string_view piece, Workspace& workspace, std::vector<TokenId>& ids) const override;

 private:
  void byteSymbols(std::string_view piece, std::vector<Symbol>& symbols) const;
  void characterSymbols(std::string_view piece, std::vector<Symbol>& symbols) const;
  bool fallBack(std::string_view bytes, uint32_t begin, std::vector<Symbol>& symbols) const;
  void merge(std::string_view piece, std::vector<Symbol>& symbols, std::vector<TokenId>& ids) const;

  Vocabulary vocabulary_;
  MergeTable merges_;
  BpeOptions options_;
  std::vector<TokenId> bytePairs_; ///< by first * 256 + second, with `ranks`: most of the questions are about two bytes
  std::vector<TokenId> byteIds_; ///< 256: of single bytes, or of <0x00> to <0xFF>; none without these
  /// Whether a token's own bytes come out as that token alone: asked when it first appears as a piece, then known.
  enum Whole : uint8_t { kUnknown, kYes, kNo };
  std::unique_ptr<std::atomic<uint8_t>[]> whole_;
};

} // namespace jinx::text
