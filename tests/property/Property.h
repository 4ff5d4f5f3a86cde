// Properties: laws that hold for every input. RapidCheck draws the inputs, and shrinks one that breaks a law.
//
// A property is a GoogleTest case. Its body draws what it needs with `*generator` and says what must hold with RC_ASSERT:
//
//   JINX_PROPERTY(Npy, WhatIsWrittenIsRead, 300) {                 // 300 inputs, unless told otherwise
//     Shape shape = *shapes(4);
//     ...
//     RC_ASSERT(read.shape() == shape);
//   }
//
// Runs are the same every time: the seed is 1. More, or others:
//
//   JINX_PROPERTY_FACTOR=10 RC_PARAMS="seed=7" build/dev/tests/property/jinx_property_runtime --gtest_filter='Npy.*'
//
// A failure prints the shrunk input and the line that repeats it.
#pragma once

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <string>
#include <vector>

#include "runtime/base/DType.h"
#include "runtime/base/Status.h"
#include "runtime/base/Tensor.h"

namespace jinx::test {

/// Runs `body` on `cases` inputs, times JINX_PROPERTY_FACTOR; a failure of the current GoogleTest case when one fails.
void checkProperty(void (*body)(), int cases);

/// The value; the property fails, with the message, when there is none.
template <typename T>
T must(Expected<T> e, const char* what = "") {
  if (!e.isOk()) RC_FAIL(std::string(what) + ": " + e.status().message());
  return std::move(e.value());
}
inline void expectOk(const Status& status, const char* what = "") {
  if (!status.isOk()) RC_FAIL(std::string(what) + ": " + status.message());
}

// ---- generators ----

/// 0, 1, small, odd, and beyond a vector's or a tile's width. `least` leaves out what is smaller.
rc::Gen<int64_t> extents(int64_t least = 0, int64_t most = 40);
/// A shape of rank at most `maxRank` with at most `maxElements` elements.
rc::Gen<Shape> shapes(int maxRank, int64_t maxElements = 4096);
/// `values` shuffled.
rc::Gen<std::vector<int64_t>> permutations(int64_t count);
/// A stream of random numbers for data that nothing is learned from by shrinking: every bit of a tensor, say.
rc::Gen<uint64_t> seeds();

/// Elements that `type` holds: integers of the whole width, floats of both signs and moderate size.
Tensor randomTensor(DType type, const Shape& shape, uint64_t seed);
/// Small integers, which every type holds and whose sums and products are exact.
Tensor smallIntegers(DType type, const Shape& shape, uint64_t seed, int64_t low = -4, int64_t high = 4);
/// Random bytes.
Tensor randomBits(DType type, const Shape& shape, uint64_t seed);

/// Same type, shape and bytes.
bool sameBytes(const Tensor& a, const Tensor& b);

} // namespace jinx::test

namespace jinx {
inline void showValue(DType type, std::ostream& os) { os << name(type); }
} // namespace jinx

#define JINX_PROPERTY(Suite, Name, Cases)                                                                              \
  static void property##Suite##Name();                                                                                 \
  TEST(Suite, Name) { ::jinx::test::checkProperty(property##Suite##Name, Cases); }                                     \
  static void property##Suite##Name()
