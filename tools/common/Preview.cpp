#include "tools/common/Preview.h"

#include <algorithm>

#include "tools/common/Terminal.h"

namespace jinx::tools {
namespace {

/// Significant digits worth showing.
int digitsOf(DType type) {
  const int bits = bitWidth(type);
  return bits >= 64 ? 9 : bits >= 32 ? 6 : bits >= 16 ? 4 : 3;
}

std::string formatComplex(const Tensor& tensor, int64_t index) {
  const DType part = tensor.dtype() == DType::kC64 ? DType::kF32 : DType::kF64;
  const double imaginary = loadAsDouble(part, tensor.data(), 2 * index + 1);
  return formatNumber(loadAsDouble(part, tensor.data(), 2 * index), digitsOf(part)) + (imaginary < 0 ? "-" : "+") +
         formatNumber(imaginary < 0 ? -imaginary : imaginary, digitsOf(part)) + "i";
}

template <typename Item>
std::string listItems(int64_t count, int64_t maxElements, const Item& item) {
  std::string text;
  for (int64_t i = 0; i < std::min(count, maxElements); ++i)
    text += (i ? " " : "") + item(i);
  if (count > maxElements) text += " ...";
  return text;
}

} // namespace

std::string formatElement(const Tensor& tensor, int64_t index) {
  if (tensor.dtype() == DType::kString) return "'" + tensor.getString(index) + "'";
  if (tensor.dtype() == DType::kBool) return tensor.getInt(index) ? "true" : "false";
  if (isComplex(tensor.dtype())) return formatComplex(tensor, index);
  if (isFloat(tensor.dtype())) return formatNumber(tensor.getDouble(index), digitsOf(tensor.dtype()));
  if (tensor.dtype() == DType::kU64) return std::to_string(static_cast<uint64_t>(tensor.getInt(index)));
  return std::to_string(tensor.getInt(index));
}

std::string describeValue(const Value& value) {
  if (const Tensor* tensor = tensorOrNull(value)) return tensor->describe();
  if (auto* sequence = std::get_if<std::shared_ptr<Sequence>>(&value))
    return "sequence of " + std::to_string((*sequence)->items.size());
  if (auto* optional = std::get_if<std::shared_ptr<Optional>>(&value))
    return isPresent((*optional)->item) ? "optional " + describeValue((*optional)->item) : "empty optional";
  return "nothing";
}

std::string previewValue(const Value& value, int64_t maxElements) {
  if (const Tensor* tensor = tensorOrNull(value))
    return listItems(tensor->size(), maxElements, [&](int64_t i) { return formatElement(*tensor, i); });
  if (auto* sequence = std::get_if<std::shared_ptr<Sequence>>(&value)) {
    const auto& items = (*sequence)->items;
    return listItems(static_cast<int64_t>(items.size()), maxElements, [&](int64_t i) {
      const Value& item = items[static_cast<size_t>(i)];
      return describeValue(item) + "(" + previewValue(item, maxElements) + ")";
    });
  }
  if (auto* optional = std::get_if<std::shared_ptr<Optional>>(&value))
    return previewValue((*optional)->item, maxElements);
  return "";
}

std::string describePort(const Port& port) {
  std::string text;
  if (port.kind == plan::Value::SEQUENCE) text = "sequence of ";
  if (port.kind == plan::Value::OPTIONAL) text = "optional ";
  text += port.dtype == DType::kInvalid ? "any type" : std::string(name(port.dtype));
  if (port.kind != plan::Value::TENSOR) return text;
  if (!port.ranked) return text + " of unknown rank";
  text += " [";
  for (size_t i = 0; i < port.dims.size(); ++i)
    text += (i ? ", " : "") + port.dims[i];
  return text + "]";
}

} // namespace jinx::tools
