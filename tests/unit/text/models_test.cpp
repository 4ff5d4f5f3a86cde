// Each model on vocabularies that the test makes, beside the definition of what it does, written down plainly.
#include <map>
#include <random>

#include "gtest/gtest.h"

#include "runtime/text/Bpe.h"
#include "runtime/text/ByteTrie.h"
#include "runtime/text/SentencePieceBpe.h"
#include "runtime/text/Unigram.h"
#include "runtime/text/WordPiece.h"

namespace jinx::text {
namespace {

using Ids = std::vector<TokenId>;

Vocabulary vocabularyOf(const std::vector<std::string>& tokens) {
  Vocabulary vocabulary(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i)
    vocabulary.add(static_cast<TokenId>(i), tokens[i]);
  return vocabulary;
}

Ids encode(const Model& model, std::string_view text) {
  Workspace workspace;
  Ids ids;
  model.encode(text, workspace, ids);
  return ids;
}

std::string randomText(std::mt19937& rng, std::string_view letters, size_t length) {
  std::string text;
  for (size_t i = 0; i < length; ++i)
    text += letters[rng() % letters.size()];
  return text;
}

TEST(Vocabulary, FindsWhatWasAddedFirst) {
  Vocabulary vocabulary;
  for (TokenId id = 0; id < 1000; ++id)
    vocabulary.add(id, std::to_string(id % 900));
  EXPECT_EQ(vocabulary.size(), 1000u);
  EXPECT_EQ(vocabulary.find("7"), 7);
  EXPECT_EQ(vocabulary.bytes(907), "7");
  EXPECT_EQ(vocabulary.find("900"), kNoToken);
  EXPECT_EQ(vocabulary.find(""), kNoToken);
}

TEST(ByteTrie, FindsEveryPrefix) {
  const ByteTrie trie({{"ab", 1}, {"a", 0}, {"abcd", 2}, {"b", 3}, {"", 4}, {"a", 5}});
  std::vector<std::pair<size_t, int32_t>> found;
  trie.prefixes("abcx", [&](size_t length, int32_t value) { found.push_back({length, value}); });
  EXPECT_EQ(found, (std::vector<std::pair<size_t, int32_t>>{{1, 0}, {2, 1}}));
  EXPECT_EQ(trie.longestPrefix("abcde").value, 2);
  EXPECT_EQ(trie.longestPrefix("x").value, -1);
  EXPECT_TRUE(trie.beginsWith('b'));
  EXPECT_FALSE(trie.beginsWith('c'));
  EXPECT_EQ(ByteTrie().longestPrefix("a").length, 0u);
}

/// Byte pair encoding as it is defined: again and again, the pair of the lowest rank, the leftmost.
std::vector<std::string> mergedByDefinition(const std::map<std::string, size_t>& ranks, std::string_view text) {
  std::vector<std::string> parts;
  for (char c : text)
    parts.emplace_back(1, c);
  for (;;) {
    size_t best = SIZE_MAX, at = 0;
    for (size_t i = 0; i + 1 < parts.size(); ++i)
      if (auto rank = ranks.find(parts[i] + parts[i + 1]); rank != ranks.end() && rank->second < best) best = rank->second, at = i;
    if (best == SIZE_MAX) return parts;
    parts[at] += parts[at + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

TEST(Bpe, OfRanksMergesAsDefined) {
  const std::vector<std::string> tokens = {"a", "b", "c", "ab", "bc", "aa", "abc", "ca", "aab", "abcab", "cc", "bca", "aaaa"};
  BpeOptions options;
  options.bytes = options.ranks = true;
  const Bpe model(vocabularyOf(tokens), MergeTable(), options);
  std::map<std::string, size_t> ranks;
  for (size_t i = 0; i < tokens.size(); ++i)
    ranks[tokens[i]] = i;
  std::mt19937 rng(1);
  for (int round = 0; round < 400; ++round) {
    const std::string text = randomText(rng, "abc", rng() % (round % 10 == 0 ? 400 : 30)); // short and long ones go different ways
    std::vector<std::string> got;
    for (TokenId id : encode(model, text))
      got.push_back(tokens[static_cast<size_t>(id)]);
    EXPECT_EQ(got, mergedByDefinition(ranks, text)) << text;
  }
}

TEST(Bpe, OfMergesKeepsToThem) {
  // "abc" is a token that no merge makes of "ab" and "c".
  Vocabulary vocabulary = vocabularyOf({"a", "b", "c", "ab", "bc", "abc"});
  MergeTable merges(2);
  merges.add(0, 1, {0, 3});
  merges.add(0, 4, {1, 5});
  BpeOptions options;
  options.bytes = true;
  EXPECT_EQ(encode(Bpe(vocabulary, merges, options), "abc"), (Ids{3, 2}));
  options.wholeWords = true;
  EXPECT_EQ(encode(Bpe(vocabulary, merges, options), "abc"), (Ids{5}));
}

TEST(Bpe, OfCharactersKnowsUnknownOnesAndAffixes) {
  BpeOptions options;
  options.unknown = 0;
  EXPECT_EQ(encode(Bpe(vocabularyOf({"?", "a", "\u00e9"}), MergeTable(), options), "axx\u00e9"), (Ids{1, 0, 0, 2}));
  options.fuseUnknown = true;
  EXPECT_EQ(encode(Bpe(vocabularyOf({"?", "a", "\u00e9"}), MergeTable(), options), "axx\u00e9"), (Ids{1, 0, 2}));
  options.suffix = "</w>";
  MergeTable merges(1);
  merges.add(1, 2, {0, 3});
  EXPECT_EQ(encode(Bpe(vocabularyOf({"?", "a", "b</w>", "ab</w>"}), merges, options), "ab"), (Ids{3}));
}

TEST(Bpe, TakesALongRunInTime) {
  BpeOptions options;
  options.bytes = options.ranks = true;
  const Bpe model(vocabularyOf({"a", "aa", "aaaa"}), MergeTable(), options);
  EXPECT_EQ(encode(model, std::string(1'000'001, 'a')).size(), 250'001u);
}

TEST(SentencePieceBpe, MergesByScore) {
  using Kinds = std::vector<PieceKind>;
  const std::vector<std::string> tokens = {"<unk>", "a", "b", "c", "ab", "bc"};
  Kinds kinds(tokens.size(), PieceKind::kNormal);
  kinds[0] = PieceKind::kHidden;
  const SentencePieceBpe::Options options{0, false};
  EXPECT_EQ(encode(SentencePieceBpe(vocabularyOf(tokens), {0, 0, 0, 0, -1, -2}, kinds, options), "abc"), (Ids{4, 3}));
  EXPECT_EQ(encode(SentencePieceBpe(vocabularyOf(tokens), {0, 0, 0, 0, -2, -1}, kinds, options), "abc"), (Ids{1, 5}));
  EXPECT_EQ(encode(SentencePieceBpe(vocabularyOf(tokens), {0, 0, 0, 0, -2, -1}, kinds, options), "xyb"), (Ids{0, 2})) << "one unknown token for two";
  kinds[4] = PieceKind::kUnused;
  EXPECT_EQ(encode(SentencePieceBpe(vocabularyOf(tokens), {0, 0, 0, 0, -1, -2}, kinds, options), "abc"), (Ids{1, 2, 3})) << "taken apart again";
  kinds[4] = PieceKind::kUserDefined;
  EXPECT_EQ(encode(SentencePieceBpe(vocabularyOf(tokens), {0, 0, 0, 0, -9, -1}, kinds, options), "abc"), (Ids{4, 3})) << "always whole";
}

/// The best sum over all ways to cut the text.
double bestByDefinition(const std::map<std::string, double>& scores, const std::string& text) {
  if (text.empty()) return 0;
  double best = -1e300;
  for (size_t length = 1; length <= text.size(); ++length)
    if (auto score = scores.find(text.substr(0, length)); score != scores.end())
      best = std::max(best, score->second + bestByDefinition(scores, text.substr(length)));
  return best;
}

TEST(Unigram, FindsTheBestSum) {
  const std::vector<std::string> tokens = {"a", "b", "ab", "ba", "aab", "bb", "abba"};
  const std::vector<double> scores = {-2.5, -2.75, -4, -4.5, -6.125, -5, -7};
  const Unigram model(vocabularyOf(tokens), scores, std::vector(tokens.size(), PieceKind::kNormal), {});
  std::map<std::string, double> byText;
  for (size_t i = 0; i < tokens.size(); ++i)
    byText[tokens[i]] = scores[i];
  std::mt19937 rng(2);
  for (int round = 0; round < 200; ++round) {
    const std::string text = randomText(rng, "ab", 1 + rng() % 14);
    double sum = 0;
    std::string joined;
    for (TokenId id : encode(model, text))
      sum += scores[static_cast<size_t>(id)], joined += tokens[static_cast<size_t>(id)];
    EXPECT_EQ(joined, text);
    EXPECT_EQ(sum, bestByDefinition(byText, text)) << text; // exact in binary
  }
}

TEST(Unigram, JoinsWhatIsUnknown) {
  UnigramOptions options;
  options.unknown = 0;
  const Unigram model(vocabularyOf({"<unk>", "a"}), std::vector<double>{0, -1}, {PieceKind::kHidden, PieceKind::kNormal}, options);
  EXPECT_EQ(encode(model, "\u00e9x a"), (Ids{0, 1}));
}

TEST(WordPiece, TakesTheLongestFirst) {
  WordPieceOptions options;
  options.unknown = 0;
  options.longestWord = 8;
  const WordPiece model(vocabularyOf({"[UNK]", "un", "##aff", "##able", "##a", "unaf", "\u00e9", "##\u00e9"}), options);
  EXPECT_EQ(encode(model, "una"), (Ids{1, 4}));
  EXPECT_EQ(encode(model, "unaff"), (Ids{0})) << "unaf and nothing for the rest";
  EXPECT_EQ(encode(model, "\u00e9\u00e9"), (Ids{6, 7}));
  EXPECT_EQ(encode(model, "unaaaaaa"), (Ids{1, 4, 4, 4, 4, 4, 4}));
  EXPECT_EQ(encode(model, "unaaaaaaa"), (Ids{0})) << "too long";
}

} // namespace
} // namespace jinx::text
