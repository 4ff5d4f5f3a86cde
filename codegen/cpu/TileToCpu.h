// Lowers tile kernels to functions over LLVM pointers and MLIR vectors, for the CPU.
#pragma once

#include "ir/Tile/Tile.h"
#include "mlir/IR/BuiltinOps.h"

namespace jinx::cpu {

/// What the instruction set offers, as far as the lowering's choices depend on it.
struct Lanes {
  int64_t vectorBytes = 64;    ///< width of a register
  int64_t registers = 32;      ///< how many of them
  bool masked = true;          ///< masked and gathering memory instructions: AVX2 and later
  bool byteDots = false;       ///< vpdpbusd on registers of every width: AVX512-VNNI with VL
};

/// Appends to `target` the function of `kernel`: CpuKernelFn of runtime/executor/KernelAbi.h, a loop over program indices around the
/// kernel's body. The function's ops are of func, scf, arith, math, vector and llvm.
mlir::LogicalResult lowerKernel(tile::KernelOp kernel, const Lanes &lanes, mlir::ModuleOp target);

}  // namespace jinx::cpu
