// How are a function's values called, by those who write rules about them?
//
//   inputs, outputs   by their names:   "input_ids", "logits"
//   constants         by the tensor's:  "blk.3.ffn_up.weight"
//   results           by the node's:    "/layer/MatMul", and "/layer/Split#1", "#2" where a node has more than one
//
// A node is often several operators. Its values are those that operators of other nodes read, in program order: a weight that is decoded and cast has one, the
// last. What nobody else reads has no name.
#pragma once

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace jinx::passes {

struct NamedValue {
  std::string name;
  mlir::Value value;    ///< null for an output
  int64_t output = -1;  ///< of the function
  mlir::RankedTensorType type;
};

/// The innermost name of a location; empty where it has none.
llvm::StringRef nodeName(mlir::Location location);
/// "all_reduce (/layer/down)".
std::string described(mlir::Operation *op);
/// Tensors only. Of a function in any form; inputs first, then constants and results in program order, then outputs.
std::vector<NamedValue> namedValues(mlir::func::FuncOp function);

/// Whether `pattern` is the name; `*` stands for any characters, none too, and `?` for one.
bool matchesGlob(llvm::StringRef pattern, llvm::StringRef name);
/// Up to three names that are written like `pattern`, the nearest first: "a, b".
std::string nearNames(llvm::StringRef pattern, llvm::ArrayRef<NamedValue> values);

}  // namespace jinx::passes
