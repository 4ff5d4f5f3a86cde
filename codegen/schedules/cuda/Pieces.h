// Rows that are joined of pieces of equal length, as rotated rows are, by threads.
//
//   y = concat(x1 c - x2 s, x2 c + x1 s)       x1, x2: the two halves of a row of x;  c, s: half as long
//
//   thread:   x1, x2, c, s   a run of 16 bytes at the same place of each half
//             y[place], y[half + place]
//
// As a row of lanes each lane would read the operands of both pieces, at places clamped into them, two bytes at a time.
// A thread that has the same run of every piece reads what the pieces share once, and whole.
#pragma once

#include <optional>

#include "codegen/schedules/Expression.h"

namespace jinx::schedules {

struct Pieces {
  graph::ConcatOp join; ///< null: one piece
  int64_t count = 1;
  int64_t extent = 0; ///< elements of a piece
  int64_t run = 1;    ///< neighbours that a thread has of each

  /// Threads of a row.
  int64_t threads() const { return extent / run; }
};

/// How `rows`, a value of a group, are made of pieces of their innermost dimension: through elementwise operators of
/// one joining of equal extents, that of parts of operands as they lie. Nothing where they are not, or where a thread
/// would have no run.
std::optional<Pieces> piecesOf(mlir::Value rows);

/// Evaluates a thread's run of each piece.
/// \param emitter  of tiles of `run` elements
/// \param at  where the row lies; its innermost coordinate is not read
/// \param thread  which of the row's
/// \param use  gets a piece's tile, and where it lies in the row
void forPieces(KernelBuilder& kb, ExpressionEmitter& emitter, const Pieces& pieces, mlir::Value rows, Coordinates at,
               mlir::Value thread, llvm::function_ref<void(mlir::Value tile, const Coordinates& at)> use);

/// True where `group` is elementwise operators over such rows, of two pieces or more, or over short rows that are parts
/// of operands.
bool isPiecesGroup(graph::GroupOp group);
mlir::FailureOr<Scheduled> schedulePieces(graph::GroupOp group, llvm::StringRef name, mlir::OpBuilder& builder);

/// A kernel whose programs are threads.
inline constexpr int64_t kThreadsOfPieces = 128; // of a block
void sayThreads(tile::KernelOp kernel);

} // namespace jinx::schedules
