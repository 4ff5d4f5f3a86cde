#include "runtime/text/Decoder.h"

#include <array>
#include <charconv>

#include "runtime/text/Normalizer.h"
#include "runtime/text/Utf8.h"

namespace jinx::text {
namespace {

/// The byte that <0x0A> is; -1 for any other text.
int byteOf(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return -1;
  int value = -1;
  const auto [end, error] = std::from_chars(text.data() + 3, text.data() + 5, value, 16);
  return error == std::errc() && end == text.data() + 5 ? value : -1;
}

void replaceAll(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

class ReplaceEach final : public DecoderStep {
 public:
  explicit ReplaceEach(std::shared_ptr<const NormalizerStep> step) : step_(std::move(step)) {}
  Status apply(std::vector<std::string>& texts, bool) const override {
    for (std::string& text : texts)
      JINX_TRY(step_->apply(text));
    return Status::ok();
  }

 private:
  std::shared_ptr<const NormalizerStep> step_;
};

/// A step that cannot fail.
template <typename Apply>
class Always final : public DecoderStep {
 public:
  explicit Always(Apply apply) : apply_(std::move(apply)) {}
  Status apply(std::vector<std::string>& texts, bool bytesAsTheyAre) const override { return apply_(texts, bytesAsTheyAre), Status::ok(); }

 private:
  Apply apply_;
};
template <typename Apply>
std::shared_ptr<const DecoderStep> always(Apply apply) {
  return std::make_shared<Always<Apply>>(std::move(apply));
}

std::string textOfBytes(std::string bytes, LooseBytes kind) {
  if (kind == LooseBytes::kAsTheyAre || isUtf8(bytes)) return bytes;
  if (kind == LooseBytes::kCharacters) return replaceInvalidUtf8(bytes, text::Replace::kBytes);
  std::string result;
  for (size_t i = 0; i < bytes.size(); ++i)
    appendUtf8(result, 0xFFFD);
  return result;
}

void joinBytes(std::vector<std::string>& texts, LooseBytes kind) {
  std::vector<std::string> result;
  std::string run;
  const auto flush = [&] {
    if (!run.empty()) result.push_back(textOfBytes(std::exchange(run, {}), kind));
  };
  for (std::string& text : texts) {
    const int byte = byteOf(text);
    if (byte >= 0) {
      run.push_back(static_cast<char>(byte));
      continue;
    }
    flush();
    result.push_back(std::move(text));
  }
  flush();
  texts = std::move(result);
}

void strip(std::string& text, std::string_view content, size_t left, size_t right) {
  std::string_view rest = text;
  for (; left > 0 && rest.starts_with(content); --left)
    rest.remove_prefix(content.size());
  for (; right > 0 && rest.ends_with(content); --right)
    rest.remove_suffix(content.size());
  text = std::string(rest);
}

void cleanUp(std::string& text) {
  static constexpr std::array<std::array<std::string_view, 2>, 11> kReplaced = {{{" .", "."}, {" ?", "?"}, {" !", "!"}, {" ,", ","},
                                                                                 {" ' ", "'"}, {" n't", "n't"}, {" 'm", "'m"},
                                                                                 {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"},
                                                                                 {" 're", "'re"}}};
  for (const auto& [from, to] : kReplaced)
    replaceAll(text, from, to);
}

void decodeSentencePiece(std::vector<std::string>& texts, bool stripOne, bool all) {
  constexpr std::string_view kSpace = "\u2581";
  bool atStart = stripOne;
  for (std::string& text : texts) {
    if (atStart && byteOf(text) < 0) {
      const bool hadSpace = text.starts_with(kSpace);
      if (hadSpace) text.erase(0, kSpace.size());
      atStart = text.empty() && (all || !hadSpace);
    } else if (byteOf(text) >= 0) {
      atStart = false;
    }
    if (byteOf(text) < 0) replaceAll(text, kSpace, " ");
  }
}

} // namespace

Expected<std::string> Decoder::decode(std::vector<std::string> texts, bool bytesAsTheyAre) const {
  for (const auto& step : steps_)
    JINX_TRY(step->apply(texts, bytesAsTheyAre));
  std::string result;
  for (size_t i = 0; i < texts.size(); ++i)
    result.append(i > 0 ? separator_ : "").append(texts[i]);
  return result;
}

std::shared_ptr<const DecoderStep> makeDecodeReplaceText(std::string from, std::string to) {
  return std::make_shared<ReplaceEach>(makeReplaceText(std::move(from), std::move(to)));
}
std::shared_ptr<const DecoderStep> makeDecodeReplacePattern(Pattern from, std::string to) {
  return std::make_shared<ReplaceEach>(makeReplacePattern(std::move(from), std::move(to)));
}
std::shared_ptr<const DecoderStep> makeDecodeFuse() {
  return always([](std::vector<std::string>& texts, bool) {
    std::string all;
    for (const std::string& text : texts)
      all.append(text);
    texts.assign(1, std::move(all));
  });
}
std::shared_ptr<const DecoderStep> makeDecodeStrip(std::string content, size_t left, size_t right) {
  return always([=](std::vector<std::string>& texts, bool) {
    for (std::string& text : texts)
      strip(text, content, left, right);
  });
}
std::shared_ptr<const DecoderStep> makeDecodeBytes(LooseBytes kind) {
  return always([kind](std::vector<std::string>& texts, bool bytesAsTheyAre) { joinBytes(texts, bytesAsTheyAre ? LooseBytes::kAsTheyAre : kind); });
}
std::shared_ptr<const DecoderStep> makeDecodeMetaspace(std::string replacement, PrependScheme scheme) {
  return always([=](std::vector<std::string>& texts, bool) {
    for (size_t i = 0; i < texts.size(); ++i)
      replaceAll(texts[i], replacement, i == 0 && scheme != PrependScheme::kNever ? "" : " ");
  });
}
std::shared_ptr<const DecoderStep> makeDecodeWordPiece(std::string prefix, bool cleansUp) {
  return always([=](std::vector<std::string>& texts, bool) {
    for (size_t i = 0; i < texts.size(); ++i) {
      if (i > 0 && texts[i].starts_with(prefix)) texts[i].erase(0, prefix.size());
      else if (i > 0) texts[i].insert(0, " ");
      if (cleansUp) cleanUp(texts[i]);
    }
  });
}
std::shared_ptr<const DecoderStep> makeDecodeSuffix(std::string suffix) {
  return always([=](std::vector<std::string>& texts, bool) {
    for (size_t i = 0; i < texts.size(); ++i)
      replaceAll(texts[i], suffix, i + 1 == texts.size() ? "" : " ");
  });
}
std::shared_ptr<const DecoderStep> makeDecodeSentencePiece(bool stripOne, bool all) {
  return always([=](std::vector<std::string>& texts, bool) { decodeSentencePiece(texts, stripOne, all); });
}

} // namespace jinx::text
