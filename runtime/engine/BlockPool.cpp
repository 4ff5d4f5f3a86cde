#include "runtime/engine/BlockPool.h"

#include <algorithm>
#include <functional>

namespace jinx::engine {

BlockPool::BlockPool(int32_t pages, HashKey key) : pages_(static_cast<size_t>(pages)), index_(pages, key) {
  for (int32_t page = 0; page < pages; ++page)
    append(kBlank, page);
}

void BlockPool::append(int32_t list, int32_t page) {
  List& to = lists_[list];
  Page& entry = pages_[page];
  entry.list = list;
  entry.previous = to.last;
  entry.next = kNoPage;
  entry.freed = ++freed_;
  (to.last == kNoPage ? to.first : pages_[to.last].next) = page;
  to.last = page;
  ++(list == kRetired ? retired_ : available_);
}

void BlockPool::remove(int32_t page) {
  Page& entry = pages_[page];
  List& from = lists_[entry.list];
  (entry.previous == kNoPage ? from.first : pages_[entry.previous].next) = entry.next;
  (entry.next == kNoPage ? from.last : pages_[entry.next].previous) = entry.previous;
  --(entry.list == kRetired ? retired_ : available_);
  entry.list = -1;
}

/// Into the list of its content and of what its owners asked for.
void BlockPool::appendFree(int32_t page) {
  if (!isPublished(page)) return append(kBlank, page);
  const auto& until = pages_[page].keptUntil;
  int32_t priority = kPriorities - 1;
  while (priority >= 0 && until[priority] <= now_s_)
    --priority;
  append(kCached + priority, page);
  if (priority >= 0 && until[priority] != Retention::kForever) watch(page, until[priority]);
}

/// The page's list ends at a time.
void BlockPool::watch(int32_t page, double until_s) {
  if (deadlines_.size() >= 2 * pages_.size()) { // half of them at least are void
    std::erase_if(deadlines_, [&](const Deadline& deadline) { return isVoid(deadline); });
    std::make_heap(deadlines_.begin(), deadlines_.end(), std::greater());
  }
  deadlines_.push_back({until_s, pages_[page].freed, page});
  std::push_heap(deadlines_.begin(), deadlines_.end(), std::greater());
}

void BlockPool::advance(double now_s) {
  now_s_ = std::max(now_s_, now_s);
  while (!deadlines_.empty() && deadlines_.front().at_s <= now_s_) {
    std::pop_heap(deadlines_.begin(), deadlines_.end(), std::greater());
    const Deadline due = deadlines_.back();
    deadlines_.pop_back();
    if (isVoid(due)) continue;
    remove(due.page);
    appendFree(due.page);
  }
}

int32_t BlockPool::allocate() {
  for (int32_t list = kBlank; list < kRetired; ++list) {
    const int32_t page = lists_[list].first;
    if (page == kNoPage) continue;
    remove(page);
    index_.erase(page);
    pages_[page].references = 1;
    pages_[page].keptUntil.fill(0);
    return page;
  }
  return kNoPage;
}

void BlockPool::retain(int32_t page) {
  Page& entry = pages_[page];
  if (entry.references == 0) {
    assert(isPublished(page) && "only a published page can be found again");
    remove(page);
  }
  ++entry.references;
}

void BlockPool::release(int32_t page, StepId lastStep, Retention retention) {
  Page& entry = pages_[page];
  assert(entry.references > 0 && retention.priority < kPriorities);
  if (retention.priority >= 0) {
    double& until = entry.keptUntil[retention.priority];
    until = std::max(until, now_s_ + retention.seconds);
  }
  entry.fence = std::max(entry.fence, lastStep);
  if (--entry.references > 0) return;
  if (entry.fence > settled_)
    append(kRetired, page);
  else
    appendFree(page);
}

void BlockPool::release(std::span<const int32_t> pages, StepId lastStep, Retention retention) {
  for (auto page = pages.rbegin(); page != pages.rend(); ++page)
    release(*page, lastStep, retention);
}

void BlockPool::settle(StepId step) {
  assert(step >= settled_ && "steps settle in order");
  settled_ = step;
  for (int32_t page = lists_[kRetired].first; page != kNoPage;) {
    const int32_t next = pages_[page].next;
    if (pages_[page].fence <= step) {
      remove(page);
      appendFree(page);
    }
    page = next;
  }
}

BlockPool::Prefix BlockPool::acquirePrefix(const PrefixSalt& salt, std::span<const int32_t> tokens, std::vector<int32_t>& found) {
  Prefix prefix{root(salt), 0, {}};
  while (tokens.size() >= kPageTokens) {
    const PageContent content = tokens.first<kPageTokens>();
    const Hash128 chain = index_.next(prefix.chain, content);
    const int32_t page = index_.find(chain, prefix.chain, salt, content);
    if (page == kNoPage) break;
    retain(page);
    found.push_back(page);
    ++prefix.pages;
    prefix.chain = chain;
    tokens = tokens.subspan(kPageTokens);
  }
  prefix.tail = index_.longestTail(prefix.chain, salt, tokens);
  return prefix;
}

Hash128 BlockPool::publish(int32_t page, Hash128 chain, const PrefixSalt& salt, PageContent tokens) {
  assert(pages_[page].references > 0 && !isPublished(page));
  const Hash128 hash = index_.next(chain, tokens);
  if (index_.find(hash, chain, salt, tokens) == kNoPage) index_.insert(page, hash, chain, salt, tokens);
  return hash;
}

} // namespace jinx::engine
