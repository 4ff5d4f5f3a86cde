// Between the operators of a group, 16-bit floats are f32.
//
// Arithmetic on them is done in f32 anyway; a chain that rounds after each operator costs two conversions an operator and gives a worse
// result. So they are rounded where they leave for memory, for a loop's next round, for a step to an integer or an 8-bit float, or for a comparison of two computed values, whose
// outcome must not depend on what is fused. erf, whose value was to be rounded at once, may be a short one (`afn`).
//
//   %s = addf %x, %b : f16                 %s = addf (extf %x), (extf %b) : f32
//   %r = mulf %s, %c : f16          ->     %r = mulf %s, (extf %c) : f32
//   store %r                               store (truncf %r)
#pragma once

#include "ir/Tile/Tile.h"

namespace jinx::schedules {

void widenHalves(tile::KernelOp kernel);

}  // namespace jinx::schedules
