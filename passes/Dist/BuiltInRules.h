// Rules that nobody has to write: how the models of the field are usually split.
//
// Tensor parallelism makes pairs of products. The first has its columns split, so each rank has some columns of its result; what works column by column
// (activations, heads of attention) goes on without anyone else; the second product has its rows split, and its result is a sum over ranks:
//
//   h = gelu(x w1)    w1 [k, n]: n by tp       each rank has n / tp columns of h
//   y = h w2          w2 [n, m]: n by tp       y is partial: one all_reduce for two products
//
// - Language models (frontends/llm): q, k and v by heads, with the pools of keys and values; attention's output by rows; gate and up by columns, down by rows;
//   experts the same by tp, and one from another by ep; the embedding and the head by vocabulary. Nodes have the same names
//   whatever file the model comes from, so rules are written over them.
// - Other models: the products with constant weights are paired by looking for them (PairedProducts.cpp).
// - Tokens over `cp`, of models that compute attention over all of their keys (ContextRules.cpp); jinx-form-rings lets keys and values go round.
//
// What does not divide stays whole, and a note says so. Axes are called as the field calls them: tp splits as above, ep splits experts, dp splits nothing
// inside a model (each of its ranks has requests of its own), pp has stages of layers (MarkStages.h). With `isSequenceParallel` rows of what goes from block to block are split by tp, too: an
// all_reduce becomes a reduce_scatter and an all_gather, and norms are computed once instead of on each rank. (Shoeybi et al. 2019, Megatron-LM; Korthikanti et
// al. 2022.)
#pragma once

#include "passes/Dist/ApplyRules.h"

namespace jinx::passes {

/// \param mesh   axes tp, ep, cp, dp, pp and micro
/// \returns kInvalidArgument for another axis, where neither tp nor ep splits anything and one of them has ranks to split by, or where cp or micro has and splits nothing
Expected<ShardRules> builtInRules(mlir::ModuleOp module, const std::vector<MeshAxis> &mesh, bool isSequenceParallel, std::vector<RuleNote> &notes);

/// Their parts; `tp` and `cp` are numbers of ranks.
std::vector<ShardRule> languageRules(mlir::ModuleOp module, const std::vector<MeshAxis> &mesh, bool isSequenceParallel, std::vector<RuleNote> &notes);
std::vector<ShardRule> pairedProducts(mlir::ModuleOp module, int64_t tp, std::vector<RuleNote> &notes);
std::vector<ShardRule> contextRules(mlir::ModuleOp module, int64_t cp, std::vector<RuleNote> &notes);

}  // namespace jinx::passes
