// The model that a server offers, as those need it who read requests and write answers. Immutable; used from several threads.
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
/// The vector of a text's tokens.
using Embedder = std::function<Expected<std::vector<float>>(std::span<const text::TokenId> tokens)>;

struct ServedModel {
  std::string name;
  int64_t created = 0; ///< seconds since 1970
  text::Tokenizer tokenizer;
  std::vector<int32_t> endTokens; ///< each ends an answer
  int32_t vocabulary = 0;         ///< ids that the model knows
  int32_t contextLength = 0;      ///< tokens of prompt and output
  int32_t maxDrafts = 0;          ///< for each step of a request
  MaskMaker makeMask;             ///< may be empty
  std::shared_ptr<const chat::ChatTemplate> chatTemplate; ///< null: no conversations
  std::string embeddingName;
  Embedder embed;                 ///< may be empty
};

} // namespace jinx::serve
