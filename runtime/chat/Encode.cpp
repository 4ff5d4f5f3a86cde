#include "runtime/chat/ChatTemplate.h"

namespace jinx::chat {

Expected<std::vector<text::TokenId>> encode(const text::Tokenizer& tokenizer, std::span<const Piece> pieces) {
  std::vector<text::TextPart> parts;
  parts.reserve(pieces.size());
  for (const Piece& piece : pieces)
    parts.push_back({piece.text, piece.isTemplate});
  return tokenizer.encodeParts(parts);
}

} // namespace jinx::chat
