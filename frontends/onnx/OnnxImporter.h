// ONNX → graph dialect. See OnnxImporter.cpp for how.
#pragma once

#include <span>
#include <string>

#include "frontends/ImportOptions.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "runtime/base/Status.h"

namespace jinx::frontends {

/// Loads the dialects that an imported module uses.
void loadImportDialects(mlir::MLIRContext &context);

/// Imports a model file as a module with one function `main`:
///
///   module attributes {jinx.model_name = "…", jinx.metadata = {key = "value"}, jinx.symbols = [{name = "n"}, …]} {
///     func.func @main(%arg0: tensor<?x3xf32, #jinx.dims<"n", "3">> {jinx.name = "x"}) -> (tensor<…> {jinx.name = "y"})
///
/// `jinx.size_checks` lists equations {lhs, rhs, node} between formulas that the model relies on: whoever runs the module checks
/// each as soon as its symbols are known (SizeFacts.h). A symbol's dictionary has `min` and `max` when they were given or follow from the model, and `defined_by_step` when only a host step finds its value.
/// Every operator carries its node's name as location. A `jinx.host_call` that stands for a node that kernels could have computed
/// says in `jinx.reason` why it is there.
///
/// \returns kNotFound or kInvalidArgument for the file; kInvalidArgument or kUnimplemented with all the model's problems, a line each
Expected<mlir::OwningOpRef<mlir::ModuleOp>> importOnnx(mlir::MLIRContext &context, const std::string &path,
                                                       const ImportOptions &options = {});
/// The same from memory; `modelDir` is where external data lies (empty: there is none).
Expected<mlir::OwningOpRef<mlir::ModuleOp>> importOnnxBytes(mlir::MLIRContext &context, std::span<const std::byte> bytes,
                                                            const std::string &modelDir = "", const ImportOptions &options = {});

} // namespace jinx::frontends
