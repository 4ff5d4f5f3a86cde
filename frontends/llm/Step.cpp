#include "frontends/llm/Step.h"

#include <cmath>
#include <limits>

#include "frontends/llm/Draw.h"
#include "frontends/llm/Experts.h"
#include "frontends/llm/Rope.h"
#include "ir/Graph/Pages.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends::llm {

Expected<PoolType> poolType(MLIRContext* context, const std::string& name) {
  Builder b(context);
  if (name == "f32") return PoolType{b.getF32Type()};
  if (name == "f16") return PoolType{b.getF16Type()};
  if (name == "bf16") return PoolType{b.getBF16Type()};
  if (name == "i8") return PoolType{b.getI8Type(), /*hasScales=*/true};
  if (name == "f8") return PoolType{Float8E4M3FNType::get(context), /*hasScales=*/true};
  return invalidArgument("keys and values are to be " + name + ", expected f32, f16, bf16, i8 or f8");
}

Expected<Type> activationType(MLIRContext* context, const std::string& name) {
  Builder b(context);
  if (name == "f32") return Type(b.getF32Type());
  if (name == "f16") return Type(b.getF16Type());
  if (name == "bf16") return Type(b.getBF16Type());
  return invalidArgument("activations are to be " + name + ", expected f32, f16 or bf16");
}

namespace {

enum FixedInput { kTokens, kSlots, kTable, kSequence, kPosition, kRows, kFixedInputs };
constexpr const char* kFixedNames[] = {"tokens", "slots", "table", "sequence", "position", "rows"};

/// What @main takes, in order.
struct Signature {
  SmallVector<std::string> names;
  SmallVector<Type> types;
  void add(const std::string& name, Type type) {
    names.push_back(name);
    types.push_back(type);
  }
};

Signature signatureOf(MLIRContext* context, const ModelShape& shape, const PoolType& pools, bool picksTokens) {
  Builder b(context);
  auto integers = [&](std::initializer_list<const char*> symbols) {
    Sizes sizes;
    for (const char* symbol : symbols) sizes.push_back(SizeExpr::symbol(symbol));
    return tensorOf(sizes, b.getI32Type());
  };
  Signature signature;
  for (int i = 0; i < kFixedInputs; ++i)
    signature.add(kFixedNames[i], i == kTable ? integers({"s", "e"}) : i == kRows ? integers({"r"}) : integers({"n"}));
  const Sizes rows = {SizeExpr::symbol("p"), SizeExpr(shape.keyHeads), SizeExpr(kPageRows)};
  Sizes pool = rows;
  pool.push_back(SizeExpr(shape.depth));
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    const std::string end = "." + std::to_string(layer);
    for (const char* name : {"keys", "values"}) signature.add(name + end, tensorOf(pool, pools.element));
    if (pools.hasScales)
      for (const char* name : {"key_scales", "value_scales"}) signature.add(name + end, tensorOf(rows, b.getF32Type()));
  }
  if (!picksTokens) return signature;
  for (const DrawInput& input : kDrawInputs)
    signature.add(input.name, tensorOf({SizeExpr::symbol(input.size)}, input.isFloat ? Type(b.getF32Type()) : b.getI32Type()));
  return signature;
}

/// Builds the body of @main.
class StepBuilder {
public:
  StepBuilder(func::FuncOp main, const ModelShape& shape, const Tensors& weights, const PoolType& pools, Type activation)
      : g_(OpBuilder::atBlockEnd(&main.getBody().front())), main_(main), shape_(shape), weights_(weights), pools_(pools), activation_(activation) {}

  Value build() {
    addRotations();
    Value x = rowsOf("token_embd", input(kTokens));
    if (shape_.embeddingScale != 1) x = narrow(g_.mul(g_.wide(x), shape_.embeddingScale));
    if (shape_.learnsPositions) x = sum(x, rowsOf("position_embd", input(kPosition)));
    for (int64_t layer = 0; layer < shape_.layers; ++layer) x = addBlock(layer, x);
    x = norm("output_norm", x);
    Value output = weights_.has("output.weight") ? matrix("output.weight") : matrix("token_embd.weight");
    g_.at("logits");
    return g_.wide(g_.linear(x, output));
  }

  /// The smallest id whose logit is the largest of its row. Where that is NaN no logit is equal to it; an infinity is no number either.
  Value best(Value logits) {
    g_.at("best");
    OpBuilder& b = g_.builder;
    Value largest = ReduceOp::create(b, g_.loc(), ReduceKind::max, logits, ArrayRef<int64_t>{1});
    Value isNumber = CompareOp::create(b, g_.loc(), ComparePredicate::lt, largest, g_.number(std::numeric_limits<double>::infinity()));
    Value isOne = AndOp::create(b, g_.loc(), CompareOp::create(b, g_.loc(), ComparePredicate::eq, logits, largest), isNumber);
    Value id = SelectOp::create(b, g_.loc(), isOne, g_.numbers(shape_.vocabulary), g_.integer(shape_.vocabulary));
    return g_.reshape(ReduceOp::create(b, g_.loc(), ReduceKind::min, id, ArrayRef<int64_t>{1}), {sizesOf(logits.getType())[0]});
  }

  /// Of the rows that somebody looks at: the host, or draws. Ranks that have parts of a row join no others.
  Value shown(Value logits) {
    g_.at("logits");
    return g_.gatherRows(logits, drawInputs()[0]);
  }

  /// The tokens that draws ask for; see drawTokens.
  Value picked(Value shown, Value best) {
    auto in = drawInputs().drop_front();
    return drawTokens(g_, {shown, best, in[0], in[1], in[2], in[3], in[4], in[5], in[6], in[7], in[8], in[9], in[10], in[11]});
  }

  Graph& graph() { return g_; }

private:
  Block::BlockArgListType drawInputs() { return main_.getArguments().take_back(std::size(kDrawInputs)); }
  void addRotations() {
    g_.at("rope");
    if (!shape_.rope.frequencies.empty()) global_ = rotationOf(g_, input(kPosition), shape_.rope, shape_.context);
    if (!shape_.windowRope.frequencies.empty()) local_ = rotationOf(g_, input(kPosition), shape_.windowRope, shape_.context);
  }
  /// Of a layer's q and k; null where positions are learned.
  const Rotation* rotationOfLayer(int64_t layer) const {
    if (local_.cos && shape_.windows[size_t(layer)]) return &local_;
    return global_.cos ? &global_ : nullptr;
  }
  Value input(int index) { return main_.getArgument(unsigned(index)); }
  /// The so-manieth pool of a layer: keys, values, scales of keys, of values.
  Value pool(int64_t layer, int index) { return input(int(kFixedInputs + layer * (pools_.hasScales ? 4 : 2) + index)); }
  Value weight(const std::string& name) { return weights_.get(g_.builder, name, g_.builder.getF32Type()); }
  Value matrix(const std::string& name) { return weights_.get(g_.builder, name, activation_); }
  /// Rows of a table. Codes are gathered as they are, and only those rows become numbers.
  Value rowsOf(const std::string& name, Value which) {
    Value table = weights_.isCodes(name + ".weight") ? weight(name + ".weight") : matrix(name + ".weight");
    g_.at(name);
    return narrow(g_.gatherRows(table, which));
  }
  Value narrow(Value x) { return g_.cast(x, activation_); }
  Value sum(Value x, Value y) { return narrow(g_.add(g_.wide(x), g_.wide(y))); }

  Value norm(const std::string& name, Value x) {
    Value gain = weight(name + ".weight"), bias = shape_.normsByMean ? weight(name + ".bias") : Value();
    g_.at(name);
    return narrow(bias ? g_.layerNorm(g_.wide(x), gain, bias, shape_.epsilon) : g_.rmsNorm(g_.wide(x), gain, shape_.epsilon));
  }
  Value linear(const std::string& name, Value x) {
    Value w = matrix(name + ".weight"), bias = weights_.has(name + ".bias") ? weight(name + ".bias") : Value();
    g_.at(name);
    Value y = g_.linear(x, w);
    return bias ? sum(y, bias) : y;
  }

  /// x [n, heads * depth] as [n, heads, depth]; those of q and k are normed and rotated.
  Value heads(Value x, int64_t count) { return g_.reshape(x, {sizesOf(x.getType())[0], SizeExpr(count), SizeExpr(shape_.depth)}); }
  Value rotatedHeads(const std::string& name, Value x, int64_t count, const Rotation* rotation) {
    Value y = heads(x, count);
    if (shape_.normsHeads) y = norm(name + "_norm", y);
    if (!rotation) return y;
    g_.at(name + ".rope");
    return narrow(rotate(g_, g_.wide(y), *rotation));
  }

  WritePagesOp write(PageKind kind, int64_t layer, Value rows) {
    const int index = kind == PageKind::keys ? 0 : 1;
    Value pages = pool(layer, index), scales = pools_.hasScales ? pool(layer, index + 2) : Value();
    return WritePagesOp::create(g_.builder, g_.loc(), pages.getType(), scales ? scales.getType() : Type(), kind, pages, rows, input(kSlots), scales);
  }

  Value attention(int64_t layer, const std::string& name, Value x) {
    const Rotation* rotation = rotationOfLayer(layer);
    Value q = rotatedHeads(name + "attn_q", linear(name + "attn_q", x), shape_.heads, rotation);
    Value k = rotatedHeads(name + "attn_k", linear(name + "attn_k", x), shape_.keyHeads, rotation);
    Value v = heads(linear(name + "attn_v", x), shape_.keyHeads);
    g_.at(name + "attn");
    WritePagesOp keys = write(PageKind::keys, layer, k), values = write(PageKind::values, layer, v);
    Value y = PagedAttentionOp::create(g_.builder, g_.loc(), q.getType(), q, keys.getPages(), values.getPages(), input(kTable), input(kSequence), input(kPosition),
                                       keys.getPageScales(), values.getPageScales(), llvm::APFloat(float(shape_.scoreScale)),
                                       uint64_t(shape_.windows[size_t(layer)]));
    y = wanted(layer, g_.reshape(y, {sizesOf(x.getType())[0], SizeExpr(shape_.queries())}));
    return linear(name + "attn_output", y);
  }

  /// The rows whose logits are wanted: behind the attention of the last layer nobody asks for the others.
  Value wanted(int64_t layer, Value x) {
    if (layer + 1 < shape_.layers) return x;
    g_.at("rows");
    return g_.gatherRows(x, input(kRows));
  }

  /// In f32.
  Value activate(Value x) { return g_.activate(g_.wide(x), shape_.activation); }
  Value gated(Value gate, Value x) { return narrow(g_.mul(activate(gate), g_.wide(x))); }

  /// \param end  behind each part's name
  Value feedForward(const std::string& name, Value x, const std::string& end = "") {
    if (!shape_.isGated) return linear(name + "ffn_down" + end, narrow(activate(linear(name + "ffn_up" + end, x))));
    Value gate = linear(name + "ffn_gate" + end, x), up = linear(name + "ffn_up" + end, x);
    return linear(name + "ffn_down" + end, gated(gate, up));
  }

  Value experts(const std::string& name, Value x) {
    Value scores = g_.wide(linear(name + "ffn_gate_inp", x));
    g_.at(name + "ffn_route");
    const Choice choice = chooseExperts(g_, scores, shape_.experts);
    auto of = [&](const char* part) { return matrix(name + part + ".weight"); };
    const ExpertMatrices matrices = {of("ffn_gate_exps"), of("ffn_up_exps"), of("ffn_down_exps")};
    g_.at(name + "ffn_exps");
    Value y = narrow(mixExperts(g_, x, choice, matrices, shape_.activation));
    if (!shape_.experts.sharedHidden) return y;
    Value shared = feedForward(name, x, "_shexp"), share = g_.sigmoid(g_.wide(linear(name + "ffn_gate_inp_shexp", x)));
    g_.at(name + "ffn_share");
    return sum(y, g_.mul(g_.wide(shared), share));
  }

  Value addBlock(int64_t layer, Value x) {
    const std::string name = "blk." + std::to_string(layer) + ".";
    Value y = attention(layer, name, norm(name + "attn_norm", x));
    if (shape_.normsResults) y = norm(name + "post_attention_norm", y);
    x = wanted(layer, x);
    g_.at(name + "attn_add");
    x = sum(x, y);
    y = norm(name + "ffn_norm", x);
    y = shape_.hasExperts(layer) ? experts(name, y) : feedForward(name, y);
    if (shape_.normsResults) y = norm(name + "post_ffw_norm", y);
    g_.at(name + "ffn_add");
    return sum(x, y);
  }

  Graph g_;
  func::FuncOp main_;
  const ModelShape& shape_;
  const Tensors& weights_;
  const PoolType& pools_;
  Type activation_;
  Rotation global_, local_; ///< of layers that see all keys, and of those with a window
};

} // namespace

void addStep(ModuleOp module, const ModelShape& shape, const Tensors& weights, const PoolType& pools, Type activation, bool picksTokens) {
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  Signature signature = signatureOf(module.getContext(), shape, pools, picksTokens);
  auto main = func::FuncOp::create(builder, module.getLoc(), "main", builder.getFunctionType(signature.types, {}));
  Block* block = main.addEntryBlock();
  for (auto [i, name] : llvm::enumerate(signature.names)) {
    main.setArgAttr(unsigned(i), "jinx.name", builder.getStringAttr(name));
    block->getArgument(unsigned(i)).setLoc(NameLoc::get(builder.getStringAttr(name)));
  }
  StepBuilder step(main, shape, weights, pools, activation);
  SmallVector<Value> results = {step.build()};
  if (picksTokens) {
    Value best = step.best(results[0]), shown = step.shown(results[0]);
    results = {shown, best, step.picked(shown, best)};
  }
  func::ReturnOp::create(step.graph().builder, main.getLoc(), results);
  main.setType(builder.getFunctionType(signature.types, ValueRange(results).getTypes()));
  constexpr const char* kResultNames[] = {"logits", "best", "picked"};
  for (size_t i = 0; i < results.size(); ++i) main.setResultAttr(unsigned(i), "jinx.name", builder.getStringAttr(kResultNames[i]));
}

} // namespace jinx::frontends::llm
