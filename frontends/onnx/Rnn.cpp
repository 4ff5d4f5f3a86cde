// LSTM and GRU: the products with the inputs of all steps become one matrix product, jinx.lstm and jinx.gru run the recurrence.
#include "frontends/onnx/Handlers.h"
#include "frontends/onnx/Quant.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends {
namespace {

/// What both operators share. ONNX: X [t, n, in] (layout 1: [n, t, in]), W [dirs, gates*h, in], R [dirs, gates*h, h],
/// B [dirs, 2*gates*h] (input biases, then recurrence biases), states [dirs, n, h] (layout 1: [n, dirs, h]).
struct Recurrence {
  Value x, w, r, b;
  int64_t gates = 0, directions = 1;
  SizeExpr steps, batch, hidden;
  bool batchFirst = false;
  bool backwardOnly = false;
};

std::string lower(std::string text) {
  for (char &c : text) c = char(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

/// True when `activations` is absent or repeats the operator's own.
bool hasDefaultActivations(Node &n, ArrayRef<const char *> defaults) {
  auto given = n.attrStrings("activations");
  if (!given) return true;
  for (size_t i = 0; i < given->size(); ++i)
    if (lower((*given)[i]) != defaults[i % defaults.size()]) return false;
  return true;
}

/// sequence_lens equal to the number of steps for every sequence says nothing.
bool hasFullLengths(Node &n, const SizeExpr &steps) {
  if (!n.has(4)) return true;
  if (auto lengths = n.formulas(4)) return llvm::all_of(*lengths, [&](const SizeExpr &length) { return length == steps; });
  // A broadcast of one formula over a dynamic batch.
  auto broadcast = n.in(4).getDefiningOp<BroadcastOp>();
  auto value = broadcast ? inferIntegerValues(broadcast.getX()) : std::nullopt;
  return value && value->size() == 1 && (*value)[0] == steps;
}

std::optional<Recurrence> readRecurrence(Node &n, int64_t gates, ArrayRef<const char *> activations) {
  auto fail = [&](const char *why) {
    n.decline(why);
    return std::nullopt;
  };
  Recurrence rec;
  rec.x = n.in(0), rec.w = n.in(1), rec.r = n.in(2), rec.b = n.in(3);
  rec.gates = gates;
  if (!rec.x || !rec.w || !rec.r || n.rank(rec.x) != 3 || n.rank(rec.w) != 3 || n.rank(rec.r) != 3 || !n.isFloat(rec.x))
    return fail("expected floats of rank 3");
  std::string direction = n.attrString("direction", "forward");
  rec.directions = direction == "bidirectional" ? 2 : 1;
  rec.backwardOnly = direction == "reverse";
  if (!n.size(rec.w, 0).isConstant(rec.directions)) return fail("the weights are not for that many directions");
  if (n.hasAttr("clip")) return fail("cells are clipped");
  if (n.hasAttr("activation_alpha") || n.hasAttr("activation_beta") || !hasDefaultActivations(n, activations))
    return fail("activations are not the default ones");
  rec.batchFirst = n.attrInt("layout", 0) != 0;
  if (rec.batchFirst) rec.x = n.transpose(rec.x, {1, 0, 2});
  rec.steps = n.size(rec.x, 0);
  rec.batch = n.size(rec.x, 1);
  rec.hidden = n.size(rec.r, 2);
  if (!rec.hidden.constant()) return fail("the hidden size is not a number");
  if (!hasFullLengths(n, rec.steps)) return fail("sequences have lengths of their own");
  return rec;
}

/// Direction `d` of a tensor [dirs, a…] as [a…].
Value direction(Node &n, Value v, int64_t d) {
  if (!v) return {};
  Sizes sizes = n.sizes(v);
  return n.reshape(n.sliceAxis(v, 0, d, 1), ArrayRef(sizes).drop_front());
}

/// The state that direction `d` begins with, [n, h]; zeros when the operand is omitted.
Value initialState(Node &n, const Recurrence &rec, size_t operand, int64_t d) {
  if (!n.has(operand)) return n.filled({rec.batch, rec.hidden}, n.element(rec.x), 0);
  Value state = n.in(operand);
  if (n.rank(state) != 3) return n.fail("the initial state has not rank 3");
  if (rec.batchFirst) state = n.transpose(state, {1, 0, 2});
  return n.withSizes(direction(n, state, d), {rec.batch, rec.hidden});
}

/// x·Wᵀ of all steps, [t, n, gates*h].
Value inputProduct(Node &n, const Recurrence &rec, int64_t d) { return n.matmul(rec.x, direction(n, rec.w, d), /*transposeB=*/true); }

/// Half `half` of the biases, [gates*h]: 0 for the inputs', 1 for the recurrence's.
Value biasHalf(Node &n, const Recurrence &rec, int64_t d, int64_t half) {
  SizeExpr length = SizeExpr(rec.gates) * rec.hidden;
  return n.sliceAxis(direction(n, rec.b, d), 0, SizeExpr(half) * length, length);
}

/// The per-direction results as the node's: Y [t, dirs, n, h] (layout 1: [n, t, dirs, h]) and final states.
bool giveSequences(Node &n, const Recurrence &rec, ArrayRef<Value> sequences) {
  if (!n.wants(0)) return true;
  SmallVector<Value> parts;
  for (Value ys : sequences) parts.push_back(n.reshape(ys, {rec.steps, SizeExpr(1), rec.batch, rec.hidden}));
  Value y = n.concat(parts, 1);
  return n.set(0, rec.batchFirst ? n.transpose(y, {2, 0, 1, 3}) : y);
}
bool giveStates(Node &n, const Recurrence &rec, size_t result, ArrayRef<Value> states) {
  if (!n.wants(result)) return true;
  SmallVector<Value> parts;
  for (Value state : states) parts.push_back(n.reshape(state, {SizeExpr(1), rec.batch, rec.hidden}));
  Value y = n.concat(parts, 0);
  return n.set(result, rec.batchFirst ? n.transpose(y, {1, 0, 2}) : y);
}

bool isBackward(const Recurrence &rec, int64_t d) { return rec.backwardOnly || d == 1; }

bool lstm(Node &n) {
  if (n.has(7)) return n.decline("it has peepholes");
  if (n.attrInt("input_forget", 0)) return n.decline("input and forget gates are coupled");
  auto rec = readRecurrence(n, 4, {"sigmoid", "tanh", "tanh"});
  if (!rec) return false;
  auto sequenceType = tensorOf({rec->steps, rec->batch, rec->hidden}, n.element(rec->x));
  auto stateType = tensorOf({rec->batch, rec->hidden}, n.element(rec->x));
  SmallVector<Value> ys, hs, cs;
  for (int64_t d = 0; d < rec->directions; ++d) {
    Value xw = inputProduct(n, *rec, d);
    if (rec->b) xw = n.add(xw, n.add(biasHalf(n, *rec, d, 0), biasHalf(n, *rec, d, 1)));
    SizeExpr gates = SizeExpr(4) * rec->hidden;
    xw = n.withSizes(xw, {rec->steps, rec->batch, gates});
    Value r = n.withSizes(direction(n, rec->r, d), {gates, rec->hidden});
    Value h = initialState(n, *rec, 5, d), c = initialState(n, *rec, 6, d);
    if (!xw || !r || !h || !c) return false;
    auto op = LstmOp::create(n.builder(), n.loc(), TypeRange{sequenceType, stateType, stateType}, xw, r, h, c, Value(),
                             isBackward(*rec, d));
    ys.push_back(op.getYs());
    hs.push_back(op.getHn());
    cs.push_back(op.getCn());
  }
  return giveSequences(n, *rec, ys) && giveStates(n, *rec, 1, hs) && giveStates(n, *rec, 2, cs);
}

/// Scale `operand` of direction d, one or one a column, as [columns].
Value columnScale(Node &n, size_t operand, int64_t d, const SizeExpr &columns) {
  Value scale = n.in(operand);
  if (!scale) return {};
  if (n.rank(scale) == 1) return n.broadcast(n.sliceAxis(scale, 0, d, 1), {columns});
  return n.rank(scale) == 2 ? direction(n, scale, d) : n.fail("scales are neither one a direction nor one a column");
}
/// Zero point `operand` of direction d: a scalar, or [columns]; null when absent.
Value zeroPoint(Node &n, size_t operand, int64_t d) {
  Value zero = n.in(operand);
  if (!zero) return {};
  return n.rank(zero) == 1 ? n.reshape(n.sliceAxis(zero, 0, d, 1), {}) : direction(n, zero, d);
}

/// X [t, n, in], W [dirs, in, 4h] and R [dirs, h, 4h] of bytes, B [dirs, 8h], lengths, h0, c0, P, then scale and zero point of W, of R.
bool dynamicQuantizeLstm(Node &n) {
  if (n.has(7)) return n.decline("it has peepholes");
  if (n.has(4)) return n.decline("sequences have lengths of their own");
  if (n.attrInt("input_forget", 0) || n.hasAttr("clip") || n.hasAttr("activation_alpha") || n.hasAttr("activation_beta") ||
      !hasDefaultActivations(n, {"sigmoid", "tanh", "tanh"}))
    return n.decline("cells are not the default ones");
  if (!n.has(8) || !n.has(10) || !isByte(n.in(1)) || !isByte(n.in(2)) || n.rank(n.in(0)) != 3) return n.decline("expected weights of bytes with scales");
  Recurrence rec;
  rec.x = n.in(0), rec.w = n.in(1), rec.r = n.in(2), rec.b = n.in(3), rec.gates = 4;
  std::string how = n.attrString("direction", "forward");
  rec.directions = how == "bidirectional" ? 2 : 1;
  rec.backwardOnly = how == "reverse";
  rec.steps = n.size(rec.x, 0), rec.batch = n.size(rec.x, 1), rec.hidden = n.size(rec.r, 1);
  if (!rec.hidden.constant()) return n.decline("the hidden size is not a number");
  SizeExpr columns = SizeExpr(4) * rec.hidden;
  auto sequenceType = tensorOf({rec.steps, rec.batch, rec.hidden}, n.f32()), stateType = tensorOf({rec.batch, rec.hidden}, n.f32());
  DynamicQuantized x = quantizeDynamically(n, rec.x);
  SmallVector<Value> ys, hs, cs;
  for (int64_t d = 0; d < rec.directions; ++d) {
    Value product = integerProduct(n, x.y, direction(n, rec.w, d), x.zeroPoint, zeroPoint(n, 9, d));
    if (!product) return false;
    Value xw = n.mul(n.cast(product, n.f32()), n.mul(x.scale, columnScale(n, 8, d, columns)));
    if (rec.b) xw = n.add(xw, n.add(biasHalf(n, rec, d, 0), biasHalf(n, rec, d, 1)));
    xw = n.withSizes(xw, {rec.steps, rec.batch, columns});
    Value r = n.cast(direction(n, rec.r, d), n.f32());
    if (Value zero = zeroPoint(n, 11, d)) r = n.sub(r, n.cast(zero, n.f32()));
    r = n.withSizes(n.transpose(r, {1, 0}), {columns, rec.hidden});
    Value scale = columnScale(n, 10, d, columns), h = initialState(n, rec, 5, d), c = initialState(n, rec, 6, d);
    if (!xw || !r || !scale || !h || !c) return false;
    auto op = LstmOp::create(n.builder(), n.loc(), TypeRange{sequenceType, stateType, stateType}, xw, r, h, c, scale, isBackward(rec, d));
    ys.push_back(op.getYs());
    hs.push_back(op.getHn());
    cs.push_back(op.getCn());
  }
  return giveSequences(n, rec, ys) && giveStates(n, rec, 1, hs) && giveStates(n, rec, 2, cs);
}

bool gru(Node &n) {
  auto rec = readRecurrence(n, 3, {"sigmoid", "tanh"});
  if (!rec) return false;
  auto sequenceType = tensorOf({rec->steps, rec->batch, rec->hidden}, n.element(rec->x));
  auto stateType = tensorOf({rec->batch, rec->hidden}, n.element(rec->x));
  bool linear = n.attrInt("linear_before_reset", 0) != 0;
  SmallVector<Value> ys, hs;
  for (int64_t d = 0; d < rec->directions; ++d) {
    Value xw = inputProduct(n, *rec, d);
    Value rb = rec->b ? biasHalf(n, *rec, d, 1) : n.filled({SizeExpr(3) * rec->hidden}, n.element(rec->x), 0);
    if (rec->b) xw = n.add(xw, biasHalf(n, *rec, d, 0));
    SizeExpr gates = SizeExpr(3) * rec->hidden;
    xw = n.withSizes(xw, {rec->steps, rec->batch, gates});
    Value r = n.withSizes(direction(n, rec->r, d), {gates, rec->hidden}), h = initialState(n, *rec, 5, d);
    if (!xw || !rb || !r || !h) return false;
    auto op = GruOp::create(n.builder(), n.loc(), TypeRange{sequenceType, stateType}, xw, r, rb, h, isBackward(*rec, d), linear);
    ys.push_back(op.getYs());
    hs.push_back(op.getHn());
  }
  return giveSequences(n, *rec, ys) && giveStates(n, *rec, 1, hs);
}

constexpr HandlerRow kRows[] = {
    {"", "LSTM", 7, kAnyOpset, lstm},
    {"", "GRU", 7, kAnyOpset, gru},
    {"com.microsoft", "DynamicQuantizeLSTM", 1, kAnyOpset, dynamicQuantizeLstm},
};

} // namespace

std::span<const HandlerRow> rnnHandlers() { return kRows; }

} // namespace jinx::frontends
