// What templates write, where they are wrong, and what they may cost. That they write what jinja2 writes is asked by tests/chat.
#include <thread>

#include "gtest/gtest.h"

#include "runtime/chat/ChatTemplate.h"

namespace jinx::chat {
namespace {

using Json = nlohmann::ordered_json;

/// What the template writes, or the error.
std::string textOf(std::string_view source, const Json& context = Json::object(), const Limits& limits = {}) {
  auto parsed = ChatTemplate::parse(source, limits);
  if (!parsed) return parsed.status().message();
  auto pieces = parsed->render(context);
  if (!pieces) return pieces.status().message();
  std::string text;
  for (const Piece& piece : *pieces)
    text += piece.text;
  return text;
}

Code codeOf(std::string_view source, const Json& context = Json::object(), const Limits& limits = {}) {
  auto parsed = ChatTemplate::parse(source, limits);
  if (!parsed) return parsed.status().code();
  return parsed->render(context).status().code();
}

TEST(ChatTemplate, WritesAConversation) {
  const Json context = {{"messages", {{{"role", "user"}, {"content", "Hi"}}, {{"role", "assistant"}, {"content", "Ho"}}}}, {"add_generation_prompt", true}, {"eos_token", "</s>"}};
  EXPECT_EQ(textOf("{% for m in messages %}\n<{{ m.role }}>{{ m['content'] }}{{ eos_token }}\n{% endfor %}\n{% if add_generation_prompt %}<assistant>{% endif %}\n", context),
            "<user>Hi</s>\n<assistant>Ho</s>\n<assistant>");
}

TEST(ChatTemplate, KeepsTheOrderOfKeysWhereTheContextDoes) {
  EXPECT_EQ(textOf("{{ d | tojson }}", Json::parse(R"({"d": {"b": 1, "a": 2}})")), R"({"b": 1, "a": 2})");
  const auto parsed = ChatTemplate::parse("{{ d | tojson }}");
  ASSERT_TRUE(parsed);
  const auto pieces = parsed->render(nlohmann::json::parse(R"({"d": {"b": 1, "a": 2}})"));
  ASSERT_TRUE(pieces);
  EXPECT_EQ(pieces->at(0).text, R"({"a": 2, "b": 1})");
}

TEST(ChatTemplate, SaysLineAndColumn) {
  EXPECT_EQ(textOf("a\n  {{ b | }}"), "chat template, line 2, column 10: expected a filter, got }}");
  EXPECT_EQ(textOf("{{ l[,1] }}"), "chat template, line 1, column 6: expected an expression, got ','"); // found by the fuzz target
  EXPECT_EQ(textOf("{% for x in y %}"), "chat template, line 1, column 17: the template ends, expected {% endfor %}");
  EXPECT_EQ(textOf("\n{{ 1 +\n 'a' }}"), "chat template, line 2, column 6: '+' does not take 'int' and 'str'");
  EXPECT_EQ(textOf("\n\n {{ x.y }}"), "chat template, line 3, column 6: 'x' is undefined");
  EXPECT_EQ(textOf("{{ 1 | nothing }}"), "chat template, line 1, column 8: there is no filter 'nothing'");
  EXPECT_EQ(textOf("{% if x %}\n{{ raise_exception('one at a time') }}{% endif %}", {{"x", 1}}), "chat template, line 2, column 19: the template refuses the conversation: one at a time");
  EXPECT_EQ(textOf("{{ \xff }}"), "chat template: is no UTF-8");
}

TEST(ChatTemplate, RefusesWhatIsNotInTheSubset) {
  EXPECT_EQ(codeOf("{% include 'x' %}"), Code::kUnimplemented);
  EXPECT_EQ(codeOf("{% for x in y recursive %}{% endfor %}"), Code::kUnimplemented);
  EXPECT_EQ(codeOf("{{ 1 | nothing }}"), Code::kUnimplemented);
  EXPECT_EQ(codeOf("{{ 1 + 'a' }}"), Code::kInvalidArgument);
  EXPECT_EQ(codeOf("", Json::array()), Code::kInvalidArgument);
  EXPECT_EQ(codeOf("", Json::parse("{\"a\": 18446744073709551615}")), Code::kInvalidArgument);
}

TEST(ChatTemplate, EndsAtItsLimits) {
  EXPECT_EQ(codeOf("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}"), Code::kResource);
  EXPECT_EQ(codeOf("{{ 'a' * 999999999999 }}"), Code::kResource);
  EXPECT_EQ(codeOf("{{ [1] * 999999999999 }}"), Code::kResource);
  EXPECT_EQ(codeOf("{% set n = namespace(x='ab') %}{% for a in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}"), Code::kResource);
  EXPECT_EQ(codeOf("{% set n = namespace(x=[]) %}{% for a in range(9999) %}{% set n.x = [n.x] %}{% endfor %}"), Code::kResource);
  EXPECT_EQ(codeOf("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"), Code::kResource);
  EXPECT_EQ(codeOf("{{ 'a'.center(99999999999) }}"), Code::kResource);
  EXPECT_EQ(codeOf("{{ '%99999999d' % 1 }}"), Code::kResource);
  EXPECT_EQ(codeOf("{{ 'a' | indent(99999999999) }}"), Code::kResource);
  EXPECT_EQ(codeOf("{{ ('a' * 9999).replace('', 'b' * 99999) }}"), Code::kResource);
  EXPECT_EQ(codeOf("{{ range(999999) }}"), Code::kResource);
  EXPECT_EQ(codeOf("{{ " + std::string(5000, '(') + "1" + std::string(5000, ')') + " }}"), Code::kResource);
  EXPECT_EQ(codeOf("{{ 1" + [] { std::string sum; for (int i = 0; i < 5000; ++i) sum += "+1"; return sum; }() + " }}"), Code::kResource);
  EXPECT_EQ(codeOf("{{ " + std::string(5000, '-') + "1 }}"), Code::kResource);
  EXPECT_EQ(codeOf([] { std::string text; for (int i = 0; i < 5000; ++i) text += "{% if 1 %}"; return text; }()), Code::kResource);
  EXPECT_EQ(codeOf("abc", Json::object(), {.outputBytes = 2}), Code::kResource);
  EXPECT_EQ(codeOf("abc", Json::object(), {.sourceBytes = 2}), Code::kResource);
  Json deep = 1;
  for (int i = 0; i < 300; ++i)
    deep = Json::array({std::move(deep)});
  EXPECT_EQ(codeOf("", {{"a", deep}}), Code::kResource);
}

TEST(ChatTemplate, LoopsKeepNothingAliveAfterwards) {
  EXPECT_EQ(textOf("{% set n = namespace() %}{% for a in [1, 2] %}{% set n.l = loop %}{{ loop.changed(loop) }}{% endfor %}{{ n.l.changed(n.l) }}{{ n.l.last }}"), "TrueFalseTrueTrue");
  EXPECT_EQ(textOf("{% set n = namespace() %}{% set n.n = n %}{{ n.n.n == n }}"), "True");
}

TEST(ChatTemplate, IsSafeFromSeveralThreads) {
  const auto parsed = ChatTemplate::parse("{% set n = namespace(c=0) %}{% macro m(a) %}{{ a }}{% endmacro %}{% for x in range(200) %}{% set n.c = n.c + x %}{{ m(x) }}{% endfor %}{{ n.c }}");
  ASSERT_TRUE(parsed);
  const std::string once = textOf("{% for x in range(200) %}{{ x }}{% endfor %}19900");
  std::vector<std::thread> threads;
  std::vector<std::string> texts(4);
  for (std::string& text : texts)
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i)
        text = parsed->render(Json::object()).value().at(0).text;
    });
  for (std::thread& thread : threads)
    thread.join();
  for (const std::string& text : texts)
    EXPECT_EQ(text, once);
}

} // namespace
} // namespace jinx::chat
