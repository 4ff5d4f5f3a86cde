#include "frontends/llm/Encoder.h"

#include <cmath>

#include "frontends/llm/Graph.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends::llm {

WantedTensors wantedTensors(const EncoderShape& s) {
  WantedTensors wanted;
  auto add = [&](const std::string& role, Shape shape) { wanted[role] = {std::move(shape)}; };
  auto addNorm = [&](const std::string& name) { add(name + ".weight", {s.width}), add(name + ".bias", {s.width}); };
  auto addLinear = [&](const std::string& name, int64_t rows, int64_t columns) { add(name + ".weight", {rows, columns}), add(name + ".bias", {rows}); };
  add("token_embd.weight", {s.vocabulary, s.width});
  add("position_embd.weight", {s.context, s.width});
  add("token_types.weight", {s.types, s.width});
  addNorm("token_embd_norm");
  for (int64_t layer = 0; layer < s.layers; ++layer) {
    const std::string name = "blk." + std::to_string(layer) + ".";
    for (const char* part : {"attn_q", "attn_k", "attn_v", "attn_output"}) addLinear(name + part, s.width, s.width);
    addNorm(name + "attn_output_norm");
    addLinear(name + "ffn_up", s.hidden, s.width);
    addLinear(name + "ffn_down", s.width, s.hidden);
    addNorm(name + "layer_output_norm");
  }
  return wanted;
}

namespace {

/// Builds the body of @main.
class EncoderBuilder {
public:
  EncoderBuilder(func::FuncOp main, const EncoderShape& shape, const Tensors& weights)
      : g_(OpBuilder::atBlockEnd(&main.getBody().front())), shape_(shape), weights_(weights), tokens_(main.getArgument(0)), mask_(main.getArgument(1)) {
    batch_ = sizesOf(tokens_.getType())[0], length_ = sizesOf(tokens_.getType())[1];
  }

  Value build() {
    g_.at("mask");
    Value present = g_.cast(CompareOp::create(g_.builder, g_.loc(), ComparePredicate::ne, mask_, g_.integer(0)), g_.builder.getF32Type());
    present_ = g_.reshape(present, {batch_, length_, SizeExpr(1)});
    // What is added to a score: nothing, or so little that its weight is 0.
    masked_ = g_.reshape(g_.mul(g_.sub(present, g_.number(1)), 1e4), {batch_, SizeExpr(1), SizeExpr(1), length_});
    Value x = embedding();
    for (int64_t layer = 0; layer < shape_.layers; ++layer) x = addBlock("blk." + std::to_string(layer) + ".", x);
    g_.at("embedding");
    return unit(shape_.takesFirst ? firstOf(x) : meanOf(x));
  }

  Graph& graph() { return g_; }

private:
  Value weight(const std::string& name) { return weights_.get(g_.builder, name, g_.builder.getF32Type()); }

  Value norm(const std::string& name, Value x) {
    Value gain = weight(name + ".weight"), bias = weight(name + ".bias");
    g_.at(name);
    return g_.layerNorm(x, gain, bias, shape_.epsilon);
  }
  Value linear(const std::string& name, Value x) {
    Value w = weight(name + ".weight"), bias = weight(name + ".bias");
    g_.at(name);
    return g_.add(g_.linear(x, w), bias);
  }

  Value embedding() {
    Value words = weight("token_embd.weight"), positions = weight("position_embd.weight"), types = weight("token_types.weight");
    g_.at("token_embd");
    Value place = IotaOp::create(g_.builder, g_.loc(), tensorOf({length_}, g_.builder.getI32Type()), 0, 0, 1);
    Value first = g_.constant(Tensor::fromInts(std::vector<int64_t>{0}));
    Value fixed = g_.add(g_.gatherRows(positions, place), g_.gatherRows(types, first));
    return norm("token_embd_norm", g_.add(g_.gatherRows(words, tokens_), fixed));
  }

  /// [b, s, width] as [b, heads, s, depth].
  Value heads(Value x) {
    const SizeExpr count(shape_.heads), depth(shape_.width / shape_.heads);
    return g_.transpose(g_.reshape(x, {batch_, length_, count, depth}), {0, 2, 1, 3});
  }

  Value attention(const std::string& name, Value x) {
    Value q = heads(linear(name + "attn_q", x)), k = heads(linear(name + "attn_k", x)), v = heads(linear(name + "attn_v", x));
    g_.at(name + "attn");
    Value scores = g_.mul(g_.linear(q, k), 1 / std::sqrt(double(shape_.width / shape_.heads)));
    Value p = g_.softmax(g_.add(scores, masked_));
    Value y = MatmulOp::create(g_.builder, g_.loc(), p, v);
    return linear(name + "attn_output", g_.reshape(g_.transpose(y, {0, 2, 1, 3}), {batch_, length_, SizeExpr(shape_.width)}));
  }

  Value addBlock(const std::string& name, Value x) {
    Value y = attention(name, x);
    x = norm(name + "attn_output_norm", g_.add(x, y));
    Value inner = linear(name + "ffn_up", x);
    y = linear(name + "ffn_down", g_.activate(inner, shape_.activation));
    return norm(name + "layer_output_norm", g_.add(x, y));
  }

  Value firstOf(Value x) { return GatherOp::create(g_.builder, g_.loc(), x, g_.integer(0), 1); }
  Value meanOf(Value x) {
    Value count = MaxOp::create(g_.builder, g_.loc(), g_.sum(present_, 1), g_.number(1));
    return g_.reshape(g_.div(g_.sum(g_.mul(x, present_), 1), count), {batch_, SizeExpr(shape_.width)});
  }
  Value unit(Value x) {
    Value length = SqrtOp::create(g_.builder, g_.loc(), g_.sum(g_.mul(x, x), 1));
    return g_.div(x, MaxOp::create(g_.builder, g_.loc(), length, g_.number(1e-12)));
  }

  Graph g_;
  const EncoderShape& shape_;
  const Tensors& weights_;
  Value tokens_, mask_;
  SizeExpr batch_, length_;
  Value present_, masked_; ///< [b, s, 1]: 1 where a token counts; [b, 1, 1, s]: what is added to scores
};

} // namespace

Expected<OwningOpRef<ModuleOp>> makeEncoderModule(MLIRContext& context, const std::string& name, const std::string& architecture, const EncoderShape& shape, const Tensors& weights,
                                                  const ImportOptions& options) {
  Metadata metadata = {{"architecture", architecture}};
  const std::pair<const char*, int64_t> numbers[] = {{"context_length", shape.context}, {"vocabulary", shape.vocabulary}, {"layers", shape.layers}, {"heads", shape.heads}, {"embedding_length", shape.width}};
  for (const auto& [key, value] : numbers) metadata.emplace_back(key, std::to_string(value));
  OwningOpRef<ModuleOp> module = makeModule(context, name, metadata, {"b", "s"});
  OpBuilder builder = OpBuilder::atBlockEnd(module->getBody());
  auto type = tensorOf({SizeExpr::symbol("b"), SizeExpr::symbol("s")}, builder.getI32Type());
  auto main = func::FuncOp::create(builder, module->getLoc(), "main", builder.getFunctionType({type, type}, {}));
  Block* block = main.addEntryBlock();
  constexpr const char* kInputs[] = {"input_ids", "attention_mask"};
  for (unsigned i = 0; i < std::size(kInputs); ++i) {
    main.setArgAttr(i, "jinx.name", builder.getStringAttr(kInputs[i]));
    block->getArgument(i).setLoc(NameLoc::get(builder.getStringAttr(kInputs[i])));
  }
  EncoderBuilder encoder(main, shape, weights);
  Value y = encoder.build();
  func::ReturnOp::create(encoder.graph().builder, main.getLoc(), y);
  main.setType(builder.getFunctionType({type, type}, y.getType()));
  main.setResultAttr(0, "jinx.name", builder.getStringAttr("embedding"));
  JINX_TRY(finishModule(*module, options));
  return module;
}

} // namespace jinx::frontends::llm
