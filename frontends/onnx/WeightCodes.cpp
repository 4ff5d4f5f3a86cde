// com.microsoft's products with weights in few bits: their packed bytes become codes, one an element, and jinx.dequantize says what they stand for.
//
//   MatMulNBits   B ui8 [N, blocks, block*bits/8], little end first    codes [N, K], ui4 of 4 bits and fewer, else ui8
//   MatMulBnb4    B ui8 [N*K/2], high half of a byte first             codes [N, K] ui4, levels of FP4 or NF4
#include "frontends/onnx/Quant.h"
#include "ir/Graph/Constants.h"
#include "runtime/base/CodeLevels.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends {
namespace {

std::optional<Tensor> constantTensor(Value v) {
  auto constant = v ? v.getDefiningOp<ConstantOp>() : ConstantOp();
  auto tensor = constant ? graph::tensorOf(constant.getValue()) : Expected<Tensor>(Status::ok());
  return constant && tensor ? std::optional<Tensor>(*tensor) : std::nullopt;
}

/// Field `i` of a little-endian stream of fields of `bits`.
int64_t field(const uint8_t *bytes, int64_t i, int64_t bits) {
  const int64_t first = i * bits, shift = first % 8;
  uint32_t word = bytes[first / 8];
  if (shift + bits > 8) word |= uint32_t(bytes[first / 8 + 1]) << 8;
  return (word >> shift) & ((1u << bits) - 1);
}

/// y [..., N] of x [..., K]: what is known when the node runs on the host.
bool onHost(Node &n, int64_t columns, std::string why) {
  Node::PartialSizes y;
  for (const SizeExpr &size : n.sizes(n.in(0))) y.push_back(size);
  if (!y.empty()) y.back() = columns;
  n.expect(0, y, n.element(n.in(0)));
  return n.decline(std::move(why));
}

Value product(Node &n, Value codes, const Quantization &how, ArrayRef<float> levels, Value bias) {
  Value x = n.in(0);
  Value y = n.matmul(x, dequantizeTo(n, codes, how, n.element(x), levels), /*transposeB=*/true);
  return bias ? n.add(y, bias) : y;
}

/// Rows of fields that begin at whole bytes, as a constant [rows, count].
Value fieldsOf(Node &n, const Tensor &bytes, int64_t rows, int64_t count, int64_t rowBytes, int64_t bits, DType dtype, int64_t block) {
  Tensor codes = Tensor::make(dtype, Shape{rows, count});
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = 0; i < count; ++i)
      codes.setInt(r * count + i, field(bytes.as<uint8_t>() + r * rowBytes + i / block * (block * bits / 8), i % block, bits));
  return n.constant(graph::elementsOf(codes, n.context()));
}

/// x [..., K], B, scales [N*blocks], zero points (packed as B, or numbers [N*blocks]), g_idx, bias.
bool matmulNBits(Node &n) {
  const int64_t k = n.attrInt("K", 0), columns = n.attrInt("N", 0), bits = n.attrInt("bits", 4), block = n.attrInt("block_size", 0);
  if (k <= 0 || columns <= 0 || bits < 2 || bits > 8 || block < 16 || (block & (block - 1))) return onHost(n, columns, "attributes K, N, bits or block_size are out of range");
  if (n.attrInt("weight_prepacked", 0)) return onHost(n, columns, "weights are packed for another runtime");
  if (n.has(4)) return onHost(n, columns, "rows are in groups of their own (g_idx)");
  const int64_t blocks = (k + block - 1) / block, rowBytes = blocks * (block * bits / 8);
  auto weights = constantTensor(n.in(1)), zeros = constantTensor(n.in(3));
  if (!weights || weights->dtype() != DType::kU8 || weights->size() != columns * rowBytes) return onHost(n, columns, "weights are no constant of their size");
  Value x = n.in(0), scales = n.in(2);
  if (!x || n.rank(x) < 2 || !n.isFloat(x) || !scales || !n.isFloat(scales)) return onHost(n, columns, "expected a matrix of floats");
  auto scaleType = cast<RankedTensorType>(scales.getType());
  if (!scaleType.hasStaticShape() || scaleType.getNumElements() != columns * blocks) return onHost(n, columns, "scales are not one for each block");
  const DType dtype = bits <= 4 ? DType::kU4 : DType::kU8;
  Value zero;
  if (n.has(3)) {
    const int64_t zeroBytes = (blocks * bits + 7) / 8;
    if (zeros && zeros->dtype() == DType::kU8 && zeros->size() == columns * zeroBytes) zero = fieldsOf(n, *zeros, columns, blocks, zeroBytes, bits, dtype, /*block=*/8 * blocks);
    else if (n.isFloat(n.in(3)) && cast<RankedTensorType>(n.in(3).getType()).getNumElements() == columns * blocks) zero = n.reshape(n.in(3), {columns, blocks});
    else return onHost(n, columns, "zero points are no constant of their size");
  } else {
    Tensor middle = Tensor::make(dtype, Shape{});
    middle.setInt(0, int64_t(1) << (bits - 1));
    zero = n.constant(graph::elementsOf(middle, n.context()));
  }
  Value codes = fieldsOf(n, *weights, columns, k, rowBytes, bits, dtype, block);
  return n.give(product(n, codes, {n.reshape(scales, {columns, blocks}), zero, 1, block}, {}, n.in(5)));
}

/// x [..., K], B, absmax [N*K/block]: blocks of B as it lies, over the ends of rows.
bool matmulBnb4(Node &n) {
  const int64_t k = n.attrInt("K", 0), columns = n.attrInt("N", 0), block = n.attrInt("block_size", 0), kind = n.attrInt("quant_type", 0);
  if (n.attrInt("transB", 1) == 0) return onHost(n, k, "weights are not transposed");
  if (k <= 0 || columns <= 0 || block <= 0 || kind < 0 || kind > 1) return onHost(n, columns, "attributes K, N, block_size or quant_type are out of range");
  if (k % block) return onHost(n, columns, "blocks reach over the ends of rows");
  auto weights = constantTensor(n.in(1));
  Value x = n.in(0), scales = n.in(2);
  if (!weights || weights->dtype() != DType::kU8 || weights->size() != (columns * k + 1) / 2) return onHost(n, columns, "weights are no constant of their size");
  if (!x || n.rank(x) < 2 || !n.isFloat(x) || !scales || !n.isFloat(scales) || !cast<RankedTensorType>(scales.getType()).hasStaticShape() ||
      cast<RankedTensorType>(scales.getType()).getNumElements() != columns * k / block)
    return onHost(n, columns, "expected a matrix of floats, and a scale for each block");
  Tensor codes = Tensor::make(DType::kU4, Shape{columns, k});
  for (int64_t i = 0; i < columns * k; ++i) codes.setInt(i, i % 2 ? weights->as<uint8_t>()[i / 2] & 15 : weights->as<uint8_t>()[i / 2] >> 4);
  Quantization how = {n.reshape(scales, {columns, k / block}), {}, 1, block};
  return n.give(product(n, n.constant(graph::elementsOf(codes, n.context())), how, kind == 0 ? ArrayRef<float>(kFp4Levels) : ArrayRef<float>(kNf4Levels), {}));
}

constexpr HandlerRow kRows[] = {
    {"com.microsoft", "MatMulNBits", 1, kAnyOpset, matmulNBits},
    {"com.microsoft", "MatMulBnb4", 1, kAnyOpset, matmulBnb4},
};

} // namespace

std::span<const HandlerRow> weightCodeHandlers() { return kRows; }

} // namespace jinx::frontends
