// Tokens of byte-level files as bytes. Such files write each byte as one character: itself if it is visible in Latin-1, else one of U+0100 to U+0143 ("Ġ" is a space).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/Status.h"
#include "runtime/text/Bpe.h"

namespace jinx::text {

/// Nothing when a character stands for no byte.
std::optional<std::string> bytesOfByteLevel(std::string_view text);
/// The same, or the text as it is.
std::string byteLevelOrText(std::string_view text);

struct MergeText {
  std::string_view left, right;
};
/// "left right". kInvalidArgument without exactly one space between.
Expected<MergeText> parseMerge(std::string_view line);

/// The first merge has rank 0.
/// \param names   tokens as the file writes them
/// \param prefix  of tokens that continue a word; the right part loses it when parts are joined
/// \returns kInvalidArgument, naming the merge, when a part or the whole is no token
Expected<MergeTable> makeMergeTable(const Vocabulary& names, const std::vector<MergeText>& merges, std::string_view prefix = "");

} // namespace jinx::text
