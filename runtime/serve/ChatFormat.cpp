#include "runtime/serve/ChatFormat.h"

#include <ctime>
#include <iterator>

#include "runtime/serve/CompletionApi.h"

namespace jinx::serve {
namespace {

Json describe(const std::string& bytes, float logprob) {
  Json numbers = Json::array();
  for (const char c : bytes)
    numbers.push_back(static_cast<unsigned char>(c));
  return {{"token", tokenName(bytes)}, {"logprob", logprob}, {"bytes", std::move(numbers)}};
}

Json logprobsOf(const std::vector<TokenLogprobs>& logprobs) {
  Json content = Json::array();
  for (const TokenLogprobs& token : logprobs) {
    Json entry = describe(token.bytes, token.logprob);
    entry["top_logprobs"] = Json::array();
    for (const auto& [bytes, logprob] : token.top)
      entry["top_logprobs"].push_back(describe(bytes, logprob));
    content.push_back(std::move(entry));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

Json toJson(const ToolCall& call) {
  return {{"id", call.id}, {"type", "function"}, {"function", {{"name", call.name}, {"arguments", call.arguments}}}};
}

} // namespace

ChatFormat::ChatFormat(std::string id, const std::string& model, bool hasLogprobs, const std::set<std::string>& tools, size_t choices)
    : id_(std::move(id)), model_(model), created_(std::time(nullptr)), hasLogprobs_(hasLogprobs) {
  for (size_t i = 0; i < choices; ++i)
    choices_.push_back({ToolCallReader(tools)});
}

Json ChatFormat::head(const char* object) const {
  return {{"id", id_}, {"object", object}, {"created", created_}, {"model", model_}, {"choices", Json::array()}};
}

Json ChatFormat::chunk(uint32_t choice, Json delta, Json logprobs, Json finish) const {
  Json json = head();
  json["choices"].push_back({{"index", choice}, {"delta", std::move(delta)}, {"logprobs", std::move(logprobs)}, {"finish_reason", std::move(finish)}});
  return json;
}

std::vector<Json> ChatFormat::opening(uint32_t choice) { return {chunk(choice, {{"role", "assistant"}, {"content", ""}}, nullptr, nullptr)}; }

ToolCallReader::Found ChatFormat::read(uint32_t choice, const Delta& delta) {
  ToolCallReader& reader = choices_[choice].reader;
  ToolCallReader::Found found = reader.push(delta.text);
  if (!delta.finish.empty()) {
    ToolCallReader::Found rest = reader.finish();
    found.text += rest.text;
    found.calls.insert(found.calls.end(), std::make_move_iterator(rest.calls.begin()), std::make_move_iterator(rest.calls.end()));
  }
  return found;
}

std::string ChatFormat::finishOf(uint32_t choice, const Delta& delta) const {
  return choices_[choice].calls > 0 && delta.finish == "stop" ? "tool_calls" : delta.finish;
}

std::vector<Json> ChatFormat::chunks(uint32_t choice, Delta delta) {
  std::vector<Json> chunks;
  ToolCallReader::Found found = read(choice, delta);
  Json logprobs = hasLogprobs_ && !delta.logprobs.empty() ? logprobsOf(delta.logprobs) : Json();
  if (!found.text.empty() || !logprobs.is_null()) chunks.push_back(chunk(choice, {{"content", found.text}}, std::move(logprobs), nullptr));
  for (const ToolCall& call : found.calls) {
    Json json = toJson(call);
    json["index"] = choices_[choice].calls++;
    chunks.push_back(chunk(choice, {{"tool_calls", Json::array({std::move(json)})}}, nullptr, nullptr));
  }
  if (!delta.finish.empty()) chunks.push_back(chunk(choice, Json::object(), nullptr, finishOf(choice, delta)));
  return chunks;
}

Json ChatFormat::whole(std::vector<Delta> choices) {
  Json json = head("chat.completion");
  for (uint32_t choice = 0; choice < choices.size(); ++choice) {
    const Delta& delta = choices[choice];
    const ToolCallReader::Found found = read(choice, delta);
    choices_[choice].calls = found.calls.size();
    Json message = {{"role", "assistant"}, {"content", found.text}, {"refusal", nullptr}};
    if (!found.calls.empty()) {
      if (found.text.find_first_not_of(" \t\r\n") == std::string::npos) message["content"] = nullptr;
      message["tool_calls"] = Json::array();
      for (const ToolCall& call : found.calls)
        message["tool_calls"].push_back(toJson(call));
    }
    json["choices"].push_back({{"index", choice},
                               {"message", std::move(message)},
                               {"logprobs", hasLogprobs_ ? logprobsOf(delta.logprobs) : Json()},
                               {"finish_reason", finishOf(choice, delta)}});
  }
  return json;
}

} // namespace jinx::serve
