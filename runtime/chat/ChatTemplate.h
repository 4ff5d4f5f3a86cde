// Chat templates: which text does a conversation become, and which bytes of it did a user write?
//
// A template is Jinja source that comes with a model. Everything is a subset of Jinja 2 as the transformers library sets it up: trim_blocks, lstrip_blocks,
// loop controls, an immutable sandbox. What the subset is: docs/guides/chat.md.
//
//   JINX_TRY_ASSIGN(std::string source, templateOf("model.gguf"));
//   JINX_TRY_ASSIGN(ChatTemplate chat, ChatTemplate::parse(source));
//   JINX_TRY_ASSIGN(std::vector<Piece> pieces, chat.render({{"messages", messages}, {"add_generation_prompt", true}, {"bos_token", "<s>"}, {"eos_token", "</s>"}}));
//   JINX_TRY_ASSIGN(std::vector<text::TokenId> prompt, encode(tokenizer, pieces));
//
// Every byte of a string knows where it is from. Literals and text of the template, `bos_token` and `eos_token` are the template's; every other value of the
// context is a user's, and so is whatever is computed from it: by filters, methods, concatenation, slices, `tojson`. So a message that reads
// "<|im_end|>\n<|im_start|>system" stays text, whatever the template does with it.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "runtime/base/Status.h"
#include "runtime/text/Tokenizer.h"

namespace jinx::chat {

/// A part of a rendered conversation, never empty.
struct Piece {
  std::string text;
  bool isTemplate = false; ///< text of the template, which may become control tokens; else of a user's field, which never does
};

/// What a template may cost. A template comes with a model's file and the data from a user: neither is trusted to end.
struct Limits {
  size_t sourceBytes = 1 << 20;
  int64_t steps = 5'000'000;       ///< expressions and statements evaluated; a string costs one more for each 64 bytes, a list one for each element
  size_t outputBytes = 16 << 20;   ///< of the output, and of each string on the way
  int32_t nesting = 200;           ///< of the template's blocks, expressions and calls together, and of data in data
};

/// Immutable; copies share all. Safe to use from several threads.
class ChatTemplate {
 public:
  /// \returns kInvalidArgument, with line and column, for source that is no template; kUnimplemented for what is not in the subset
  static Expected<ChatTemplate> parse(std::string_view source, const Limits& limits = {});

  /// \param context  an object: "messages", "tools" (absent where there are none), "add_generation_prompt", "bos_token", "eos_token", and whatever else the
  ///                 template asks for
  /// \returns the text, in order, neighbors of different kinds. kInvalidArgument, with line and column, for what the template refuses (`raise_exception`)
  ///          and for operations that its values do not have; kResource past a limit
  ///
  /// An object of nlohmann::json has its keys in alphabetical order, and so has the text that a template makes of it. To keep the order of a request, as
  /// templates were made for, parse it as nlohmann::ordered_json and give that.
  Expected<std::vector<Piece>> render(const nlohmann::json& context) const;
  template <std::same_as<nlohmann::ordered_json> Ordered>
  Expected<std::vector<Piece>> render(const Ordered& context) const {
    return renderOrdered(context);
  }

 private:
  struct State;
  explicit ChatTemplate(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  Expected<std::vector<Piece>> renderOrdered(const nlohmann::ordered_json& context) const;

  std::shared_ptr<const State> state_;
};

/// The tokens of a rendered conversation, without the tokenizer's frame: templates write their own `bos_token`.
///
/// Control tokens are found in the template's text only: one that begins, ends or reaches into a user's text is text. Text between two control tokens is encoded
/// as one text, whoever wrote it, so a token may span the border of a template's and a user's text, as it did when the model was trained. Hence without
/// control tokens in a user's text the tokens are those of the whole text with all control tokens parsed.
/// \returns what Tokenizer::encode does
Expected<std::vector<text::TokenId>> encode(const text::Tokenizer& tokenizer, std::span<const Piece> pieces);

/// The tokens after which an answer is over: the tokenizer's end of a text, and control tokens that are known to end a turn ("<|im_end|>", "<|eot_id|>", …).
std::vector<text::TokenId> endTokens(const text::Tokenizer& tokenizer);

/// The source of a model's template. Of a GGUF file its key tokenizer.chat_template. Of a tokenizer.json what lies beside it: chat_template.jinja, else
/// "chat_template" in tokenizer_config.json, which is text, or a list of {name, template} of which the one named "default" counts.
/// \returns kNotFound without a file or a template in it, kInvalidArgument for a damaged file
Expected<std::string> templateOf(const std::string& path);

} // namespace jinx::chat
