// Values of bf16 as the integers that hold their bits.
#pragma once

#include "mlir/Pass/Pass.h"

namespace jinx::cpu {

/// Where kernels only move bf16 (their arithmetic is in f32 by then), makes it i16. LLVM keeps a bf16 that lives from one block to another
/// in a register of f32 on processors without instructions for it, and calls `__truncsfbf2` to narrow it again. A function with any other
/// operation on bf16 stays as it is.
std::unique_ptr<mlir::Pass> createBf16BitsPass();

}  // namespace jinx::cpu
