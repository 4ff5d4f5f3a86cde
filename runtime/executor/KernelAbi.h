// The one signature that every generated CPU kernel has, and what the caller promises.
#pragma once

#include <cstdint>

namespace jinx {

/// Runs the kernel's programs [begin, end).
///
/// \param buffers  one pointer per buffer operand (inputs, then outputs); at least element-aligned, 64-byte aligned for
/// arena values
/// \param sizes    one value per size parameter, as the launch's formulas gave
/// \param begin, end  range of program indices; ranges of different threads are disjoint
/// \param scratch  private to the calling thread, 64-byte aligned, `scratch_bytes` long; contents undefined on entry
///
/// A kernel writes only its outputs and its scratch, calls nothing, allocates nothing and cannot fail.
using CpuKernelFn = void (*)(void* const* buffers, const int64_t* sizes, int64_t begin, int64_t end, void* scratch);

} // namespace jinx
