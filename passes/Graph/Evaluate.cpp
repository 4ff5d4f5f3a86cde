// Each graph operator as a call of the ONNX operator that means the same. An operator without an ONNX twin (pack, the packed
// contractions, lstm) has a few lines of its own.
#include "passes/Graph/Evaluate.h"

#include <cmath>
#include <cstring>

#include "ir/Graph/Codes.h"
#include "ir/Graph/Constants.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
using mlir::Attribute;
using mlir::Value;

namespace {

constexpr int64_t kOpset = 21;

struct Call {
  std::string op;
  std::vector<Tensor> inputs;
  Attributes attributes;
};

std::vector<int64_t> ints(ArrayRef<int64_t> v) { return {v.begin(), v.end()}; }
Tensor tensorOfInts(ArrayRef<int64_t> v) { return Tensor::fromInts({v.data(), v.size()}); }

/// Formulas that are constants; nullopt when one depends on a symbol.
std::optional<std::vector<int64_t>> constants(ArrayAttr formulas) {
  std::vector<int64_t> values;
  for (Attribute text : formulas) {
    auto value = graph::parseSize(cast<StringAttr>(text).getValue()).constant();
    if (!value) return std::nullopt;
    values.push_back(*value);
  }
  return values;
}

Expected<Tensor> pack(PackOp op, const Tensor &b) {
  const Shape out(cast<RankedTensorType>(op.getY().getType()).getShape().begin(), cast<RankedTensorType>(op.getY().getType()).getShape().end());
  Tensor y = Tensor::make(b.dtype(), out);
  int64_t rank = b.rank(), rows = b.dim(op.getTranspose() ? -1 : -2), columns = b.dim(op.getTranspose() ? -2 : -1);
  int64_t batch = b.size() / std::max<int64_t>(1, rows * columns), panels = out[rank - 2], bytes = bitWidth(b.dtype()) / 8;
  int64_t interleave = op.getInterleave();
  if (rows * columns == 0) return y;
  auto *from = static_cast<const char *>(b.data());
  auto *to = static_cast<char *>(y.data());
  for (int64_t n = 0; n < batch; ++n)
    for (int64_t p = 0; p < panels; ++p)
      for (int64_t k = 0; k < rows; ++k)
        for (int64_t j = 0; j < 16 && 16 * p + j < columns; ++j) {
          int64_t column = 16 * p + j;
          int64_t source = n * rows * columns + (op.getTranspose() ? column * rows + k : k * columns + column);
          int64_t target = ((n * panels + p) * rows + k / interleave * interleave) * 16 + j * interleave + k % interleave;
          memcpy(to + target * bytes, from + source * bytes, bytes);
        }
  return y;
}

/// In the order of fragments (ir/Tile/TileCodeOps.td). Of i4 codes 8 is the one that 0 has.
Tensor packFragments(PackCodesOp op, const Tensor &codes) {
  auto type = cast<RankedTensorType>(op.getY().getType());
  const bool ofBytes = codes.dtype() == DType::kI8, inPairs = type.getElementType().isUnsignedInteger(8);
  Tensor y = Tensor::make(ofBytes ? DType::kI8 : inPairs ? DType::kU8 : DType::kU32, Shape(type.getShape().begin(), type.getShape().end()));
  const int64_t rows = codes.dim(op.getTranspose() ? 1 : 0), columns = codes.dim(op.getTranspose() ? 0 : 1), moved = codes.dtype() == DType::kI4 ? 8 : 0;
  const int64_t chunks = y.dim(1), chunkBytes = ofBytes ? 1024 : 512;
  uint8_t *bytes = reinterpret_cast<uint8_t *>(y.data());
  for (int64_t column = 0; column < columns; ++column)
    for (int64_t k = 0; k < rows; ++k) {
      const uint32_t code = uint32_t(codes.getInt(op.getTranspose() ? column * rows + k : k * columns + column) + moved);
      // Element e of pair 2*second + upper, in step 2*half + odd of a lane.
      const int64_t half = k / 32 % 2, odd = k / 4 % 2, second = k / 2 % 2, e = k % 2, upper = column % 2, lane = column / 2 % 8 * 4 + k / 8 % 4;
      uint8_t *chunk = bytes + ((column / 64 * chunks + k / 64) * 4 + column / 16 % 4) * chunkBytes;
      if (ofBytes) {
        chunk[half * 512 + lane * 16 + odd * 8 + second * 4 + upper + 2 * e] = uint8_t(code);
      } else {
        const int64_t pair = 2 * second + upper, nibble = inPairs ? 2 * pair + e : pair + 4 * e;
        chunk[lane * 16 + (2 * half + odd) * 4 + nibble / 2] |= uint8_t((code & 15) << 4 * (nibble % 2));
      }
    }
  return y;
}

/// Eight rows of a column in a word, 16 columns in a panel. Of i4 codes 8 is the one that 0 has.
Tensor packCodes(PackCodesOp op, const Tensor &codes) {
  auto type = cast<RankedTensorType>(op.getY().getType()).getShape();
  Tensor y = Tensor::make(DType::kU32, Shape(type.begin(), type.end()));
  const int64_t rows = codes.dim(op.getTranspose() ? 1 : 0), columns = codes.dim(op.getTranspose() ? 0 : 1);
  const int64_t moved = codes.dtype() == DType::kI4 ? 8 : 0;
  uint32_t *words = y.as<uint32_t>();
  for (int64_t column = 0; column < columns; ++column)
    for (int64_t k = 0; k < rows; ++k) {
      const uint32_t code = uint32_t(codes.getInt(op.getTranspose() ? column * rows + k : k * columns + column) + moved) & 15;
      words[(column / 16 * (rows / 8) + k / 8) * 16 + column % 16] |= code << (4 * (k % 8));
    }
  return y;
}

std::string reductionName(ScatterKind kind) { return kind == ScatterKind::set ? "none" : stringifyScatterKind(kind).str(); }

/// The ONNX call for `op`; an empty name when there is none.
Call onnxCall(Operation *op, const std::vector<Tensor> &in) {
  Call c;
  c.inputs = in;
  c.op = TypeSwitch<Operation *, std::string>(op)
             .Case<AbsOp>([](auto) { return "Abs"; })
             .Case<NegOp>([](auto) { return "Neg"; })
             .Case<ExpOp>([](auto) { return "Exp"; })
             .Case<LogOp>([](auto) { return "Log"; })
             .Case<SqrtOp>([](auto) { return "Sqrt"; })
             .Case<SinOp>([](auto) { return "Sin"; })
             .Case<CosOp>([](auto) { return "Cos"; })
             .Case<TanhOp>([](auto) { return "Tanh"; })
             .Case<AtanOp>([](auto) { return "Atan"; })
             .Case<ErfOp>([](auto) { return "Erf"; })
             .Case<SigmoidOp>([](auto) { return "Sigmoid"; })
             .Case<ReluOp>([](auto) { return "Relu"; })
             .Case<FloorOp>([](auto) { return "Floor"; })
             .Case<CeilOp>([](auto) { return "Ceil"; })
             .Case<RoundOp>([](auto) { return "Round"; })
             .Case<NotOp>([&](auto) { return in[0].dtype() == DType::kBool ? "Not" : "BitwiseNot"; })
             .Case<AddOp>([](auto) { return "Add"; })
             .Case<SubOp>([](auto) { return "Sub"; })
             .Case<MulOp>([](auto) { return "Mul"; })
             .Case<DivOp>([](auto) { return "Div"; })
             .Case<MaxOp>([](auto) { return "Max"; })
             .Case<MinOp>([](auto) { return "Min"; })
             .Case<PowOp>([](auto) { return "Pow"; })
             .Case<SelectOp>([](auto) { return "Where"; })
             .Case<ModOp>([&](auto) {
               c.attributes.set("fmod", int64_t(isFloat(in[0].dtype())));
               return "Mod";
             })
             .Case<AndOp>([&](auto) { return in[0].dtype() == DType::kBool ? "And" : "BitwiseAnd"; })
             .Case<OrOp>([&](auto) { return in[0].dtype() == DType::kBool ? "Or" : "BitwiseOr"; })
             .Case<XorOp>([&](auto) { return in[0].dtype() == DType::kBool ? "Xor" : "BitwiseXor"; })
             .Case<CompareOp>([&](CompareOp o) -> std::string {
               switch (o.getPredicate()) {
                 case ComparePredicate::eq: return "Equal";
                 case ComparePredicate::lt: return "Less";
                 case ComparePredicate::le: return "LessOrEqual";
                 case ComparePredicate::gt: return "Greater";
                 case ComparePredicate::ge: return "GreaterOrEqual";
                 case ComparePredicate::ne: return "";
               }
               return "";
             })
             .Case<TransposeOp>([&](TransposeOp o) {
               c.attributes.set("perm", ints(o.getPerm()));
               return "Transpose";
             })
             .Case<BroadcastOp>([&](BroadcastOp o) {
               c.inputs.push_back(tensorOfInts(cast<RankedTensorType>(o.getY().getType()).getShape()));
               return "Expand";
             })
             .Case<ConcatOp>([&](ConcatOp o) {
               c.attributes.set("axis", int64_t(o.getAxis()));
               return "Concat";
             })
             .Case<GatherOp>([&](GatherOp o) {
               c.attributes.set("axis", int64_t(o.getAxis()));
               return "Gather";
             })
             .Case<GatherElementsOp>([&](GatherElementsOp o) {
               c.attributes.set("axis", int64_t(o.getAxis()));
               return "GatherElements";
             })
             .Case<GatherNdOp>([&](GatherNdOp o) {
               c.attributes.set("batch_dims", int64_t(o.getBatch()));
               return "GatherND";
             })
             .Case<ScatterElementsOp>([&](ScatterElementsOp o) {
               c.attributes.set("axis", int64_t(o.getAxis()));
               c.attributes.set("reduction", reductionName(o.getKind()));
               return "ScatterElements";
             })
             .Case<ScatterNdOp>([&](ScatterNdOp o) {
               c.attributes.set("reduction", reductionName(o.getKind()));
               return "ScatterND";
             })
             .Case<CumsumOp>([&](CumsumOp o) {
               c.inputs.push_back(tensorOfInts({int64_t(o.getAxis())}));
               c.attributes.set("exclusive", int64_t(o.getExclusive()));
               c.attributes.set("reverse", int64_t(o.getReverse()));
               return "CumSum";
             })
             .Case<TopKOp>([&](TopKOp o) {
               c.inputs.push_back(tensorOfInts({cast<RankedTensorType>(o.getValues().getType()).getDimSize(o.getAxis())}));
               c.attributes.set("axis", int64_t(o.getAxis()));
               c.attributes.set("largest", int64_t(!o.getAscending()));
               return "TopK";
             })
             .Case<SliceOp>([&](SliceOp o) -> std::string {
               auto starts = constants(o.getStarts());
               if (!starts) return "";
               std::vector<int64_t> ends, axes;
               auto out = cast<RankedTensorType>(o.getY().getType()).getShape();
               for (auto [d, step] : llvm::enumerate(o.getSteps())) {
                 int64_t end = (*starts)[d] + out[d] * step;
                 ends.push_back(step < 0 && end < 0 ? INT64_MIN : end);
                 axes.push_back(d);
               }
               c.inputs = {in[0], tensorOfInts(*starts), tensorOfInts(ends), tensorOfInts(axes), tensorOfInts(o.getSteps())};
               return "Slice";
             })
             .Case<PadOp>([&](PadOp o) -> std::string {
               auto low = constants(o.getLow());
               if (!low || o.getMode() != PadMode::constant) return "";
               auto from = cast<RankedTensorType>(o.getX().getType()).getShape(), to = cast<RankedTensorType>(o.getY().getType()).getShape();
               std::vector<int64_t> pads(low->begin(), low->end());
               for (size_t d = 0; d < from.size(); ++d) pads.push_back(to[d] - from[d] - (*low)[d]);
               c.inputs.insert(c.inputs.begin() + 1, tensorOfInts(pads));
               return "Pad";
             })
             .Case<ReduceOp>([&](ReduceOp o) -> std::string {
               c.inputs.push_back(tensorOfInts(o.getAxes()));
               c.attributes.set("noop_with_empty_axes", int64_t(1));
               switch (o.getKind()) {
                 case ReduceKind::sum: return "ReduceSum";
                 case ReduceKind::max: return "ReduceMax";
                 case ReduceKind::min: return "ReduceMin";
                 case ReduceKind::prod: return "ReduceProd";
               }
               return "";
             })
             .Case<MatmulOp>([](MatmulOp o) { return o.getTransposeB() ? "" : "MatMul"; })
             .Default([](Operation *) { return ""; });
  return c;
}

}  // namespace

Attributes attributesOf(DictionaryAttr dictionary) {
  Attributes result;
  for (NamedAttribute entry : dictionary) {
    std::string name = entry.getName().str();
    Attribute value = entry.getValue();
    if (auto i = dyn_cast<IntegerAttr>(value)) {
      result.set(name, i.getType().isIndex() || i.getType().isInteger() ? i.getValue().getSExtValue() : 0);
    } else if (auto f = dyn_cast<FloatAttr>(value)) {
      result.set(name, f.getValueAsDouble());
    } else if (auto s = dyn_cast<StringAttr>(value)) {
      result.set(name, s.getValue().str());
    } else if (auto ints = dyn_cast<DenseI64ArrayAttr>(value)) {
      result.set(name, std::vector<int64_t>(ints.asArrayRef()));
    } else if (auto floats = dyn_cast<DenseF64ArrayAttr>(value)) {
      result.set(name, std::vector<double>(floats.asArrayRef()));
    } else if (auto elements = dyn_cast<ElementsAttr>(value)) {
      if (auto tensor = graph::tensorOf(elements)) result.set(name, *tensor);
    } else if (auto array = dyn_cast<ArrayAttr>(value)) {
      if (array.empty() || isa<StringAttr>(array[0])) {
        std::vector<std::string> strings;
        for (Attribute a : array) strings.push_back(cast<StringAttr>(a).str());
        result.set(name, strings);
      } else if (isa<FloatAttr>(array[0])) {
        std::vector<double> floats;
        for (Attribute a : array) floats.push_back(cast<FloatAttr>(a).getValueAsDouble());
        result.set(name, floats);
      } else if (isa<IntegerAttr>(array[0])) {
        std::vector<int64_t> ints;
        for (Attribute a : array) ints.push_back(cast<IntegerAttr>(a).getInt());
        result.set(name, ints);
      }
    }
  }
  return result;
}

Expected<std::vector<Tensor>> evaluate(Operation *op, const std::vector<Tensor> &operands, const HostOpTable &table) {
  for (Type type : op->getResultTypes())
    if (auto t = dyn_cast<RankedTensorType>(type); !t || !t.hasStaticShape()) return unimplemented("results without a static shape");
  if (auto reshape = dyn_cast<ReshapeOp>(op)) {
    auto shape = cast<RankedTensorType>(reshape.getY().getType()).getShape();
    return std::vector<Tensor>{operands[0].reshaped(Shape(shape.begin(), shape.end()))};
  }
  if (auto packOp = dyn_cast<PackOp>(op)) {
    if (bitWidth(operands[0].dtype()) < 8) return unimplemented("packing sub-byte elements");
    JINX_TRY_ASSIGN(Tensor y, pack(packOp, operands[0]));
    return std::vector<Tensor>{y};
  }
  if (auto packOp = dyn_cast<PackCodesOp>(op)) return std::vector<Tensor>{areFragments(packOp.getY().getType()) ? packFragments(packOp, operands[0]) : packCodes(packOp, operands[0])};
  Call c;
  int64_t opset = kOpset;
  std::string domain;
  if (auto host = dyn_cast<HostCallOp>(op)) {
    c = {host.getOp().str(), operands, attributesOf(host.getAttrs())};
    opset = host.getOpset();
    domain = host.getDomain().str();
    static const char *const kNotPure[] = {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial", "Dropout"};
    for (const char *name : kNotPure)
      if (c.op == name) return unimplemented("operators that draw random numbers");
  } else if (auto cast = dyn_cast<CastOp>(op)) {
    Tensor y = Tensor::make(dtypeOf(mlir::cast<RankedTensorType>(cast.getY().getType()).getElementType()), operands[0].shape());
    bool fromFloat = isFloat(operands[0].dtype()), toFloat = isFloat(y.dtype());
    for (int64_t i = 0; i < y.size(); ++i) {
      if (y.dtype() == DType::kBool) {
        y.setInt(i, operands[0].getDouble(i) != 0);
      } else if (fromFloat || toFloat) {
        toFloat ? y.setDouble(i, operands[0].getDouble(i)) : y.setInt(i, operands[0].getInt(i));
      } else {
        y.setInt(i, operands[0].getInt(i));
      }
    }
    return std::vector<Tensor>{y};
  } else if (isa<RsqrtOp>(op)) {
    Tensor y = operands[0].clone();
    for (int64_t i = 0; i < y.size(); ++i) y.setDouble(i, 1.0 / std::sqrt(operands[0].getDouble(i)));
    return std::vector<Tensor>{y};
  } else {
    c = onnxCall(op, operands);
  }
  HostOpFn fn = c.op.empty() ? nullptr : table.find(domain, c.op, opset);
  if (!fn) return unimplemented("no reference implementation of " + op->getName().getStringRef().str());
  HostOpCall call;
  call.op = c.op;
  call.opset = opset;
  call.attributes = &c.attributes;
  for (const Tensor &t : c.inputs) call.inputs.push_back(t.valid() ? jinx::Value(t) : jinx::Value());
  call.outputs.resize(op->getNumResults());
  JINX_TRY(fn(call));
  std::vector<Tensor> results;
  for (auto &v : call.outputs) {
    const Tensor *t = tensorOrNull(v);
    if (!t) return unimplemented("a result that is no tensor");
    results.push_back(*t);
  }
  return results;
}

}  // namespace jinx::passes
