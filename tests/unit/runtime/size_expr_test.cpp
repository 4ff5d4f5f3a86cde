// Size formulas: the normal form, its text, and its agreement with plain evaluation.
#include "runtime/base/SizeExpr.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace jinx {
namespace {

SizeExpr parse(std::string_view text) {
  Expected<SizeExpr> e = SizeExpr::parse(text);
  EXPECT_TRUE(e.isOk()) << text << ": " << e.status().message();
  return e ? *e : SizeExpr();
}
std::string canonical(std::string_view text) { return parse(text).str(); }

const SizeExpr n = SizeExpr::symbol("n"), s = SizeExpr::symbol("s"), h = SizeExpr::symbol("h");

TEST(SizeExpr, SumsAreSortedAndMerged) {
  EXPECT_EQ((2 * h + h).str(), "3*h");
  EXPECT_EQ((s * n).str(), "n*s");
  EXPECT_EQ((3 + s + n).str(), "n + s + 3");
  EXPECT_EQ((n - n).str(), "0");
  EXPECT_EQ((3 - n).str(), "-n + 3");
  EXPECT_EQ(((n + 1) * (n - 1)).str(), "n*n - 1");
  EXPECT_EQ(SizeExpr(INT64_MIN).str(), "-9223372036854775808");
  EXPECT_EQ(canonical("n - 9223372036854775808"), "n - 9223372036854775808");
  EXPECT_EQ((INT64_MIN * n * s).str(), "-9223372036854775808*n*s");
  EXPECT_EQ(canonical("-9223372036854775808*n*s + 1"), "-9223372036854775808*n*s + 1");
}

TEST(SizeExpr, DivisionByAConstant) {
  EXPECT_EQ(canonical("(n*s*384) floordiv 384"), "n*s");
  EXPECT_EQ(canonical("(4*h + 3) floordiv 2"), "2*h + 1");
  EXPECT_EQ(canonical("(h + 2*1 - 3) floordiv 2 + 1"), "(h - 1) floordiv 2 + 1");
  EXPECT_EQ(canonical("(h + 1) floordiv 2"), "(h - 1) floordiv 2 + 1") << "one normal form for equal functions";
  EXPECT_EQ(canonical("(h - 2) floordiv 2 + 1"), "h floordiv 2");
  EXPECT_EQ(canonical("(5*h) floordiv 2"), "2*h + h floordiv 2");
  EXPECT_EQ(canonical("(2*h + 1) floordiv 4"), "h floordiv 2");
  EXPECT_EQ(canonical("((h - 1) floordiv 2 + 1 - 1) floordiv 2 + 1"), "(h - 1) floordiv 4 + 1");
  EXPECT_EQ(canonical("(h mod 4) floordiv 4"), "0");
  EXPECT_EQ(canonical("h floordiv -2"), "(-h) floordiv 2");
  EXPECT_EQ(canonical("-7 floordiv 2"), "-3") << "unary minus binds looser than floordiv";
  EXPECT_EQ(canonical("(-7) floordiv 2"), "-4");
}

TEST(SizeExpr, DivisionByASymbol) {
  EXPECT_EQ(floorDiv(n * s, n).str(), "s");
  EXPECT_EQ(floorDiv(n * s + 3, n).str(), "3 floordiv n + s");
  EXPECT_EQ(floorDiv(2 * n * s + 2 * n, 4 * n).str(), floorDiv(s + 1, 2).str());
  EXPECT_EQ(floorDiv(n * s + n, s + 1).str(), "n");
  EXPECT_EQ(ceilDiv(h, s).str(), "(h - 1) floordiv s + 1");
  EXPECT_EQ(ceilDiv(n * s, s).str(), "n");
}

TEST(SizeExpr, Mod) {
  EXPECT_EQ(canonical("(4*h + 3) mod 2"), "1");
  EXPECT_EQ(canonical("(h - 1) mod 4"), "(h + 3) mod 4");
  EXPECT_EQ(canonical("(2*h) mod 4"), "2*(h mod 2)");
  EXPECT_EQ(canonical("(h mod 4) mod 4"), "h mod 4");
  EXPECT_EQ(mod(n * s + 3, n).str(), "3 mod n");
  EXPECT_EQ(canonical("(-7) mod 4"), "1");
}

TEST(SizeExpr, MaxAndMin) {
  EXPECT_EQ(max(n, 0).str(), "n");
  EXPECT_EQ(min(n, 0).str(), "0");
  EXPECT_EQ(max(n, n + 1).str(), "n + 1");
  EXPECT_EQ(max(s, n).str(), "max(n, s)");
  EXPECT_EQ(max(max(s, h), n), max(s, max(n, h)));
  EXPECT_EQ(max(SizeExpr(7), 9).str(), "9");
  EXPECT_EQ(min(n, 5).str(), "min(5, n)");
  EXPECT_EQ(max(SizeExpr(INT64_MIN), INT64_MAX).str(), std::to_string(INT64_MAX)) << "their difference overflows";
  EXPECT_EQ(min(SizeExpr(INT64_MIN), INT64_MAX).str(), std::to_string(INT64_MIN));
  EXPECT_EQ(max(n + INT64_MIN, n + INT64_MAX).evaluate([](auto) { return 0; }), INT64_MAX);
}

TEST(SizeExpr, InvalidAbsorbs) {
  SizeExpr big(INT64_MAX);
  EXPECT_EQ((big + 1).str(), "1 floordiv 0");
  EXPECT_TRUE((big * big).isInvalid());
  EXPECT_TRUE((0 * (big + 1)).isInvalid());
  EXPECT_TRUE(floorDiv(n, 0).isInvalid());
  EXPECT_TRUE(mod(n, 0).isInvalid());
  EXPECT_TRUE(max(floorDiv(n, 0), 3).isInvalid());
  EXPECT_TRUE(parse("1 floordiv 0").isInvalid());
  EXPECT_FALSE(floorDiv(n, 0).evaluate([](auto) { return 1; }).has_value());
  SizeExpr square = n + s + h + 1;
  for (int i = 0; i < 40; ++i)
    square = square * square; // would have 10^12 terms
  EXPECT_TRUE(square.isInvalid());
  SizeExpr deep = n;
  for (int i = 0; i < 1000; ++i)
    deep = floorDiv(s, deep + i);
  EXPECT_TRUE(deep.isInvalid());
}

TEST(SizeExpr, Queries) {
  EXPECT_TRUE(n.isSymbol());
  EXPECT_FALSE((n + 1).isSymbol());
  EXPECT_FALSE((2 * n).isSymbol());
  EXPECT_EQ(SizeExpr(4).constant(), 4);
  EXPECT_EQ(n.constant(), std::nullopt);
  EXPECT_EQ((floorDiv(s * s + n, h + 1)).symbols(), (std::vector<std::string>{"h", "n", "s"}));
  EXPECT_EQ((6 * n + 9).knownDivisor(), 3);
  EXPECT_EQ(SizeExpr(0).knownDivisor(), 0);
  EXPECT_EQ((8 * max(4 * n, 6)).knownDivisor(), 16);
  EXPECT_TRUE((n + 3).isAtLeast(3));
  EXPECT_FALSE(n.isAtLeast(1));
  EXPECT_TRUE(n.isAtLeast(1, 1));
  EXPECT_TRUE((n * s - n).isAtLeast(0, 1));
  EXPECT_FALSE((n * s - n).isAtLeast(0));
  EXPECT_TRUE(parse("(h - 1) floordiv 2 + 1").isAtLeast(0));
  EXPECT_TRUE(parse("(h - 1) floordiv 2 + 1").isAtLeast(1, 1));
  EXPECT_EQ((n * s * 4).exactDivide(2 * n)->str(), "2*s");
  EXPECT_FALSE((n * s + 1).exactDivide(n).has_value());
  EXPECT_FALSE((3 * n).exactDivide(2).has_value());
  EXPECT_FALSE(n.exactDivide(0).has_value());
  EXPECT_EQ(SizeExpr(0).exactDivide(n)->str(), "0");
}

TEST(SizeExpr, Substitute) {
  SizeExpr e = floorDiv(n + s, 2);
  auto four = [](std::string_view name) -> std::optional<SizeExpr> {
    if (name == "s") return SizeExpr::symbol("n") + 4;
    return std::nullopt;
  };
  EXPECT_EQ(e.substitute(four).str(), "n + 2");
}

TEST(SizeExpr, BadTextIsAnError) {
  for (const char* text :
       {"", "n +", "(n", "n)", "n s", "max(n)", "max(n, ", "9223372036854775808", "2 floordiv", "@", "n..+ +", "*n"})
    EXPECT_FALSE(SizeExpr::parse(text).isOk()) << text;
  EXPECT_FALSE(SizeExpr::parse(std::string(100000, '(')).isOk());
  EXPECT_FALSE(SizeExpr::parse(std::string(100000, '-')).isOk());
  EXPECT_FALSE(SizeExpr::parse(std::string(1 << 20, 'n')).isOk());
  EXPECT_EQ(SizeExpr::parse("n + $").status().message(),
            "size formula \"n + $\": a number, a name or '(' expected at column 5");
}

TEST(SizeExpr, KeywordsCanBeNames) {
  EXPECT_EQ(canonical("max + mod mod floordiv"), "max + mod mod floordiv");
  EXPECT_EQ(canonical("x.y_0$ * 2"), "2*x.y_0$");
}

// ---- properties over random trees, against evaluation that never normalises ----

struct Node {
  int kind; // 0 constant, 1 symbol, 2 + 3 - 4 * 5 floordiv 6 ceildiv 7 mod 8 max 9 min
  int64_t value = 0;
  std::vector<Node> kids;
};

const char* kNames[] = {"a", "b", "c"};

Node randomNode(std::mt19937& rng, int depth) {
  auto pick = [&](int k) { return static_cast<int>(rng() % k); };
  if (depth == 0 || pick(5) == 0) {
    if (pick(2)) return {1, pick(3), {}};
    return {0, pick(12) - 4, {}};
  }
  Node node{2 + pick(8), 0, {}};
  node.kids.push_back(randomNode(rng, depth - 1));
  node.kids.push_back(pick(2) ? Node{0, pick(9) - 2, {}} : randomNode(rng, depth - 1));
  return node;
}

SizeExpr build(const Node& node) {
  if (node.kind == 0) return node.value;
  if (node.kind == 1) return SizeExpr::symbol(kNames[node.value]);
  SizeExpr a = build(node.kids[0]), b = build(node.kids[1]);
  switch (node.kind) {
  case 2:
    return a + b;
  case 3:
    return a - b;
  case 4:
    return a * b;
  case 5:
    return floorDiv(a, b);
  case 6:
    return ceilDiv(a, b);
  case 7:
    return mod(a, b);
  case 8:
    return max(a, b);
  default:
    return min(a, b);
  }
}

std::optional<int64_t> brute(const Node& node, const int64_t* values) {
  if (node.kind == 0) return node.value;
  if (node.kind == 1) return values[node.value];
  std::optional<int64_t> a = brute(node.kids[0], values), b = brute(node.kids[1], values);
  if (!a || !b) return std::nullopt;
  __int128 x = *a, y = *b, r;
  auto floorDivide = [](__int128 p, __int128 q) {
    __int128 t = p / q;
    return t * q != p && ((p < 0) != (q < 0)) ? t - 1 : t;
  };
  if (node.kind >= 5 && node.kind <= 7 && y == 0) return std::nullopt;
  if (node.kind == 6 && y < 0 && node.kids[1].kind != 0)
    return std::nullopt; // a symbolic divisor is taken to be positive
  switch (node.kind) {
  case 2:
    r = x + y;
    break;
  case 3:
    r = x - y;
    break;
  case 4:
    r = x * y;
    break;
  case 5:
    r = floorDivide(x, y);
    break;
  case 6:
    r = -floorDivide(-x, y);
    break;
  case 7:
    r = x - y * floorDivide(x, y);
    break;
  case 8:
    r = std::max(x, y);
    break;
  default:
    r = std::min(x, y);
    break;
  }
  if (r > 1'000'000'000'000 || r < -1'000'000'000'000) return std::nullopt;
  return static_cast<int64_t>(r);
}

TEST(SizeExprProperty, AgreesWithPlainEvaluation) {
  int compared = 0;
  for (unsigned seed = 0; seed < 6000; ++seed) {
    std::mt19937 rng(seed);
    Node node = randomNode(rng, 1 + static_cast<int>(seed % 5));
    SizeExpr e = build(node);
    SizeProgram program;
    auto slot = [](std::string_view name) { return name == "a" ? 0 : name == "b" ? 1 : name == "c" ? 2 : -1; };
    Expected<SizeProgram> compiled = SizeProgram::compile(e, slot);
    ASSERT_TRUE(compiled.isOk());
    Expected<SizeExpr> reparsed = SizeExpr::parse(e.str());
    ASSERT_TRUE(reparsed.isOk()) << e.str();
    EXPECT_EQ(reparsed->str(), e.str()) << "seed " << seed;
    int64_t divisor = e.knownDivisor();
    for (int trial = 0; trial < 12; ++trial) {
      int64_t values[] = {static_cast<int64_t>(rng() % 9), static_cast<int64_t>(rng() % 70),
                          static_cast<int64_t>(rng() % 5)};
      auto lookup = [&](std::string_view name) { return std::optional<int64_t>(values[slot(name)]); };
      std::optional<int64_t> got = e.evaluate(lookup);
      bool ok = true;
      int64_t programmed = compiled->run(values, &ok);
      EXPECT_EQ(ok, got.has_value()) << e.str();
      EXPECT_EQ(programmed, got.value_or(0)) << e.str();
      std::optional<int64_t> want = brute(node, values);
      if (!want || e.isInvalid()) continue;
      ++compared;
      ASSERT_TRUE(got.has_value()) << "seed " << seed << " " << e.str();
      ASSERT_EQ(*got, *want) << "seed " << seed << " " << e.str();
      if (divisor != 0) EXPECT_EQ(*got % divisor, 0) << e.str();
      if (e.isAtLeast(1)) EXPECT_GE(*got, 1) << e.str();
      if (values[0] && values[1] && values[2] && e.isAtLeast(2, 1)) EXPECT_GE(*got, 2) << e.str();
    }
  }
  EXPECT_GT(compared, 20000);
}

TEST(SizeExprProperty, ExactDivideInvertsMultiply) {
  int tried = 0;
  for (unsigned seed = 0; seed < 2000; ++seed) {
    std::mt19937 rng(seed);
    SizeExpr a = build(randomNode(rng, 3)), b = build(randomNode(rng, 2));
    if (a.isInvalid() || b.isInvalid() || b.isConstant(0)) continue;
    SizeExpr product = a * b;
    if (product.isInvalid()) continue;
    std::optional<SizeExpr> back = product.exactDivide(b);
    ASSERT_TRUE(back.has_value()) << "seed " << seed << " (" << a.str() << ") * (" << b.str() << ")";
    EXPECT_EQ(back->str(), a.str()) << "seed " << seed;
    ++tried;
  }
  EXPECT_GT(tried, 1000);
}

TEST(SizeExprProperty, RingLaws) {
  for (unsigned seed = 0; seed < 1000; ++seed) {
    std::mt19937 rng(seed);
    SizeExpr a = build(randomNode(rng, 2)), b = build(randomNode(rng, 2)), c = build(randomNode(rng, 2));
    EXPECT_EQ(a + b, b + a);
    EXPECT_EQ((a * b), (b * a));
    EXPECT_EQ((a + b) * c, a * c + b * c) << "seed " << seed;
    EXPECT_EQ(max(a, b), max(b, a)) << "seed " << seed;
    EXPECT_EQ(min(a, max(b, b)), min(b, a)) << "seed " << seed;
  }
}

TEST(SizeProgram, ReportsUnknownSymbolsAndFailures) {
  Expected<SizeProgram> p = SizeProgram::compile(n + s, [](std::string_view name) { return name == "n" ? 0 : -1; });
  ASSERT_FALSE(p.isOk());
  EXPECT_EQ(p.status().message(), "size formula \"n + s\" uses the unknown symbol \"s\"");
  auto both = [](std::string_view name) { return name == "n" ? 3 : 1; };
  SizeProgram quotient = *SizeProgram::compile(floorDiv(s, n), both);
  EXPECT_EQ(quotient.slots(), (std::vector<int>{1, 3}));
  int64_t zero[] = {0, 5, 0, 0}, big[] = {0, INT64_MAX, 0, 1};
  bool ok = true;
  EXPECT_EQ(quotient.run(zero, &ok), 0);
  EXPECT_FALSE(ok);
  ok = true;
  EXPECT_EQ(SizeProgram::compile(2 * s, both)->run(big, &ok), 0);
  EXPECT_FALSE(ok);
  EXPECT_EQ(SizeProgram().run(zero, &ok), 0);
}

} // namespace
} // namespace jinx
