#include "runtime/text/GgufTokenizer.h"

#include <algorithm>
#include <cmath>

#include "runtime/text/ByteLevel.h"
#include "runtime/text/KnownPreTokenizers.h"
#include "runtime/text/SentencePieceBpe.h"
#include "runtime/text/SentencePieceTokenizer.h"
#include "runtime/text/WordPiece.h"

namespace jinx::text {
namespace {

enum Type : int64_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

Type typeOf(const GgufVocabulary& file, size_t id) { return file.types.empty() ? kNormal : static_cast<Type>(file.types[id]); }

/// SentencePiece's unknown token is none: it stands for text.
bool isControl(const GgufVocabulary& file, size_t id) {
  const bool pieces = file.model == "llama" || file.model == "t5";
  return typeOf(file, id) == kControl || (typeOf(file, id) == kUnknown && !pieces);
}

Status check(const GgufVocabulary& file) {
  const auto fits = [&](const char* name, size_t count) {
    if (count == 0 || count == file.tokens.size()) return Status::ok();
    return invalidArgument(std::string(name) + " has " + std::to_string(count) + " elements, expected one for each of " +
                           std::to_string(file.tokens.size()) + " tokens");
  };
  if (file.tokens.empty()) return invalidArgument("the vocabulary has no tokens");
  if (file.tokens.size() > static_cast<size_t>(Vocabulary::kLargest))
    return invalidArgument("the vocabulary has " + std::to_string(file.tokens.size()) + " tokens, expected at most " + std::to_string(Vocabulary::kLargest));
  JINX_TRY(fits("token_type", file.types.size()));
  JINX_TRY(fits("scores", file.scores.size()));
  for (size_t i = 0; i < file.types.size(); ++i)
    if (file.types[i] < kNormal || file.types[i] > kByte)
      return invalidArgument("token " + std::to_string(i) + " has type " + std::to_string(file.types[i]) + ", expected 1 to 6");
  return Status::ok();
}

void addCommonParts(const GgufVocabulary& file, bool addBos, bool addEos, TokenizerParts& parts) {
  parts.bos = file.bos, parts.eos = file.eos, parts.unknown = file.unknown, parts.padding = file.padding;
  if (file.addBos.value_or(addBos) && file.bos != kNoToken) parts.before.push_back(file.bos);
  if (file.addEos.value_or(addEos) && file.eos != kNoToken) parts.after.push_back(file.eos);
  for (size_t i = 0; i < file.tokens.size(); ++i)
    if (isControl(file, i)) parts.special.push_back(static_cast<TokenId>(i));
}

/// Tokens that are found in the text as it is.
void addAddedTokens(const GgufVocabulary& file, bool userDefinedToo, TokenizerParts& parts) {
  for (size_t i = 0; i < file.tokens.size(); ++i) {
    const Type type = typeOf(file, i);
    const bool special = isControl(file, i);
    if (special || (userDefinedToo && type == kUserDefined)) parts.added.push_back({static_cast<TokenId>(i), std::string(file.tokens[i]), special});
  }
}

Expected<TokenizerParts> makeBpe(const GgufVocabulary& file) {
  TokenizerParts parts;
  Vocabulary names(file.tokens.size()), bytes(file.tokens.size());
  for (size_t i = 0; i < file.tokens.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    const Type type = typeOf(file, i);
    names.add(id, file.tokens[i]);
    const bool plain = type == kNormal || type == kUnused || type == kByte;
    parts.vocabulary.add(id, plain ? byteLevelOrText(file.tokens[i]) : std::string(file.tokens[i]));
    if (plain) bytes.add(id, parts.vocabulary.bytes(id));
  }
  std::vector<MergeText> merges;
  for (std::string_view line : file.merges) {
    JINX_TRY_ASSIGN(MergeText merge, parseMerge(line));
    merges.push_back(merge);
  }
  JINX_TRY_ASSIGN(MergeTable table, makeMergeTable(names, merges));
  JINX_TRY_ASSIGN(KnownPreTokenizer known, findPreTokenizer(file.pre.empty() ? "gpt-2" : file.pre));
  BpeOptions options;
  options.bytes = true;
  options.wholeWords = known.wholeWords;
  parts.model = std::make_unique<Bpe>(std::move(bytes), std::move(table), options);
  parts.preTokenizer = std::move(known.preTokenizer);
  addCommonParts(file, known.wholeWords, false, parts);
  addAddedTokens(file, true, parts);
  return parts;
}

Expected<TokenizerParts> makeSentencePiece(const GgufVocabulary& file, bool unigram) {
  SentencePieces pieces;
  pieces.unigram = unigram;
  pieces.charsMap = file.charsMap;
  pieces.addDummyPrefix = file.addSpacePrefix.value_or(true);
  pieces.removeExtraWhitespaces = file.removeExtraWhitespaces.value_or(unigram);
  pieces.unknown = file.unknown;
  if (file.scores.empty()) return invalidArgument("the vocabulary has no scores, which tokenizer.ggml.model \"" + std::string(file.model) + "\" needs");
  for (size_t i = 0; i < file.tokens.size(); ++i) {
    const Type type = typeOf(file, i);
    if (type == kUnknown && pieces.unknown == kNoToken) pieces.unknown = static_cast<TokenId>(i);
    pieces.byteFallback |= type == kByte;
    const auto kind = type == kNormal        ? PieceKind::kNormal
                      : type == kUserDefined ? PieceKind::kUserDefined
                      : type == kUnused      ? PieceKind::kUnused
                                             : PieceKind::kHidden;
    pieces.list.push_back({file.tokens[i], file.scores[i], kind});
  }
  JINX_TRY_ASSIGN(TokenizerParts parts, makeSentencePieceParts(pieces));
  addCommonParts(file, !unigram, unigram, parts);
  parts.unknown = pieces.unknown;
  addAddedTokens(file, false, parts);
  return parts;
}

/// Such files write tokens that begin a word with U+2581 in front, others without "##"; [unused0] and its kin as they are.
std::string wordPieceName(std::string_view token, Type type) {
  constexpr std::string_view kWordStart = "\u2581";
  const bool bracketed = token.size() > 2 && token.starts_with('[') && token.ends_with(']');
  if (type != kNormal || bracketed) return std::string(token);
  return token.starts_with(kWordStart) ? std::string(token.substr(kWordStart.size())) : "##" + std::string(token);
}

Expected<TokenizerParts> makeWordPiece(const GgufVocabulary& file) {
  TokenizerParts parts;
  Vocabulary words(file.tokens.size());
  for (size_t i = 0; i < file.tokens.size(); ++i) {
    const std::string name = wordPieceName(file.tokens[i], typeOf(file, i));
    parts.vocabulary.add(static_cast<TokenId>(i), name);
    if (typeOf(file, i) == kNormal) words.add(static_cast<TokenId>(i), name);
  }
  if (file.unknown == kNoToken) return invalidArgument("the vocabulary names no unknown token, which WordPiece needs");
  parts.normalizer.add(makeBertNormalizer({}));
  addBertPreTokenizer(parts.preTokenizer);
  parts.decoder.add(makeDecodeWordPiece("##", true));
  WordPieceOptions options;
  options.unknown = file.unknown;
  parts.model = std::make_unique<WordPiece>(std::move(words), options);
  addCommonParts(file, true, false, parts);
  if (parts.after.empty() && file.separator != kNoToken) parts.after.push_back(file.separator);
  addAddedTokens(file, true, parts);
  return parts;
}

Expected<TokenizerParts> makeParts(const GgufVocabulary& file) {
  if (file.model == "gpt2") return makeBpe(file);
  if (file.model == "llama") return makeSentencePiece(file, false);
  if (file.model == "t5") return makeSentencePiece(file, true);
  if (file.model == "bert") return makeWordPiece(file);
  return unimplemented("tokenizer.ggml.model is \"" + std::string(file.model) + "\", expected gpt2, llama, t5 or bert");
}

} // namespace

Expected<Tokenizer> makeGgufTokenizer(const GgufVocabulary& file) {
  JINX_TRY(check(file));
  JINX_TRY_ASSIGN(TokenizerParts parts, makeParts(file));
  return Tokenizer::make(std::move(parts));
}

} // namespace jinx::text
