// Mixtures whose tokens and experts are split by the same ranks: tokens go to their experts, and sums come back
// (decision 0053).
//
// Six tokens and four experts on two ranks; each token has two experts. Rank 0 has tokens 0 to 2 and experts 0 and 1:
//
//   chosen   [0, 2]  [3, 2]  [1, 0]     of its tokens
//   goes      1 1     0 1     1 0       to rank 0, to rank 1: once, however many experts are there
//   sends     2 2                       column sums; ranks tell each other what they receive
//   place     0 2     - 3     1 -       among the rows that go out, which lie in the order of their ranks
//   order     0 2 0 1                   the token of each row: `place`, turned around
//
//   %r = dist.all_to_all_v x[order], %sends, %receives     room for the tokens of both ranks, zeros behind those that
//                                                          came; beside it numbers of experts and weights. Numbers
//                                                          count from 1, so that rows of zeros have no expert
//   %y = jinx.experts %r, …                                of this rank's experts, for whatever came
//   %b = dist.all_to_all_v %y, %receives, %sends           sums lie where the rows lay: six at most, and a row of zeros
//
//   back      0 2     3 6     1 6       the row of %b for each choice; the last one where the choice is no expert, or
//                                       the token has an earlier one of that rank
//   y         %b[back], summed over a token's choices in their order: the same bits every time
//
// Only the rows on the wire have a number that is data. Room for the worst case, all tokens to one rank, is what
// gathering them would need, too; so no token is dropped.
#pragma once

#include "ir/Dist/FactorAxes.h"
#include "passes/Dist/OwnValues.h"

namespace jinx::passes {

/// What is asked of mixtures that could be exchanged.
enum class ExpertTokens { kByCost, kGather, kExchange };
/// "" or "auto", "gather", "exchange". kInvalidArgument for others
Expected<ExpertTokens> expertTokensNamed(llvm::StringRef name);

/// One way to compute a placed mixture: its tokens stay with their ranks.
struct Exchange {
  graph::ExpertsOp op;
  dist::Axes over;                                     ///< that split experts, and tokens
  llvm::SmallVector<dist::ReshardOp, 3> gathers;       ///< of x, chosen and weights: what is split in front
  llvm::SmallVector<mlir::RankedTensorType, 3> tokens; ///< of the same, as the exchange takes them
  llvm::SmallVector<dist::ReshardOp, 2> scatters;      ///< that read y
  mlir::RankedTensorType result;                       ///< of y, as the exchange leaves it
  double share = 1; ///< of all ranks, those that a token goes to where experts are in even use
  double seconds = 0,
         gatherSeconds = 0; ///< by the cost model: as an exchange, and gathered in front and scattered behind
};

/// The exchange that the placed operator could be; kUnimplemented, with what is in its way, where it is none.
/// \pre its experts are split
Expected<Exchange> findExchange(graph::ExpertsOp op, dist::MeshOp mesh, MeshCosts& costs);

/// Operands of a rank: tokens as `Exchange::tokens` has them, matrices of its experts.
struct OwnOperands {
  mlir::Value x, chosen, weights, gate, up, down;
};
/// Writes it. \returns y of a rank's own tokens, of the type that `Exchange::result` is of a rank
mlir::Value writeExchange(const Exchange& exchange, const OwnOperands& operands, OwnBuilder& own, dist::MeshOp mesh);

} // namespace jinx::passes
