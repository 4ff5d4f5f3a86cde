// Tokenizers from files that the test writes: what they do, token by token, and that each kind of damage is named.
#include <map>

#include "gtest/gtest.h"

#include "runtime/text/GgufTokenizer.h"
#include "runtime/text/KnownPreTokenizers.h"
#include "runtime/text/OpenTokenizer.h"

namespace jinx::text {
namespace {

using Ids = std::vector<TokenId>;

Expected<Tokenizer> parse(std::string_view text, const OpenOptions& options = {}) { return parseTokenizer(std::as_bytes(std::span(text)), options); }
std::string failureOf(std::string_view text) {
  auto made = parse(text);
  return made.isOk() ? "is valid" : made.status().message();
}

/// A tokenizer.json with one part exchanged.
std::string jsonFile(const std::map<std::string, std::string>& changes = {}) {
  std::map<std::string, std::string> parts = {
      {"added_tokens", R"([{"id": 5, "content": "<x>", "special": true}, {"id": 6, "content": "[w]", "rstrip": true, "normalized": false}])"},
      {"normalizer", "null"},
      {"pre_tokenizer", R"({"type": "ByteLevel", "add_prefix_space": false})"},
      {"post_processor",
       R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<x>"}}, {"Sequence": {"id": "A"}}], "special_tokens": {"<x>": {"ids": [5]}}})"},
      {"decoder", R"({"type": "ByteLevel"})"},
      {"model", R"({"type": "BPE", "vocab": {"a": 0, "b": 1, "\u0120": 2, "ab": 3, "\u0120a": 4}, "merges": ["\u0120 a", "a b"]})"}};
  for (const auto& [name, text] : changes)
    parts[name] = text;
  std::string file = "{";
  for (const auto& [name, text] : parts)
    file += (file.size() > 1 ? ",\"" : "\"") + name + "\":" + text;
  return file + "}";
}

TEST(HuggingFace, EncodesAndDecodes) {
  auto made = parse(jsonFile());
  ASSERT_TRUE(made.isOk()) << made.status().message();
  EXPECT_EQ(made->vocabularySize(), 7u);
  EXPECT_EQ(*made->encode("ab ab", {false}), (Ids{3, 4, 1}));
  EXPECT_EQ(*made->encode("a", {}), (Ids{5, 0})) << "with its frame";
  EXPECT_EQ(*made->encode("<x>a", {false, true}), (Ids{5, 0}));
  EXPECT_EQ(*made->encode("<x>a", {false, false}), (Ids{0})) << "a control token in text is text, of which the vocabulary has no byte but a";
  EXPECT_EQ(*made->encode("[w]   a", {false}), (Ids{6, 0})) << "the spaces belong to it";
  EXPECT_EQ(*made->decode(Ids{5, 4, 3}, {}), " aab");
  EXPECT_EQ(*made->decode(Ids{5, 4}, {false}), "<x> a");
  EXPECT_EQ(*made->tokenBytes(4), " a");
  EXPECT_EQ(made->findToken(" a"), 4);
  EXPECT_TRUE(made->isSpecial(5));
  EXPECT_EQ(made->specialTokens(), (Ids{5}));
  EXPECT_EQ(made->decode(Ids{7}, {}).status().message(), "token 7 is not in the vocabulary, expected 0 to 6");
  EXPECT_EQ(*made->decode(Ids{4, 7, -1, 5, 3}, kGenerated), " aab") << "a model may have more tokens";
}

TEST(HuggingFace, NamesWhatIsWrong) {
  EXPECT_EQ(failureOf("{"), "is no JSON: malformed at byte 2");
  EXPECT_EQ(failureOf("{\"model\": 1e999}"), "is no JSON that we can read: a number is out of range");
  EXPECT_EQ(failureOf("{\"model\": " + std::string(100'000, '[')), "is JSON nested deeper than 64");
  EXPECT_EQ(failureOf("{}"), "is JSON with neither \"model\" (tokenizer.json) nor \"config\" and \"vocab\" (tekken)");
  EXPECT_EQ(failureOf(jsonFile({{"model", "3"}})), "field \"model\": is 3, expected an object");
  EXPECT_EQ(failureOf(jsonFile({{"model", R"({"type": "BPE", "vocab": {"a": -1}, "merges": []})"}})), "model: vocab \"a\": is -1, expected an id");
  EXPECT_EQ(failureOf(jsonFile({{"model", R"({"type": "BPE", "vocab": {"a": 4294967296}, "merges": []})"}})),
            "model: vocab \"a\": is 4294967296, expected an id");
  EXPECT_EQ(failureOf(jsonFile({{"model", R"({"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": ["a b"]})"}})),
            "model: merge 0 (\"a\" \"b\"): what they make is no token");
  EXPECT_EQ(failureOf(jsonFile({{"model", R"({"type": "BPE", "vocab": {"a": 0}, "merges": ["a b c"]})"}})),
            "model: merge \"a b c\" has not two parts with one space between");
  EXPECT_EQ(failureOf(jsonFile({{"model", R"({"type": "WordLevel"})"}})),
            "model: a model of type \"WordLevel\" is not known, expected BPE, WordPiece or Unigram");
  EXPECT_EQ(failureOf(jsonFile({{"model", R"({"type": "Unigram", "unk_id": 1, "vocab": [["a", 0]]})"}})),
            "model: field \"unk_id\" is 1, expected an id of the vocabulary");
  EXPECT_EQ(failureOf(jsonFile({{"model", R"({"type": "Unigram", "vocab": [["a"]]})"}})), "model: vocab 0: is an array, expected [text, score]");
  EXPECT_EQ(failureOf(jsonFile({{"normalizer", R"({"type": "Sequence", "normalizers": [{"type": "Odd"}]})"}})),
            "normalizer: normalizers 0: a normalizer of type \"Odd\" is not known");
  EXPECT_EQ(failureOf(jsonFile({{"normalizer", R"({"type": "Precompiled", "precompiled_charsmap": "AA!"})"}})),
            "normalizer: field \"precompiled_charsmap\" is no base64");
  EXPECT_EQ(failureOf(jsonFile({{"normalizer", R"({"type": "Precompiled", "precompiled_charsmap": "/wAAAA=="})"}})),
            "normalizer: the map of characters has a trie of 255 bytes, expected a multiple of 4 up to 0");
  EXPECT_EQ(failureOf(jsonFile({{"pre_tokenizer", R"({"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated"})"}})),
            "pre_tokenizer: pattern \"(\" is malformed: missing closing parenthesis at byte 1 of \"(\"");
  EXPECT_EQ(failureOf(jsonFile({{"pre_tokenizer", R"({"type": "Split", "pattern": {"String": "a"}, "behavior": "Kept"})"}})),
            "pre_tokenizer: field \"behavior\" is \"Kept\", expected Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
  EXPECT_EQ(failureOf(jsonFile({{"added_tokens", R"([{"id": 3}])"}})), "added_tokens 0: field \"content\" is missing");
}

/// A rank file with all bytes, and more tokens behind them.
std::string rankFile(const std::vector<std::string>& more) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string file;
  for (size_t b = 0; b < 256; ++b)
    file += {kDigits[b >> 2], kDigits[(b & 3) << 4], '=', '=', ' '}, file += std::to_string(b) + "\n";
  for (size_t i = 0; i < more.size(); ++i)
    file += more[i] + " " + std::to_string(256 + i) + "\n";
  return file;
}

TEST(Tiktoken, EncodesBytesThatAreNoCharacter) {
  OpenOptions options;
  options.special = {{"<end>", 300}};
  auto made = parse(rankFile({"aGk=", "IGhp"}), options); // "hi" and " hi"
  ASSERT_TRUE(made.isOk()) << made.status().message();
  EXPECT_EQ(*made->encode("hi hi", {}), (Ids{256, 257}));
  EXPECT_EQ(*made->encode("\xff", {}), (Ids{0xEF, 0xBF, 0xBD})) << "U+FFFD";
  EXPECT_EQ(*made->encode("hi<end>", {true, true}), (Ids{256, 300}));
  EXPECT_EQ(*made->decode(Ids{0xE2, 0x82}, {}), "\uFFFD");
  EXPECT_EQ(*made->tokenBytes(0xE2), "\xE2");
  EXPECT_EQ(made->vocabularySize(), 301u);
}

TEST(Tiktoken, NamesWhatIsWrong) {
  EXPECT_EQ(failureOf("IQ== 0\n"), "byte 0 alone has no rank");
  EXPECT_EQ(failureOf("IQ== 0\nIg==\n"), "line 2: is \"Ig==\", expected base64, a space and a rank");
  EXPECT_EQ(failureOf("IQ== 0\nIg== 1x\n"), "line 2: is \"Ig== 1x\", expected base64, a space and a rank");
  OpenOptions options;
  options.preTokenizer = "odd";
  EXPECT_EQ(parse(rankFile({}), options).status().message().substr(0, 52), "pre-tokenizer \"odd\" is not known, expected gpt-2, gp");
}

TEST(OpenTokenizer, NamesWhatItCannotRead) {
  EXPECT_EQ(failureOf(""), "is empty, expected a tokenizer's file");
  EXPECT_EQ(failureOf("no tokenizer at all"), "is no SentencePiece model: it cannot be parsed as its protocol buffer");
  EXPECT_EQ(openTokenizer("/nowhere").status().code(), Code::kNotFound);
}

/// A protocol buffer's field of bytes.
std::string field(char tag, const std::string& bytes) { return std::string(1, tag) + static_cast<char>(bytes.size()) + bytes; }
std::string piece(const std::string& text, float score, int kind) {
  std::string bytes = field('\x0A', text) + "\x15";
  bytes.append(reinterpret_cast<const char*>(&score), sizeof(score)).append("\x18").append(1, static_cast<char>(kind));
  return field('\x0A', bytes);
}

TEST(SentencePieceModel, EncodesAndDecodes) {
  const std::string space = "\u2581";
  const std::string trainer = field('\x12', std::string("\x18\x02", 2)); // BPE
  auto made = parse(piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3) + piece(space, -3, 1) + piece("a", -4, 1) + piece(space + "a", -1, 1) + trainer);
  ASSERT_TRUE(made.isOk()) << made.status().message();
  EXPECT_EQ(*made->encode("a a", {}), (Ids{1, 5, 5}));
  EXPECT_EQ(*made->encode("  a   a ", {false}), (Ids{5, 5})) << "spaces at the ends go, and several are one";
  EXPECT_EQ(*made->encode("a\xff\xff", {false}), (Ids{5, 0}));
  EXPECT_EQ(*made->encode("<s>a", {false, true}), (Ids{1, 5}));
  EXPECT_EQ(*made->decode(Ids{1, 5, 5, 0}, {}), "a a \u2047 ");
  EXPECT_EQ(*made->tokenBytes(5), " a");
  EXPECT_EQ(failureOf(piece("", 0, 1)), "piece 0 is empty");
  EXPECT_EQ(failureOf(piece("a", 0, 9)), "piece 0 has kind 9, expected 1 to 6");
  EXPECT_EQ(failureOf(trainer), "the SentencePiece model has no pieces");
}

TEST(Gguf, ChecksItsLists) {
  const std::vector<std::string_view> tokens = {"a", "b", "ab", "<x>"};
  const std::vector<std::string_view> merges = {"a b"};
  GgufVocabulary file;
  file.model = "gpt2", file.pre = "smollm", file.tokens = tokens, file.merges = merges, file.types = {1, 1, 1, 3};
  auto made = makeGgufTokenizer(file);
  ASSERT_TRUE(made.isOk()) << made.status().message();
  EXPECT_EQ(*made->encode("ab<x>a", {true, true}), (Ids{2, 3, 0}));
  file.types = {1, 1, 1};
  EXPECT_EQ(makeGgufTokenizer(file).status().message(), "token_type has 3 elements, expected one for each of 4 tokens");
  file.types = {1, 1, 1, 7};
  EXPECT_EQ(makeGgufTokenizer(file).status().message(), "token 3 has type 7, expected 1 to 6");
  file.types = {}, file.bos = 4;
  EXPECT_EQ(makeGgufTokenizer(file).status().message(), "token 4 is not in the vocabulary, expected 0 to 3");
  file.bos = kNoToken, file.model = "odd";
  EXPECT_EQ(makeGgufTokenizer(file).status().message(), "tokenizer.ggml.model is \"odd\", expected gpt2, llama, t5 or bert");
  file.model = "llama";
  EXPECT_EQ(makeGgufTokenizer(file).status().message(), "the vocabulary has no scores, which tokenizer.ggml.model \"llama\" needs");
}

TEST(Detokenizer, WaitsForWholeCharacters) {
  auto made = parse(rankFile({}));
  ASSERT_TRUE(made.isOk());
  Detokenizer detokenizer(*made);
  EXPECT_EQ(*detokenizer.push('a'), "a");
  EXPECT_EQ(*detokenizer.push(0xE2), "");
  EXPECT_EQ(*detokenizer.push(0x82), "");
  EXPECT_EQ(*detokenizer.push(0xAC), "\u20ac");
  EXPECT_EQ(*detokenizer.push(0xF0), "");
  EXPECT_EQ(*detokenizer.push('b'), "\uFFFD" "b") << "nothing completes it any more";
  EXPECT_EQ(*detokenizer.push(0xF0), "");
  EXPECT_EQ(detokenizer.finish(), "\uFFFD");
  EXPECT_EQ(detokenizer.finish(), "");
  EXPECT_FALSE(detokenizer.push(9999).isOk());
}

TEST(Pattern, StopsAtItsLimit) {
  auto pattern = Pattern::compile("(a|aa)+$");
  ASSERT_TRUE(pattern.isOk());
  PatternMatcher matcher(*pattern);
  const std::string text = std::string(200, 'a') + "b";
  EXPECT_EQ(matcher.find(text, 0), PatternMatcher::Answer::kFailed);
  EXPECT_EQ(matcher.failure().code(), Code::kResource);
  EXPECT_EQ(Pattern::compile("[a&&b]").status().code(), Code::kUnimplemented);
}

TEST(Pattern, WhiteSpaceIsUnicodes) {
  const auto matches = [](std::string_view pattern, std::string_view text) {
    auto made = Pattern::compile(pattern);
    PatternMatcher matcher(*made);
    return matcher.find(text, 0) == PatternMatcher::Answer::kMatch && matcher.begin() == 0 && matcher.end() == text.size();
  };
  EXPECT_TRUE(matches("\\s+", " \t\u00a0\u3000\u2028\u0085"));
  EXPECT_FALSE(matches("\\s", "\u180e"));
  EXPECT_TRUE(matches("\\S", "\u180e"));
  EXPECT_TRUE(matches("[^\\s\\p{L}]", "\u180e"));
  EXPECT_TRUE(matches("[[\\]]+", "[]"));
  EXPECT_TRUE(matches("[]a]+", "]a"));
  EXPECT_TRUE(matches("[[:digit:]a]+", "1a"));
}

TEST(KnownPreTokenizers, AllCompile) {
  for (const char* name : {"gpt-2", "smollm", "llama-bpe", "cl100k", "qwen2", "qwen35", "gpt-4o", "tekken", "deepseek-v3", "glm4"})
    EXPECT_TRUE(findPreTokenizer(name).isOk()) << name;
}

} // namespace
} // namespace jinx::text
