// Which form does a contraction take that a schedule computes fast? Weights in panels of 16 columns (decision 0004):
//
//   matmul(a, b)                     packed_matmul(a, pack(b))           pack of a constant folds away
//   conv 1x1, stride 1, no padding   packed_matmul over all pixels
//   conv, one filter a channel       depthwise_conv
//   conv, otherwise                  packed_conv
//   matmul with one column           reduce(mul(a, bᵀ)): a panel would be 15/16 padding, and what makes a can join the reduction
//   matmul of ui8, b constant i8     packed_matmul(a, pack(b, interleave 4)), where the processor adds four products of an unsigned and
//   conv of ui8, w constant i8       a signed byte at once (byte-dots); k, or a run of a window, is filled up to a multiple of four
//                                    (jinx-byte-products has made that, or f32, of all other products of bytes)
//
// Where there are tensor cores (tensor-cores), which read both operands along k, 16-bit floats, and in products 8-bit ones and bytes too:
//
//   matmul(a, b)                     packed_matmul by_rows(a, transpose(b)); k is filled up to a multiple of 16 bytes
//   matmul with one row, 16 bits     reduce(mul(transpose(b), a)): nothing is read twice, and registers have it sooner than shared memory
//   conv 1x1, stride 1, no padding   the same over all pixels
//   conv of one group                packed_conv by_rows; channels are filled up to a multiple of 8, or, where they are few, the image
//                                    is padded along w so that a row of the window is one run (runs)
//   conv of several groups           cast(conv(cast(x), cast(w))) in f32
//
// The same of f32 where f32-products says how tensor cores are to multiply it: `split` by three products of TF32, which is about as exact, `tf32`
// by one. In panels stays what that does not pay for: little work, a k that a copy of a would have to fill up, several groups, and
// windows that the copy engine cannot walk.
//
// grouped_matmul goes the same ways: f32 in panels or on tensor cores, 16-bit floats by rows on tensor cores, else as f32. Rows of any length stay as they are: warps
// read those that the copy engine does not.
//
// Without a copy engine (sm_80, sm_89) images are padded before, and products of 8-bit floats are f32, those of f32 scalar. Small products lose their filling up again
// (jinx-fetch-by-warps).
//
// A product of 8-bit floats without tensor cores is one of f32: matmul(cast(a), cast(b)).
#include "codegen/schedules/cuda/GpuOf.h"
#include "ir/Graph/Constants.h"
#include "ir/Graph/ValueInference.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
#define GEN_PASS_DEF_PACKCONTRACTIONS
#include "passes/Passes.h.inc"

namespace {

constexpr StringRef kArgument = "jinx-pack";
constexpr int64_t kPanel = 16;
constexpr int64_t kByteInterleave = 4;  // rows of a panel of bytes that come together
constexpr int64_t kRowBytes = 16;       // a tensor map's strides are multiples of them
constexpr int64_t kSliceBytes = 128;    // of k in a slot of a tensor-core product
constexpr int64_t kLeastDepth = 32;     // of a product of f32 on tensor cores
constexpr int64_t kLeastColumns = 16;

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }
/// Elements that a row of a tensor map is a multiple of, and of k in a slot.
int64_t rowAlignment(Value v) { return kRowBytes * 8 / elementOf(v).getIntOrFloatBitWidth(); }
int64_t sliceOf(Value v) { return kSliceBytes * 8 / elementOf(v).getIntOrFloatBitWidth(); }
Value reshape(OpBuilder &b, Location loc, Value v, ArrayRef<SizeExpr> sizes) {
  auto type = tensorOf(sizes, elementOf(v));
  return type == v.getType() ? v : Value(ReshapeOp::create(b, loc, type, v));
}

struct PackContractionsPass : impl::PackContractionsBase<PackContractionsPass> {
  using PackContractionsBase::PackContractionsBase;

  bool hasCopyEngine_ = true;

  void runOnOperation() override {
    hasCopyEngine_ = schedules::gpuOf(getOperation()).hasCopyEngine();
    SmallVector<ConvOp> convs;
    getOperation().walk([&](ConvOp op) { convs.push_back(op); });
    for (ConvOp op : convs) lowerConv(op);
    SmallVector<MatmulOp> matmuls;
    getOperation().walk([&](MatmulOp op) { matmuls.push_back(op); });
    for (MatmulOp op : matmuls) lowerMatmul(op);
    SmallVector<GroupedMatmulOp> grouped;
    getOperation().walk([&](GroupedMatmulOp op) { grouped.push_back(op); });
    for (GroupedMatmulOp op : grouped) lowerGrouped(op);
    getOperation().walk([&](Operation *op) {
      if (isa<LstmOp, GruOp>(op)) packRecurrence(op);
    });
  }

  /// i32 is what is left of bytes (jinx-byte-products).
  bool isSupported(Type element) const { return element.isF32() || (!tensorCores && element.isSignlessInteger(32)); }
  bool isByRows(Type element) const { return tensorCores && (element.isF16() || element.isBF16()); }
  bool isTf32() const { return f32Products == "tf32"; }
  /// f32 goes to tensor cores where that is wanted.
  bool takesF32(Type element) const { return tensorCores && hasCopyEngine_ && element.isF32() && f32Products != "scalar"; }
  bool isByRows(MatmulOp op) const {
    Type a = elementOf(op.getA()), b = elementOf(op.getB());
    if (takesF32(a) && b.isF32()) return paysAsF32(sizesOf(op.getA().getType()).back(), sizesOf(op.getY().getType()).back());
    auto isFloat8 = [](Type type) { return isa<Float8E4M3FNType, Float8E5M2Type>(type); };
    return tensorCores && (isByRows(a) || (a.isInteger(8) && b.isInteger(8)) || (hasCopyEngine_ && isFloat8(a) && isFloat8(b)));
  }

  /// Extents that are known only when the model runs count as large.
  static bool paysAsF32(const SizeExpr &depth, const SizeExpr &columns) {
    auto k = depth.constant(), n = columns.constant();
    return (!n || *n >= kLeastColumns) && depth.exactDivide(kRowBytes / 4) && (!k || *k >= kLeastDepth);
  }
  bool isByRows(ConvOp op) const {
    if (isByRows(elementOf(op.getX()))) return true;
    if (!takesF32(elementOf(op.getX())) || op.getGroup() > 1) return false;
    Sizes w = sizesOf(op.getW().getType());
    SizeExpr taps = volume(ArrayRef(w).drop_front(2));
    if (taps.isConstant(1) && !w[1].exactDivide(kRowBytes / 4)) return false;
    SizeExpr depth = w[1] * taps;
    return isWalk(op) && (!w[0].constant() || *w[0].constant() >= kLeastColumns) && (!depth.constant() || *depth.constant() >= kLeastDepth);
  }
  /// Steps of at most 8 pixels, corners and taps in a signed and an unsigned byte.
  static bool isWalk(ConvOp op) {
    Sizes w = sizesOf(op.getW().getType());
    const size_t spatial = w.size() - 2;
    for (size_t d = 0; d < spatial; ++d) {
      auto extent = w[2 + d].constant();
      if (!extent) return false;
      const int64_t reach = (*extent - 1) * op.getDilations()[d];
      if (op.getStrides()[d] > 8 || reach > 255 || op.getPads()[d] > 128 || std::abs(op.getPads()[spatial + d] - reach) > 127) return false;
    }
    return spatial <= 2;
  }

  Value pack(OpBuilder &b, Location loc, Value v, bool transpose, int64_t interleave = 1) {
    Sizes sizes = sizesOf(v.getType());
    SizeExpr rows = sizes[sizes.size() - (transpose ? 1 : 2)], columns = sizes[sizes.size() - (transpose ? 2 : 1)];
    Sizes out(sizes.begin(), sizes.end() - 2);
    out.append({ceilDiv(columns, kPanel), *rows.exactDivide(interleave), SizeExpr(kPanel * interleave)});
    return PackOp::create(b, loc, tensorOf(out, elementOf(v)), v, transpose, interleave);
  }

  /// Operands that an instruction adds four products of.
  bool isByteDot(Value a, Value b) const {
    return byteDots && elementOf(a).isUnsignedInteger(8) && elementOf(b).isSignlessInteger(8) && b.getDefiningOp<ConstantOp>();
  }

  /// The product of f32 operands in the place of `op`.
  MatmulOp makeFloat(MatmulOp op) {
    OpBuilder b(op);
    Type f32 = b.getF32Type();
    auto toF32 = [&](Value v) -> Value { return CastOp::create(b, op.getLoc(), tensorOf(sizesOf(v.getType()), f32), v); };
    auto y = MatmulOp::create(b, op.getLoc(), tensorOf(sizesOf(op.getY().getType()), f32), toF32(op.getA()), toF32(op.getB()), op.getTransposeB());
    Value result = y.getY();
    if (result.getType() != op.getY().getType()) result = CastOp::create(b, op.getLoc(), op.getY().getType(), result);
    op.getY().replaceAllUsesWith(result);
    op.erase();
    return y;
  }

  /// [.., m, k] x [k, 1] as a sum over the last axis.
  bool makeReduction(MatmulOp op) {
    Sizes bSizes = sizesOf(op.getB().getType()), y = sizesOf(op.getY().getType());
    if (bSizes.size() != 2 || y.size() < 2 || !y.back().isConstant(1)) return false;
    OpBuilder b(op);
    SizeExpr depth = bSizes[op.getTransposeB() ? 1 : 0];
    Value row = reshape(b, op.getLoc(), op.getB(), {depth});
    Value products = MulOp::create(b, op.getLoc(), op.getA().getType(), op.getA(), row);
    auto sum = ReduceOp::create(b, op.getLoc(), op.getY().getType(), ReduceKind::sum, products, ArrayRef<int64_t>{int64_t(y.size()) - 1});
    op.getY().replaceAllUsesWith(sum);
    say(passed(op, kArgument, "Packed"), [&] { return "matmul: one column, a reduction"; });
    op.erase();
    ++numMatmuls;
    return true;
  }

  void lowerMatmul(MatmulOp op) {
    if (isByRows(op)) return lowerByRows(op);
    if (isByteFloat(elementOf(op.getA()))) return lowerMatmul(makeFloat(op));
    const bool ofBytes = isByteDot(op.getA(), op.getB());
    if (!ofBytes) {
      if (!isSupported(elementOf(op.getA())) || !isSupported(elementOf(op.getY()))) return keep(op, "elements are not f32");
      if (makeReduction(op)) return;
    }
    OpBuilder b(op);
    Value weights = op.getB();
    const int64_t rank = cast<RankedTensorType>(weights.getType()).getRank();
    if (ofBytes) weights = fillUp(b, op.getLoc(), weights, rank - (op.getTransposeB() ? 1 : 2), kByteInterleave);
    Value packed = pack(b, op.getLoc(), weights, op.getTransposeB(), ofBytes ? kByteInterleave : 1);
    op.getY().replaceAllUsesWith(PackedMatmulOp::create(b, op.getLoc(), op.getY().getType(), op.getA(), packed).getY());
    say(passed(op, kArgument, "Packed"), [&] {
      if (ofBytes) return "matmul: bytes, four rows of the right operand interleaved";
      return op.getB().getDefiningOp<ConstantOp>() ? "matmul: constant right operand, packed now" : "matmul: right operand packed at run time";
    });
    op.erase();
    ++numMatmuls;
  }

  void lowerGrouped(GroupedMatmulOp op) {
    OpBuilder b(op);
    Location loc = op.getLoc();
    Value x = op.getX(), w = op.getW(), y;
    const bool ofF32 = takesF32(elementOf(x)) && paysAsF32(sizesOf(x.getType()).back(), sizesOf(op.getY().getType()).back());
    const bool byRows = isByRows(elementOf(x)) || ofF32;
    if (byRows) {
      if (!op.getTransposeW()) w = TransposeOp::create(b, loc, w, ArrayRef<int64_t>{0, 2, 1});
      y = PackedGroupedMatmulOp::create(b, loc, op.getY().getType(), x, w, op.getEnds(), /*by_rows=*/true, ofF32 && isTf32());
    } else {
      Type f32 = b.getF32Type();
      auto as = [&](Value v, Type element) -> Value {
        return elementOf(v) == element ? v : Value(CastOp::create(b, loc, tensorOf(sizesOf(v.getType()), element), v));
      };
      y = PackedGroupedMatmulOp::create(b, loc, tensorOf(sizesOf(op.getY().getType()), f32), as(x, f32), pack(b, loc, as(w, f32), op.getTransposeW()), op.getEnds());
      y = as(y, elementOf(op.getY()));
    }
    op.getY().replaceAllUsesWith(y);
    say(passed(op, kArgument, "Packed"), [&] {
      return byRows ? "grouped_matmul: by rows, for tensor cores" + howF32(elementOf(x)) : std::string("grouped_matmul: in panels, sums in f32");
    });
    op.erase();
    ++numMatmuls;
  }

  /// `v` with zeros around it: `low` before it, and behind it what is left of `sizes`.
  static Value padTo(OpBuilder &b, Location loc, Value v, const Sizes &sizes, ArrayRef<int64_t> low) {
    if (sizes == sizesOf(v.getType())) return v;
    SmallVector<std::string> texts;
    for (int64_t l : low) texts.push_back(std::to_string(l));
    SmallVector<StringRef> refs(texts.begin(), texts.end());
    return PadOp::create(b, loc, tensorOf(sizes, elementOf(v)), v, Value(), b.getStrArrayAttr(refs), PadMode::constant);
  }

  // ---- tensor cores -------------------------------------------------------------------------------------------------------------
  /// `v` with zeros behind dimension `dim`, up to a multiple of `multiple`.
  static Value fillUp(OpBuilder &b, Location loc, Value v, int64_t dim, int64_t multiple) {
    Sizes sizes = sizesOf(v.getType());
    if (sizes[dim].exactDivide(multiple)) return v;
    sizes[dim] = ceilDiv(sizes[dim], multiple) * SizeExpr(multiple);
    return padTo(b, loc, v, sizes, SmallVector<int64_t>(sizes.size(), 0));
  }
  Value productByRows(OpBuilder &b, Location loc, Type result, Value a, Value rows, bool fastSums = false) {
    const int64_t alignment = rowAlignment(a);
    a = fillUp(b, loc, a, cast<RankedTensorType>(a.getType()).getRank() - 1, alignment);
    rows = fillUp(b, loc, rows, cast<RankedTensorType>(rows.getType()).getRank() - 1, alignment);
    return PackedMatmulOp::create(b, loc, result, a, rows, /*by_rows=*/true, fastSums, elementOf(a).isF32() && isTf32());
  }

  std::string howF32(Type element) const { return !element.isF32() ? "" : isTf32() ? ", in TF32" : ", f32 as three products of TF32"; }

  /// [.., 1, k] x [n, k]ᵀ of 16-bit floats as sums over the last axis, one for each row of b.
  bool makeSumsOfRows(MatmulOp op, Value rows) {
    Sizes sizes = sizesOf(rows.getType()), y = sizesOf(op.getY().getType());
    bool isOneRow = y.size() >= 2 && llvm::all_of(ArrayRef(y).drop_back(), [](const SizeExpr &s) { return s.isConstant(1); });
    if (!isByRows(elementOf(op.getA())) || sizes.size() != 2 || !isOneRow || !sizes[1].constant()) return false;
    OpBuilder b(op);
    Value row = reshape(b, op.getLoc(), op.getA(), {sizes[1]});
    Value products = MulOp::create(b, op.getLoc(), rows.getType(), rows, row);
    Value sums = ReduceOp::create(b, op.getLoc(), tensorOf({sizes[0], 1}, elementOf(rows)), ReduceKind::sum, products, ArrayRef<int64_t>{1});
    op.getY().replaceAllUsesWith(reshape(b, op.getLoc(), sums, y));
    say(passed(op, kArgument, "Packed"), [&] { return "matmul: one row, a reduction"; });
    op.erase();
    ++numMatmuls;
    return true;
  }

  void lowerByRows(MatmulOp op) {
    OpBuilder b(op);
    Value rows = op.getB();
    if (!op.getTransposeB()) {
      SmallVector<int64_t> perm = llvm::to_vector(llvm::seq<int64_t>(0, cast<RankedTensorType>(rows.getType()).getRank()));
      std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
      rows = TransposeOp::create(b, op.getLoc(), rows, perm);
    }
    if (makeSumsOfRows(op, rows)) return;
    op.getY().replaceAllUsesWith(productByRows(b, op.getLoc(), op.getY().getType(), op.getA(), rows, op.getFastSums()));
    say(passed(op, kArgument, "Packed"), [&] { return std::string("matmul: by rows, for tensor cores") + howF32(elementOf(op.getA())); });
    op.erase();
    ++numMatmuls;
  }

  /// An image of few channels, as a network's first convolution reads: by runs, seven taps of three channels are one slice of 64 and not seven.
  Value lowerRuns(OpBuilder &b, ConvOp op, Value image, ArrayRef<int64_t> kernel, ArrayRef<int64_t> strides, ArrayRef<int64_t> pads,
                  ArrayRef<int64_t> dilations, const Sizes &y) {
    Location loc = op.getLoc();
    Sizes x = sizesOf(image.getType()), w = sizesOf(op.getW().getType());
    auto width = x[2].constant(), channels = x[3].constant();
    const int64_t slice = sliceOf(image), alignment = rowAlignment(image), few = elementOf(image).isF32() ? slice : slice / 2;
    if (!width || !channels || kernel[1] == 1 || dilations[1] != 1 || *channels * kernel[1] > few) return {};
    int64_t c = *channels;
    while (c * strides[1] % alignment) ++c;
    int64_t padded = *width + pads[1] + pads[3];
    while (padded * c % alignment) ++padded;
    if (c * kernel[1] > slice || !y[2].isConstant((padded - kernel[1]) / strides[1] + 1)) return {};
    image = padTo(b, loc, image, {x[0], x[1], padded, c}, {0, 0, pads[1], 0});
    // Weights [oc, ic, kh, kw] -> [oc, kh, kw, c] -> [oc, kh, a slice].
    Value rows = reshape(b, loc, op.getW(), {w[0], w[1], kernel[0], kernel[1]});
    rows = TransposeOp::create(b, loc, rows, ArrayRef<int64_t>{0, 2, 3, 1});
    rows = padTo(b, loc, rows, {w[0], kernel[0], kernel[1], c}, {0, 0, 0, 0});
    rows = fillUp(b, loc, reshape(b, loc, rows, {w[0], kernel[0], kernel[1] * c}), 2, slice);
    rows = reshape(b, loc, rows, {w[0], kernel[0] * slice});
    return PackedConvOp::create(b, loc, tensorOf(y, elementOf(op.getY())), image, rows, kernel, strides, ArrayRef<int64_t>{pads[0], 0, pads[2], 0}, dilations, 1,
                                /*by_rows=*/true, /*runs=*/true, elementOf(image).isF32() && isTf32());
  }

  /// Tensor cores take no groups of a few channels: f32 does.
  ConvOp widen(ConvOp op) {
    OpBuilder b(op);
    auto toF32 = [&](Value v) -> Value { return CastOp::create(b, op.getLoc(), tensorOf(sizesOf(v.getType()), b.getF32Type()), v); };
    auto wide = ConvOp::create(b, op.getLoc(), toF32(op.getX()), toF32(op.getW()), op.getStrides(), op.getPads(), op.getDilations(), op.getGroup(), true);
    op.getY().replaceAllUsesWith(CastOp::create(b, op.getLoc(), op.getY().getType(), wide));
    op.erase();
    return wide;
  }

  void keep(Operation *op, const std::string &why) {
    ++numKept;
    say(missed(op, kArgument, "Kept"), [&] { return kindOf(op) + ": " + why; });
  }

  /// The recurrence weights of a quantized layer as the bytes they came from; nothing when one of them is no byte (a zero point that is
  /// not 0 can make it so). They are read whole in every time step: a quarter of the bytes stays in the second-level cache.
  Value asBytes(OpBuilder &b, Operation *op) {
    auto lstm = dyn_cast<LstmOp>(op);
    auto weights = lstm && lstm.getRScale() ? lstm.getR().getDefiningOp<ConstantOp>() : ConstantOp();
    if (!weights || !elementOf(weights).isF32()) return {};
    Expected<Tensor> values = tensorOf(weights.getValue());
    if (!values) return {};
    SmallVector<int8_t> bytes;
    for (float v : ArrayRef<float>(values->as<float>(), values->size())) {
      if (v < -128 || v > 127 || v != std::trunc(v)) return {};
      bytes.push_back(int8_t(v));
    }
    auto type = tensorOf(sizesOf(weights.getY().getType()), b.getI8Type());
    return ConstantOp::create(b, op->getLoc(), DenseElementsAttr::get(type, ArrayRef<int8_t>(bytes)));
  }

  /// Recurrence weights [gates*h, h] gate by gate: [gates, ceil(h/16), h, 16].
  void packRecurrence(Operation *op) {
    Value r = op->getOperand(1);
    Sizes sizes = sizesOf(r.getType());
    if (sizes.size() != 2) return;  // packed already
    if (!sizes[1].constant()) return keep(op, "the hidden size is known only when the model runs");
    say(passed(op, kArgument, "Packed"), [&] { return kindOf(op) + ": recurrence weights gate by gate"; });
    OpBuilder b(op);
    SizeExpr hidden = sizes[1];
    if (Value narrow = asBytes(b, op)) r = narrow;
    r = reshape(b, op->getLoc(), r, {*sizes[0].exactDivide(hidden), hidden, hidden});
    const bool isBytes = elementOf(r).isInteger(8);
    op->setOperand(1, pack(b, op->getLoc(), r, /*transpose=*/true, isBytes && byteDots && hidden.exactDivide(kByteInterleave) ? kByteInterleave : 1));
    ++numMatmuls;
  }

  void lowerConv(ConvOp op) {
    if (!op.getChannelsLast()) return keep(op, "channels are second; jinx-channels-last comes before");
    const bool byRows = isByRows(op);
    const bool ofBytes = isByteDot(op.getX(), op.getW());
    if (!byRows && !ofBytes && !isSupported(elementOf(op.getX()))) return keep(op, "elements are not f32");
    Location loc = op.getLoc();
    Sizes x = sizesOf(op.getX().getType()), w = sizesOf(op.getW().getType()), y = sizesOf(op.getY().getType());
    int64_t spatial = int64_t(x.size()) - 2;
    for (const SizeExpr &s : w)
      if (!s.constant()) return keep(op, "an extent of the weights is known only when the model runs");
    SmallVector<int64_t> kernel, strides(op.getStrides()), pads(op.getPads()), dilations(op.getDilations());
    for (int64_t d = 0; d < spatial; ++d) kernel.push_back(*w[2 + d].constant());
    int64_t oc = *w[0].constant(), ic = *w[1].constant();
    bool depthwise = ic == 1 && op.getGroup() > 1 && oc == int64_t(op.getGroup());
    const bool isProduct = op.getGroup() == 1 && isPointwise(kernel, strides, pads);
    if (byRows && !depthwise && op.getGroup() > 1) return lowerConv(widen(op));
    OpBuilder b(op);
    Value result;
    const char *form = "packed_conv";
    if (depthwise) {
      form = "depthwise_conv: one filter a channel";
      result = lowerDepthwise(b, op);
      ++numDepthwise;
    } else if (isProduct) {
      // A product over all pixels: [n*h*w, c] x [c, oc].
      form = "packed_matmul over all pixels";
      Value weights = reshape(b, loc, op.getW(), {oc, ic});
      if (ofBytes) weights = fillUp(b, loc, weights, 1, kByteInterleave);
      result = byRows ? productByRows(b, loc, op.getY().getType(), op.getX(), weights)
                      : PackedMatmulOp::create(b, loc, op.getY().getType(), op.getX(), pack(b, loc, weights, /*transpose=*/true, ofBytes ? kByteInterleave : 1));
      ++numConvs;
    } else {
      result = lowerGeneral(b, op, kernel, strides, pads, dilations, x, y, oc, ic);
      ++numConvs;
    }
    op.getY().replaceAllUsesWith(result);
    say(passed(op, kArgument, "Packed"), [&] { return std::string("conv becomes ") + form + (byRows ? howF32(elementOf(op.getX())) : ofBytes ? ", of bytes" : ""); });
    op.erase();
  }

  static bool isPointwise(ArrayRef<int64_t> kernel, ArrayRef<int64_t> strides, ArrayRef<int64_t> pads) {
    return llvm::all_of(kernel, [](int64_t k) { return k == 1; }) && llvm::all_of(strides, [](int64_t s) { return s == 1; }) &&
           llvm::all_of(pads, [](int64_t p) { return p == 0; });
  }

  Value lowerDepthwise(OpBuilder &b, ConvOp op) {
    Location loc = op.getLoc();
    int64_t rank = cast<RankedTensorType>(op.getW().getType()).getRank();
    SmallVector<int64_t> perm;  // [c, 1, k…] -> [k…, c, 1]
    for (int64_t d = 2; d < rank; ++d) perm.push_back(d);
    perm.append({0, 1});
    Value w = TransposeOp::create(b, loc, op.getW(), perm);
    Sizes sizes = sizesOf(w.getType());
    sizes.pop_back();
    w = reshape(b, loc, w, sizes);
    return DepthwiseConvOp::create(b, loc, op.getY().getType(), op.getX(), w, op.getStrides(), op.getPads(), op.getDilations());
  }

  /// The image with margins of zeros, and no pads left.
  Value pad(OpBuilder &b, Location loc, Value image, SmallVectorImpl<int64_t> &pads) {
    if (llvm::all_of(pads, [](int64_t p) { return p == 0; })) return image;
    Sizes sizes = sizesOf(image.getType());
    sizes[1] = sizes[1] + SizeExpr(pads[0] + pads[2]);
    sizes[2] = sizes[2] + SizeExpr(pads[1] + pads[3]);
    image = padTo(b, loc, image, sizes, {0, pads[0], pads[1], 0});
    pads.assign(4, 0);
    return image;
  }

  static bool isColumn(ArrayRef<SizeExpr> x, ArrayRef<SizeExpr> y, ArrayRef<int64_t> kernel, ArrayRef<int64_t> pads) {
    return kernel.size() == 2 && x[2].isConstant(1) && y[2].isConstant(1) && kernel[1] == 1 && pads[1] == 0 && pads[3] == 0;
  }

  Value lowerGeneral(OpBuilder &b, ConvOp op, SmallVector<int64_t> kernel, SmallVector<int64_t> strides, SmallVector<int64_t> pads,
                     SmallVector<int64_t> dilations, Sizes x, Sizes y, int64_t oc, int64_t ic) {
    Location loc = op.getLoc();
    Value input = op.getX();
    Sizes flatOut = y;
    if (kernel.size() == 1) {  // a line is an image of height 1
      kernel.insert(kernel.begin(), 1);
      strides.insert(strides.begin(), 1);
      dilations.insert(dilations.begin(), 1);
      pads = {0, pads[0], 0, pads[1]};
      input = reshape(b, loc, input, {x[0], 1, x[1], x[2]});
      flatOut = {y[0], 1, y[1], y[2]};
    } else if (isColumn(x, y, kernel, pads)) {  // an image of width 1 lies down: tiles are of pixels of a row
      std::swap(kernel[0], kernel[1]);
      std::swap(strides[0], strides[1]);
      std::swap(dilations[0], dilations[1]);
      pads = {0, pads[0], 0, pads[2]};
      input = reshape(b, loc, input, {x[0], 1, x[1], x[3]});
      flatOut = {y[0], 1, y[1], y[3]};
    }
    if (isByRows(op)) {
      if (!hasCopyEngine_) input = pad(b, loc, input, pads);  // warps read pixels by affine copies without bounds
      if (Value result = lowerRuns(b, op, input, kernel, strides, pads, dilations, flatOut)) return reshape(b, loc, result, y);
      // Weights [oc, ic, kh, kw] -> [oc, kh*kw, c] -> c filled up to slices.
      input = fillUp(b, loc, input, 3, rowAlignment(input));
      Value w = reshape(b, loc, op.getW(), {oc, ic, kernel[0] * kernel[1]});
      w = fillUp(b, loc, TransposeOp::create(b, loc, w, ArrayRef<int64_t>{0, 2, 1}), 2, sliceOf(input));
      w = reshape(b, loc, w, {oc, SizeExpr(kernel[0] * kernel[1]) * sizesOf(w.getType())[2]});
      Value result = PackedConvOp::create(b, loc, tensorOf(flatOut, elementOf(op.getY())), input, w, kernel, strides, pads, dilations, 1, /*by_rows=*/true,
                                          /*runs=*/false, elementOf(input).isF32() && isTf32());
      return reshape(b, loc, result, y);
    }
    if (padImages) input = pad(b, loc, input, pads);
    // Weights [g*ocg, icg, kh, kw] -> [g, ocg, kh, kw, icg] -> pack of [g, kh*kw*icg, ocg].
    int64_t groups = op.getGroup(), ocg = oc / groups;
    Value w = reshape(b, loc, op.getW(), {groups, ocg, ic, kernel[0], kernel[1]});
    w = TransposeOp::create(b, loc, w, ArrayRef<int64_t>{0, 1, 3, 4, 2});
    const bool ofBytes = isByteDot(op.getX(), op.getW());
    if (ofBytes) {  // each run of weights that meets a run of pixels
      const int64_t runs = groups == 1 && dilations[1] == 1 ? kernel[0] : kernel[0] * kernel[1];
      w = fillUp(b, loc, reshape(b, loc, w, {groups, ocg, runs, kernel[0] * kernel[1] / runs * ic}), 3, kByteInterleave);
    }
    w = reshape(b, loc, w, {groups, ocg, volume(ArrayRef(sizesOf(w.getType())).drop_front(2))});
    Value packed = pack(b, loc, w, /*transpose=*/true, ofBytes ? kByteInterleave : 1);
    Value result = PackedConvOp::create(b, loc, tensorOf(flatOut, elementOf(op.getY())), input, packed, kernel, strides, pads, dilations, groups);
    return reshape(b, loc, result, y);
  }
};

}  // namespace
}  // namespace jinx::passes
