// How do members' numbers become one? Element by element, in the order in which the inputs stand, the same bits for everyone who does it.
//
//   const void* inputs[] = {a, b, c};
//   reduce(Reduction::kSum, DType::kBF16, inputs, out, 1000);      // out[i] = bf16(float(a[i]) + float(b[i]) + float(c[i]))
//
// 16-bit floats are added in f32 and rounded once, over all inputs. Integers wrap. A bool is or'ed by max and and'ed by min. NaN wins in
// max and min, as it does in a sum.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/base/DType.h"
#include "runtime/comm/Communicator.h"

namespace jinx::comm {

/// kInvalidArgument for types that have no such reduction: 8-bit and smaller floats (every sum of them needs a scale), complex, strings,
/// sums of bools.
Status checkReduction(Reduction reduction, DType dtype);

/// \param inputs  at least one; `out` may be one of them, and may not overlap them otherwise
/// \pre `checkReduction`; packed types begin at a byte
void reduce(Reduction reduction, DType dtype, std::span<const void* const> inputs, void* out, int64_t count);

} // namespace jinx::comm
