// A keyed hash of 128 bits that who does not know the key can neither predict nor make collide.
//
// SipHash-2-4 with 128 bits of output: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012), and their reference code for the longer output.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/base/Status.h"

namespace jinx::engine {

struct HashKey {
  uint64_t low = 0, high = 0;
};

struct Hash128 {
  uint64_t low = 0, high = 0;
  bool operator==(const Hash128&) const = default;
};

/// \param bytes  any number of them
Hash128 sipHash128(HashKey key, std::span<const std::byte> bytes);

/// A key from the system's random numbers, one a process. kResource when there are none.
Expected<HashKey> randomHashKey();

} // namespace jinx::engine
