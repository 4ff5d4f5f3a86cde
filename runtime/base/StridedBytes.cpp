#include "runtime/base/StridedBytes.h"

#include <algorithm>
#include <cstring>

namespace jinx {

void StridedBytes::copy(uint64_t from, std::span<std::byte> to) const {
  const uint64_t each = rowBytes + zeros;
  while (!to.empty()) {
    const uint64_t row = from / each, within = from % each;
    const uint64_t there = within < rowBytes ? std::min<uint64_t>(rowBytes - within, to.size()) : 0;
    if (there) std::memcpy(to.data(), first + row * stride + within, there);
    const uint64_t filled = std::min<uint64_t>(each - within - there, to.size() - there);
    if (there + within >= rowBytes && filled) std::memset(to.data() + there, 0, filled);
    const uint64_t done = there + within >= rowBytes ? there + filled : there;
    to = to.subspan(done);
    from += done;
  }
}

} // namespace jinx
