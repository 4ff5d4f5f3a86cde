// Attention of few query rows, as when a model writes one token: what fills a tile's rows, and what fills the machine.
//
// A tile has 64 rows. Heads that share keys and values are rows of one tile where their queries lie one stride apart, so that what they share
// is read once:
//
//   q [b, 32, 1, d], k [b, 8, n, d]     8 heads of 4 rows
//
// There are as many tiles as heads; so keys come in parts (CudaAttention.h), as many as give each multiprocessor one at batch 1. The length
// of a part follows from what is known when the model is compiled, and no run has another: a row's bits are its own. Where the batch is
// a number, and its heads alone keep memory busy, keys stay whole.
#pragma once

#include "codegen/schedules/cuda/GroupAttention.h"

namespace jinx::schedules {

struct FewQueries {
  int64_t packed = 1;    ///< heads that are rows of one tile
  int64_t partKeys = 0;  ///< keys of a part; 0: not cut
  bool readsOnce = false;  ///< no two tiles read the same keys
  SizeExpr heads, rows;  ///< of tiles, and of each
  SizeExpr parts = 1;    ///< of a row
};
/// How the kernel for `form` has its rows and keys.
FewQueries arrangeFewQueries(const CudaAttentionForm &form, int64_t multiprocessors);

}  // namespace jinx::schedules
