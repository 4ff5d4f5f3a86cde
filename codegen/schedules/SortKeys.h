// What sorts compare: an element becomes a key of 64 bits, its value as an integer that orders the same way, above its position. Keys
// differ, so any order of comparisons gives one result: of equal elements the lower position comes first.
//
//   x = [2.5 -1 2.5 NaN], descending:   value bits inverted, position    keys sorted: NaN@3  2.5@0  2.5@2  -1@1
#pragma once

#include "codegen/schedules/Expression.h"

namespace jinx::schedules {

/// Keys of a tile of elements, as registers have them, whose first one is at position `begin`. Every NaN is the greatest number; -0 is 0.
/// \param element  of the tensor, of at most 32 bits
/// \param limit    lanes from here on get a key above all others; null: there are none
mlir::Value sortKeys(KernelBuilder &kb, mlir::Value x, mlir::Type element, bool ascending, mlir::Value begin, mlir::Value limit);

/// Positions that keys hold, as i64.
mlir::Value positionsOf(KernelBuilder &kb, mlir::Value keys);

}  // namespace jinx::schedules
