#include "runtime/text/AddedTokens.h"

#include <algorithm>

#include "runtime/text/Unicode.h"
#include "runtime/text/Utf8.h"

namespace jinx::text {
namespace {

size_t beginOfLastCode(std::string_view text) {
  size_t at = text.size() - 1;
  while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80)
    --at;
  return at;
}

size_t beginOfTrailingSpace(std::string_view text) {
  while (!text.empty()) {
    const size_t at = beginOfLastCode(text);
    if (!isWhiteSpace(utf8At(text, at).code)) break;
    text = text.substr(0, at);
  }
  return text.size();
}

size_t endOfLeadingSpace(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    const Utf8Sequence s = utf8At(text, at);
    if (!isWhiteSpace(s.code)) break;
    at += s.size;
  }
  return at;
}

} // namespace

Expected<AddedTokens> AddedTokens::make(std::vector<AddedToken> tokens, const Normalizer& normalizer) {
  AddedTokens added;
  added.tokens_ = std::move(tokens);
  std::vector<std::string> contents;
  contents.reserve(added.tokens_.size());
  std::vector<std::pair<std::string_view, int32_t>> strings[2];
  for (size_t i = 0; i < added.tokens_.size(); ++i) {
    const AddedToken& token = added.tokens_[i];
    std::string& content = contents.emplace_back(token.content);
    if (token.normalized) JINX_TRY(normalizer.apply(content), "added token \"" + token.content + "\"");
    added.hasNormalizedControl_ |= token.normalized && token.controls();
    strings[token.normalized ? 1 : 0].push_back({content, static_cast<int32_t>(i)});
  }
  for (size_t stage = 0; stage < 2; ++stage)
    added.tries_[stage] = ByteTrie(std::move(strings[stage]));
  return added;
}

bool AddedTokens::isFound(const AddedToken& token, std::string_view text, size_t begin, size_t end) const {
  if (!token.singleWord) return true;
  const bool wordBefore = begin > 0 && isWord(utf8At(text, beginOfLastCode(text.substr(0, begin))).code);
  const bool wordAfter = end < text.size() && isWord(utf8At(text, end).code);
  return !wordBefore && !wordAfter;
}

bool AddedToken::controls() const {
  const auto isBetween = [&](std::string_view begin, std::string_view end) { return content.size() > begin.size() + end.size() && content.starts_with(begin) && content.ends_with(end); };
  return special || isBetween("<|", "|>") || isBetween("<\uff5c", "\uff5c>");
}

std::vector<Section> AddedTokens::split(std::string_view text, Stage stage, bool special, bool first) const {
  const Range all[] = {{0, text.size()}};
  return splitWhere(text, stage, std::span(all, special ? 1 : 0), first, [](const AddedToken& token) { return token.special; });
}

std::vector<Section> AddedTokens::split(std::string_view text, Stage stage, std::span<const Range> control, bool first) const {
  return splitWhere(text, stage, control, first, [](const AddedToken& token) { return token.controls(); });
}

template <typename IsControl>
std::vector<Section> AddedTokens::splitWhere(std::string_view text, Stage stage, std::span<const Range> control, bool first, IsControl isControl) const {
  const ByteTrie& trie = tries_[static_cast<size_t>(stage)];
  std::vector<Section> sections;
  size_t done = 0; // up to here there are sections
  const auto addText = [&](size_t end) {
    if (done < end) sections.push_back({text.substr(done, end - done), kNoToken, first && done == 0});
  };
  for (size_t at = 0; at < text.size() && !trie.empty();) {
    auto match = trie.beginsWith(text[at]) ? trie.longestPrefix(text.substr(at)) : ByteTrie::Match{};
    if (match.length == 0) {
      ++at;
      continue;
    }
    while (!control.empty() && control[0].end <= at)
      control = control.subspan(1);
    const size_t border = control.empty() ? text.size() : control[0].begin > at ? control[0].begin : control[0].end;
    const bool counts = !control.empty() && control[0].begin <= at;
    if (at + match.length > border && isControl(tokens_[static_cast<size_t>(match.value)])) {
      // A control token that reaches over a border is text; a shorter token in front of the border may be one.
      match = trie.longestPrefix(text.substr(at, border - at));
      if (match.length == 0) {
        ++at;
        continue;
      }
    }
    const AddedToken& token = tokens_[static_cast<size_t>(match.value)];
    size_t begin = at, end = at + match.length;
    at = end;
    if ((isControl(token) && !counts) || !isFound(token, text, begin, end)) continue;
    if (token.stripLeft) begin = done + beginOfTrailingSpace(text.substr(done, std::max(begin, done) - done));
    if (token.stripRight) end += endOfLeadingSpace(text.substr(end));
    begin = std::max(begin, done), end = std::max(end, begin);
    addText(begin);
    sections.push_back({text.substr(begin, end - begin), token.id, first && begin == 0});
    done = at = std::max(done, end);
  }
  addText(text.size());
  return sections;
}

} // namespace jinx::text
