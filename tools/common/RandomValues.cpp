#include "tools/common/RandomValues.h"

#include <cmath>
#include <numbers>
#include <random>

namespace jinx::tools {
namespace {

constexpr uint64_t kStride = 0x9E3779B97F4A7C15; // 2^64 / golden ratio

class Normal {
 public:
  explicit Normal(std::mt19937_64& generator) : generator_(generator) {}

  double next() {
    if (held_) {
      held_ = false;
      return second_;
    }
    constexpr double kScale = 0x1p-53;
    const double u = static_cast<double>((generator_() >> 11) + 1) * kScale;
    const double angle = 2 * std::numbers::pi * static_cast<double>(generator_() >> 11) * kScale;
    const double radius = std::sqrt(-2 * std::log(u));
    second_ = radius * std::sin(angle);
    held_ = true;
    return radius * std::cos(angle);
  }

 private:
  std::mt19937_64& generator_;
  double second_ = 0;
  bool held_ = false;
};

} // namespace

Tensor randomTensor(DType type, Shape shape, uint64_t seed, uint64_t index) {
  std::mt19937_64 generator(seed + kStride * index);
  Normal normal(generator);
  Tensor tensor = Tensor::make(type, std::move(shape));
  const int64_t size = tensor.size();
  if (type == DType::kF32) {
    for (int64_t i = 0; i < size; ++i)
      tensor.as<float>()[i] = static_cast<float>(normal.next());
  } else if (isComplex(type)) {
    const DType part = type == DType::kC64 ? DType::kF32 : DType::kF64;
    for (int64_t i = 0; i < 2 * size; ++i)
      storeFromDouble(part, tensor.data(), i, normal.next());
  } else if (isFloat(type)) {
    for (int64_t i = 0; i < size; ++i)
      tensor.setDouble(i, normal.next());
  } else if (type == DType::kString) {
    for (int64_t i = 0; i < size; ++i)
      tensor.setString(i, generator() & 1 ? "1" : "0");
  } else {
    for (int64_t i = 0; i < size; ++i)
      tensor.setInt(i, static_cast<int64_t>(generator() & 1));
  }
  return tensor;
}

} // namespace jinx::tools
