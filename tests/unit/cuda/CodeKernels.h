// The product of codes as the tests build it, and weights packed for it: by the formulas of ir/Tile/TileCodeOps.td, element by element.
#pragma once

#include "MatmulKernels.h"
#include "codegen/schedules/cuda/CodeMatmul.h"

namespace jinx::cuda::testing {

struct CodeProblem {
  schedules::CodeTile tile;
  int64_t n = 128, k = 512;      ///< known when compiled, as weights are
  int64_t bits = 4, group = 128, zero = 8;
  bool withLevels = false, withOffsets = false, withHole = false;  ///< hole: bias (f32, for each column) and relu
  bool isF16 = false;            ///< a, scales, offsets and c; else bf16
  std::string arch = "sm_90a";
  bool isConstant = false;       ///< codes and scales: fetched before the launch before has ended
};
/// a [m, k], codes, scales, offsets, bias -> c [m, n]; size m.
Built buildCodes(const CodeProblem &problem);

/// Sixteen numbers that are no line: what codes stand for.
const std::vector<float> &someLevels();

/// Codes [n, k] as numbers (of 4 bits 0 to 15, of 8 bits -128 to 127).
std::vector<uint8_t> packCodes(const std::vector<int> &codes, const CodeProblem &problem);
/// Values [n, groups].
std::vector<uint16_t> packScales(const std::vector<uint16_t> &scales, int64_t n, int64_t groups);

}  // namespace jinx::cuda::testing
