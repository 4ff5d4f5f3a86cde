// Which page holds the keys of these tokens behind that prefix?
//
// A chain of hashes: the hash of a page covers its 16 tokens and the hash of the page before it, so that one lookup a page finds the longest cached
// prefix. The chain begins with the salt: sequences of different salts never meet. On a hit the tokens, the parent and the salt are compared too.
// Pages that follow the same prefix are found by their parent's hash: among them is the one that shares the most of a partly filled tail.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/engine/Model.h"
#include "runtime/engine/SipHash.h"

namespace jinx::engine {

using PageContent = std::span<const int32_t, kPageTokens>;

/// Who may share, and under what: equal tokens of different salts have different keys.
struct PrefixSalt {
  uint64_t isPublic = 0; ///< 1: shared by all tenants that ask for it
  uint64_t tenant = 0;   ///< 0 where public
  uint64_t extras = 0;   ///< adapter, hash of media: what else the keys depend on
  bool operator==(const PrefixSalt&) const = default;
};

class PrefixIndex {
 public:
  /// \param pages  ids are below it
  PrefixIndex(int32_t pages, HashKey key);

  /// The chain of no tokens.
  Hash128 root(const PrefixSalt& salt) const;
  /// The chain `parent` with one more page.
  Hash128 next(Hash128 parent, PageContent tokens) const;

  /// The page of that chain and content, or kNoPage.
  int32_t find(Hash128 hash, Hash128 parent, const PrefixSalt& salt, PageContent tokens) const;

  struct Tail {
    int32_t page = kNoPage;
    int32_t rows = 0; ///< how many of its first rows hold the tokens
  };
  /// The page behind `parent` that begins with the most of `tokens`. Looks at the 64 newest pages there.
  Tail longestTail(Hash128 parent, const PrefixSalt& salt, std::span<const int32_t> tokens) const;

  /// \pre no page of that chain and content is in the index, nor is `page`
  void insert(int32_t page, Hash128 hash, Hash128 parent, const PrefixSalt& salt, PageContent tokens);
  /// Does nothing for a page that is not in the index.
  void erase(int32_t page);
  bool contains(int32_t page) const { return entries_[page].isUsed; }
  int32_t size() const { return size_; } ///< pages in the index

  /// What a page of the index holds.
  PageContent tokens(int32_t page) const { return entries_[page].tokens; }
  Hash128 hash(int32_t page) const { return entries_[page].hash; }
  const PrefixSalt& salt(int32_t page) const { return entries_[page].salt; }

 private:
  struct Link {
    int32_t previous = kNoPage, next = kNoPage;
  };
  struct Entry {
    bool isUsed = false;
    Hash128 hash, parent;
    PrefixSalt salt;
    std::array<int32_t, kPageTokens> tokens{};
    std::array<Link, 2> links; ///< in the bucket of its hash, and in that of its parent's
  };
  enum Which { kByHash, kByParent };
  size_t bucket(Hash128 hash) const { return hash.low & (heads_[kByHash].size() - 1); }
  void link(Which which, int32_t page, size_t bucket);
  void unlink(Which which, int32_t page, size_t bucket);

  HashKey key_;
  int32_t size_ = 0;
  std::vector<Entry> entries_;
  std::array<std::vector<int32_t>, 2> heads_; ///< first page of each bucket
};

} // namespace jinx::engine
