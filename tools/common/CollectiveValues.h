// What goes into a collective that is measured, and what has to come out of it: element by element, from the table in
// runtime/comm/Communicator.h, and with none of the code that communicators are made of.
//
// Element i of rank r is a small whole number that follows from r and i, so that each rank knows what all others have:
//
//   call   all_reduce sum f32[4] on 2 ranks          out[i] has to be value(0, i) + value(1, i)
//   call   all_to_all f32[2] on 2 ranks, on rank 1   out[3] has to be value(1, 1 * 2 + 1): rank 1's part for rank 1
//
// Numbers are so small that no sum is rounded, in any order and in any type: what comes out is right to the bit, or
// wrong.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/comm/Communicator.h"

namespace jinx::tools {

/// One collective of the whole world, as the rank at `place` of `ranks` makes it. all_reduce and reduce_scatter sum;
/// rank 0 is the root; permute goes round: each rank has its neighbour's before it.
class CollectiveValues {
 public:
  /// kInvalidArgument where so many ranks' sums are not exact in the type, or the operation is none of the six that are
  /// measured.
  static Expected<CollectiveValues> of(comm::Op op, DType dtype, int64_t count, int place, int ranks);

  /// Packed elements of `in`: all that the rank gives.
  std::vector<std::byte> input() const;
  /// What is wrong with `out`: the first element that differs, what it is and what it has to be.
  std::optional<std::string> difference(const std::vector<std::byte>& out) const;

 private:
  CollectiveValues(comm::Op op, DType dtype, int64_t count, int place, int ranks, uint64_t most)
      : op_(op), dtype_(dtype), count_(count), place_(place), ranks_(ranks), numValues_(most + 1) {}
  int64_t value(int64_t rank, int64_t i) const;
  int64_t sum(int64_t i) const;
  int64_t expected(int64_t i) const;

  comm::Op op_;
  DType dtype_;
  int64_t count_;
  int place_, ranks_;
  uint64_t numValues_;
};

} // namespace jinx::tools
