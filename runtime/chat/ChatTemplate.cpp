#include "runtime/chat/ChatTemplate.h"

#include "runtime/chat/FromJson.h"
#include "runtime/chat/Interpreter.h"
#include "runtime/chat/Parser.h"
#include "runtime/text/Utf8.h"

namespace jinx::chat {

struct ChatTemplate::State {
  Body body;
  Limits limits;
};

namespace {

/// JSON of a context may lie in itself deeper than a copy of it may recurse.
template <typename Json> bool isTooDeep(const Json& json, int32_t levels) {
  if (!json.is_structured()) return false;
  if (levels == 0) return true;
  for (const auto& item : json)
    if (isTooDeep(item, levels - 1)) return true;
  return false;
}

Status statusOf(const Fault& fault) {
  std::string place = "chat template";
  if (fault.at.line > 0) place += ", line " + std::to_string(fault.at.line) + ", column " + std::to_string(fault.at.column);
  return Status(fault.code, place + ": " + fault.message);
}

Status tooDeep(const Limits& limits) { return resourceError("chat template: the context nests deeper than " + std::to_string(limits.nesting)); }

} // namespace

Expected<ChatTemplate> ChatTemplate::parse(std::string_view source, const Limits& limits) {
  if (!text::isUtf8(source)) return invalidArgument("chat template: is no UTF-8");
  try {
    auto state = std::make_shared<State>();
    state->limits = limits;
    state->body = parseTemplate(source, limits);
    return ChatTemplate(std::move(state));
  } catch (const Fault& fault) {
    return statusOf(fault);
  }
}

Expected<std::vector<Piece>> ChatTemplate::render(const nlohmann::json& context) const {
  if (isTooDeep(context, state_->limits.nesting)) return tooDeep(state_->limits);
  return renderOrdered(nlohmann::ordered_json(context));
}

Expected<std::vector<Piece>> ChatTemplate::renderOrdered(const nlohmann::ordered_json& context) const {
  if (isTooDeep(context, state_->limits.nesting)) return tooDeep(state_->limits);
  try {
    Budget budget(state_->limits);
    Interpreter interpreter(state_->limits, contextOf(context, budget));
    const MarkedText text = interpreter.run(state_->body);
    std::vector<Piece> pieces;
    size_t begin = 0;
    for (const MarkedText::Run& run : text.runs()) {
      pieces.push_back({text.bytes().substr(begin, run.end - begin), run.isTemplate});
      begin = run.end;
    }
    return pieces;
  } catch (const Fault& fault) {
    return statusOf(fault);
  }
}

} // namespace jinx::chat
