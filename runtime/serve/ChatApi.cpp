#include "runtime/serve/ChatApi.h"

#include "runtime/serve/ChatFormat.h"
#include "runtime/serve/ChatMessages.h"

namespace jinx::serve {
namespace {

Expected<std::vector<text::TokenId>> promptOf(const ServedModel& model, const Json& context) {
  JINX_TRY_ASSIGN(const std::vector<chat::Piece> pieces, model.chatTemplate->render(context), "the model's chat template");
  return chat::encode(model.tokenizer, pieces);
}

/// -1: none; else how many beside the token's own.
int32_t readLogprobs(Fields& fields, const Limits& limits) {
  const bool isWanted = fields.boolean("logprobs", false);
  const auto top = static_cast<int32_t>(fields.integer("top_logprobs", -1, {0, limits.logprobs}));
  if (top >= 0 && !isWanted) fields.fail("top_logprobs", "top_logprobs is given, and logprobs is not true");
  return isWanted ? std::max(top, 0) : -1;
}

} // namespace

GenerationOrError readChat(const Json& json, const ServedModel& model, const Limits& limits) {
  if (!model.chatTemplate) return ApiError{.message = "the model has no chat template: ask /v1/completions", .code = "no_chat_template"};
  Fields fields(json);
  if (auto error = checkModel(fields, model.name)) return *error;
  ChatMessages messages = readChatMessages(fields, model);
  const int32_t logprobs = readLogprobs(fields, limits);
  const int64_t older = fields.integer("max_tokens", 0, {1, INT32_MAX});
  const int64_t maxTokens = fields.integer("max_completion_tokens", older, {1, INT32_MAX});
  GenerationFields read = readGenerationFields(fields, model, limits);
  fields.refuseOthers(kHarmlessFields);
  if (!messages.callFormat.is_null() && !read.format.is_null()) fields.fail("response_format", "response_format is given, and tool_choice asks for a call");
  if (fields.error()) return *fields.error();

  Expected<std::vector<text::TokenId>> prompt = promptOf(model, messages.context);
  if (!prompt) return errorOf(prompt.status(), "messages");
  if (prompt->empty()) return badField("messages", "the conversation has no tokens");
  if (auto error = checkLength(prompt->size(), model)) return *error;
  if (!messages.callFormat.is_null()) read.format = std::move(messages.callFormat);
  compileFormat(fields, model, read);
  if (fields.error()) return *fields.error();

  const int64_t room = model.contextLength - static_cast<int64_t>(prompt->size());
  read.request.maxTokens = static_cast<int32_t>(maxTokens > 0 ? maxTokens : room);
  read.request.sampling.logprobs = logprobs;
  const std::string id = randomId("chatcmpl-");
  auto format = std::make_unique<ChatFormat>(id, model.name, logprobs >= 0, messages.tools, static_cast<size_t>(read.n));
  std::vector<std::vector<text::TokenId>> prompts;
  prompts.push_back(std::move(*prompt));
  return std::make_unique<Generation>(id, model, std::move(read), std::move(prompts), std::move(format));
}

} // namespace jinx::serve
