#include "runtime/executor/Shards.h"

#include <algorithm>
#include <cstring>

#include "runtime/executor/TensorSlices.h"

namespace jinx {
namespace {

std::string quoted(const std::string& name) { return "\"" + name + "\""; }

/// Where a rank's part lies: `first` of the whole, `own` elements that are there, in parts of `size`.
struct Range {
  int64_t first = 0, own = 0, size = 0;
};

std::vector<Range> rangesOf(std::span<const int64_t> whole, const plan::Whole& of, const plan::Mesh& mesh, int64_t rank) {
  std::vector<Range> ranges;
  for (size_t d = 0; d < whole.size(); ++d) {
    const auto axes = axesOf(of.dims(static_cast<int>(d)));
    const int64_t n = groupSize(mesh, axes), size = (whole[d] + n - 1) / n;
    const int64_t first = std::min(whole[d], placeIn(mesh, axes, rank) * size);
    ranges.push_back({first, std::min(size, whole[d] - first), size});
  }
  return ranges;
}

/// Copies the elements of the ranges between a whole and a part, a run of the last dimension at a time.
class PartCopier {
 public:
  PartCopier(DType type, std::span<const int64_t> whole, std::span<const Range> ranges) : type_(type), ranges_(ranges), wholeStrides_(rowMajorStrides(whole)) {
    Shape part;
    for (const Range& range : ranges)
      part.push_back(range.size);
    partStrides_ = rowMajorStrides(part);
  }
  void toPart(const void* whole, void* part) { walk(0, 0, 0, [&](int64_t w, int64_t p, int64_t n) { copyElements(type_, part, p, whole, w, n); }); }
  void toWhole(const void* part, void* whole) { walk(0, 0, 0, [&](int64_t w, int64_t p, int64_t n) { copyElements(type_, whole, w, part, p, n); }); }

 private:
  template <typename Copy> void walk(size_t d, int64_t whole, int64_t part, const Copy& copy) {
    if (d == ranges_.size()) return copy(whole, part, 1); // of no dimensions: one element
    const Range& range = ranges_[d];
    if (d + 1 == ranges_.size()) {
      if (range.own > 0) copy(whole + range.first, part, range.own);
      return;
    }
    for (int64_t i = 0; i < range.own; ++i)
      walk(d + 1, whole + (range.first + i) * wholeStrides_[d], part + i * partStrides_[d], copy);
  }

  DType type_;
  std::span<const Range> ranges_;
  Shape wholeStrides_, partStrides_;
};

Status checkSplit(const Tensor& t, const plan::Whole& of) {
  if (t.dtype() == DType::kString) return unimplemented("strings are not split over ranks");
  if (t.rank() == of.dims_size()) return Status::ok();
  return invalidArgument("is " + t.describe() + ", expected " + std::to_string(of.dims_size()) + " dimensions");
}

Port portOf(const plan::Value& value) {
  Port port{value.name(), static_cast<DType>(value.dtype()), value.kind(), !value.unranked() && value.kind() == plan::Value::TENSOR, {value.dims().begin(), value.dims().end()}};
  if (value.has_whole())
    for (int d = 0; d < value.whole().dims_size(); ++d)
      port.dims[static_cast<size_t>(d)] = value.whole().dims(d).size();
  return port;
}

bool areEqual(const Value& a, const Value& b) {
  const Tensor *x = tensorOrNull(a), *y = tensorOrNull(b);
  if (!x || !y) return a.index() == b.index(); // sequences and optionals are not looked into
  if (x->dtype() != y->dtype() || x->shape() != y->shape()) return false;
  if (x->dtype() != DType::kString) return x->sizeBytes() == 0 || std::memcmp(x->data(), y->data(), static_cast<size_t>(x->sizeBytes())) == 0;
  for (int64_t i = 0; i < x->size(); ++i)
    if (x->getString(i) != y->getString(i)) return false;
  return true;
}

/// The first rank that has the same part as `rank`: all coordinates but those of the axes that split it are 0.
int64_t firstWithPart(const plan::Whole& of, const plan::Mesh& mesh, int64_t rank) {
  std::vector<bool> splits(static_cast<size_t>(mesh.axes_size()));
  for (const plan::WholeDim& dim : of.dims())
    for (uint32_t axis : dim.axes())
      splits[axis] = true;
  const std::vector<int64_t> coordinates = coordinatesOf(mesh, rank);
  int64_t first = 0;
  for (int a = 0; a < mesh.axes_size(); ++a)
    first = first * mesh.axes(a).size() + (splits[static_cast<size_t>(a)] ? coordinates[static_cast<size_t>(a)] : 0);
  return first;
}

} // namespace

Expected<Tensor> cutPart(const Tensor& whole, const plan::Whole& of, const plan::Mesh& mesh, int64_t rank) {
  JINX_TRY(checkSplit(whole, of));
  const std::vector<Range> ranges = rangesOf(whole.shape(), of, mesh, rank);
  Shape shape;
  for (const Range& range : ranges)
    shape.push_back(range.size);
  Tensor part = Tensor::make(whole.dtype(), std::move(shape));
  PartCopier(whole.dtype(), whole.shape(), ranges).toPart(whole.data(), part.data());
  return part;
}

Status placePart(const Tensor& part, const plan::Whole& of, const plan::Mesh& mesh, int64_t rank, Tensor& whole) {
  JINX_TRY(checkSplit(part, of));
  const std::vector<Range> ranges = rangesOf(whole.shape(), of, mesh, rank);
  for (size_t d = 0; d < ranges.size(); ++d)
    if (part.shape()[d] != ranges[d].size)
      return invalidArgument("a part of " + whole.describe() + " is " + part.describe() + ", expected " + std::to_string(ranges[d].size) + " in dimension " + std::to_string(d));
  PartCopier(whole.dtype(), whole.shape(), ranges).toWhole(part.data(), whole.data());
  return Status::ok();
}

WholePorts::WholePorts(const plan::Plan& plan) : plan_(plan) {
  for (uint32_t i : plan.inputs())
    if (const plan::Value& value = plan.values(static_cast<int>(i)); !value.only_size()) inputs_.push_back(portOf(value));
  for (uint32_t i : plan.outputs())
    outputs_.push_back(portOf(plan.values(static_cast<int>(i))));
}

Status WholePorts::expectSame(const plan::Plan& other) const {
  const WholePorts ports(other);
  auto same = [](const std::vector<Port>& a, const std::vector<Port>& b) {
    return std::ranges::equal(a, b, [](const Port& x, const Port& y) { return x.name == y.name && x.dtype == y.dtype && x.dims == y.dims; });
  };
  auto parts = [](const plan::Plan& plan) {
    std::string text = describeMesh(plan.mesh());
    for (const auto* list : {&plan.inputs(), &plan.outputs()})
      for (uint32_t i : *list)
        text += plan.values(static_cast<int>(i)).whole().SerializeAsString() + ';';
    return text;
  };
  if (same(inputs_, ports.inputs_) && same(outputs_, ports.outputs_) && parts(plan_) == parts(other)) return Status::ok();
  return invalidArgument("two ranks' plans have other inputs and outputs, or other parts of them: compile all ranks' plans of one model and mesh");
}

/// Sizes by name: those of dimensions that are a symbol.
WholePorts::Symbols WholePorts::symbolsOf(std::span<const Value> wholes) const {
  Symbols symbols;
  for (size_t k = 0; k < wholes.size(); ++k) {
    const Tensor* t = tensorOrNull(wholes[k]);
    if (!t || t->shape().size() != inputs_[k].dims.size()) continue;
    for (size_t d = 0; d < inputs_[k].dims.size(); ++d)
      if (SizeExpr::isSymbolName(inputs_[k].dims[d])) symbols.emplace(inputs_[k].dims[d], t->shape()[d]);
  }
  return symbols;
}

Expected<std::vector<Value>> WholePorts::cut(std::span<const Value> wholes, int64_t rank) const {
  if (wholes.size() != inputs_.size())
    return invalidArgument("got " + std::to_string(wholes.size()) + " inputs, expected " + std::to_string(inputs_.size()));
  const Symbols symbols = symbolsOf(wholes);
  auto lookup = [&](std::string_view name) -> std::optional<int64_t> {
    auto it = symbols.find(name);
    return it == symbols.end() ? std::nullopt : std::optional(it->second);
  };
  std::vector<Value> own;
  size_t k = 0;
  for (uint32_t i : plan_.inputs()) {
    const plan::Value& port = plan_.values(static_cast<int>(i));
    if (port.only_size()) {
      const std::optional<int64_t> size = lookup(port.dims(0));
      if (!size) return invalidArgument("size " + port.dims(0) + " is the dimension of no input");
      own.push_back(Tensor::make(static_cast<DType>(port.dtype()), {*size, 0}));
      continue;
    }
    const Value& value = wholes[k++];
    const Tensor* t = tensorOrNull(value);
    if (!port.has_whole() || !t) {
      own.push_back(value);
      continue;
    }
    // A plan checks what its inputs have; of a part it cannot see what the whole had.
    for (int d = 0; d < std::min(port.whole().dims_size(), static_cast<int>(t->rank())); ++d)
      if (auto size = SizeExpr::parse(port.whole().dims(d).size())->evaluate(lookup); size && *size != t->dim(d))
        return invalidArgument("input " + quoted(port.name()) + " is " + t->describe() + ", expected " + std::to_string(*size) + " in dimension " + std::to_string(d));
    JINX_TRY_ASSIGN(Tensor part, cutPart(*t, port.whole(), plan_.mesh(), rank), "input " + quoted(port.name()));
    own.push_back(std::move(part));
  }
  return own;
}

Expected<Value> WholePorts::joinOutput(const plan::Value& port, size_t k, std::span<const std::vector<Value>> parts, const Symbols& symbols) const {
  const plan::Mesh& mesh = plan_.mesh();
  for (size_t rank = 0; rank < parts.size(); ++rank)
    if (const int64_t first = firstWithPart(port.whole(), mesh, static_cast<int64_t>(rank)); !areEqual(parts[rank][k], parts[static_cast<size_t>(first)][k]))
      return internalError("ranks " + std::to_string(first) + " and " + std::to_string(rank) + " should have the same, and do not");
  if (!port.has_whole()) return parts[0][k];
  const Tensor* first = tensorOrNull(parts[0][k]);
  if (!first) return internalError("is no tensor on rank 0");
  JINX_TRY(checkSplit(*first, port.whole()));
  Shape shape = first->shape();
  for (int d = 0; d < port.whole().dims_size(); ++d) {
    const plan::WholeDim& dim = port.whole().dims(d);
    if (dim.axes().empty()) continue;
    const std::optional<int64_t> size = SizeExpr::parse(dim.size())->evaluate([&](std::string_view name) -> std::optional<int64_t> {
      auto it = symbols.find(name);
      return it == symbols.end() ? std::nullopt : std::optional(it->second);
    });
    if (!size) return unimplemented("has size " + quoted(dim.size()) + ", which no input tells: its parts cannot be joined");
    shape[static_cast<size_t>(d)] = *size;
  }
  Tensor whole = Tensor::make(first->dtype(), std::move(shape));
  for (size_t rank = 0; rank < parts.size(); ++rank) {
    const Tensor* part = tensorOrNull(parts[rank][k]);
    if (!part) return internalError("is no tensor on rank " + std::to_string(rank));
    JINX_TRY(placePart(*part, port.whole(), mesh, static_cast<int64_t>(rank), whole), "rank " + std::to_string(rank));
  }
  return Value(std::move(whole));
}

Expected<std::vector<Value>> WholePorts::join(std::span<const std::vector<Value>> parts, std::span<const Value> wholeInputs) const {
  const Symbols symbols = symbolsOf(wholeInputs);
  std::vector<Value> wholes;
  for (size_t k = 0; k < outputs_.size(); ++k) {
    const plan::Value& port = plan_.values(static_cast<int>(plan_.outputs(static_cast<int>(k))));
    JINX_TRY_ASSIGN(Value whole, joinOutput(port, k, parts, symbols), "output " + quoted(port.name()));
    wholes.push_back(std::move(whole));
  }
  return wholes;
}

} // namespace jinx
