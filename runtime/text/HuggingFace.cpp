#include "runtime/text/HuggingFace.h"

#include "runtime/text/ByteLevel.h"

namespace jinx::text {
namespace {

Expected<AddedToken> addedTokenOf(const Json& entry) {
  AddedToken token;
  JINX_TRY_ASSIGN(int64_t id, integerField(entry, "id", kNoToken));
  JINX_TRY_ASSIGN(token.content, textField(entry, "content"));
  if (id < 0 || id > Vocabulary::kLargest) return invalidArgument("field \"id\" is " + std::to_string(id) + ", expected an id");
  token.id = static_cast<TokenId>(id);
  JINX_TRY_ASSIGN(token.special, boolField(entry, "special", false));
  JINX_TRY_ASSIGN(token.normalized, boolField(entry, "normalized", !token.special));
  JINX_TRY_ASSIGN(token.stripLeft, boolField(entry, "lstrip", false));
  JINX_TRY_ASSIGN(token.stripRight, boolField(entry, "rstrip", false));
  JINX_TRY_ASSIGN(token.singleWord, boolField(entry, "single_word", false));
  return token;
}

Status addAddedTokens(const Json& file, TokenizerParts& parts) {
  if (!findField(file, "added_tokens")) return Status::ok();
  JINX_TRY_ASSIGN(const Json* list, arrayField(file, "added_tokens"));
  for (const Json& entry : *list) {
    JINX_TRY_ASSIGN(AddedToken token, addedTokenOf(entry), "added_tokens " + std::to_string(parts.added.size()));
    if (token.special) parts.special.push_back(token.id);
    parts.added.push_back(std::move(token));
  }
  return Status::ok();
}

/// Every token as the decoder takes it; an added token with the id of one of the model's takes its place, normalized if it is found so.
Expected<Vocabulary> decodedVocabulary(const Vocabulary& names, const TokenizerParts& parts, bool bytes) {
  std::vector<std::string> texts(names.size());
  for (size_t i = 0; i < names.size(); ++i)
    texts[i] = names.bytes(static_cast<TokenId>(i));
  for (const AddedToken& token : parts.added) {
    texts.resize(std::max(texts.size(), static_cast<size_t>(token.id) + 1));
    std::string& text = texts[static_cast<size_t>(token.id)] = token.content;
    if (token.normalized) JINX_TRY(parts.normalizer.apply(text), "added token \"" + token.content + "\"");
  }
  Vocabulary decoded(texts.size());
  for (size_t i = 0; i < texts.size(); ++i)
    if (!texts[i].empty()) decoded.add(static_cast<TokenId>(i), bytes ? byteLevelOrText(texts[i]) : texts[i]);
  return decoded;
}

/// The names by which most files call them: which they are stands in tokenizer_config.json, which is not read.
void findCommonTokens(TokenizerParts& parts) {
  const auto find = [&](std::initializer_list<std::string_view> names) {
    for (std::string_view name : names)
      for (const AddedToken& token : parts.added)
        if (token.special && token.content == name) return token.id;
    return kNoToken;
  };
  parts.bos = find({"<s>", "<|begin_of_text|>", "<|startoftext|>", "<bos>", "[CLS]", "<\uFF5Cbegin\u2581of\u2581sentence\uFF5C>", "<|endoftext|>"});
  parts.eos = find({"</s>", "<|end_of_text|>", "<eos>", "[SEP]", "<\uFF5Cend\u2581of\u2581sentence\uFF5C>", "<|endoftext|>"});
  parts.padding = find({"<pad>", "[PAD]", "<|pad|>"});
}

} // namespace

Expected<Tokenizer> makeHuggingFace(const Json& file) {
  TokenizerParts parts;
  bool bytes = false;
  if (const Json* part = findField(file, "normalizer")) JINX_TRY(addNormalizer(*part, parts.normalizer), "normalizer");
  if (const Json* part = findField(file, "pre_tokenizer")) JINX_TRY(addPreTokenizer(*part, parts.preTokenizer, bytes), "pre_tokenizer");
  JINX_TRY_ASSIGN(const Json* modelPart, objectField(file, "model"));
  JINX_TRY_ASSIGN(HuggingFaceModel model, makeModel(*modelPart, bytes), "model");
  JINX_TRY(addAddedTokens(file, parts));
  JINX_TRY_ASSIGN(parts.vocabulary, decodedVocabulary(model.names, parts, bytes));
  parts.model = std::move(model.model);
  parts.unknown = model.unknown;
  if (const Json* part = findField(file, "post_processor"))
    JINX_TRY(addFrame(*part, parts.vocabulary, parts.before, parts.after), "post_processor");
  if (const Json* part = findField(file, "decoder")) JINX_TRY(addDecoder(*part, parts.decoder), "decoder");
  else parts.decoder.setSeparator(" ");
  findCommonTokens(parts);
  return Tokenizer::make(std::move(parts));
}

Expected<Tokenizer> parseHuggingFace(std::string_view text) {
  JINX_TRY_ASSIGN(Json file, parseJson(text));
  return makeHuggingFace(file);
}

} // namespace jinx::text
