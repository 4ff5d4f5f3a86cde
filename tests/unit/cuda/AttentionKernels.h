// The CUDA attention as the tests build it, with several holes between scores and softmax.
#pragma once

#include <cmath>

#include "MatmulKernels.h"
#include "codegen/schedules/cuda/CudaAttention.h"

namespace jinx::cuda::testing {

enum class Hole { kNone, kSoftcap, kBias, kMask };
const char *nameOf(Hole hole);

struct AttentionCase {
  int64_t headDim = 128;
  bool causal = false;
  Hole hole = Hole::kNone;
  int64_t group = 1;
  bool bf16 = true, logSumExp = false;
  bool headsInRows = false;  ///< [batch, row, head, headDim] in memory instead of [batch, head, row, headDim]
  int64_t sms = 132;
  int64_t partKeys = 0;      ///< keys in parts of so many
  schedules::WgmmaAttentionTile tile{0};  ///< rows 0: as the schedule chooses

  double scale() const { return 1.0 / std::sqrt(double(headDim)); }
  std::string name() const;
};

/// q, k, v, extra (f32: bias [heads, queries, keys], or mask [batch, queries, keys], else unused) -> o, log-sum-exp [batch, heads, queries].
/// Sizes: batch, heads, queries, keys.
/// With parts, o and the log-sum-exp are f32 [batch, heads, queries, parts, headDim] and [batch, heads, queries, parts].
Built buildAttention(const AttentionCase &what);

/// Queries [heads, batch * rows, headDim]: rows of one head lie beside each other, also across sequences, so that they may share keys. Results
/// are places [heads, batch, rows, kPlaces], of which a kernel writes those from `before` on.
struct PagedCase {
  int64_t headDim = 128, rows = 4;    ///< of queries
  int64_t pageKeys = 0;               ///< keys of a page; 0: keys and values are [heads, keys, headDim], one sequence's
  int64_t partKeys = 256, before = 0;
  bool causal = false;
  int64_t sms = 3;
  schedules::WgmmaAttentionTile tile{0};

  static constexpr int64_t kPlaces = 16;
  std::string name() const;
};
/// q, k, v, page numbers i32 [batch, most], lengths i32 [batch] -> places f32, log-sum-exp f32. k and v are [pages, heads, pageKeys, headDim].
/// Sizes: batch, heads, most keys (of a sequence), pages. Without pages the batch is one sequence of batch * rows rows.
Built buildPagedAttention(const PagedCase &what);
/// places, log-sum-exp, lengths -> o bf16 [heads, batch * rows, headDim]. Sizes: batch, heads. Places before `before` are another kernel's.
Built buildPagedMerge(const PagedCase &what);

/// Merges such parts: f32 parts, f32 log-sum-exp -> o as above. Sizes: batch, heads, queries, parts.
Built buildAttentionMerge(const AttentionCase &what);

}  // namespace jinx::cuda::testing
