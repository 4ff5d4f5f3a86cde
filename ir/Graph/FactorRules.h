// How is a factor rule written? As a function of the operator, and a row in the table of its family (as runtime/hostops does it):
//
//   FactorRule cumsum(CumsumOp op) {
//     RuleWriter rule(op);
//     Dims dims = rule.each("d", op.getX());                              // a free factor for each dimension: d0, d1
//     dims[op.getAxis()] = {rule.whole("axis", op.getX(), op.getAxis())};
//     rule.operand("x", op.getX(), dims);
//     rule.result("y", op.getY(), dims);
//     rule.partial({"x"}, kSums);
//     return rule.take();
//   }
//   …
//   constexpr FactorRow kRows[] = {row<CumsumOp, cumsum>(), …};
//
// Operands and results are given in the order of the definition; an omitted one is passed as it is, and has no entry. What has no rule has a row in
// kWithoutRule (Factors.cpp). tests/numeric/complete.py names operators that have neither, tests/numeric/factors.py computes with the parts that a rule
// promises.
#pragma once

#include "ir/Graph/Factors.h"

namespace jinx::graph {

/// Which reductions a partial operand may have.
inline constexpr ReduceKind kAny[] = {ReduceKind::sum, ReduceKind::prod, ReduceKind::max, ReduceKind::min};
inline constexpr ReduceKind kSums[] = {ReduceKind::sum};
inline constexpr ReduceKind kExtrema[] = {ReduceKind::max, ReduceKind::min};

class RuleWriter {
 public:
  explicit RuleWriter(mlir::Operation *op) : op_(op) {}

  // A new factor. One of size 1, or that no dimension has, is not in the rule.
  int64_t free(const llvm::Twine &name, SizeExpr size) { return add({name.str(), std::move(size), FactorKind::kFree}); }
  int64_t reduced(const llvm::Twine &name, SizeExpr size, ReduceKind by = ReduceKind::sum) {
    return add({name.str(), std::move(size), FactorKind::kReduced, by});
  }
  int64_t gathered(const llvm::Twine &name, SizeExpr size) { return add({name.str(), std::move(size), FactorKind::kGathered}); }
  int64_t whole(const llvm::Twine &name, SizeExpr size) { return add({name.str(), std::move(size), FactorKind::kWhole}); }
  int64_t whole(const llvm::Twine &name, mlir::Value v, int64_t dim) { return whole(name, sizesOf(v.getType())[dim]); }
  /// A free factor for each dimension of `v`, or each of these sizes: prefix0, prefix1, …
  Dims each(llvm::StringRef prefix, mlir::Value v) { return each(prefix, sizesOf(v.getType())); }
  Dims each(llvm::StringRef prefix, llvm::ArrayRef<SizeExpr> sizes);

  /// The next operand or result. `dims` has an entry for each dimension; those of extent 1 are emptied. Null: an omitted one.
  void operand(llvm::StringRef name, mlir::Value v, Dims dims) { value(rule_.operands, name, v, std::move(dims)); }
  void result(llvm::StringRef name, mlir::Value v, Dims dims) { value(rule_.results, name, v, std::move(dims)); }

  /// These operands may be partial by one of these reductions, all of them together (after the last operand). Does nothing where one is omitted.
  void partial(llvm::ArrayRef<llvm::StringRef> operands, llvm::ArrayRef<ReduceKind> by);

  /// The rule, of as many operands and results as the operator has.
  FactorRule take();

 private:
  int64_t add(Factor factor);
  void value(llvm::SmallVectorImpl<FactoredValue> &values, llvm::StringRef name, mlir::Value v, Dims dims);

  mlir::Operation *op_;
  FactorRule rule_;
};

/// A dimension that lies in pieces of a fixed size, as 16 columns of a panel. Where the size divides, the number of pieces is a factor, and the piece is
/// whole, since the layout says how large it is. Where not, the last piece is filled up, and both sides are whole:
///
///   pack   b [8, 32] -> y [2, 8, 16]     b[k, n*nr] -> y[n, k, nr]; whole: nr
///   pack   b [8, 20] -> y [2, 8, 16]     b[k, nx] -> y[np, k, nr]; whole: nx, np, nr
struct Pieces {
  Loops dim, count, piece;  ///< factors of the dimension as it was, of one of pieces, and of one inside of a piece
};
/// `kind`, of the number of pieces: kFree or kReduced.
Pieces piecesOf(RuleWriter &rule, llvm::StringRef name, const SizeExpr &size, int64_t piece, FactorKind kind);

/// The last `count` entries.
inline Dims lastOf(const Dims &dims, size_t count) { return Dims(dims.end() - count, dims.end()); }
/// `dims`, then more.
inline Dims with(Dims dims, const Dims &more) {
  dims.append(more.begin(), more.end());
  return dims;
}
inline mlir::Type elementOf(mlir::Value v) { return mlir::cast<mlir::RankedTensorType>(v.getType()).getElementType(); }

/// A product y of two operands that may be partial one by one; not of bytes (FactorsContraction.cpp), whose y has another type.
inline void linearInBoth(RuleWriter &rule, mlir::Value a, mlir::Value y, llvm::StringRef left, llvm::StringRef right) {
  if (elementOf(a) != elementOf(y)) return;
  rule.partial({left}, kSums);
  rule.partial({right}, kSums);
}

struct FactorRow {
  llvm::StringLiteral name;  ///< "jinx.matmul"
  FactorRule (*rule)(mlir::Operation *op);
};
template <typename Op, FactorRule (*rule)(Op)>
constexpr FactorRow row() {
  return {Op::getOperationName(), [](mlir::Operation *op) { return rule(mlir::cast<Op>(op)); }};
}

// The families, one file each.
llvm::ArrayRef<FactorRow> elementwiseFactors();   // FactorsElementwise.cpp: functions, arithmetic, comparisons, casts
llvm::ArrayRef<FactorRow> shapeFactors();         // FactorsShape.cpp: constants, transposes, slices, pads, concatenations
llvm::ArrayRef<FactorRow> reshapeFactors();       // FactorsReshape.cpp
llvm::ArrayRef<FactorRow> reductionFactors();     // FactorsReduction.cpp: reductions, running sums, sorts
llvm::ArrayRef<FactorRow> indexFactors();         // FactorsIndex.cpp: gathers, scatters
llvm::ArrayRef<FactorRow> contractionFactors();   // FactorsContraction.cpp: products
llvm::ArrayRef<FactorRow> windowFactors();        // FactorsWindow.cpp: convolutions, pools, resizes
llvm::ArrayRef<FactorRow> packedFactors();        // FactorsPacked.cpp: panels, and what multiplies them
llvm::ArrayRef<FactorRow> quantFactors();         // FactorsQuant.cpp: codes, scales, and what multiplies them
llvm::ArrayRef<FactorRow> sequenceFactors();      // FactorsSequence.cpp: recurrences, attention, pages

}  // namespace jinx::graph
