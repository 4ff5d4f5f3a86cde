// Whose is each byte of what a template writes? In these tests the text of a user is written in brackets.
#include <random>

#include "gtest/gtest.h"

#include "runtime/chat/ChatTemplate.h"

namespace jinx::chat {
namespace {

using Json = nlohmann::ordered_json;

const Json& context() {
  static const Json json = {{"s", "ab c"}, {"l", {"x", "y"}}, {"n", 12}, {"d", {{"k", "v"}}}, {"messages", {{{"role", "user"}, {"content", "hi"}}, {{"role", "<|x|>"}, {"content", "ho"}}}}, {"bos_token", "<s>"}};
  return json;
}

std::string marked(std::string_view source) {
  auto parsed = ChatTemplate::parse(source);
  if (!parsed) return parsed.status().message();
  auto pieces = parsed->render(context());
  if (!pieces) return pieces.status().message();
  std::string text;
  for (const Piece& piece : *pieces)
    text += piece.isTemplate ? piece.text : "[" + piece.text + "]";
  return text;
}

TEST(Marks, FollowEveryOperation) {
  const std::pair<const char*, const char*> cases[] = {
      {"a{{ s }}b", "a[ab c]b"},
      {"{{ '<' + s + '>' }}", "<[ab c]>"},
      {"{{ '<' ~ s ~ n ~ 1 ~ '>' }}", "<[ab c12]1>"},
      {"{{ ('<' + s + '>')[0:3] }}", "<[ab]"},
      {"{{ ('<' + s + '>')[::-1] }}", ">[c ba]<"},
      {"{{ ('<' + s + '>') | upper }}", "<[AB C]>"},
      {"{{ ('<' + s + '>').replace('b', 'B') }}", "<[a]B[ c]>"},
      {"{{ '< >'.replace(' ', s) }}", "<[ab c]>"},
      {"{{ (' <' + s) | trim }}", "<[ab c]"},
      {"{{ s | title }}{{ s | capitalize }}", "[Ab CAb c]"},
      {"{{ (s + '-x').split('-') | join('/') }}", "[ab c]/x"},
      {"{{ l | join(', ') }}", "[x], [y]"},
      {"{{ l }}{{ d }}{{ [s] }}", "[['x', 'y']{'k': 'v'}][['ab c']]"},
      {"{{ l | tojson }}{{ d | tojson }}", "[[\"x\", \"y\"]{\"k\": \"v\"}]"},
      {"{{ {'k': 1} | tojson }}", "{\"k\": 1}"},
      {"{{ '%s|%d' % (s, n) }}", "[ab c]|[12]"},
      {"{{ '%5d' | format(n) }}", "   [12]"},
      {"{{ '{}!'.format(s) }}", "[ab c]!"},
      {"{{ n + 1 }}{{ 1 + 1 }}{{ s | length }}{{ n > 3 }}", "[13]2[4True]"},
      {"{% set x %}<{{ s }}>{% endset %}{{ x }}", "<[ab c]>"},
      {"{% macro m(a) %}<{{ a }}>{% endmacro %}{{ m(s) }}{{ m('t') }}", "<[ab c]><t>"},
      {"{% filter upper %}<{{ s }}>{% endfilter %}", "<[AB C]>"},
      {"{% for c in s %}{{ c }}.{% endfor %}", "[a].[b].[ ].[c]."},
      {"{% for k, v in d.items() %}{{ k }}={{ v }}{% endfor %}", "[k]=[v]"},
      {"{{ s if s == 'ab c' else 'no' }}{{ 'yes' if s else 'no' }}", "[ab c]yes"},
      {"{{ (s ~ '\n' ~ s) | indent(2) }}", "[ab c]\n  [ab c]"},
      {"{{ l | map('upper') | list | first }}{{ l | sort | last }}", "[Xy]"},
      {"{{ bos_token }}{{ bos_token + s }}", "<s><s>[ab c]"},
      {"{{ s | e }}{{ ('<' ~ s) | e }}", "[ab c]&lt;[ab c]"},
      {"{{ messages[0].role }}{{ messages[1].role }}", "user[<|x|>]"},
      {"{{ '<|' + messages[0]['role'] + '|>' }}{{ messages[0].content }}", "<|user|>[hi]"},
      {"{{ n | string }}{{ s.find('b') }}{{ loop_text | default(s) }}", "[121ab c]"},
  };
  for (const auto& [source, wanted] : cases)
    EXPECT_EQ(marked(source), wanted) << source;
}

/// Whatever letters a user writes and whatever is done with them, none of them becomes the template's: literals have small letters, the user's text has others.
TEST(Marks, NoLetterOfAUserIsEverTheTemplates) {
  const std::vector<std::string> steps = {"x ~ 'a'",  "'a' ~ x",          "x + s",          "x | reverse",        "x.replace('a', s)",      "x.replace(s, 'a')", "x[1:]",           "x[::2]",
                                          "x.strip()", "[x, s] | join('b')", "x | indent",     "x.split('a') | join", "x | tojson",             "'%s-%s' % (x, s)",  "x.center(9, 'c')", "(x | list) | sort | join",
                                          "x | trim", "{'a': x} | tojson", "x.partition('a')[0] ~ x", "x.removeprefix('a')", "x | string", "[x] | string", "x * 2", "(x | upper) if false else x"};
  std::mt19937 rng(7);
  for (int round = 0; round < 500; ++round) {
    std::string source = "{% set x = s %}";
    for (int i = 0; i < 6; ++i)
      source += "{% set x = " + steps[rng() % steps.size()] + " %}";
    source += "{{ x }}";
    auto pieces = ChatTemplate::parse(source)->render(Json{{"s", "ÄЖ"}});
    ASSERT_TRUE(pieces) << source << ": " << pieces.status().message();
    for (const Piece& piece : *pieces) {
      EXPECT_FALSE(piece.text.empty());
      EXPECT_TRUE(!piece.isTemplate || piece.text.find_first_of("\xC3\xD0") == std::string::npos) << source << ": " << piece.text;
      EXPECT_TRUE(piece.isTemplate || piece.text.find_first_of("abc") == std::string::npos) << source << ": " << piece.text;
    }
  }
}

} // namespace
} // namespace jinx::chat
