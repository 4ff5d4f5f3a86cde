// Stop strings, calls of tools, and JSON: what goes out, and when.
#include "gtest/gtest.h"
#include "runtime/serve/Json.h"
#include "runtime/serve/StopText.h"
#include "runtime/serve/ToolCalls.h"

namespace jinx::serve {
namespace {

/// What is out after all of the text, given in pieces of every size: where it is cut must not matter.
void expectText(const std::string& text, const std::vector<std::string>& stops, const std::string& expected, bool isStopped) {
  for (size_t size = 1; size <= text.size(); ++size) {
    StopText stop(stops);
    std::string out;
    for (size_t at = 0; at < text.size() && !stop.isStopped(); at += size) {
      out += stop.push(text.substr(at, size));
      EXPECT_EQ(out, expected.substr(0, out.size())) << "what is out must never be taken back";
    }
    if (!stop.isStopped()) out += stop.finish();
    EXPECT_EQ(out, expected) << "pieces of " << size;
    EXPECT_EQ(stop.isStopped(), isStopped) << "pieces of " << size;
  }
}

TEST(StopText, GivesTextUpToTheFirst) { expectText("the END of it", {"END"}, "the ", true); }
TEST(StopText, GivesBackWhatOnlyBeganAsOne) { expectText("the EN of it", {"END"}, "the EN of it", false); }
TEST(StopText, FindsOneBehindItsOwnBeginning) { expectText("aaab!", {"aab"}, "a", true); }
TEST(StopText, TakesWhicheverBeginsFirst) { expectText("one two three", {"three", "two"}, "one ", true); }
TEST(StopText, HoldsBackTheEndOfAText) { expectText("abcab", {"abd", "cabx"}, "abcab", false); }
TEST(StopText, HasWholeCharacters) { expectText("für €", {"€"}, "für ", true); }

TEST(StopText, HoldsBackNoMoreThanItMust) {
  StopText stop({"END"});
  EXPECT_EQ(stop.push("the E"), "the ");
  EXPECT_EQ(stop.push("xit"), "Exit");
}

ToolCallReader::Found readIn(const std::string& text, size_t size) {
  ToolCallReader reader({"add", "look"});
  ToolCallReader::Found all;
  const auto append = [&](ToolCallReader::Found found) {
    all.text += found.text;
    all.calls.insert(all.calls.end(), found.calls.begin(), found.calls.end());
  };
  for (size_t at = 0; at < text.size(); at += size)
    append(reader.push(text.substr(at, size)));
  append(reader.finish());
  return all;
}

void expectCalls(const std::string& text, const std::string& rest, const std::vector<std::pair<std::string, std::string>>& calls) {
  for (size_t size = 1; size <= text.size(); ++size) {
    const ToolCallReader::Found found = readIn(text, size);
    EXPECT_EQ(found.text, rest) << "pieces of " << size;
    ASSERT_EQ(found.calls.size(), calls.size()) << "pieces of " << size;
    for (size_t i = 0; i < calls.size(); ++i) {
      EXPECT_EQ(found.calls[i].name, calls[i].first);
      EXPECT_EQ(found.calls[i].arguments, calls[i].second);
    }
  }
}

TEST(ToolCalls, ReadsTaggedOnes) {
  expectCalls("Let me see. <tool_call>\n{\"name\": \"add\", \"arguments\": {\"b\": 1, \"a\": [2]}}\n</tool_call>", "Let me see. ", {{"add", "{\"b\":1,\"a\":[2]}"}});
}
TEST(ToolCalls, ReadsSeveral) {
  expectCalls("<tool_call>{\"name\":\"add\",\"arguments\":{}}</tool_call><tool_call>{\"name\":\"look\",\"arguments\":{}}</tool_call>", "", {{"add", "{}"}, {"look", "{}"}});
}
TEST(ToolCalls, ReadsPlainOnes) { expectCalls("{\"name\": \"look\", \"parameters\": {\"at\": \"}\"}}", "", {{"look", "{\"at\":\"}\"}"}}); }
TEST(ToolCalls, LeavesWhatIsNone) {
  expectCalls("{\"name\": \"unknown\", \"parameters\": {}}", "{\"name\": \"unknown\", \"parameters\": {}}", {});
  expectCalls("<tool_call>nothing</tool_call> then", "<tool_call>nothing</tool_call> then", {});
  expectCalls("a < b <tool_ca", "a < b <tool_ca", {});
}
TEST(ToolCalls, ReadsOneThatWasNotClosed) { expectCalls("<tool_call>{\"name\":\"add\",\"arguments\":{}}", "", {{"add", "{}"}}); }

TEST(Json, IsBounded) {
  EXPECT_TRUE(parseJson(std::string(64, '[') + std::string(64, ']')));
  EXPECT_FALSE(parseJson(std::string(65, '[') + std::string(65, ']')));
  EXPECT_FALSE(parseJson(std::string(1000000, '[')));
  std::string keys = "{";
  for (int i = 0; i < 2049; ++i)
    keys += (i > 0 ? ",\"" : "\"") + std::to_string(i) + "\":0";
  EXPECT_FALSE(parseJson(keys + "}"));
  EXPECT_TRUE(parseJson("{\"a\": \":::[[[{{{\\\"[\"}"));
}
TEST(Json, IsStrict) {
  for (const char* text : {"", "{", "{'a': 1}", "[1,]", "nul", "\"\xff\"", "\"\xc3\"", "[1e999]", "{\"a\":1}x", "\"\\ud800\""})
    EXPECT_FALSE(parseJson(text)) << text;
}
TEST(Json, KeepsTheOrderOfKeys) { EXPECT_EQ(dump(*parseJson("{\"b\":1,\"a\":2}")), "{\"b\":1,\"a\":2}"); }

} // namespace
} // namespace jinx::serve
