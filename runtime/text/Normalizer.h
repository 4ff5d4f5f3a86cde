// What is done to text before it is cut: normalization forms, case, spaces, replacements. One step a kind, in the order of the file.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/base/Status.h"
#include "runtime/text/ByteTrie.h"
#include "runtime/text/CharsMap.h"
#include "runtime/text/Pattern.h"
#include "runtime/text/Unicode.h"

namespace jinx::text {

/// Text is valid UTF-8 before and after.
class NormalizerStep {
 public:
  virtual ~NormalizerStep() = default;
  virtual Status apply(std::string& text) const = 0;
};

class Normalizer {
 public:
  void add(std::shared_ptr<const NormalizerStep> step) { steps_.push_back(std::move(step)); }
  bool empty() const { return steps_.empty(); }
  /// kResource when a pattern takes too many steps.
  Status apply(std::string& text) const;

 private:
  std::vector<std::shared_ptr<const NormalizerStep>> steps_;
};

struct BertNormalizerOptions {
  bool cleanText = true;           ///< control characters go, white space becomes a space
  bool spacesAroundChinese = true; ///< a space on each side of an ideograph
  bool stripAccents = true, lowercase = true;
};

struct SentencePieceNormalizerOptions {
  std::shared_ptr<const CharsMap> map; ///< may be null
  std::vector<std::string> userDefined; ///< pieces that stay as they are
  bool addDummyPrefix = true;          ///< a space in front
  bool removeExtraWhitespaces = true;  ///< none at both ends, and one for several
  bool escapeWhitespaces = true;       ///< U+2581 for a space
};

std::shared_ptr<const NormalizerStep> makeNormalForm(NormalForm form);
std::shared_ptr<const NormalizerStep> makeLowercase();
std::shared_ptr<const NormalizerStep> makeStrip(bool left, bool right); ///< white space at the ends
std::shared_ptr<const NormalizerStep> makeStripAccents();               ///< every mark
std::shared_ptr<const NormalizerStep> makeReplaceText(std::string from, std::string to); ///< `from` is not empty
std::shared_ptr<const NormalizerStep> makeReplacePattern(Pattern from, std::string to);
std::shared_ptr<const NormalizerStep> makePrepend(std::string text); ///< to text that is not empty
std::shared_ptr<const NormalizerStep> makePrecompiled(CharsMap map); ///< by grapheme clusters, as Hugging Face does
std::shared_ptr<const NormalizerStep> makeNmt(); ///< SentencePiece's nmt_nfkc without the form: control characters go, odd spaces become spaces
std::shared_ptr<const NormalizerStep> makeBertNormalizer(BertNormalizerOptions options);
/// Takes any bytes: each that is no UTF-8 becomes U+FFFD, which the map does not see.
std::shared_ptr<const NormalizerStep> makeSentencePieceNormalizer(SentencePieceNormalizerOptions options);

} // namespace jinx::text
