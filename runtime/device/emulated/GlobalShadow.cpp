#include "runtime/device/emulated/GlobalShadow.h"

namespace jinx::emulated {

void GlobalShadow::Page::split() {
  std::vector<Writer> bytes;
  bytes.reserve(kPageBytes);
  for (const Writer &word : writers) bytes.insert(bytes.end(), 4, word);
  writers = std::move(bytes);
  granule = 1;
}

void GlobalShadow::write(size_t range, size_t offset, unsigned bytes, const Writer &writer) {
  const bool whole = offset % 4 == 0 && bytes % 4 == 0;
  for (size_t at = offset; at < offset + bytes;) {
    std::unique_ptr<Page> &page = ranges_[range][at / kPageBytes];
    if (!page) page = std::make_unique<Page>();
    if (!whole && page->granule == 4) page->split();
    page->writers[at % kPageBytes / page->granule] = writer;
    at += page->granule;
  }
}

}  // namespace jinx::emulated
