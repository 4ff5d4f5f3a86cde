// How long does a group take? An estimate in microseconds, from counts and a table about the machine, never from a measurement:
//
//   time = launch + max(bytes / bandwidth of the level they come from, operations / rate) / threads
//
// What makes groups differ is how often a value is evaluated. A value that is only read inside its group is computed where it is needed:
// once an element by elementwise readers, nine times by a 3x3 pool, once a phase by the reductions of a rows group. So
//
//   y = maxpool3x3(exp(x)), 1 M elements, stride 1      apart: exp writes 4 MB and the pool reads them, two launches
//                                                       together: nothing between, but 9 M exps
//
// and the model says which is less. Sizes that are known only when the model runs are nominal (Shapes.h).
#pragma once

#include "passes/Fusion/Shapes.h"

namespace jinx::passes {

/// What the model knows about a target. Rates are per thread (CPU) or for the whole device with `threads` 1.
struct Machine {
  double launchUs;                  ///< a step: dispatch, and waiting for the slowest thread
  int64_t threads;                  ///< work splits evenly over so many
  double cyclesPerUs;               ///< clock
  int64_t lanes;                    ///< f32 elements that operations of one cycle work on
  int64_t vector;                   ///< of them, those that must be neighbours: a vector, a warp
  int64_t run;                      ///< neighbours that keep all lanes busy, in a group that neither multiplies nor moves elements
  double cyclesPerGather;           ///< an element from an irregular place
  double flopsPerCycle = 0;         ///< of products by rows (tensor cores); 0: there are none
  struct Level {
    double bytes;                   ///< what is not larger stays here between two steps
    double bytesPerUs;
  };
  llvm::SmallVector<Level, 4> levels;  ///< nearest first; the last one holds everything

  /// A core of the last ten years with vectors of `vectorBytes`.
  static Machine cpu(int64_t vectorBytes);
  /// An H100: large launches, memory at 3 TB/s, values of up to the second-level cache at twice that.
  static Machine gpu();
};

struct Cost {
  double launchUs = 0, memoryUs = 0, computeUs = 0;
  double us() const { return launchUs + std::max(memoryUs, computeUs); }
};

/// The cost of a legal group (Legality.h): the best that its schedule makes of it.
/// \param members  operators of one block, in program order
/// \param results  values of members that are read outside
Cost estimate(Shapes &shapes, const Machine &machine, llvm::ArrayRef<mlir::Operation *> members, llvm::ArrayRef<mlir::Value> results);

}  // namespace jinx::passes
