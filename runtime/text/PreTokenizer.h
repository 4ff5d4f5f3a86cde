// How text is cut into the pieces that a model sees one by one; no token reaches over a cut. One step a kind, in the order of the file.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/Status.h"
#include "runtime/text/Pattern.h"

namespace jinx::text {

struct Piece {
  std::string_view text;
  bool first = false; ///< begins where the whole text does
};

/// Pieces, and the texts that steps made for some of them.
struct Pieces {
  std::vector<Piece> list;
  std::deque<std::string> made; ///< addresses stay
};

class PreTokenizerStep {
 public:
  virtual ~PreTokenizerStep() = default;
  virtual Status apply(Pieces& pieces) const = 0;
};

class PreTokenizer {
 public:
  void add(std::shared_ptr<const PreTokenizerStep> step) { steps_.push_back(std::move(step)); }
  /// Cuts the pieces that are there. kResource when a pattern takes too many steps.
  Status apply(Pieces& pieces) const;

 private:
  std::vector<std::shared_ptr<const PreTokenizerStep>> steps_;
};

/// What becomes of a match, in Hugging Face's words.
enum class SplitBehavior : uint8_t { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };
/// When Metaspace puts a space in front.
enum class PrependScheme : uint8_t { kAlways, kFirst, kNever };
using IsDelimiter = bool (*)(char32_t);

/// \param invert  what is between matches counts as a match
std::shared_ptr<const PreTokenizerStep> makeSplitPattern(Pattern pattern, SplitBehavior behavior, bool invert = false);
std::shared_ptr<const PreTokenizerStep> makeSplitText(std::string delimiter, SplitBehavior behavior, bool invert = false);
/// Each code point for which isDelimiter is true is a match.
std::shared_ptr<const PreTokenizerStep> makeSplitCodes(IsDelimiter isDelimiter, SplitBehavior behavior);
/// A space in front of each piece that does not begin with one.
std::shared_ptr<const PreTokenizerStep> makePrefixSpace();
/// `replacement` for each space, one in front by `scheme`, and with `split` a cut in front of each.
std::shared_ptr<const PreTokenizerStep> makeMetaspace(std::string replacement, PrependScheme scheme, bool split);

/// Words as SentencePiece writes them: a cut in front of each U+2581 that stands behind something else.
std::shared_ptr<const PreTokenizerStep> makeSplitWords();
/// Where the word that begins at `begin` ends.
size_t endOfWord(std::string_view text, size_t begin);

/// BERT's: cut at white space, which goes, and around each sign.
void addBertPreTokenizer(PreTokenizer& preTokenizer);

} // namespace jinx::text
