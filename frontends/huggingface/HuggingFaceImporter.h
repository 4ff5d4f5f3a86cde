// A folder as models are published in on Hugging Face → graph dialect: a language model as one step over pages of keys and values
// (frontends/llm/Step.h), or an encoder that makes embeddings (frontends/llm/Encoder.h).
#pragma once

#include <string>

#include "frontends/ImportOptions.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "runtime/base/Status.h"

namespace jinx::frontends {

/// The folder has config.json and safetensors (frontends/huggingface/Checkpoint.h). Constants are the files' own bytes where these lie as they are wanted:
/// they stay mapped as long as the module's context lives. `jinx.metadata` is that of llm::makeStepModule or llm::makeEncoderModule, with
/// llm.bos_token_id and llm.eos_token_id, which has several ids separated by commas where generation_config.json or config.json say so.
///
/// \returns kNotFound for a missing file, kInvalidArgument for a damaged one, a field that cannot be, or tensors that do not fit the fields (all of them at
///          once), kUnimplemented for an architecture or a field that we do not have
Expected<mlir::OwningOpRef<mlir::ModuleOp>> importHuggingFace(mlir::MLIRContext& context, const std::string& folder, const ImportOptions& options = {});

} // namespace jinx::frontends
