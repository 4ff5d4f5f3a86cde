// Patterns over names, and files of sharding rules: what is read is what was written; what no file may hold is in tests/lit/driver/shard_errors.test.
#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "passes/Dist/ValueNames.h"
#include "tools/driver/ShardFile.h"

namespace jinx {
namespace {

/// Every way to cut the name among the pattern's characters: a definition, not an algorithm.
bool fits(const std::string& pattern, const std::string& name) {
  if (pattern.empty()) return name.empty();
  if (pattern[0] == '*') return fits(pattern.substr(1), name) || (!name.empty() && fits(pattern, name.substr(1)));
  return !name.empty() && (pattern[0] == '?' || pattern[0] == name[0]) && fits(pattern.substr(1), name.substr(1));
}

TEST(Glob, Names) {
  const std::tuple<const char*, const char*, bool> cases[] = {
      {"blk.*.ffn_up.weight", "blk.11.ffn_up.weight", true},
      {"blk.*.ffn_up.weight", "blk.1.ffn_up.weight#1", false},
      {"blk.*.ffn_up.weight*", "blk.1.ffn_up.weight#1", true},
      {"*", "", true},
      {"*", "/a/b", true},
      {"", "", true},
      {"", "a", false},
      {"x", "X", false},
      {"a*b*c", "a.b.bc", true},
      {"a*b*c", "a.bcb", false},
      {"**a", "ba", true},
      {"?", "", false}, {"?", "a", true},
  };
  for (const auto& [pattern, name, expected] : cases)
    EXPECT_EQ(passes::matchesGlob(pattern, name), expected) << pattern << " " << name;
}

TEST(Glob, AllShortOnes) {
  const std::string letters = "ab*?";
  auto word = [&](int number, int length, int most) {
    std::string text;
    for (int i = 0; i < length; ++i, number /= most)
      text += letters[size_t(number % most)];
    return text;
  };
  for (int lengths = 0; lengths < 25; ++lengths)
    for (int p = 0; p < 256; ++p)
      for (int n = 0; n < 16; ++n) {
        const std::string pattern = word(p, lengths % 5, 4), name = word(n, lengths / 5, 2);
        ASSERT_EQ(passes::matchesGlob(pattern, name), fits(pattern, name)) << pattern << " " << name;
      }
}

TEST(ShardFile, ReadsWhatItWrites) {
  passes::ShardRules rules{{{"dp", 2}, {"tp", 4}}, {{"blk.*.\"up\"", {{{"dp", "tp"}, false}, {{}, false}}, 0}, {"x", {{{"dp"}, true}, {{}, true}}, 3},
                                                 {"y*", {{{"dp"}, false}}, 0, passes::RuleFor::kOutput}}};
  rules.experts = "exchange";
  const std::string text = driver::formatShardFile(rules);
  auto read = driver::parseShardFile(text, "here");
  ASSERT_TRUE(read) << read.status().message();
  EXPECT_EQ(driver::formatShardFile(*read), text);
  ASSERT_EQ(read->rules.size(), 3u);
  EXPECT_EQ(read->ranks(), 8);
  EXPECT_EQ(read->experts, "exchange");
  EXPECT_EQ(read->rules[0].values, "blk.*.\"up\"");
  EXPECT_EQ(read->rules[0].dims[0].axes, (std::vector<std::string>{"dp", "tp"}));
  EXPECT_FALSE(read->rules[0].dims[0].isOpen);
  EXPECT_TRUE(read->rules[1].dims[1].isOpen);
  EXPECT_TRUE(read->rules[1].dims[1].axes.empty());
  EXPECT_EQ(read->rules[1].priority, 3);
  EXPECT_EQ(read->rules[1].of, passes::RuleFor::kPattern);
  EXPECT_EQ(read->rules[2].values, "y*");
  EXPECT_EQ(read->rules[2].of, passes::RuleFor::kOutput);
  EXPECT_FALSE(read->gathersKeys);
  rules.gathersKeys = true;
  EXPECT_TRUE(driver::parseShardFile(driver::formatShardFile(rules), "here")->gathersKeys);
}

TEST(ShardFile, Shorthand) {
  auto request = driver::readShardRequest("dp=2,tp=4,sp");
  ASSERT_TRUE(request) << request.status().message();
  EXPECT_TRUE(request->isBuiltIn);
  EXPECT_TRUE(request->isSequenceParallel);
  EXPECT_EQ(passes::describe(request->rules.mesh), "dp=2,tp=4");
  EXPECT_FALSE(driver::readShardRequest("tp=4")->isSequenceParallel);
  EXPECT_TRUE(driver::readShardRequest("cp=4,gather")->rules.gathersKeys);
  EXPECT_FALSE(driver::readShardRequest("cp=4")->rules.gathersKeys);
}

TEST(Mesh, Limits) {
  EXPECT_TRUE(passes::parseMesh("a=4096,b=4096"));
  EXPECT_EQ(passes::parseMesh("a=4096,b=4097").status().message(), "the mesh a=4096,b=4097 has too many ranks, expected 16777216 at most");
  EXPECT_EQ(passes::parseMesh("tp=2,tp=2").status().message(), "axis \"tp\" is there twice, expected once");
  EXPECT_EQ(passes::parseMesh("").status().message(), "axis is \"\", expected NAME=RANKS");
}

} // namespace
} // namespace jinx
