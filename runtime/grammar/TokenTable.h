// The tokens of a model as tries of their bytes.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "runtime/grammar/Grammar.h"

namespace jinx::grammar {

/// Nodes in the order in which a walk meets them: the first child of a node is the next one, and what is below a node ends where `end` says.
struct TokenTrie {
  struct Node {
    uint32_t end = 0;        ///< behind the last node below
    uint32_t firstToken = 0; ///< its tokens end where those of the next node begin
    uint16_t depth = 0;      ///< 0: the root
    uint8_t byte = 0;        ///< that leads here
  };
  std::vector<Node> nodes; ///< and one more
  std::vector<int32_t> tokens;
  uint16_t depth = 0; ///< the largest

  TokenTrie() = default;
  explicit TokenTrie(std::vector<std::pair<std::string, int32_t>> tokens);
};

struct TokenTable::State {
  int32_t vocabulary = 0;
  std::vector<std::string> bytes; ///< by token; empty: never allowed
  std::vector<int32_t> endTokens; ///< ascending
  TokenTrie all;
  /// Plain tokens are whole characters of UTF-8 from U+0020 on, without " and \, at most kMostPlain of them: in a string each of them is allowed or none.
  TokenTrie others; ///< all but the plain ones
  std::vector<uint64_t> plain;
  int32_t longestPlain = 0; ///< characters

  size_t words() const { return (static_cast<size_t>(vocabulary) + 63) / 64; }
  bool isEnd(int32_t token) const;
};
inline constexpr int32_t kMostPlain = 32;

} // namespace jinx::grammar
