// Functions and conversions that MLIR's own lowerings get wrong in the last bits.
#pragma once

#include "mlir/IR/PatternMatch.h"

namespace jinx::cpu {

/// Within a few units in the last place, as tests/numeric asks for: atan of f32 (MLIR's polynomial is off by 1.5e-6), sin and cos of
/// f32 (MLIR reduces the argument by a pi of f32: the error grows with it), expm1 and log1p of
/// f64 (MLIR subtracts from exp, and adds in log), f64 to bf16 (rounded twice).
void populateAccurateMathPatterns(mlir::RewritePatternSet &patterns);

}  // namespace jinx::cpu
