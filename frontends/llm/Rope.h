// Rotary positions: which cosines and sines belong to a step's tokens, and how heads are rotated by them.
//
// An angle is position * frequency, up to some thousand radians: computed in f32 it would be off by more than the numbers that it rotates. So
// cosines and sines come from tables that are made in f64. A table with a row for each position is as large as a layer where contexts are
// long; two small ones hold those of position / 256 * 256 and of position mod 256, and the sum of two angles is
//
//   cos(a + b) = cos a cos b - sin a sin b        sin(a + b) = sin a cos b + cos a sin b
//
// which is off by 2^-22 at most, for any position below the context length. (Su et al. 2021, RoFormer, is where the rotation is from.)
#pragma once

#include <vector>

#include "frontends/llm/Graph.h"
#include "frontends/llm/Model.h"

namespace jinx::frontends::llm {

/// Of a step's tokens, [n, 1, depth / 2] each: one for all heads.
struct Rotation {
  Value cos, sin;
};

/// Frequencies, radians a position: base^(-2i / depth) / scale / factors[i]; `factors` may be empty.
std::vector<double> ropeFrequencies(int64_t depth, double base, double scale, const std::vector<float>& factors);

/// `position` [n], i32. A position past the context is taken for the last part of it; a negative one gives some rotation.
Rotation rotationOf(Graph& g, Value position, const RopeShape& rope, int64_t context);

/// x [n, heads, depth]; elements i and i + depth / 2 of a head are a pair.
Value rotate(Graph& g, Value x, const Rotation& by);

} // namespace jinx::frontends::llm
