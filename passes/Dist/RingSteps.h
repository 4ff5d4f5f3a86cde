// One step of an attention whose keys pass round a ring, and how two steps' results are joined (Liu, Zaharia & Abbeel 2023; Milakov & Gimelshein 2018).
//
// A step is the attention itself over the keys of one block, and gives for each row the largest logit m, the sum l of exp(x - m), and o, the mean of the values by exp(x - m) / l. Steps over
// keys A and B are one over both:
//
//   m = max(mA, mB)     a = lA exp(mA - m)     b = lB exp(mB - m)     l = a + b     o = oA a/l + oB b/l
//
//   logits 1 3 | 5 1     mA = 3, lA = 1.135     mB = 5, lB = 1.018     a = 0.154, b = 1.018     o = 0.131 oA + 0.869 oB
//
// A row that has seen no key so far has m = -inf, and 0 for l and o, which are NaN in a softmax: a step puts them there. Its a is 0; exponents are shifted by 0 then, since -inf - -inf is NaN. When it stays so, the
// last join divides by its l, and o is NaN, as softmax is of a row of -inf. A NaN makes its row NaN, as there.
//
// What a join computes needs its own step, so that all of it is computed beside that step's permutes, and no step's o is kept until the next one's.
//
// *The mask* is data of all keys, or made by a few operators: a step takes its columns. On rank r of n, step i has the keys of rank (r - i) mod n, so they begin at c * ((r + n - i) mod n),
// which is a formula until jinx-rank-program. Elementwise operators, broadcasts and iotas are computed of columns; anything else is computed whole, and sliced.
//
// *Uneven parts*: what is filled up has logits of -inf, and values of 0, since 0 * NaN is NaN.
#pragma once

#include <map>

#include "passes/Dist/OwnValues.h"
#include "passes/Dist/SoftmaxAttention.h"

namespace jinx::passes {

/// Of all keys up to here: o [batch…, queries, columns], m and l [batch…, queries, 1]; o and l are 0 where m is -inf.
struct RingState {
  mlir::Value o, m, l;
};

/// How the keys of an attention are shared out.
struct RingKeys {
  mlir::ArrayAttr over;   ///< axes of the group
  int64_t ranks = 1;
  SizeExpr own, whole;    ///< keys of a rank, filled up; of all
  int64_t valueDim = -1;  ///< of keys, in the right operand of the second product
};

class RingSteps {
 public:
  RingSteps(OwnBuilder &own) : own_(own), b_(own.builder()) {}

  /// The attention over the keys that a rank has at step `step`: `keys` and `values` stand for the right operands of its products.
  RingState take(const SoftmaxAttention &attention, const RingKeys &ring, int64_t step, mlir::Value keys, mlir::Value values);
  /// \param isLast  rows that have seen no key stay NaN
  RingState join(mlir::Location loc, const RingState &first, const RingState &second, bool isLast);
  /// What stands for the attention's result.
  mlir::Value finish(const SoftmaxAttention &attention, const RingState &all);

 private:
  using Columns = llvm::DenseMap<mlir::Value, mlir::Value>;
  mlir::Value columnsOf(mlir::Value value, const RingKeys &ring, const SizeExpr &block, Columns &known);
  mlir::Value makeColumns(mlir::Value value, const RingKeys &ring, const SizeExpr &block, Columns &known);
  mlir::Value cloneWith(mlir::Operation *op, llvm::ArrayRef<mlir::Value> operands, mlir::RankedTensorType type);
  mlir::RankedTensorType ofColumns(mlir::Value value, const RingKeys &ring);
  mlir::Value spread(mlir::Location loc, mlir::Value ofRows, mlir::Value like);

  OwnBuilder &own_;
  mlir::OpBuilder &b_;
  /// By axes, sizes, step and stage: masks are shared by layers.
  std::map<std::tuple<const void *, std::string, std::string, int64_t, const void *>, Columns> columns_;
};

}  // namespace jinx::passes
