#include "tests/property/dist/RandomProgram.h"

#include <algorithm>
#include <set>

namespace jinx::test {
namespace {

/// From the whole range in every case: what comes late in a list is drawn as often.
int64_t below(int64_t n) { return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange<int64_t>(0, n)); }
bool oneIn(int64_t n) { return below(n) == 0; }

Shape shapeAt(const Dims& dims, int64_t n) {
  Shape shape;
  for (const Dim& d : dims) shape.push_back(d.at(n));
  return shape;
}

template <typename T, typename F>
std::string joined(const T& values, F text) {
  std::string all;
  for (const auto& v : values) all += (all.empty() ? "" : ", ") + text(v);
  return all;
}
std::string numbers(const std::vector<int64_t>& values) {
  return joined(values, [](int64_t v) { return std::to_string(v); });
}

struct Axis {
  std::string name;
  int64_t size;
};

} // namespace

class ProgramWriter {
 public:
  explicit ProgramWriter(RandomProgram& p) : p_(p) {}

  void write(int maxOperators) {
    drawMesh();
    float_ = !oneIn(4);
    p_.n_ = *extents(0, 9);
    for (int i = 0; i < 4; ++i) pool_.push_back(drawDim());
    int64_t arguments = 1 + below(2);
    for (int64_t i = 0; i < arguments; ++i) argument(drawDims(1 + below(3)), number(), -3, 3);
    int64_t operators = 1 + below(maxOperators);
    for (int64_t i = 0; i < operators; ++i) step();
    finish();
  }

 private:
  struct Node {
    std::string name;
    Dims dims;
    std::string type;   ///< of the elements
    double bound = 3;   ///< no element is larger
    bool isUsed = false;
    bool isExact = true; ///< integers
  };
  using Id = size_t;

  // ---- meshes and wishes ----

  void drawMesh() {
    static const std::vector<std::vector<int64_t>> kMany = {{64}, {8, 8}, {4, 4, 4}, {2, 4, 8}};
    static const std::vector<std::vector<int64_t>> kFew = {{1}, {2}, {3}, {4}, {5}, {8}, {2, 2}, {2, 3}, {3, 2}, {1, 2}, {4, 2}, {2, 4}, {2, 2, 2}, {2, 1, 3}};
    std::vector<int64_t> sizes = *rc::gen::elementOf(oneIn(25) ? kMany : kFew);
    for (size_t i = 0; i < sizes.size(); ++i) axes_.push_back({std::string(1, char('a' + i)), sizes[i]});
  }
  std::string wish(size_t rank) {
    std::vector<std::string> free;
    for (const Axis& axis : axes_) free.push_back(axis.name);
    std::string text;
    for (size_t d = 0; d < rank; ++d) {
      std::string dim;
      int64_t count = oneIn(2) ? 0 : 1 + below(2);
      for (int64_t i = 0; i < count && !free.empty(); ++i) {
        size_t chosen = size_t(below(int64_t(free.size())));
        dim += (dim.empty() ? "\"" : ", \"") + free[chosen] + "\"";
        free.erase(free.begin() + ptrdiff_t(chosen));
      }
      if (!oneIn(3)) dim += dim.empty() ? "?" : ", ?";
      text += (d ? ", [" : "[") + dim + "]" + (oneIn(4) ? " p" + std::to_string(below(3)) : "");
    }
    return "<[" + text + "]>";
  }

  // ---- sizes and types ----

  Dim drawDim() {
    if (oneIn(4)) return {1 + below(2), below(2)};
    return {0, *rc::gen::weightedElement<int64_t>({{1, 0}, {2, 1}, {3, 2}, {3, 3}, {4, 4}, {3, 5}, {3, 6}, {2, 7}, {3, 8}, {1, 9}})};
  }
  Dim pooled() { return pool_[size_t(below(int64_t(pool_.size())))]; }
  Dims drawDims(int64_t rank) {
    Dims dims;
    for (int64_t d = 0; d < rank; ++d) dims.push_back(pooled());
    return dims;
  }
  std::string number() const { return float_ ? "f32" : "i32"; }
  static std::string typeText(const Dims& dims, const std::string& element) {
    std::string shape, formulas;
    bool symbolic = false;
    for (const Dim& d : dims) {
      shape += (d.fixed() ? std::to_string(d.b) : "?") + "x";
      formulas += (formulas.empty() ? "\"" : ", \"") + d.text() + "\"";
      symbolic = symbolic || !d.fixed();
    }
    return "tensor<" + shape + element + (symbolic ? ", #jinx.dims<" + formulas + ">" : "") + ">";
  }
  int64_t elements(const Dims& dims) const {
    int64_t count = 1;
    for (const Dim& d : dims) count *= std::max<int64_t>(1, d.at(9));
    return count;
  }
  static constexpr int64_t kMostElements = 3000; ///< at n = 9

  // ---- writing ----

  const Dims& dims(Id v) const { return nodes_[v].dims; }
  std::string type(Id v) const { return typeText(nodes_[v].dims, nodes_[v].type); }
  const std::string& name(Id v) {
    nodes_[v].isUsed = true;
    return nodes_[v].name;
  }

  Id argument(Dims dims, const std::string& element, int64_t low, int64_t high) {
    std::string name = "%x" + std::to_string(p_.arguments_.size());
    p_.arguments_.push_back({dims, dtypeFromName(element), low, high});
    parameters_ += (parameters_.empty() ? "" : ", ") + name + ": " + typeText(dims, element);
    if (!oneIn(4)) parameters_ += " {dist.sharding = #dist.sharding" + wish(dims.size()) + "}";
    nodes_.push_back({name, dims, element, double(std::max(-low, high)), true});
    return nodes_.size() - 1;
  }
  Id add(const std::string& op, const std::vector<Id>& operands, const std::string& rest, Dims dims, double bound, std::string element = "") {
    if (element.empty()) element = nodes_[operands[0]].type;
    std::string names = joined(operands, [&](Id v) { return name(v); }), types = joined(operands, [&](Id v) { return type(v); });
    std::string made = "%v" + std::to_string(nodes_.size());
    body_ += "    " + made + " = " + op + names + rest + " : " + (types.empty() ? "" : types + (op.find("jinx.iota") == 0 ? "" : " -> ")) +
             typeText(dims, element) + "\n";
    nodes_.push_back({made, std::move(dims), element, bound, false});
    return nodes_.size() - 1;
  }
  Id scalar(const std::string& value, const std::string& element) {
    std::string made = "%v" + std::to_string(nodes_.size());
    body_ += "    " + made + " = jinx.constant dense<" + value + "> : tensor<" + element + ">\n";
    nodes_.push_back({made, {}, element, 7, true});
    return nodes_.size() - 1;
  }
  std::string literal(int64_t value) const { return std::to_string(value) + (float_ ? ".0" : ""); }

  /// A value no larger than `most`.
  Id small(Id v, double most = 8) {
    if (nodes_[v].bound <= most) return v;
    return add("jinx.mod ", {v, scalar(literal(7), nodes_[v].type)}, "", dims(v), 7);
  }

  // ---- operators ----

  /// A value of numbers.
  Id any() {
    std::vector<Id> fits;
    for (Id v = 0; v < nodes_.size(); ++v)
      if (nodes_[v].type == number() && nodes_[v].isExact && !(nodes_[v].dims.empty() && nodes_[v].name[1] == 'v' && nodes_[v].isUsed)) fits.push_back(v);
    // Late ones, more often than not: chains are longer.
    size_t at = size_t(below(int64_t(fits.size())));
    if (oneIn(2)) at = std::max(at, size_t(below(int64_t(fits.size()))));
    return fits[at];
  }
  Id anyOfRank(size_t least, size_t most = 4) {
    for (int i = 0; i < 3; ++i)
      if (Id v = any(); dims(v).size() >= least && dims(v).size() <= most) return v;
    return argument(drawDims(int64_t(least)), number(), -3, 3);
  }
  size_t axisOf(Id v) { return size_t(below(int64_t(dims(v).size()))); }

  void step() {
    switch (below(26)) {
    case 0: return unary();
    case 1:
    case 2:
    case 3: return binary();
    case 4: return transpose();
    case 5:
    case 6: return reshape();
    case 7: return broadcast();
    case 8:
    case 9: return reduce();
    case 10: { Id v = anyOfRank(1); softmax(v, axisOf(v)); return; }
    case 11:
    case 12:
    case 13: return matmul();
    case 14: return gather();
    case 15: return conv();
    case 16: return concat();
    case 17: return slice();
    case 18: return pad();
    case 19: return sequence();
    case 20: return select();
    case 21: return attention();
    case 22: return experts();
    case 23: return indexed();
    case 24: return constrain();
    default: return quotient();
    }
  }

  void unary() {
    Id v = any();
    auto [op, grows] = *rc::gen::element(std::make_pair("neg", 0), std::make_pair("abs", 0), std::make_pair("relu", 0));
    add(std::string("jinx.") + op + " ", {v}, "", dims(v), nodes_[v].bound + grows);
  }

  /// With a value of its shape, or an argument of a part of it that broadcasts.
  void binary() {
    Id a = any();
    std::vector<Id> fits;
    for (Id v = 0; v < nodes_.size(); ++v)
      if (nodes_[v].type == number() && nodes_[v].isExact && dims(v) == dims(a)) fits.push_back(v);
    Id b = fits[size_t(below(int64_t(fits.size())))];
    if (oneIn(3)) {
      Dims part(dims(a).begin() + ptrdiff_t(below(int64_t(dims(a).size()) + 1)), dims(a).end());
      for (Dim& d : part)
        if (oneIn(3)) d = {0, 1};
      b = argument(part, number(), -3, 3);
    }
    std::string op = *rc::gen::element<std::string>("add", "add", "sub", "mul", "max", "min");
    if (op == "mul") a = small(a, 100), b = small(b, 100);
    if (nodes_[a].bound + nodes_[b].bound > 10000) a = small(a), b = small(b);
    double bound = op == "mul" ? nodes_[a].bound * nodes_[b].bound : nodes_[a].bound + nodes_[b].bound;
    add("jinx." + op + " ", {a, b}, "", dims(a), bound);
  }

  void quotient() {
    Id a = any();
    Id b = add("jinx.abs ", {argument(dims(a), number(), -3, 3)}, "", dims(a), 3);
    b = add("jinx.max ", {b, scalar(literal(1), number())}, "", dims(a), 3);
    Id y = add(oneIn(2) ? "jinx.mod " : "jinx.div ", {a, b}, "", dims(a), nodes_[a].bound);
    if (!float_) return;
    nodes_[y].isExact = false;
    add("jinx.floor ", {y}, "", dims(a), nodes_[a].bound + 1);
  }

  Id transposed(Id v, const std::vector<int64_t>& perm) {
    Dims out;
    for (int64_t axis : perm) out.push_back(dims(v)[size_t(axis)]);
    return add("jinx.transpose ", {v}, ", [" + numbers(perm) + "]", out, nodes_[v].bound);
  }
  void transpose() {
    Id v = any();
    transposed(v, *permutations(int64_t(dims(v).size())));
  }

  Id reshaped(Id v, Dims out) { return add("jinx.reshape ", {v}, "", std::move(out), nodes_[v].bound); }
  /// Joins a dimension with its neighbour, takes one apart, or adds one of 1.
  void reshape() {
    Id v = any();
    Dims out = dims(v);
    size_t axis = out.empty() ? 0 : axisOf(v);
    int64_t how = below(4);
    if (how <= 1 && axis + 1 < out.size() && (out[axis].fixed() || out[axis + 1].fixed())) {
      Dim a = out[axis], b = out[axis + 1];
      out[axis] = a.fixed() ? Dim{b.a * a.b, b.b * a.b} : Dim{a.a * b.b, a.b * b.b};
      out.erase(out.begin() + ptrdiff_t(axis) + 1);
    } else if (how == 2 && !out.empty() && out.size() < 5) {
      for (int64_t major : {2, 3, 4})
        if (out[axis].a % major == 0 && out[axis].b % major == 0 && out[axis] != Dim{}) {
          bool first = oneIn(2);
          Dim rest{out[axis].a / major, out[axis].b / major};
          out[axis] = first ? rest : Dim{0, major};
          out.insert(out.begin() + ptrdiff_t(axis), first ? Dim{0, major} : rest);
          break;
        }
    } else if (out.size() < 5) {
      out.insert(out.begin() + ptrdiff_t(axis), Dim{0, 1});
    }
    reshaped(v, out);
  }

  void broadcast() {
    Id v = anyOfRank(0, 3);
    Dims out = dims(v);
    for (Dim& d : out)
      if (d == Dim{0, 1} && oneIn(2)) d = pooled();
    if (oneIn(2)) out.insert(out.begin(), pooled());
    if (elements(out) <= kMostElements) add("jinx.broadcast ", {v}, "", out, nodes_[v].bound);
  }

  Id reducedBy(const std::string& kind, Id v, std::vector<int64_t> axes) {
    Dims out = dims(v);
    double terms = 1;
    for (int64_t axis : axes) {
      terms *= double(std::max<int64_t>(1, out[size_t(axis)].at(9)));
      out[size_t(axis)] = {0, 1};
    }
    if (kind == "sum" && terms * nodes_[v].bound > 1e6) v = small(v);
    return add("jinx.reduce " + kind + ", ", {v}, " axes [" + numbers(axes) + "]", out, kind == "sum" ? terms * nodes_[v].bound : nodes_[v].bound);
  }
  /// Largest and smallest only of what surely has elements.
  bool isFilled(Id v, size_t axis) const { return dims(v)[axis].b > 0; }
  void reduce() {
    Id v = anyOfRank(1);
    std::string kind = *rc::gen::element<std::string>("sum", "sum", "max", "min", "prod");
    std::vector<int64_t> axes;
    for (size_t d = 0; d < dims(v).size(); ++d)
      if (!oneIn(3) && (kind == "sum" || kind == "prod" || isFilled(v, d))) axes.push_back(int64_t(d));
    if (kind == "prod") { // of -1, 0 and 1: the sign of what is smaller than 2
      Id one = scalar(literal(1), number()), minus = scalar(literal(-1), number());
      v = add("jinx.max ", {add("jinx.min ", {v, one}, "", dims(v), 1), minus}, "", dims(v), 1);
    }
    Id y = reducedBy(kind, v, axes);
    if (!oneIn(2)) return;
    Dims kept;
    for (size_t d = 0; d < dims(v).size(); ++d)
      if (std::find(axes.begin(), axes.end(), int64_t(d)) == axes.end()) kept.push_back(dims(v)[d]);
    reshaped(y, kept);
  }

  /// As models have it, but with 1 + max(x - largest, -3) for the exponential and without the quotient: integers.
  Id softmax(Id v, size_t axis) {
    if (!isFilled(v, axis)) return v;
    v = small(v);
    Id most = reducedBy("max", v, {int64_t(axis)});
    Id d = add("jinx.sub ", {v, most}, "", dims(v), 16);
    Id e = add("jinx.relu ", {add("jinx.add ", {d, scalar(literal(3), number())}, "", dims(v), 19)}, "", dims(v), 3);
    Id sum = reducedBy("sum", e, {int64_t(axis)});
    return add("jinx.mul ", {e, small(sum, 100)}, "", dims(v), 300);
  }

  Id product(Id a, Id b, bool transposeB) {
    a = small(a), b = small(b);
    Dims out(dims(a).begin(), dims(a).end() - 2);
    if (dims(b).size() > dims(a).size()) out.assign(dims(b).begin(), dims(b).end() - 2);
    out.push_back(dims(a)[dims(a).size() - 2]);
    out.push_back(transposeB ? dims(b)[dims(b).size() - 2] : dims(b).back());
    double k = double(std::max<int64_t>(1, dims(a).back().at(9)));
    return add("jinx.matmul ", {a, b}, transposeB ? " transpose_b" : "", out, k * nodes_[a].bound * nodes_[b].bound);
  }
  /// With weights, with a value of the same batch, or with itself.
  void matmul() {
    Id a = anyOfRank(2);
    Dims b = dims(a);
    Dim k = b.back(), n = pooled();
    bool transposeB = oneIn(3), isBatched = b.size() > 2 && oneIn(2);
    if (oneIn(5)) {
      Dims out = dims(a);
      out.back() = out[out.size() - 2];
      if (elements(out) <= kMostElements) product(a, a, true);
      return;
    }
    if (!isBatched) b.erase(b.begin(), b.end() - 2);
    b[b.size() - 2] = transposeB ? n : k;
    b.back() = transposeB ? k : n;
    Dims out = dims(a);
    out.back() = n;
    if (elements(out) <= kMostElements && elements(b) <= kMostElements) product(a, argument(b, number(), -3, 3), transposeB);
  }

  /// An embedding, or any rows of a value; indices count from both ends.
  void gather() {
    Id v = oneIn(2) ? argument(drawDims(2), number(), -3, 3) : anyOfRank(1, 3);
    size_t axis = oneIn(2) ? 0 : axisOf(v);
    int64_t extent = dims(v)[axis].b;
    if (extent == 0) return;
    Dims places = drawDims(oneIn(8) ? 0 : 1 + below(2)), out = dims(v);
    Id index = argument(places, oneIn(2) ? "i64" : "i32", -extent, extent - 1);
    out.erase(out.begin() + ptrdiff_t(axis));
    out.insert(out.begin() + ptrdiff_t(axis), places.begin(), places.end());
    if (elements(out) <= kMostElements) add("jinx.gather ", {v, index}, " axis " + std::to_string(axis), out, nodes_[v].bound);
  }

  /// Elements by coordinates, and updates of them.
  void indexed() {
    Id v = anyOfRank(1, 3);
    size_t axis = axisOf(v);
    int64_t extent = dims(v)[axis].b;
    if (extent == 0) return;
    Dims at = dims(v);
    switch (below(3)) {
    case 0: {
      at[axis] = pooled();
      if (elements(at) > kMostElements) return;
      add("jinx.gather_elements ", {v, argument(at, "i64", -extent, extent - 1)}, " axis " + std::to_string(axis), at, nodes_[v].bound);
      return;
    }
    case 1: {
      if (axis != 0) return;
      Dim count = pooled();
      Dims out = dims(v);
      out[0] = count;
      if (elements(out) > kMostElements) return;
      add("jinx.gather_nd ", {v, argument({count, {0, 1}}, "i64", 0, extent - 1)}, "", out, nodes_[v].bound);
      return;
    }
    default: {
      at[axis] = pooled();
      if (elements(at) > kMostElements) return;
      Id index = argument(at, "i64", 0, extent - 1), updates = argument(at, number(), -3, 3);
      add("jinx.scatter_elements add, ", {small(v), index, updates}, " axis " + std::to_string(axis), dims(v), 8 + 3 * double(at[axis].at(9)));
    }
    }
  }

  void conv() {
    if (!float_) return;
    int64_t group = *rc::gen::element<int64_t>(1, 2, 3, 4), c = 1 + below(3), o = 1 + below(3), taps = 1 + below(3);
    Dim batch = pooled(), length = pooled();
    Id x = argument({batch, {0, group * c}, length}, "f32", -3, 3);
    Dims out = {batch, {0, group * o}, length};
    int64_t low = below(taps), high = taps - 1 - low;
    if (length.b == 0 || elements(out) > kMostElements) return;
    Id w = argument({{0, group * o}, {0, c}, {0, taps}}, "f32", -3, 3);
    add("jinx.conv ", {x, w},
        " {strides = array<i64: 1>, pads = array<i64: " + numbers({low, high}) + ">, dilations = array<i64: 1>, group = " + std::to_string(group) + " : i64}",
        out, 9.0 * double(c * taps));
  }

  void concat() {
    Id v = anyOfRank(1);
    size_t axis = axisOf(v);
    Dims other = dims(v), out = dims(v);
    other[axis] = pooled();
    Id w = oneIn(3) ? v : argument(other, number(), -3, 3);
    out[axis].a += dims(w)[axis].a;
    out[axis].b += dims(w)[axis].b;
    if (elements(out) <= kMostElements) add("jinx.concat ", {v, w}, " axis " + std::to_string(axis), out, std::max(nodes_[v].bound, nodes_[w].bound));
  }

  void slice() {
    Id v = anyOfRank(1);
    size_t axis = axisOf(v);
    Dims out = dims(v);
    std::vector<int64_t> starts(out.size(), 0), steps(out.size(), 1);
    if (out[axis].b > 0) starts[axis] = below(out[axis].b);
    out[axis].b -= starts[axis];
    if (out[axis].fixed() && out[axis].b > 0 && oneIn(2)) {
      int64_t rest = out[axis].b;
      steps[axis] = *rc::gen::element<int64_t>(2, -1, -2);
      if (steps[axis] < 0) starts[axis] += rest - 1, rest = starts[axis] + 1;
      out[axis].b = (rest + std::abs(steps[axis]) - 1) / std::abs(steps[axis]);
    }
    add("jinx.slice ", {v}, " starts [" + joined(starts, [](int64_t s) { return "\"" + std::to_string(s) + "\""; }) + "] steps [" + numbers(steps) + "]", out,
        nodes_[v].bound);
  }

  void pad() {
    Id v = anyOfRank(1);
    Dims out = dims(v);
    std::string low;
    for (Dim& d : out) {
      int64_t before = oneIn(2) ? 0 : below(3), after = oneIn(2) ? 0 : below(3);
      d.b += before + after;
      low += (low.empty() ? "\"" : ", \"") + std::to_string(before) + "\"";
    }
    if (elements(out) > kMostElements) return;
    Id value = scalar(literal(-1 + below(3)), number());
    std::string made = "%v" + std::to_string(nodes_.size());
    body_ += "    " + made + " = jinx.pad " + name(v) + " value " + name(value) + " low [" + low + "] mode constant : " + type(v) + ", " + type(value) +
             " -> " + typeText(out, number()) + "\n";
    nodes_.push_back({made, out, number(), std::max(1.0, nodes_[v].bound), false});
  }

  /// Along a dimension: places, running sums, the largest.
  void sequence() {
    Id v = anyOfRank(1);
    size_t axis = axisOf(v);
    std::string along = " axis " + std::to_string(axis);
    double extent = double(std::max<int64_t>(1, dims(v)[axis].at(9)));
    switch (below(3)) {
    case 0: {
      Id places = iota(dims(v), axis);
      add("jinx.add ", {small(v), places}, "", dims(v), 8 + extent);
      return;
    }
    case 1: add("jinx.cumsum ", {small(v)}, along + (oneIn(3) ? " reverse" : ""), dims(v), 8 * extent); return;
    default: {
      if (dims(v)[axis].b < 1) return;
      largest(v, axis, 1 + below(dims(v)[axis].b));
    }
    }
  }
  Id iota(Dims dims, size_t axis) {
    std::string made = "%v" + std::to_string(nodes_.size());
    body_ += "    " + made + " = jinx.iota axis " + std::to_string(axis) + " : " + typeText(dims, "i64") + "\n";
    nodes_.push_back({made, dims, "i64", 100, true});
    return add("jinx.cast ", {nodes_.size() - 1}, "", dims, double(std::max<int64_t>(1, dims[axis].at(9))), number());
  }
  /// \returns the values; their places are the next node
  Id largest(Id v, size_t axis, int64_t count) {
    Dims out = dims(v);
    out[axis] = {0, count};
    std::string made = "%v" + std::to_string(nodes_.size()), places = "%v" + std::to_string(nodes_.size() + 1);
    body_ += "    " + made + ", " + places + " = jinx.top_k " + name(v) + " axis " + std::to_string(axis) + " : " + type(v) + " -> " + typeText(out, number()) +
             ", " + typeText(out, "i64") + "\n";
    nodes_.push_back({made, out, number(), nodes_[v].bound, false});
    nodes_.push_back({places, out, "i64", 100, false});
    return nodes_.size() - 2;
  }

  void select() {
    Id v = any();
    std::string predicate = *rc::gen::element<std::string>("lt", "le", "gt", "ge", "eq");
    Id where = argument(dims(v), number(), -3, 3);
    Id flags = add("jinx.compare " + predicate + ", ", {small(v), where}, "", dims(v), 1, "i1");
    Id other = oneIn(2) ? scalar(literal(2), number()) : where;
    add("jinx.select ", oneIn(2) ? std::vector<Id>{flags, v, other} : std::vector<Id>{flags, other, v}, "", dims(v), std::max(nodes_[v].bound, 3.0), number());
  }

  /// [b, s, h*d] to heads, scores, a softmax, values, and back.
  void attention() {
    Dim batch = pooled(), length = pooled();
    int64_t heads = 1 + below(4), depth = 1 + below(4);
    Dims in = {batch, length, {0, heads * depth}};
    if (elements(in) > 1000 || length.b == 0 || elements({batch, {0, heads}, length, length}) > kMostElements) return;
    if ((!batch.fixed() && !length.fixed())) return;
    Id x = argument(in, number(), -2, 2);
    Id part[3];
    for (Id& p : part) {
      Id y = product(x, argument({in[2], in[2]}, number(), -2, 2), false);
      p = transposed(reshaped(y, {batch, length, {0, heads}, {0, depth}}), {0, 2, 1, 3});
    }
    Id scores = softmax(product(part[0], part[1], true), 3);
    Id y = transposed(product(scores, part[2], false), {0, 2, 1, 3});
    product(reshaped(y, in), argument({in[2], pooled()}, number(), -2, 2), false);
  }

  /// Each token's best experts, weights from their scores, all experts' products, and their sum by these weights.
  void experts() {
    Dim tokens = pooled(), width = pooled(), out = pooled();
    int64_t count = 2 + below(4), best = 1 + below(2);
    if (elements({{0, count}, tokens, out}) > kMostElements) return;
    Id x = argument({tokens, width}, number(), -2, 2);
    Id scores = small(product(x, argument({width, {0, count}}, number(), -2, 2), false));
    Id values = largest(scores, 1, best);
    Id least = reducedBy("min", values, {1});
    Id chosen = add("jinx.compare ge, ", {scores, least}, "", dims(scores), 1, "i1");
    Id weights = add("jinx.select ", {chosen, scores, scalar(literal(0), number())}, "", dims(scores), 8, number());
    Id each = small(product(x, argument({{0, count}, width, out}, number(), -2, 2), false)); // [experts, tokens, out]
    Id byExpert = reshaped(transposed(weights, {1, 0}), {{0, count}, tokens, {0, 1}});
    reducedBy("sum", add("jinx.mul ", {each, byExpert}, "", dims(each), 64), {0});
  }

 public:
  void writeMixture() {
    float_ = true;
    p_.n_ = *extents(0, 9);
    axes_ = {{"ep", 2 + below(7)}, {"dp", 1 + below(2)}, {"tp", 1 + below(2)}};
    if (oneIn(2)) std::swap(axes_[0], axes_[1]);
    const Dim tokens = oneIn(3) ? Dim{1 + below(2), below(2)} : Dim{0, below(14)};
    const Dim experts{0, 1 + below(9)}, used{0, 1 + below(3)}, width{0, 1 + below(4)}, hidden{0, 1 + below(4)}, out{0, 1 + below(3)};
    const std::string rows = oneIn(3) ? "[\"dp\", \"ep\"], []" : oneIn(2) ? "[\"ep\", \"dp\"], []" : "[\"ep\"], []";
    const std::string inside = oneIn(2) ? "\"tp\"" : "";
    auto given = [&](Dims dims, const std::string& element, int64_t low, int64_t high, const std::string& wish) {
      std::string name = "%x" + std::to_string(p_.arguments_.size());
      p_.arguments_.push_back({dims, dtypeFromName(element), low, high});
      parameters_ += (parameters_.empty() ? "" : ", ") + name + ": " + typeText(dims, element) + " {dist.sharding = #dist.sharding<[" + wish + "]>}";
      nodes_.push_back({name, dims, element, 3, true});
      return nodes_.size() - 1;
    };
    const std::string columns = "[\"ep\"], [" + inside + "], []";
    const Id x = given({tokens, width}, "f32", -2, 2, rows), chosen = given({tokens, used}, "i64", -2, experts.b + 1, rows), weights = given({tokens, used}, "f32", -2, 2, rows),
             gate = given({experts, hidden, width}, "f32", -1, 1, columns), up = given({experts, hidden, width}, "f32", -2, 2, columns),
             down = given({experts, out, hidden}, "f32", -2, 2, "[\"ep\"], [], [" + inside + "]");
    const Id gates = add("jinx.mul ", {gate, scalar("128.0", "f32")}, "", dims(gate), 128);
    const std::vector<Id> operands = {x, chosen, weights, gates, up, down};
    const std::string result = typeText({tokens, out}, "f32");
    body_ += "    %y = jinx.experts silu " + joined(operands, [&](Id v) { return name(v); }) + " : (" + joined(operands, [&](Id v) { return type(v); }) + ") -> " + result + "\n";
    const std::string mesh = joined(axes_, [](const Axis& axis) { return "\"" + axis.name + "\" = " + std::to_string(axis.size); });
    p_.text_ = "module {\n  dist.mesh @mesh <" + mesh + ">\n  func.func @main(" + parameters_ + ") -> (" + result + " {dist.sharding = #dist.sharding<[" + rows + "]>}) attributes {dist.annotated = @mesh} {\n" +
               body_ + "    return %y : " + result + "\n  }\n}\n";
  }

 private:
  void constrain() {
    Id v = any();
    std::string made = "%v" + std::to_string(nodes_.size());
    body_ += "    " + made + " = dist.constrain " + name(v) + " " + wish(dims(v).size()) + " : " + type(v) + "\n";
    nodes_.push_back({made, dims(v), nodes_[v].type, nodes_[v].bound, false});
  }

  void finish() {
    std::vector<Id> results;
    for (Id v = 0; v < nodes_.size(); ++v)
      if (!nodes_[v].isUsed || (nodes_[v].name[1] == 'v' && oneIn(8))) results.push_back(v);
    if (results.empty()) results.push_back(nodes_.size() - 1);
    std::string kinds = joined(results, [&](Id v) { return type(v) + (oneIn(2) ? " {dist.sharding = #dist.sharding" + wish(dims(v).size()) + "}" : ""); });
    std::string mesh = joined(axes_, [](const Axis& axis) { return "\"" + axis.name + "\" = " + std::to_string(axis.size); });
    p_.text_ = "module {\n  dist.mesh @mesh <" + mesh + ">\n  func.func @main(" + parameters_ + ") -> (" + kinds + ") attributes {dist.annotated = @mesh} {\n" +
               body_ + "    return " + joined(results, [&](Id v) { return name(v); }) + " : " + joined(results, [&](Id v) { return type(v); }) + "\n  }\n}\n";
  }

  RandomProgram& p_;
  std::vector<Axis> axes_;
  bool float_ = true;
  Dims pool_;
  std::vector<Node> nodes_;
  std::string parameters_, body_;
};

RandomProgram RandomProgram::draw(int maxOperators) {
  RandomProgram p;
  ProgramWriter(p).write(maxOperators);
  return p;
}

RandomProgram RandomProgram::drawMixture() {
  RandomProgram p;
  ProgramWriter(p).writeMixture();
  return p;
}

std::vector<Tensor> RandomProgram::drawArguments(uint64_t seed) const {
  std::vector<Tensor> tensors;
  for (const Argument& argument : arguments_) tensors.push_back(smallIntegers(argument.type, shapeAt(argument.dims, n_), ++seed, argument.low, argument.high));
  return tensors;
}

} // namespace jinx::test
