// Sets of characters, and numbers between bounds, beside their definitions.
#include <random>

#include "gtest/gtest.h"

#include "runtime/grammar/CharSet.h"
#include "runtime/grammar/Decimal.h"
#include "runtime/text/Utf8.h"

namespace jinx::grammar {
namespace {

bool isIn(const std::vector<ByteRanges>& ranges, const std::string& bytes) {
  size_t found = 0;
  for (const ByteRanges& one : ranges) {
    bool fits = one.size == bytes.size();
    for (uint32_t i = 0; fits && i < one.size; ++i)
      fits = one.bytes[i].first <= static_cast<uint8_t>(bytes[i]) && static_cast<uint8_t>(bytes[i]) <= one.bytes[i].second;
    found += fits;
  }
  EXPECT_LE(found, 1u);
  return found > 0;
}

TEST(CharSet, IsTheSameInBytes) {
  const CharSet sets[] = {CharSet::all(), CharSet({{'a', 'z'}}), CharSet({{0x7F, 0x80}, {0x7FF, 0x800}, {0xFFFF, 0x10000}}), CharSet({{0xE9, 0x4E2D}}), CharSet({{0xD000, 0xE123}}),
                          CharSet({{'a', 'c'}, {0x123, 0x10ABCD}}).complement()};
  for (const CharSet& set : sets) {
    const auto ranges = utf8Ranges(set);
    for (char32_t code = 0; code <= 0x10FFFF; code += code < 0x3000 || (code > 0xCF00 && code < 0x10100) ? 1 : 61) {
      if (code >= 0xD800 && code < 0xE000) continue;
      std::string bytes;
      text::appendUtf8(bytes, code);
      ASSERT_EQ(isIn(ranges, bytes), set.contains(code)) << static_cast<uint32_t>(code);
    }
  }
}

TEST(CharSet, HasNoSurrogatesAndNoBrokenBytes) {
  const auto ranges = utf8Ranges(CharSet::all());
  for (const char* bytes : {"\xED\xA0\x80", "\xED\xBF\xBF", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\x80", "\xFF"})
    EXPECT_FALSE(isIn(ranges, bytes));
}

TEST(CharSet, Algebra) {
  const CharSet a({{'a', 'm'}, {'x', 'z'}}), b({{'k', 'y'}});
  EXPECT_EQ(a.intersect(b), CharSet({{'k', 'm'}, {'x', 'y'}}));
  EXPECT_EQ(a.without(b), CharSet({{'a', 'j'}, {'z', 'z'}}));
  EXPECT_EQ(a.complement().complement(), a);
  CharSet digits;
  ASSERT_TRUE(CharSet::ofCategory("Nd", digits));
  EXPECT_TRUE(digits.contains('7') && digits.contains(0x664) && !digits.contains('a'));
  EXPECT_FALSE(CharSet::ofCategory("Greek", digits));
}

// ---- numbers --------------------------------------------------------------------------------------------------------------------------

/// Thousandths of a decimal with at most three digits behind the point.
int64_t thousandths(const std::string& text) {
  const bool isNegative = text[0] == '-';
  const size_t point = std::min(text.find('.'), text.size());
  std::string digits = text.substr(isNegative, point - isNegative), fraction = point < text.size() ? text.substr(point + 1) : "";
  fraction.resize(3, '0');
  const int64_t value = std::stoll(digits + fraction);
  return isNegative ? -value : value;
}

std::string randomNumber(std::mt19937& rng, bool isInteger) {
  std::string text = rng() % 3 == 0 ? "-" : "";
  text += std::to_string(rng() % (rng() % 2 ? 12 : 1200));
  if (!isInteger && rng() % 2) {
    text += '.';
    for (size_t i = 0; i <= rng() % 3; ++i)
      text += static_cast<char>('0' + rng() % (rng() % 2 ? 2 : 10));
  }
  return text;
}

TEST(Decimal, NumbersBetweenBounds) {
  std::mt19937 rng(1);
  Budget budget({.compileSeconds = 100});
  for (int round = 0; round < 300; ++round) {
    const bool isInteger = round % 3 == 0;
    std::optional<Bound> low, high;
    const std::string lowText = randomNumber(rng, round % 2), highText = randomNumber(rng, round % 2);
    if (rng() % 4) low = Bound{*parseDecimal(lowText), rng() % 2 == 0};
    if (rng() % 4) high = Bound{*parseDecimal(highText), rng() % 2 == 0};
    Nfa nfa;
    nfa.setFinal(addNumber(nfa, nfa.start(), low, high, isInteger));
    const auto dfa = determinize(nfa, budget, 100000);
    ASSERT_TRUE(dfa.isOk() && dfa->has_value());
    for (int i = 0; i < 200; ++i) {
      const std::string text = i == 0 ? lowText : i == 1 ? highText : i == 2 ? lowText + (lowText.find('.') == std::string::npos ? ".0" : "0") : randomNumber(rng, false);
      const int64_t value = thousandths(text);
      bool isInside = !isInteger || text.find('.') == std::string::npos;
      if (low) isInside &= low->isOpen ? value > thousandths(lowText) : value >= thousandths(lowText);
      if (high) isInside &= high->isOpen ? value < thousandths(highText) : value <= thousandths(highText);
      if (value == 0 && text[0] == '-') continue; // -0 is there where there is something below it
      ASSERT_EQ(accepts(**dfa, text), isInside) << text << " in " << (low ? lowText : "") << (low && low->isOpen ? " open" : "") << ", " << (high ? highText : "") << (high && high->isOpen ? " open" : "");
    }
  }
}

TEST(Decimal, IsReadExactly) {
  const auto text = [](const char* number) {
    const Decimal d = *parseDecimal(number);
    return (d.isNegative ? "-" : "") + d.whole + "." + d.fraction;
  };
  EXPECT_EQ(text("-120.500"), "-120.5");
  EXPECT_EQ(text("1.25e3"), "1250.");
  EXPECT_EQ(text("1.25e-3"), ".00125");
  EXPECT_EQ(text("-0.0"), ".");
  EXPECT_EQ(text("12e1"), "120.");
  EXPECT_EQ(text("0.001e2"), ".1");
  EXPECT_EQ(parseDecimal("1e401").status().code(), Code::kResource);
  EXPECT_EQ(parseDecimal("1e-999999999999999999").status().code(), Code::kResource);
  EXPECT_LT(compare(*parseDecimal("-2"), *parseDecimal("-1.5")), 0);
  EXPECT_GT(compare(*parseDecimal("10"), *parseDecimal("9.99")), 0);
  EXPECT_EQ(compare(*parseDecimal("1e2"), *parseDecimal("100.0")), 0);
}

} // namespace
} // namespace jinx::grammar
