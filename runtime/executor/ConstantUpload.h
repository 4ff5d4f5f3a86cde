// How do constants come to a device's memory?
//
// In blocks of some MiB, of which one is put together on the host while the one before is copied: a rank has columns of its weights, so the bytes that lie together in a file are a few
// KiB, and a copy to the device costs some microseconds however small it is. Threads share a block, since what they read comes from a file.
//
//   constants   [w, 8 KiB in 4 rows of 2 KiB]  [v, 100 MiB]        in the file
//   blocks      [w, v …] [… v …] [… v …] [… v]                     each is one copy
#pragma once

#include <vector>

#include "runtime/base/StridedBytes.h"
#include "runtime/device/Device.h"

namespace jinx {

/// Bytes for a place in device memory.
struct ConstantPart {
  uint64_t at = 0; ///< from the beginning of the memory
  StridedBytes bytes;
};

/// Writes `parts`, which are in the order of their places and do not overlap, to `memory`, and waits until they are there. What lies between them may be written, too.
/// \param blockBytes  of the host's memory that is used, twice
Status uploadConstants(std::span<const ConstantPart> parts, std::byte* memory, Device& device, Stream& stream, uint64_t blockBytes = uint64_t{32} << 20);

} // namespace jinx
