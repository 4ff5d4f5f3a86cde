// Text to tokens and back: what every kind of tokenizer file becomes.
//
//   JINX_TRY_ASSIGN(Tokenizer tokenizer, openTokenizer("model.gguf"));                 // OpenTokenizer.h: a file of any kind
//   JINX_TRY_ASSIGN(std::vector<TokenId> ids, tokenizer.encode("The capital of France is", {}));
//   JINX_TRY_ASSIGN(std::string text, tokenizer.decode(ids, {}));
//
// Encoding goes through five parts, each of which may be empty:
//
//   added tokens   <|im_start|>user\nIt's 1998  ->  [<|im_start|>] "user\nIt's 1998"
//   normalizer     forms, case, spaces
//   pre-tokenizer  "user" "\n" "It" "'s" " " "1" "9" "9" "8"
//   model          each piece -> tokens: Bpe, SentencePieceBpe, Unigram, WordPiece
//   frame          tokens in front and at the end: <s>, [CLS] … [SEP]
//
// Text that is no UTF-8 is not refused: what is invalid becomes U+FFFD, as the tools do that these files come from.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/Status.h"
#include "runtime/text/AddedTokens.h"
#include "runtime/text/Decoder.h"
#include "runtime/text/Model.h"
#include "runtime/text/Normalizer.h"
#include "runtime/text/PreTokenizer.h"

namespace jinx::text {

struct EncodeOptions {
  bool addSpecial = true;    ///< the frame
  bool parseSpecial = false; ///< control tokens written in the text become those tokens; never for text of a user
};

struct DecodeOptions {
  bool skipSpecial = true;  ///< control tokens are left out
  bool skipMissing = false; ///< so are ids that are none: a model may have more tokens than its tokenizer, to have a round number of them
};

/// How what a model says is read.
inline constexpr DecodeOptions kGenerated = {.skipSpecial = true, .skipMissing = true};

/// A part of a text that several have written.
struct TextPart {
  std::string_view text;
  bool parsesSpecial = false; ///< control tokens written in it become those tokens
};

/// What a loader makes of a file.
struct TokenizerParts {
  Vocabulary vocabulary;                  ///< every token, as the decoder takes it
  std::vector<AddedToken> added;
  std::vector<TokenId> special;           ///< control tokens
  Normalizer normalizer;
  PreTokenizer preTokenizer;
  std::unique_ptr<Model> model;
  std::vector<TokenId> before, after;     ///< the frame
  Decoder decoder;
  TokenId bos = kNoToken, eos = kNoToken, unknown = kNoToken, padding = kNoToken;
  std::string unknownText;                ///< what the unknown token is decoded to; empty: its own text
  bool normalizerTakesAnyBytes = false;   ///< else bytes that are no UTF-8 are replaced before everything else
};

/// Immutable; copies share all. Safe to use from several threads.
class Tokenizer {
 public:
  /// kInvalidArgument when ids of the parts are not in the vocabulary.
  static Expected<Tokenizer> make(TokenizerParts parts);

  /// \param text  any bytes, fewer than 2^31
  /// \returns kInvalidArgument for a longer text, kResource when a pattern of the file takes too many steps on it
  Expected<std::vector<TokenId>> encode(std::string_view text, const EncodeOptions& options) const;

  /// The parts as one text, without the frame. A control token is found where all of it lies in parts that parse such, which may be several in a row; elsewhere it
  /// is text; so are tokens that are only written like one (AddedToken::controls). Where no control token is written in the other parts, the tokens are those of `encode` with parseSpecial. Only where a tokenizer
  /// normalizes, and finds control tokens in what that gives (AddedToken::normalized), each part is a text of its own.
  /// \returns as `encode`; kInvalidArgument for a text in which the model itself would find a control token, as some Unigram models do
  Expected<std::vector<TokenId>> encodeParts(std::span<const TextPart> parts) const;

  /// \returns valid UTF-8; kInvalidArgument for an id that is none, unless such are skipped
  Expected<std::string> decode(std::span<const TokenId> ids, const DecodeOptions& options) const;

  /// The bytes that the token stands for inside a text; they need not be UTF-8. kInvalidArgument for an id that is none.
  Expected<std::string> tokenBytes(TokenId id) const;
  /// As the file names it, but for byte-level tokens, which are their bytes. Empty for an id that is none.
  std::string_view tokenText(TokenId id) const;
  /// The token that tokenText names so; kNoToken without one.
  TokenId findToken(std::string_view text) const;

  size_t vocabularySize() const;
  /// kNoToken where the file names none.
  TokenId bos() const;
  TokenId eos() const;
  TokenId unknown() const;
  TokenId padding() const;
  bool isSpecial(TokenId id) const;
  std::vector<TokenId> specialTokens() const;

 private:
  friend class Detokenizer;
  struct State;
  explicit Tokenizer(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  Status encodeText(std::string_view text, bool first, bool parseSpecial, Workspace& workspace, std::vector<TokenId>& ids) const;
  Status encodeSections(std::span<const Section> sections, Workspace& workspace, std::vector<TokenId>& ids) const;
  Status encodeGuarded(std::string_view text, bool first, std::span<const Range> control, Workspace& workspace, std::vector<TokenId>& ids) const;
  Status encodeMixed(std::string_view text, size_t begin, bool first, std::span<const Range> control, Workspace& workspace, std::vector<TokenId>& ids) const;
  void encodeRepeating(const Pieces& pieces, Workspace& workspace, std::vector<TokenId>& ids) const;
  Status encodePiece(const Section& section, Workspace& workspace, std::vector<TokenId>& ids) const;
  bool skips(TokenId id, const DecodeOptions& options) const;
  Expected<std::string> decodeBytes(std::span<const TokenId> ids, const DecodeOptions& options, bool bytesAsTheyAre) const;

  std::shared_ptr<const State> state_;
};

/// Text of tokens as they come, for a reader who waits: only whole UTF-8 sequences come out.
///
///   detokenizer.push(id)   "" while a character is not complete
///   detokenizer.finish()   U+FFFD for what never became one
///
/// All that comes out is what `decode` says of all tokens, unless tokens of single bytes (<0x0A>) are no UTF-8: then `decode` replaces as the file's
/// library does, which sees the whole run of them.
class Detokenizer {
 public:
  explicit Detokenizer(Tokenizer tokenizer, DecodeOptions options = {}) : tokenizer_(std::move(tokenizer)), options_(options) {}
  /// \returns the text that this token completes; kInvalidArgument for an id that is none, unless such are skipped
  Expected<std::string> push(TokenId id);
  std::string finish();

 private:
  Tokenizer tokenizer_;
  DecodeOptions options_;
  std::vector<TokenId> window_; ///< the tokens since the last whole text, and the one before
  size_t told_ = 0;             ///< bytes of the window that have come out
  std::string rest_;            ///< those that have not
};

} // namespace jinx::text
