// One call of a group of virtual ranks, as its members come to it and as its bytes are moved.
//
// Each member leaves its call and the addresses of its buffers. When all have, the work is n items (two times n for all_reduce), one for
// each member: what it takes from the others' memory. Items of one phase touch different memory, so that threads may take them at once:
//
//   all_reduce of 10 elements on four ranks, phase 0:  member 1 sums elements 3 to 5 of all four `in`s into its own `out`
//                                            phase 1:  member 1 copies 0 to 2, 6 to 7 and 8 to 9 from the `out`s of those who summed them
//
// It is not thread-safe: the world's lock guards everything but `work`, which threads call without it.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/comm/Calls.h"

namespace jinx::comm {

class Exchange {
 public:
  /// \param ranks  the members; of a send, its two ends, the sender first. They outlive the exchange
  Exchange(std::vector<int> ranks, int64_t number) : ranks_(std::move(ranks)), number_(number), members_(ranks_.size()) {}

  std::span<const int> ranks() const { return ranks_; }
  int size() const { return static_cast<int>(ranks_.size()); }
  bool came(int place) const { return members_[static_cast<size_t>(place)].came; }
  const Call& call(int place) const { return members_[static_cast<size_t>(place)].call; }

  /// A member comes. What is wrong when its call does not fit those of the members that have come.
  std::optional<std::string> come(int place, const Call& call, const void* in, void* out);
  bool complete() const { return numCame_ == size(); }
  bool finished() const { return phase_ == phases(); }

  /// A member whose work nobody has taken, this one's own first; -1 when there is none at present. Begin `work` at once.
  int take(int place);
  /// The work of the present phase for the member at `place`. \param moved  is told (from, to, bytes), places, for what another's memory gave
  void work(int place, const std::function<void(int, int, int64_t)>& moved) const;
  /// `work` has ended. Whether this was the last item of its phase.
  bool done();
  /// Threads between `take` and `done`.
  int active() const { return active_; }

 private:
  struct Member {
    bool came = false, taken = false;
    Call call;
    const std::byte* in = nullptr;
    std::byte* out = nullptr;
  };
  int phases() const;
  void sum(int place, const std::function<void(int, int, int64_t)>& moved) const;
  void gather(int place, const std::function<void(int, int, int64_t)>& moved) const;
  void gatherDifferent(int place, const std::function<void(int, int, int64_t)>& moved) const;
  void copyFrom(int source, int64_t at, int place, int64_t to, int64_t bytes, const std::function<void(int, int, int64_t)>& moved) const;

  std::vector<int> ranks_;
  int64_t number_; // of the group's calls
  std::vector<Member> members_;
  int numCame_ = 0, phase_ = 0, numTaken_ = 0, numDone_ = 0, active_ = 0;
};

} // namespace jinx::comm
