// An encoder that is open, as a server has it: a BERT encoder's folder or a plan of one, and its tokenizer.
#pragma once

#include <memory>
#include <string>

#include "runtime/llm/EmbeddingModel.h"
#include "runtime/serve/ServedModel.h"
#include "tools/common/PlanSource.h"

namespace jinx::tools {

struct EncoderOptions {
  std::string path;
  std::string tokenizer; ///< its file, or a folder with one; empty: the encoder's own folder
  std::string name;      ///< for clients; empty: the file's
};

struct OpenEncoder {
  LoadedPlan plan;
  std::unique_ptr<llm::EmbeddingModel> model;
  serve::ServedEncoder served; ///< its `embed` is the model's, which must outlive it
};

/// \param request  of a language model beside it: the device, and whether a plan that is compiled is kept
/// \returns kInvalidArgument for a plan that is none of an encoder, a plan without --embedding-tokenizer, or a tokenizer with more tokens than the encoder knows
Expected<OpenEncoder> openEncoder(const PlanSource& source, const EncoderOptions& options, const PlanRequest& request);

/// The last part of a path without its ending, also where it ends with a slash.
std::string modelNameOf(const std::string& path);

} // namespace jinx::tools
