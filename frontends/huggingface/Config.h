// What a config.json says a language model is.
#pragma once

#include <string>
#include <string_view>

#include "frontends/huggingface/Fields.h"
#include "frontends/llm/Encoder.h"
#include "frontends/llm/Model.h"

namespace jinx::frontends::huggingface {

/// How the tensors of an architecture are called (Names.h).
enum class Naming { kLlama, kMixtral, kGemma, kGpt, kBert };

/// What all models of an architecture have in common.
struct Architecture {
  std::string_view name; ///< "model_type"
  std::string_view task; ///< how the entry of "architectures" ends that we compute
  Naming naming = Naming::kLlama;
  bool hasBiases = false;        ///< of q, k and v, whatever the file says
  bool normsHeads = false;       ///< RMS norm of each head of q and k
  bool hasExperts = false;
  bool sharesExpert = false;     ///< one more that every token uses
  bool alwaysNormsExperts = false; ///< weights of a token's experts are divided by their sum; else "norm_topk_prob" says so
  bool namesDepth = false;       ///< "head_dim" has to be there
  bool tiesByDefault = false;    ///< without "tie_word_embeddings" the embedding is the matrix of logits
};

/// \returns kUnimplemented for an architecture that we do not have, naming those we have, and for a model that is quantized
Expected<Architecture> readArchitecture(const Fields& config);

/// Errors: kInvalidArgument for a field that is missing or cannot be, kUnimplemented for what we do not compute; each names the field.
Expected<llm::ModelShape> readModelShape(const Fields& config, const Architecture& architecture);
/// \param pooling  of sentence-transformers; may be null
Expected<llm::EncoderShape> readEncoderShape(const Fields& config, const text::Json& pooling);

} // namespace jinx::frontends::huggingface
