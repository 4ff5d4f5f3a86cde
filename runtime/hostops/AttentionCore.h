// Scaled dot-product attention on double buffers, and rotary position embedding: what every attention operator ends in.
#pragma once

#include <functional>

#include "runtime/hostops/Dense.h"

namespace jinx::dense {

/// q [batch][heads][queries][dim], k [batch][kvHeads][keys][dim], v [batch][kvHeads][keys][vDim]; query head h reads
/// key-value head h / (heads / kvHeads).
struct AttentionShape {
  int64_t batch = 0, heads = 0, kvHeads = 0, queries = 0, keys = 0, dim = 0, vDim = 0;
};

/// The stages whose scores a caller may want, in order.
enum class ScoreStage { kNone, kScaled, kSoftcapped, kBiased, kProbabilities };

struct AttentionOptions {
  double scale = 1;
  double softcap = 0; ///< 0: none; else softcap * tanh(score / softcap), before the bias
  /// Adds its bias to the scores of query i of head h of sequence b; -inf masks a key. A row whose bias is all -inf
  /// gives zeros.
  std::function<void(int64_t b, int64_t h, int64_t i, double* row)> bias;
  Doubles sink; ///< a logit a head that only adds to the softmax's denominator; empty: none
  ScoreStage stage = ScoreStage::kNone;
};

struct AttentionResult {
  Doubles y;      ///< [batch][heads][queries][vDim]
  Doubles scores; ///< [batch][heads][queries][keys] at `stage`
};

AttentionResult attend(const AttentionShape& shape, const AttentionOptions& options, const Doubles& q, const Doubles& k,
                       const Doubles& v);

/// [batch][length][heads * dim] to [batch][heads][length][dim], and back.
Doubles splitHeads(const Doubles& x, int64_t batch, int64_t length, int64_t heads, int64_t dim);
Doubles joinHeads(const Doubles& x, int64_t batch, int64_t heads, int64_t length, int64_t dim);
/// past [rows][pastLength][dim], then x [rows][length][dim].
Doubles appendRows(const Doubles& past, int64_t pastLength, const Doubles& x, int64_t length, int64_t rows,
                   int64_t dim);

/// Rotates the first 2 * half elements of x by the angles whose cosines and sines are given: pairs (i, i + half), or
/// (2i, 2i + 1) when interleaved.
void rotate(double* x, const double* cos, const double* sin, int64_t half, bool interleaved);

// AttentionOther.cpp
Status rotaryEmbedding(HostOpCall& call);
Status contribRotaryEmbedding(HostOpCall& call);
Status linearAttention(HostOpCall& call);
// AttentionContrib.cpp, AttentionGroupQuery.cpp
Status multiHeadAttention(HostOpCall& call);
Status contribAttention(HostOpCall& call);
Status qAttention(HostOpCall& call);
Status groupQueryAttention(HostOpCall& call);

} // namespace jinx::dense
