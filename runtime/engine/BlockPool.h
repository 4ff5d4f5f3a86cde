// Who owns each page of keys and values, and which page is taken next?
//
// A page is in one of three states.
//
//   referenced   one or more sequences read it (its count says how many); at most one of them writes it, and only while the page is not published
//   retired      nobody references it, but a step that may touch it has not settled
//   free         may be taken; what was published in it can still be found until then
//
//   allocate: free -> referenced      retain: any -> referenced      release: referenced -> free, or retired until its step settles: settle
//
// Free pages are in lists linked through themselves: one of pages without content, one of pages that nobody wants to be kept any longer, and one for each retention
// priority; in a list the one that came first goes first. `allocate` takes from the first list that has one. A sequence frees its pages last one first: then
// tails go before what they hang from.
//
// Each owner says with what priority a page is kept, and how long after it has released it (Retention). A page is in the list of the highest priority whose time is
// not over; when it is, the page comes to the next lower one that somebody asked for, or to those that nobody wants.
//
// A page is published when its 16 rows are written, settled and finite. From then on it does not change. Where two sequences compute the same content, the
// first page published is found, and the other stays as it is: tables are append-only.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "runtime/engine/PrefixIndex.h"

namespace jinx::engine {

/// Steps are numbered from 1 in the order of their launch. They settle in this order.
using StepId = uint64_t;

/// How long an owner wants a published page to be kept after it has released it.
struct Retention {
  static constexpr double kForever = std::numeric_limits<double>::infinity();

  Retention(int32_t priority, double seconds = kForever) : priority(priority), seconds(seconds) {}
  /// Of an owner that only looked: what others asked for stays as it is.
  static Retention unchanged() { return {-1, 0}; }

  int32_t priority; ///< [0, BlockPool::kPriorities): lower ones go first; -1: none
  double seconds;   ///< from the release on, 0 or more
};

class BlockPool {
 public:
  static constexpr int32_t kPriorities = 4; ///< of retention: 0 goes first

  /// \param pages  at least 1
  /// \param key    of the hash of prefixes, one a process: see randomHashKey
  BlockPool(int32_t pages, HashKey key);

  int32_t pages() const { return static_cast<int32_t>(pages_.size()); }
  int32_t available() const { return available_; } ///< free pages
  int32_t retired() const { return retired_; }     ///< pages that become free as steps settle
  StepId settled() const { return settled_; }

  /// A free page with one reference and no content, or kNoPage. Prefers pages without content.
  int32_t allocate();
  /// One more reference; a page that nobody references must be published.
  void retain(int32_t page);
  /// One reference less.
  ///
  /// \param lastStep  the last step launched or planned that may touch the page for this owner; 0: none
  /// \param retention  a published page is kept as its owners together asked
  void release(int32_t page, StepId lastStep, Retention retention);
  /// Releases all, last one first.
  void release(std::span<const int32_t> pages, StepId lastStep, Retention retention);
  /// It is so late: times of retention are over, and later releases count from here.
  ///
  /// \param now_s  of any clock; an earlier time than before does nothing
  void advance(double now_s);
  /// All steps up to this one have settled.
  void settle(StepId step);

  struct Prefix {
    Hash128 chain;      ///< of the pages found
    int32_t pages = 0;  ///< how many were appended to `found`
    PrefixIndex::Tail tail; ///< a page to copy the first rows from; it is not retained
  };
  /// The longest cached prefix of `tokens`; its pages are appended to `found` and retained.
  Prefix acquirePrefix(const PrefixSalt& salt, std::span<const int32_t> tokens, std::vector<int32_t>& found);

  /// The chain of a sequence without tokens.
  Hash128 root(const PrefixSalt& salt) const { return index_.root(salt); }
  /// Publishes a page behind `chain`, unless its content is already published.
  ///
  /// \pre the steps that wrote its rows have settled, and rows that see them were finite
  /// \returns the chain with this page
  Hash128 publish(int32_t page, Hash128 chain, const PrefixSalt& salt, PageContent tokens);

  int32_t references(int32_t page) const { return pages_[page].references; }
  bool isPublished(int32_t page) const { return index_.contains(page); }
  bool isFree(int32_t page) const { return pages_[page].list >= 0 && pages_[page].list != kRetired; }
  bool isRetired(int32_t page) const { return pages_[page].list == kRetired; }
  /// Of a free published page: the priority with which it is kept now, -1 when nobody wants it any longer.
  int32_t keptWith(int32_t page) const { return pages_[page].list - kCached; }
  /// Grows with each page that comes into a list: of two in one list the smaller one goes first.
  uint64_t freedAt(int32_t page) const { return pages_[page].freed; }
  /// The last step that may touch a page without references.
  StepId fence(int32_t page) const { return pages_[page].fence; }
  const PrefixIndex& index() const { return index_; }

 private:
  // Lists: without content, no longer wanted, by priority, retired.
  static constexpr int32_t kBlank = 0, kUnwanted = 1, kCached = 2, kRetired = kCached + kPriorities, kLists = kRetired + 1;
  struct Page {
    int32_t references = 0;
    int32_t list = -1;
    int32_t previous = kNoPage, next = kNoPage;
    std::array<double, kPriorities> keptUntil{}; ///< by priority; 0 where nobody asked
    uint64_t freed = 0;
    StepId fence = 0;
  };
  /// When a page may leave its list; void when the page has left it before.
  struct Deadline {
    double at_s;
    uint64_t freed;
    int32_t page;
    bool operator>(const Deadline& other) const { return at_s != other.at_s ? at_s > other.at_s : freed > other.freed; }
  };
  struct List {
    int32_t first = kNoPage, last = kNoPage;
  };
  void append(int32_t list, int32_t page);
  void remove(int32_t page);
  void watch(int32_t page, double until_s);
  bool isVoid(const Deadline& deadline) const { return !isFree(deadline.page) || pages_[deadline.page].freed != deadline.freed; }
  void appendFree(int32_t page);

  std::vector<Page> pages_;
  std::array<List, kLists> lists_;
  PrefixIndex index_;
  int32_t available_ = 0, retired_ = 0;
  std::vector<Deadline> deadlines_; ///< a heap, the earliest first
  double now_s_ = 0;
  uint64_t freed_ = 0;
  StepId settled_ = 0;
};

} // namespace jinx::engine
