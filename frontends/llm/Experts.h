// A mixture of experts: a router gives each token some of the experts, and a weight for each.
//
// Tokens are sorted by expert, so that the rows of each expert lie behind each other: one grouped product multiplies all (decision 0026). Two tokens,
// two of three experts each, chosen as [[2, 0], [0, 1]]:
//
//   pairs     (0, 2) (0, 0) (1, 0) (1, 1)         a token and its expert, token by token
//   sorted    (0, 0) (1, 0) (1, 1) (0, 2)         order 1 2 3 0, ends 2 3 4
//   back      3 0 1 2                             where each pair's row lies, to sum them token by token
//
// Of equal scores the expert with the lower number is chosen. The order of a token's additions is that of its experts by score: nothing else in the step
// changes it. (Shazeer et al. 2017; Gale et al. 2023, MegaBlocks.)
#pragma once

#include "frontends/llm/Graph.h"
#include "frontends/llm/Model.h"

namespace jinx::frontends::llm {

/// For n tokens with k experts each; indices are i32.
struct Routes {
  Value weights; ///< f32 [n, k, 1]
  Value tokens;  ///< [n * k] whose row each row of the sorted pairs is
  Value ends;    ///< [experts] where the rows of each expert end
  Value back;    ///< [n * k] where the row of each pair lies
};

/// \param scores  [n, experts], the router's
Routes routeTokens(Graph& g, Value scores, const ExpertShape& experts);

/// rows [n * k, in] of sorted pairs, w [experts, out, in] → [n * k, out]
Value expertProduct(Graph& g, Value rows, Value w, const Routes& routes);

/// The weighted sums of each token's rows: [n * k, width] of sorted pairs → [n, width].
Value mergeExperts(Graph& g, Value rows, const Routes& routes);

} // namespace jinx::frontends::llm
