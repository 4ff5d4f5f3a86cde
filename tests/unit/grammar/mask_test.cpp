// Masks beside their definition: a token is allowed when some text of the grammar begins with the text so far and the token's bytes.
#include <bit>
#include <random>
#include <thread>

#include "tests/unit/grammar/Tokens.h"

namespace jinx::grammar {
namespace {

using test::accepts;
using test::compiled;
using test::Tokens;

const Tokens& tokens() {
  static const Tokens all({"ab", "abc", "bc", "aa", "\"a", "\",", "\":", "{\"", "}}", "\"}", "\": ", ", \"", " \"", "\\\"", "\\u", "é", "\xC3", "\xA9", "\xE4\xB8", "\xADx", "中文", "12", "1,", "[[", "]]", "],[",
                           "true", "null", "  ", "\n  ", "name", "\"name\"", "0.5", "-1", "e1", "aé", "hello world", "a very long piece of plain text that has more characters than most", "xy\"", "\",\"b", "<end>"});
  return all;
}

bool has(std::span<const uint64_t> mask, int32_t token) { return mask[static_cast<size_t>(token) / 64] >> (token % 64) & 1; }

std::string textOf(const std::vector<int32_t>& output) {
  std::string text;
  for (int32_t token : output)
    text += tokens().bytes[static_cast<size_t>(token)];
  return text;
}

/// By the definition, one token after the other.
void expectMask(const std::shared_ptr<const Grammar>& grammar, const std::vector<int32_t>& output, std::span<const uint64_t> mask) {
  const std::string text = textOf(output);
  ASSERT_EQ(mask.size(), (tokens().bytes.size() + 63) / 64);
  for (int32_t token = 0; token < static_cast<int32_t>(tokens().bytes.size()); ++token) {
    const std::string longer = text + (token == tokens().end ? "" : tokens().bytes[static_cast<size_t>(token)]);
    const auto match = grammar::match(*grammar, longer);
    ASSERT_TRUE(match.isOk());
    const bool expected = token == tokens().end ? match->isComplete : match->length == longer.size();
    ASSERT_EQ(has(mask, token), expected) << "token " << tokens().bytes[static_cast<size_t>(token)] << " behind " << text;
  }
}

const char* const kSchemas[] = {
    R"({"type": "object", "properties": {"name": {"type": "string"}, "b": {"type": "integer", "minimum": 1, "maximum": 120}}, "required": ["name"]})",
    R"({"type": "array", "items": {"type": "array", "items": {"type": "number"}}})",
    R"({"type": "string", "maxLength": 12})",
    R"({"type": "string", "pattern": "^a[^b]*$"})",
    R"({"enum": ["ab", "abc", "é", 12, null, {"name": ["a"]}]})",
    R"({"$defs": {"n": {"properties": {"a": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]}}, "type": "object", "additionalProperties": false}}, "$ref": "#/$defs/n"})",
    "true",
};
const char* const kPatterns[] = {"(a|b)*abc?", "[^a]{2,5}x?", ".*", "a{3}b{0,4}(中|é)+", "(ab|abc|a)(c|bc)?", "\\w+ \\w+"};
const char* const kGrammars[] = {
    "root ::= \"a\" root \"b\" | \"\"",
    "root ::= x y\nx ::= \"a\"*\ny ::= \"a\" y \"b\" | \"c\" | x \"b\"",
    "root ::= \"a\" b \"b\" | \"a\" root \"c\" | \"1\"\nb ::= \"a\" root \"b\" | \"a\" b \"c\" | \"\"",
    "root ::= e\ne ::= e \",\" t | t\nt ::= \"[\" e \"]\" | [0-9a-c]+",
};

std::vector<std::shared_ptr<const Grammar>> grammars() {
  std::vector<std::shared_ptr<const Grammar>> all;
  for (const char* source : kSchemas)
    all.push_back(compiled(compileJsonSchema(source)));
  for (const char* source : kPatterns)
    all.push_back(compiled(compileRegex(source)));
  for (const char* source : kGrammars)
    all.push_back(compiled(compileGbnf(source)));
  all.push_back(compiled(anyJson()));
  all.push_back(compiled(anyJsonObject()));
  return all;
}

TEST(Mask, IsWhatItsDefinitionSays) {
  std::mt19937 rng(1);
  for (const auto& grammar : grammars()) {
    ASSERT_TRUE(grammar);
    for (int walk = 0; walk < 12; ++walk) {
      const auto mask = makeMask(grammar, tokens().table);
      std::vector<int32_t> output;
      for (int step = 0; step < 14; ++step) {
        const auto bits = mask->allowed(output);
        ASSERT_TRUE(bits.isOk()) << bits.status().message();
        expectMask(grammar, output, *bits);
        std::vector<int32_t> next;
        for (int32_t token = 0; token < tokens().end; ++token)
          if (has(*bits, token)) next.insert(next.end(), token >= 256 ? 8 : 1, token);
        if (next.empty()) break;
        output.push_back(next[rng() % next.size()]);
      }
    }
  }
}

TEST(Mask, IsAFunctionOfTheTokens) {
  std::mt19937 rng(2);
  const auto grammar = compiled(anyJson());
  const auto kept = makeMask(grammar, tokens().table);
  std::vector<int32_t> output;
  for (int step = 0; step < 400; ++step) {
    // Drafts that are refused, preemptions, other ways to go on.
    if (rng() % 3 == 0) output.resize(rng() % (output.size() + 1));
    const auto bits = kept->allowed(output);
    ASSERT_TRUE(bits.isOk()) << bits.status().message();
    const auto fresh = makeMask(grammar, tokens().table);
    const auto wanted = fresh->allowed(output);
    ASSERT_TRUE(wanted.isOk());
    ASSERT_TRUE(std::ranges::equal(*bits, *wanted));
    std::vector<int32_t> next;
    for (int32_t token = 0; token < tokens().end; ++token)
      if (has(*bits, token)) next.push_back(token);
    if (!next.empty()) output.push_back(next[rng() % next.size()]);
  }
}

/// Few configurations are kept: all is forgotten again and again, and nothing changes.
TEST(Mask, SurvivesThatConfigurationsAreForgotten) {
  std::mt19937 rng(3);
  const char* source = "root ::= \"a\" root \"b\" | \"a\" root \"c\" | \"x\"";
  const auto small = compiled(compileGbnf(source, {.configurations = 600})), large = compiled(compileGbnf(source));
  const auto a = makeMask(small, tokens().table), b = makeMask(large, tokens().table);
  std::vector<int32_t> output;
  for (int step = 0; step < 600; ++step) {
    const auto one = a->allowed(output), other = b->allowed(output);
    ASSERT_TRUE(one.isOk()) << one.status().message() << " at " << step;
    ASSERT_TRUE(std::ranges::equal(*one, *other));
    if (output.size() > 100) output.resize(rng() % 100);
    output.push_back('a');
  }
}

/// Masks of one grammar on several threads: each is what it is alone.
TEST(Mask, ThreadsShareAGrammar) {
  const auto grammar = compiled(anyJson());
  const auto walk = [&](unsigned seed) {
    std::mt19937 rng(seed);
    const auto mask = makeMask(grammar, tokens().table);
    std::vector<int32_t> output;
    std::vector<std::vector<uint64_t>> seen;
    for (int step = 0; step < 150; ++step) {
      const auto bits = mask->allowed(output);
      if (!bits) break;
      seen.emplace_back(bits->begin(), bits->end());
      std::vector<int32_t> next;
      for (int32_t token = 0; token < tokens().end; ++token)
        if (has(*bits, token)) next.push_back(token);
      if (next.empty()) break;
      output.push_back(next[rng() % next.size()]);
    }
    return seen;
  };
  std::vector<std::vector<std::vector<uint64_t>>> together(4);
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < together.size(); ++i)
    threads.emplace_back([&, i] { together[i] = walk(i); });
  for (std::thread& thread : threads)
    thread.join();
  for (unsigned i = 0; i < together.size(); ++i)
    EXPECT_EQ(together[i], walk(i));
}

TEST(Mask, EndsWhereTheGrammarMayEnd) {
  const auto mask = makeMask(compiled(compileRegex("ab?")), tokens().table);
  EXPECT_FALSE(has(*mask->allowed({}), tokens().end));
  const std::vector<int32_t> output = {'a', 'b', tokens().end};
  EXPECT_TRUE(has(*mask->allowed(std::span(output).first(1)), tokens().end));
  const auto last = mask->allowed(std::span(output).first(2));
  EXPECT_TRUE(has(*last, tokens().end));
  EXPECT_EQ(std::popcount((*last)[1]), 0);
  EXPECT_TRUE(has(*mask->allowed(output), tokens().end));
}

TEST(Mask, ModelsMayHaveMoreLogitsThanTokens) {
  const Tokens padded({"ab", "<end>"}, 1000);
  const auto mask = makeMask(compiled(anyJson()), padded.table);
  const auto bits = mask->allowed({});
  ASSERT_EQ(bits->size(), 16u);
  for (int32_t token = 258; token < 1000; ++token)
    EXPECT_FALSE(has(*bits, token));
}

TEST(Json, WritesAsItIsSaidTo) {
  const auto json = compiled(anyJson());
  for (const char* text : {"{}", "[]", "{ }", "[\n]", "{\"a\": 1}", "{\n    \"a\": [\n\t1,\n 2\n]\n}", "\"\\u00e9\\ud83d\\ude00\\/\"", "-0.5e+10", "\"\x7f\""})
    EXPECT_TRUE(accepts(json, text)) << text;
  for (const char* text : {" 1", "1 ", "{\"a\" :1}", "[1 ,\n\n2]", "[  1]", "\"\\ud800\"", "\"\\ude00\"", "\"\\ud800x\"", "01", "1.", ".5", "\"\t\"", "\"\xff\"", "{\"a\":1,}", "nul", "+1"})
    EXPECT_FALSE(accepts(json, text)) << text;
}

/// More configurations than are kept: each letter is one. Stacks, however, have to be kept whole.
TEST(Limits, TextsMayBeLongerThanWhatIsKept) {
  const auto letters = compiled(compileRegex("a{2000}b?", {.configurations = 500}));
  EXPECT_TRUE(accepts(letters, std::string(2000, 'a') + "b"));
  EXPECT_FALSE(accepts(letters, std::string(2001, 'a')));
  EXPECT_FALSE(accepts(letters, std::string(1999, 'a') + "b"));
  const auto brackets = compiled(compileGbnf("root ::= \"[\" root \".]\" | \"x\"", {.configurations = 500}));
  EXPECT_EQ(grammar::match(*brackets, std::string(900, '[') + "x.]")->length, 903u);
  EXPECT_EQ(grammar::match(*brackets, std::string(2000, '[')).status().code(), Code::kResource);
}

TEST(Limits, EndWhatIsHostile) {
  // A pattern without a small deterministic automaton: refused, or slow steps end the request.
  EXPECT_TRUE(compiled(compileRegex("(a|b)*a(a|b){20}")));
  const auto many = compileRegex("(a?){8000}a{8000}");
  EXPECT_EQ(many.status().code(), Code::kResource) << many.status().message();
  EXPECT_EQ(compileRegex(std::string(1000, '(') + std::string(1000, ')')).status().code(), Code::kResource);
  EXPECT_EQ(compileRegex("a", {.sourceBytes = 0}).status().code(), Code::kResource);
  EXPECT_EQ(compileRegex("[a-z]{1000}", {.states = 100}).status().code(), Code::kResource);
  std::string deep;
  for (int i = 0; i < 5000; ++i)
    deep += "[";
  EXPECT_EQ(compileJsonSchema(deep).status().code(), Code::kResource);
  EXPECT_EQ(compileGbnf("root ::= " + std::string(5000, '(')).status().code(), Code::kResource);
  // 2^40 combinations of choices.
  std::string choices = R"({"allOf": [)";
  for (int i = 0; i < 40; ++i)
    choices += std::string(i ? "," : "") + R"({"anyOf": [{"minLength": 1}, {"maxLength": 5}]})";
  EXPECT_EQ(compileJsonSchema(choices + "]}").status().code(), Code::kResource);
  // A chain of references.
  std::string chain = R"({"$ref": "#/$defs/0", "$defs": {)";
  for (int i = 0; i < 3000; ++i)
    chain += std::string(i ? "," : "") + "\"" + std::to_string(i) + R"(": {"title": "", "$ref": "#/$defs/)" + std::to_string(i + 1) + "\"}";
  EXPECT_EQ(compileJsonSchema(chain + R"(,"3000": {}}})").status().code(), Code::kResource);
  // Too many possibilities at once end the request alone.
  const auto grammar = compiled(compileGbnf("root ::= (\"a\"? \"a\"? \"a\"? \"a\"? \"a\"? \"a\"?)* \"b\"", {.stepStates = 4}));
  const auto mask = makeMask(grammar, tokens().table)->allowed({});
  EXPECT_TRUE(mask.isOk() || mask.status().code() == Code::kResource);
}

} // namespace
} // namespace jinx::grammar
