// The device library's files (codegen/cuda/device/*.cuh), embedded at build time.
#pragma once

#include <string>
#include <string_view>

namespace jinx::cuda {

/// Content of "base.cuh", "math.cuh", …; empty for an unknown name.
std::string_view deviceFile(std::string_view name);

/// What a wgmma multiplies, as PTX calls it: f16, bf16, tf32 (both operands alike); e4m3, e5m2; s8, u8.
struct WgmmaTypes {
  std::string a, b;

  /// Both known, and of a kind: halves of one type, f32 read as tf32, 8-bit floats, bytes.
  bool areMultiplied() const;
  bool ofBytes() const { return a == "s8" || a == "u8"; }                   ///< sums are i32, else f32
  int64_t bytes() const { return a == "tf32" ? 4 : a == "f16" || a == "bf16" ? 2 : 1; }  ///< of an element
  int64_t k() const { return 32 / bytes(); }                                ///< of one instruction
  std::string sum() const { return ofBytes() ? "i32" : "float"; }
  std::string name() const { return a == b ? a : a + "_" + b; }
  std::string instruction() const;                                          ///< "k16.f32.bf16.bf16"
  std::string emulated() const;                                             ///< "JINX_EMU_BF16, JINX_EMU_BF16"
};

/// The wrapper of one wgmma shape: d[64 x n] += a[64 x k] * b[n x k]^T, operands in 128-byte-swizzled shared memory.
std::string wgmmaWrapper(int64_t n, const WgmmaTypes &types);
/// Name of that wrapper.
std::string wgmmaName(int64_t n, const WgmmaTypes &types);

}  // namespace jinx::cuda
