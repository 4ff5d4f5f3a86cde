// The tokens that a step draws by itself, so that logits need not come to the host: a vocabulary of them for each token.
#pragma once

#include "frontends/llm/Graph.h"

namespace jinx::frontends::llm {

/// So many most probable tokens of a row are sorted.
inline constexpr int64_t kSortedTokens = 64;

struct DrawInputs {
  Value logits;             ///< f32 [r, vocabulary]
  Value best;               ///< i32 [r]: of the largest logits; the vocabulary's size where one is no number
  Value rows;               ///< i32 [d]: rows of logits that are drawn from
  Value inverseTemperature; ///< f32 [d], above 0
  Value topK;               ///< i32 [d]: at most kSortedTokens; 0: all
  Value topP;               ///< f32 [d], (0, 1]
  Value minP;               ///< f32 [d], [0, 1]
  Value u;                  ///< f32 [d]: multiples of 2^-23 in [0, 1), so that a product with a sum stays below that sum
  Value choice;             ///< i32 [q]: i < r for the best of row i, r + j for what was drawn from row rows[j]
};
/// What the plan's inputs of these are called, from `rows` on, and which of them are f32.
inline constexpr std::pair<const char*, bool> kDrawInputs[] = {{"draw.rows", false},  {"draw.inverse_temperature", true}, {"draw.top_k", false}, {"draw.top_p", true},
                                                               {"draw.min_p", true}, {"draw.u", true},                  {"draw.choice", false}};

/// i32 [q]. A token is drawn from what is left of its row's distribution:
///
///   weights   w = exp((logit - largest) / temperature), sums in f32
///   top-k     of the k most probable tokens, largest first
///   top-p     of those before which the sum is less than p times the sum of all (of the k)
///   min-p     of those with w >= min-p; without top-k and top-p of all tokens, by id
///   token     the first at which the running sum of what is left exceeds `u` times that sum; never one whose weight is 0 in f32
///
/// -1 (undecided) where top-p alone leaves more than kSortedTokens tokens, the vocabulary's size where `best` says so. With d = 0 nothing but q elements is computed.
Value drawTokens(Graph& g, const DrawInputs& in);

} // namespace jinx::frontends::llm
