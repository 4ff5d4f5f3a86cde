#include "tests/property/graph/RandomGraph.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/property/runtime/HostOps.h"

namespace jinx::test {
namespace {

constexpr double kFunction = 8; ///< roundoffs that a function may be off by

std::string joined(const std::vector<int64_t>& values) {
  std::string text;
  for (int64_t v : values)
    text += (text.empty() ? "" : ", ") + std::to_string(v);
  return text;
}

double largest(const Tensor& t) {
  double most = 0;
  for (int64_t i = 0; i < t.size(); ++i)
    most = std::max(most, std::fabs(t.getDouble(i)));
  return most;
}

Shape shapeAt(const Dims& dims, int64_t n) {
  Shape shape;
  for (const Dim& d : dims)
    shape.push_back(d.at(n));
  return shape;
}


} // namespace

std::string Dim::text() const {
  if (a == 0) return std::to_string(b);
  return (a == 1 ? "n" : std::to_string(a) + "*n") + (b ? " + " + std::to_string(b) : "");
}

class GraphWriter {
 public:
  explicit GraphWriter(RandomGraph& g) : g_(g) {}

  void write(int maxOperators) {
    g_.type_ = *rc::gen::weightedElement<DType>({{6, DType::kF32}, {2, DType::kF64}, {2, DType::kI32}});
    integer_ = isInteger(g_.type_);
    oracle_ = integer_ ? g_.type_ : DType::kF64;
    unit_ = integer_ ? 0 : g_.type_ == DType::kF32 ? std::exp2(-24) : std::exp2(-53);
    drawn_ = *rc::gen::inRange(0, 4) == 0 ? imageDims() : rowDims();
    g_.inputs_ = static_cast<size_t>(*rc::gen::inRange(1, 3));
    for (size_t i = 0; i < g_.inputs_; ++i) {
      g_.nodes_.push_back({drawn_, {}});
      names_.push_back("%x" + std::to_string(i));
    }
    int operators = *rc::gen::inRange(1, maxOperators + 1);
    for (int i = 0; i < operators; ++i)
      step();
    finish();
  }

 private:
  // ---- shapes ----

  static Dim drawDim() {
    Dim d;
    d.a = *rc::gen::weightedElement<int64_t>({{3, 0}, {2, 1}, {1, 2}});
    d.b = d.a ? *rc::gen::inRange<int64_t>(0, 3) : *extents(0, 20);
    return d;
  }
  static Dims rowDims() {
    Dims dims(static_cast<size_t>(*rc::gen::inRange(1, 5)));
    for (Dim& d : dims)
      d = drawDim();
    return dims;
  }
  /// Batch, channels, height, width.
  static Dims imageDims() {
    return {{*rc::gen::inRange<int64_t>(0, 2), 1}, {0, *rc::gen::element<int64_t>(1, 3, 4, 16, 17)}, {*rc::gen::inRange<int64_t>(0, 2), *extents(3, 9)}, {0, *extents(3, 9)}};
  }
  int64_t elements(const Dims& dims) const {
    int64_t count = 1;
    for (const Dim& d : dims)
      count *= std::max<int64_t>(d.at(9), 1);
    return count;
  }
  std::string typeText(const Dims& dims, const char* element = nullptr) const {
    std::string shape, formulas;
    bool symbolic = false;
    for (const Dim& d : dims) {
      shape += (d.fixed() ? std::to_string(d.b) : "?") + "x";
      formulas += (formulas.empty() ? "\"" : ", \"") + d.text() + "\"";
      symbolic = symbolic || !d.fixed();
    }
    std::string name = element ? element : std::string(jinx::name(g_.type_));
    return "tensor<" + shape + name + (symbolic ? ", #jinx.dims<" + formulas + ">" : "") + ">";
  }
  const Dims& dims(size_t v) const { return g_.nodes_[v].dims; }
  std::string type(size_t v) const { return typeText(dims(v)); }

  // ---- writing ----

  size_t add(const std::string& line, Dims dims, RandomGraph::Compute compute) {
    names_.push_back("%v" + std::to_string(g_.nodes_.size()));
    body_ += "    " + names_.back() + " = " + line + " -> " + typeText(dims) + "\n";
    g_.nodes_.push_back({std::move(dims), std::move(compute)});
    return g_.nodes_.size() - 1;
  }
  /// A constant, and its value as the oracle has it. Floats are quarters, exact in every type.
  std::pair<std::string, Tensor> constant(const Shape& shape, int64_t low = -6, int64_t high = 6) {
    Tensor whole = smallIntegers(oracle_, shape, *seeds(), low, high);
    std::string values;
    Dims fixed;
    for (int64_t extent : shape)
      fixed.push_back({0, extent});
    for (int64_t i = 0; i < whole.size(); ++i) {
      if (!integer_) whole.setDouble(i, whole.getDouble(i) / 4);
      values += (i ? ", " : "") + (integer_ ? std::to_string(whole.getInt(i)) : std::to_string(whole.getDouble(i)));
    }
    std::string name = "%c" + std::to_string(++constants_);
    // Flat, and reshaped: nested brackets are not worth writing.
    std::string flat = "tensor<" + std::to_string(whole.size()) + "x" + std::string(jinx::name(g_.type_)) + ">";
    body_ += "    " + name + "f = jinx.constant dense<" + (whole.size() ? "[" + values + "]" : "") + "> : " + flat + "\n";
    body_ += "    " + name + " = jinx.reshape " + name + "f : " + flat + " -> " + typeText(fixed) + "\n";
    return {name, whole};
  }

  // ---- operators ----

  size_t any() { return static_cast<size_t>(*rc::gen::inRange<int64_t>(0, static_cast<int64_t>(g_.nodes_.size()))); }
  size_t axisOf(size_t v) { return static_cast<size_t>(*rc::gen::inRange<int64_t>(0, static_cast<int64_t>(dims(v).size()))); }

  void step() {
    size_t v = any();
    switch (*rc::gen::inRange(0, 14)) {
    case 0:
      return unary(v);
    case 1:
    case 2:
      return binary(v);
    case 3:
      return transpose(v);
    case 4:
      return reshape(v);
    case 5:
      return slice(v);
    case 6:
      return concat(v);
    case 7:
      return pad(v);
    case 8:
      return broadcast(v);
    case 9:
      return reduce(v);
    case 10:
      return softmax(v);
    case 11:
      return gather(v);
    case 12:
      return matmul(v);
    default:
      return window(v);
    }
  }

  void unary(size_t v) {
    struct Function {
      const char *name, *onnx;
      double slope;
    };
    static const std::vector<Function> kExact = {{"neg", "Neg", 1}, {"abs", "Abs", 1}, {"relu", "Relu", 1}};
    static const std::vector<Function> kAll = {{"neg", "Neg", 1},         {"abs", "Abs", 1}, {"relu", "Relu", 1},  {"tanh", "Tanh", 1},
                                               {"sigmoid", "Sigmoid", 1}, {"sin", "Sin", 1}, {"erf", "Erf", 1.13}, {"atan", "Atan", 1}};
    Function f = *rc::gen::elementOf(integer_ ? kExact : kAll);
    bool exact = std::any_of(kExact.begin(), kExact.end(), [&](const Function& e) { return e.onnx == std::string(f.onnx); });
    double u = unit_;
    add(std::string("jinx.") + f.name + " " + names_[v] + " : " + type(v), dims(v), [=](int64_t, const std::vector<Answer>& values) {
      Tensor y = call(f.onnx, {values[v].value});
      return Answer{y, f.slope * values[v].error + (exact ? 0 : kFunction * u * std::max(1.0, largest(y)))};
    });
  }

  /// What broadcasts against `v`: a value of its shape, a value with some sizes 1, or a constant along its last axis.
  void binary(size_t v) {
    std::vector<size_t> fits;
    for (size_t i = 0; i < g_.nodes_.size(); ++i) {
      bool fit = dims(i).size() <= dims(v).size();
      for (size_t k = 0; fit && k < dims(i).size(); ++k) {
        Dim mine = dims(v)[dims(v).size() - 1 - k], other = dims(i)[dims(i).size() - 1 - k];
        fit = other == mine || other == Dim{0, 1};
      }
      if (fit) fits.push_back(i);
    }
    std::string other, otherType;
    size_t w = *rc::gen::elementOf(fits);
    Tensor fixed;
    if (!dims(v).empty() && dims(v).back().fixed() && *rc::gen::inRange(0, 3) == 0) {
      std::tie(other, fixed) = constant({dims(v).back().b});
      otherType = typeText({dims(v).back()});
    } else {
      other = names_[w];
      otherType = type(w);
    }
    auto [name, onnx] = *rc::gen::element(std::make_pair("add", "Add"), std::make_pair("sub", "Sub"), std::make_pair("mul", "Mul"),
                                          std::make_pair("max", "Max"), std::make_pair("min", "Min"));
    std::string kind = onnx;
    double u = unit_;
    add(std::string("jinx.") + name + " " + names_[v] + ", " + other + " : " + type(v) + ", " + otherType, dims(v),
        [=](int64_t, const std::vector<Answer>& values) {
          Answer b = fixed.valid() ? Answer{fixed, 0} : values[w];
          Tensor y = call(kind, {values[v].value, b.value});
          double ea = values[v].error, eb = b.error;
          if (kind == "Mul") return Answer{y, largest(values[v].value) * eb + largest(b.value) * ea + ea * eb + u * (1 + ea + eb) * largest(y)};
          if (kind == "Max" || kind == "Min") return Answer{y, std::max(ea, eb)};
          return Answer{y, (ea + eb) * (1 + u) + u * largest(y)};
        });
  }

  void copy(size_t v, const std::string& line, Dims out, std::function<Tensor(int64_t n, const Tensor& x)> f) {
    add(line, std::move(out), [=](int64_t n, const std::vector<Answer>& values) { return Answer{f(n, values[v].value), values[v].error}; });
  }

  void transpose(size_t v) {
    std::vector<int64_t> perm = *permutations(static_cast<int64_t>(dims(v).size()));
    Dims out;
    for (int64_t axis : perm)
      out.push_back(dims(v)[static_cast<size_t>(axis)]);
    copy(v, "jinx.transpose " + names_[v] + ", [" + joined(perm) + "] : " + type(v), out,
         [=](int64_t, const Tensor& x) { return call("Transpose", {x}, attributes({{"perm", perm}})); });
  }

  /// Joins a fixed axis with its neighbour, takes one apart, or adds an axis of 1.
  void reshape(size_t v) {
    Dims out = dims(v);
    size_t axis = out.empty() ? 0 : axisOf(v);
    int how = *rc::gen::inRange(0, 3);
    if (how == 1 && axis + 1 < out.size() && (out[axis].fixed() || out[axis + 1].fixed())) {
      Dim a = out[axis], b = out[axis + 1];
      out[axis] = a.fixed() ? Dim{b.a * a.b, b.b * a.b} : Dim{a.a * b.b, a.b * b.b};
      out.erase(out.begin() + static_cast<ptrdiff_t>(axis) + 1);
    } else if (how == 2 && !out.empty() && out.size() < 5 && out[axis].fixed() && out[axis].b % 2 == 0) {
      out[axis].b /= 2;
      out.insert(out.begin() + static_cast<ptrdiff_t>(axis), Dim{0, 2});
    } else if (out.size() < 5) {
      out.insert(out.begin() + static_cast<ptrdiff_t>(axis), Dim{0, 1});
    }
    copy(v, "jinx.reshape " + names_[v] + " : " + type(v), out, [=](int64_t n, const Tensor& x) { return x.reshaped(shapeAt(out, n)); });
  }

  void slice(size_t v) {
    if (dims(v).empty()) return unary(v);
    size_t axis = axisOf(v);
    Dim d = dims(v)[axis];
    Dims out = dims(v);
    std::vector<int64_t> starts(out.size(), 0), steps(out.size(), 1);
    if (d.b > 0) starts[axis] = *rc::gen::inRange<int64_t>(0, d.b);
    out[axis].b -= starts[axis];
    if (d.fixed() && *rc::gen::arbitrary<bool>()) { // some of the rest, perhaps backwards
      int64_t rest = out[axis].b;
      steps[axis] = *rc::gen::element<int64_t>(2, 3, -1, -2);
      out[axis].b = (rest + std::abs(steps[axis]) - 1) / std::abs(steps[axis]);
      if (steps[axis] < 0 && rest > 0) starts[axis] = d.b - 1;
      if (rest == 0) steps[axis] = 1;
    }
    std::string texts;
    for (int64_t s : starts)
      texts += (texts.empty() ? "\"" : ", \"") + std::to_string(s) + "\"";
    int64_t a = static_cast<int64_t>(axis), start = starts[axis], step = steps[axis];
    copy(v, "jinx.slice " + names_[v] + " starts [" + texts + "] steps [" + joined(steps) + "] : " + type(v), out, [=](int64_t n, const Tensor& x) {
      std::vector<int64_t> rows; // as a gather, which counts no ends
      for (int64_t i = 0; i < out[axis].at(n); ++i)
        rows.push_back(start + i * step);
      return call("Gather", {x, i64(rows)}, attributes({{"axis", a}}));
    });
  }

  void concat(size_t v) {
    if (dims(v).empty()) return unary(v);
    size_t axis = axisOf(v);
    std::vector<size_t> fits;
    for (size_t i = 0; i < g_.nodes_.size(); ++i) {
      Dims other = dims(i);
      if (other.size() != dims(v).size()) continue;
      other[axis] = dims(v)[axis];
      if (other == dims(v)) fits.push_back(i);
    }
    std::vector<size_t> parts = {v};
    int more = *rc::gen::inRange(1, 4);
    for (int i = 0; i < more; ++i)
      parts.push_back(*rc::gen::elementOf(fits));
    Dims out = dims(v);
    out[axis] = {};
    std::string operands, types;
    for (size_t p : parts) {
      out[axis].a += dims(p)[axis].a;
      out[axis].b += dims(p)[axis].b;
      operands += (operands.empty() ? "" : ", ") + names_[p];
      types += (types.empty() ? "" : ", ") + type(p);
    }
    if (elements(out) > kMostElements) return unary(v);
    int64_t a = static_cast<int64_t>(axis);
    add("jinx.concat " + operands + " axis " + std::to_string(axis) + " : " + types, out, [=](int64_t, const std::vector<Answer>& values) {
      std::vector<Tensor> tensors;
      double error = 0;
      for (size_t p : parts) {
        tensors.push_back(values[p].value);
        error = std::max(error, values[p].error);
      }
      return Answer{call("Concat", tensors, attributes({{"axis", a}})), error};
    });
  }

  void pad(size_t v) {
    if (dims(v).empty()) return unary(v);
    Dims out = dims(v);
    std::string low;
    std::vector<int64_t> before, after;
    for (Dim& d : out) {
      before.push_back(*rc::gen::inRange<int64_t>(0, 3));
      after.push_back(*rc::gen::inRange<int64_t>(0, 3));
      d.b += before.back() + after.back();
      low += (low.empty() ? "\"" : ", \"") + std::to_string(before.back()) + "\"";
    }
    if (elements(out) > kMostElements) return unary(v);
    auto [name, value] = constant({});
    Tensor margin = value;
    std::vector<int64_t> pads = before;
    pads.insert(pads.end(), after.begin(), after.end());
    copy(v, "jinx.pad " + names_[v] + " value " + name + " low [" + low + "] mode constant : " + type(v) + ", " + typeText({}), out,
         [=](int64_t, const Tensor& x) { return call("Pad", {x, i64(pads), margin}); });
  }

  void broadcast(size_t v) {
    if (dims(v).size() > 3) return unary(v);
    Dims out = dims(v);
    for (Dim& d : out)
      if (d == Dim{0, 1} && *rc::gen::arbitrary<bool>()) d = drawDim();
    out.insert(out.begin(), drawDim());
    if (elements(out) > kMostElements) return unary(v);
    copy(v, "jinx.broadcast " + names_[v] + " : " + type(v), out,
         [=](int64_t n, const Tensor& x) { return call("Expand", {x, i64(shapeAt(out, n))}); });
  }

  /// \returns the value; `v` itself where nothing can be reduced
  size_t reduceAxes(size_t v, const char* kind, const char* onnx, const std::vector<int64_t>& axes) {
    Dims out = dims(v);
    for (int64_t axis : axes)
      out[static_cast<size_t>(axis)] = {0, 1};
    std::string op = onnx;
    double u = unit_;
    return add(std::string("jinx.reduce ") + kind + ", " + names_[v] + " axes [" + joined(axes) + "] : " + type(v), out,
               [=](int64_t, const std::vector<Answer>& values) {
                 const Tensor& x = values[v].value;
                 double k = 1;
                 for (int64_t axis : axes)
                   k *= static_cast<double>(x.dim(axis));
                 Tensor y = call(op, {x, i64(axes)}, attributes({{"noop_with_empty_axes", int64_t{1}}}));
                 double e = values[v].error;
                 return Answer{y, op == "ReduceSum" ? k * e + (k + 2) * u * k * (largest(x) + e) : e};
               });
  }
  void reduce(size_t v) {
    std::vector<int64_t> axes, filledAxes;
    for (size_t i = 0; i < dims(v).size(); ++i) {
      if (!*rc::gen::arbitrary<bool>()) continue;
      axes.push_back(static_cast<int64_t>(i));
      if (dims(v)[i].b > 0) filledAxes.push_back(static_cast<int64_t>(i)); // never empty, so that there is a largest
    }
    switch (*rc::gen::inRange(0, 3)) {
    case 0:
      reduceAxes(v, "sum", "ReduceSum", axes);
      return;
    case 1:
      reduceAxes(v, "max", "ReduceMax", filledAxes);
      return;
    default:
      reduceAxes(v, "min", "ReduceMin", filledAxes);
    }
  }

  /// As the importer writes it: maximum, difference, exponential, sum, quotient.
  void softmax(size_t v) {
    if (integer_ || dims(v).empty()) return unary(v);
    size_t axis = axisOf(v);
    if (dims(v)[axis].b == 0) return unary(v);
    std::vector<int64_t> axes = {static_cast<int64_t>(axis)};
    double u = unit_;
    size_t m = reduceAxes(v, "max", "ReduceMax", axes);
    size_t d = add("jinx.sub " + names_[v] + ", " + names_[m] + " : " + type(v) + ", " + type(m), dims(v), [=](int64_t, const std::vector<Answer>& values) {
      Tensor y = call("Sub", {values[v].value, values[m].value});
      return Answer{y, (values[v].error + values[m].error) * (1 + u) + u * largest(y)};
    });
    size_t e = add("jinx.exp " + names_[d] + " : " + type(d), dims(v), [=](int64_t, const std::vector<Answer>& values) {
      double ed = values[d].error; // arguments are <= 0: the slope is at most exp(ed)
      return Answer{call("Exp", {values[d].value}), ed * std::exp(ed) + kFunction * u};
    });
    size_t s = reduceAxes(e, "sum", "ReduceSum", axes);
    add("jinx.div " + names_[e] + ", " + names_[s] + " : " + type(e) + ", " + type(s), dims(v), [=](int64_t, const std::vector<Answer>& values) {
      // The sum is at least 1, less its error; the quotient at most 1.
      double ee = values[e].error, es = values[s].error;
      return Answer{call("Div", {values[e].value, values[s].value}), es < 0.5 ? 2 * (ee + es) + kFunction * u : 1e30};
    });
  }

  void gather(size_t v) {
    if (dims(v).empty()) return unary(v);
    size_t axis = axisOf(v);
    if (dims(v)[axis].b == 0) return unary(v);
    int64_t extent = dims(v)[axis].b, count = *extents(1, 9), a = static_cast<int64_t>(axis);
    Tensor rows = Tensor::make(DType::kI64, {count});
    std::string values;
    for (int64_t i = 0; i < count; ++i) { // a negative index counts from the end
      rows.setInt(i, *rc::gen::inRange<int64_t>(-extent, extent));
      values += (i ? ", " : "") + std::to_string(rows.getInt(i));
    }
    Dims out = dims(v);
    out[axis] = {0, count};
    std::string name = "%i" + std::to_string(++constants_), indexType = "tensor<" + std::to_string(count) + "xi64>";
    body_ += "    " + name + " = jinx.constant dense<[" + values + "]> : " + indexType + "\n";
    copy(v, "jinx.gather " + names_[v] + ", " + name + " axis " + std::to_string(axis) + " : " + type(v) + ", " + indexType, out,
         [=](int64_t, const Tensor& x) { return call("Gather", {x, rows}, attributes({{"axis", a}})); });
  }

  /// With a constant, which is packed, or with a transpose of itself.
  void matmul(size_t v) {
    if (integer_ || dims(v).size() < 2 || !dims(v).back().fixed()) return unary(v);
    int64_t k = dims(v).back().b;
    double u = unit_;
    if (*rc::gen::inRange(0, 3) == 0) {
      Dims out = dims(v);
      out.back() = out[out.size() - 2];
      if (elements(out) > kMostElements) return unary(v);
      add("jinx.matmul " + names_[v] + ", " + names_[v] + " transpose_b : " + type(v) + ", " + type(v), out, [=](int64_t, const std::vector<Answer>& values) {
        const Tensor& x = values[v].value;
        std::vector<int64_t> perm(static_cast<size_t>(x.rank()));
        std::iota(perm.begin(), perm.end(), 0);
        std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
        return product(x, call("Transpose", {x}, attributes({{"perm", perm}})), values[v].error, values[v].error, k, u);
      });
      return;
    }
    int64_t columns = *extents(1, 40);
    Dims out = dims(v);
    out.back() = {0, columns};
    if (elements(out) > kMostElements) return unary(v);
    auto [name, weights] = constant({k, columns});
    Tensor w = weights;
    add("jinx.matmul " + names_[v] + ", " + name + " : " + type(v) + ", " + typeText({{0, k}, {0, columns}}), out,
        [=](int64_t, const std::vector<Answer>& values) { return product(values[v].value, w, values[v].error, 0, k, u); });
  }
  static Answer product(const Tensor& a, const Tensor& b, double ea, double eb, int64_t terms, double u) {
    double k = static_cast<double>(terms), ma = largest(a), mb = largest(b);
    return {call("MatMul", {a, b}), k * (ma * eb + mb * ea + ea * eb) + (k + 2) * u * k * (ma + ea) * (mb + eb)};
  }

  /// Convolutions, depthwise among them, and pools, over values that look like images.
  void window(size_t v) {
    const Dims x = dims(v);
    if (g_.type_ != DType::kF32 || (x.size() != 3 && x.size() != 4) || !x[1].fixed() || x[1].b == 0) return unary(v);
    size_t spatial = x.size() - 2;
    std::vector<int64_t> kernel, strides, dilations, pads(2 * spatial);
    Dims out = x;
    for (size_t i = 0; i < spatial; ++i) {
      kernel.push_back(*rc::gen::inRange<int64_t>(1, 4));
      dilations.push_back(*rc::gen::inRange<int64_t>(1, 3));
      Dim& d = out[2 + i];
      strides.push_back(d.fixed() ? *rc::gen::inRange<int64_t>(1, 4) : 1);
      pads[i] = *rc::gen::inRange<int64_t>(0, kernel[i]);
      pads[i + spatial] = *rc::gen::inRange<int64_t>(0, kernel[i]);
      int64_t reach = dilations[i] * (kernel[i] - 1) + 1;
      d.b += pads[i] + pads[i + spatial] - reach;
      if (d.b < 0) return unary(v);
      d.b = d.b / strides[i] + 1;
    }
    auto list = [](const std::vector<int64_t>& values) { return "array<i64: " + joined(values) + ">"; };
    std::string common = "strides = " + list(strides) + ", pads = " + list(pads) + ", dilations = " + list(dilations);
    Attributes onnx = attributes({{"strides", strides}, {"pads", pads}, {"dilations", dilations}, {"kernel_shape", kernel}});
    double u = unit_, taps = 1;
    for (int64_t k : kernel)
      taps *= static_cast<double>(k);
    // A window that lies in the margin alone has no maximum.
    bool anyInside = true;
    for (size_t i = 0; i < spatial; ++i)
      anyInside = anyInside && dilations[i] == 1 && pads[i] < kernel[i] && pads[i + spatial] < kernel[i] && x[2 + i].b > 0;
    if (anyInside && *rc::gen::inRange(0, 3) == 0) {
      copy(v, "jinx.pool max, " + names_[v] + " {kernel = " + list(kernel) + ", " + common + "} : " + type(v), out,
           [=](int64_t, const Tensor& t) { return call("MaxPool", {t}, onnx); });
      return;
    }
    int64_t channels = x[1].b, group = *rc::gen::element<int64_t>(1, channels);
    if (group == 1 && channels % 2 == 0 && *rc::gen::arbitrary<bool>()) group = 2;
    int64_t maps = group * (group == channels ? *rc::gen::element<int64_t>(1, 1, 2) : *rc::gen::element<int64_t>(1, 3, 8, 17));
    out[1] = {0, maps};
    if (elements(out) > kMostElements) return unary(v);
    Shape w = {maps, channels / group};
    Dims weightDims = {{0, maps}, {0, channels / group}};
    for (int64_t k : kernel) {
      w.push_back(k);
      weightDims.push_back({0, k});
    }
    auto [name, weights] = constant(w);
    Tensor filter = weights;
    onnx.set("group", group);
    double k = taps * static_cast<double>(channels / group);
    add("jinx.conv " + names_[v] + ", " + name + " {" + common + ", group = " + std::to_string(group) + " : i64} : " + type(v) + ", " + typeText(weightDims),
        out, [=](int64_t, const std::vector<Answer>& values) {
          double e = values[v].error, mw = largest(filter);
          return Answer{call("Conv", {values[v].value, filter}, onnx), k * mw * e + (k + 2) * u * k * (largest(values[v].value) + e) * mw};
        });
  }

  void finish() {
    // What nothing reads is a result, and now and then what something does read.
    std::string parameters, names, types, results;
    std::vector<bool> chosen(g_.nodes_.size(), false);
    for (size_t i = g_.inputs_; i < g_.nodes_.size(); ++i)
      chosen[i] = body_.find(names_[i] + " ") == body_.rfind(names_[i] + " ") && body_.find(names_[i] + ",") == std::string::npos;
    chosen.back() = true;
    for (size_t i = g_.inputs_; i < g_.nodes_.size(); ++i)
      if (chosen[i] || *rc::gen::inRange(0, 6) == 0) g_.results_.push_back(i);
    for (size_t i = 0; i < g_.inputs_; ++i)
      parameters += ", %x" + std::to_string(i) + ": " + type(i) + " {jinx.name = \"x" + std::to_string(i) + "\"}";
    for (size_t k = 0; k < g_.results_.size(); ++k) {
      size_t i = g_.results_[k];
      results += (k ? ", " : "") + type(i) + " {jinx.name = \"y" + std::to_string(k) + "\"}";
      names += (k ? ", " : "") + names_[i];
      types += (k ? ", " : "") + type(i);
    }
    g_.text_ = "module attributes {jinx.symbols = [{name = \"n\", min = 0, max = 4096}]} {\n"
               "  func.func @main(%n: tensor<?xi1, #jinx.dims<\"n\">> {jinx.name = \"n\"}" +
               parameters + ") -> (" + results + ") {\n" + body_ + "    return " + names + " : " + types + "\n  }\n}\n";
  }

  static constexpr int64_t kMostElements = 60000; ///< at n = 9

  RandomGraph& g_;
  bool integer_ = false;
  DType oracle_ = DType::kF64;
  double unit_ = 0;
  Dims drawn_;
  std::vector<std::string> names_;
  std::string body_;
  int constants_ = 0;
};

RandomGraph RandomGraph::draw(int maxOperators) {
  RandomGraph g;
  GraphWriter(g).write(maxOperators);
  return g;
}

std::vector<Tensor> RandomGraph::drawInputs(int64_t n, uint64_t seed) const {
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < inputs_; ++i)
    inputs.push_back(randomTensor(type_, shapeAt(nodes_[i].dims, n), seed + i));
  return inputs;
}

std::vector<Answer> RandomGraph::answers(int64_t n, const std::vector<Tensor>& inputs) const {
  std::vector<Answer> values;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].compute) {
      values.push_back(nodes_[i].compute(n, values));
      if (values.back().value.shape() != shapeAt(nodes_[i].dims, n)) RC_FAIL("the oracle's shape is another than the one written down");
      continue;
    }
    Tensor wide = Tensor::make(isFloat(type_) ? DType::kF64 : type_, inputs[i].shape());
    for (int64_t k = 0; k < wide.size(); ++k)
      isFloat(type_) ? wide.setDouble(k, inputs[i].getDouble(k)) : wide.setInt(k, inputs[i].getInt(k));
    values.push_back({wide, 0});
  }
  std::vector<Answer> results;
  for (size_t i : results_)
    results.push_back(values[i]);
  return results;
}

} // namespace jinx::test
