// What a language model is, whatever file it comes from: numbers, and in what it differs from other models.
//
// One form serves all: blocks of attention and a feed-forward part between norms, one step over pages (Step.h). Frontends read it from their files'
// entries; tensors come by roles (Tensors.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/Status.h"

namespace jinx::frontends::llm {

enum class Activation { kSilu, kGeluTanh, kGelu };
enum class Presence { kNo, kOptional, kRequired };

/// Rotation of q and k by their position.
struct RopeShape {
  std::vector<double> frequencies; ///< radians a position, one for each two elements of a head; empty: none
  double magnitude = 1;            ///< what is rotated is multiplied by it
};

/// Feed-forward parts of which a router chooses some for each token.
struct ExpertShape {
  int64_t count = 0; ///< 0: none
  int64_t used = 0;  ///< by a token, 1 to count
  int64_t hidden = 0;
  int64_t sharedHidden = 0;   ///< of one that every token uses, behind a gate of its own; 0: none
  bool normsWeights = false;  ///< the weights of a token's experts are divided by their sum
  std::vector<bool> layers;   ///< which have experts; others have one feed-forward part
};

struct ModelShape {
  std::string architecture; ///< as its file calls it
  int64_t layers = 0, context = 0, vocabulary = 0;
  int64_t width = 0;  ///< elements of a token between blocks
  int64_t hidden = 0; ///< of the feed-forward part
  int64_t heads = 0, keyHeads = 0;
  int64_t depth = 0; ///< elements of a head
  double epsilon = 0;        ///< of norms
  double scoreScale = 0;     ///< of attention
  double embeddingScale = 1;
  RopeShape rope, windowRope;   ///< windowRope: of layers with a window, where it differs
  std::vector<int64_t> windows; ///< keys that each layer sees; 0: all
  ExpertShape experts;
  Activation activation = Activation::kSilu;
  Presence ownOutput = Presence::kOptional; ///< a matrix of its own for logits; else the embedding is it
  bool learnsPositions = false;             ///< a table of `context` rows is added to the embedding
  bool normsByMean = false;                 ///< norms take the mean off and add a bias (LayerNorm); else RMS
  bool hasBiases = false;                   ///< of q, k and v
  bool hasOutputBias = false;               ///< of attention's output
  bool hasFeedForwardBiases = false;
  bool isGated = true;      ///< the feed-forward part has a gate
  bool normsHeads = false;  ///< RMS norm of each head of q and k, before rope
  bool normsResults = false; ///< RMS norm of what attention and feed-forward add

  int64_t queries() const { return heads * depth; }
  int64_t keys() const { return keyHeads * depth; }
  bool hasExperts(int64_t layer) const { return experts.count && experts.layers[size_t(layer)]; }
};

inline constexpr int64_t kMostOfAnything = int64_t(1) << 24; ///< of any number of a model: products of two are no problem
inline constexpr int64_t kDepthStep = 16;                    ///< that depths are multiples of (ir/Graph/Pages.h)
inline constexpr int64_t kDeepestHead = 1024;                ///< tables of rope have a column for two elements

/// \returns kUnimplemented where heads have a depth that pages do not
inline Status checkDepth(int64_t depth) {
  if (depth % kDepthStep == 0 && depth <= kDeepestHead) return Status::ok();
  return unimplemented("heads have " + std::to_string(depth) + " elements, expected a multiple of " + std::to_string(kDepthStep) + ", at most " + std::to_string(kDeepestHead));
}

} // namespace jinx::frontends::llm
