// An encoder that makes embeddings (BERT): texts of a padded batch go in, a vector of length 1 for each comes out.
#pragma once

#include "frontends/llm/ModelModule.h"
#include "frontends/llm/Tensors.h"

namespace jinx::frontends::llm {

struct EncoderShape {
  int64_t layers = 0, context = 0, vocabulary = 0;
  int64_t types = 0;  ///< of tokens; all are of the first
  int64_t width = 0, hidden = 0, heads = 0;
  double epsilon = 0; ///< of norms
  Activation activation = Activation::kGelu;
  bool takesFirst = false; ///< the embedding is the state of the first token; else the mean of all
};

/// The roles of its tensors.
WantedTensors wantedTensors(const EncoderShape& shape);

/// A module with @main:
///
///   input_ids, attention_mask   i32 [b, s]      tokens, and which of them count: 0 where there is none; at least one counts
///   → embedding                 f32 [b, width]
///
/// `jinx.metadata`: llm.architecture, llm.context_length, llm.vocabulary, llm.layers, llm.heads, llm.embedding_length.
Expected<mlir::OwningOpRef<mlir::ModuleOp>> makeEncoderModule(mlir::MLIRContext& context, const std::string& name, const std::string& architecture, const EncoderShape& shape,
                                                              const Tensors& weights, const ImportOptions& options);

} // namespace jinx::frontends::llm
