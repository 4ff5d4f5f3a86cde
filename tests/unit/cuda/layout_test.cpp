// Layouts as linear maps: what fragments hold, against the tables of the PTX ISA ("Matrix Fragments for mma.m16n8k16"); banks.
#include <gtest/gtest.h>

#include "codegen/cuda/Layout.h"
#include "codegen/cuda/WarpFragments.h"
#include "codegen/cuda/WgmmaFragments.h"

namespace jinx::cuda {
namespace {

const WarpGrid kOne{1, 1, 16, 32}, kGrids[] = {{1, 1, 16, 32}, {2, 2, 128, 128}, {2, 4, 128, 256}, {1, 4, 32, 128}, {4, 1, 64, 64}};

TEST(Layout, IsTheXorOfItsBits) {
  Layout layout({{"row", 2}, {"column", 2}});
  layout.input("register", {{0, 1}, {2, 0}}).input("lane", {{1, 2}, {1, 0}});
  EXPECT_EQ(layout.at({{"register", 3}, {"lane", 3}}), (Layout::Place{2, 3}));
  EXPECT_TRUE(layout.isBijective());
}

TEST(Layout, KnowsWhatIsHeldTwiceOrNotAtAll) {
  EXPECT_FALSE(Layout({{"row", 2}}).input("lane", {{1}, {1}}).isBijective());
  EXPECT_FALSE(Layout({{"row", 3}}).input("lane", {{1}, {2}}).isBijective());
  EXPECT_FALSE(Layout({{"row", 2}}).input("lane", {{1}, {6}}).isBijective()) << "6 is no row of four";
  EXPECT_FALSE(Layout({{"row", 2}}).input("lane", {{1}, {2}, {3}}).isBijective());
}

TEST(Layout, PrintsRunsOfBitsAsOneTerm) {
  Layout layout({{"row", 4}, {"column", 4}});
  layout.input("lane", {{0, 2}, {0, 4}, {1, 0}, {2, 0}, {4, 0}}).input("i", {{8, 0}});
  EXPECT_EQ(layout.text("row", {{"lane", "lane"}, {"i", "i"}}), "lane / 4 + i * 8");
  EXPECT_EQ(layout.text("column", {{"lane", "lane"}, {"i", "i"}}), "lane % 4 * 2");
  EXPECT_EQ(layout.text("column", {{"i", "i"}}), "0");
}

/// What a text computes, of one variable: sums of "v / a % b * c".
int64_t computed(const std::string &text, int64_t lane) {
  int64_t sum = 0;
  for (size_t from = 0; from < text.size();) {
    size_t to = std::min(text.find(" + ", from), text.size());
    std::string term = text.substr(from, to - from);
    int64_t value = term.rfind("lane", 0) == 0 ? lane : std::stoll(term);
    for (size_t at = term.find(' '); at != std::string::npos; at = term.find(' ', at + 3)) {
      int64_t by = std::stoll(term.substr(at + 3));
      value = term[at + 1] == '/' ? value / by : term[at + 1] == '%' ? value % by : value * by;
    }
    sum += value;
    from = to + 3;
  }
  return sum;
}

TEST(Layout, TextComputesWhatTheMapSays) {
  for (const WarpGrid &grid : kGrids)
    for (Operand operand : {Operand::kA, Operand::kB}) {
      const Layout layout = matrixRows(operand, grid);
      for (const char *output : {"row", "byte"}) {
        std::string text = layout.text(output, {{"lane", "lane"}});
        for (int64_t lane = 0; lane < 32; ++lane) EXPECT_EQ(computed(text, lane), layout.at(output, {{"lane", lane}})) << text;
      }
    }
}

TEST(WarpFragments, HoldEveryElementOnce) {
  for (const WarpGrid &grid : kGrids) {
    EXPECT_TRUE(sumsLayout(grid).isBijective());
    EXPECT_TRUE(swizzledRows(Operand::kA, grid.rows).isBijective());
    EXPECT_TRUE(swizzledRows(Operand::kB, grid.columns).isBijective());
  }
  // Operands: warps side by side hold the same of A. One warp of each row of warps holds everything but the bytes of a word.
  Layout words = wordsLayout(Operand::kA, kOne);
  std::set<Layout::Place> seen;
  for (int64_t r = 0; r < 4; ++r)
    for (int64_t lane = 0; lane < 32; ++lane) seen.insert(words.at({{"register", r}, {"lane", lane}}));
  EXPECT_EQ(seen.size(), 16u * 8);
}

// PTX ISA, mma.m16n8k16 with .f16 / .bf16: groupID = lane >> 2, threadID_in_group = lane % 4.
TEST(WarpFragments, AreThoseOfThePtxIsa) {
  const Layout sums = sumsLayout(kOne), a = wordsLayout(Operand::kA, kOne), b = wordsLayout(Operand::kB, kOne);
  for (int64_t lane = 0; lane < 32; ++lane) {
    const int64_t group = lane >> 2, inGroup = lane % 4;
    for (int64_t i = 0; i < 8; ++i) {  // a0 … a7, two to a word
      const int64_t row = i < 2 || (i >= 4 && i < 6) ? group : group + 8, column = inGroup * 2 + (i & 1) + (i >= 4 ? 8 : 0);
      const Layout::Place at = a.at({{"register", i / 2}, {"lane", lane}});
      EXPECT_EQ(at[0], row);
      EXPECT_EQ(at[1] / 2 + i % 2, column);
    }
    for (int64_t q = 0; q < 4; ++q) {  // four instructions, whose columns of B are chosen
      auto column = [&](int64_t j) { return 8 * (j / 2) + 2 * q + j % 2; };
      for (int64_t i = 0; i < 4; ++i) {  // b0 … b3
        const Layout::Place at = b.at({{"register", 2 * q + i / 2}, {"lane", lane}});
        EXPECT_EQ(at[0], column(group));
        EXPECT_EQ(at[1] / 2 + i % 2, inGroup * 2 + (i & 1) + (i >= 2 ? 8 : 0));
      }
      for (int64_t i = 0; i < 4; ++i) {  // c0 … c3
        const Layout::Place at = sums.at({{"register", 4 * q + i}, {"lane", lane}});
        EXPECT_EQ(at[0], i < 2 ? group : group + 8);
        EXPECT_EQ(at[1], column(inGroup * 2 + (i & 1)));
      }
    }
  }
}

// ldmatrix: lane l / 8 * 8 + r names row r of matrix l / 8; lane 4r + c gets its bytes 4c … 4c + 3.
TEST(WarpFragments, MatricesLandWhereTheirWordsBelong) {
  for (const WarpGrid &grid : kGrids)
    for (Operand operand : {Operand::kA, Operand::kB}) {
      const Layout words = wordsLayout(operand, grid), rows = matrixRows(operand, grid);
      for (int64_t lane = 0; lane < 32; ++lane)
        for (int64_t matrix = 0; matrix < 4; ++matrix) {
          Layout::Place named = rows.at({{"lane", matrix * 8 + lane / 4}}), held = words.at({{"register", matrix}, {"lane", lane}});
          EXPECT_EQ(named[0], held[0]);
          EXPECT_EQ(named[1] + lane % 4 * 4, held[1]);
        }
    }
}

TEST(WarpFragments, ReadsAndCopiesMeetNoBankTwice) {
  for (const WarpGrid &grid : kGrids)
    for (Operand operand : {Operand::kA, Operand::kB}) {
      const int64_t count = operand == Operand::kA ? grid.rows : grid.columns;
      const Layout rows = matrixRows(operand, grid), memory = swizzledRows(operand, count);
      int plain = 0;
      for (int64_t step = 0; step < 4; ++step) {
        std::vector<int64_t> addresses, unswizzled;
        for (int64_t lane = 0; lane < 32; ++lane) {
          Layout::Place at = rows.at({{"lane", lane}});
          addresses.push_back(memory.at("offset", {{"row", at[0]}, {"byte", at[1] + step * 32}}));
          unswizzled.push_back(at[0] * 128 + at[1] + step * 32);
        }
        EXPECT_EQ(wavefronts(addresses, 16), 4);
        plain += wavefronts(unswizzled, 16);
      }
      EXPECT_EQ(plain, 4 * 32) << "without the swizzle all eight rows lie in the same banks";
      std::vector<int64_t> copied;
      for (int64_t lane = 0; lane < 32; ++lane) copied.push_back(memory.at("offset", {{"row", lane / 8}, {"byte", lane % 8 * 16}}));
      EXPECT_EQ(wavefronts(copied, 16), 4);
    }
}

TEST(Wavefronts, CountWordsOfTheBusiestBank) {
  std::vector<int64_t> same(32, 64), apart(32), strided(32);
  for (int64_t i = 0; i < 32; ++i) apart[i] = 4 * i, strided[i] = 8 * i;
  EXPECT_EQ(wavefronts(same, 4), 1);
  EXPECT_EQ(wavefronts(apart, 4), 1);
  EXPECT_EQ(wavefronts(strided, 4), 2);
  EXPECT_EQ(wavefronts(strided, 8), 2) << "of 8 bytes sixteen lanes at a time";
}

// PTX ISA, "Register Fragments for wgmma.mma_async", D: row = 16 * (warp % 4) + lane / 4 (+ 8 for i % 4 >= 2), column = 8 * (i / 4) + lane % 4 * 2
// + i % 2.
TEST(WgmmaFragments, AreThoseOfThePtxIsa) {
  for (int64_t columns : {8, 16, 64, 96, 128, 256}) {
    const Layout sums = warpgroupSums(columns);
    EXPECT_EQ(sums.isBijective(), true) << columns;
    for (int64_t thread = 0; thread < 128; ++thread)
      for (int64_t i = 0; i < columns / 2; ++i) {
        const int64_t row = 16 * (thread / 32) + thread % 32 / 4 + (i % 4 >= 2 ? 8 : 0), column = 8 * (i / 4) + thread % 4 * 2 + i % 2;
        EXPECT_EQ(sums.at({{"e", i % 2}, {"h", i / 2 % 2}, {"j", i / 4}, {"lane", thread % 32}, {"warp", thread / 32}}), (Layout::Place{row, column}));
      }
  }
}

// The copy engine's swizzle, of which the device library has the formula; and rows of a patch that stmatrix writes lie in different banks.
TEST(WgmmaFragments, PatchesAreSwizzledAndWrittenWithoutConflicts) {
  for (int64_t bytes : {32, 64, 128}) {
    const Layout patch = stagingPatch(bytes);
    EXPECT_TRUE(patch.isBijective()) << bytes;
    for (int64_t row = 0; row < 16; ++row)
      for (int64_t at = 0; at < bytes; ++at)
        EXPECT_EQ(patch.at("offset", {{"row", row}, {"byte", at}}), row * bytes + ((at / 16) ^ (row * bytes / 128 % (bytes / 16))) * 16 + at % 16);
    for (int64_t chunk = 0; chunk < bytes / 16; chunk += 2) {
      std::vector<int64_t> written;  // a row of 16 bytes for each lane
      for (int64_t lane = 0; lane < 32; ++lane) written.push_back(patch.at("offset", {{"row", lane % 16}, {"byte", (chunk + lane / 16) * 16}}));
      EXPECT_EQ(wavefronts(written, 16), 4) << "512 bytes take four";
    }
  }
}

}  // namespace
}  // namespace jinx::cuda
