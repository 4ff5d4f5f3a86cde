// Products of bytes, and codes of few bits, as instructions of a CPU. See TileToCpu.h.
#pragma once

#include "codegen/cpu/TileToCpu.h"
#include "mlir/IR/Builders.h"

namespace jinx::cpu {

/// acc + the four products of each lane: words of four bytes, those of a unsigned, those of b signed. By one instruction where there is one.
mlir::Value addByteProducts(mlir::OpBuilder &builder, mlir::Location loc, const Lanes &lanes, mlir::Value acc, mlir::Value a, mlir::Value b);

/// What codes in words stand for (tile.decode).
mlir::Value decodeCodes(mlir::OpBuilder &builder, tile::DecodeOp op, const Lanes &lanes, mlir::Value words);

/// The entries of a table that bytes of words name (tile.lookup).
mlir::Value lookUp(mlir::OpBuilder &builder, tile::LookupOp op, const Lanes &lanes, mlir::Value words);

}  // namespace jinx::cpu
