// What a file says a language model is: its architecture, by the entries of the GGUF file, and where its tensors are.
#pragma once

#include <string_view>

#include "frontends/llm/Tensors.h"
#include "runtime/formats/Gguf.h"

namespace jinx::frontends::gguf {

/// What all models of an architecture have in common.
struct Architecture {
  std::string_view name;        ///< "general.architecture"
  bool rotatesNeighbors = false; ///< rope rotates elements 2i and 2i + 1 of a head; else i and i + depth / 2
  bool hasBiases = false;       ///< of q, k and v
  bool normsHeads = false;      ///< RMS norm of each head of q and k, before rope
  bool isGemma = false;         ///< norms of results, a scaled embedding, GELU; of six layers five see a window of keys, and have rope of their own base
  bool isGpt = false;           ///< learned positions, norms with biases, one matrix for q, k and v, no gate, GELU
  bool mayHaveExperts = false;
  bool hasExperts = false;      ///< always
  bool normsExperts = false;    ///< weights of a token's experts are divided by their sum
  bool sharesExpert = false;    ///< one more that every token uses
};

/// The file's architecture.
/// \returns kNotFound where the file does not say, kUnimplemented for one that we do not have
Expected<Architecture> readArchitecture(const GgufFile& file);

/// All but the rotation of positions.
/// \returns kNotFound for an entry that is missing, kInvalidArgument for one that cannot be, kUnimplemented for what we do not compute; each says what
///          was got and what was expected
Expected<llm::ModelShape> readModelShape(const GgufFile& file, const Architecture& architecture);

/// The rotation, of a model whose tensors have been checked. Errors as above.
Status readRope(const GgufFile& file, const Architecture& architecture, llm::ModelShape& shape);

/// Where the elements of a role are in the file.
llm::Place placeOf(const Architecture& architecture, const llm::ModelShape& shape, const std::string& role);

} // namespace jinx::frontends::gguf
