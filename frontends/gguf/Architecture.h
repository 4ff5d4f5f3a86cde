// What a file says a language model is: its architecture, by the entries of the GGUF file.
//
// One form serves all: blocks of attention and a gated feed-forward part between RMS norms. `Architecture` says in what they differ,
// `ModelShape` is one model: the architecture with the file's numbers.
#pragma once

#include <string>
#include <string_view>

#include "runtime/formats/Gguf.h"

namespace jinx::frontends {

/// What all models of an architecture have in common.
struct Architecture {
  std::string_view name;       ///< "general.architecture"
  bool rotatesNeighbors;       ///< rope rotates elements 2i and 2i + 1 of a head; else i and i + depth / 2
  bool hasBiases = false;      ///< of q, k and v
  bool normsHeads = false;     ///< RMS norm of each head of q and k, before rope
  bool normsResults = false;   ///< RMS norm of what attention and feed-forward add
  bool scalesEmbedding = false; ///< by sqrt(width)
  bool gatesByGelu = false;    ///< tanh form; else SiLU
  bool hasWindows = false;     ///< of six layers the first five see a window of keys, and have rope of their own base
};

struct ModelShape {
  Architecture architecture;
  int64_t layers = 0, context = 0, vocabulary = 0;
  int64_t width = 0;  ///< elements of a token between blocks
  int64_t hidden = 0; ///< of the feed-forward part
  int64_t heads = 0, keyHeads = 0;
  int64_t depth = 0;  ///< elements of a head
  int64_t window = 0; ///< keys that a layer with a window sees
  double epsilon = 0; ///< of norms
  double scoreScale = 0; ///< of attention
  double ropeBase = 0, windowRopeBase = 0;
  double ropeScale = 1; ///< positions are divided by it, in layers without a window

  int64_t queries() const { return heads * depth; }
  int64_t keys() const { return keyHeads * depth; }
  bool hasWindow(int64_t layer) const { return architecture.hasWindows && layer % 6 != 5; }
};

/// \returns kNotFound for an entry that is missing, kInvalidArgument for one that cannot be, kUnimplemented for an architecture or a
///          kind of rope that we do not have; each says what was got and what was expected
Expected<ModelShape> readModelShape(const GgufFile& file);

} // namespace jinx::frontends
