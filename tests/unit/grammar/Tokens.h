// A small tokenizer whose tokens a test chooses, and grammars that must compile.
#pragma once

#include <string>
#include <vector>

#include "gtest/gtest.h"

#include "runtime/grammar/Grammar.h"
#include "runtime/text/OpenTokenizer.h"

namespace jinx::grammar::test {

/// Every byte is a token of its own (ids 0 to 255), then come `more`, then the control token <end>. A piece of "more" is bytes that need not be UTF-8.
struct Tokens {
  std::vector<std::string> bytes;
  int32_t end = 0;
  std::shared_ptr<const TokenTable> table;

  explicit Tokens(const std::vector<std::string>& more, int32_t vocabulary = 0);
};

inline std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t value = 0;
    for (size_t k = 0; k < 3; ++k)
      value = value << 8 | (i + k < bytes.size() ? static_cast<uint8_t>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k)
      text += i + k > bytes.size() ? '=' : kDigits[value >> (18 - 6 * k) & 63];
  }
  return text;
}

inline Tokens::Tokens(const std::vector<std::string>& more, int32_t vocabulary) {
  for (int byte = 0; byte < 256; ++byte)
    bytes.push_back(std::string(1, static_cast<char>(byte)));
  bytes.insert(bytes.end(), more.begin(), more.end());
  std::string ranks;
  for (size_t i = 0; i < bytes.size(); ++i)
    ranks += base64(bytes[i]) + " " + std::to_string(i) + "\n";
  // The end is the last token of the vocabulary: the file's kind has no control tokens.
  end = static_cast<int32_t>(bytes.size()) - 1;
  const auto tokenizer = text::parseTokenizer(std::as_bytes(std::span(ranks)));
  EXPECT_TRUE(tokenizer.isOk()) << tokenizer.status().message();
  if (!tokenizer) return;
  auto made = TokenTable::make(*tokenizer, std::vector<int32_t>{end}, vocabulary);
  EXPECT_TRUE(made.isOk()) << made.status().message();
  if (made) table = *made;
}

inline std::shared_ptr<const Grammar> compiled(Expected<std::shared_ptr<const Grammar>> grammar) {
  EXPECT_TRUE(grammar.isOk()) << grammar.status().message();
  return grammar ? *grammar : nullptr;
}

inline bool accepts(const std::shared_ptr<const Grammar>& grammar, std::string_view text) {
  if (!grammar) return false;
  const auto match = grammar::match(*grammar, text);
  EXPECT_TRUE(match.isOk()) << match.status().message();
  return match && match->isComplete;
}

} // namespace jinx::grammar::test
