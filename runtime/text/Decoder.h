// How the texts of tokens become the text that they stand for. One step a kind, in the order of the file; each changes the list of texts, then they are joined.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/base/Status.h"
#include "runtime/text/Pattern.h"
#include "runtime/text/PreTokenizer.h"

namespace jinx::text {

/// How bytes that are tokens of their own (<0x0A>) become text.
enum class LooseBytes : uint8_t {
  kAsTheyAre,   ///< whoever joins them looks for whole sequences
  kWholeRuns,   ///< a run of them that is not UTF-8 becomes a U+FFFD for each byte (Hugging Face)
  kCharacters   ///< a byte that belongs to no sequence becomes U+FFFD (SentencePiece)
};

class DecoderStep {
 public:
  virtual ~DecoderStep() = default;
  /// \param bytesAsTheyAre  LooseBytes::kAsTheyAre whatever the step would do
  virtual Status apply(std::vector<std::string>& texts, bool bytesAsTheyAre) const = 0;
};

class Decoder {
 public:
  void add(std::shared_ptr<const DecoderStep> step) { steps_.push_back(std::move(step)); }
  /// What stands between texts when they are joined.
  void setSeparator(std::string separator) { separator_ = std::move(separator); }
  /// \returns bytes that need not be UTF-8; kResource when a pattern takes too many steps
  Expected<std::string> decode(std::vector<std::string> texts, bool bytesAsTheyAre) const;

 private:
  std::vector<std::shared_ptr<const DecoderStep>> steps_;
  std::string separator_;
};

std::shared_ptr<const DecoderStep> makeDecodeReplaceText(std::string from, std::string to);
std::shared_ptr<const DecoderStep> makeDecodeReplacePattern(Pattern from, std::string to);
std::shared_ptr<const DecoderStep> makeDecodeFuse(); ///< all texts become one
std::shared_ptr<const DecoderStep> makeDecodeStrip(std::string content, size_t left, size_t right); ///< up to so many at the ends of each
std::shared_ptr<const DecoderStep> makeDecodeBytes(LooseBytes kind);
/// Spaces for `replacement`; in the first text nothing, unless the scheme is kNever.
std::shared_ptr<const DecoderStep> makeDecodeMetaspace(std::string replacement, PrependScheme scheme);
/// Words from their parts; with `cleanUp` no spaces before punctuation and contractions.
std::shared_ptr<const DecoderStep> makeDecodeWordPiece(std::string prefix, bool cleanUp);
/// A space for the suffix, in the last text nothing.
std::shared_ptr<const DecoderStep> makeDecodeSuffix(std::string suffix);
/// Spaces for U+2581, but for the one in front of the text; with `all` for none of those in front.
std::shared_ptr<const DecoderStep> makeDecodeSentencePiece(bool stripOne, bool all);

} // namespace jinx::text
