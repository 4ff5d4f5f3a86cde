// What the processor at hand can do at best, measured: the roof that its kernels are beside.
#pragma once

namespace jinx::tools {

/// Bytes a second, read and written, that `threads` threads copy between buffers of 32 MB each.
double measureCopyBytes(int threads);

/// f32 multiply-adds a second, two operations each, of `threads` threads on registers alone, by the widest instructions that the processor has;
/// 0 on one that is not x86-64 or has none.
double measureScalarFlops(int threads);

} // namespace jinx::tools
