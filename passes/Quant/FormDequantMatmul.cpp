// Which products read weights that are stored as codes?
//
//   matmul(a, dequantize(codes, scales))  ->  dequant_matmul(a, pack_codes(codes), pack(scales))      packing of constants folds away
//
// Codes have 4 or 8 bits, and one scale each `group` neighbours along k, or one for a column. What a zero point subtracts is said in one of two
// ways: one number for all columns moves the levels, others become offsets, w = level * scale + (-zero * scale).
//
//   i4, ui4     words of eight codes; levels are -8…7 (packing adds 8 to i4), 0…15, or a table's
//   i8          as they are, in panels
//   ui8         i8 of 128 less, the zero point with them
//
// In a module for a GPU codes lie in the order of fragments (ir/Graph/Codes.h), activations stay the 16-bit floats that they are, and groups are multiples of 32.
// Many rows are worth dequantizing: there a product of floats takes less time.
#include "codegen/schedules/cuda/GpuOf.h"
#include "ir/Graph/Codes.h"
#include "ir/Graph/Constants.h"
#include "ir/Graph/ValueInference.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
#define GEN_PASS_DEF_FORMDEQUANTMATMUL
#include "passes/Passes.h.inc"

namespace {

constexpr StringRef kArgument = "jinx-form-dequant-matmul";
constexpr int64_t kPanel = kCodePanel;
constexpr int64_t kManyRows = 64;  // of the order of fragments

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }
bool isConstant(Value v) { return v.getDefiningOp<ConstantOp>() != nullptr; }
/// A constant, or what folds to one: scales that are codes themselves.
bool isOfConstants(Value v) {
  Operation *op = v.getDefiningOp();
  return isConstant(v) || (isa_and_nonnull<DequantizeOp, ReshapeOp, TransposeOp>(op) && llvm::all_of(op->getOperands(), isOfConstants));
}

/// The weights of a product, codes [k, n], or [n, k] where `isTransposed`.
struct Weights {
  DequantizeOp dequantize;
  bool isTransposed;
  int64_t rows() const { return isTransposed ? 1 : 0; }  ///< the dimension that is k
};

class Former {
 public:
  Former(MatmulOp op, Weights w)
      : b_(op), loc_(op.getLoc()), op_(op), w_(w), deq_(w.dequantize), inFragments_(op->getParentOfType<ModuleOp>() && op->getParentOfType<ModuleOp>()->hasAttr(schedules::kGpuAttribute)) {
    Sizes codes = sizesOf(deq_.getQ().getType());
    if (codes.size() == 2) depth_ = codes[w.rows()], columns_ = codes[1 - w.rows()];
  }

  /// Why the product stays as it is; empty where nothing speaks against it.
  std::string whyNot() {
    Type codes = elementOf(deq_.getQ()), a = elementOf(op_.getA());
    if (!codes.isInteger(4) && !codes.isInteger(8)) return "weights are " + text(codes) + ", kernels read codes of 4 or 8 bits";
    if (!isConstant(deq_.getQ()) || !isOfConstants(deq_.getScale())) return "codes and scales are no constants: they are packed when the model is compiled";
    for (Value v : {deq_.getZero(), deq_.getOffset()})
      if (v && !isConstant(v)) return "zero points and offsets are no constants: they are packed when the model is compiled";
    if (depth_ == SizeExpr(0)) return "weights are no matrix";
    if (!isa<FloatType>(a) || a.isF64() || isByteFloat(a)) return "activations are " + text(a) + ", kernels read f32, f16 and bf16";
    if (inFragments_ && a.isF32()) return "activations are f32, kernels for CUDA read f16 and bf16";
    if (auto rows = volume(ArrayRef(sizesOf(op_.getY().getType())).drop_back(1)).constant(); inFragments_ && rows && *rows > kManyRows)
      return "it has " + std::to_string(*rows) + " rows, more than " + std::to_string(kManyRows) + " are multiplied as floats";
    auto k = depth_.constant();
    if ((codes.isInteger(4) || inFragments_) && (!k || *k % kCodesOfWord)) return "k is " + depth_.str() + ", expected a multiple of " + std::to_string(kCodesOfWord);
    group_ = deq_.getBlock() > 0 && int64_t(deq_.getAxis()) == w_.rows() ? deq_.getBlock() : k.value_or(0);
    const int64_t least = inFragments_ ? kGroupOfFragments : kCodesOfWord;
    if (group_ == 0 || (group_ % least && group_ != *k)) return "scales are of groups of " + std::to_string(group_) + ", expected a multiple of " + std::to_string(least);
    for (Value v : {Value(deq_.getScale()), Value(deq_.getZero()), Value(deq_.getOffset())})
      if (v && !standsStillInGroups(v)) return "scales are of single elements, expected one for each group along k";
    return "";
  }

  void run() {
    Value scales = parameters(deq_.getScale()), codes = deq_.getQ(), offsets = deq_.getOffset() ? parameters(deq_.getOffset()) : Value();
    const bool isSigned = !elementOf(codes).isUnsignedInteger(), isWords = elementOf(codes).isInteger(4);
    std::optional<double> zero = uniformZero();
    Value zeros = zero ? Value() : cast(parameters(deq_.getZero()), b_.getF32Type());
    SmallVector<float> levels;
    if (isWords) {
      for (int64_t code = 0; code < 16; ++code) {
        const int64_t bits = isSigned ? code ^ 8 : code;  // of the code that packing moved here
        levels.push_back((deq_.getLevels() ? (*deq_.getLevels())[bits] : isSigned ? code - 8 : code) - float(zero.value_or(0)));
      }
      codes = inFragments_ ? inFragments(codes, b_.getIntegerType(zeroOfLevels(levels) ? 32 : 8, false))
                           : PackCodesOp::create(b_, loc_, tensorOf({ceilDiv(columns_, kPanel), *depth_.exactDivide(kCodesOfWord), SizeExpr(kPanel)}, b_.getIntegerType(32, false)), codes, w_.isTransposed);
    } else {
      double moved = isSigned ? 0 : 128;  // w = (code - 128) - (zero - 128)
      // Bytes wrap: 128 less or more is the same.
      if (!isSigned) codes = AddOp::create(b_, loc_, cast(codes, b_.getI8Type()), number(b_.getI8Type(), -128));
      codes = inFragments_ ? inFragments(codes, b_.getI8Type()) : pack(codes, w_.isTransposed);
      if (zero && *zero != moved) zeros = number(b_.getF32Type(), *zero - moved);
      else if (!zero && moved != 0) zeros = SubOp::create(b_, loc_, zeros, number(b_.getF32Type(), moved));
    }
    if (zeros) {
      Value moved = NegOp::create(b_, loc_, MulOp::create(b_, loc_, cast(scales, b_.getF32Type()), zeros));
      offsets = offsets ? Value(AddOp::create(b_, loc_, cast(offsets, b_.getF32Type()), moved)) : moved;
    }
    if (offsets) offsets = pack(offsets, /*transpose=*/w_.isTransposed);
    Type f32 = b_.getF32Type();
    Value a = inFragments_ ? op_.getA() : cast(op_.getA(), f32);
    Value y = DequantMatmulOp::create(b_, loc_, tensorOf(sizesOf(op_.getY().getType()), f32), a, /*factors=*/Value(), codes, pack(scales, w_.isTransposed), offsets, group_,
                                      levels.empty() ? DenseF32ArrayAttr() : b_.getDenseF32ArrayAttr(levels));
    op_.getY().replaceAllUsesWith(cast(y, elementOf(op_.getY())));
  }

  std::string what() {
    return text(elementOf(deq_.getQ())) + (deq_.getLevels() ? " with a table of levels" : "") + ", a scale for each " + std::to_string(group_) + " along k";
  }

 private:
  static std::string text(Type type) {
    std::string s;
    llvm::raw_string_ostream(s) << type;
    return s;
  }
  /// Whether a parameter is one for each group of each column, or fewer.
  bool standsStillInGroups(Value v) {
    Sizes sizes = sizesOf(v.getType());
    if (sizes.empty() || (deq_.getBlock() > 0 && int64_t(deq_.getAxis()) == w_.rows())) return true;
    return deq_.getBlock() == 0 && sizes[w_.rows()].isConstant(1);
  }
  /// The zero point that all columns share: 0 where there is none.
  std::optional<double> uniformZero() {
    if (!deq_.getZero()) return 0;
    auto values = readNumbers(deq_.getZero().getDefiningOp<ConstantOp>().getValue(), int64_t(1) << 28);
    if (!values || values->empty() || !llvm::all_equal(*values)) return std::nullopt;
    return values->front();
  }
  /// A parameter as [groups, n], or transposed, as codes are.
  Value parameters(Value v) {
    Sizes sizes = {ceilDiv(depth_, group_), columns_};
    if (w_.isTransposed) std::swap(sizes[0], sizes[1]);
    Type element = elementOf(v);
    if (!element.isF16() && !(inFragments_ && element.isBF16())) v = cast(v, element = b_.getF32Type());
    return sizesOf(v.getType()) == sizes ? v : Value(BroadcastOp::create(b_, loc_, tensorOf(sizes, element), v));
  }
  Value inFragments(Value codes, Type as) {
    return PackCodesOp::create(b_, loc_, tensorOf(fragmentSizes(columns_, depth_, elementOf(codes).getIntOrFloatBitWidth(), as), as), codes, w_.isTransposed);
  }
  Value pack(Value v, bool transpose) {
    Sizes sizes = sizesOf(v.getType());
    return PackOp::create(b_, loc_, tensorOf({ceilDiv(sizes[transpose ? 0 : 1], kPanel), sizes[transpose ? 1 : 0], SizeExpr(kPanel)}, elementOf(v)), v, transpose, 1);
  }
  Value cast(Value v, Type element) {
    return elementOf(v) == element ? v : Value(CastOp::create(b_, loc_, tensorOf(sizesOf(v.getType()), element), v));
  }
  Value number(Type element, double v) {
    Attribute value = isa<FloatType>(element) ? Attribute(b_.getFloatAttr(element, v)) : Attribute(b_.getIntegerAttr(element, int64_t(v)));
    return ConstantOp::create(b_, loc_, DenseElementsAttr::get(RankedTensorType::get({}, element), value));
  }

  OpBuilder b_;
  Location loc_;
  MatmulOp op_;
  Weights w_;
  DequantizeOp deq_;
  SizeExpr depth_ = 0, columns_ = 0;
  int64_t group_ = 0;
  bool inFragments_;
};

struct FormDequantMatmulPass : impl::FormDequantMatmulBase<FormDequantMatmulPass> {
  using FormDequantMatmulBase::FormDequantMatmulBase;

  void runOnOperation() override {
    SmallVector<MatmulOp> matmuls;
    getOperation().walk([&](MatmulOp op) { matmuls.push_back(op); });
    for (MatmulOp op : matmuls)
      if (auto weights = weightsOf(op)) form(op, *weights);
  }

  static std::optional<Weights> weightsOf(MatmulOp op) {
    Value b = op.getB();
    bool isTransposed = op.getTransposeB();
    if (auto transpose = b.getDefiningOp<TransposeOp>(); transpose && transpose.getPerm() == ArrayRef<int64_t>{1, 0}) b = transpose.getX(), isTransposed = !isTransposed;
    auto dequantize = b.getDefiningOp<DequantizeOp>();
    if (!dequantize) return std::nullopt;
    return Weights{dequantize, isTransposed};
  }

  void form(MatmulOp op, const Weights &weights) {
    // Both operands narrow: a product of them as they are (jinx-narrow-products).
    if (op.getA().getDefiningOp<DequantizeOp>()) return;
    Former former(op, weights);
    if (std::string why = former.whyNot(); !why.empty()) {
      ++numKept;
      return say(missed(op, kArgument, "Kept"), [&] { return "matmul: its weights are dequantized before: " + why; });
    }
    former.run();
    say(passed(op, kArgument, "Formed"), [&] { return "matmul: weights stay " + former.what(); });
    op.erase();
    ++numFormed;
  }
};

}  // namespace
}  // namespace jinx::passes
