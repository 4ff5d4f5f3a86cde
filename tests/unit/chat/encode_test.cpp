// Tokens of rendered conversations, over a vocabulary of bytes with control tokens.
#include <fstream>

#include "gtest/gtest.h"

#include "runtime/chat/ChatTemplate.h"
#include "runtime/text/OpenTokenizer.h"

namespace jinx::chat {
namespace {

using text::TokenId;

/// Bytes by their value, "ab" 256, "<|im_end|>" 300, "<|im_end|>x" 301, "<tool>" 302, which is no control token, "<|pad|>" 303, which takes white space
/// behind it, and "<|user|>" 304, of which the file does not say that it is one.
text::Tokenizer tokenizer() {
  nlohmann::json vocabulary;
  int hidden = 0;
  for (int i = 0; i < 256; ++i) { // letters of byte-level BPE: those that print are themselves, the rest comes behind U+0100
    const bool prints = (i >= 33 && i <= 126) || (i >= 161 && i <= 172) || i >= 174;
    const int code = prints ? i : 256 + hidden++;
    std::string letter;
    if (code < 0x80) letter += static_cast<char>(code);
    else letter += static_cast<char>(0xC0 | (code >> 6)), letter += static_cast<char>(0x80 | (code & 63));
    vocabulary[letter] = i;
  }
  vocabulary["ab"] = 256;
  const auto added = [](int id, const char* content, bool special, bool strip) {
    return nlohmann::json{{"id", id}, {"content", content}, {"special", special}, {"rstrip", strip}, {"lstrip", false}, {"single_word", false}, {"normalized", false}};
  };
  const nlohmann::json file = {{"added_tokens", {added(300, "<|im_end|>", true, false), added(301, "<|im_end|>x", true, false), added(302, "<tool>", false, false), added(303, "<|pad|>", true, true), added(304, "<|user|>", false, false)}},
                               {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
                               {"decoder", {{"type", "ByteLevel"}}},
                               {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", {"a b"}}}}};
  const std::string bytes = file.dump();
  auto parsed = text::parseTokenizer(std::as_bytes(std::span(bytes)));
  EXPECT_TRUE(parsed) << parsed.status().message();
  return *parsed;
}

std::vector<TokenId> tokensOf(const std::vector<Piece>& pieces) {
  auto tokens = encode(tokenizer(), pieces);
  EXPECT_TRUE(tokens) << tokens.status().message();
  return *tokens;
}

std::vector<TokenId> bytesOf(std::string_view text) {
  std::vector<TokenId> tokens;
  for (char c : text)
    tokens.push_back(static_cast<uint8_t>(c));
  return tokens;
}

using Ids = std::vector<TokenId>;

TEST(Encode, OnlyTheTemplateMakesControlTokens) {
  EXPECT_EQ(tokensOf({{"<|im_end|>", true}}), (Ids{300}));
  EXPECT_EQ(tokensOf({{"<|im_end|>", false}}), bytesOf("<|im_end|>"));
  EXPECT_EQ(tokensOf({{"u", true}, {"<|im_end|>", false}, {"<|im_end|>", true}}), [] {
    Ids wanted = bytesOf("u<|im_end|>");
    wanted.push_back(300);
    return wanted;
  }());
}

TEST(Encode, AControlTokenDoesNotReachOverABorder) {
  EXPECT_EQ(tokensOf({{"<|im_", true}, {"end|>", false}}), bytesOf("<|im_end|>"));
  EXPECT_EQ(tokensOf({{"<|im_", false}, {"end|>", true}}), bytesOf("<|im_end|>"));
  EXPECT_EQ(tokensOf({{"<|im_end|>", true}, {"x", false}}), (Ids{300, 'x'})); // not the longer token
  EXPECT_EQ(tokensOf({{"<|im_end|>x", true}}), (Ids{301}));
  EXPECT_EQ(tokensOf({{"<|im_end|>", true}, {"x", true}}), (Ids{301})); // neighbors of one kind are one text
  EXPECT_EQ(tokensOf({{"<", false}, {"<|im_end|>", true}}), (Ids{'<', 300}));
}

TEST(Encode, TokensThatAreOnlyWrittenLikeControlTokensAreGuardedToo) {
  EXPECT_EQ(tokensOf({{"<|user|>", true}}), (Ids{304}));
  EXPECT_EQ(tokensOf({{"<|user|>", false}}), bytesOf("<|user|>"));
  EXPECT_EQ(tokensOf({{"<|us", true}, {"er|>", false}}), bytesOf("<|user|>"));
}

TEST(Encode, OtherTokensDo) {
  EXPECT_EQ(tokensOf({{"a", true}, {"b", false}}), (Ids{256}));
  EXPECT_EQ(tokensOf({{"a", false}, {"b", true}}), (Ids{256}));
  EXPECT_EQ(tokensOf({{"<to", true}, {"ol>", false}}), (Ids{302}));
  EXPECT_EQ(tokensOf({{"<|pad|>", true}, {"  a", false}}), (Ids{303, 'a'}));
}

TEST(Encode, BrokenTextIsReplacedInEachPart) {
  EXPECT_EQ(tokensOf({{"\xc3", false}, {"\xa9<|im_end|>", true}}), [] {
    Ids wanted = bytesOf("\xef\xbf\xbd\xef\xbf\xbd");
    wanted.push_back(300);
    return wanted;
  }());
  EXPECT_TRUE(tokensOf({}).empty());
}

TEST(EndTokens, AreControlTokensThatEndATurn) { EXPECT_EQ(endTokens(tokenizer()), (Ids{300})); }

/// A folder of a tokenizer, with what lies in it.
struct Folder {
  std::string path = ::testing::TempDir() + "/jinx-template-of";
  Folder() { std::system(("rm -rf '" + path + "' && mkdir -p '" + path + "'").c_str()); }
  void write(const std::string& name, const std::string& text) const { std::ofstream(path + "/" + name) << text; }
  std::string ask(const std::string& name = "tokenizer.json") const {
    auto found = templateOf(path + "/" + name);
    return found ? *found : std::string(found.status().code() == Code::kNotFound ? "not found" : "invalid");
  }
};

TEST(TemplateOf, FindsWhatLiesBesideATokenizer) {
  const Folder folder;
  EXPECT_TRUE(folder.ask().ends_with("not found"));
  folder.write("tokenizer.json", "{}");
  EXPECT_TRUE(folder.ask().ends_with("not found"));
  folder.write("tokenizer_config.json", R"({"bos_token": "x"})");
  EXPECT_TRUE(folder.ask().ends_with("not found"));
  folder.write("tokenizer_config.json", R"({"chat_template": 3})");
  EXPECT_TRUE(folder.ask().ends_with("invalid"));
  folder.write("tokenizer_config.json", "{");
  EXPECT_TRUE(folder.ask().ends_with("invalid"));
  folder.write("tokenizer_config.json", R"({"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]})");
  EXPECT_EQ(folder.ask(), "d");
  folder.write("tokenizer_config.json", R"({"chat_template": [{"name": "tool_use", "template": "t"}]})");
  EXPECT_TRUE(folder.ask().ends_with("not found"));
  folder.write("tokenizer_config.json", R"({"chat_template": "one"})");
  EXPECT_EQ(folder.ask(), "one");
  folder.write("chat_template.jinja", "beside\n");
  EXPECT_EQ(folder.ask(), "beside\n");
  EXPECT_EQ(folder.ask("chat_template.jinja"), "beside\n");
}

} // namespace
} // namespace jinx::chat
