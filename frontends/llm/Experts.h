// A mixture of experts: a router gives each token some of the experts, and a weight for each.
//
// What follows from that, rows sorted by expert and grouped products, is one operator until a model is split over ranks (decision 0051).
//
// Of equal scores the expert with the lower number is chosen. The order of a token's additions is that of its experts by score: nothing else in the step
// changes it. (Shazeer et al. 2017; Gale et al. 2023, MegaBlocks.)
#pragma once

#include "frontends/llm/Graph.h"
#include "frontends/llm/Model.h"

namespace jinx::frontends::llm {

/// For n tokens with k experts each.
struct Choice {
  Value experts; ///< i64 [n, k]
  Value weights; ///< f32 [n, k]
};

/// \param scores  [n, experts], the router's
Choice chooseExperts(Graph& g, Value scores, const ExpertShape& experts);

struct ExpertMatrices {
  Value gate, up; ///< [experts, hidden, width]
  Value down;     ///< [experts, width, hidden]
};

/// x [n, width] → the weighted sums of what each token's experts make of it, f32 [n, width].
Value mixExperts(Graph& g, Value x, const Choice& choice, const ExpertMatrices& matrices, Activation gate);

} // namespace jinx::frontends::llm
