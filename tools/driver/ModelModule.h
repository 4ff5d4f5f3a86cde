// A model in the compiler's form, and the context it lives in. Compiler.h passes it on without MLIR.
#pragma once

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

  mlir::func::FuncOp main() { return module->lookupSymbol<mlir::func::FuncOp>("main"); }
  /// Shares context and the bytes of constants.
  std::shared_ptr<ModelModule> clone() { return std::make_shared<ModelModule>(ModelModule{name, context, mlir::OwningOpRef<mlir::ModuleOp>(module->clone())}); }
};

} // namespace jinx::driver
