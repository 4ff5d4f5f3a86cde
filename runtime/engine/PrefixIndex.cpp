#include "runtime/engine/PrefixIndex.h"

#include <algorithm>
#include <bit>

namespace jinx::engine {
namespace {

/// How many pages behind one prefix are compared with a tail.
constexpr int kTailCandidates = 64;

} // namespace

PrefixIndex::PrefixIndex(int32_t pages, HashKey key) : key_(key), entries_(static_cast<size_t>(pages)) {
  for (auto& heads : heads_)
    heads.assign(std::bit_ceil(static_cast<size_t>(pages) * 2), kNoPage);
}

Hash128 PrefixIndex::root(const PrefixSalt& salt) const {
  const std::array<uint64_t, 3> words{salt.isPublic, salt.tenant, salt.extras};
  return sipHash128(key_, std::as_bytes(std::span(words)));
}

Hash128 PrefixIndex::next(Hash128 parent, PageContent tokens) const {
  struct {
    Hash128 parent;
    std::array<int32_t, kPageTokens> tokens;
  } message{parent, {}};
  std::copy(tokens.begin(), tokens.end(), message.tokens.begin());
  return sipHash128(key_, std::as_bytes(std::span(&message, 1)));
}

int32_t PrefixIndex::find(Hash128 hash, Hash128 parent, const PrefixSalt& salt, PageContent tokens) const {
  for (int32_t page = heads_[kByHash][bucket(hash)]; page != kNoPage; page = entries_[page].links[kByHash].next) {
    const Entry& entry = entries_[page];
    if (entry.hash == hash && entry.parent == parent && entry.salt == salt && std::ranges::equal(entry.tokens, tokens)) return page;
  }
  return kNoPage;
}

PrefixIndex::Tail PrefixIndex::longestTail(Hash128 parent, const PrefixSalt& salt, std::span<const int32_t> tokens) const {
  Tail best;
  int left = kTailCandidates;
  for (int32_t page = heads_[kByParent][bucket(parent)]; page != kNoPage && left > 0; page = entries_[page].links[kByParent].next, --left) {
    const Entry& entry = entries_[page];
    if (!(entry.parent == parent && entry.salt == salt)) continue;
    const auto end = std::ranges::mismatch(entry.tokens, tokens).in1;
    const int32_t rows = static_cast<int32_t>(end - entry.tokens.begin());
    if (rows > best.rows) best = {page, rows};
  }
  return best;
}

void PrefixIndex::link(Which which, int32_t page, size_t bucket) {
  int32_t& head = heads_[which][bucket];
  entries_[page].links[which] = {kNoPage, head};
  if (head != kNoPage) entries_[head].links[which].previous = page;
  head = page;
}

void PrefixIndex::unlink(Which which, int32_t page, size_t bucket) {
  const Link link = entries_[page].links[which];
  (link.previous == kNoPage ? heads_[which][bucket] : entries_[link.previous].links[which].next) = link.next;
  if (link.next != kNoPage) entries_[link.next].links[which].previous = link.previous;
}

void PrefixIndex::insert(int32_t page, Hash128 hash, Hash128 parent, const PrefixSalt& salt, PageContent tokens) {
  Entry& entry = entries_[page];
  assert(!entry.isUsed && "a page has one content");
  entry.isUsed = true;
  ++size_;
  entry.hash = hash;
  entry.parent = parent;
  entry.salt = salt;
  std::copy(tokens.begin(), tokens.end(), entry.tokens.begin());
  link(kByHash, page, bucket(hash));
  link(kByParent, page, bucket(parent));
}

void PrefixIndex::erase(int32_t page) {
  Entry& entry = entries_[page];
  if (!entry.isUsed) return;
  entry.isUsed = false;
  --size_;
  unlink(kByHash, page, bucket(entry.hash));
  unlink(kByParent, page, bucket(entry.parent));
}

} // namespace jinx::engine
