// Jinx's own format: modules of the graph dialect, as text or as MLIR bytecode.
#pragma once

#include <span>
#include <string>

#include "frontends/ImportOptions.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "runtime/base/Status.h"

namespace jinx::frontends {

/// Reads and verifies a module; the format is recognised by its first bytes.
/// \returns kInvalidArgument with the parser's messages (file, line, column) for anything that is no valid module with a `main`
Expected<mlir::OwningOpRef<mlir::ModuleOp>> importNative(mlir::MLIRContext &context, const std::string &path, const ImportOptions &options = {});
/// The same from memory; `name` stands for the file in messages. Bytes that are trusted (MLIR has written them) are not read in a
/// process of their own, and end this one when they are hostile.
Expected<mlir::OwningOpRef<mlir::ModuleOp>> importNativeBytes(mlir::MLIRContext &context, std::span<const std::byte> bytes,
                                                              const std::string &name, bool trusted = false);

} // namespace jinx::frontends
