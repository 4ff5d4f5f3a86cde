// MLIR element types and numbers as CUDA C++ spells them.
#pragma once

#include <string>

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"

namespace jinx::cuda {

/// "float", "bf16", "i64" (for index too), "bool" (i1), …; empty for a type that kernels do not have.
std::string cType(mlir::Type type);
/// The unsigned type of the same width.
std::string unsignedType(mlir::Type type);
/// bf16 and f16: held as bits, computed in f32.
bool isHalf(mlir::Type type);
/// bf16, f16 and the 8-bit floats that a GPU converts, f8E4M3FN and f8E5M2: held as bits.
bool isSmallFloat(mlir::Type type);
/// The element of a tensor core's operand as PTX calls it: "bf16", "e4m3", "s8" (signless i8 too), "u8"; empty for what there is none of.
std::string tensorCoreType(mlir::Type type);
/// Bytes of an element in memory.
int64_t bytesOf(mlir::Type type);
/// A literal of the type: "1.5f", "-INFINITY", "to_bf16(0.0f)", "7", "true".
std::string literal(mlir::TypedAttr value);

}  // namespace jinx::cuda
