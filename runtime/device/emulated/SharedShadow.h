// What is known about each word of a block's shared memory beyond its value, and how its banks were used.
#pragma once

#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

#include "runtime/device/emulated/Emulator.h"

namespace jinx::emulated {

class SharedShadow {
 public:
  struct Writer {
    uint16_t thread = 0;  ///< index + 1 of the last ordinary writer; 0: none since an asynchronous write
    uint32_t epoch = 0;   ///< its count of proxy fences at that time
    int line = 0;
  };

  void reset(unsigned windowBytes, unsigned threads, bool countConflicts);
  void generic(unsigned address, unsigned bytes, unsigned thread, uint32_t epoch, int line);
  void asynchronous(unsigned address, unsigned bytes);
  const Writer &at(unsigned address) const { return words_[address / 4]; }

  /// Notes an access of one lane for the bank count; accesses of a warp's lanes belong together by line and repetition.
  void access(unsigned thread, unsigned address, unsigned bytes, int line);
  /// Adds what was counted to `report`, also accesses in which not all lanes took part.
  void collect(std::map<int, BankConflicts> &report);

 private:
  struct Together {
    unsigned bytes = 0;
    std::vector<std::pair<unsigned, unsigned>> lanes;  ///< lane and address, in the order in which the threads came
  };
  void settle(int line, Together &together);

  std::vector<Writer> words_;
  bool counting_ = false;
  std::vector<std::unordered_map<int, uint32_t>> repetitions_;               ///< per thread, by line
  std::vector<std::map<std::pair<int, uint32_t>, Together>> open_;           ///< per warp
  std::map<int, BankConflicts> counts_;
};

}  // namespace jinx::emulated
