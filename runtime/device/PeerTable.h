// What kernels know of memory that ranks of one machine reach of each other: the last parameter of those that add up
// what ranks have (plan::Kernel::sum_ranks, comm/peers/PeerReduce.h). Device text has it alike, in comm/peers/words.cuh.
#pragma once

#include <cstdint>

namespace jinx {

struct PeerTable {
  static constexpr int kMostRanks = 8;
  uint32_t* state = nullptr;     ///< on the device: word 0 says stop; counters of rooms
  void* own = nullptr;           ///< this rank's memory, which the others write
  void* memory[kMostRanks] = {}; ///< each rank's
  int64_t roomUnits = 0;         ///< of eight bytes, of one call
  int32_t rank = 0;              ///< a place in the group
  int32_t ranks = 0;             ///< 0: none is reached, and sums are there when the kernel begins
};
static_assert(sizeof(PeerTable) == 96, "as words.cuh has it");

} // namespace jinx
