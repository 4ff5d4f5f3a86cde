// How near does a kernel come to what its device can do?
//
// A kernel that moves `bytes` at least and computes `flops` takes at least as long as the device takes for either:
//
//   roof = max(bytes / rate of a copy, flops / rate of the units that compute them)        share = roof / time
//
// The larger of the two says what bounds it. Bytes and flops are the compiler's (plan.proto: Step): operands and results once each, a multiply-add
// as two. The rate of a copy is measured on the device, since none reaches what its pins could do. Rates of arithmetic: on a GPU multiprocessors
// times clock times what one does in a clock, of matrix units where the kernel multiplies there; on a CPU measured on registers.
//
//   k3, 4096 x 4096 x 4096 of bf16 on an H200, 180 us: 101 MB, 137 Gflop   ->   0.56 TB/s, 763 TFLOP/s, 71 % of the roof, bound by arithmetic
//
// A share above 1 is no error: what the kernel reads is in a cache still. Times on a GPU are between two events; those of kernels of a few
// microseconds read some longer than they are.
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "runtime/device/Device.h"

namespace jinx::tools {

struct Roofline {
  std::string device;       ///< as it describes itself
  double copyBytes = 0;     ///< a second, read and written; 0: not known, as of all rates
  DevicePeaks peaks;

  /// Operations a second, of what multiplies such elements on matrix units ("bf16"); "" of scalar units.
  double flopsFor(const std::string& products) const;
};

/// Measures what can be measured in a tenth of a second. Of emulated devices no rate is known.
Expected<Roofline> measureRoofline(Device& device, int threads);

/// What a kernel reached; what is not known is empty.
struct Achieved {
  std::optional<double> bytesPerSecond, flopsPerSecond, share;
  const char* bound = ""; ///< "memory", "arithmetic"; known without a time
};
/// \param ms  0: not timed
Achieved achieved(const Roofline& roofline, std::optional<int64_t> bytes, std::optional<int64_t> flops, const std::string& products, double ms);

/// "2.75 TB/s", "763 TFLOP/s", "71 %"; "" of what is not known.
std::string formatBytesRate(std::optional<double> bytesPerSecond);
std::string formatFlopsRate(std::optional<double> flopsPerSecond);
std::string formatShare(std::optional<double> share);
/// "137 Gflop"
std::string formatFlops(std::optional<int64_t> flops);
/// One line: "roof  NVIDIA H200, …: copy 4.19 TB/s, f32 66.9 TFLOP/s, 16-bit products 1070 TFLOP/s, …".
std::string toText(const Roofline& roofline);

nlohmann::ordered_json toJson(const Roofline& roofline);
/// Adds "bytes", "flops", "bytes_per_s", "flops_per_s", "roof_share" and "bound", those that are known.
void addJson(nlohmann::ordered_json& json, std::optional<int64_t> bytes, std::optional<int64_t> flops, const Achieved& reached);

} // namespace jinx::tools
