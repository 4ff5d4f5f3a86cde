// CPU instruction-set levels: what a code object needs, and whether this processor has it.
//
// A name is a base level and optional features: "x86-64-v4-vnni-bf16". Base levels, each including the ones before it:
//   x86-64       every 64-bit x86
//   x86-64-v3    AVX2, FMA, BMI2, F16C
//   x86-64-v4    AVX-512 F, BW, CD, DQ, VL
// Features: "vnni" (AVX512-VNNI, or AVX-VNNI below v4), "bf16" (AVX512-BF16), "fp16" (AVX512-FP16), "amx" (AMX tile,
// int8, bf16; asks the kernel for permission).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace jinx {

/// A larger rank is a better code object; -1 for a name that is not understood.
int isaRank(std::string_view isa);
/// True when this processor and operating system run code for `isa`.
bool hostSupportsIsa(std::string_view isa);
/// True when `isa` asks for nothing that `limit` does not have ("" limits nothing).
bool isaWithin(std::string_view isa, std::string_view limit);
/// The best name that this processor supports, with all its features.
std::string hostIsa();
/// The processor's own name, "AMD EPYC 9V74 80-Core Processor".
std::string hostProcessorName();

} // namespace jinx
