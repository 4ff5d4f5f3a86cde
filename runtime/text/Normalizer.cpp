#include "runtime/text/Normalizer.h"

#include <functional>

#include "runtime/text/Utf8.h"

namespace jinx::text {
namespace {

/// A step that cannot fail.
template <typename Apply>
class Always final : public NormalizerStep {
 public:
  explicit Always(Apply apply) : apply_(std::move(apply)) {}
  Status apply(std::string& text) const override { return apply_(text), Status::ok(); }

 private:
  Apply apply_;
};
template <typename Apply>
std::shared_ptr<const NormalizerStep> always(Apply apply) {
  return std::make_shared<Always<Apply>>(std::move(apply));
}

/// Each code point becomes what append(result, code, its bytes) appends.
template <typename Append>
void mapCodes(std::string& text, Append append) {
  std::string result;
  result.reserve(text.size() + 16);
  for (size_t at = 0; at < text.size();) {
    const Utf8Sequence s = utf8At(text, at);
    append(result, s.code, std::string_view(text).substr(at, s.size));
    at += s.size;
  }
  text = std::move(result);
}

void lowercase(std::string& text) {
  mapCodes(text, [](std::string& result, char32_t c, std::string_view) {
    appendUtf8(result, lowerCase(c));
    if (c == 0x130) appendUtf8(result, 0x307); // the one lower case of two code points
  });
}

void strip(std::string& text, bool left, bool right) {
  size_t begin = text.size(), end = 0;
  for (size_t at = 0; at < text.size();) {
    const Utf8Sequence s = utf8At(text, at);
    if (!isWhiteSpace(s.code)) begin = std::min(begin, at), end = at + s.size;
    at += s.size;
  }
  if (right) text.resize(end);
  if (left) text.erase(0, std::min(begin, text.size()));
}

void replaceAll(std::string& text, std::string_view from, std::string_view to) {
  size_t at = text.find(from);
  if (at == std::string::npos) return;
  std::string result;
  size_t begin = 0;
  for (; at != std::string::npos; begin = at + from.size(), at = text.find(from, begin))
    result.append(text, begin, at - begin).append(to);
  text = std::move(result.append(text, begin));
}

class ReplacePattern final : public NormalizerStep {
 public:
  ReplacePattern(Pattern from, std::string to) : from_(std::move(from)), to_(std::move(to)) {}
  Status apply(std::string& text) const override {
    PatternMatcher matcher(from_);
    std::string result;
    size_t begin = 0, from = 0;
    auto answer = PatternMatcher::Answer::kNone;
    while (from <= text.size() && (answer = matcher.find(text, from)) == PatternMatcher::Answer::kMatch) {
      result.append(text, begin, matcher.begin() - begin).append(to_);
      begin = from = matcher.end();
      if (matcher.begin() == matcher.end()) from += begin < text.size() ? utf8At(text, begin).size : 1;
    }
    if (answer == PatternMatcher::Answer::kFailed) return matcher.failure();
    text = std::move(result.append(text, begin));
    return Status::ok();
  }

 private:
  Pattern from_;
  std::string to_;
};

/// How far from `at` on each byte is a cluster of its own that the map leaves as it is: ASCII, but not in front of what is not, nor CR LF.
class PlainBytes {
 public:
  explicit PlainBytes(const CharsMap& map) {
    for (size_t c = 0; c < 0x80; ++c) {
      const char byte = static_cast<char>(c);
      stays_[c] = byte != '\r' && !map.shortest({&byte, 1});
    }
  }
  size_t end(std::string_view text, size_t at) const {
    const size_t begin = at;
    while (at < text.size() && static_cast<uint8_t>(text[at]) < 0x80 && stays_[static_cast<uint8_t>(text[at])])
      ++at;
    const bool beforeOther = at < text.size() && at > begin && static_cast<uint8_t>(text[at]) >= 0x80;
    return beforeOther ? at - 1 : at;
  }

 private:
  bool stays_[0x80] = {};
};

/// A cluster of fewer than 6 bytes is replaced whole by what its shortest beginning in the map becomes; else its code points are, one by one.
void precompiled(const CharsMap& map, const PlainBytes& plain, std::string& text) {
  std::string result;
  result.reserve(text.size());
  const auto replace = [&](std::string_view part) {
    const auto match = map.shortest(part);
    if (match) result.append(match->replacement);
    return match.has_value();
  };
  for (size_t begin = 0; begin < text.size();) {
    const size_t stays = plain.end(text, begin);
    result.append(text, begin, stays - begin);
    begin = stays;
    if (begin == text.size()) break;
    Utf8Sequence s = utf8At(text, begin);
    size_t end = begin + s.size;
    int32_t state = 0;
    for (char32_t before = s.code; end < text.size(); end += s.size, before = s.code) {
      s = utf8At(text, end);
      if (isGraphemeBreak(before, s.code, state)) break;
    }
    const std::string_view cluster = std::string_view(text).substr(begin, end - begin);
    begin = end;
    if (cluster.size() < 6 && replace(cluster)) continue;
    for (size_t at = 0; at < cluster.size(); at += s.size) {
      s = utf8At(cluster, at);
      if (!replace(cluster.substr(at, s.size))) result.append(cluster, at, s.size);
    }
  }
  text = std::move(result);
}

bool isNmtControl(char32_t c) {
  return (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
}
bool isNmtSpace(char32_t c) {
  return c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 || (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 ||
         c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
}

/// The blocks of CJK ideographs that BERT sets apart (one of them begins 256 code points late, as in every implementation of it in use).
bool isChinese(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

void bertAscii(const BertNormalizerOptions& options, std::string& text) {
  size_t kept = 0;
  for (char c : text) {
    const bool isSpace = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (options.cleanText && !isSpace && isControl(static_cast<char32_t>(c))) continue;
    const bool isUpper = options.lowercase && c >= 'A' && c <= 'Z';
    text[kept++] = options.cleanText && isSpace ? ' ' : isUpper ? static_cast<char>(c + 32) : c;
  }
  text.resize(kept);
}

void bert(const BertNormalizerOptions& options, std::string& text) {
  if (isAscii(text)) return bertAscii(options, text);
  mapCodes(text, [&](std::string& result, char32_t c, std::string_view bytes) {
    const bool isLine = c == '\t' || c == '\n' || c == '\r';
    if (options.cleanText && (c == 0 || c == 0xFFFD || (isControl(c) && !isLine))) return;
    if (options.cleanText && (isLine || isWhiteSpace(c))) return result.push_back(' ');
    const bool apart = options.spacesAroundChinese && isChinese(c);
    result.append(apart ? " " : "").append(bytes).append(apart ? " " : "");
  });
  if (options.stripAccents && !isAscii(text)) {
    text = normalForm(text, NormalForm::kNfd);
    mapCodes(text, [](std::string& result, char32_t c, std::string_view bytes) {
      if (!isMark(c)) result.append(bytes);
    });
  }
  if (options.lowercase) lowercase(text);
}

class SentencePieceNormalizer final : public NormalizerStep {
 public:
  explicit SentencePieceNormalizer(SentencePieceNormalizerOptions options) : options_(std::move(options)) {
    std::vector<std::pair<std::string_view, int32_t>> strings;
    for (const std::string& piece : options_.userDefined)
      strings.push_back({piece, 0});
    userDefined_ = ByteTrie(std::move(strings));
  }

  Status apply(std::string& text) const override {
    std::string_view left = text;
    if (options_.removeExtraWhitespaces)
      for (Part part; !left.empty() && (part = next(left)).text == " "; left.remove_prefix(part.length)) {
      }
    std::string result;
    const std::string_view space = options_.escapeWhitespaces ? "\u2581" : " ";
    if (!left.empty()) {
      result.reserve(text.size() * 2);
      if (options_.addDummyPrefix) result.append(space);
      appendParts(left, space, result);
      while (options_.removeExtraWhitespaces && result.ends_with(space))
        result.resize(result.size() - space.size());
    }
    text = std::move(result);
    return Status::ok();
  }

 private:
  struct Part {
    size_t length = 0;     ///< of the text
    std::string_view text; ///< what it becomes
  };
  Part next(std::string_view text) const {
    const size_t whole = userDefined_.beginsWith(text[0]) ? userDefined_.longestPrefix(text).length : 0;
    if (whole > 0) return {whole, text.substr(0, whole)};
    if (const auto match = options_.map ? options_.map->longest(text) : std::nullopt) return {match->length, match->replacement};
    const Utf8Sequence s = utf8At(text, 0);
    if (!s.valid) return {1, "\uFFFD"};
    return {s.size, text.substr(0, s.size)};
  }
  void appendParts(std::string_view left, std::string_view space, std::string& result) const {
    bool afterSpace = options_.removeExtraWhitespaces;
    while (!left.empty()) {
      Part part = next(left);
      left.remove_prefix(part.length);
      while (afterSpace && part.text.starts_with(' '))
        part.text.remove_prefix(1);
      if (part.text.empty()) continue;
      for (char c : part.text)
        c == ' ' ? result.append(space) : result.append(1, c);
      afterSpace = options_.removeExtraWhitespaces && part.text.ends_with(' ');
    }
  }

  SentencePieceNormalizerOptions options_;
  ByteTrie userDefined_;
};

} // namespace

Status Normalizer::apply(std::string& text) const {
  for (const auto& step : steps_)
    JINX_TRY(step->apply(text));
  return Status::ok();
}

std::shared_ptr<const NormalizerStep> makeNormalForm(NormalForm form) {
  return always([form](std::string& text) { text = normalForm(text, form); });
}
std::shared_ptr<const NormalizerStep> makeLowercase() { return always(lowercase); }
std::shared_ptr<const NormalizerStep> makeStrip(bool left, bool right) {
  return always([=](std::string& text) { strip(text, left, right); });
}
std::shared_ptr<const NormalizerStep> makeStripAccents() {
  return always([](std::string& text) {
    mapCodes(text, [](std::string& result, char32_t c, std::string_view bytes) {
      if (!isAnyMark(c)) result.append(bytes);
    });
  });
}
std::shared_ptr<const NormalizerStep> makeReplaceText(std::string from, std::string to) {
  return always([from = std::move(from), to = std::move(to)](std::string& text) { replaceAll(text, from, to); });
}
std::shared_ptr<const NormalizerStep> makeReplacePattern(Pattern from, std::string to) {
  return std::make_shared<ReplacePattern>(std::move(from), std::move(to));
}
std::shared_ptr<const NormalizerStep> makePrepend(std::string prefix) {
  return always([prefix = std::move(prefix)](std::string& text) {
    if (!text.empty()) text.insert(0, prefix);
  });
}
std::shared_ptr<const NormalizerStep> makePrecompiled(CharsMap map) {
  return always([plain = PlainBytes(map), map = std::move(map)](std::string& text) { precompiled(map, plain, text); });
}
std::shared_ptr<const NormalizerStep> makeNmt() {
  return always([](std::string& text) {
    mapCodes(text, [](std::string& result, char32_t c, std::string_view bytes) {
      if (!isNmtControl(c)) result.append(isNmtSpace(c) ? " " : bytes);
    });
  });
}
std::shared_ptr<const NormalizerStep> makeBertNormalizer(BertNormalizerOptions options) {
  return always([options](std::string& text) { bert(options, text); });
}
std::shared_ptr<const NormalizerStep> makeSentencePieceNormalizer(SentencePieceNormalizerOptions options) {
  return std::make_shared<SentencePieceNormalizer>(std::move(options));
}

} // namespace jinx::text
