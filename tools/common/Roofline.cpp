#include "tools/common/Roofline.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "tools/common/CpuPeak.h"
#include "tools/common/Terminal.h"

namespace jinx::tools {
namespace {

/// Memory of a device, given back when this goes.
class Block {
 public:
  static Expected<Block> make(Device& device, size_t bytes) {
    JINX_TRY_ASSIGN(void* data, device.allocate(bytes));
    return Block(device, data, bytes);
  }
  Block(Block&& other) noexcept
      : device_(other.device_), data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}
  Block& operator=(Block&&) = delete;
  ~Block() {
    if (data_) device_.release(data_, bytes_);
  }
  void* data() const { return data_; }

 private:
  Block(Device& device, void* data, size_t bytes) : device_(device), data_(data), bytes_(bytes) {}
  Device& device_;
  void* data_;
  size_t bytes_;
};

/// The fastest of a few copies of more than any cache holds.
Expected<double> measureDeviceCopy(Device& device) {
  constexpr size_t kBytes = size_t{512} << 20;
  constexpr int kCopies = 8;
  JINX_TRY_ASSIGN(Block from, Block::make(device, kBytes));
  JINX_TRY_ASSIGN(Block to, Block::make(device, kBytes));
  JINX_TRY_ASSIGN(auto stream, device.createStream());
  JINX_TRY_ASSIGN(auto before, device.createEvent());
  JINX_TRY_ASSIGN(auto after, device.createEvent());
  double best = 0;
  for (int i = 0; i < kCopies; ++i) {
    JINX_TRY(before->record(*stream));
    JINX_TRY(device.copyOnDevice(to.data(), from.data(), kBytes, *stream));
    JINX_TRY(after->record(*stream));
    JINX_TRY(stream->synchronize());
    JINX_TRY_ASSIGN(double ms, after->millisecondsSince(*before));
    if (i > 0) best = std::max(best, 2.0 * kBytes / (ms / 1e3));
  }
  return best;
}

/// "1.23 TB/s": three digits and a prefix.
std::string inUnits(double value, const char* unit) {
  constexpr const char* kPrefixes[] = {"", "k", "M", "G", "T", "P"};
  size_t i = 0;
  for (; value >= 999.5 && i + 1 < std::size(kPrefixes); ++i)
    value /= 1e3;
  return formatNumber(value, 3) + " " + kPrefixes[i] + unit;
}
/// As above, TFLOP/s from 10 TFLOP/s on, as they are told of GPUs.
std::string flopsRate(double value) {
  return value >= 999.5e12 ? formatNumber(value / 1e12, 4) + " TFLOP/s" : inUnits(value, "FLOP/s");
}

} // namespace

double Roofline::flopsFor(const std::string& products) const {
  if (products.empty()) return peaks.scalarFlops;
  if (products == "f16" || products == "bf16") return peaks.halfProducts;
  if (products == "f32x3") return peaks.singleProducts / 3;
  return products == "f32" ? peaks.singleProducts : peaks.byteProducts;
}

Expected<Roofline> measureRoofline(Device& device, int threads) {
  Roofline roofline{device.description(), 0, device.peaks()};
  if (!device.has(capability::kTiming)) return roofline;
  if (device.has(capability::kHostMemory)) {
    roofline.copyBytes = measureCopyBytes(threads);
    roofline.peaks.scalarFlops = measureScalarFlops(threads);
    return roofline;
  }
  JINX_TRY_ASSIGN(roofline.copyBytes, measureDeviceCopy(device), "measuring a copy");
  return roofline;
}

Achieved achieved(const Roofline& roofline, std::optional<int64_t> bytes, std::optional<int64_t> flops,
                  const std::string& products, double ms) {
  Achieved reached;
  const double rate = roofline.flopsFor(products);
  const double memory = bytes && roofline.copyBytes > 0 ? static_cast<double>(*bytes) / roofline.copyBytes : 0;
  const double arithmetic = flops && rate > 0 ? static_cast<double>(*flops) / rate : 0;
  if (memory > 0 || arithmetic > 0) reached.bound = memory >= arithmetic ? "memory" : "arithmetic";
  if (ms <= 0) return reached;
  if (bytes) reached.bytesPerSecond = static_cast<double>(*bytes) / (ms / 1e3);
  if (flops && *flops > 0) reached.flopsPerSecond = static_cast<double>(*flops) / (ms / 1e3);
  if (*reached.bound) reached.share = std::max(memory, arithmetic) / (ms / 1e3);
  return reached;
}

std::string formatBytesRate(std::optional<double> bytesPerSecond) {
  return bytesPerSecond ? inUnits(*bytesPerSecond, "B/s") : "";
}
std::string formatFlopsRate(std::optional<double> flopsPerSecond) {
  return flopsPerSecond ? flopsRate(*flopsPerSecond) : "";
}
std::string formatShare(std::optional<double> share) {
  if (!share) return "";
  return (*share < 0.0995 ? formatNumber(*share * 100, 2) : std::to_string(std::llround(*share * 100))) + " %";
}
std::string formatFlops(std::optional<int64_t> flops) {
  return flops ? inUnits(static_cast<double>(*flops), "flop") : "";
}

std::string toText(const Roofline& roofline) {
  std::string rates;
  const auto add = [&](const char* what, double rate, std::string text) {
    if (rate > 0) rates += (rates.empty() ? "" : ", ") + std::string(what) + " " + text;
  };
  add("copy", roofline.copyBytes, formatBytesRate(roofline.copyBytes));
  add("f32", roofline.peaks.scalarFlops, flopsRate(roofline.peaks.scalarFlops));
  add("16-bit products", roofline.peaks.halfProducts, flopsRate(roofline.peaks.halfProducts));
  add("8-bit products", roofline.peaks.byteProducts, flopsRate(roofline.peaks.byteProducts));
  return "roof  " + roofline.device + ": " + (rates.empty() ? "no rates, nothing is timed here" : rates);
}

nlohmann::ordered_json toJson(const Roofline& roofline) {
  nlohmann::ordered_json json = {{"device", roofline.device}};
  const auto add = [&](const char* key, double rate) {
    if (rate > 0) json[key] = rate;
  };
  add("copy_bytes_per_s", roofline.copyBytes);
  add("pin_bytes_per_s", roofline.peaks.memoryBytes);
  add("scalar_flops_per_s", roofline.peaks.scalarFlops);
  add("single_product_flops_per_s", roofline.peaks.singleProducts);
  add("half_product_flops_per_s", roofline.peaks.halfProducts);
  add("byte_product_flops_per_s", roofline.peaks.byteProducts);
  return json;
}

void addJson(nlohmann::ordered_json& json, std::optional<int64_t> bytes, std::optional<int64_t> flops,
             const Achieved& reached) {
  if (bytes) json["bytes"] = *bytes;
  if (flops) json["flops"] = *flops;
  if (reached.bytesPerSecond) json["bytes_per_s"] = *reached.bytesPerSecond;
  if (reached.flopsPerSecond) json["flops_per_s"] = *reached.flopsPerSecond;
  if (reached.share) json["roof_share"] = *reached.share;
  if (*reached.bound) json["bound"] = reached.bound;
}

} // namespace jinx::tools
