// Computes one graph operator on host tensors with the reference implementations: constant folding, and the oracle of the tests.
#pragma once

#include <vector>

#include "ir/Graph/Graph.h"
#include "runtime/hostops/HostOp.h"

namespace jinx::passes {

/// The attributes of a host call in the runtime's form.
Attributes attributesOf(mlir::DictionaryAttr dictionary);

/// Results of `op` for these operands (an invalid tensor stands for an omitted one). Result types must be static. kUnimplemented for
/// an operator without a reference (control flow, groups, launches).
Expected<std::vector<Tensor>> evaluate(mlir::Operation *op, const std::vector<Tensor> &operands, const HostOpTable &table);

}  // namespace jinx::passes
