// Which loops does an operator have, and which dimension does each of them walk? What splitting an operator over several devices must know
// (docs/decisions/0047).
//
// A loop is called a factor. Each dimension of each operand and result is a list of factors, the major one first; its extent is the product of their sizes:
//
//   matmul    a[m, k] b[k, n] -> y[m, n]; k sums                  parts of the rows of a give parts of the rows of y; parts of k, sums that are not complete
//   reshape   x[i0*i1, i2] -> y[i0, i1*i2]                        6x4 becomes 2x12: the common refinement of both shapes is 2, 3, 4
//   reduce    x[d0, d1] -> y[d0, 1]; d1 takes the maximum         the largest of a row is the largest of those of its parts
//   cumsum    x[d0, axis] -> y[d0, axis]; whole: axis             an element needs all that are in front of it
//   gather    x[v, d1] indices[i0] -> y[i0, d1]; gathered: v      of a part of the rows of x, what lies in it, and 0 for the rest: the sum of all parts is y
//
// A dimension of extent 1 has no factors: nothing of it can be split, and broadcasting repeats it. What a rule says of a factor f that is not whole: cut it
// into parts, take of each operand that has f the part of f (an operand without it stays as it is), and compute the operator on each part. Then a result that
// has f is the parts side by side along f. One that has not is the parts combined: by the factor's reduction (by sum where it is gathered).
//
// Where a factor is major in every dimension that has it, a part of it is a run of neighbours. Where it is not, as i1 in y above, its parts lie interleaved.
// Attributes that repeat a size (the group of a convolution, the block of a quantization) follow from the sizes of the part.
//
// A value is partial when the whole is the sum (or the largest, …) of what several devices have. Operators that commute with this take partial operands, and
// their results are partial by the same; which operands may be, and which must be together, the rule says too (PartialRule):
//
//   matmul    partial: a (sum), b (sum)             (a1 + a2) b = a1 b + a2 b
//   add       partial: a+b (sum)                    both. Were b not partial it would be counted once on every device
//   max       partial: a (max), b (max), a+b (max)
//
// An operator without a rule needs all of everything; `whyNoFactorRule` says why it has none.
#pragma once

#include <optional>
#include <string>

#include "ir/Graph/Graph.h"

namespace jinx::graph {

enum class FactorKind {
  kFree,      ///< an index of each result: batch, m, n
  kReduced,   ///< a result that has no such dimension is combined over it
  kGathered,  ///< data say which elements are read: each part gives what lies in it and 0 elsewhere, and the sum of the parts is the result
  kWhole,     ///< no part of it can be computed alone: the axis of a sort, a window that slides, the depth of attention
};

struct Factor {
  std::string name;  ///< "m"; no other factor of the rule has it
  SizeExpr size;
  FactorKind kind = FactorKind::kFree;
  ReduceKind reduction = ReduceKind::sum;  ///< of kReduced
};

/// Factors of a dimension as indices into FactorRule::factors, the major one first.
using Loops = llvm::SmallVector<int64_t, 2>;
using Dims = llvm::SmallVector<Loops, 4>;

struct FactoredValue {
  std::string name;  ///< "a": as the operator's definition calls it
  Dims dims;         ///< one entry for each dimension
};

/// If exactly these operands are partial, all by one of these reductions, then all results are partial by it.
struct PartialRule {
  llvm::SmallVector<int64_t, 2> operands;  ///< ascending
  llvm::SmallVector<ReduceKind, 4> reductions;
};

struct FactorRule {
  llvm::SmallVector<Factor, 4> factors;
  llvm::SmallVector<FactoredValue, 4> operands, results;  ///< as the operator has them; an omitted one has no entry
  llvm::SmallVector<PartialRule, 2> partials;
};

/// The rule of a valid operator of the graph dialect; nothing where it has none.
std::optional<FactorRule> factorRule(mlir::Operation *op);
/// Why an operator of this name ("jinx.if") has no rule; empty where it has one, or is none of ours.
llvm::StringRef whyNoFactorRule(llvm::StringRef name);

/// "a[m, k] b[k, n] -> y[m, n]; k sums; partial: a (sum), b (sum)", with "; gathered: v" and "; whole: d, e" where there are such. With `sizes` also
/// "; sizes: m=4 k=8 n=2".
std::string describe(const FactorRule &rule, bool sizes = false);

}  // namespace jinx::graph
