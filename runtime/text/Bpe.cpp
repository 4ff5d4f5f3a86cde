#include "runtime/text/Bpe.h"

#include <bit>

#include "runtime/text/Hash.h"
#include "runtime/text/Utf8.h"

namespace jinx::text {

MergeTable::MergeTable(size_t count) : entries_(std::bit_ceil(2 * count + 2)) {}

size_t MergeTable::slotOf(uint64_t pair) const {
  size_t slot = mixed(pair, 0) & (entries_.size() - 1);
  while (entries_[slot].pair != pair && entries_[slot].pair != kEmpty)
    slot = (slot + 1) & (entries_.size() - 1);
  return slot;
}

namespace {
uint64_t pairOf(TokenId left, TokenId right) { return static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right); }
} // namespace

void MergeTable::add(TokenId left, TokenId right, MergeRule rule) {
  Entry& entry = entries_[slotOf(pairOf(left, right))];
  if (entry.pair != kEmpty || 2 * (used_ + 1) > entries_.size()) return;
  entry = {pairOf(left, right), rule};
  ++used_;
}

MergeRule MergeTable::find(TokenId left, TokenId right) const {
  if (left < 0 || right < 0) return {};
  const Entry& entry = entries_[slotOf(pairOf(left, right))];
  return entry.pair == kEmpty ? MergeRule{} : entry.rule;
}

Bpe::Bpe(Vocabulary vocabulary, MergeTable merges, BpeOptions options)
    : vocabulary_(std::move(vocabulary)), merges_(std::move(merges)), options_(std::move(options)),
      whole_(new std::atomic<uint8_t>[vocabulary_.size()]()) {
  if (!options_.bytes && options_.byteFallback) byteIds_ = idsOfBytes(vocabulary_);
  for (int b = 0; options_.bytes && b < 256; ++b) {
    const char byte = static_cast<char>(b);
    byteIds_.push_back(vocabulary_.find({&byte, 1}));
  }
  for (int pair = 0; options_.ranks && pair < 0x10000; ++pair) {
    const char bytes[] = {static_cast<char>(pair >> 8), static_cast<char>(pair & 0xFF)};
    bytePairs_.push_back(vocabulary_.find({bytes, 2}));
  }
}

void Bpe::byteSymbols(std::string_view piece, std::vector<Symbol>& symbols) const {
  for (uint32_t i = 0; i < piece.size(); ++i) {
    TokenId id = byteIds_[static_cast<uint8_t>(piece[i])];
    if (id == kNoToken) id = options_.unknown;
    if (id != kNoToken) symbols.push_back({i, 1, id});
  }
}

/// The character's bytes as tokens, where there are such.
bool Bpe::fallBack(std::string_view bytes, uint32_t begin, std::vector<Symbol>& symbols) const {
  if (byteIds_.empty()) return false;
  for (uint32_t i = 0; i < bytes.size(); ++i)
    symbols.push_back({begin + i, 1, byteIds_[static_cast<uint8_t>(bytes[i])]});
  return true;
}

void Bpe::characterSymbols(std::string_view piece, std::vector<Symbol>& symbols) const {
  std::string decorated;
  bool afterUnknown = false;
  for (size_t at = 0; at < piece.size();) {
    const auto begin = static_cast<uint32_t>(at);
    std::string_view character = piece.substr(at, utf8At(piece, at).size);
    at += character.size();
    TokenId id;
    if (options_.prefix.empty() && options_.suffix.empty()) {
      id = vocabulary_.find(character);
    } else {
      decorated.assign(begin > 0 ? options_.prefix : "").append(character).append(at == piece.size() ? options_.suffix : "");
      id = vocabulary_.find(decorated);
    }
    const auto size = static_cast<uint32_t>(character.size());
    if (id != kNoToken) {
      symbols.push_back({begin, size, id});
    } else if (fallBack(character, begin, symbols)) {
    } else if (afterUnknown && options_.fuseUnknown) {
      symbols.back().size += size;
      continue;
    } else if (options_.unknown != kNoToken) {
      symbols.push_back({begin, size, options_.unknown});
      afterUnknown = true;
      continue;
    }
    afterUnknown = false;
  }
}

void Bpe::merge(std::string_view piece, std::vector<Symbol>& symbols, std::vector<TokenId>& ids) const {
  symbols.clear();
  if (options_.bytes) byteSymbols(piece, symbols);
  else characterSymbols(piece, symbols);
  if (options_.ranks)
    mergeSymbols(symbols, [&](const Symbol& left, const Symbol& right) {
      const std::string_view bytes = piece.substr(left.begin, left.size + right.size);
      const TokenId id = bytes.size() == 2 ? bytePairs_[static_cast<size_t>(static_cast<uint8_t>(bytes[0]) << 8 | static_cast<uint8_t>(bytes[1]))]
                                           : vocabulary_.find(bytes);
      return id == kNoToken ? MergeRule{} : MergeRule{static_cast<uint32_t>(id), id};
    });
  else if (!merges_.empty())
    mergeSymbols(symbols, [&](const Symbol& left, const Symbol& right) { return merges_.find(left.id, right.id); });
  for (const Symbol& symbol : symbols)
    ids.push_back(symbol.id);
}

void Bpe::encode(std::string_view piece, Workspace& workspace, std::vector<TokenId>& ids) const {
  const TokenId word = options_.prefix.empty() && options_.suffix.empty() ? vocabulary_.find(piece) : kNoToken;
  if (word == kNoToken) return merge(piece, workspace.symbols, ids);
  if (options_.wholeWords) return ids.push_back(word);
  std::atomic<uint8_t>& whole = whole_[static_cast<size_t>(word)];
  if (whole.load(std::memory_order_relaxed) == kYes) return ids.push_back(word);
  const size_t before = ids.size();
  merge(piece, workspace.symbols, ids);
  whole.store(ids.size() == before + 1 && ids.back() == word ? kYes : kNo, std::memory_order_relaxed);
}

} // namespace jinx::text
