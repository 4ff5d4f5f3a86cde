// UTF-8, and what stands for bytes that are none.
#include "runtime/text/Utf8.h"

#include "gtest/gtest.h"

#include "runtime/text/Unicode.h"

namespace jinx::text {
namespace {

TEST(Utf8, ReadsSequencesOfEachLength) {
  const std::string text = "a\u00e9\u20ac\U0001F600";
  const char32_t codes[] = {'a', 0xE9, 0x20AC, 0x1F600};
  size_t at = 0;
  for (size_t i = 0; i < 4; ++i) {
    const Utf8Sequence s = utf8At(text, at);
    EXPECT_TRUE(s.valid);
    EXPECT_EQ(s.code, codes[i]);
    EXPECT_EQ(s.size, i + 1);
    at += s.size;
  }
  EXPECT_EQ(at, text.size());
}

TEST(Utf8, WritesWhatItReads) {
  for (char32_t code : {0x0u, 0x7Fu, 0x80u, 0x7FFu, 0x800u, 0xD7FFu, 0xE000u, 0xFFFFu, 0x10000u, 0x10FFFFu}) {
    std::string text;
    appendUtf8(text, code);
    EXPECT_EQ(utf8At(text, 0).code, code);
    EXPECT_EQ(utf8At(text, 0).size, text.size());
    EXPECT_TRUE(isUtf8(text));
  }
}

// The example of the Unicode standard, table 3-8, and its neighbors: one U+FFFD for each beginning of a sequence.
TEST(Utf8, ReplacesEachBeginningOfASequence) {
  const std::string r = "\uFFFD";
  EXPECT_EQ(replaceInvalidUtf8("a\xF1\x80\x80\xE1\x80\xC2"
                               "b\x80"
                               "c\x80\xBF"
                               "d"),
            "a" + r + r + r + "b" + r + "c" + r + r + "d");
  EXPECT_EQ(replaceInvalidUtf8("\xC0\x80"), r + r) << "overlong";
  EXPECT_EQ(replaceInvalidUtf8("\xED\xA0\x80"), r + r + r) << "a surrogate";
  EXPECT_EQ(replaceInvalidUtf8("\xF4\x90\x80\x80"), r + r + r + r) << "above U+10FFFF";
  EXPECT_EQ(replaceInvalidUtf8("\xF1\x80\x80", Replace::kBytes), r + r + r);
}

TEST(Utf8, HoldsBackWhatMoreBytesComplete) {
  EXPECT_EQ(completeUtf8("ab"), 2u);
  EXPECT_EQ(completeUtf8("ab\xE2\x82"), 2u);
  EXPECT_EQ(completeUtf8("ab\xE2\x82\xAC"), 5u);
  EXPECT_EQ(completeUtf8("\xF0\x9F\x98"), 0u);
  EXPECT_EQ(completeUtf8("\x80\x80"), 2u) << "nothing completes these";
  EXPECT_EQ(completeUtf8("\xE0\x80"), 2u) << "nor these";
  EXPECT_EQ(completeUtf8(""), 0u);
}

TEST(Unicode, KnowsForms) {
  EXPECT_EQ(normalForm("e\u0301", NormalForm::kNfc), "\u00e9");
  EXPECT_EQ(normalForm("\u00e9", NormalForm::kNfd), "e\u0301");
  EXPECT_EQ(normalForm("\uFB01", NormalForm::kNfkc), "fi");
  EXPECT_EQ(normalForm("\uFB01", NormalForm::kNfc), "\uFB01");
  EXPECT_EQ(normalForm("a\u0301\u0323", NormalForm::kNfd), "a\u0323\u0301") << "marks by their class";
  EXPECT_EQ(normalForm("\uAC01", NormalForm::kNfd), "\u1100\u1161\u11A8");
}

TEST(Unicode, OrdersManyMarksInTime) {
  std::string text = "a";
  for (int i = 0; i < 200'000; ++i)
    text += "\u0301\u0323"; // each pair the wrong way round
  const std::string ordered = normalForm(text, NormalForm::kNfd);
  EXPECT_EQ(ordered.size(), text.size());
  EXPECT_EQ(ordered.substr(0, 3), "a\u0323");
}

} // namespace
} // namespace jinx::text
