// The loops over a row of logits, which has 10^5 elements: as wide as the processor is, with the same bits on every one.
//
// Additions are in an order that does not depend on the width, and no product is fused with a sum (the file is compiled with -ffp-contract=off).
#pragma once

#include <array>
#include <cstddef>
#include <span>

namespace jinx::engine {

/// Elements whose largest one is kept, so that most of a row need not be looked at again.
inline constexpr size_t kChunk = 256;
/// Elements that are added up together.
inline constexpr size_t kBlock = 1024;
inline constexpr size_t kLanes = 16;

/// e^x for x <= 0, within one unit of the last place; 0 below -87. Arithmetic alone, which does not change with the C library.
float expOf(float x);

/// Writes the largest element of each chunk; -infinity where all are NaN.
///
/// \param largest  [ceil(row / kChunk)]
/// \returns whether there is no NaN and no +infinity in the row
bool largestOfChunks(std::span<const float> row, std::span<float> largest);

/// Writes expOf((x - largest) / temperature) of at most kBlock elements.
/// \returns their sum
double weighBlock(std::span<const float> row, float largest, float temperature, std::span<float> weights);

} // namespace jinx::engine
