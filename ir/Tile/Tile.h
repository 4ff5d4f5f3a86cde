// The tile dialect: one kernel as a block program, in one form for the CPU and for CUDA.
//
// A kernel is a one-dimensional grid of programs. A program reads tiles of its buffers, computes on them with `arith`, `math` and
// `scf`, and stores tiles. A tile is an MLIR vector of rank 1 or 2; memory is a typed address plus element offsets, so index
// arithmetic is plain `arith` on `index`. What a tile is made of differs: on the CPU a tile of 16 f32 is a vector register and a
// program runs on one thread; on CUDA a tile is spread over the threads of a block. The schedules (codegen/schedules) choose tile
// sizes per target and write the same program.
//
// Worked example, y = relu(x) over n elements, 64 a program:
//
//   tile.kernel @relu(%x: !tile.ptr<f32>, %y: !tile.ptr<f32>, %n: index) programs "(a0 + 63) floordiv 64" ... {
//     %p = tile.program_id
//     %c64 = arith.constant 64 : index   %c1 = arith.constant 1 : index
//     %off = arith.muli %p, %c64 : index
//     %rest = arith.subi %n, %off : index
//     %t = tile.load %x[%off] strides(%c1) limits(%rest) : !tile.ptr<f32> -> vector<64xf32>
//     %z = arith.constant dense<0.0> : vector<64xf32>
//     %r = arith.maximumf %t, %z : vector<64xf32>
//     tile.store %r, %y[%off] strides(%c1) limits(%rest) : vector<64xf32>, !tile.ptr<f32>
//   }
#pragma once

#include <optional>

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "ir/Tile/TileDialect.h.inc"
#include "ir/Tile/TileEnums.h.inc"
#define GET_TYPEDEF_CLASSES
#include "ir/Tile/TileTypes.h.inc"
#define GET_OP_CLASSES
#include "ir/Tile/TileOps.h.inc"

namespace jinx::tile {

/// What tile.kernel's `sums` says, in words.
struct SumOfRanks {
  int64_t buffer = 0, part = 0, ranks = 0;
};
std::optional<SumOfRanks> sumOfRanks(KernelOp kernel);

}  // namespace jinx::tile
