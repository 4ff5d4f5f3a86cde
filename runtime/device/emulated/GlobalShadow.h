// Who wrote which bytes of global memory in this launch: blocks are not ordered, and threads of a block only by their barriers.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/device/emulated/Knowledge.h"

namespace jinx::emulated {

class GlobalShadow {
 public:
  struct Writer {
    uint32_t block = 0, thread = 0;
    Clock when = 0;  ///< 0: nobody
    int line = 0;
  };

  void addRange(size_t bytes) { ranges_.emplace_back((bytes + kPageBytes - 1) / kPageBytes); }
  /// Calls `visit(offset, writer)` for each granule of the access that has been written; stops when it returns false.
  template <typename Visit>
  void visit(size_t range, size_t offset, unsigned bytes, Visit visit) {
    for (size_t at = offset; at < offset + bytes;) {
      Page *page = ranges_[range][at / kPageBytes].get();
      const size_t granule = page ? page->granule : kPageBytes - at % kPageBytes;
      if (page) {
        const Writer &writer = page->writers[at % kPageBytes / granule];
        if (writer.when && !visit(at, writer)) return;
      }
      at = page ? at / granule * granule + granule : at + granule;
    }
  }
  void write(size_t range, size_t offset, unsigned bytes, const Writer &writer);

 private:
  static constexpr size_t kPageBytes = 4096;
  /// Words of four bytes, until somebody writes less.
  struct Page {
    unsigned granule = 4;
    std::vector<Writer> writers{kPageBytes / 4};
    void split();
  };
  std::vector<std::vector<std::unique_ptr<Page>>> ranges_;
};

}  // namespace jinx::emulated
