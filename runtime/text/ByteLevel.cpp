#include "runtime/text/ByteLevel.h"

#include <array>

#include "runtime/text/Utf8.h"

namespace jinx::text {
namespace {

constexpr bool isVisible(int byte) { return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF); }

/// The byte of each character below U+0144; -1: none.
constexpr std::array<int16_t, 0x144> byteOfCharacter() {
  std::array<int16_t, 0x144> bytes{};
  bytes.fill(-1);
  int next = 0x100;
  for (int byte = 0; byte < 256; ++byte)
    bytes[static_cast<size_t>(isVisible(byte) ? byte : next++)] = static_cast<int16_t>(byte);
  return bytes;
}

std::string quoted(const MergeText& merge) { return "\"" + std::string(merge.left) + "\" \"" + std::string(merge.right) + "\""; }

} // namespace

std::optional<std::string> bytesOfByteLevel(std::string_view text) {
  static constexpr auto kBytes = byteOfCharacter();
  std::string bytes;
  for (size_t at = 0; at < text.size();) {
    const Utf8Sequence s = utf8At(text, at);
    if (!s.valid || s.code >= kBytes.size() || kBytes[s.code] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(kBytes[s.code]));
    at += s.size;
  }
  return bytes;
}

std::string byteLevelOrText(std::string_view text) {
  auto bytes = bytesOfByteLevel(text);
  return bytes ? *std::move(bytes) : std::string(text);
}

Expected<MergeText> parseMerge(std::string_view line) {
  const size_t space = line.find(' ');
  if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos)
    return invalidArgument("merge \"" + std::string(line) + "\" has not two parts with one space between");
  return MergeText{line.substr(0, space), line.substr(space + 1)};
}

Expected<MergeTable> makeMergeTable(const Vocabulary& names, const std::vector<MergeText>& merges, std::string_view prefix) {
  MergeTable table(merges.size());
  std::string joined;
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const MergeText& merge = merges[rank];
    const std::string_view right = merge.right.starts_with(prefix) ? merge.right.substr(prefix.size()) : merge.right;
    joined.assign(merge.left).append(right);
    const TokenId leftId = names.find(merge.left), rightId = names.find(merge.right), id = names.find(joined);
    const char* missing = leftId == kNoToken ? "its left part" : rightId == kNoToken ? "its right part" : id == kNoToken ? "what they make" : nullptr;
    if (missing) return invalidArgument("merge " + std::to_string(rank) + " (" + quoted(merge) + "): " + missing + " is no token");
    table.add(leftId, rightId, {static_cast<uint32_t>(rank), id});
  }
  return table;
}

} // namespace jinx::text
