// Prints tile kernels as CUDA C++ that is meant to be read.
//
// A program of the tile kernel is one block, or, where the kernel says `programs_per_block`, one warp. Tiles of rank 1 are spread over its threads, some consecutive elements each, and live in
// registers; chains of elementwise operations between a load and a store or reduction become one unrolled loop. `index` values are
// uniform over the block and stay scalars. The text contains no assembly: what needs PTX is a wrapper of the device library
// (codegen/cuda/device), which `CudaKernel::source` puts in front of it, so that the text is self-contained both for NVRTC and for
// emulation on the host.
//
//   tile.kernel @relu …                        extern "C" __global__ void __launch_bounds__(kThreads)
//     %t = tile.load %x[%off] …        ->      relu(const float* x, float* __restrict__ y, i64 n) {
//     %r = arith.maximumf %t, %z                 …
//     tile.store %r, %y[%off] …                  load_run_some(x_tile, x + off + first, n - off - first);
#pragma once

#include <string>
#include <vector>

#include "ir/Tile/Tile.h"

namespace jinx::cuda {

/// A TMA descriptor that the kernel takes as a parameter after buffers and sizes (plan.proto: TensorMap).
struct TensorMapSpec {
  int64_t buffer = 0;
  mlir::Type element;
  std::vector<std::string> dims;          ///< innermost first, formulas over a0…
  std::vector<std::string> stridesBytes;  ///< of dims 1…
  std::vector<int64_t> box;
  int64_t swizzleBytes = 0;
  std::vector<int64_t> window;            ///< runs of pixels (tile.tensor_map)
};

struct CudaKernel {
  std::string name;
  std::string text;                    ///< constants and function, without the device library
  std::vector<std::string> libraries;  ///< files of the device library that it needs, in order
  std::string wrappers;                ///< wrappers printed for this kernel's shapes
  std::string grid;                    ///< blocks, a formula over a0…
  int64_t threads = 0;                 ///< of a block
  std::string sharedBytes;             ///< dynamic shared memory, a formula over a0…
  int64_t cluster = 1;
  int64_t sumRanks = 0;                ///< whose parts it adds up where it is given a table of peers, its last parameter; 0: it takes none
  bool waitsForGrid = false;           ///< it waits itself for the launch before it (device/grid.cuh)
  std::vector<TensorMapSpec> tensorMaps;

  /// The whole translation unit.
  std::string source() const;
};

struct EmitOptions {
  std::string arch = "sm_90a";
  int64_t threads = 0;  ///< of a block; 0: from the widest tile and its element size
  bool earlyLaunch = true;  ///< where the target can: its launches may begin before the one in front has ended (device/grid.cuh)
};

/// A kernel that cannot be printed is a failure with a diagnostic at the operation that is to blame.
mlir::FailureOr<CudaKernel> emitCuda(tile::KernelOp kernel, const EmitOptions &options = {});

}  // namespace jinx::cuda
