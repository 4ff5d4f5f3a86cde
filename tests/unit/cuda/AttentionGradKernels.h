// The gradients of attention as the tests build them, and data for them with a float64 reference.
#pragma once

#include <cmath>

#include "MatmulKernels.h"
#include "codegen/schedules/cuda/CudaAttentionGrad.h"

namespace jinx::cuda::testing {

struct AttentionGradCase {
  schedules::GradOf of = schedules::GradOf::keys;
  int64_t headDim = 128;
  bool causal = false;
  int64_t group = 1;
  bool bf16 = true;
  bool headsInRows = false;  ///< [batch, row, head, headDim] in memory instead of [batch, head, row, headDim]
  schedules::WgmmaAttentionGradTile tile{0};  ///< rows 0: as the schedule chooses

  double scale() const { return 1.0 / std::sqrt(double(headDim)); }
  bool ofKeys() const { return of == schedules::GradOf::keys; }
  std::string name() const;
};

/// q, k, v, dy, lse, delta -> dk, dv or dq. Sizes: batch, heads, queries, keys.
Built buildAttentionGrad(const AttentionGradCase &what);

struct AttentionGradShape {
  int64_t batch, heads, queries, keys;
};
class AttentionGradData {
 public:
  AttentionGradData(const AttentionGradCase &what, AttentionGradShape s, uint64_t seed);
  Expected<emulated::LaunchReport> run(Runner &r, emulated::LaunchOptions options = {});
  /// The largest error of a result, in units of what rounding explains.
  double error() const;
  /// Whether a result was written behind its last row.
  bool overruns() const;

 private:
  static constexpr uint16_t kGuard = 0x7FC1;
  float load(uint16_t bits) const;
  size_t at(int64_t b, int64_t h, int64_t row, int64_t heads, int64_t rows) const;
  double errorsOfHead(int64_t b, int64_t kvHead) const;

  AttentionGradCase what_;
  AttentionGradShape s_;
  std::vector<uint16_t> q_, k_, v_, dy_, first_, second_;  ///< the last two: dk and dv, or dq alone
  std::vector<float> lse_, delta_;
};

}  // namespace jinx::cuda::testing
