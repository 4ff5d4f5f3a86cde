// Verifiers of the contractions in panels: pack, packed_matmul, packed_grouped_matmul, packed_conv.
#include "ir/Graph/Verify.h"

using namespace mlir;
using namespace jinx;
using namespace jinx::graph;

namespace {

constexpr int64_t kPanel = 16, kByteInterleave = 4;
constexpr int64_t kRowBytes = 16;     // that a tensor map's stride is a multiple of
constexpr int64_t kSliceBytes = 128;  // of channels that a tensor core's slot takes of a tap

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }

LogicalResult verifyElements(Operation *op, Value a, Value b) {
  if (elementOf(a) == elementOf(b)) return success();
  return op->emitOpError("has element types ") << elementOf(a) << " and " << elementOf(b) << ", expected one type";
}

/// Unsigned bytes beside signed ones: what instructions multiply that add four products.
bool isOfBytes(Value a, Value b) { return elementOf(a).isUnsignedInteger(8) && elementOf(b).isSignlessInteger(8); }

LogicalResult verifySums(Operation *op, Value y) {
  if (elementOf(y).isSignlessInteger(32)) return success();
  return op->emitOpError("y has elements of ") << elementOf(y) << ", expected i32 beside operands of bytes";
}

/// Of a product by rows: y's element type, as the operands' have it.
LogicalResult verifyElementsByRows(PackedMatmulOp op) {
  Type a = elementOf(op.getA()), b = elementOf(op.getB()), y = elementOf(op.getY());
  auto isFloat8 = [](Type type) { return isa<Float8E4M3FNType, Float8E5M2Type>(type); };
  const bool ofBytes = a.isInteger(8) && b.isInteger(8), ofFloats8 = isFloat8(a) && isFloat8(b);
  if (op.getTf32() && !a.isF32()) return op.emitOpError("has tf32 beside elements of ") << a << ", expected f32";
  if (op.getFastSums() && !ofFloats8) return op.emitOpError("has fast_sums beside elements of ") << a << ", expected 8-bit floats";
  if (ofBytes && !y.isSignlessInteger(32)) return op.emitOpError("y has elements of ") << y << ", expected i32 beside operands of bytes";
  if (ofFloats8 && !y.isF32()) return op.emitOpError("y has elements of ") << y << ", expected f32 beside operands of 8-bit floats";
  return ofBytes || ofFloats8 ? success() : verifyElements(op, op.getA(), op.getB());
}

} // namespace

LogicalResult PackOp::verify() {
  Sizes b = sizesOf(getB().getType());
  if (b.size() < 2) return emitOpError("b has rank ") << b.size() << ", expected at least 2";
  SizeExpr rows = b[b.size() - (getTranspose() ? 1 : 2)], columns = b[b.size() - (getTranspose() ? 2 : 1)];
  int64_t interleave = getInterleave();
  auto groups = interleave >= 1 ? rows.exactDivide(interleave) : std::nullopt;
  if (!groups) return emitOpError("interleave is ") << interleave << ", expected a divisor of the " << rows.str() << " rows of b";
  Sizes expected(b.begin(), b.end() - 2);
  expected.append({ceilDiv(columns, kPanel), *groups, SizeExpr(kPanel * interleave)});
  if (failed(verifyShape(*this, "y", getY(), expected))) return failure();
  return verifyElements(*this, getB(), getY());
}

static LogicalResult verifyByRows(PackedMatmulOp op, const Sizes &a, const Sizes &b, const Sizes &y) {
  if (a.size() < 2 || b.size() < 2 || y.size() != std::max(a.size(), b.size()))
    return op.emitOpError("a, b and y have ranks ") << a.size() << ", " << b.size() << " and " << y.size() << ", expected r >= 2, s >= 2 and max(r, s)";
  auto product = broadcastSizes(ArrayRef(a).drop_back(2), ArrayRef(b).drop_back(2));
  if (!product)
    return op.emitOpError("batch shapes ") << describe(ArrayRef(a).drop_back(2)) << " and " << describe(ArrayRef(b).drop_back(2))
                                           << " do not broadcast together, expected equal extents or 1";
  const int64_t alignment = std::max<int64_t>(1, kRowBytes * 8 / elementOf(op.getA()).getIntOrFloatBitWidth());
  // Warps, which fetch rows from any place, do not multiply f32.
  if (elementOf(op.getA()).isF32() && !a.back().exactDivide(alignment))
    return op.emitOpError("a has rows of ") << a.back().str() << " elements, expected a multiple of " << alignment;
  const SizeExpr filled = ceilDiv(a.back(), alignment) * SizeExpr(alignment);
  product->append({a[a.size() - 2], y.back()});
  Sizes rows(b.begin(), b.end() - 2);
  rows.append({y.back(), b.back() == filled ? filled : a.back()});
  if (failed(verifyShape(op, "b", op.getB(), rows)) || failed(verifyShape(op, "y", op.getY(), *product))) return failure();
  return verifyElementsByRows(op);
}

LogicalResult PackedMatmulOp::verify() {
  if (getFastSums() && !getByRows()) return emitOpError("has fast_sums and b in panels, expected by_rows beside it");
  if (getTf32() && !getByRows()) return emitOpError("has tf32 and b in panels, expected by_rows beside it");
  Sizes a = sizesOf(getA().getType()), b = sizesOf(getB().getType()), y = sizesOf(getY().getType());
  if (getByRows()) return verifyByRows(*this, a, b, y);
  if (a.size() < 2 || b.size() < 3 || y.size() != std::max(a.size(), b.size() - 1))
    return emitOpError("a, b and y have ranks ") << a.size() << ", " << b.size() << " and " << y.size() << ", expected r >= 2, s >= 3 and max(r, s - 1)";
  auto product = broadcastSizes(ArrayRef(a).drop_back(2), ArrayRef(b).drop_back(3));
  if (!product)
    return emitOpError("batch shapes ") << describe(ArrayRef(a).drop_back(2)) << " and " << describe(ArrayRef(b).drop_back(3))
                                        << " do not broadcast together, expected equal extents or 1";
  product->append({a[a.size() - 2], y.back()});
  const bool ofBytes = isOfBytes(getA(), getB());
  const int64_t interleave = ofBytes ? kByteInterleave : 1;
  Sizes panels(b.begin(), b.end() - 3);
  panels.append({ceilDiv(y.back(), kPanel), ceilDiv(a.back(), interleave), SizeExpr(kPanel * interleave)});
  if (failed(verifyShape(*this, "b", getB(), panels)) || failed(verifyShape(*this, "y", getY(), *product))) return failure();
  return ofBytes ? verifySums(*this, getY()) : verifyElements(*this, getA(), getB());
}

LogicalResult PackedGroupedMatmulOp::verify() {
  Sizes x = sizesOf(getX().getType()), w = sizesOf(getW().getType()), ends = sizesOf(getEnds().getType()), y = sizesOf(getY().getType());
  const size_t rank = getByRows() ? 3 : 4;
  if (x.size() != 2 || w.size() != rank || ends.size() != 1 || y.size() != 2)
    return emitOpError("x, w, ends and y have ranks ") << x.size() << ", " << w.size() << ", " << ends.size() << " and " << y.size() << ", expected 2, "
                                                       << rank << ", 1 and 2";
  Type element = elementOf(getX());
  const bool isHalf = element.isF16() || element.isBF16();
  if (getByRows() && !isHalf && !element.isF32()) return emitOpError("multiplies elements of ") << element << " by rows, expected f16, bf16 or f32";
  if (getTf32() && !element.isF32()) return emitOpError("has tf32 beside elements of ") << element << ", expected f32";
  if (getByRows() && element.isF32() && !x[1].exactDivide(kRowBytes / 4))
    return emitOpError("x has rows of ") << x[1].str() << " elements, expected a multiple of " << kRowBytes / 4;
  if (!getByRows() && !element.isF32()) return emitOpError("multiplies elements of ") << element << " in panels, expected f32";
  Sizes weights = {w[0], ceilDiv(y[1], kPanel), x[1], kPanel};
  if (getByRows()) weights = {w[0], y[1], x[1]};
  if (failed(verifyShape(*this, "w", getW(), weights)) || failed(verifyShape(*this, "ends", getEnds(), {w[0]})) ||
      failed(verifyShape(*this, "y", getY(), {x[0], y[1]})))
    return failure();
  return verifyElements(*this, getX(), getW());
}

LogicalResult PackedConvOp::verify() {
  Sizes x = sizesOf(getX().getType()), y = sizesOf(getY().getType());
  if (x.size() != 4 || y.size() != 4) return emitOpError("x and y have ranks ") << x.size() << " and " << y.size() << ", expected 4";
  if (getKernel().size() != 2 || llvm::any_of(getKernel(), [](int64_t k) { return k < 1; }))
    return emitOpError("kernel is [") << getKernel() << "], expected two positive numbers";
  int64_t group = getGroup(), taps = getKernel()[0] * getKernel()[1];
  if (group < 1) return emitOpError("group is ") << group << ", expected a positive number";
  for (const SizeExpr &channels : {x[3], y[3]})
    if (channels.constant() && *channels.constant() % group)
      return emitOpError("has ") << channels.str() << " channels, expected a multiple of group = " << group;
  if (getByRows()) {
    if (group != 1) return emitOpError("group is ") << group << ", expected 1 beside by_rows";
    Type element = elementOf(getX());
    if (getTf32() && !element.isF32()) return emitOpError("has tf32 beside elements of ") << element << ", expected f32";
    const int64_t bytes = std::max<int64_t>(1, element.getIntOrFloatBitWidth() / 8), kSlice = kSliceBytes / bytes, kRowAlignment = kRowBytes / bytes;
    if (getRuns()) {
      auto channels = x[3].constant();
      if (!channels || *channels * getKernel()[1] > kSlice || *channels * getStrides()[1] % kRowAlignment || !(x[2] * x[3]).exactDivide(kRowAlignment) ||
          getPads()[1] || getPads()[3] || getDilations()[1] != 1)
        return emitOpError("has runs of ") << x[3].str() << " channels in rows of " << x[2].str() << ", expected kw*c <= " << kSlice
                                           << ", steps and rows of a multiple of " << kRowAlignment << " elements, no padding or dilation along w";
      if (failed(verifyShape(*this, "w", getW(), {y[3], SizeExpr(getKernel()[0] * kSlice)}))) return failure();
    } else {
      if (!x[3].exactDivide(kRowAlignment)) return emitOpError("has ") << x[3].str() << " channels, expected a multiple of " << kRowAlignment;
      if (failed(verifyShape(*this, "w", getW(), {y[3], SizeExpr(taps * kSlice) * ceilDiv(x[3], kSlice)}))) return failure();
    }
  } else {
    const bool ofBytes = isOfBytes(getX(), getW()), isOneRun = group == 1 && getDilations().size() == 2 && getDilations()[1] == 1;
    const int64_t interleave = ofBytes ? kByteInterleave : 1, runs = isOneRun ? getKernel()[0] : taps;
    SizeExpr run = SizeExpr(taps / runs) * floorDiv(x[3], group), panels = ceilDiv(floorDiv(y[3], group), kPanel);
    if (failed(verifyShape(*this, "w", getW(), {SizeExpr(group), panels, SizeExpr(runs) * ceilDiv(run, interleave), SizeExpr(kPanel * interleave)}))) return failure();
    if (failed(ofBytes ? verifySums(*this, getY()) : verifyElements(*this, getX(), getW()))) return failure();
  }
  if (failed(verifyWindow(*this, 2, getStrides(), getDilations(), getPads()))) return failure();
  Sizes expected = {x[0]};
  for (int d = 0; d < 2; ++d) {
    int64_t window = getDilations()[d] * (getKernel()[d] - 1) + 1;
    expected.push_back(floorDiv(x[1 + d] + getPads()[d] + getPads()[2 + d] - window, getStrides()[d]) + 1);
  }
  expected.push_back(y[3]);
  return verifyShape(*this, "y", getY(), expected);
}
