#include "tools/common/CompareValues.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>

#include <nlohmann/json.hpp>

#include "tools/common/Preview.h"

namespace jinx::tools {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The type of the numbers a tensor holds: the parts of complex ones.
DType partType(DType type) { return type == DType::kC64 ? DType::kF32 : type == DType::kC128 ? DType::kF64 : type; }

double rootMeanSquare(DType type, const Tensor& tensor, int64_t count) {
  double sum = 0;
  int64_t finite = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double value = loadAsDouble(type, tensor.data(), i);
    if (!std::isfinite(value)) continue;
    sum += value * value;
    ++finite;
  }
  return finite ? std::sqrt(sum / static_cast<double>(finite)) : 0;
}

Difference differenceOfFloats(DType type, const Tensor& got, const Tensor& expected, const Tolerance& tolerance) {
  Difference d;
  d.elements = got.size() * (isComplex(got.dtype()) ? 2 : 1);
  const double relative = type == DType::kBF16 ? std::max(tolerance.relative, 0x1p-6) : tolerance.relative;
  const double floor = tolerance.ofMagnitude ? rootMeanSquare(type, expected, d.elements) : 0;
  double signal = 0, noise = 0;
  for (int64_t i = 0; i < d.elements; ++i) {
    const double a = loadAsDouble(type, got.data(), i), b = loadAsDouble(type, expected.data(), i);
    bool same;
    if (std::isfinite(a) && std::isfinite(b)) {
      const double off = std::fabs(a - b);
      d.maxAbsolute = std::max(d.maxAbsolute, off);
      if (b != 0) d.maxRelative = std::max(d.maxRelative, off / std::fabs(b));
      signal += b * b;
      noise += off * off;
      same = off <= tolerance.absolute + relative * std::max(std::fabs(b), floor);
    } else {
      same = a == b || (std::isnan(a) && std::isnan(b));
    }
    if (!same && d.wrong++ == 0) d.firstWrong = i;
  }
  d.signalToNoiseDb = noise == 0 ? kInfinity : 10 * std::log10(signal / noise);
  return d;
}

Difference differenceExact(const Tensor& got, const Tensor& expected) {
  Difference d;
  d.elements = got.size();
  for (int64_t i = 0; i < d.elements; ++i) {
    bool same;
    if (got.dtype() == DType::kString) {
      same = got.getString(i) == expected.getString(i);
    } else {
      const int64_t a = got.getInt(i), b = expected.getInt(i);
      same = a == b;
      d.maxAbsolute = std::max(d.maxAbsolute, std::fabs(static_cast<double>(a) - static_cast<double>(b)));
    }
    if (!same && d.wrong++ == 0) d.firstWrong = i;
  }
  d.signalToNoiseDb = d.wrong == 0 ? kInfinity : 0;
  return d;
}

Status compareTensors(const Tensor& got, const Tensor& expected, const Tolerance& tolerance) {
  if (got.dtype() != expected.dtype() || got.shape() != expected.shape())
    return invalidArgument("got " + got.describe() + ", expected " + expected.describe());
  if (!tolerance.values) return Status::ok();
  const Difference d = differenceOf(got, expected, tolerance);
  if (d.wrong == 0) return Status::ok();
  const int64_t at = isComplex(got.dtype()) ? d.firstWrong / 2 : d.firstWrong;
  return invalidArgument(std::to_string(d.wrong) + " of " + std::to_string(d.elements) + " elements of " +
                         got.describe() + " differ: element " + std::to_string(at) + " is " + formatElement(got, at) +
                         ", expected " + formatElement(expected, at));
}

} // namespace

Expected<Tolerance> readTolerance(const std::string& path) {
  Tolerance tolerance;
  std::ifstream file(path);
  if (!file) return tolerance;
  const auto json = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return invalidArgument(path + " is no JSON object");
  for (const auto& [key, to] : {std::pair("rtol", &tolerance.relative), std::pair("atol", &tolerance.absolute)}) {
    if (!json.contains(key)) continue;
    if (!json[key].is_number())
      return invalidArgument(path + ": " + key + " is " + json[key].dump() + ", expected a number");
    *to = json[key];
  }
  return tolerance;
}

Difference differenceOf(const Tensor& got, const Tensor& expected, const Tolerance& tolerance) {
  const DType type = partType(got.dtype());
  return isFloat(type) ? differenceOfFloats(type, got, expected, tolerance) : differenceExact(got, expected);
}

Status compareValues(const Value& got, const Value& expected, const Tolerance& tolerance) {
  if (got.index() != expected.index())
    return invalidArgument("got " + describeValue(got) + ", expected " + describeValue(expected));
  if (const Tensor* tensor = tensorOrNull(got)) return compareTensors(*tensor, std::get<Tensor>(expected), tolerance);
  if (auto* sequence = std::get_if<std::shared_ptr<Sequence>>(&got)) {
    const auto &a = (*sequence)->items, &b = std::get<std::shared_ptr<Sequence>>(expected)->items;
    if (a.size() != b.size())
      return invalidArgument("got " + describeValue(got) + ", expected " + describeValue(expected));
    for (size_t i = 0; i < a.size(); ++i)
      JINX_TRY(compareValues(a[i], b[i], tolerance), "item " + std::to_string(i));
    return Status::ok();
  }
  if (auto* optional = std::get_if<std::shared_ptr<Optional>>(&got))
    return compareValues((*optional)->item, std::get<std::shared_ptr<Optional>>(expected)->item, tolerance);
  return Status::ok();
}

} // namespace jinx::tools
