// A model in the compiler's form, and the context it lives in. Compiler.h passes it on without MLIR.
#pragma once

#include "codegen/plan/PlanBuilder.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "tools/driver/Compiler.h"

namespace jinx::driver {

struct ModelModule {
  std::string name;                            ///< of the file it came from
  std::shared_ptr<mlir::MLIRContext> context;  ///< outlives the module
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::vector<ExternalFile> external = {};     ///< in which constants may stay

  mlir::func::FuncOp main() { return module->lookupSymbol<mlir::func::FuncOp>("main"); }
  /// Shares context and the bytes of constants.
  std::shared_ptr<ModelModule> clone() { return std::make_shared<ModelModule>(ModelModule{name, context, mlir::OwningOpRef<mlir::ModuleOp>(module->clone()), external}); }
};

} // namespace jinx::driver
