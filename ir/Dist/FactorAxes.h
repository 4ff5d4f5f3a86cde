// Which axes of the mesh walk which loop of an operator?
//
// A dimension's axes go to its factors, the major one first: a factor takes axes until they are as many as it is long, and the next factor takes those that follow.
//
//   reshape x[b*s, 64] -> y[b, s, 64], b = 4;  x is "dp" = shard 0 with 4 ranks, "cp" = shard 0:   dp walks b, cp walks s
//   the same with 2 ranks of dp, cp behind it:                                                       dp and cp both would walk b: 4 = 2 * 2
//
// Where a dimension has several factors, the axes of each divide it, or parts would be no neighbours of equal sizes: of [g, c] with g = 2, c = 3 and 2 ranks each, the
// dimension has parts of 2, 2, 2 and 0 elements, and (g, c) parts of 2, 1, 2 and 1. A factor that is a dimension by itself may be split into any number of parts.
#pragma once

#include "ir/Dist/Dist.h"
#include "ir/Graph/Factors.h"

namespace jinx::dist {

using Axes = llvm::SmallVector<mlir::StringAttr, 2>;
/// For each factor of a rule the axes that walk it, the major one first.
using FactorAxes = llvm::SmallVector<Axes, 4>;

/// The axes that a dimension's factors take of `axes`; nullopt, with the reason in `why`, where they do not go into them.
std::optional<llvm::SmallVector<Axes, 2>> distribute(llvm::ArrayRef<mlir::StringAttr> axes, const graph::Loops &loops, const graph::FactorRule &rule, MeshOp mesh,
                                                     std::string &why);
/// The other way: a dimension's axes, by those of its factors; nullopt where a minor factor is split and the one in front of it is not split to the last element.
/// Or where an axis does not divide a factor that has others beside it, which `uneven` says.
std::optional<Axes> collect(const graph::Loops &loops, const FactorAxes &axes, const graph::FactorRule &rule, MeshOp mesh, std::string *uneven = nullptr);

/// The axes that walk the factors of a placed operator, which the verifier has seen.
FactorAxes axesOfFactors(mlir::Operation *op, const graph::FactorRule &rule, MeshOp mesh);
/// Whether any of them walks what data read.
bool isGathered(const graph::FactorRule &rule, const FactorAxes &axes);

/// By which reduction the results of an operator are partial where these operands are; an error that says why they may not be.
Expected<graph::ReduceKind> partialResult(mlir::Operation *op, llvm::ArrayRef<std::optional<graph::ReduceKind>> operands);

}  // namespace jinx::dist
