#include "runtime/text/SentencePieceBpe.h"

#include <algorithm>

#include "runtime/text/Merge.h"
#include "runtime/text/PreTokenizer.h"
#include "runtime/text/Utf8.h"

namespace jinx::text {
namespace {

constexpr std::string_view kSpace = "\u2581"; // a space, in pieces

/// 0 for the highest score, and so on; equal scores have equal ranks.
std::vector<uint32_t> ranksOf(const std::vector<float>& scores) {
  std::vector<float> order(scores);
  std::ranges::sort(order, std::greater<>());
  order.erase(std::unique(order.begin(), order.end()), order.end());
  std::vector<uint32_t> ranks;
  for (float score : scores)
    ranks.push_back(static_cast<uint32_t>(std::ranges::lower_bound(order, score, std::greater<>()) - order.begin()));
  return ranks;
}

bool isOneWord(std::string_view piece) { return piece.empty() || endOfWord(piece, 0) == piece.size(); }

} // namespace

SentencePieceBpe::SentencePieceBpe(Vocabulary vocabulary, std::vector<float> scores, std::vector<PieceKind> kinds, Options options)
    : vocabulary_(std::move(vocabulary)), kinds_(std::move(kinds)), ranks_(ranksOf(scores)), options_(options),
      whole_(new std::atomic<uint8_t>[vocabulary_.size()]()) {
  wordsAreApart_ = find(kSpace) != kNoToken; // else unknown tokens of two words may be neighbors, and one
  std::vector<std::pair<std::string_view, int32_t>> userDefined;
  for (size_t i = 0; i < kinds_.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    if (kinds_[i] == PieceKind::kUserDefined) userDefined.push_back({vocabulary_.bytes(id), id});
    if (kinds_[i] != PieceKind::kHidden) wordsAreApart_ &= isOneWord(vocabulary_.bytes(id));
    hasUnused_ |= kinds_[i] == PieceKind::kUnused;
  }
  userDefined_ = ByteTrie(std::move(userDefined));
  if (options_.byteFallback) byteIds_ = idsOfBytes(vocabulary_);
}

TokenId SentencePieceBpe::find(std::string_view bytes) const {
  const TokenId id = vocabulary_.find(bytes);
  return id != kNoToken && kinds_[static_cast<size_t>(id)] != PieceKind::kHidden ? id : kNoToken;
}

/// The tokens of a part that is left when nothing merges any more; one that is there to be taken apart again is.
void SentencePieceBpe::append(std::string_view bytes, TokenId id, const Halves& halves, std::vector<TokenId>& ids) const {
  std::vector<std::string_view> parts = {bytes};
  while (!parts.empty()) {
    const std::string_view part = parts.back();
    parts.pop_back();
    if (id == kNoToken || part.size() != bytes.size()) id = find(part);
    const auto half = id != kNoToken && kinds_[static_cast<size_t>(id)] == PieceKind::kUnused ? halves.find(part) : halves.end();
    if (half != halves.end()) {
      parts.push_back(part.substr(half->second));
      parts.push_back(part.substr(0, half->second));
    } else if (id != kNoToken) {
      ids.push_back(id);
    } else if (!byteIds_.empty()) {
      for (char b : part)
        ids.push_back(byteIds_[static_cast<uint8_t>(b)]);
    } else if (options_.unknown != kNoToken) {
      ids.push_back(options_.unknown);
    }
  }
}

void SentencePieceBpe::merge(std::string_view word, std::vector<Symbol>& symbols, std::vector<TokenId>& ids) const {
  symbols.clear();
  for (size_t at = 0; at < word.size();) {
    const auto whole = userDefined_.beginsWith(word[at]) ? userDefined_.longestPrefix(word.substr(at)) : ByteTrie::Match{};
    const size_t size = whole.length > 0 ? whole.length : utf8At(word, at).size;
    symbols.push_back({static_cast<uint32_t>(at), static_cast<uint32_t>(size), whole.value});
    at += size;
  }
  Halves halves;
  const auto isWhole = [&](const Symbol& symbol) {
    return symbol.id != kNoToken && kinds_[static_cast<size_t>(symbol.id)] == PieceKind::kUserDefined;
  };
  mergeSymbols(symbols, [&](const Symbol& left, const Symbol& right) -> MergeRule {
    if (isWhole(left) || isWhole(right)) return {};
    const std::string_view bytes = word.substr(left.begin, left.size + right.size);
    const TokenId id = find(bytes);
    if (id == kNoToken) return {};
    if (hasUnused_ && kinds_[static_cast<size_t>(id)] == PieceKind::kUnused) halves[bytes] = left.size;
    return {ranks_[static_cast<size_t>(id)], id};
  });
  const size_t before = ids.size();
  for (const Symbol& symbol : symbols)
    append(word.substr(symbol.begin, symbol.size), symbol.id, halves, ids);
  if (!byteIds_.empty()) return;
  const auto isRepeated = [&](TokenId left, TokenId right) { return left == right && left == options_.unknown; };
  ids.erase(std::unique(ids.begin() + static_cast<std::ptrdiff_t>(before), ids.end(), isRepeated), ids.end());
}

void SentencePieceBpe::encode(std::string_view word, Workspace& workspace, std::vector<TokenId>& ids) const {
  enum : uint8_t { kUnknown, kYes, kNo };
  const TokenId id = find(word);
  if (id == kNoToken) return merge(word, workspace.symbols, ids);
  std::atomic<uint8_t>& whole = whole_[static_cast<size_t>(id)];
  if (whole.load(std::memory_order_relaxed) == kYes) return ids.push_back(id);
  const size_t before = ids.size();
  merge(word, workspace.symbols, ids);
  whole.store(ids.size() == before + 1 && ids.back() == id ? kYes : kNo, std::memory_order_relaxed);
}

} // namespace jinx::text
