#include "runtime/text/Unigram.h"

#include <algorithm>
#include <limits>

#include "runtime/text/Utf8.h"

namespace jinx::text {
namespace {

constexpr double kUnknownPenalty = 10; // an unknown character scores so much less than the worst token

std::vector<double> widened(const std::vector<float>& scores) { return {scores.begin(), scores.end()}; }

} // namespace

Unigram::Unigram(Vocabulary vocabulary, std::vector<float> scores, const std::vector<PieceKind>& kinds, UnigramOptions options)
    : Unigram(std::move(vocabulary), widened(scores), kinds, options) {}

Unigram::Unigram(Vocabulary vocabulary, std::vector<double> scores, const std::vector<PieceKind>& kinds, UnigramOptions options)
    : vocabulary_(std::move(vocabulary)), scores_(std::move(scores)), userDefined_(scores_.size()), options_(options) {
  double least = std::numeric_limits<double>::max(), largest = std::numeric_limits<double>::lowest();
  std::vector<std::pair<std::string_view, int32_t>> strings;
  for (size_t i = 0; i < scores_.size(); ++i) {
    userDefined_[i] = kinds[i] == PieceKind::kUserDefined;
    if (kinds[i] == PieceKind::kNormal) least = std::min(least, scores_[i]), largest = std::max(largest, scores_[i]);
    if (kinds[i] == PieceKind::kNormal || userDefined_[i]) strings.push_back({vocabulary_.bytes(static_cast<TokenId>(i)), static_cast<int32_t>(i)});
  }
  if (least <= largest) unknownScore_ = least, largestScore_ = largest;
  unknownScore_ -= kUnknownPenalty;
  if (options_.roundSums) unknownScore_ = static_cast<double>(static_cast<float>(unknownScore_));
  trie_ = ByteTrie(std::move(strings));
  if (options_.byteFallback) byteIds_ = idsOfBytes(vocabulary_);
}

void Unigram::findPaths(std::string_view piece, std::vector<BestPath>& paths) const {
  paths.assign(piece.size() + 1, {});
  paths[0].from = 0;
  const auto rounded = [this](double sum) { return options_.roundSums ? static_cast<double>(static_cast<float>(sum)) : sum; };
  const auto offer = [&](size_t from, size_t to, TokenId id, double sum) {
    BestPath& path = paths[to];
    sum = rounded(sum);
    if (path.from == UINT32_MAX || sum > path.score) path = {sum, static_cast<uint32_t>(from), id};
  };
  for (size_t at = 0; at < piece.size();) {
    const size_t character = utf8At(piece, at).size;
    bool known = false; // the character alone is a token
    trie_.prefixes(piece.substr(at), [&](size_t length, TokenId id) {
      const bool always = userDefined_[static_cast<size_t>(id)];
      const double score = always ? rounded(static_cast<double>(length) * largestScore_ - 0.1) : scores_[static_cast<size_t>(id)];
      offer(at, at + length, id, score + paths[at].score);
      known |= length == character;
    });
    if (!known) offer(at, at + character, kNoToken, unknownScore_ + paths[at].score);
    at += character;
  }
}

/// A token of the best way; neighbors that are unknown are one unknown token.
void Unigram::append(TokenId id, std::string_view bytes, std::vector<TokenId>& ids) const {
  if (id != kNoToken) return ids.push_back(id);
  if (!byteIds_.empty()) {
    for (char b : bytes)
      ids.push_back(byteIds_[static_cast<uint8_t>(b)]);
  } else if (options_.unknown != kNoToken) {
    ids.push_back(options_.unknown);
  }
}

void Unigram::encode(std::string_view piece, Workspace& workspace, std::vector<TokenId>& ids) const {
  auto& paths = workspace.paths;
  findPaths(piece, paths);
  auto& symbols = workspace.symbols;
  symbols.clear();
  for (auto to = static_cast<uint32_t>(piece.size()); to > 0; to = paths[to].from) {
    const BestPath& path = paths[to];
    const TokenId id = path.id == options_.unknown ? kNoToken : path.id; // written in the text, it joins its neighbors too
    const bool joins = id == kNoToken && !symbols.empty() && symbols.back().id == kNoToken;
    if (joins) symbols.back().size += to - path.from, symbols.back().begin = path.from;
    else symbols.push_back({path.from, to - path.from, id});
  }
  for (auto symbol = symbols.rbegin(); symbol != symbols.rend(); ++symbol)
    append(symbol->id, piece.substr(symbol->begin, symbol->size), ids);
}

} // namespace jinx::text
