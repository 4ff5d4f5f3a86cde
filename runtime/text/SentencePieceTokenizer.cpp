#include "runtime/text/SentencePieceTokenizer.h"

#include <climits>
#include <cmath>

#include "runtime/text/SentencePieceBpe.h"
#include "runtime/text/sentencepiece.pb.h"

namespace jinx::text {
namespace {

enum Kind : int { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };
enum ModelKind : int { kUnigram = 1, kBpe = 2 };

PieceKind kindOf(int kind) {
  if (kind == kNormal) return PieceKind::kNormal;
  if (kind == kUserDefined) return PieceKind::kUserDefined;
  return kind == kUnused ? PieceKind::kUnused : PieceKind::kHidden;
}

Expected<std::shared_ptr<const NormalizerStep>> normalizerOf(const SentencePieces& pieces) {
  SentencePieceNormalizerOptions options;
  options.addDummyPrefix = pieces.addDummyPrefix;
  options.removeExtraWhitespaces = pieces.removeExtraWhitespaces;
  options.escapeWhitespaces = pieces.escapeWhitespaces;
  if (!pieces.charsMap.empty()) {
    JINX_TRY_ASSIGN(CharsMap map, CharsMap::parse(pieces.charsMap));
    options.map = std::make_shared<const CharsMap>(std::move(map));
  }
  for (const auto& item : pieces.list)
    if (item.kind == PieceKind::kUserDefined) options.userDefined.emplace_back(item.text);
  return makeSentencePieceNormalizer(std::move(options));
}

} // namespace

Expected<TokenizerParts> makeSentencePieceParts(const SentencePieces& pieces) {
  TokenizerParts parts;
  Vocabulary vocabulary(pieces.list.size());
  std::vector<float> scores;
  std::vector<PieceKind> kinds;
  for (size_t i = 0; i < pieces.list.size(); ++i) {
    const auto& item = pieces.list[i];
    if (!std::isfinite(item.score)) return invalidArgument("the score of token " + std::to_string(i) + " is no finite number");
    vocabulary.add(static_cast<TokenId>(i), item.text);
    scores.push_back(item.score);
    kinds.push_back(item.kind);
  }
  parts.vocabulary = vocabulary;
  JINX_TRY_ASSIGN(auto normalizer, normalizerOf(pieces));
  parts.normalizer.add(std::move(normalizer));
  if (pieces.unigram) {
    UnigramOptions options{pieces.unknown, pieces.byteFallback, true};
    parts.model = std::make_unique<Unigram>(std::move(vocabulary), scores, kinds, options);
  } else {
    SentencePieceBpe::Options options{pieces.unknown, pieces.byteFallback};
    auto model = std::make_unique<SentencePieceBpe>(std::move(vocabulary), std::move(scores), std::move(kinds), options);
    if (model->wordsAreApart()) parts.preTokenizer.add(makeSplitWords());
    parts.model = std::move(model);
  }
  parts.decoder.add(makeDecodeSentencePiece(pieces.addDummyPrefix || pieces.removeExtraWhitespaces, pieces.removeExtraWhitespaces));
  parts.decoder.add(makeDecodeBytes(LooseBytes::kCharacters));
  parts.unknown = pieces.unknown;
  parts.unknownText = pieces.unknownText;
  parts.normalizerTakesAnyBytes = true;
  return parts;
}

namespace {

SentencePieces piecesOf(const proto::SentencePieceFile& file) {
  SentencePieces pieces;
  const auto& trainer = file.trainer();
  const auto& normalizer = file.normalizer();
  pieces.unigram = trainer.model() == kUnigram;
  pieces.byteFallback = trainer.byte_fallback();
  pieces.addDummyPrefix = normalizer.add_dummy_prefix();
  pieces.removeExtraWhitespaces = normalizer.remove_extra_whitespaces();
  pieces.escapeWhitespaces = normalizer.escape_whitespaces();
  pieces.charsMap = normalizer.chars_map();
  pieces.unknownText = trainer.unknown_text();
  for (const auto& piece : file.pieces())
    pieces.list.push_back({piece.text(), piece.score(), kindOf(piece.kind())});
  return pieces;
}

Status checkFile(const proto::SentencePieceFile& file) {
  const auto& trainer = file.trainer();
  if (file.pieces_size() == 0) return invalidArgument("the SentencePiece model has no pieces");
  if (trainer.model() != kUnigram && trainer.model() != kBpe)
    return unimplemented("the SentencePiece model is of kind " + std::to_string(trainer.model()) + ", expected 1 (Unigram) or 2 (BPE)");
  if (trainer.whitespace_as_suffix()) return unimplemented("the SentencePiece model has white space at the ends of words, expected at their beginnings");
  for (int i = 0; i < file.pieces_size(); ++i) {
    if (file.pieces(i).kind() < kNormal || file.pieces(i).kind() > kByte)
      return invalidArgument("piece " + std::to_string(i) + " has kind " + std::to_string(file.pieces(i).kind()) + ", expected 1 to 6");
    if (file.pieces(i).text().empty()) return invalidArgument("piece " + std::to_string(i) + " is empty");
  }
  return Status::ok();
}

/// The piece of that number if it is a control token, as bos and eos are.
TokenId controlToken(const proto::SentencePieceFile& file, int id) {
  return id >= 0 && id < file.pieces_size() && file.pieces(id).kind() == kControl ? id : kNoToken;
}

} // namespace

Expected<Tokenizer> parseSentencePieceModel(std::span<const std::byte> bytes) {
  proto::SentencePieceFile file;
  if (bytes.size() > INT_MAX || !file.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return invalidArgument("is no SentencePiece model: it cannot be parsed as its protocol buffer");
  JINX_TRY(checkFile(file));
  SentencePieces pieces = piecesOf(file);
  for (int i = 0; i < file.pieces_size() && pieces.unknown == kNoToken; ++i)
    if (file.pieces(i).kind() == kUnknown) pieces.unknown = i;
  JINX_TRY_ASSIGN(TokenizerParts parts, makeSentencePieceParts(pieces));
  parts.bos = controlToken(file, file.trainer().bos());
  parts.eos = controlToken(file, file.trainer().eos());
  parts.padding = controlToken(file, file.trainer().padding());
  if (!pieces.unigram && parts.bos != kNoToken) parts.before.push_back(parts.bos);
  if (pieces.unigram && parts.eos != kNoToken) parts.after.push_back(parts.eos);
  for (int i = 0; i < file.pieces_size(); ++i) {
    if (file.pieces(i).kind() != kControl) continue;
    parts.special.push_back(i);
    parts.added.push_back({i, file.pieces(i).text(), true});
  }
  return Tokenizer::make(std::move(parts));
}

} // namespace jinx::text
