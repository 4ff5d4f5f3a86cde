// A language model as a module: its step, what an engine needs to know about it, the names of its sizes.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "frontends/ImportOptions.h"
#include "frontends/llm/Tensors.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace jinx::frontends::llm {

/// Entries of `jinx.metadata`, without the "llm." in front of their names.
using Metadata = std::vector<std::pair<std::string, std::string>>;

/// "2" or "2,7,9": several ids of one kind.
std::string listOf(const std::vector<int64_t>& ids);

/// A module with @main, metadata and symbols of its own still to be filled; the dialects are loaded.
mlir::OwningOpRef<mlir::ModuleOp> makeModule(mlir::MLIRContext& context, const std::string& name, const Metadata& metadata, const std::vector<std::string>& symbols);

/// Sizes get their ranges, and the module is verified.
Status finishModule(mlir::ModuleOp module, const ImportOptions& options);

/// The module of a model that makes tokens. `jinx.metadata`: llm.architecture, llm.context_length, llm.vocabulary, llm.page_rows, llm.layers, llm.heads,
/// llm.key_heads, llm.depth, llm.key_value_type, and `tokens`.
///
/// \param name     of the model
/// \param tokens   what the file says of tokens: {"eos_token_id", "2"}
/// \returns kInvalidArgument for options that cannot be
Expected<mlir::OwningOpRef<mlir::ModuleOp>> makeStepModule(mlir::MLIRContext& context, const std::string& name, const ModelShape& shape, const Tensors& weights,
                                                           const Metadata& tokens, const ImportOptions& options);

} // namespace jinx::frontends::llm
