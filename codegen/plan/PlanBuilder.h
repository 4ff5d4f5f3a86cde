// From a scheduled module to a plan: the last thing the compiler does.
#pragma once

#include <span>
#include <string>

#include "mlir/IR/BuiltinOps.h"
#include "runtime/plan/PlanFile.h"

namespace jinx {

/// A file whose bytes constants may share: they stay there, and the plan says where.
struct ExternalFile {
  std::string name; ///< relative to the plan's folder, below it
  std::span<const std::byte> bytes; ///< all of it, where constants have them
};

/// Fills `writer` from `module`: functions of launches, host calls, control flow, reshapes and constants. Code objects are added by
/// the caller; kernels are numbered in the module's order. Constants' bytes stay in the MLIR context, which must outlive
/// `writer`.
Status buildPlan(mlir::ModuleOp module, PlanWriter &writer, std::span<const ExternalFile> external = {});

}  // namespace jinx
