// Pages: who owns them, which is taken next, what is found again.
#include "runtime/engine/BlockPool.h"

#include <numeric>

#include "gtest/gtest.h"

namespace jinx::engine {
namespace {

constexpr HashKey kKey{11, 12};
const PrefixSalt kSalt{0, 1, 0};

/// `count` tokens from `first` on, one more each.
std::vector<int32_t> text(int32_t first, int32_t count) {
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

/// Allocates and publishes the whole pages of `tokens`. The caller owns a reference of each.
std::vector<int32_t> cache(BlockPool& pool, const std::vector<int32_t>& tokens, const PrefixSalt& salt = kSalt) {
  std::vector<int32_t> pages;
  Hash128 chain = pool.root(salt);
  for (size_t at = 0; at + kPageTokens <= tokens.size(); at += kPageTokens) {
    pages.push_back(pool.allocate());
    chain = pool.publish(pages.back(), chain, salt, std::span(tokens).subspan(at).first<kPageTokens>());
  }
  return pages;
}

BlockPool::Prefix acquire(BlockPool& pool, const std::vector<int32_t>& tokens, std::vector<int32_t>& found, const PrefixSalt& salt = kSalt) {
  found.clear();
  return pool.acquirePrefix(salt, tokens, found);
}

TEST(BlockPool, CountsPages) {
  BlockPool pool(3, kKey);
  EXPECT_EQ(pool.available(), 3);
  const int32_t a = pool.allocate(), b = pool.allocate(), c = pool.allocate();
  EXPECT_EQ(pool.allocate(), kNoPage);
  EXPECT_TRUE(a != b && b != c && a != c);
  pool.release(b, 0, 0);
  EXPECT_TRUE(pool.isFree(b));
  EXPECT_EQ(pool.allocate(), b);
}

TEST(BlockPool, APageWaitsForTheLastStepThatMayTouchIt) {
  BlockPool pool(2, kKey);
  const std::vector<int32_t> tokens = text(0, 16);
  const int32_t page = cache(pool, tokens)[0];
  pool.retain(page);
  pool.release(page, 5, 0); // the later step first
  pool.release(page, 4, 0);
  EXPECT_TRUE(pool.isRetired(page));
  EXPECT_EQ(pool.retired(), 1);
  EXPECT_EQ(pool.available(), 1);
  pool.settle(4);
  EXPECT_TRUE(pool.isRetired(page));
  pool.settle(5);
  EXPECT_TRUE(pool.isFree(page));
  EXPECT_EQ(pool.available(), 2);
}

TEST(BlockPool, ARetiredPageIsFound) {
  BlockPool pool(2, kKey);
  const std::vector<int32_t> tokens = text(0, 16);
  const int32_t page = cache(pool, tokens)[0];
  pool.release(page, 9, 0);
  std::vector<int32_t> found;
  EXPECT_EQ(acquire(pool, tokens, found).pages, 1);
  EXPECT_EQ(found, std::vector{page});
  EXPECT_EQ(pool.retired(), 0);
  pool.settle(9);
  EXPECT_EQ(pool.references(page), 1);
}

TEST(BlockPool, FindsTheLongestPrefixAndATail) {
  BlockPool pool(8, kKey);
  const std::vector<int32_t> tokens = text(0, 48);
  const std::vector<int32_t> pages = cache(pool, tokens);
  pool.release(pages, 0, 0);
  std::vector<int32_t> found, asked = text(0, 40);
  BlockPool::Prefix prefix = acquire(pool, asked, found);
  EXPECT_EQ(prefix.pages, 2);
  EXPECT_EQ(found, (std::vector{pages[0], pages[1]}));
  EXPECT_EQ(prefix.tail.page, pages[2]);
  EXPECT_EQ(prefix.tail.rows, 8);
  pool.release(found, 0, 0);
  asked[20] = 999;
  prefix = acquire(pool, asked, found);
  EXPECT_EQ(prefix.pages, 1);
  EXPECT_EQ(prefix.tail.page, pages[1]);
  EXPECT_EQ(prefix.tail.rows, 4);
  pool.release(found, 0, 0);
  asked[0] = 999;
  prefix = acquire(pool, asked, found);
  EXPECT_EQ(prefix.pages, 0);
  EXPECT_EQ(prefix.tail.rows, 0);
  EXPECT_EQ(pool.available(), 8);
}

TEST(BlockPool, EqualTokensBehindOtherPrefixesDiffer) {
  BlockPool pool(8, kKey);
  std::vector<int32_t> one = text(0, 32), other = one, found;
  other[0] = 77;
  cache(pool, one);
  EXPECT_EQ(acquire(pool, other, found).pages, 0);
}

TEST(BlockPool, SaltsNeverMeet) {
  BlockPool pool(8, kKey);
  const std::vector<int32_t> tokens = text(0, 32);
  cache(pool, tokens, {0, 1, 0});
  std::vector<int32_t> found;
  for (const PrefixSalt& salt : {PrefixSalt{0, 2, 0}, PrefixSalt{1, 0, 0}, PrefixSalt{0, 1, 5}, PrefixSalt{1, 1, 0}}) {
    const BlockPool::Prefix prefix = acquire(pool, tokens, found, salt);
    EXPECT_EQ(prefix.pages, 0);
    EXPECT_EQ(prefix.tail.rows, 0);
  }
  EXPECT_EQ(acquire(pool, tokens, found, {0, 1, 0}).pages, 2);
}

TEST(BlockPool, AHitComparesWhatTheHashStandsFor) {
  PrefixIndex index(4, kKey);
  const std::vector<int32_t> tokens = text(0, 16), others = text(1, 16);
  const PageContent content = std::span(tokens).first<kPageTokens>(), other = std::span(others).first<kPageTokens>();
  const Hash128 root = index.root(kSalt), hash = index.next(root, content);
  index.insert(2, hash, root, kSalt, content);
  EXPECT_EQ(index.find(hash, root, kSalt, content), 2);
  // The same hash: as if it collided.
  EXPECT_EQ(index.find(hash, root, kSalt, other), kNoPage);
  EXPECT_EQ(index.find(hash, hash, kSalt, content), kNoPage);
  EXPECT_EQ(index.find(hash, root, {0, 9, 0}, content), kNoPage);
  EXPECT_FALSE(PrefixIndex(4, {11, 13}).root(kSalt) == root);
  index.erase(2);
  EXPECT_EQ(index.find(hash, root, kSalt, content), kNoPage);
}

TEST(BlockPool, EqualPagesAreToleratedAndTheFirstIsFound) {
  BlockPool pool(4, kKey);
  const std::vector<int32_t> tokens = text(0, 16);
  const int32_t first = cache(pool, tokens)[0], second = cache(pool, tokens)[0];
  EXPECT_TRUE(pool.isPublished(first));
  EXPECT_FALSE(pool.isPublished(second));
  std::vector<int32_t> found;
  acquire(pool, tokens, found);
  EXPECT_EQ(found, std::vector{first});
}

TEST(BlockPool, TakesEmptyPagesThenTailsFirst) {
  BlockPool pool(5, kKey);
  const std::vector<int32_t> pages = cache(pool, text(0, 48));
  pool.release(pages, 0, 1);
  pool.allocate();
  pool.allocate();
  EXPECT_TRUE(pool.isPublished(pages[2])); // there were two without content
  EXPECT_EQ(pool.allocate(), pages[2]);
  EXPECT_EQ(pool.allocate(), pages[1]);
  EXPECT_FALSE(pool.isPublished(pages[1]));
  EXPECT_EQ(pool.allocate(), pages[0]);
}

TEST(BlockPool, RetentionComesBeforeAge) {
  BlockPool pool(4, kKey);
  const int32_t kept = cache(pool, text(0, 16))[0], old = cache(pool, text(100, 16))[0], young = cache(pool, text(200, 16))[0],
                poor = cache(pool, text(300, 16))[0];
  pool.release(kept, 0, 3);
  pool.release(old, 0, 1);
  pool.release(young, 0, 1);
  pool.release(poor, 0, 0);
  // Read again, `old` is the younger one.
  pool.retain(old);
  pool.release(old, 0, 0); // and keeps its priority
  EXPECT_EQ(pool.allocate(), poor);
  EXPECT_EQ(pool.allocate(), young);
  EXPECT_EQ(pool.allocate(), old);
  EXPECT_EQ(pool.allocate(), kept);
}

TEST(BlockPool, APageIsKeptForItsTime) {
  BlockPool pool(5, kKey);
  pool.advance(100);
  const int32_t soon = cache(pool, text(0, 16))[0], later = cache(pool, text(100, 16))[0], always = cache(pool, text(200, 16))[0],
                low = cache(pool, text(300, 16))[0], never = cache(pool, text(400, 16))[0];
  pool.release(later, 0, {3, 20});
  pool.release(soon, 0, {3, 10});
  pool.release(always, 0, 1);
  pool.release(low, 0, 0);
  pool.release(never, 0, {2, 0});
  EXPECT_EQ(pool.keptWith(soon), 3);
  EXPECT_EQ(pool.keptWith(never), -1);
  pool.advance(109.9);
  EXPECT_EQ(pool.keptWith(soon), 3);
  pool.advance(110);
  EXPECT_EQ(pool.keptWith(soon), -1);
  EXPECT_EQ(pool.keptWith(later), 3);
  pool.advance(50); // a clock that goes back changes nothing
  EXPECT_EQ(pool.available(), 5);
  for (const int32_t page : {never, soon, low, always, later})
    EXPECT_EQ(pool.allocate(), page);
}

TEST(BlockPool, OwnersTogetherSayHowLongAPageIsKept) {
  BlockPool pool(3, kKey);
  const std::vector<int32_t> pages = cache(pool, text(0, 48));
  pool.retain(pages[0]);
  pool.release(pages[0], 0, {3, 10});
  pool.release(pages[0], 0, {1, 30});
  pool.release(pages[1], 0, {1, 20});
  pool.release(pages[2], 0, {1, 40});
  const auto kept = [&](double now_s) {
    pool.advance(now_s);
    return std::vector{pool.keptWith(pages[0]), pool.keptWith(pages[1]), pool.keptWith(pages[2])};
  };
  EXPECT_EQ(kept(9), (std::vector{3, 1, 1}));
  EXPECT_EQ(kept(10), (std::vector{1, 1, 1}));
  EXPECT_EQ(kept(20), (std::vector{1, -1, 1}));
  pool.retain(pages[0]); // found again, by one that only looks: its time goes on
  EXPECT_EQ(kept(30)[2], 1);
  pool.release(pages[0], 0, Retention::unchanged());
  EXPECT_EQ(kept(31), (std::vector{-1, -1, 1}));
  pool.retain(pages[0]); // and by one that wants it
  pool.release(pages[0], 0, {2, 5});
  EXPECT_EQ(kept(35), (std::vector{2, -1, 1}));
  EXPECT_EQ(kept(36), (std::vector{-1, -1, 1}));
  EXPECT_EQ(pool.allocate(), pages[1]);
  EXPECT_EQ(pool.allocate(), pages[0]);
  EXPECT_EQ(pool.allocate(), pages[2]);
}

TEST(BlockPool, DeadlinesOfPagesThatAreUsedAgainAreForgotten) {
  BlockPool pool(2, kKey);
  const int32_t page = cache(pool, text(0, 16))[0];
  pool.release(page, 0, {2, 1000});
  for (int i = 1; i < 100; ++i) {
    pool.advance(i);
    pool.retain(page);
    pool.release(page, 0, {2, 1000});
  }
  pool.advance(1098);
  EXPECT_EQ(pool.keptWith(page), 2); // the last one was at 99
  pool.advance(1099);
  EXPECT_EQ(pool.keptWith(page), -1);
}

TEST(BlockPool, APageTakenForOthersIsNotFound) {
  BlockPool pool(2, kKey);
  const std::vector<int32_t> tokens = text(0, 32), pages = cache(pool, tokens);
  pool.release(pages, 0, 0);
  EXPECT_EQ(pool.allocate(), pages[1]);
  std::vector<int32_t> found;
  const BlockPool::Prefix prefix = acquire(pool, tokens, found);
  EXPECT_EQ(prefix.pages, 1);
  EXPECT_EQ(prefix.tail.rows, 0);
}

} // namespace
} // namespace jinx::engine
