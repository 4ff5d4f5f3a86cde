// What does a pass say about an operator? Three kinds, through MLIR's remarks:
//
//   passed  it did what it is for          "Joined: add joins the group of /conv1"
//   missed  it did not, and why            "Refused: reduces axes [0], the group reduces [1]"
//   failed  it tried and could not         "NotComputed: no reference implementation of …"
//
// A remark has a name that programs can filter by and a sentence for people. Without a listener (`jinx compile --remarks`,
// `jinx-opt --remarks-filter`) nothing is formatted:
//
//   say(passed(op, "jinx-fold-constants", "Folded"), [&] { return "computed " + kindOf(op); });
#pragma once

#include <string>

#include "mlir/IR/Operation.h"
#include "mlir/IR/Remarks.h"

namespace jinx::passes {

using InFlightRemark = mlir::remark::detail::InFlightRemark;

inline mlir::remark::RemarkOpts remarkNamed(llvm::StringRef pass, llvm::StringRef name) {
  return mlir::remark::RemarkOpts::name(name).category(pass);
}
inline InFlightRemark passed(mlir::Operation *op, llvm::StringRef pass, llvm::StringRef name) {
  return mlir::remark::passed(op->getLoc(), remarkNamed(pass, name));
}
inline InFlightRemark missed(mlir::Operation *op, llvm::StringRef pass, llvm::StringRef name) {
  return mlir::remark::missed(op->getLoc(), remarkNamed(pass, name));
}
inline InFlightRemark failed(mlir::Operation *op, llvm::StringRef pass, llvm::StringRef name) {
  return mlir::remark::failed(op->getLoc(), remarkNamed(pass, name));
}

/// Completes a remark with what `text` returns, when someone listens.
template <typename Text>
void say(InFlightRemark remark, Text &&text) {
  if (remark) remark << llvm::StringRef(text());
}

/// "add" of jinx.add.
inline std::string kindOf(mlir::Operation *op) { return op->getName().stripDialect().str(); }

}  // namespace jinx::passes
