#include "frontends/gguf/Weights.h"

#include <cstring>
#include <map>
#include <vector>

#include "ir/Graph/Constants.h"
#include "mlir/IR/Location.h"

using namespace mlir;

namespace jinx::frontends {
namespace {

struct Wanted {
  Shape shape;
  bool isOptional = false;
};
using WantedTensors = std::map<std::string, Wanted>;

void addLayer(const ModelShape& s, const std::string& layer, WantedTensors& wanted) {
  auto add = [&](const char* name, Shape shape, bool isOptional = false) { wanted[layer + name] = {std::move(shape), isOptional}; };
  const Architecture& a = s.architecture;
  add("attn_norm.weight", {s.width});
  add("attn_q.weight", {s.queries(), s.width});
  add("attn_k.weight", {s.keys(), s.width});
  add("attn_v.weight", {s.keys(), s.width});
  add("attn_output.weight", {s.width, s.queries()});
  if (a.hasBiases) {
    add("attn_q.bias", {s.queries()});
    add("attn_k.bias", {s.keys()});
    add("attn_v.bias", {s.keys()});
  }
  if (a.normsHeads) {
    add("attn_q_norm.weight", {s.depth});
    add("attn_k_norm.weight", {s.depth});
  }
  if (a.normsResults) {
    add("post_attention_norm.weight", {s.width});
    add("post_ffw_norm.weight", {s.width});
  }
  add("ffn_norm.weight", {s.width});
  add("ffn_gate.weight", {s.hidden, s.width});
  add("ffn_up.weight", {s.hidden, s.width});
  add("ffn_down.weight", {s.width, s.hidden});
}

WantedTensors wantedTensors(const ModelShape& s) {
  WantedTensors wanted;
  wanted["token_embd.weight"] = {{s.vocabulary, s.width}};
  wanted["output_norm.weight"] = {{s.width}};
  wanted["output.weight"] = {{s.vocabulary, s.width}, /*isOptional=*/true};
  wanted["rope_freqs.weight"] = {{s.depth / 2}, /*isOptional=*/true};
  for (int64_t layer = 0; layer < s.layers; ++layer) addLayer(s, "blk." + std::to_string(layer) + ".", wanted);
  return wanted;
}

bool isWeight(const GgufType& type) { return type.blocks || type.dtype == DType::kF32 || type.dtype == DType::kF16 || type.dtype == DType::kBF16; }

/// What is wrong with a tensor; empty when nothing is.
std::string problemOf(const std::string& name, const Wanted& wanted, const GgufTensor* tensor) {
  if (!tensor) return wanted.isOptional ? "" : "tensor " + name + " is missing, expected [" + toString(wanted.shape) + "]";
  if (tensor->shape != wanted.shape) return "tensor " + name + " is [" + toString(tensor->shape) + "], expected [" + toString(wanted.shape) + "]";
  const bool isMatrix = wanted.shape.size() > 1;
  if (!isWeight(tensor->type) || (tensor->type.blocks && !isMatrix))
    return "tensor " + name + " is of " + std::string(tensor->type.name) + ", expected F32, F16" + (isMatrix ? ", BF16 or blocks of codes" : " or BF16");
  return "";
}

} // namespace

Status checkTensors(const GgufFile& file, const ModelShape& shape) {
  constexpr size_t kMost = 20;
  if (uint64_t(shape.layers) > file.tensors().size())
    return invalidArgument("the file has " + std::to_string(file.tensors().size()) + " tensors, expected several for each of " + std::to_string(shape.layers) + " layers");
  const WantedTensors wanted = wantedTensors(shape);
  std::vector<std::string> problems;
  for (const auto& [name, what] : wanted)
    if (std::string problem = problemOf(name, what, file.findTensor(name)); !problem.empty()) problems.push_back(std::move(problem));
  for (const GgufTensor& tensor : file.tensors())
    if (!wanted.count(std::string(tensor.name)))
      problems.push_back("tensor " + std::string(tensor.name.substr(0, 80)) + " has no place in architecture " + std::string(shape.architecture.name));
  if (problems.empty()) return Status::ok();
  std::string text = std::to_string(problems.size()) + (problems.size() == 1 ? " problem:" : " problems:");
  for (size_t i = 0; i < problems.size() && i < kMost; ++i) text += "\n  " + problems[i];
  if (problems.size() > kMost) text += "\n  … and " + std::to_string(problems.size() - kMost) + " more";
  return invalidArgument(text);
}

Value Weights::make(OpBuilder& builder, const GgufTensor& tensor, const Tensor& elements) const {
  Location loc = NameLoc::get(builder.getStringAttr(tensor.name));
  Value constant = graph::ConstantOp::create(builder, loc, graph::elementsOf(elements, builder.getContext()));
  auto f32 = RankedTensorType::get(tensor.shape, builder.getF32Type());
  if (tensor.type.blocks) return graph::DecodeBlocksOp::create(builder, loc, f32, constant, tensor.type.name);
  return constant.getType() == f32 ? constant : graph::CastOp::create(builder, loc, f32, constant);
}

namespace {

/// The bytes of rows: numbers, or blocks.
Shape shapeOfBytes(const GgufTensor& tensor) {
  if (!tensor.type.blocks) return tensor.shape;
  return {tensor.shape[0], tensor.shape[1] / tensor.type.blocks->elements * tensor.type.blocks->bytes};
}
DType dtypeOfBytes(const GgufTensor& tensor) { return tensor.type.blocks ? DType::kU8 : tensor.type.dtype; }

} // namespace

Value Weights::get(OpBuilder& builder, const std::string& name) const {
  const GgufTensor& tensor = *file_->findTensor(name);
  auto owner = std::const_pointer_cast<GgufFile>(file_);
  return make(builder, tensor, Tensor::wrap(dtypeOfBytes(tensor), shapeOfBytes(tensor), const_cast<std::byte*>(tensor.bytes.data()), owner));
}

Value Weights::getWithHalves(OpBuilder& builder, const std::string& name, int64_t depth) const {
  const GgufTensor& tensor = *file_->findTensor(name);
  Tensor moved = Tensor::make(dtypeOfBytes(tensor), shapeOfBytes(tensor));
  const int64_t rows = tensor.shape[0], bytes = int64_t(tensor.bytes.size()) / rows;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t within = row % depth, from = row - within + (within % (depth / 2)) * 2 + within / (depth / 2);
    std::memcpy(static_cast<std::byte*>(moved.data()) + row * bytes, tensor.bytes.data() + from * bytes, size_t(bytes));
  }
  return make(builder, tensor, moved);
}

} // namespace jinx::frontends
