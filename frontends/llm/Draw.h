// The tokens that a step draws by itself, so that logits need not come to the host: a vocabulary of them for each token.
#pragma once

#include "frontends/llm/Graph.h"

namespace jinx::frontends::llm {

/// So many most probable tokens of a row are sorted.
inline constexpr int64_t kSortedTokens = 64;

struct DrawInputs {
  Value logits;             ///< f32 [h, vocabulary]: of all rows, in their order, where there are draws
  Value best;               ///< i32 [r]: of the largest logits; the vocabulary's size where one is no number
  // Of each draw:
  Value rows;               ///< i32 [d]: the row of logits
  Value inverseTemperature; ///< f32 [d], above 0
  Value minP;               ///< f32 [d], [0, 1]; 0 where the draw is listed
  Value u;                  ///< f32 [d]: multiples of 2^-23 in [0, 1), so that a product with a sum stays below that sum
  // Of those with top-k or top-p below 1, whose tokens are sorted, once more and the rest:
  Value listed;                   ///< i32 [l]: which draw it is
  Value listedRows;               ///< i32 [l]
  Value listedInverseTemperature; ///< f32 [l]
  Value topK;                     ///< i32 [l]: at most kSortedTokens; 0: all
  Value topP;                     ///< f32 [l], (0, 1]
  Value listedMinP;               ///< f32 [l]
  Value listedU;                  ///< f32 [l]
  Value choice; ///< i32 [q]: i < r for the best of row i, r + j for draw j by id, r + d + j for the sorted one, draw listed[j]
};
/// The plan's inputs of these, from `rows` on, behind the rows whose logits are shown.
struct DrawInput {
  const char* name;
  const char* size; ///< its symbol
  bool isFloat;
};
inline constexpr DrawInput kDrawInputs[] = {{"shown.rows", "h", false},
                                            {"draw.rows", "d", false},   {"draw.inverse_temperature", "d", true},   {"draw.min_p", "d", true},
                                            {"draw.u", "d", true},       {"listed.draw", "l", false},               {"listed.rows", "l", false},
                                            {"listed.inverse_temperature", "l", true}, {"listed.top_k", "l", false}, {"listed.top_p", "l", true},
                                            {"listed.min_p", "l", true}, {"listed.u", "l", true},                   {"draw.choice", "q", false}};

/// i32 [q]. A token is drawn from what is left of its row's distribution:
///
///   weights   w = exp((logit - largest) / temperature), sums in f32
///   top-k     of the k most probable tokens, largest first
///   top-p     of those before which the sum is less than p times the sum of all (of the k)
///   min-p     of those with w >= min-p; not listed: of all tokens, by id
///   token     the first at which the running sum of what is left exceeds `u` times that sum; never one whose weight is 0 in f32
///
/// -1 (undecided) where top-p alone leaves more than kSortedTokens tokens, the vocabulary's size where `best` says so. Nothing is sorted where l is 0, and nothing summed where d is.
Value drawTokens(Graph& g, const DrawInputs& in);

} // namespace jinx::frontends::llm
