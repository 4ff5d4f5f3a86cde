#include "runtime/grammar/TokenTable.h"

#include <algorithm>
#include <limits>

#include "runtime/text/Utf8.h"

namespace jinx::grammar {
namespace {

/// Characters of a plain token; 0 for one that is none.
int32_t plainLength(std::string_view bytes) {
  int32_t length = 0;
  for (size_t at = 0; at < bytes.size(); ++length) {
    const text::Utf8Sequence s = text::utf8At(bytes, at);
    if (!s.valid || s.code < ' ' || s.code == '"' || s.code == '\\') return 0;
    at += s.size;
  }
  return length <= kMostPlain ? length : 0;
}

} // namespace

TokenTrie::TokenTrie(std::vector<std::pair<std::string, int32_t>> sorted) {
  std::ranges::sort(sorted);
  std::vector<uint32_t> path = {0};
  nodes.push_back({});
  const auto leaveTo = [&](size_t depth) {
    for (; path.size() > depth + 1; path.pop_back())
      nodes[path.back()].end = static_cast<uint32_t>(nodes.size());
  };
  std::string_view before;
  for (const auto& [bytes, token] : sorted) {
    const size_t common = static_cast<size_t>(std::ranges::mismatch(before, bytes).in1 - before.begin());
    leaveTo(common);
    for (size_t i = common; i < bytes.size(); ++i) {
      path.push_back(static_cast<uint32_t>(nodes.size()));
      nodes.push_back({0, static_cast<uint32_t>(tokens.size()), static_cast<uint16_t>(i + 1), static_cast<uint8_t>(bytes[i])});
    }
    depth = std::max(depth, static_cast<uint16_t>(bytes.size()));
    tokens.push_back(token);
    before = bytes;
  }
  leaveTo(0);
  nodes[0].end = static_cast<uint32_t>(nodes.size());
  nodes.push_back({static_cast<uint32_t>(nodes.size()), static_cast<uint32_t>(tokens.size()), 0, 0});
}

bool TokenTable::State::isEnd(int32_t token) const { return std::ranges::binary_search(endTokens, token); }

TokenTable::TokenTable(std::unique_ptr<const State> state) : state_(std::move(state)) {}
TokenTable::~TokenTable() = default;
int32_t TokenTable::vocabulary() const { return state_->vocabulary; }

Expected<std::shared_ptr<const TokenTable>> TokenTable::make(const text::Tokenizer& tokenizer, std::span<const int32_t> endTokens, int32_t vocabulary) {
  constexpr size_t kLongest = std::numeric_limits<uint16_t>::max();
  auto state = std::make_unique<State>();
  const int32_t known = static_cast<int32_t>(tokenizer.vocabularySize());
  state->vocabulary = vocabulary > 0 ? vocabulary : known;
  state->endTokens.assign(endTokens.begin(), endTokens.end());
  std::ranges::sort(state->endTokens);
  for (int32_t token : endTokens)
    if (token < 0 || token >= state->vocabulary) return invalidArgument("the end token " + std::to_string(token) + " is no id, expected 0 to " + std::to_string(state->vocabulary - 1));
  state->bytes.resize(static_cast<size_t>(state->vocabulary));
  state->plain.assign(state->words(), 0);
  std::vector<std::pair<std::string, int32_t>> all, others;
  for (int32_t token = 0; token < std::min(known, state->vocabulary); ++token) {
    if (tokenizer.isSpecial(token) || state->isEnd(token)) continue;
    Expected<std::string> bytes = tokenizer.tokenBytes(token);
    if (!bytes || bytes->empty() || bytes->size() > kLongest) continue; // an id without a token
    const int32_t plain = plainLength(*bytes);
    state->longestPlain = std::max(state->longestPlain, plain);
    if (plain > 0) state->plain[static_cast<size_t>(token) / 64] |= uint64_t(1) << (token % 64);
    else others.emplace_back(*bytes, token);
    all.emplace_back(*bytes, token);
    state->bytes[static_cast<size_t>(token)] = std::move(*bytes);
  }
  state->all = TokenTrie(std::move(all));
  state->others = TokenTrie(std::move(others));
  return std::shared_ptr<const TokenTable>(new TokenTable(std::move(state)));
}

} // namespace jinx::grammar
