#include "ir/Graph/Constants.h"

#include <cstring>

#include "ir/Graph/PartAttr.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/xxhash.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;

namespace jinx::graph {
namespace {
constexpr int64_t kInlineBytes = 1024;
constexpr size_t kHashedBytes = size_t{1} << 20;  // of a constant

/// A name that follows from the elements; of what is larger, from 16 stretches of them: weights in a mapped file need not all come from the disk for it.
std::string resourceName(ArrayRef<char> data) {
  constexpr size_t kStretches = 16, kStretch = 4096;
  ArrayRef<uint8_t> bytes(reinterpret_cast<const uint8_t *>(data.data()), data.size());
  SmallVector<uint64_t> hashes;
  for (size_t i = 0; bytes.size() > kHashedBytes && i < kStretches; ++i) hashes.push_back(llvm::xxh3_64bits(bytes.slice((bytes.size() - kStretch) / (kStretches - 1) * i, kStretch)));
  hashes.push_back(bytes.size());
  if (hashes.size() > 1) bytes = ArrayRef<uint8_t>(reinterpret_cast<const uint8_t *>(hashes.data()), hashes.size() * sizeof(uint64_t));
  return "constant_" + llvm::utohexstr(llvm::xxh3_64bits(bytes), /*LowerCase=*/true);
}

/// Of a part or a stack.
Expected<Tensor> tensorOfPieces(ElementsAttr elements, DType dtype, const Shape &shape) {
  const auto pieces = piecesOf(elements);
  int64_t bytes = 0;
  for (const StridedBytes &piece : pieces) bytes += int64_t(piece.size());
  if (bytes != packedBytes(dtype, numElements(shape)))
    return invalidArgument("a resource of a part or stack holds fewer bytes than its type needs: " + std::to_string(bytes) + " of " + std::to_string(packedBytes(dtype, numElements(shape))));
  if (pieces.size() == 1 && pieces[0].whole().data()) return Tensor::wrap(dtype, shape, const_cast<std::byte *>(pieces[0].first));
  Tensor copy = Tensor::make(dtype, shape);
  auto *to = static_cast<std::byte *>(copy.data());
  for (const StridedBytes &piece : pieces) {
    piece.copy(0, {to, size_t(piece.size())});
    to += piece.size();
  }
  return copy;
}
}  // namespace

DType dtypeOf(Type type) {
  if (type.isF32()) return DType::kF32;
  if (type.isF64()) return DType::kF64;
  if (type.isF16()) return DType::kF16;
  if (type.isBF16()) return DType::kBF16;
  if (isa<StringType>(type)) return DType::kString;
  if (isa<Float8E4M3FNType>(type)) return DType::kF8E4M3FN;
  if (isa<Float8E4M3FNUZType>(type)) return DType::kF8E4M3FNUZ;
  if (isa<Float8E5M2Type>(type)) return DType::kF8E5M2;
  if (isa<Float8E5M2FNUZType>(type)) return DType::kF8E5M2FNUZ;
  if (isa<Float8E8M0FNUType>(type)) return DType::kF8E8M0FNU;
  if (isa<Float4E2M1FNType>(type)) return DType::kF4E2M1;
  if (auto complex = dyn_cast<ComplexType>(type)) return complex.getElementType().isF32() ? DType::kC64 : DType::kC128;
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer) return DType::kInvalid;
  bool isUnsigned = integer.isUnsigned();
  switch (integer.getWidth()) {
    case 1: return DType::kBool;
    case 2: return isUnsigned ? DType::kU2 : DType::kI2;
    case 4: return isUnsigned ? DType::kU4 : DType::kI4;
    case 8: return isUnsigned ? DType::kU8 : DType::kI8;
    case 16: return isUnsigned ? DType::kU16 : DType::kI16;
    case 32: return isUnsigned ? DType::kU32 : DType::kI32;
    case 64: return isUnsigned ? DType::kU64 : DType::kI64;
  }
  return DType::kInvalid;
}

Type elementTypeOf(DType dtype, MLIRContext *context) {
  Builder b(context);
  auto integer = [&](unsigned width, bool isUnsigned) -> Type {
    return isUnsigned ? IntegerType::get(context, width, IntegerType::Unsigned) : IntegerType::get(context, width);
  };
  switch (dtype) {
    case DType::kF32: return b.getF32Type();
    case DType::kF64: return b.getF64Type();
    case DType::kF16: return b.getF16Type();
    case DType::kBF16: return b.getBF16Type();
    case DType::kI8: return integer(8, false);
    case DType::kI16: return integer(16, false);
    case DType::kI32: return integer(32, false);
    case DType::kI64: return integer(64, false);
    case DType::kU8: return integer(8, true);
    case DType::kU16: return integer(16, true);
    case DType::kU32: return integer(32, true);
    case DType::kU64: return integer(64, true);
    case DType::kBool: return integer(1, false);
    case DType::kString: return StringType::get(context);
    case DType::kC64: return ComplexType::get(b.getF32Type());
    case DType::kC128: return ComplexType::get(b.getF64Type());
    case DType::kF8E4M3FN: return Float8E4M3FNType::get(context);
    case DType::kF8E4M3FNUZ: return Float8E4M3FNUZType::get(context);
    case DType::kF8E5M2: return Float8E5M2Type::get(context);
    case DType::kF8E5M2FNUZ: return Float8E5M2FNUZType::get(context);
    case DType::kF8E8M0FNU: return Float8E8M0FNUType::get(context);
    case DType::kF4E2M1: return Float4E2M1FNType::get(context);
    case DType::kI4: return integer(4, false);
    case DType::kU4: return integer(4, true);
    case DType::kI2: return integer(2, false);
    case DType::kU2: return integer(2, true);
    case DType::kInvalid: break;
  }
  return Type();
}

Expected<Tensor> tensorOf(ElementsAttr elements) {
  auto type = dyn_cast<RankedTensorType>(elements.getType());
  if (!type || !type.hasStaticShape()) return internalError("a constant needs a static tensor type");
  DType dtype = dtypeOf(type.getElementType());
  Shape shape(type.getShape().begin(), type.getShape().end());
  if (dtype == DType::kInvalid) return unimplemented("constants of this element type");
  if (auto strings = dyn_cast<DenseStringElementsAttr>(elements)) {
    Tensor tensor = Tensor::make(DType::kString, shape);
    int64_t i = 0;
    for (StringRef s : strings.getRawStringData()) tensor.setString(i++, s.str());
    for (int64_t n = tensor.size(); i > 0 && i < n; ++i) tensor.setString(i, tensor.getString(0));  // a splat
    return tensor;
  }
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(elements)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    int64_t bytes = packedBytes(dtype, numElements(shape));
    if (!blob || int64_t(blob->getData().size()) < bytes)
      return invalidArgument("resource '" + resource.getRawHandle().getKey().str() + "' holds fewer bytes than its type needs (" +
                             std::to_string(bytes) + ")");
    return Tensor::wrap(dtype, shape, const_cast<char *>(blob->getData().data()));
  }
  if (isa<PartAttr, StackAttr>(elements)) return tensorOfPieces(elements, dtype, shape);
  auto dense = dyn_cast<DenseElementsAttr>(elements);
  if (!dense) return unimplemented("constants of this attribute kind");
  Tensor tensor = Tensor::make(dtype, shape);
  int64_t n = tensor.size(), i = 0;
  if (isa<IntegerType>(type.getElementType())) {
    if (!dense.isSplat() && bitWidth(dtype) >= 8 && dtype != DType::kBool) {
      memcpy(tensor.data(), dense.getRawData().data(), tensor.sizeBytes());
      return tensor;
    }
    for (const APInt &v : dense.getValues<APInt>()) tensor.setInt(i++, dtype == DType::kBool ? v.getZExtValue() : v.getSExtValue());
    return tensor;
  }
  int64_t elementBytes = bitWidth(dtype) / 8;
  if (elementBytes == 0) {
    for (const APFloat &v : dense.getValues<APFloat>()) tensor.setDouble(i++, v.convertToDouble());
    return tensor;
  }
  const char *raw = dense.getRawData().data();
  for (int64_t j = 0; j < n; ++j) {
    memcpy(static_cast<char *>(tensor.data()) + j * elementBytes, raw + (dense.isSplat() ? 0 : j * elementBytes), elementBytes);
  }
  return tensor;
}

ElementsAttr elementsOf(const Tensor &tensor, MLIRContext *context) {
  Type element = elementTypeOf(tensor.dtype(), context);
  auto type = RankedTensorType::get(tensor.shape(), element);
  if (tensor.dtype() == DType::kString) {
    SmallVector<StringRef> strings;
    for (int64_t i = 0; i < tensor.size(); ++i) strings.push_back(tensor.getString(i));
    return DenseStringElementsAttr::get(type, strings);
  }
  if (tensor.sizeBytes() > kInlineBytes) {
    const char *data = static_cast<const char *>(tensor.data());
    auto keep = tensor.storage();
    AsmResourceBlob blob(ArrayRef<char>(data, tensor.sizeBytes()), 64, [keep](void *, size_t, size_t) mutable { keep.reset(); },
                         /*dataIsMutable=*/false);
    // A name that is taken gets a number behind it, and the search for one goes through all that are: names follow from contents.
    return DenseResourceElementsAttr::get(type, resourceName(ArrayRef<char>(data, tensor.sizeBytes())), std::move(blob));
  }
  if (auto integer = dyn_cast<IntegerType>(element)) {
    SmallVector<APInt> values;
    for (int64_t i = 0; i < tensor.size(); ++i)
      values.push_back(APInt(integer.getWidth(), uint64_t(tensor.getInt(i)), /*isSigned=*/false, /*implicitTrunc=*/true));
    return DenseElementsAttr::get(type, values);
  }
  if (bitWidth(tensor.dtype()) >= 8)
    return DenseElementsAttr::getFromRawBuffer(type, ArrayRef<char>(static_cast<const char *>(tensor.data()), tensor.sizeBytes()));
  SmallVector<APFloat> values;
  for (int64_t i = 0; i < tensor.size(); ++i) {
    APFloat v(tensor.getDouble(i));
    bool lost;
    v.convert(cast<FloatType>(element).getFloatSemantics(), APFloat::rmNearestTiesToEven, &lost);
    values.push_back(v);
  }
  return DenseElementsAttr::get(type, values);
}

}  // namespace jinx::graph
