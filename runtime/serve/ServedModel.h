// The models that a server offers, as those need them who read requests and write answers. Immutable; used from several threads.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/chat/ChatTemplate.h"
#include "runtime/engine/Sampler.h"
#include "runtime/serve/Json.h"
#include "runtime/text/Tokenizer.h"

namespace jinx::serve {

/// What a request's `response_format` allows; compiled on a thread that serves nobody else meanwhile, within a deadline of its own.
using MaskMaker = std::function<Expected<std::shared_ptr<engine::TokenMask>>(const Json& format)>;
/// The vectors of texts as tokens, in their order. From one thread at a time.
using Embedder = std::function<Expected<std::vector<std::vector<float>>>(std::span<const std::vector<text::TokenId>> texts)>;

/// What reads tokens.
struct TextModel {
  std::string name;
  int64_t created = 0; ///< seconds since 1970
  text::Tokenizer tokenizer;
  int32_t vocabulary = 0;    ///< ids that the model knows
  int32_t contextLength = 0; ///< tokens of prompt and output, or of a text
};

struct ServedModel : TextModel {
  std::vector<int32_t> endTokens; ///< each ends an answer
  int32_t maxDrafts = 0;          ///< for each step of a request
  MaskMaker makeMask;             ///< may be empty
  std::shared_ptr<const chat::ChatTemplate> chatTemplate; ///< null: no conversations
};

struct ServedEncoder : TextModel {
  int32_t width = 0; ///< elements of a vector
  Embedder embed;    ///< vectors of length 1
};

} // namespace jinx::serve
