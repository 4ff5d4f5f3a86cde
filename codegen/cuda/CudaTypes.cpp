#include "codegen/cuda/CudaTypes.h"

#include "llvm/ADT/SmallString.h"

using namespace mlir;

namespace jinx::cuda {

std::string cType(Type type) {
  if (type.isF32()) return "float";
  if (type.isF64()) return "double";
  if (type.isF16()) return "f16";
  if (type.isBF16()) return "bf16";
  if (isa<Float8E4M3FNType>(type)) return "f8e4m3";
  if (isa<Float8E5M2Type>(type)) return "f8e5m2";
  if (type.isIndex()) return "i64";
  if (auto integer = dyn_cast<IntegerType>(type)) {
    switch (integer.getWidth()) {
      case 1: return "bool";
      case 8: return "i8";
      case 16: return "i16";
      case 32: return "i32";
      case 64: return "i64";
    }
  }
  return "";
}

std::string unsignedType(Type type) {
  std::string name = cType(type);
  return name == "bool" ? name : "u" + name.substr(1);
}

bool isHalf(Type type) { return type.isF16() || type.isBF16(); }
bool isSmallFloat(Type type) { return isHalf(type) || isa<Float8E4M3FNType, Float8E5M2Type>(type); }

std::string tensorCoreType(Type type) {
  if (isHalf(type)) return type.isBF16() ? "bf16" : "f16";
  if (isa<Float8E4M3FNType>(type)) return "e4m3";
  if (isa<Float8E5M2Type>(type)) return "e5m2";
  if (type.isF32()) return "tf32";
  return type.isUnsignedInteger(8) ? "u8" : type.isInteger(8) ? "s8" : "";
}

int64_t bytesOf(Type type) { return type.isIndex() ? 8 : std::max<int64_t>(1, type.getIntOrFloatBitWidth() / 8); }

static std::string floatLiteral(const llvm::APFloat &value, bool isDouble) {
  if (value.isNaN()) return isDouble ? "static_cast<double>(NAN)" : "NAN";
  if (value.isInfinity()) {
    std::string text = isDouble ? "static_cast<double>(INFINITY)" : "INFINITY";
    return value.isNegative() ? "-" + text : text;
  }
  // The shortest decimal that gives the same bits again.
  llvm::SmallString<32> text;
  value.toString(text, /*FormatPrecision=*/0, /*FormatMaxPadding=*/6);
  std::string result(text);
  if (result.find_first_of(".eE") == std::string::npos) result += ".0";
  for (char &c : result)
    if (c == 'E') c = 'e';
  if (auto e = result.find('e'); e != std::string::npos && result.find('.') == std::string::npos) result.insert(e, ".0");
  return isDouble ? result : result + "f";
}

std::string literal(TypedAttr value) {
  if (auto f = dyn_cast<FloatAttr>(value)) {
    if (f.getType().isF64()) return floatLiteral(f.getValue(), true);
    llvm::APFloat single = f.getValue();
    bool inexact;
    single.convert(llvm::APFloat::IEEEsingle(), llvm::APFloat::rmNearestTiesToEven, &inexact);
    std::string text = floatLiteral(single, false);
    if (isHalf(f.getType())) return (f.getType().isBF16() ? "to_bf16(" : "to_f16(") + text + ")";
    return text;
  }
  auto integer = cast<IntegerAttr>(value);
  if (integer.getType().isInteger(1)) return integer.getValue().isZero() ? "false" : "true";
  int64_t v = integer.getValue().getSExtValue();
  if (v == INT64_MIN) return "(-9223372036854775807L - 1)";
  if (v == INT32_MIN) return "(-2147483647 - 1)";
  if (v > INT32_MAX || v < INT32_MIN) return std::to_string(v) + "L";
  return std::to_string(v);
}

}  // namespace jinx::cuda
