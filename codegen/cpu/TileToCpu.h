// Lowers tile kernels to functions over LLVM pointers and MLIR vectors, for the CPU.
#pragma once

#include "ir/Tile/Tile.h"
#include "mlir/IR/BuiltinOps.h"

namespace jinx::cpu {

/// Appends to `target` the function of `kernel`: CpuKernelFn of runtime/executor/KernelAbi.h, a loop over program indices around the
/// kernel's body. The function's ops are of func, scf, arith, math, vector and llvm.
mlir::LogicalResult lowerKernel(tile::KernelOp kernel, mlir::ModuleOp target);

}  // namespace jinx::cpu
