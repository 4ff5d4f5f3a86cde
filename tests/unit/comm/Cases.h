// What every world must do, as one rank sees it: each case makes calls, knows from everybody's inputs (they follow from rank and seed) what must
// come out, and says what is wrong. The same cases run over threads (virtual_world_test.cpp) and processes (mpi_ranks.cpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/comm/Communicator.h"

namespace jinx::comm::test {

struct Case {
  const char* name;
  std::string (*run)(Communicator&); ///< empty when all is right
};
std::span<const Case> cases();

// ---- what cases and other tests draw and compare ----

uint64_t mix(uint64_t a, uint64_t b);

/// Elements of a rank. kSmall: integers of -3 to 3, whose sums are exact in every type; kUnit: -1 and 1, of which products are; kAny: floats of many
/// magnitudes, integers of the whole width; kBits: any bits.
enum class Values { kSmall, kUnit, kAny, kBits };
std::vector<std::byte> valuesOf(DType dtype, int64_t count, Values values, uint64_t seed);

/// A naive loop over the ranks' inputs, in their order: floats of 64 bits in double, other floats in f32 and rounded once, integers modulo 2^64.
std::vector<std::byte> reduced(Reduction reduction, DType dtype, const std::vector<std::vector<std::byte>>& inputs, int64_t count);

/// Empty when equal bit for bit (all NaNs are equal); else the first element that differs.
std::string compare(DType dtype, std::span<const std::byte> got, std::span<const std::byte> expected, int64_t count);

/// Every type that a reduction takes.
std::vector<DType> typesOf(Reduction reduction);

} // namespace jinx::comm::test
