// Conversions of 8-bit floats, for which no processor that we compile for has instructions.
#pragma once

#include "mlir/IR/PatternMatch.h"

namespace jinx::cpu {

/// f8E4M3FN and f8E5M2 to f32 and back, in integers of 32 bits; what is too large becomes the largest number (jinx.cast).
void populateByteFloatPatterns(mlir::RewritePatternSet &patterns);

}  // namespace jinx::cpu
