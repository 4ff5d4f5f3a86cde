#include <algorithm>

#include "runtime/chat/ChatTemplate.h"

namespace jinx::chat {

Expected<std::vector<text::TokenId>> encode(const text::Tokenizer& tokenizer, std::span<const Piece> pieces) {
  std::vector<text::TextPart> parts;
  parts.reserve(pieces.size());
  for (const Piece& piece : pieces)
    parts.push_back({piece.text, piece.isTemplate});
  return tokenizer.encodeParts(parts);
}

std::vector<text::TokenId> endTokens(const text::Tokenizer& tokenizer) {
  static constexpr std::string_view kEnds[] = {"<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|endoftext|>", "<|end_of_text|>", "<end_of_turn>", "<turn|>", "<|end|>", "<|return|>", "<|call|>", "<|END_OF_TURN_TOKEN|>", "</s>"};
  std::vector<text::TokenId> ends;
  const auto add = [&](text::TokenId id) {
    if (id != text::kNoToken && std::ranges::find(ends, id) == ends.end()) ends.push_back(id);
  };
  add(tokenizer.eos());
  for (std::string_view end : kEnds)
    if (const text::TokenId id = tokenizer.findToken(end); tokenizer.isSpecial(id)) add(id);
  return ends;
}

} // namespace jinx::chat
