// What a step of a language model is, and what the engine asks of the model that runs it (decision 0036).
//
// A step is a ragged batch of tokens. Each token belongs to a sequence, has a position in it, and sees the keys of that sequence from position 0 to its
// own. Keys and values lie in pages of 16 tokens: row r of page p is slot p * 16 + r, and key j of sequence s is in row j % 16 of page
// table[s, j / 16]. A model first writes the keys and values of all tokens of the step to their slots, then lets each token see. Prefill, chunks of
// it, decode and the verification of drafts are this one form.
//
//   two sequences, A decodes its token 17, B begins with a chunk of 3:
//   tokens    91   5  6  7        table  4  2      (A: keys 0-15 in page 4, 16-31 in page 2)
//   sequence   0   1  1  1               9 -1      (B: page 9)
//   position  17   0  1  2
//   slots     33  144 145 146     wanted 0 3       (logits of A's token and of the last of B's)
#pragma once

#include <cstdint>
#include <span>

#include "runtime/base/Status.h"

namespace jinx::engine {

inline constexpr int32_t kPageTokens = 16;
inline constexpr int32_t kNoPage = -1;

/// All rows of a page, of all layers, are copied before a step.
struct PageCopy {
  int32_t from, to;
};

/// How a model picks the token behind a wanted one by itself, from its row of logits: as Sampler.h says, with fewer filters and sums in f32. What comes of it is a
/// function of the row and of this.
struct RowDraw {
  float inverseTemperature = 0; ///< 0: the largest logit, of equal ones the smallest id; the rest does not matter
  int32_t topK = 0;             ///< 0: all; at most kMostPicked
  float topP = 1;               ///< (0, 1]
  float minP = 0;               ///< [0, 1]
  float u = 0;                  ///< [0, 1): where in the cumulative distribution; a multiple of 2^-23, so that a product with a sum stays below that sum
  bool isGreedy() const { return inverseTemperature == 0; }
};
inline constexpr int32_t kMostPicked = 64; ///< of so many most probable tokens a model knows the order

inline constexpr int32_t kUndecided = -1; ///< for a token: the model cannot say, as with a nucleus of more than kMostPicked tokens; the logits tell

/// One step; see above. All values are checked by who makes the input: a model may index with them.
struct StepInput {
  std::span<const int32_t> tokens;   ///< [n] ids in the vocabulary
  std::span<const int32_t> sequence; ///< [n] a row of the table; tokens of a sequence follow each other, by ascending position
  std::span<const int32_t> position; ///< [n]
  std::span<const int32_t> slots;    ///< [n] where the token's keys and values go: page * 16 + row; negative: nowhere
  std::span<const int32_t> table;    ///< [sequences, entries] pages, kNoPage behind the last
  int32_t sequences = 0;
  int32_t entries = 0;
  std::span<const int32_t> wanted; ///< [w] tokens of the step whose logits are wanted, ascending
  bool wantsLogits = true;         ///< of them
  std::span<const RowDraw> draws;  ///< [w] of a model that picks tokens: how, for each wanted one; empty: no tokens are asked for
  bool leavesLogits = false;       ///< those that are wanted stay where the model runs: another rank reads its own
};

/// What a step gives for its wanted tokens: logits, the tokens behind them, or both.
struct StepRows {
  std::span<float> logits;   ///< [wanted, vocabulary], f32, host; empty where nobody asked
  std::span<int32_t> tokens; ///< [wanted] by `draws`: an id, kUndecided, or the vocabulary's size where a logit is NaN or infinity. Empty without draws
};

/// A model that runs a step at once. It owns the pages.
///
/// The logits of a token must depend on the tokens that it sees and on nothing else: not on the other tokens of the step, nor on where pages lie.
class StepModel {
 public:
  virtual ~StepModel() = default;

  virtual int32_t vocabulary() const = 0; ///< number of ids, at least 1
  virtual int32_t pages() const = 0;      ///< number of pages, at least 1

  /// Whether it takes draws: a device then need not hand out logits, a vocabulary of them for each token.
  virtual bool picksTokens() const { return false; }

  /// Runs the step and writes what it gives for its wanted tokens.
  ///
  /// \returns a failure if the step did not run; what it would have written is then undefined
  virtual Status run(const StepInput& input, StepRows rows) = 0;

  /// Copies all rows of a page, of all layers.
  virtual Status copyPage(int32_t from, int32_t to) = 0;
};

} // namespace jinx::engine
