// Seeded inputs: floats standard normal, integers and booleans 0 or 1.
//
// The generator is std::mt19937_64, whose output the C++ standard fixes, seeded with `seed + 0x9E3779B97F4A7C15 *
// index` for the input at `index` of the plan: giving one input from a file does not change the others. Integers take
// the lowest bit of one output each. Normal floats are made in pairs by Box and Muller (1958) from two outputs,
//
//   u = ((a >> 11) + 1) / 2^53,  v = (b >> 11) / 2^53,  r = sqrt(-2 ln u):   r cos(2 pi v), r sin(2 pi v)
//
// in double, then rounded to the element type; an odd last one drops its partner. Complex numbers are two normals.
// Strings are "0" or "1".
#pragma once

#include <cstdint>

#include "runtime/base/Tensor.h"

namespace jinx::tools {

Tensor randomTensor(DType type, Shape shape, uint64_t seed, uint64_t index);

} // namespace jinx::tools
