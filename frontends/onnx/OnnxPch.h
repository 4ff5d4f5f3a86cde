// The heavy headers of every file of the importer, precompiled once.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "ir/Graph/Graph.h"
#include "ir/Graph/ValueInference.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringSet.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

#include <onnx/onnx_pb.h>

namespace jinx {
using graph::Sizes;
}
namespace jinx::frontends { // jinx::Value and jinx::Attribute are the runtime's
using mlir::Attribute;
using mlir::Value;
using mlir::ValueRange;
} // namespace jinx::frontends
