// Which dimensions of a reshape's operand are which of its result?
//
// Both shapes are cut, from the left, into the shortest runs that hold equally many elements. Extents of 1 go with a neighbour:
//
//   [n, 6, h, w] -> [n, 2, 3, h*w]      n | 6 | h w      n | 2 3 | h*w
//   [n, 1, w, c] -> [n, w, c]           n | 1 w | c      n | w | c
//
// A pass that moves a reshape past another operator asks for these blocks: whatever an operator does to one block it can do to the
// same block on the other side.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "ir/Graph/Sizes.h"
#include "mlir/IR/BuiltinOps.h"

namespace jinx::passes {

/// Formulas that are equal whenever the module runs: `jinx.size_checks`, which whoever runs it checks first.
class EqualSizes {
 public:
  EqualSizes() = default;
  explicit EqualSizes(mlir::ModuleOp module);
  bool operator()(const SizeExpr &a, const SizeExpr &b) const { return a == b || root(a.str()) == root(b.str()); }

 private:
  std::string root(std::string text) const;
  std::map<std::string, std::string> parent_;
};

/// Dimensions [from, fromEnd) of the operand hold the elements of [to, toEnd) of the result; one of the two runs may be empty.
struct ReshapeBlock {
  int64_t from, fromEnd, to, toEnd;
};

/// Nothing when no such cut is known: [a, b] -> [c, d].
std::optional<llvm::SmallVector<ReshapeBlock>> reshapeBlocks(llvm::ArrayRef<SizeExpr> from, llvm::ArrayRef<SizeExpr> to, const EqualSizes &equal = {});

}  // namespace jinx::passes
