// Which algorithm is the fastest, why, and from which size on another one is?
//
// Two lines t = L + S/b cross where S* = (L_ring - L_tree) / (1/b_tree - 1/b_ring): below it counts what has fewer steps, above it what sends
// each byte less often. Real curves are made of pieces of lines: the protocol changes with the size, and trees have another factor at each
// power of two. So there may be several crossovers; `crossings` finds all of them, by looking and then by halving.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/comm/model/CollectiveCost.h"

namespace jinx::comm::model {

struct Choice {
  Cost best;
  std::vector<Cost> candidates;  ///< one for each algorithm, the fastest first
  std::string why;               ///< "ring (Simple) 1.9 ms, tree (Simple) 2.4 ms: 64 MiB is above the crossover of 31 MiB"
};

Expected<Choice> cheapest(const Network& network, Op op, const Group& group, double bytes);

/// Where two lines cross; none where one is below the other at all sizes.
std::optional<double> crossover(const Line& a, const Line& b);

/// The sizes up to 1 TiB from which on the order of two algorithms is another one, ascending; each with the protocol that is fastest. Pieces
/// shorter than an eighth of a power of two may be missed. Empty where one is always faster, or where the op or the group has not both.
std::vector<int64_t> crossings(const Network& network, Op op, const Group& group, Algorithm a, Algorithm b);

/// "tree below 17 MiB, ring above", "ring at every size": the crossings, with who is faster between them. "no choice" where the op or the
/// group has not both.
std::string fasterText(const Network& network, Op op, const Group& group, Algorithm a, Algorithm b);

} // namespace jinx::comm::model
