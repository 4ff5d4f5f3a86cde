// SentencePiece's precompiled map of characters: which bytes a beginning of a text is replaced with.
//
//   size of the trie in bytes, u32 | trie: units u32 of a double array (Darts-clone) | replacements, each ended by a zero byte
//
// A leaf of the trie holds where its replacement begins. A unit holds, by bits: 0 to 7 its label, 8 whether a leaf follows, 9 whether the offset counts
// in 256s, 10 to 30 the offset; of a leaf, 0 to 30 the value, with 31 set.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/Status.h"

namespace jinx::text {

class CharsMap {
 public:
  /// kInvalidArgument for bytes that are no such map.
  static Expected<CharsMap> parse(std::string_view bytes);

  struct Match {
    size_t length = 0; ///< bytes of the text that are replaced
    std::string_view replacement;
  };
  std::optional<Match> longest(std::string_view text) const { return find(text, false); }
  std::optional<Match> shortest(std::string_view text) const { return find(text, true); }

 private:
  std::optional<Match> find(std::string_view text, bool first) const;
  std::vector<uint32_t> units_;
  std::string replacements_;
};

} // namespace jinx::text
