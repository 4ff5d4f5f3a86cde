// Which GPU is compiled for? The module says so: attribute `jinx.gpu`, the name of an architecture (GpuArchitecture.h); none is sm_90a.
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "runtime/base/GpuArchitecture.h"

namespace jinx::schedules {

inline constexpr llvm::StringLiteral kGpuAttribute = "jinx.gpu";

/// Of the module that `op` is, or is in.
inline GpuArchitecture gpuOf(mlir::Operation *op) {
  auto module = mlir::isa<mlir::ModuleOp>(op) ? mlir::cast<mlir::ModuleOp>(op) : op->getParentOfType<mlir::ModuleOp>();
  auto name = module ? module->getAttrOfType<mlir::StringAttr>(kGpuAttribute) : mlir::StringAttr();
  const GpuArchitecture *known = name ? gpuArchitecture(std::string_view(name.getValue())) : nullptr;
  return known ? *known : GpuArchitecture();
}

}  // namespace jinx::schedules
