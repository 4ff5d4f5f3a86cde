#include "frontends/gguf/Step.h"

#include <cmath>

#include "frontends/gguf/Rope.h"
#include "ir/Graph/Pages.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends {

Expected<PoolType> poolType(MLIRContext* context, const std::string& name) {
  Builder b(context);
  if (name == "f32") return PoolType{b.getF32Type()};
  if (name == "f16") return PoolType{b.getF16Type()};
  if (name == "bf16") return PoolType{b.getBF16Type()};
  if (name == "i8") return PoolType{b.getI8Type(), /*hasScales=*/true};
  if (name == "f8") return PoolType{Float8E4M3FNType::get(context), /*hasScales=*/true};
  return invalidArgument("keys and values are to be " + name + ", expected f32, f16, bf16, i8 or f8");
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

Signature signatureOf(MLIRContext* context, const ModelShape& shape, const PoolType& pools) {
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
  return signature;
}

/// Builds the body of @main.
class StepBuilder {
public:
  StepBuilder(func::FuncOp main, const ModelShape& shape, const Weights& weights, const PoolType& pools)
      : g_(OpBuilder::atBlockEnd(&main.getBody().front())), main_(main), shape_(shape), kind_(shape.architecture), weights_(weights), pools_(pools) {}

  Value build(const std::vector<float>& ropeFactors) {
    g_.at("rope");
    global_ = gguf::rotationOf(g_, input(kPosition), gguf::ropeFrequencies(shape_.depth, shape_.ropeBase, shape_.ropeScale, ropeFactors), shape_.context);
    if (kind_.hasWindows) local_ = gguf::rotationOf(g_, input(kPosition), gguf::ropeFrequencies(shape_.depth, shape_.windowRopeBase, 1, {}), shape_.context);
    Value embedding = weight("token_embd.weight");
    g_.at("token_embd");
    Value x = g_.gatherRows(embedding, input(kTokens));
    if (kind_.scalesEmbedding) x = g_.mul(x, std::sqrt(double(shape_.width)));
    for (int64_t layer = 0; layer < shape_.layers; ++layer) x = addBlock(layer, x);
    x = norm("output_norm", x);
    Value output = weights_.has("output.weight") ? weight("output.weight") : embedding;
    g_.at("logits");
    return g_.linear(x, output);
  }

  gguf::Graph& graph() { return g_; }

private:
  Value input(int index) { return main_.getArgument(unsigned(index)); }
  /// The so-manieth pool of a layer: keys, values, scales of keys, of values.
  Value pool(int64_t layer, int index) { return input(int(kFixedInputs + layer * (pools_.hasScales ? 4 : 2) + index)); }
  Value weight(const std::string& name) { return weights_.get(g_.builder, name); }

  Value norm(const std::string& name, Value x) {
    Value gain = weight(name + ".weight");
    g_.at(name);
    return g_.rmsNorm(x, gain, shape_.epsilon);
  }
  /// Of q and k rows may be in another order than the file's; `isRotated` says so.
  Value linear(const std::string& name, Value x, bool isRotated = false) {
    auto get = [&](const std::string& part) {
      return isRotated && kind_.rotatesNeighbors ? weights_.getWithHalves(g_.builder, part, shape_.depth) : weights_.get(g_.builder, part);
    };
    Value w = get(name + ".weight"), bias = weights_.has(name + ".bias") ? get(name + ".bias") : Value();
    g_.at(name);
    Value y = g_.linear(x, w);
    return bias ? g_.add(y, bias) : y;
  }

  /// x [n, heads * depth] as [n, heads, depth], normed and rotated where q and k are.
  Value heads(const std::string& name, Value x, int64_t count, const gguf::Rotation* rotation) {
    Value y = g_.reshape(x, {sizesOf(x.getType())[0], SizeExpr(count), SizeExpr(shape_.depth)});
    if (!rotation) return y;
    if (kind_.normsHeads) y = norm(name + "_norm", y);
    g_.at(name + ".rope");
    return gguf::rotate(g_, y, *rotation);
  }

  WritePagesOp write(PageKind kind, int64_t layer, Value rows) {
    const int index = kind == PageKind::keys ? 0 : 1;
    Value pages = pool(layer, index), scales = pools_.hasScales ? pool(layer, index + 2) : Value();
    return WritePagesOp::create(g_.builder, g_.loc(), pages.getType(), scales ? scales.getType() : Type(), kind, pages, rows, input(kSlots), scales);
  }

  Value attention(int64_t layer, const std::string& name, Value x) {
    const gguf::Rotation& rotation = shape_.hasWindow(layer) ? local_ : global_;
    Value q = heads(name + "attn_q", linear(name + "attn_q", x, /*isRotated=*/true), shape_.heads, &rotation);
    Value k = heads(name + "attn_k", linear(name + "attn_k", x, /*isRotated=*/true), shape_.keyHeads, &rotation);
    Value v = heads(name + "attn_v", linear(name + "attn_v", x), shape_.keyHeads, nullptr);
    g_.at(name + "attn");
    WritePagesOp keys = write(PageKind::keys, layer, k), values = write(PageKind::values, layer, v);
    Value y = PagedAttentionOp::create(g_.builder, g_.loc(), q.getType(), q, keys.getPages(), values.getPages(), input(kTable), input(kSequence), input(kPosition),
                                       keys.getPageScales(), values.getPageScales(), llvm::APFloat(float(shape_.scoreScale)),
                                       shape_.hasWindow(layer) ? uint64_t(shape_.window) : 0);
    y = wanted(layer, g_.reshape(y, {sizesOf(x.getType())[0], SizeExpr(shape_.queries())}));
    return linear(name + "attn_output", y);
  }

  /// The rows whose logits are wanted: behind the attention of the last layer nobody asks for the others.
  Value wanted(int64_t layer, Value x) {
    if (layer + 1 < shape_.layers) return x;
    g_.at("rows");
    return g_.gatherRows(x, input(kRows));
  }

  Value feedForward(const std::string& name, Value x) {
    Value gate = linear(name + "ffn_gate", x), up = linear(name + "ffn_up", x);
    return linear(name + "ffn_down", g_.mul(kind_.gatesByGelu ? g_.geluTanh(gate) : g_.silu(gate), up));
  }

  Value addBlock(int64_t layer, Value x) {
    const std::string name = "blk." + std::to_string(layer) + ".";
    Value y = attention(layer, name, norm(name + "attn_norm", x));
    if (kind_.normsResults) y = norm(name + "post_attention_norm", y);
    x = wanted(layer, x);
    g_.at(name + "attn_add");
    x = g_.add(x, y);
    y = feedForward(name, norm(name + "ffn_norm", x));
    if (kind_.normsResults) y = norm(name + "post_ffw_norm", y);
    g_.at(name + "ffn_add");
    return g_.add(x, y);
  }

  gguf::Graph g_;
  func::FuncOp main_;
  const ModelShape& shape_;
  const Architecture& kind_;
  const Weights& weights_;
  const PoolType& pools_;
  gguf::Rotation global_, local_; ///< of layers that see all keys, and of those with a window
};

} // namespace

void addStep(ModuleOp module, const ModelShape& shape, const Weights& weights, const std::vector<float>& ropeFactors, const PoolType& pools) {
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  Signature signature = signatureOf(module.getContext(), shape, pools);
  auto main = func::FuncOp::create(builder, module.getLoc(), "main", builder.getFunctionType(signature.types, {}));
  Block* block = main.addEntryBlock();
  for (auto [i, name] : llvm::enumerate(signature.names)) {
    main.setArgAttr(unsigned(i), "jinx.name", builder.getStringAttr(name));
    block->getArgument(unsigned(i)).setLoc(NameLoc::get(builder.getStringAttr(name)));
  }
  StepBuilder step(main, shape, weights, pools);
  Value logits = step.build(ropeFactors);
  func::ReturnOp::create(step.graph().builder, main.getLoc(), logits);
  main.setType(builder.getFunctionType(signature.types, logits.getType()));
  main.setResultAttr(0, "jinx.name", builder.getStringAttr("logits"));
}

} // namespace jinx::frontends
