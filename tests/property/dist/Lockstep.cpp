#include "tests/property/dist/Lockstep.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ir/Graph/Constants.h"
#include "llvm/ADT/STLExtras.h"
#include "passes/Graph/Evaluate.h"
#include "tests/property/Property.h"

namespace jinx::test {

Mesh::Mesh(dist::MeshOp mesh) {
  for (auto axis : mesh.getAxes().getAsValueRange<mlir::StringAttr>()) axes_.push_back(axis.str());
  sizes_.assign(mesh.getSizes().begin(), mesh.getSizes().end());
}
size_t Mesh::ranks() const {
  size_t ranks = 1;
  for (int64_t size : sizes_) ranks *= size_t(size);
  return ranks;
}
int64_t Mesh::sizeOf(const std::string& axis) const {
  return sizes_[size_t(std::find(axes_.begin(), axes_.end(), axis) - axes_.begin())];
}
int64_t Mesh::coordinate(size_t rank, const std::string& axis) const {
  int64_t rest = int64_t(rank);
  for (size_t i = axes_.size(); i-- > 0;) {
    if (axes_[i] == axis) return rest % sizes_[i];
    rest /= sizes_[i];
  }
  return 0;
}
int64_t Mesh::placeOf(size_t rank, const std::vector<std::string>& axes) const {
  int64_t place = 0;
  for (const std::string& axis : axes) place = place * sizeOf(axis) + coordinate(rank, axis);
  return place;
}
std::vector<size_t> Mesh::group(size_t rank, const std::vector<std::string>& axes) const {
  std::vector<size_t> members;
  for (size_t other = 0; other < ranks(); ++other) {
    bool same = std::all_of(axes_.begin(), axes_.end(), [&](const std::string& axis) {
      return std::find(axes.begin(), axes.end(), axis) != axes.end() || coordinate(other, axis) == coordinate(rank, axis);
    });
    if (same) members.push_back(other);
  }
  std::sort(members.begin(), members.end(), [&](size_t a, size_t b) { return placeOf(a, axes) < placeOf(b, axes); });
  return members;
}

namespace {

int64_t valueOf(const SizeExpr& size, const Symbols& symbols) {
  return size.evaluate([&](std::string_view name) -> std::optional<int64_t> {
               auto found = symbols.find(std::string(name));
               return found == symbols.end() ? std::nullopt : std::optional(found->second);
             })
      .value_or(-1);
}

// ---- tensors of any shape, element by element ----

/// Calls f(index) for each index of the shape, in row-major order.
template <typename F>
void eachIndex(const Shape& shape, F f) {
  Shape index(shape.size(), 0);
  for (int64_t i = 0, n = numElements(shape); i < n; ++i) {
    f(index);
    for (size_t d = shape.size(); d-- > 0;) {
      if (++index[d] < shape[d]) break;
      index[d] = 0;
    }
  }
}
int64_t at(const Shape& shape, const Shape& index) {
  int64_t place = 0;
  for (size_t d = 0; d < shape.size(); ++d) place = place * shape[d] + index[d];
  return place;
}
size_t elementBytes(const Tensor& t) { return size_t(bitWidth(t.dtype()) / 8); }
char* element(Tensor& t, int64_t i) { return t.as<char>() + size_t(i) * elementBytes(t); }
const char* element(const Tensor& t, int64_t i) { return t.as<char>() + size_t(i) * elementBytes(t); }

/// The elements [start, start + count) of dimension `dim`.
Tensor partAlong(const Tensor& x, int64_t dim, int64_t start, int64_t count) {
  Shape shape = x.shape();
  shape[size_t(dim)] = count;
  Tensor y = Tensor::make(x.dtype(), shape);
  eachIndex(shape, [&](const Shape& to) {
    Shape from = to;
    from[size_t(dim)] += start;
    std::memcpy(element(y, at(shape, to)), element(x, at(x.shape(), from)), elementBytes(x));
  });
  return y;
}
Tensor joined(const std::vector<Tensor>& parts, int64_t dim) {
  Shape shape = parts[0].shape();
  shape[size_t(dim)] *= int64_t(parts.size());
  Tensor y = Tensor::make(parts[0].dtype(), shape);
  int64_t each = parts[0].dim(dim);
  eachIndex(shape, [&](const Shape& to) {
    Shape from = to;
    from[size_t(dim)] %= each;
    const Tensor& part = parts[size_t(to[size_t(dim)] / each)];
    std::memcpy(element(y, at(shape, to)), element(part, at(part.shape(), from)), elementBytes(y));
  });
  return y;
}
Tensor reduced(const std::vector<Tensor>& parts, graph::ReduceKind kind) {
  Tensor y = parts[0].clone();
  auto combine = [&](auto a, auto b) -> decltype(a) {
    switch (kind) {
    case graph::ReduceKind::sum: return a + b;
    case graph::ReduceKind::prod: return a * b;
    case graph::ReduceKind::max: return a != a || b != b ? a + b : std::max(a, b);
    case graph::ReduceKind::min: return a != a || b != b ? a + b : std::min(a, b);
    }
    return a;
  };
  for (size_t p = 1; p < parts.size(); ++p)
    for (int64_t i = 0; i < y.size(); ++i)
      isFloat(y.dtype()) ? y.setDouble(i, combine(y.getDouble(i), parts[p].getDouble(i))) : y.setInt(i, combine(y.getInt(i), parts[p].getInt(i)));
  return y;
}

// ---- operators ----

mlir::RankedTensorType startedType(mlir::Type type) {
  auto pending = mlir::dyn_cast<dist::PendingType>(type);
  return pending ? pending.getValue() : mlir::dyn_cast<mlir::RankedTensorType>(type);
}

/// A copy of the function in which each symbol is a number, in types and in formulas. What is started is there: ranks go from operator to operator together.
mlir::func::FuncOp specialized(mlir::func::FuncOp function, const Symbols& symbols) {
  auto fixed = [&](mlir::Value value) {
    mlir::RankedTensorType type = startedType(value.getType());
    if (!type) return;
    llvm::SmallVector<int64_t> shape;
    for (const SizeExpr& size : graph::sizesOf(type)) shape.push_back(valueOf(size, symbols));
    value.setType(mlir::RankedTensorType::get(shape, type.getElementType()));
  };
  mlir::func::FuncOp copy = function.clone();
  for (mlir::Value argument : copy.getArguments()) fixed(argument);
  copy.getBody().walk([&](mlir::Operation* op) {
    for (mlir::Value result : op->getResults()) fixed(result);
    if (auto rows = mlir::dyn_cast<dist::RowsOp>(op)) rows.setFrom(std::to_string(valueOf(graph::parseSize(rows.getFrom()), symbols)));
    for (llvm::StringRef name : {"exprs", "starts", "low"})
      if (auto formulas = op->getAttrOfType<mlir::ArrayAttr>(name)) {
        llvm::SmallVector<mlir::Attribute> numbers;
        for (auto formula : formulas.getAsValueRange<mlir::StringAttr>())
          numbers.push_back(mlir::StringAttr::get(op->getContext(), std::to_string(valueOf(graph::parseSize(formula), symbols))));
        op->setAttr(name, mlir::ArrayAttr::get(op->getContext(), numbers));
      }
  });
  return copy;
}

Expected<Tensor> callOne(const HostOpTable& table, const std::string& name, const std::vector<Tensor>& inputs, const Attributes& attributes) {
  HostOpFn fn = table.find("", name, 21);
  if (!fn) return unimplemented("no reference implementation of " + name);
  HostOpCall call;
  call.op = name;
  call.opset = 21;
  call.attributes = &attributes;
  for (const Tensor& t : inputs) call.inputs.push_back(t);
  call.outputs.resize(1);
  JINX_TRY(fn(call));
  return *tensorOrNull(call.outputs[0]);
}

std::vector<int64_t> ints(llvm::ArrayRef<int64_t> values) { return {values.begin(), values.end()}; }

/// Token by token. A choice that is no expert of these adds nothing.
Tensor mixture(const std::vector<Tensor>& in) {
  const Tensor &x = in[0], &chosen = in[1], &weights = in[2], &gate = in[3], &up = in[4], &down = in[5];
  const int64_t experts = gate.dim(0), hidden = gate.dim(1), width = gate.dim(2), out = down.dim(1), used = chosen.dim(1);
  Tensor y = Tensor::make(DType::kF32, {x.dim(0), out});
  for (int64_t t = 0; t < x.dim(0); ++t) {
    std::vector<double> sums(size_t(out), 0);
    for (int64_t j = 0; j < used; ++j) {
      const int64_t e = chosen.getInt(t * used + j);
      if (e < 0 || e >= experts) continue;
      for (int64_t f = 0; f < hidden; ++f) {
        double g = 0, u = 0;
        for (int64_t h = 0; h < width; ++h) {
          g += gate.getDouble((e * hidden + f) * width + h) * x.getDouble(t * width + h);
          u += up.getDouble((e * hidden + f) * width + h) * x.getDouble(t * width + h);
        }
        const double gated = g / (1 + std::exp(-g)) * u * weights.getDouble(t * used + j);
        for (int64_t o = 0; o < out; ++o) sums[size_t(o)] += down.getDouble((e * out + o) * hidden + f) * gated;
      }
    }
    for (int64_t o = 0; o < out; ++o) y.setDouble(t * out + o, sums[size_t(o)]);
  }
  return y;
}

/// One after the other, along the only dimension; one that would go elsewhere is left out.
Tensor scattered(const Tensor& x, const Tensor& indices, const Tensor& updates) {
  Tensor y = x.clone();
  for (int64_t i = 0; i < indices.size(); ++i)
    if (const int64_t to = indices.getInt(i); to >= 0 && to < y.size()) y.setInt(to, updates.getInt(i));
  return y;
}

/// What folding constants needs no reference for, and the tests do.
Expected<std::vector<Tensor>> compute(mlir::Operation* op, const std::vector<Tensor>& in, const HostOpTable& table) {
  using namespace graph;
  auto one = [](Expected<Tensor> y) -> Expected<std::vector<Tensor>> {
    JINX_TRY_ASSIGN(Tensor tensor, std::move(y));
    return std::vector<Tensor>{tensor};
  };
  auto shapeOf = [](mlir::Value value) { return ints(mlir::cast<mlir::RankedTensorType>(value.getType()).getShape()); };
  if (mlir::isa<dist::ConstrainOp, dist::ReshardOp, dist::WaitOp>(op)) return in;
  if (mlir::isa<ExpertsOp>(op)) return one(mixture(in));
  if (auto scatter = mlir::dyn_cast<ScatterElementsOp>(op); scatter && in[0].rank() == 1 && scatter.getKind() == ScatterKind::set && !isFloat(in[0].dtype())) return one(scattered(in[0], in[1], in[2]));
  if (auto rows = mlir::dyn_cast<dist::RowsOp>(op)) return one(partAlong(in[0], 0, std::stoll(rows.getFrom().str()), shapeOf(rows.getY())[0]));
  if (mlir::isa<dist::JoinRowsOp>(op)) return one(joined(in, 0));  // microbatches are equally long
  if (auto constant = mlir::dyn_cast<ConstantOp>(op)) return one(graph::tensorOf(constant.getValue()));
  if (auto sizes = mlir::dyn_cast<SizesOp>(op)) {
    Tensor y = Tensor::make(dtypeOf(sizes.getY().getType().getElementType()), shapeOf(sizes.getY()));
    for (auto [i, number] : llvm::enumerate(sizes.getExprs().getAsValueRange<mlir::StringAttr>())) y.setInt(int64_t(i), std::stoll(number.str()));
    return std::vector<Tensor>{y};
  }
  if (auto iota = mlir::dyn_cast<IotaOp>(op)) {
    Shape shape = shapeOf(iota.getY());
    Tensor y = Tensor::make(dtypeOf(mlir::cast<mlir::RankedTensorType>(iota.getY().getType()).getElementType()), shape);
    eachIndex(shape, [&](const Shape& index) { y.setInt(at(shape, index), int64_t(iota.getStart()) + int64_t(iota.getStep()) * index[iota.getAxis()]); });
    return std::vector<Tensor>{y};
  }
  Attributes attributes;
  if (auto conv = mlir::dyn_cast<ConvOp>(op)) {
    attributes.set("strides", ints(conv.getStrides()));
    attributes.set("pads", ints(conv.getPads()));
    attributes.set("dilations", ints(conv.getDilations()));
    attributes.set("group", int64_t(conv.getGroup()));
    return one(callOne(table, "Conv", in, attributes));
  }
  if (auto matmul = mlir::dyn_cast<MatmulOp>(op); matmul && matmul.getTransposeB()) {
    std::vector<int64_t> perm;
    for (int64_t d = 0; d < in[1].rank(); ++d) perm.push_back(d);
    std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
    attributes.set("perm", perm);
    JINX_TRY_ASSIGN(Tensor b, callOne(table, "Transpose", {in[1]}, attributes));
    return one(callOne(table, "MatMul", {in[0], b}, {}));
  }
  return passes::evaluate(op, in, table);
}

/// So many rows of each member's as its counts say; zeros behind them.
Expected<Tensor> rowsFor(int64_t place, const std::vector<std::vector<Tensor>>& given, const Shape& shape) {
  Tensor y = Tensor::make(given[0][0].dtype(), shape);
  const int64_t bytes = shape[0] ? y.sizeBytes() / shape[0] : 0;
  int64_t to = 0;
  for (size_t member = 0; member < given.size(); ++member) {
    const Tensor &rows = given[member][0], &sends = given[member][1];
    int64_t from = 0;
    for (int64_t i = 0; i < place; ++i) from += sends.getInt(i);
    const int64_t count = sends.getInt(place);
    if (count != given[size_t(place)][2].getInt(int64_t(member))) return internalError("receives another number of rows than is sent to it");
    if (count < 0 || from + count > rows.dim(0) || to + count > shape[0]) return internalError("moves more rows than there are");
    if (count > 0) std::memcpy(static_cast<std::byte*>(y.data()) + to * bytes, static_cast<const std::byte*>(rows.data()) + from * bytes, size_t(count * bytes));
    to += count;
  }
  return y;
}

/// One collective on all ranks.
std::vector<Tensor> exchange(mlir::Operation* op, const Mesh& mesh, const std::vector<Tensor>& all) {
  std::vector<std::string> axes;
  for (auto axis : mlir::cast<dist::Collective>(op).getAxes().getAsValueRange<mlir::StringAttr>()) axes.push_back(axis.str());
  std::vector<Tensor> results;
  for (size_t rank = 0; rank < mesh.ranks(); ++rank) {
    std::vector<Tensor> given;
    for (size_t member : mesh.group(rank, axes)) given.push_back(all[member]);
    int64_t n = int64_t(given.size()), place = mesh.placeOf(rank, axes);
    auto mine = [&](const Tensor& t, int64_t dim) { return partAlong(t, dim, t.dim(dim) / n * place, t.dim(dim) / n); };
    if (auto reduce = mlir::dyn_cast<dist::AllReduceOp>(op)) results.push_back(reduced(given, reduce.getKind()));
    else if (auto gather = mlir::dyn_cast<dist::AllGatherOp>(op)) results.push_back(joined(given, int64_t(gather.getDim())));
    else if (auto scatter = mlir::dyn_cast<dist::ReduceScatterOp>(op)) results.push_back(mine(reduced(given, scatter.getKind()), int64_t(scatter.getDim())));
    else if (auto shuffle = mlir::dyn_cast<dist::AllToAllOp>(op)) {
      for (Tensor& t : given) t = mine(t, int64_t(shuffle.getSplit()));
      results.push_back(joined(given, int64_t(shuffle.getConcat())));
    } else if (auto permute = mlir::dyn_cast<dist::PermuteOp>(op)) {
      int64_t source = permute.getSources()[size_t(place)];
      results.push_back(source < 0 ? Tensor::make(all[rank].dtype(), all[rank].shape()) : given[size_t(source)]);
    } else if (auto broadcast = mlir::dyn_cast<dist::BroadcastOp>(op)) results.push_back(given[size_t(broadcast.getRoot())]);
  }
  return results;
}

std::string textOf(mlir::Operation* op) {
  std::string text;
  llvm::raw_string_ostream(text) << *op;
  return text;
}

/// What is the same along an axis, by its type, is.
Status checkStates(mlir::Value value, const Mesh& mesh, const std::vector<Tensor>& byRank) {
  for (const std::string& axis : mesh.axes()) {
    dist::StateKind kind = dist::stateOf(startedType(value.getType()), mlir::StringAttr::get(value.getContext(), axis)).kind;
    if (kind != dist::StateKind::replicate && kind != dist::StateKind::invariant) continue;
    for (size_t rank = 0; rank < mesh.ranks(); ++rank)
      if (size_t first = mesh.group(rank, {axis})[0]; !sameBytes(byRank[first], byRank[rank]))
        return internalError("is called the same along " + axis + ", and ranks " + std::to_string(first) + " and " + std::to_string(rank) + " differ");
  }
  return Status::ok();
}

} // namespace

Part partOf(mlir::RankedTensorType placed, const Mesh& mesh, size_t rank, const Symbols& symbols) {
  Part part;
  for (auto [d, size] : llvm::enumerate(graph::sizesOf(placed))) {
    std::vector<std::string> axes;
    for (mlir::StringAttr axis : dist::axesOf(placed, int64_t(d))) axes.push_back(axis.str());
    int64_t whole = valueOf(size, symbols), ranks = 1;
    for (const std::string& axis : axes) ranks *= mesh.sizeOf(axis);
    int64_t own = (whole + ranks - 1) / ranks, start = std::min(whole, own * mesh.placeOf(rank, axes));
    part.own.push_back(own);
    part.start.push_back(start);
    part.count.push_back(std::min(own, whole - start));
  }
  return part;
}

Tensor cut(const Tensor& whole, const Part& part, double filling) {
  Tensor own = Tensor::make(whole.dtype(), part.own);
  for (int64_t i = 0; i < own.size(); ++i)
    isFloat(own.dtype()) ? own.setDouble(i, filling) : own.setInt(i, own.dtype() == DType::kBool ? 1 : filling == 0 ? 0 : 1000003);
  eachIndex(part.count, [&](const Shape& index) {
    Shape from = index;
    for (size_t d = 0; d < from.size(); ++d) from[d] += part.start[d];
    std::memcpy(element(own, at(part.own, index)), element(whole, at(whole.shape(), from)), elementBytes(whole));
  });
  return own;
}

bool isPart(const Tensor& own, const Tensor& whole, const Part& part) {
  if (own.shape() != part.own || own.dtype() != whole.dtype()) return false;
  bool same = true;
  eachIndex(part.count, [&](const Shape& index) {
    Shape from = index;
    for (size_t d = 0; d < from.size(); ++d) from[d] += part.start[d];
    int64_t a = at(part.own, index), b = at(whole.shape(), from);
    // -0 and 0 are one number: a sum of parts may end at either.
    same &= std::memcmp(element(own, a), element(whole, b), elementBytes(whole)) == 0 || (isFloat(own.dtype()) && own.getDouble(a) == whole.getDouble(b));
  });
  return same;
}

Expected<std::vector<std::vector<Tensor>>> computeInLockstep(mlir::func::FuncOp function, const Mesh& mesh, const Symbols& symbols,
                                                             const std::vector<std::vector<Tensor>>& arguments, const HostOpTable& table) {
  size_t ranks = mesh.ranks();
  std::vector<mlir::OwningOpRef<mlir::func::FuncOp>> copies;
  std::vector<mlir::Block::iterator> ops;
  std::vector<llvm::DenseMap<mlir::Value, Tensor>> values(ranks);
  for (size_t rank = 0; rank < ranks; ++rank) {
    Symbols known = symbols;
    for (const std::string& axis : mesh.axes()) known[dist::coordinateSymbol(axis)] = mesh.coordinate(rank, axis);
    copies.emplace_back(specialized(function, known));
    ops.push_back(copies.back()->getBody().front().begin());
    for (auto [argument, tensor] : llvm::zip_equal(copies.back()->getArguments(), arguments[rank])) values[rank][argument] = tensor;
  }
  std::vector<std::vector<Tensor>> results(ranks);
  for (mlir::Operation& op : function.getBody().front()) {
    std::vector<std::vector<Tensor>> given(ranks), made(ranks);
    for (size_t rank = 0; rank < ranks; ++rank)
      for (mlir::Value operand : ops[rank]->getOperands()) given[rank].push_back(values[rank].lookup(operand));
    if (op.hasTrait<mlir::OpTrait::IsTerminator>()) return given;
    if (auto byCounts = mlir::dyn_cast<dist::AllToAllVOp>(op)) {
      std::vector<std::string> axes;
      for (auto axis : byCounts.getAxes().getAsValueRange<mlir::StringAttr>()) axes.push_back(axis.str());
      for (size_t rank = 0; rank < ranks; ++rank) {
        std::vector<std::vector<Tensor>> members;
        for (size_t member : mesh.group(rank, axes)) members.push_back(given[member]);
        JINX_TRY_ASSIGN(Tensor y, rowsFor(mesh.placeOf(rank, axes), members, ints(mlir::cast<mlir::RankedTensorType>(ops[rank]->getResult(0).getType()).getShape())), textOf(&op));
        made[rank] = {y};
      }
    } else if (mlir::isa<dist::Collective>(op)) {
      std::vector<Tensor> all;
      for (auto& operands : given) all.push_back(operands[0]);
      std::vector<Tensor> exchanged = exchange(&op, mesh, all);
      for (size_t rank = 0; rank < ranks; ++rank) made[rank] = {exchanged[rank]};
    } else {
      for (size_t rank = 0; rank < ranks; ++rank) {
        auto computed = compute(&*ops[rank], given[rank], table);
        if (!computed.isOk()) return internalError("rank " + std::to_string(rank) + ": " + textOf(&op) + ": " + computed.status().message());
        made[rank] = *computed;
      }
    }
    for (auto [i, result] : llvm::enumerate(op.getResults())) {
      std::vector<Tensor> byRank;
      for (size_t rank = 0; rank < ranks; ++rank) {
        const Tensor& tensor = made[rank][i];
        Shape expected = ints(mlir::cast<mlir::RankedTensorType>(ops[rank]->getResult(unsigned(i)).getType()).getShape());
        if (tensor.shape() != expected) return internalError(textOf(&op) + ": is " + tensor.describe() + ", expected " + toString(expected));
        values[rank][ops[rank]->getResult(unsigned(i))] = tensor;
        byRank.push_back(tensor);
      }
      if (Status status = checkStates(result, mesh, byRank); !status.isOk()) return internalError(textOf(&op) + ": " + status.message());
    }
    for (auto& at : ops) ++at;
  }
  return internalError("the function has no return");
}

} // namespace jinx::test
