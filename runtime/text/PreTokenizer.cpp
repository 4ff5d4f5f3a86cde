#include "runtime/text/PreTokenizer.h"

#include <optional>

#include "runtime/text/Unicode.h"
#include "runtime/text/Utf8.h"

namespace jinx::text {
namespace {

/// Collects what a piece is cut into. Matches and what is between them are told in order; empty parts are left out.
class Cutter {
 public:
  Cutter(const Piece& piece, SplitBehavior behavior, bool invert, std::vector<Piece>& out)
      : piece_(piece), behavior_(behavior), invert_(invert), out_(out) {}

  void match(size_t begin, size_t end) {
    between(begin);
    part(begin, end, !invert_);
    at_ = end;
  }
  void finish() {
    between(piece_.text.size());
    flush();
  }

 private:
  void between(size_t end) {
    if (at_ < end) part(at_, end, invert_);
  }
  void part(size_t begin, size_t end, bool isMatch) {
    const bool joins = open_ && (behavior_ == SplitBehavior::kContiguous           ? isMatch == lastWasMatch_
                                 : behavior_ == SplitBehavior::kMergedWithPrevious ? isMatch && !lastWasMatch_
                                 : behavior_ == SplitBehavior::kMergedWithNext     ? lastWasMatch_ && !isMatch
                                                                                   : false);
    if (!joins) flush(), begin_ = begin;
    end_ = end, open_ = true, lastWasMatch_ = isMatch;
    if (behavior_ == SplitBehavior::kRemoved && isMatch) open_ = false;
  }
  void flush() {
    if (open_ && end_ > begin_) out_.push_back({piece_.text.substr(begin_, end_ - begin_), piece_.first && begin_ == 0});
    open_ = false;
  }

  const Piece piece_;
  const SplitBehavior behavior_;
  const bool invert_;
  std::vector<Piece>& out_;
  size_t at_ = 0; ///< up to here parts have been told
  size_t begin_ = 0, end_ = 0;
  bool open_ = false, lastWasMatch_ = false;
};

class SplitPattern final : public PreTokenizerStep {
 public:
  SplitPattern(Pattern pattern, SplitBehavior behavior, bool invert) : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}
  Status apply(Pieces& pieces) const override {
    PatternMatcher matcher(pattern_);
    std::vector<Piece> out;
    for (const Piece& piece : pieces.list) {
      Cutter cutter(piece, behavior_, invert_, out);
      auto answer = PatternMatcher::Answer::kNone;
      for (size_t from = 0; from < piece.text.size() && (answer = matcher.find(piece.text, from)) == PatternMatcher::Answer::kMatch;) {
        from = matcher.end();
        if (matcher.end() > matcher.begin()) cutter.match(matcher.begin(), matcher.end());
        else if (from < piece.text.size()) from += utf8At(piece.text, from).size;
      }
      if (answer == PatternMatcher::Answer::kFailed) return matcher.failure();
      cutter.finish();
    }
    pieces.list = std::move(out);
    return Status::ok();
  }

 private:
  Pattern pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

class SplitText final : public PreTokenizerStep {
 public:
  SplitText(std::string text, SplitBehavior behavior, bool invert) : text_(std::move(text)), behavior_(behavior), invert_(invert) {}
  Status apply(Pieces& pieces) const override {
    std::vector<Piece> out;
    for (const Piece& piece : pieces.list) {
      Cutter cutter(piece, behavior_, invert_, out);
      for (size_t at = piece.text.find(text_); at != std::string_view::npos; at = piece.text.find(text_, at + text_.size()))
        cutter.match(at, at + text_.size());
      cutter.finish();
    }
    pieces.list = std::move(out);
    return Status::ok();
  }

 private:
  std::string text_;
  SplitBehavior behavior_;
  bool invert_;
};

class SplitCodes final : public PreTokenizerStep {
 public:
  SplitCodes(IsDelimiter isDelimiter, SplitBehavior behavior) : isDelimiter_(isDelimiter), behavior_(behavior) {}
  Status apply(Pieces& pieces) const override {
    std::vector<Piece> out;
    for (const Piece& piece : pieces.list) {
      Cutter cutter(piece, behavior_, false, out);
      for (size_t at = 0; at < piece.text.size();) {
        const Utf8Sequence s = utf8At(piece.text, at);
        if (isDelimiter_(s.code)) cutter.match(at, at + s.size);
        at += s.size;
      }
      cutter.finish();
    }
    pieces.list = std::move(out);
    return Status::ok();
  }

 private:
  IsDelimiter isDelimiter_;
  SplitBehavior behavior_;
};

class SplitWords final : public PreTokenizerStep {
 public:
  Status apply(Pieces& pieces) const override {
    std::vector<Piece> out;
    for (const Piece& piece : pieces.list)
      for (size_t begin = 0, end; begin < piece.text.size(); begin = end) {
        end = endOfWord(piece.text, begin);
        out.push_back({piece.text.substr(begin, end - begin), piece.first && begin == 0});
      }
    pieces.list = std::move(out);
    return Status::ok();
  }
};

class PrefixSpace final : public PreTokenizerStep {
 public:
  Status apply(Pieces& pieces) const override {
    for (Piece& piece : pieces.list)
      if (!piece.text.starts_with(' ')) piece.text = pieces.made.emplace_back(" ").append(piece.text);
    return Status::ok();
  }
};

class Metaspace final : public PreTokenizerStep {
 public:
  Metaspace(std::string replacement, PrependScheme scheme, bool split)
      : replacement_(std::move(replacement)), scheme_(scheme), cut_(split ? std::optional<SplitText>() : std::nullopt) {
    if (split) cut_.emplace(replacement_, SplitBehavior::kMergedWithNext, false);
  }
  Status apply(Pieces& pieces) const override {
    for (Piece& piece : pieces.list) {
      const bool prepend = scheme_ == PrependScheme::kAlways || (scheme_ == PrependScheme::kFirst && piece.first);
      const bool begins = piece.text.starts_with(replacement_) || piece.text.starts_with(' ');
      std::string text = prepend && !begins ? replacement_ : "";
      for (char c : piece.text)
        c == ' ' ? text.append(replacement_) : text.append(1, c);
      piece.text = pieces.made.emplace_back(std::move(text));
    }
    return cut_ ? cut_->apply(pieces) : Status::ok();
  }

 private:
  std::string replacement_;
  PrependScheme scheme_;
  std::optional<SplitText> cut_;
};

} // namespace

Status PreTokenizer::apply(Pieces& pieces) const {
  for (const auto& step : steps_)
    JINX_TRY(step->apply(pieces));
  return Status::ok();
}

std::shared_ptr<const PreTokenizerStep> makeSplitPattern(Pattern pattern, SplitBehavior behavior, bool invert) {
  return std::make_shared<SplitPattern>(std::move(pattern), behavior, invert);
}
std::shared_ptr<const PreTokenizerStep> makeSplitText(std::string delimiter, SplitBehavior behavior, bool invert) {
  return std::make_shared<SplitText>(std::move(delimiter), behavior, invert);
}
std::shared_ptr<const PreTokenizerStep> makeSplitCodes(IsDelimiter isDelimiter, SplitBehavior behavior) {
  return std::make_shared<SplitCodes>(isDelimiter, behavior);
}
std::shared_ptr<const PreTokenizerStep> makePrefixSpace() { return std::make_shared<PrefixSpace>(); }
std::shared_ptr<const PreTokenizerStep> makeMetaspace(std::string replacement, PrependScheme scheme, bool split) {
  return std::make_shared<Metaspace>(std::move(replacement), scheme, split);
}

size_t endOfWord(std::string_view text, size_t begin) {
  constexpr std::string_view kSpace = "\u2581";
  for (size_t at = text.find(kSpace, begin + 1); at != std::string_view::npos; at = text.find(kSpace, at + kSpace.size()))
    if (!text.substr(begin, at - begin).ends_with(kSpace)) return at;
  return text.size();
}
std::shared_ptr<const PreTokenizerStep> makeSplitWords() { return std::make_shared<SplitWords>(); }

void addBertPreTokenizer(PreTokenizer& preTokenizer) {
  preTokenizer.add(makeSplitCodes(isWhiteSpace, SplitBehavior::kRemoved));
  preTokenizer.add(makeSplitCodes(isSign, SplitBehavior::kIsolated));
}

} // namespace jinx::text
