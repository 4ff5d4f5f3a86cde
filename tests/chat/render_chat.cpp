// Renders chat templates for tests: a line of JSON in, a line of JSON out.
//
//   {"template": "…", "context": {…}}        {"pieces": [["<|im_start|>", true], ["hello", false]]}, or {"error": "…", "code": "invalid argument"}
//   {"template_of": "model.gguf"}            {"template": "…"}
//
// With a tokenizer's file as argument, "tokens", too.
#include <iostream>
#include <optional>

#include <nlohmann/json.hpp>

#include "runtime/chat/ChatTemplate.h"
#include "runtime/text/OpenTokenizer.h"

namespace {

using namespace jinx;
using Json = nlohmann::ordered_json;

const char* nameOf(Code code) {
  switch (code) {
  case Code::kInvalidArgument: return "invalid argument";
  case Code::kNotFound: return "not found";
  case Code::kUnimplemented: return "unimplemented";
  case Code::kResource: return "resource";
  default: return "internal";
  }
}

Json errorOf(const Status& status) { return {{"error", status.message()}, {"code", nameOf(status.code())}}; }

Json answer(const Json& asked, const std::optional<text::Tokenizer>& tokenizer) {
  if (asked.contains("template_of")) {
    auto source = chat::templateOf(asked["template_of"].get<std::string>());
    return source ? Json{{"template", *source}} : errorOf(source.status());
  }
  auto chatTemplate = chat::ChatTemplate::parse(asked.at("template").get<std::string>());
  if (!chatTemplate) return errorOf(chatTemplate.status());
  auto pieces = chatTemplate->render(asked.at("context"));
  if (!pieces) return errorOf(pieces.status());
  Json told = {{"pieces", Json::array()}};
  for (const chat::Piece& piece : *pieces)
    told["pieces"].push_back({piece.text, piece.isTemplate});
  if (!tokenizer) return told;
  auto tokens = chat::encode(*tokenizer, *pieces);
  if (!tokens) return errorOf(tokens.status());
  told["tokens"] = *tokens;
  return told;
}

} // namespace

int main(int argc, char** argv) {
  std::optional<text::Tokenizer> tokenizer;
  if (argc > 1) {
    auto opened = text::openTokenizer(argv[1]);
    if (!opened) {
      std::cerr << opened.status().message() << '\n';
      return 1;
    }
    tokenizer = *opened;
  }
  std::string line;
  while (std::getline(std::cin, line))
    std::cout << answer(Json::parse(line), tokenizer).dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
}
