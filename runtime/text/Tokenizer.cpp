#include "runtime/text/Tokenizer.h"

#include <algorithm>

#include "runtime/text/Utf8.h"

namespace jinx::text {

struct Tokenizer::State {
  TokenizerParts parts;
  AddedTokens added;
  std::vector<bool> special; ///< by id
};

namespace {

constexpr size_t kLongestText = size_t{1} << 31;
constexpr size_t kFewPieces = 500; // fewer do not repay the room for looking them up

Status checkId(TokenId id, size_t size) {
  if (id >= 0 && static_cast<size_t>(id) < size) return Status::ok();
  return invalidArgument("token " + std::to_string(id) + " is not in the vocabulary, expected 0 to " + std::to_string(static_cast<int64_t>(size) - 1));
}

} // namespace

Expected<Tokenizer> Tokenizer::make(TokenizerParts parts) {
  auto state = std::make_shared<State>();
  const size_t size = parts.vocabulary.size();
  state->special.resize(size);
  for (const auto* list : {&parts.before, &parts.after, &parts.special})
    for (TokenId id : *list)
      JINX_TRY(checkId(id, size));
  for (TokenId id : {parts.bos, parts.eos, parts.unknown, parts.padding})
    if (id != kNoToken) JINX_TRY(checkId(id, size));
  for (const AddedToken& token : parts.added)
    JINX_TRY(checkId(token.id, size), "added token \"" + token.content + "\"");
  for (TokenId id : parts.special)
    state->special[static_cast<size_t>(id)] = true;
  JINX_TRY_ASSIGN(state->added, AddedTokens::make(std::move(parts.added), parts.normalizer));
  state->parts = std::move(parts);
  return Tokenizer(std::move(state));
}

// ---- encode ------------------------------------------------------------------------------------------------------------------------

Status Tokenizer::encodePiece(const Section& section, Workspace& workspace, std::vector<TokenId>& ids) const {
  Pieces pieces;
  pieces.list.push_back({section.text, section.first});
  JINX_TRY(state_->parts.preTokenizer.apply(pieces));
  if (pieces.list.size() < kFewPieces) {
    for (const Piece& piece : pieces.list)
      state_->parts.model->encode(piece.text, workspace, ids);
  } else {
    encodeRepeating(pieces, workspace, ids);
  }
  return Status::ok();
}

/// The same, with pieces that have come before looked up.
void Tokenizer::encodeRepeating(const Pieces& pieces, Workspace& workspace, std::vector<TokenId>& ids) const {
  workspace.cache.forget();
  for (const Piece& piece : pieces.list) {
    PieceCache::Entry& entry = workspace.cache.entryOf(piece.text);
    if (entry.count > 0 && entry.piece == piece.text) {
      for (size_t i = 0; i < entry.count; ++i)
        ids.push_back(ids[entry.begin + i]);
      continue;
    }
    const size_t before = ids.size();
    state_->parts.model->encode(piece.text, workspace, ids);
    entry = {piece.text, before, ids.size() - before};
  }
}

Status Tokenizer::encodeText(std::string_view text, bool first, bool parseSpecial, Workspace& workspace, std::vector<TokenId>& ids) const {
  std::string normalized;
  if (!state_->parts.normalizer.empty()) {
    normalized = text;
    JINX_TRY(state_->parts.normalizer.apply(normalized));
    text = normalized;
  }
  return encodeSections(state_->added.split(text, AddedTokens::Stage::kNormalized, parseSpecial, first), workspace, ids);
}

/// Of normalized text.
Status Tokenizer::encodeSections(std::span<const Section> sections, Workspace& workspace, std::vector<TokenId>& ids) const {
  for (const Section& section : sections) {
    if (section.id != kNoToken) ids.push_back(section.id);
    else JINX_TRY(encodePiece(section, workspace, ids));
  }
  return Status::ok();
}

Expected<std::vector<TokenId>> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  if (text.size() >= kLongestText)
    return invalidArgument("the text has " + std::to_string(text.size()) + " bytes, expected fewer than " + std::to_string(kLongestText));
  std::string valid;
  if (!state_->parts.normalizerTakesAnyBytes && !isUtf8(text)) valid = replaceInvalidUtf8(text), text = valid;
  std::vector<TokenId> ids;
  Workspace workspace;
  if (options.addSpecial) ids = state_->parts.before;
  for (const Section& section : state_->added.split(text, AddedTokens::Stage::kRaw, options.parseSpecial, true)) {
    if (section.id != kNoToken) ids.push_back(section.id);
    else JINX_TRY(encodeText(section.text, section.first, options.parseSpecial, workspace, ids));
  }
  if (options.addSpecial) ids.insert(ids.end(), state_->parts.after.begin(), state_->parts.after.end());
  return ids;
}

/// Tokens that control count inside these ranges of the normalized text only.
Status Tokenizer::encodeGuarded(std::string_view text, bool first, std::span<const Range> control, Workspace& workspace, std::vector<TokenId>& ids) const {
  std::string normalized(text);
  JINX_TRY(state_->parts.normalizer.apply(normalized));
  return encodeSections(state_->added.split(normalized, AddedTokens::Stage::kNormalized, control, first), workspace, ids);
}

/// A section between control tokens, `begin` bytes into the text that the ranges are of.
Status Tokenizer::encodeMixed(std::string_view text, size_t begin, bool first, std::span<const Range> control, Workspace& workspace, std::vector<TokenId>& ids) const {
  if (!state_->added.hasNormalizedControl()) {
    const size_t before = ids.size();
    JINX_TRY(encodeText(text, first, false, workspace, ids));
    // A Unigram model may have control tokens among its pieces, and find them by itself.
    for (TokenId id : std::span(ids).subspan(before))
      if (isSpecial(id) && id != state_->parts.unknown) return invalidArgument("the text has \"" + std::string(tokenText(id)) + "\" in it, which the tokenizer's model takes for a control token");
    return Status::ok();
  }
  std::vector<Range> own;
  for (const Range& range : control)
    if (range.end > begin && range.begin < begin + text.size()) own.push_back({std::max(range.begin, begin) - begin, std::min(range.end - begin, text.size())});
  if (state_->parts.normalizer.empty()) return encodeGuarded(text, first, own, workspace, ids);
  size_t done = 0;
  const auto encodeTo = [&](size_t end, bool isControl) {
    const std::string_view part = text.substr(done, end - done);
    const bool isFirst = first && done == 0;
    done = end;
    if (part.empty()) return Status::ok();
    return isControl ? encodeText(part, isFirst, true, workspace, ids) : encodeGuarded(part, isFirst, {}, workspace, ids);
  };
  for (const Range& range : own) {
    JINX_TRY(encodeTo(range.begin, false));
    JINX_TRY(encodeTo(range.end, true));
  }
  return encodeTo(text.size(), false);
}

Expected<std::vector<TokenId>> Tokenizer::encodeParts(std::span<const TextPart> parts) const {
  std::string text;
  std::vector<Range> special;
  for (const TextPart& part : parts) {
    const size_t begin = text.size();
    if (isUtf8(part.text)) text += part.text;
    else text += replaceInvalidUtf8(part.text);
    if (text.size() >= kLongestText) return invalidArgument("the text has " + std::to_string(text.size()) + " bytes and more, expected fewer than " + std::to_string(kLongestText));
    if (!part.parsesSpecial || text.size() == begin) continue;
    if (!special.empty() && special.back().end == begin) special.back().end = text.size();
    else special.push_back({begin, text.size()});
  }
  std::vector<TokenId> ids;
  Workspace workspace;
  for (const Section& section : state_->added.split(text, AddedTokens::Stage::kRaw, special, true)) {
    if (section.id != kNoToken) ids.push_back(section.id);
    else JINX_TRY(encodeMixed(section.text, static_cast<size_t>(section.text.data() - text.data()), section.first, special, workspace, ids));
  }
  return ids;
}

// ---- decode ------------------------------------------------------------------------------------------------------------------------

bool Tokenizer::skips(TokenId id, const DecodeOptions& options) const {
  return (options.skipSpecial && isSpecial(id)) || (options.skipMissing && !checkId(id, vocabularySize()).isOk());
}

Expected<std::string> Tokenizer::decodeBytes(std::span<const TokenId> ids, const DecodeOptions& options, bool bytesAsTheyAre) const {
  const TokenizerParts& parts = state_->parts;
  std::vector<std::string> texts;
  texts.reserve(ids.size());
  for (TokenId id : ids) {
    if (skips(id, options)) continue;
    JINX_TRY(checkId(id, parts.vocabulary.size()));
    const bool unknown = id == parts.unknown && !parts.unknownText.empty();
    texts.emplace_back(unknown ? std::string_view(parts.unknownText) : parts.vocabulary.bytes(id));
  }
  return parts.decoder.decode(std::move(texts), bytesAsTheyAre);
}

Expected<std::string> Tokenizer::decode(std::span<const TokenId> ids, const DecodeOptions& options) const {
  JINX_TRY_ASSIGN(std::string bytes, decodeBytes(ids, options, false));
  return isUtf8(bytes) ? bytes : replaceInvalidUtf8(bytes);
}

Expected<std::string> Tokenizer::tokenBytes(TokenId id) const {
  // Behind itself: what stands in front of a text may be changed, what stands inside may not.
  const TokenId twice[] = {id, id};
  JINX_TRY_ASSIGN(std::string one, decodeBytes(std::span(twice, 1), {.skipSpecial = false}, true));
  JINX_TRY_ASSIGN(std::string two, decodeBytes(twice, {.skipSpecial = false}, true));
  return two.substr(std::min(one.size(), two.size()));
}

std::string_view Tokenizer::tokenText(TokenId id) const {
  return checkId(id, vocabularySize()).isOk() ? state_->parts.vocabulary.bytes(id) : std::string_view();
}
TokenId Tokenizer::findToken(std::string_view text) const { return state_->parts.vocabulary.find(text); }
size_t Tokenizer::vocabularySize() const { return state_->parts.vocabulary.size(); }
TokenId Tokenizer::bos() const { return state_->parts.bos; }
TokenId Tokenizer::eos() const { return state_->parts.eos; }
TokenId Tokenizer::unknown() const { return state_->parts.unknown; }
TokenId Tokenizer::padding() const { return state_->parts.padding; }
bool Tokenizer::isSpecial(TokenId id) const {
  return id >= 0 && static_cast<size_t>(id) < state_->special.size() && state_->special[static_cast<size_t>(id)];
}
std::vector<TokenId> Tokenizer::specialTokens() const {
  std::vector<TokenId> ids = state_->parts.special;
  std::ranges::sort(ids);
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

// ---- token by token ----------------------------------------------------------------------------------------------------------------

Expected<std::string> Detokenizer::push(TokenId id) {
  if (tokenizer_.skips(id, options_)) return std::string();
  JINX_TRY(checkId(id, tokenizer_.vocabularySize()));
  window_.push_back(id);
  JINX_TRY_ASSIGN(std::string bytes, tokenizer_.decodeBytes(window_, options_, true));
  rest_ = bytes.substr(std::min(told_, bytes.size()));
  const size_t complete = completeUtf8(rest_);
  std::string text = replaceInvalidUtf8(std::string_view(rest_).substr(0, complete));
  rest_.erase(0, complete);
  told_ += complete;
  if (!rest_.empty()) return text;
  const TokenId alone[] = {id};
  JINX_TRY_ASSIGN(std::string last, tokenizer_.decodeBytes(alone, options_, true));
  if (last.empty()) return text; // what begins a text may be changed: something must stand in front
  window_.assign(1, id);
  told_ = last.size();
  return text;
}

std::string Detokenizer::finish() {
  window_.clear();
  told_ = 0;
  return replaceInvalidUtf8(std::exchange(rest_, {}));
}

} // namespace jinx::text
