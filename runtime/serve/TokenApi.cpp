#include "runtime/serve/TokenApi.h"

#include "runtime/serve/CompletionApi.h"

namespace jinx::serve {
ReplyOrError tokenize(const Json& json, const TextModel& model) {
  Fields fields(json);
  if (auto error = checkModel(fields, model.name)) return *error;
  const Json* prompt = fields.find("prompt");
  const bool addsSpecial = fields.boolean("add_special_tokens", true);
  fields.refuseOthers({});
  if (!prompt || !prompt->is_string()) fields.fail("prompt", std::string("prompt is ") + (prompt ? shown(*prompt) : "missing") + ", expected text");
  if (fields.error()) return *fields.error();
  auto tokens = model.tokenizer.encode(prompt->get_ref<const std::string&>(), {.addSpecial = addsSpecial});
  if (!tokens) return errorOf(tokens.status(), "prompt");
  return replyOf(Json{{"count", tokens->size()}, {"max_model_len", model.contextLength}, {"tokens", *tokens}});
}

ReplyOrError detokenize(const Json& json, const TextModel& model) {
  Fields fields(json);
  if (auto error = checkModel(fields, model.name)) return *error;
  const Json* given = fields.find("tokens");
  fields.refuseOthers({});
  if (!given || !given->is_array()) fields.fail("tokens", std::string("tokens is ") + (given ? shown(*given) : "missing") + ", expected an array");
  if (fields.error()) return *fields.error();
  std::vector<text::TokenId> tokens;
  for (const Json& token : *given) {
    const bool isToken = token.is_number_unsigned() && token.get<uint64_t>() < model.tokenizer.vocabularySize();
    if (!isToken) return badField("tokens", "tokens has " + shown(token) + ", expected tokens below " + std::to_string(model.tokenizer.vocabularySize()));
    tokens.push_back(token.get<text::TokenId>());
  }
  auto text = model.tokenizer.decode(tokens, {.skipSpecial = false});
  if (!text) return errorOf(text.status(), "tokens");
  return replyOf(Json{{"prompt", *text}});
}

} // namespace jinx::serve
