#include "runtime/serve/ChatMessages.h"

#include <algorithm>
#include <array>

namespace jinx::serve {
namespace {

constexpr size_t kMostMessages = 4096, kMostTools = 128;
constexpr std::array<std::string_view, 6> kRoles = {"system", "developer", "user", "assistant", "tool", "function"};
constexpr std::array<std::string_view, 5> kReserved = {"messages", "tools", "bos_token", "eos_token", "add_generation_prompt"};

bool hasText(const Json& object, const char* name) { return object.is_object() && object.contains(name) && object[name].is_string(); }

/// Text, or nothing, or parts of type text.
Json contentOf(Fields& fields, const Json& content, const std::string& place) {
  if (content.is_string() || content.is_null()) return content;
  std::string text;
  if (!content.is_array()) fields.fail(place, place + " is " + shown(content) + ", expected text or an array of parts");
  else
    for (const Json& part : content) {
      if (hasText(part, "type") && part["type"] == "text" && hasText(part, "text")) text += part["text"].get<std::string>();
      else fields.fail(place, place + " has a part that is no {\"type\": \"text\", \"text\": \"…\"}: this model reads text only");
    }
  return text;
}

void parseArguments(Json& calls) {
  if (!calls.is_array()) return;
  for (Json& call : calls) {
    if (!call.is_object() || !call.contains("function") || !hasText(call["function"], "arguments")) continue;
    Expected<Json> arguments = parseJson(call["function"]["arguments"].get_ref<const std::string&>());
    if (arguments && arguments->is_object()) call["function"]["arguments"] = std::move(*arguments);
  }
}

Json readMessages(Fields& fields) {
  const Json* given = fields.find("messages");
  if (!given || !given->is_array() || given->empty() || given->size() > kMostMessages) {
    fields.fail("messages", std::string("messages is ") + (given ? shown(*given) : "missing") + ", expected an array of 1 to " + std::to_string(kMostMessages) + " messages");
    return {};
  }
  Json messages = *given;
  for (size_t i = 0; i < messages.size(); ++i) {
    Json& message = messages[i];
    const std::string place = "messages[" + std::to_string(i) + "]";
    if (!hasText(message, "role") || std::ranges::find(kRoles, message["role"].get<std::string>()) == kRoles.end()) {
      fields.fail(place + ".role", place + " has no role, expected system, user, assistant or tool");
      return {};
    }
    if (message["role"] == "developer") message["role"] = "system";
    message["content"] = contentOf(fields, message.contains("content") ? message["content"] : Json(), place + ".content");
    if (message["content"].is_null() && !message.contains("tool_calls")) fields.fail(place + ".content", place + " has no content");
    if (message["content"].is_null()) message["content"] = "";
    if (message.contains("tool_calls")) parseArguments(message["tool_calls"]);
  }
  return messages;
}

Json readTools(Fields& fields) {
  const Json* given = fields.find("tools");
  if (!given) return {};
  if (!given->is_array() || given->size() > kMostTools) {
    fields.fail("tools", "tools is " + shown(*given) + ", expected an array of at most " + std::to_string(kMostTools));
    return {};
  }
  for (const Json& tool : *given) {
    const bool isFunction = hasText(tool, "type") && tool["type"] == "function" && tool.contains("function") && hasText(tool["function"], "name");
    if (!isFunction) fields.fail("tools", "tools has what is no {\"type\": \"function\", \"function\": {\"name\": \"…\", …}}");
    if (!isFunction) return {};
  }
  return given->empty() ? Json() : *given;
}

/// A call of one of these tools, as a schema.
Json callFormatOf(const Json& tools, const std::string& onlyName) {
  Json calls = Json::array();
  for (const Json& tool : tools) {
    const Json& function = tool["function"];
    if (!onlyName.empty() && function["name"] != onlyName) continue;
    Json arguments = function.contains("parameters") && function["parameters"].is_object() ? function["parameters"] : Json{{"type", "object"}};
    calls.push_back({{"type", "object"},
                     {"properties", {{"name", {{"const", function["name"]}}}, {"arguments", std::move(arguments)}}},
                     {"required", {"name", "arguments"}},
                     {"additionalProperties", false}});
  }
  return {{"type", "json_schema"}, {"json_schema", {{"schema", {{"anyOf", std::move(calls)}}}}}};
}

void readToolChoice(Fields& fields, const Json& tools, ChatMessages& read) {
  const Json* choice = fields.find("tool_choice");
  for (const Json& tool : tools)
    read.tools.insert(tool["function"]["name"].get<std::string>());
  if (!choice || *choice == "auto") return;
  if (*choice == "none") {
    read.tools.clear();
    return;
  }
  const bool isNamed = choice->is_object() && choice->contains("function") && hasText((*choice)["function"], "name");
  const std::string name = isNamed ? (*choice)["function"]["name"].get<std::string>() : "";
  if (!isNamed && *choice != "required") fields.fail("tool_choice", "tool_choice is " + shown(*choice) + ", expected none, auto, required, or a function by its name");
  else if (isNamed ? !read.tools.contains(name) : read.tools.empty()) fields.fail("tool_choice", "tool_choice asks for a tool that is not in tools");
  else read.callFormat = callFormatOf(tools, name);
}

} // namespace

ChatMessages readChatMessages(Fields& fields, const ServedModel& model) {
  ChatMessages read;
  Json messages = readMessages(fields);
  Json tools = readTools(fields);
  if (!fields.error()) readToolChoice(fields, tools, read);
  if (!fields.boolean("parallel_tool_calls", true) && !read.tools.empty() && read.callFormat.is_null())
    fields.fail("parallel_tool_calls", "parallel_tool_calls is false, which needs tool_choice to be required or a function");
  const auto textOf = [&](text::TokenId token) { return token == text::kNoToken ? "" : std::string(model.tokenizer.tokenText(token)); };
  read.context = {{"messages", std::move(messages)},
                  {"add_generation_prompt", fields.boolean("add_generation_prompt", true)},
                  {"bos_token", textOf(model.tokenizer.bos())},
                  {"eos_token", textOf(model.tokenizer.eos())}};
  if (!read.tools.empty()) read.context["tools"] = std::move(tools);
  const Json* more = fields.find("chat_template_kwargs");
  if (more && !more->is_object()) fields.fail("chat_template_kwargs", "chat_template_kwargs is " + shown(*more) + ", expected an object");
  if (!more || !more->is_object()) return read;
  for (const auto& [name, value] : more->items()) {
    if (std::ranges::find(kReserved, name) == kReserved.end()) read.context[name] = value;
    else fields.fail("chat_template_kwargs", "chat_template_kwargs has \"" + name + "\", which is not the client's to set");
  }
  return read;
}

} // namespace jinx::serve
