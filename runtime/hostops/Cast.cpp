// Cast, CastLike and BitCast between all element types.
//
// Numbers: floats round to nearest even, 8-bit floats obey `saturate`, f8e8m0fnu `round_mode`; a float out of an
// integer's range (undefined in ONNX) and an integer out of range keep the low bits. Text: a number is written with the
// fewest digits that read back as the same value ("0.1", "3", "1e+20", "NaN", "INF", "-INF"), and read as a decimal
// number in any of these forms.
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "runtime/hostops/Elementwise.h"
#include "runtime/hostops/OnnxTypes.h"

namespace jinx {
namespace {

struct CastOptions {
  bool saturate = true;
  E8M0Round round = E8M0Round::kUp;
};

/// The loops that real models spend time in: conversions that C++ does by itself, in the same way.
template <typename From, typename To>
void convertPlain(const Tensor& x, Tensor& y) {
  const From* from = x.as<From>();
  To* to = y.as<To>();
  for (int64_t i = 0, n = x.size(); i < n; ++i)
    to[i] = static_cast<To>(from[i]);
}

using PlainConversion = void (*)(const Tensor&, Tensor&);

PlainConversion plainConversion(DType from, DType to) {
  struct Row {
    DType from, to;
    PlainConversion convert;
  };
  static constexpr Row kRows[] = {
      {DType::kF32, DType::kF64, convertPlain<float, double>},
      {DType::kF64, DType::kF32, convertPlain<double, float>},
      {DType::kI64, DType::kF32, convertPlain<int64_t, float>},
      {DType::kI32, DType::kF32, convertPlain<int32_t, float>},
      {DType::kI64, DType::kI32, convertPlain<int64_t, int32_t>},
      {DType::kI32, DType::kI64, convertPlain<int32_t, int64_t>},
      {DType::kBool, DType::kF32, convertPlain<uint8_t, float>},
      {DType::kBool, DType::kI64, convertPlain<uint8_t, int64_t>},
      {DType::kBool, DType::kI32, convertPlain<uint8_t, int32_t>},
      {DType::kU8, DType::kF32, convertPlain<uint8_t, float>},
      {DType::kI8, DType::kF32, convertPlain<int8_t, float>},
      {DType::kU8, DType::kI32, convertPlain<uint8_t, int32_t>},
  };
  for (const Row& row : kRows)
    if (row.from == from && row.to == to) return row.convert;
  return nullptr;
}

/// A u64 of 2^63 and more, as a double whose last bit remembers what was cut off: rounding it again then comes out
/// right.
double roundedToOdd(uint64_t value) {
  return std::ldexp(static_cast<double>((value >> 11) | ((value & 0x7ff) != 0)), 11);
}

void convertNumbers(const Tensor& x, Tensor& y, const CastOptions& options) {
  const DType from = x.dtype(), to = y.dtype();
  if (PlainConversion convert = plainConversion(from, to)) return convert(x, y);
  const int64_t n = x.size();
  if (to == DType::kF8E8M0FNU) {
    for (int64_t i = 0; i < n; ++i)
      y.as<uint8_t>()[i] = encodeE8M0(x.getDouble(i), options.round, options.saturate);
  } else if (isFloat(from)) {
    for (int64_t i = 0; i < n; ++i)
      storeFromDouble(to, y.data(), i, x.getDouble(i), options.saturate);
  } else if (from == DType::kU64 && isFloat(to)) {
    for (int64_t i = 0; i < n; ++i) {
      const uint64_t value = x.as<uint64_t>()[i];
      if (to == DType::kF64)
        y.as<double>()[i] = static_cast<double>(value);
      else if (value >> 63)
        storeFromDouble(to, y.data(), i, roundedToOdd(value), options.saturate);
      else
        storeFromInt(to, y.data(), i, static_cast<int64_t>(value));
    }
  } else {
    const bool small8 = isFloat(to) && bitWidth(to) == 8 && !options.saturate;
    for (int64_t i = 0; i < n; ++i) {
      if (small8)
        storeFromDouble(to, y.data(), i, x.getDouble(i), false);
      else
        storeFromInt(to, y.data(), i, x.getInt(i));
    }
  }
}

template <typename T>
std::string shortest(T value) {
  char text[64];
  return std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
}

std::string toText(const Tensor& x, int64_t i) {
  if (x.dtype() == DType::kBool) return x.getInt(i) ? "True" : "False";
  if (x.dtype() == DType::kU64) return shortest(x.as<uint64_t>()[i]);
  if (!isFloat(x.dtype())) return shortest(x.getInt(i));
  const double value = x.getDouble(i);
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "INF" : "-INF";
  return x.dtype() == DType::kF64 ? shortest(value) : shortest(static_cast<float>(value));
}

/// All of `text`, but for blanks around it and a leading plus, as one number.
template <typename T>
bool parse(std::string_view text, T& value) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())))
    text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())))
    text.remove_suffix(1);
  if (text.size() > 1 && text.front() == '+' && text[1] != '-') text.remove_prefix(1);
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ptr != text.data() + text.size() || text.empty()) return false;
  if constexpr (std::is_floating_point_v<T>) {
    if (result.ec == std::errc::result_out_of_range)
      value = static_cast<T>(std::strtold(std::string(text).c_str(), nullptr));
    return result.ec == std::errc() || result.ec == std::errc::result_out_of_range;
  }
  return result.ec == std::errc();
}

bool equalsIgnoringCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (std::tolower(static_cast<unsigned char>(a[i])) != std::tolower(static_cast<unsigned char>(b[i]))) return false;
  return true;
}

bool fromText(const std::string& text, Tensor& y, int64_t i, const CastOptions& options) {
  const DType to = y.dtype();
  if (to == DType::kF32) return parse(text, y.as<float>()[i]);
  if (to == DType::kBool && (equalsIgnoringCase(text, "true") || equalsIgnoringCase(text, "false"))) {
    y.setInt(i, text.size() == 4);
    return true;
  }
  int64_t integer;
  uint64_t large;
  double real;
  if (!isFloat(to) && parse(text, integer)) {
    y.setInt(i, integer);
  } else if (to == DType::kU64 && parse(text, large)) {
    y.as<uint64_t>()[i] = large;
  } else if (parse(text, real)) {
    if (to == DType::kF8E8M0FNU)
      y.as<uint8_t>()[i] = encodeE8M0(real, options.round, options.saturate);
    else
      storeFromDouble(to, y.data(), i, real, options.saturate);
  } else {
    return false;
  }
  return true;
}

Status castTo(HostOpCall& call, DType to) {
  CastOptions options;
  options.saturate = call.attributes->getInt("saturate", 1);
  const std::string round = call.attributes->getString("round_mode", "up");
  if (round == "up")
    options.round = E8M0Round::kUp;
  else if (round == "down")
    options.round = E8M0Round::kDown;
  else if (round == "nearest")
    options.round = E8M0Round::kNearest;
  else
    return call.error("attribute round_mode is \"" + round + "\", expected up, down or nearest");

  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  if (isComplex(x.dtype()) || isComplex(to))
    return call.error("no cast from " + x.describe() + " to " + std::string(name(to)) +
                      ": complex numbers do not convert");
  if (x.dtype() == to) {
    call.outputs[0] = x;
    return Status::ok();
  }
  Tensor y = Tensor::make(to, x.shape());
  if (to == DType::kString) {
    for (int64_t i = 0; i < x.size(); ++i)
      y.setString(i, toText(x, i));
  } else if (x.dtype() == DType::kString) {
    for (int64_t i = 0; i < x.size(); ++i)
      if (!fromText(x.getString(i), y, i, options))
        return call.error("element " + std::to_string(i) + " of input 0 is \"" + x.getString(i) +
                          "\", expected a number");
  } else {
    convertNumbers(x, y, options);
  }
  call.outputs[0] = y;
  return Status::ok();
}

/// The element type that attribute `to` means: a number, or before opset 6 the name in TensorProto.DataType.
Expected<DType> targetType(const HostOpCall& call) {
  constexpr std::pair<std::string_view, DType> kNames[] = {
      {"FLOAT", DType::kF32},  {"UINT8", DType::kU8},    {"INT8", DType::kI8},    {"UINT16", DType::kU16},
      {"INT16", DType::kI16},  {"INT32", DType::kI32},   {"INT64", DType::kI64},  {"STRING", DType::kString},
      {"BOOL", DType::kBool},  {"FLOAT16", DType::kF16}, {"DOUBLE", DType::kF64}, {"UINT32", DType::kU32},
      {"UINT64", DType::kU64},
  };
  const std::string named = call.attributes->getString("to", "");
  for (const auto& [text, type] : kNames)
    if (text == named) return type;
  if (!named.empty()) return call.error("attribute to is \"" + named + "\", expected the name of an element type");
  const int64_t number = call.attributes->getInt("to", 0);
  const DType type = dtypeFromOnnx(number);
  if (type == DType::kInvalid)
    return call.error("attribute to is " + std::to_string(number) +
                      ", expected the number of an element type (1 to 26)");
  return type;
}

Status castOp(HostOpCall& call) {
  JINX_TRY_ASSIGN(DType to, targetType(call));
  return castTo(call, to);
}

Status castLikeOp(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor like, call.tensor(1));
  return castTo(call, like.dtype());
}

Status bitCastOp(HostOpCall& call) {
  JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
  JINX_TRY_ASSIGN(DType to, targetType(call));
  if (bitWidth(x.dtype()) == 0 || bitWidth(x.dtype()) != bitWidth(to))
    return call.error("input 0 is " + x.describe() + ", expected an element type as wide as " + std::string(name(to)) +
                      " (" + std::to_string(bitWidth(to)) + " bits)");
  Tensor y = Tensor::make(to, x.shape());
  if (x.sizeBytes() > 0) std::memcpy(y.data(), x.data(), static_cast<size_t>(x.sizeBytes()));
  call.outputs[0] = y;
  return Status::ok();
}

constexpr HostOpEntry kRows[] = {
    {"", "Cast", 1, castOp},
    {"", "CastLike", 15, castLikeOp},
    {"", "BitCast", 26, bitCastOp},
};

} // namespace

std::span<const HostOpEntry> castHostOps() { return kRows; }

} // namespace jinx
