// GGUF → graph dialect: a language model as one step over pages of keys and values (frontends/llm/Step.h has its inputs).
#pragma once

#include <string>

#include "frontends/ImportOptions.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "runtime/base/Status.h"

namespace jinx::frontends {

/// Constants are the file's own bytes: it stays mapped as long as the module's context lives. `jinx.metadata` has what an engine needs
/// (llm::makeStepModule), with llm.bos_token_id, llm.eos_token_id, llm.eot_token_id where the file has them.
///
/// \returns kNotFound without the file, kInvalidArgument for a damaged one or one whose tensors do not fit its entries (all of them at once),
///          kUnimplemented for an architecture that we do not have
Expected<mlir::OwningOpRef<mlir::ModuleOp>> importGguf(mlir::MLIRContext& context, const std::string& path, const ImportOptions& options = {});

} // namespace jinx::frontends
