#include "frontends/llm/Tensors.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "ir/Graph/Constants.h"
#include "ir/Graph/PartAttr.h"
#include "mlir/IR/Location.h"

using namespace mlir;

namespace jinx::frontends::llm {
namespace {

using Add = std::function<void(const std::string&, Shape)>;

void addNorm(const ModelShape& s, const std::string& name, const Add& add) {
  add(name + ".weight", {s.width});
  if (s.normsByMean) add(name + ".bias", {s.width});
}

void addLinear(const std::string& name, int64_t rows, int64_t columns, bool hasBias, const Add& add) {
  add(name + ".weight", {rows, columns});
  if (hasBias) add(name + ".bias", {rows});
}

void addExperts(const ModelShape& s, const std::string& layer, const Add& add) {
  const ExpertShape& e = s.experts;
  add(layer + "ffn_gate_inp.weight", {e.count, s.width});
  add(layer + "ffn_gate_exps.weight", {e.count, e.hidden, s.width});
  add(layer + "ffn_up_exps.weight", {e.count, e.hidden, s.width});
  add(layer + "ffn_down_exps.weight", {e.count, s.width, e.hidden});
  if (!e.sharedHidden) return;
  add(layer + "ffn_gate_inp_shexp.weight", {1, s.width});
  add(layer + "ffn_gate_shexp.weight", {e.sharedHidden, s.width});
  add(layer + "ffn_up_shexp.weight", {e.sharedHidden, s.width});
  add(layer + "ffn_down_shexp.weight", {s.width, e.sharedHidden});
}

void addLayer(const ModelShape& s, int64_t index, const Add& add) {
  const std::string layer = "blk." + std::to_string(index) + ".";
  addNorm(s, layer + "attn_norm", add);
  addLinear(layer + "attn_q", s.queries(), s.width, s.hasBiases, add);
  addLinear(layer + "attn_k", s.keys(), s.width, s.hasBiases, add);
  addLinear(layer + "attn_v", s.keys(), s.width, s.hasBiases, add);
  addLinear(layer + "attn_output", s.width, s.queries(), s.hasOutputBias, add);
  if (s.normsHeads) {
    add(layer + "attn_q_norm.weight", {s.depth});
    add(layer + "attn_k_norm.weight", {s.depth});
  }
  if (s.normsResults) {
    add(layer + "post_attention_norm.weight", {s.width});
    add(layer + "post_ffw_norm.weight", {s.width});
  }
  addNorm(s, layer + "ffn_norm", add);
  if (s.hasExperts(index)) return addExperts(s, layer, add);
  if (s.isGated) addLinear(layer + "ffn_gate", s.hidden, s.width, s.hasFeedForwardBiases, add);
  addLinear(layer + "ffn_up", s.hidden, s.width, s.hasFeedForwardBiases, add);
  addLinear(layer + "ffn_down", s.width, s.hidden, s.hasFeedForwardBiases, add);
}

bool isWeight(const FileTensor& t) { return t.blocks || t.dtype == DType::kF32 || t.dtype == DType::kF16 || t.dtype == DType::kBF16; }

/// What is wrong with a tensor; empty when nothing is.
std::string problemOf(const std::string& name, const Wanted& wanted, const Place& place, const FileTensors& files) {
  const Shape shape = shapeInFile(wanted.shape, place);
  auto found = files.find(name);
  if (found == files.end()) return wanted.isOptional ? "" : "tensor " + name + " is missing, expected [" + toString(shape) + "]";
  const FileTensor& tensor = found->second;
  if (tensor.shape != shape) return "tensor " + name + " is [" + toString(tensor.shape) + "], expected [" + toString(shape) + "]";
  const bool isMatrix = wanted.shape.size() > 1;
  if (!isWeight(tensor) || (tensor.blocks && (!isMatrix || place.isTransposed || place.offset != 0)))
    return "tensor " + name + " is of " + tensor.typeName + ", expected F32, F16" + (isMatrix ? ", BF16 or blocks of codes" : " or BF16");
  auto first = files.find(place.tensors.front());
  if (first != files.end() && tensor.dtype != first->second.dtype)
    return "tensor " + name + " is of " + tensor.typeName + ", expected " + first->second.typeName + " as " + first->first;
  return "";
}

Status report(const std::vector<std::string>& problems) {
  constexpr size_t kMost = 20;
  if (problems.empty()) return Status::ok();
  std::string text = std::to_string(problems.size()) + (problems.size() == 1 ? " problem:" : " problems:");
  for (size_t i = 0; i < problems.size() && i < kMost; ++i) text += "\n  " + problems[i];
  if (problems.size() > kMost) text += "\n  … and " + std::to_string(problems.size() - kMost) + " more";
  return invalidArgument(text);
}

} // namespace

Shape shapeInFile(const Shape& role, const Place& place) {
  if (!place.shape.empty()) return place.shape;
  Shape shape = role;
  if (place.isStacked) shape.erase(shape.begin());
  if (place.rows) shape[0] = place.rows;
  if (place.isTransposed) std::swap(shape[shape.size() - 1], shape[shape.size() - 2]);
  return shape;
}

WantedTensors wantedTensors(const ModelShape& s) {
  WantedTensors wanted;
  const Add add = [&](const std::string& role, Shape shape) { wanted[role] = {std::move(shape)}; };
  add("token_embd.weight", {s.vocabulary, s.width});
  if (s.learnsPositions) add("position_embd.weight", {s.context, s.width});
  addNorm(s, "output_norm", add);
  if (s.ownOutput != Presence::kNo) wanted["output.weight"] = {{s.vocabulary, s.width}, /*isOptional=*/s.ownOutput == Presence::kOptional};
  for (int64_t layer = 0; layer < s.layers; ++layer) addLayer(s, layer, add);
  return wanted;
}

Status Tensors::check(const std::string& architecture, const std::function<bool(std::string_view)>& isIgnored) const {
  std::vector<std::string> problems;
  std::set<std::string> seen;
  for (const auto& [role, what] : wanted_) {
    const Place place = placeOf_(role);
    for (const std::string& name : place.tensors) {
      // Parts of one tensor have one problem.
      std::string problem = problemOf(name, what, place, files_);
      if (seen.insert(name).second && !problem.empty()) problems.push_back(std::move(problem));
      if (what.isOptional && !files_.count(name)) break;
    }
  }
  for (const auto& [name, tensor] : files_)
    if (!seen.count(name) && !isIgnored(name)) problems.push_back("tensor " + name.substr(0, 80) + " has no place in architecture " + architecture);
  return report(problems);
}

// ---- elements -----------------------------------------------------------------------------------------------------------------------

namespace {

/// The shape of a role's bytes: of numbers, or of rows of blocks.
Shape shapeOfBytes(const Shape& role, const FileTensor& tensor) {
  if (!tensor.blocks) return role;
  return {numElements(role) / role.back(), role.back() / tensor.blocks->elements * tensor.blocks->bytes};
}

/// Rows come in heads of `depth`, in each of which the even ones come first, then the odd ones: what rope rotates together, neighbors in the file,
/// is then half a head apart. Scores are sums over a head and do not see its order.
void copyHalves(std::span<const std::byte> from, int64_t rows, int64_t depth, std::byte* to) {
  const int64_t bytes = int64_t(from.size()) / rows;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t within = row % depth, source = row - within + (within % (depth / 2)) * 2 + within / (depth / 2);
    std::memcpy(to + row * bytes, from.data() + source * bytes, size_t(bytes));
  }
}

/// From [k, n] the rows `first` to first + rows - 1 of its transpose.
void copyTransposed(const FileTensor& from, int64_t first, int64_t rows, std::byte* to) {
  const int64_t size = packedBytes(from.dtype, 1), k = from.shape[0], n = from.shape[1];
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t i = 0; i < k; ++i) std::memcpy(to + (row * k + i) * size, from.bytes.data() + (i * n + first + row) * size, size_t(size));
}

Tensor withOffset(const FileTensor& from, double offset) {
  Tensor values = Tensor::make(DType::kF32, from.shape);
  for (int64_t i = 0; i < values.size(); ++i) values.as<float>()[i] = float(loadAsDouble(from.dtype, from.bytes.data(), i) + offset);
  return values;
}

/// Those of a role that has some of the tensor's rows, or all.
std::span<const std::byte> rowsOf(const FileTensor& tensor, const Place& place, int64_t rows) {
  if (!place.rows) return tensor.bytes;
  const size_t bytes = tensor.bytes.size() / size_t(place.rows);
  return tensor.bytes.subspan(size_t(place.firstRow) * bytes, size_t(rows) * bytes);
}

bool isAligned(std::span<const std::byte> bytes, DType type) { return reinterpret_cast<uintptr_t>(bytes.data()) % uintptr_t(std::max<int64_t>(1, packedBytes(type, 1))) == 0; }

} // namespace

Tensor Tensors::bytesOf(const Shape& role, const Place& place) const {
  const FileTensor& first = files_.at(place.tensors.front());
  if (place.offset != 0) return withOffset(first, place.offset);
  const DType dtype = first.blocks ? DType::kU8 : first.dtype;
  const Shape shape = shapeOfBytes(role, first);
  const std::span<const std::byte> rows = rowsOf(first, place, role[0]);
  const bool isMoved = place.tensors.size() > 1 || place.isTransposed || place.neighborsOfHead;
  if (!isMoved && isAligned(rows, dtype)) return Tensor::wrap(dtype, shape, const_cast<std::byte*>(rows.data()), owner_);
  Tensor moved = Tensor::make(dtype, shape);
  auto* to = static_cast<std::byte*>(moved.data());
  if (place.isTransposed) copyTransposed(first, place.firstRow, role[0], to);
  else if (place.neighborsOfHead) copyHalves(rows, role[0], place.neighborsOfHead, to);
  else if (place.tensors.size() == 1) std::memcpy(to, rows.data(), rows.size());
  else
    for (const std::string& name : place.tensors) {
      const FileTensor& part = files_.at(name);
      std::memcpy(to, part.bytes.data(), part.bytes.size());
      to += part.bytes.size();
    }
  return moved;
}

ElementsAttr Tensors::elementsOf(const Shape& role, const Place& place, MLIRContext* context) const {
  const auto liesAsWanted = [&](const std::string& name) { return !files_.at(name).blocks && isAligned(files_.at(name).bytes, files_.at(name).dtype); };
  const bool isMoved = place.offset != 0 || place.isTransposed || place.neighborsOfHead || place.rows;
  if (!place.isStacked || isMoved || !llvm::all_of(place.tensors, liesAsWanted)) return graph::elementsOf(bytesOf(role, place), context);
  SmallVector<ElementsAttr> entries;
  for (const std::string& name : place.tensors) {
    const FileTensor& file = files_.at(name);
    entries.push_back(graph::elementsOf(Tensor::wrap(file.dtype, file.shape, const_cast<std::byte*>(file.bytes.data()), owner_), context));
  }
  if (graph::StackAttr stack = graph::stackOf(entries)) return stack;
  return graph::elementsOf(bytesOf(role, place), context);
}

Value Tensors::get(OpBuilder& builder, const std::string& role, Type element) const {
  const Place place = placeOf_(role);
  const Shape& shape = wanted_.at(role).shape;
  const FileTensor& first = files_.at(place.tensors.front());
  Location loc = NameLoc::get(builder.getStringAttr(place.tensors.front()));
  Value constant = graph::ConstantOp::create(builder, loc, elementsOf(shape, place, builder.getContext()));
  auto as = [&](Type type, Value x) { return x.getType() == type ? x : graph::CastOp::create(builder, loc, type, x); };
  const auto wanted = RankedTensorType::get(shape, element);
  if (!first.blocks) return as(wanted, constant);
  const auto f32 = RankedTensorType::get(shape, builder.getF32Type());
  const auto rows = RankedTensorType::get({numElements(shape) / shape.back(), shape.back()}, builder.getF32Type());
  Value decoded = graph::DecodeBlocksOp::create(builder, loc, rows, constant, first.blocks->name);
  return as(wanted, rows == f32 ? decoded : graph::ReshapeOp::create(builder, loc, f32, decoded));
}

} // namespace jinx::frontends::llm
