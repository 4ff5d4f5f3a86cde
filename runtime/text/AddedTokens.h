// Tokens that are found in text before it is normalized and cut: control tokens such as <|im_start|>, and others that are always whole.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/Status.h"
#include "runtime/text/ByteTrie.h"
#include "runtime/text/Normalizer.h"
#include "runtime/text/Vocabulary.h"

namespace jinx::text {

struct AddedToken {
  TokenId id = kNoToken;
  std::string content;
  bool special = false;      ///< a control token: found only when asked for
  bool normalized = false;   ///< found in normalized text, else in the text as it is
  bool stripLeft = false, stripRight = false; ///< white space beside it belongs to it
  bool singleWord = false;   ///< not inside a word

  /// A control token, or one that is written like one, "<|user|>": some files do not say of theirs that they are special.
  bool controls() const;
};

/// A part of a text: an added token, or text between such.
struct Section {
  std::string_view text;
  TokenId id = kNoToken; ///< kNoToken: text
  bool first = false;    ///< begins where the whole text does
};

/// Bytes [begin, end) of a text.
struct Range {
  size_t begin = 0, end = 0;
};

class AddedTokens {
 public:
  AddedTokens() = default;
  /// \param normalizer  what those that are found in normalized text go through first
  static Expected<AddedTokens> make(std::vector<AddedToken> tokens, const Normalizer& normalizer);

  enum class Stage { kRaw, kNormalized };
  /// The sections of a text, none of them empty, in order. The leftmost token wins, of those that begin there the longest.
  /// \param special  whether control tokens count; else they are text, also where they begin like another token
  std::vector<Section> split(std::string_view text, Stage stage, bool special, bool first) const;
  /// The same where tokens that control count inside these ranges only: ascending, none touches the next.
  std::vector<Section> split(std::string_view text, Stage stage, std::span<const Range> control, bool first) const;
  /// Whether some token that controls is found in normalized text.
  bool hasNormalizedControl() const { return hasNormalizedControl_; }
  bool empty(Stage stage) const { return tries_[static_cast<size_t>(stage)].empty(); }
  const std::vector<AddedToken>& tokens() const { return tokens_; }

 private:
  template <typename IsControl> std::vector<Section> splitWhere(std::string_view text, Stage stage, std::span<const Range> control, bool first, IsControl isControl) const;
  bool isFound(const AddedToken& token, std::string_view text, size_t begin, size_t end) const;
  std::vector<AddedToken> tokens_;
  bool hasNormalizedControl_ = false;
  ByteTrie tries_[2]; ///< by stage; a value is an index of tokens_
};

} // namespace jinx::text
