#include "tools/common/loadgen/AnswerReader.h"

#include <algorithm>
#include <initializer_list>

#include "runtime/serve/Json.h"

namespace jinx::loadgen {
namespace {

using serve::Json;

const Json* find(const Json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

bool isNonEmpty(const Json* value) {
  return value && ((value->is_string() && !value->get_ref<const std::string&>().empty()) || (value->is_array() && !value->empty()));
}

bool hasText(const Json& event) {
  const Json* choices = find(event, "choices");
  if (!choices || !choices->is_array()) return false;
  return std::ranges::any_of(*choices, [](const Json& choice) {
    if (isNonEmpty(find(choice, "text"))) return true;
    const Json* delta = find(choice, "delta");
    return delta && std::ranges::any_of(std::initializer_list<const char*>{"content", "reasoning_content", "reasoning", "tool_calls"},
                                        [&](const char* name) { return isNonEmpty(find(*delta, name)); });
  });
}

int64_t count(const Json* object, const char* name) {
  const Json* found = object ? find(*object, name) : nullptr;
  return found && found->is_number_unsigned() ? found->get<int64_t>() : 0;
}

void readUsage(const Json& usage, Record& record) {
  record.hasUsage = true;
  record.promptTokens = count(&usage, "prompt_tokens");
  record.outputTokens = count(&usage, "completion_tokens");
  record.cachedTokens = count(find(usage, "prompt_tokens_details"), "cached_tokens");
}

} // namespace

void AnswerReader::push(std::string_view bytes, double now_s) {
  for (const std::string& event : events_.push(bytes))
    if (!isDone_ && record_.failure.empty()) read(event, now_s);
  if (events_.isTooLong() && record_.failure.empty()) record_.failure = "malformed", record_.message = "an event of more than 4 MiB";
}

void AnswerReader::read(std::string_view event, double now_s) {
  if (event == "[DONE]") {
    isDone_ = true;
    done_s_ = now_s;
    return;
  }
  const Expected<Json> json = serve::parseJson(event);
  if (!json) {
    record_.failure = "malformed";
    record_.message = json.status().message();
    return;
  }
  if (const Json* error = find(*json, "error"); error && !error->is_null()) {
    const Json* message = find(*error, "message");
    record_.failure = "error";
    record_.message = message && message->is_string() ? message->get<std::string>() : serve::shown(*error);
    return;
  }
  if (hasText(*json)) addText(now_s);
  if (const Json* usage = find(*json, "usage"); usage && usage->is_object()) readUsage(*usage, record_);
}

void AnswerReader::addText(double now_s) {
  if (textEvents_++ == 0) record_.ttft_s = now_s;
  else record_.gaps_s.push_back(now_s - last_s_);
  last_s_ = now_s;
}

void AnswerReader::finish(double now_s) {
  record_.e2e_s = isDone_ ? done_s_ : now_s;
  if (!record_.hasUsage) record_.outputTokens = textEvents_;
  if (!record_.failure.empty()) return;
  if (!isDone_) record_.failure = "broken", record_.message = "the stream ended without [DONE]";
  else if (record_.ttft_s < 0 && record_.outputTokens > 0) record_.ttft_s = done_s_; // its tokens have no text
}

} // namespace jinx::loadgen
