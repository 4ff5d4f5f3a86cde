// The device library's files (codegen/cuda/device/*.cuh), embedded at build time.
#pragma once

#include <string>
#include <string_view>

namespace jinx::cuda {

/// Content of "base.cuh", "math.cuh", …; empty for an unknown name.
std::string_view deviceFile(std::string_view name);

/// The wrapper of one wgmma shape: d[64 x n] += a[64 x 16] * b[n x 16]^T on bf16 or f16 in 128-byte-swizzled shared memory.
std::string wgmmaWrapper(int64_t n, bool bf16);
/// Name of that wrapper.
std::string wgmmaName(int64_t n, bool bf16);

}  // namespace jinx::cuda
