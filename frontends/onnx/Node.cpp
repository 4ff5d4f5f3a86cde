#include "frontends/onnx/Node.h"

#include "frontends/onnx/OnnxAttributes.h"

using namespace mlir;

namespace jinx::frontends {

const onnx::AttributeProto *Node::find(std::string_view name) const { return findAttribute(proto, name); }

int64_t Node::attrInt(std::string_view name, int64_t fallback) const {
  const auto *attribute = find(name);
  return attribute ? attribute->i() : fallback;
}

double Node::attrFloat(std::string_view name, double fallback) const {
  const auto *attribute = find(name);
  return attribute ? attribute->f() : float(fallback); // defaults are floats too
}

std::string Node::attrString(std::string_view name, std::string fallback) const {
  const auto *attribute = find(name);
  return attribute ? attribute->s() : fallback;
}

std::optional<SmallVector<int64_t>> Node::attrInts(std::string_view name) const {
  const auto *attribute = find(name);
  if (!attribute) return std::nullopt;
  return SmallVector<int64_t>(attribute->ints().begin(), attribute->ints().end());
}

std::optional<SmallVector<std::string>> Node::attrStrings(std::string_view name) const {
  const auto *attribute = find(name);
  if (!attribute) return std::nullopt;
  return SmallVector<std::string>(attribute->strings().begin(), attribute->strings().end());
}

const onnx::GraphProto *Node::attrGraph(std::string_view name) const {
  const auto *attribute = find(name);
  return attribute && attribute->has_g() ? &attribute->g() : nullptr;
}

std::optional<SmallVector<int64_t>> Node::attrOrInput(std::string_view name, size_t input, bool *known) const {
  *known = true;
  if (auto values = attrInts(name)) return values;
  if (!has(input)) return std::nullopt;
  auto values = numbers(input);
  *known = values.has_value();
  return values;
}

std::optional<int64_t> Node::axisOf(int64_t axis, int64_t rank) {
  if (axis < 0) axis += rank;
  if (axis < 0 || axis >= rank) return std::nullopt;
  return axis;
}

std::optional<SmallVector<int64_t>> Node::axesOf(ArrayRef<int64_t> axes, int64_t rank) {
  SmallVector<int64_t> result;
  for (int64_t axis : axes) {
    auto normal = axisOf(axis, rank);
    if (!normal) return std::nullopt;
    result.push_back(*normal);
  }
  llvm::sort(result);
  result.erase(llvm::unique(result), result.end());
  return result;
}

bool Node::set(size_t i, Value value) {
  if (!value) return false;
  if (i < results.size()) results[i] = value;
  return true;
}

bool Node::decline(std::string reason) {
  fail(std::move(reason));
  return false;
}

void Node::expect(size_t i, PartialSizes sizes, Type element) {
  if (i < expected.size()) expected[i] = {element, std::move(sizes)};
}

} // namespace jinx::frontends
