// Hugging Face's tokenizer.json: its parts by their "type". Padding and truncation of the file are left to the caller.
#pragma once

#include <string_view>
#include <vector>

#include "runtime/text/Json.h"
#include "runtime/text/Tokenizer.h"

namespace jinx::text {

/// \returns kInvalidArgument for a damaged file, kUnimplemented for a part of a type that we do not know; each names where it is
Expected<Tokenizer> parseHuggingFace(std::string_view text);
Expected<Tokenizer> makeHuggingFace(const Json& file);

// Parts of it. `part` is the object with the "type".
Status addNormalizer(const Json& part, Normalizer& normalizer);
/// \param bytes  set when pieces are to be taken as bytes: the part is, or ends with, ByteLevel
Status addPreTokenizer(const Json& part, PreTokenizer& preTokenizer, bool& bytes);
Status addDecoder(const Json& part, Decoder& decoder);
/// What it puts in front of a single text and behind it.
Status addFrame(const Json& part, const Vocabulary& names, std::vector<TokenId>& before, std::vector<TokenId>& after);

/// A model, and what it says of its tokens.
struct HuggingFaceModel {
  std::unique_ptr<Model> model;
  Vocabulary names;             ///< as the file writes them
  TokenId unknown = kNoToken;
};
/// \param bytes  BPE of bytes
Expected<HuggingFaceModel> makeModel(const Json& part, bool bytes);

} // namespace jinx::text
