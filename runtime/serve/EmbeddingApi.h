// POST /v1/embeddings: which texts become vectors, and what does the answer look like?
#pragma once

#include <span>
#include <string>
#include <variant>
#include <vector>

#include "runtime/serve/ApiError.h"
#include "runtime/serve/Limits.h"
#include "runtime/serve/ServedModel.h"

namespace jinx::serve {

struct EmbeddingRequest {
  std::vector<std::vector<text::TokenId>> texts; ///< with the frame ([CLS] … [SEP]) where the client gave text; tokens are taken as they are
  int64_t tokens = 0;                            ///< of all texts
  int32_t dimensions = 0;                        ///< elements of a vector in the answer
  bool isBase64 = false;                         ///< else arrays of numbers
};
using EmbeddingRequestOrError = std::variant<EmbeddingRequest, ApiError>;

/// \param json  the request's body: a text, tokens, or an array of either
EmbeddingRequestOrError readEmbeddings(const Json& json, const ServedEncoder& encoder, const Limits& limits);

/// The body of the answer. A vector that is to have fewer elements loses its last ones, and is of length 1 again.
/// \param vectors  of the request's texts, in their order; are changed
/// \returns kInternal for a number that is none
Expected<std::string> embeddingAnswer(const EmbeddingRequest& request, const std::string& model, std::span<std::vector<float>> vectors);

} // namespace jinx::serve
