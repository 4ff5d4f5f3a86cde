#include "passes/Quant/QuantizeModel.h"

#include <cfloat>
#include <cmath>

#include "ir/Graph/Constants.h"
#include "llvm/Support/GlobPattern.h"
#include "passes/Passes.h"
#include "passes/Quant/Repeat.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
#define GEN_PASS_DEF_QUANTIZEMODEL
#include "passes/Passes.h.inc"

namespace {

constexpr StringRef kArgument = "jinx-quantize";
constexpr double kLargestFloat8 = 448;

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }

/// Codes as they lie in memory: one a byte, or two.
Tensor packed(DType type, Shape shape, std::span<const uint8_t> codes) {
  Tensor tensor = Tensor::make(type, std::move(shape));
  auto *bytes = tensor.as<uint8_t>();
  if (bitWidth(type) == 8)
    std::copy(codes.begin(), codes.end(), bytes);
  else
    for (size_t i = 0; i < codes.size(); ++i) bytes[i / 2] |= uint8_t((codes[i] & 15) << (i % 2 * 4));
  return tensor;
}

template <typename T>
std::vector<T> transposed(const std::vector<T> &from, int64_t rows, int64_t columns) {
  constexpr int64_t kTile = 64;
  std::vector<T> to(from.size());
  for (int64_t c0 = 0; c0 < columns; c0 += kTile)
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = c0; c < std::min(columns, c0 + kTile); ++c) to[size_t(c * rows + r)] = from[size_t(r * columns + c)];
  return to;
}

class Rewriter {
 public:
  Rewriter(func::FuncOp main, const Recipe &recipe) : main_(main), recipe_(recipe), b_(main.getContext()) {}

  Expected<LayerOutcome> run(const Layer &layer, const LayerRecipe &entry, size_t index) {
    LayerOutcome outcome{layer.node, kindOf(layer.op), layer.whyNot.empty() ? entry.keep : layer.whyNot, entry.wide, layer.input(), layer.output()};
    if (ConstantOp weights = layer.weights) {
      auto type = cast<RankedTensorType>(weights.getType());
      outcome.weights = type.getNumElements();
      outcome.weightBytes = outcome.codeBytes = packedBytes(dtypeOf(type.getElementType()), type.getNumElements());
    }
    if (!outcome.keep.empty()) {
      say(missed(layer.op, kArgument, "Kept"), [&] { return outcome.kind + " stays float: " + outcome.keep; });
      return outcome;
    }
    JINX_TRY_ASSIGN(WeightRows weights, readWeights(layer));
    WeightCodes codes = fitScales(weights, recipe_.formatOf(entry), recipe_.threads);
    if (entry.moments && !layer.isConvolution) {
      JINX_TRY(roundGptq(codes, weights, *entry.moments, recipe_.threads), "GPTQ of '" + layer.node + "'");
    } else {
      roundToNearest(codes, weights, recipe_.threads);
    }
    outcome.codeBytes = codes.sizeBytes();
    outcome.weightsDb = -10 * std::log10(relativeError(weights, codes));
    outcome.scheme = recipe_.schemeOf(entry);
    Value isQuantized = recipe_.hasSwitches ? addSwitch(index) : Value();
    b_.setInsertionPoint(layer.op);
    layer.op->setOperand(1, select(isQuantized, isQuantized ? decoded(layer, codes) : weightsOf(layer, codes), layer.op->getOperand(1)));
    if (quantizesActivations(recipe_.scheme)) layer.op->setOperand(0, select(isQuantized, activation(layer, entry), layer.input()));
    say(passed(layer.op, kArgument, "Quantized"), [&] { return outcome.kind + " is " + nameOf(outcome.scheme) + ": " + std::to_string(outcome.weightBytes) + " bytes of weights become " + std::to_string(outcome.codeBytes); });
    return outcome;
  }

 private:
  Value constant(const Layer &layer, const Tensor &tensor) { return ConstantOp::create(b_, layer.op->getLoc(), elementsOf(tensor, main_.getContext())); }

  /// What codes stand for, as floats: trials run the model once for each layer, and decoding all weights would take most of that.
  Value decoded(const Layer &layer, const WeightCodes &codes) {
    auto type = cast<RankedTensorType>(ConstantOp(layer.weights).getType());
    const WeightRows rows = decode(codes);
    const bool isTurned = !layer.isConvolution && !layer.isTransposed;
    const std::vector<float> values = isTurned ? transposed(rows.values, codes.rows, codes.k) : rows.values;
    Tensor tensor = Tensor::make(dtypeOf(type.getElementType()), Shape(type.getShape()));
    for (size_t i = 0; i < values.size(); ++i) tensor.setDouble(int64_t(i), values[i]);
    return constant(layer, tensor);
  }

  Value weightsOf(const Layer &layer, const WeightCodes &codes) {
    const bool byColumns = !layer.isConvolution && !layer.isTransposed;  // as the weights lie
    const Shape shape(cast<RankedTensorType>(ConstantOp(layer.weights).getType()).getShape());
    const int64_t shared = codes.format.rowsOfScale, rows = (codes.rows + shared - 1) / shared;  // of scales
    Shape parameters = byColumns ? Shape{codes.groups(), rows} : Shape{rows, codes.groups()};
    parameters.resize(shape.size(), 1);
    auto laid = [&](const auto &values, int64_t rows, int64_t columns) { return byColumns ? transposed(values, rows, columns) : values; };
    auto parameter = [&](const std::vector<float> &values) -> Value {
      Tensor tensor = Tensor::make(codes.format.scales, parameters);
      std::vector<float> ofRows;
      for (int64_t row = 0; row < codes.rows; row += shared) ofRows.insert(ofRows.end(), values.begin() + row * codes.groups(), values.begin() + (row + 1) * codes.groups());
      const std::vector<float> numbers = laid(ofRows, rows, codes.groups());
      for (size_t i = 0; i < numbers.size(); ++i) tensor.setDouble(int64_t(i), numbers[i]);
      Value v = constant(layer, tensor);
      return shared > 1 ? repeated(b_, layer.op->getLoc(), v, byColumns ? 1 : 0, shared, codes.rows) : v;
    };
    Value scales = codes.format.hasDoubleScales ? doubleScales(layer, codes, byColumns) : parameter(codes.scales), offsets = codes.format.hasOffsets ? parameter(codes.offsets) : Value();
    const bool hasBlocks = codes.groups() > 1;
    return DequantizeOp::create(b_, layer.op->getLoc(), ConstantOp(layer.weights).getType(), constant(layer, packed(codes.format.codes, shape, laid(codes.codes, codes.rows, codes.k))),
                                scales, Value(), offsets,
                                codes.format.levels.empty() ? DenseF32ArrayAttr() : b_.getDenseF32ArrayAttr(ArrayRef<float>(codes.format.levels.data(), codes.format.levels.size())),
                                uint64_t(hasBlocks ? codes.group() : 0), uint64_t(hasBlocks ? layer.groupAxis() : 0));
  }

  /// Scales from codes of their own: row after row, then as the weights lie.
  Value doubleScales(const Layer &layer, const WeightCodes &codes, bool byColumns) {
    Location loc = layer.op->getLoc();
    const int64_t count = int64_t(codes.scales.size());
    Tensor q = Tensor::make(DType::kI8, Shape{count}), units = Tensor::make(DType::kF32, Shape{int64_t(codes.scaleUnits.size())}), mean = Tensor::make(DType::kF32, Shape{});
    for (int64_t i = 0; i < count; ++i) q.setInt(i, codes.scaleCodes[size_t(i)]);
    for (size_t i = 0; i < codes.scaleUnits.size(); ++i) units.setDouble(int64_t(i), codes.scaleUnits[i]);
    mean.setDouble(0, codes.scaleMean);
    Type f16 = b_.getF16Type();
    Value scales = DequantizeOp::create(b_, loc, RankedTensorType::get({count}, f16), constant(layer, q), constant(layer, units), Value(), constant(layer, mean), DenseF32ArrayAttr(),
                                        uint64_t(kScalesOfUnit), uint64_t(0));
    scales = ReshapeOp::create(b_, loc, RankedTensorType::get({codes.rows, codes.groups()}, f16), scales);
    return byColumns ? Value(TransposeOp::create(b_, loc, RankedTensorType::get({codes.groups(), codes.rows}, f16), scales, ArrayRef<int64_t>{1, 0})) : scales;
  }

  /// x as its codes stand for it; made once for all layers that read x.
  Value activation(const Layer &layer, const LayerRecipe &entry) {
    Value x = layer.input();
    const auto key = std::pair(x.getAsOpaquePointer(), layer.isConvolution && recipe_.scheme == Scheme::kInt8Dynamic);
    for (auto &[known, y] : activations_)
      if (known == key) return y;
    OpBuilder::InsertionGuard guard(b_);
    b_.setInsertionPointAfterValue(x);
    Value y = codesOf(layer, x, entry);
    activations_.emplace_back(key, y);
    return y;
  }

  Value codesOf(const Layer &layer, Value x, const LayerRecipe &entry) {
    switch (recipe_.scheme) {
      case Scheme::kInt8Dynamic: return byRows(layer, x);
      case Scheme::kFp8: return asFloat8(layer, x, *entry.input);
      case Scheme::kFp8Block: return byBlocks(layer, x);
      default: return asBytes(layer, x, *entry.input);
    }
  }

  Value codesAndBack(const Layer &layer, Value x, Type codes, Value scale, Value zero) {
    auto type = cast<RankedTensorType>(x.getType());
    Value q = QuantizeOp::create(b_, layer.op->getLoc(), withElementType(type, codes), x, scale, zero);
    return DequantizeOp::create(b_, layer.op->getLoc(), type, q, scale, zero, Value(), DenseF32ArrayAttr());
  }

  Value asBytes(const Layer &layer, Value x, Range range) {
    const double low = std::min(0.0, range.low), high = std::max(0.0, range.high);
    const float scale = high > low ? std::max(float((high - low) / 255), FLT_MIN) : 1;
    Tensor zero = Tensor::scalarInt(int64_t(std::clamp(std::nearbyint(-low / scale), 0.0, 255.0)), DType::kU8);
    return codesAndBack(layer, x, b_.getIntegerType(8, false), constant(layer, Tensor::scalarDouble(scale)), constant(layer, zero));
  }

  Value asFloat8(const Layer &layer, Value x, Range range) {
    const double most = std::max(std::abs(range.low), std::abs(range.high));
    const double scale = most > 0 ? std::max(most / kLargestFloat8, double(FLT_MIN)) : 1;
    return codesAndBack(layer, x, Float8E4M3FNType::get(b_.getContext()), constant(layer, Tensor::scalarDouble(scale)), Value());
  }

  /// A scale for each row; of a convolution, for each image.
  Value byRows(const Layer &layer, Value x) {
    const int64_t rank = cast<RankedTensorType>(x.getType()).getRank();
    SmallVector<int64_t> axes;
    for (int64_t d = layer.isConvolution ? 1 : rank - 1; d < rank; ++d) axes.push_back(d);
    return codesAndBack(layer, x, b_.getI8Type(), scaleAlong(layer, x, axes, 127), Value());
  }

  /// The scale that makes the largest size along `axes` the code `largest`.
  Value scaleAlong(const Layer &layer, Value x, ArrayRef<int64_t> axes, double largest) {
    Location loc = layer.op->getLoc();
    Value sizes = ReduceOp::create(b_, loc, ReduceKind::max, AbsOp::create(b_, loc, x), axes);
    if (!elementOf(sizes).isF32()) sizes = CastOp::create(b_, loc, withElementType(cast<RankedTensorType>(sizes.getType()), b_.getF32Type()), sizes);
    Value scale = MulOp::create(b_, loc, sizes, constant(layer, Tensor::scalarDouble(1 / largest)));
    return MaxOp::create(b_, loc, scale, constant(layer, Tensor::scalarDouble(FLT_MIN)));  // where all are zeros
  }

  /// A scale for each row and block along k. Blocks are rows of their own, so that one kernel finds their scales and codes; the last one is filled
  /// up with zeros, which change no largest size.
  Value byBlocks(const Layer &layer, Value x) {
    constexpr int64_t kBlock = 128;
    Location loc = layer.op->getLoc();
    auto type = cast<RankedTensorType>(x.getType());
    const Type codes = Float8E4M3FNType::get(b_.getContext());
    Sizes sizes = sizesOf(type), whole = sizes, apart = sizes, scales = sizes;
    const int64_t axis = type.getRank() - 1;
    scales.back() = ceilDiv(sizes.back(), kBlock);
    whole.back() = scales.back() * SizeExpr(kBlock);
    apart.back() = scales.back();
    apart.push_back(kBlock);
    SmallVector<StringRef> zeros(size_t(axis) + 1, "0");
    if (whole != sizes) x = PadOp::create(b_, loc, tensorOf(whole, type.getElementType()), x, Value(), b_.getStrArrayAttr(zeros), PadMode::constant);
    x = ReshapeOp::create(b_, loc, tensorOf(apart, type.getElementType()), x);
    Value scale = scaleAlong(layer, x, {axis + 1}, kLargestFloat8);
    Value q = QuantizeOp::create(b_, loc, tensorOf(apart, codes), x, scale, Value());
    q = ReshapeOp::create(b_, loc, tensorOf(whole, codes), q);
    if (whole != sizes) q = SliceOp::create(b_, loc, tensorOf(sizes, codes), q, b_.getStrArrayAttr(zeros), SmallVector<int64_t>(zeros.size(), 1));
    scale = ReshapeOp::create(b_, loc, tensorOf(scales, b_.getF32Type()), scale);
    return DequantizeOp::create(b_, loc, type, q, scale, Value(), Value(), DenseF32ArrayAttr(), uint64_t(kBlock), uint64_t(axis));
  }

  Value addSwitch(size_t index) {
    auto type = RankedTensorType::get({}, b_.getI1Type());
    const unsigned at = main_.getNumArguments();
    auto name = b_.getDictionaryAttr(b_.getNamedAttr("jinx.name", b_.getStringAttr(switchName(index))));
    (void)main_.insertArgument(at, type, name, main_.getLoc());
    return main_.getArgument(at);
  }

  Value select(Value isQuantized, Value codes, Value floats) {
    return isQuantized ? Value(SelectOp::create(b_, codes.getLoc(), isQuantized, codes, floats)) : codes;
  }

  func::FuncOp main_;
  const Recipe &recipe_;
  OpBuilder b_;
  std::vector<std::pair<std::pair<void *, bool>, Value>> activations_;
};

struct QuantizeModelPass : impl::QuantizeModelBase<QuantizeModelPass> {
  using QuantizeModelBase::QuantizeModelBase;

  void runOnOperation() override {
    auto named = schemeNamed(scheme);
    if (!named) {
      getOperation().emitError("there is no scheme '") << scheme << "', expected " << schemeNames();
      return signalPassFailure();
    }
    Recipe recipe;
    recipe.scheme = *named;
    recipe.group = group;
    recipe.isAsymmetric = asymmetric;
    std::vector<Layer> layers = layersOf(getOperation(), recipe.scheme, minWeights);
    for (const Layer &layer : layers) {
      LayerRecipe entry;
      if (auto range = layer.op->getAttrOfType<DenseF64ArrayAttr>("jinx.range"); range && range.size() == 2) entry.input = Range{range[0], range[1]};
      for (const std::string &pattern : keep)
        if (auto glob = llvm::GlobPattern::create(pattern); glob ? glob->match(layer.node) : (llvm::consumeError(glob.takeError()), false)) entry.keep = "is kept by '" + pattern + "'";
      if (entry.keep.empty() && layer.whyNot.empty() && needsRanges(recipe.scheme) && !entry.input) {
        layer.op->emitError("has no jinx.range = array<f64: low, high>, expected one for scheme ") << scheme;
        return signalPassFailure();
      }
      recipe.layers.push_back(entry);
    }
    auto outcomes = quantizeLayers(getOperation(), layers, recipe);
    if (!outcomes) {
      getOperation().emitError(outcomes.status().message());
      return signalPassFailure();
    }
    for (const LayerOutcome &outcome : *outcomes) ++(outcome.keep.empty() ? numQuantized : numKept);
  }
};

}  // namespace

std::string switchName(size_t layer) { return "quantize." + std::to_string(layer); }

Expected<std::vector<LayerOutcome>> quantizeLayers(func::FuncOp main, std::vector<Layer> layers, const Recipe &recipe) {
  Rewriter rewriter(main, recipe);
  std::vector<LayerOutcome> outcomes;
  for (size_t i = 0; i < layers.size(); ++i) {
    JINX_TRY_ASSIGN(LayerOutcome outcome, rewriter.run(layers[i], recipe.layers[i], i));
    outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

}  // namespace jinx::passes
