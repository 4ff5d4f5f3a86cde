// Host operators that compute: laws between different operators, which were written apart.
//
// Operands are small integers wherever a law is one of sums and products: then both sides are exact, and equality is equality.
#include <algorithm>
#include <cmath>

#include "tests/property/runtime/HostOps.h"

namespace jinx::test {
namespace {

rc::Gen<DType> summedTypes() { return rc::gen::element(DType::kF32, DType::kF64, DType::kI32, DType::kI64); }

/// The largest difference of elements, NaN if any is.
double distance(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) RC_FAIL(a.describe() + " against " + b.describe());
  double most = 0;
  for (int64_t i = 0; i < a.size(); ++i) {
    double d = std::fabs(a.getDouble(i) - b.getDouble(i));
    if (!(d <= most)) most = d;
  }
  return most;
}

double sum(const Tensor& t) {
  double total = 0;
  for (int64_t i = 0; i < t.size(); ++i)
    total += t.getDouble(i);
  return total;
}

double inner(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape()) RC_FAIL(a.describe() + " against " + b.describe());
  double total = 0;
  for (int64_t i = 0; i < a.size(); ++i)
    total += a.getDouble(i) * b.getDouble(i);
  return total;
}

JINX_PROPERTY(HostNumberLaws, AnEinsumIsTheProductThatItSpells, 300) {
  DType type = *summedTypes();
  int64_t i = *extents(0, 8), j = *extents(0, 8), k = *extents(0, 8), b = *extents(0, 3);
  Tensor x = smallIntegers(type, {b, i, j}, *seeds()), y = smallIntegers(type, {b, j, k}, *seeds());
  Tensor product = call("MatMul", {x, y});
  auto einsum = [](const char* equation, std::vector<Tensor> operands) {
    return call("Einsum", std::move(operands), attributes({{"equation", std::string(equation)}}));
  };
  RC_ASSERT(sameBytes(einsum("bij,bjk->bik", {x, y}), product));
  RC_ASSERT(sameBytes(einsum("...ij,...jk->...ik", {x, y}), product));
  RC_ASSERT(sameBytes(einsum("bij->bji", {x}), call("Transpose", {x}, attributes({{"perm", std::vector<int64_t>{0, 2, 1}}}))));
  RC_ASSERT(sameBytes(einsum("bij->bi", {x}), call("ReduceSum", {x, i64({2})}, attributes({{"keepdims", int64_t{0}}}))));
  RC_ASSERT(sameBytes(einsum("bij,bij->bij", {x, x}), call("Mul", {x, x})));
  // The product transposed is the transposes' product, the other way round.
  auto transposed = [](const Tensor& t) { return call("Transpose", {t}, attributes({{"perm", std::vector<int64_t>{0, 2, 1}}})); };
  RC_ASSERT(sameBytes(call("MatMul", {transposed(y), transposed(x)}), transposed(product)));
}

JINX_PROPERTY(HostNumberLaws, ProductsDistributeAndAssociate, 200) {
  DType type = *summedTypes();
  int64_t i = *extents(0, 7), j = *extents(0, 7), k = *extents(0, 7), l = *extents(0, 7);
  Tensor a = smallIntegers(type, {i, j}, *seeds()), b = smallIntegers(type, {j, k}, *seeds()), b2 = smallIntegers(type, {j, k}, *seeds());
  Tensor c = smallIntegers(type, {k, l}, *seeds());
  RC_ASSERT(sameBytes(call("MatMul", {call("MatMul", {a, b}), c}), call("MatMul", {a, call("MatMul", {b, c})})));
  RC_ASSERT(sameBytes(call("MatMul", {a, call("Add", {b, b2})}), call("Add", {call("MatMul", {a, b}), call("MatMul", {a, b2})})));
  Tensor gemm = call("Gemm", {a, b}, attributes({{"alpha", 2.0}}));
  RC_ASSERT(sameBytes(gemm, call("Add", {call("MatMul", {a, b}), call("MatMul", {a, b})})));
}

JINX_PROPERTY(HostNumberLaws, ReductionsMayBeDoneOneAxisAfterTheOther, 300) {
  Tensor x = smallIntegers(*summedTypes(), {*extents(1, 5), *extents(1, 5), *extents(1, 5)}, *seeds(), -2, 2);
  for (const char* op : {"ReduceSum", "ReduceMax", "ReduceMin"}) {
    Tensor both = call(op, {x, i64({0, 2})}), one = call(op, {call(op, {x, i64({2})}), i64({0})});
    RC_ASSERT(sameBytes(both, one));
  }
  RC_ASSERT(sum(call("ReduceSum", {x})) == sum(x));
  Tensor negated = call("Neg", {x});
  RC_ASSERT(sameBytes(call("Neg", {call("ReduceMax", {negated, i64({1})})}), call("ReduceMin", {x, i64({1})})));
  RC_ASSERT(sameBytes(call("ReduceSumSquare", {x, i64({1})}), call("ReduceSum", {call("Mul", {x, x}), i64({1})})));
  RC_ASSERT(sameBytes(call("ReduceL1", {x, i64({1})}), call("ReduceSum", {call("Abs", {x}), i64({1})})));
}

JINX_PROPERTY(HostNumberLaws, ARunningSumEndsInTheSum, 300) {
  Tensor x = smallIntegers(*summedTypes(), {*extents(0, 4), *extents(1, 20)}, *seeds());
  int64_t n = x.dim(1);
  Tensor axis = Tensor::scalarInt(1), running = call("CumSum", {x, axis});
  Tensor last = call("Slice", {running, i64({n - 1}), i64({n}), i64({1})});
  RC_ASSERT(sameBytes(last, call("ReduceSum", {x, i64({1})})));
  // Exclusive is inclusive less the element; backwards plus forwards less the element is the sum.
  Tensor exclusive = call("CumSum", {x, axis}, attributes({{"exclusive", int64_t{1}}}));
  RC_ASSERT(sameBytes(call("Add", {exclusive, x}), running));
  Tensor backwards = call("CumSum", {x, axis}, attributes({{"reverse", int64_t{1}}}));
  RC_ASSERT(sameBytes(call("Sub", {call("Add", {running, backwards}), x}), call("Expand", {last, i64(x.shape())})));
}

JINX_PROPERTY(HostNumberLaws, ASoftmaxSumsToOneAndForgetsWhatIsAdded, 300) {
  Tensor x = randomTensor(DType::kF64, {*extents(0, 5), *extents(1, 30)}, *seeds());
  Attributes last = attributes({{"axis", int64_t{-1}}});
  Tensor y = call("Softmax", {x}, last);
  double tolerance = 8 * std::exp2(-53) * static_cast<double>(x.dim(1) + 8);
  for (int64_t row = 0; row < x.dim(0); ++row) {
    double total = 0;
    for (int64_t i = 0; i < x.dim(1); ++i)
      total += y.getDouble(row * x.dim(1) + i);
    RC_ASSERT(std::fabs(total - 1) <= tolerance);
  }
  Tensor shift = Tensor::scalarDouble(static_cast<double>(*rc::gen::inRange(-600, 600)), DType::kF64);
  // Adding rounds x by 600 * 2^-53, which the exponential passes on.
  RC_ASSERT(distance(call("Softmax", {call("Add", {x, shift})}, last), y) <= 1200 * std::exp2(-53) + tolerance);
  RC_ASSERT(distance(call("Exp", {call("LogSoftmax", {x}, last)}), y) <= 64 * std::exp2(-53) + tolerance);
}

JINX_PROPERTY(HostNumberLaws, AConvolutionWithOneTapIsAProduct, 200) {
  int64_t n = *extents(0, 3), c = *extents(1, 6), m = *extents(1, 6), h = *extents(1, 6), w = *extents(1, 6);
  Tensor x = smallIntegers(DType::kF32, {n, c, h, w}, *seeds()), f = smallIntegers(DType::kF32, {m, c, 1, 1}, *seeds());
  Tensor y = call("Conv", {x, f});
  Tensor product = call("MatMul", {f.reshaped({m, c}), x.reshaped({n, c, h * w})});
  RC_ASSERT(sameBytes(y.reshaped({n, m, h * w}), product));
}

struct Window {
  int64_t channels, maps, groups, extent, kernel, stride, dilation, before, after, out;
  Attributes asAttributes() const {
    return attributes({{"group", groups}, {"strides", std::vector<int64_t>{stride}}, {"dilations", std::vector<int64_t>{dilation}},
                       {"pads", std::vector<int64_t>{before, after}}, {"kernel_shape", std::vector<int64_t>{kernel}}});
  }
};

/// A convolution of one spatial dimension; depthwise among them.
Window drawWindow() {
  Window w;
  w.groups = *rc::gen::inRange<int64_t>(1, 4);
  w.channels = w.groups * *rc::gen::inRange<int64_t>(1, 3);
  w.maps = w.groups * *rc::gen::inRange<int64_t>(1, 3);
  w.kernel = *rc::gen::inRange<int64_t>(1, 5);
  w.stride = *rc::gen::inRange<int64_t>(1, 4);
  w.dilation = *rc::gen::inRange<int64_t>(1, 3);
  w.before = *rc::gen::inRange<int64_t>(0, 3);
  w.after = *rc::gen::inRange<int64_t>(0, 3);
  w.extent = *extents(1, 12);
  int64_t reach = w.dilation * (w.kernel - 1) + 1, room = w.extent + w.before + w.after - reach;
  RC_PRE(room >= 0);
  w.out = room / w.stride + 1;
  return w;
}

JINX_PROPERTY(HostNumberLaws, AConvolutionIsItsDefinition, 300) {
  Window w = drawWindow();
  int64_t n = *extents(0, 3), perGroup = w.channels / w.groups;
  Tensor x = smallIntegers(DType::kF32, {n, w.channels, w.extent}, *seeds());
  Tensor f = smallIntegers(DType::kF32, {w.maps, perGroup, w.kernel}, *seeds());
  Tensor y = call("Conv", {x, f}, w.asAttributes());
  RC_ASSERT(y.shape() == (Shape{n, w.maps, w.out}));
  for (int64_t b = 0; b < n; ++b)
    for (int64_t m = 0; m < w.maps; ++m)
      for (int64_t o = 0; o < w.out; ++o) {
        double want = 0;
        for (int64_t c = 0; c < perGroup; ++c)
          for (int64_t k = 0; k < w.kernel; ++k) {
            int64_t at = o * w.stride - w.before + k * w.dilation, channel = m / (w.maps / w.groups) * perGroup + c;
            if (at < 0 || at >= w.extent) continue;
            want += x.getDouble((b * w.channels + channel) * w.extent + at) * f.getDouble((m * perGroup + c) * w.kernel + k);
          }
        RC_ASSERT(y.getDouble((b * w.maps + m) * w.out + o) == want);
      }
}

JINX_PROPERTY(HostNumberLaws, ConvTransposeIsTheAdjointOfConv, 300) {
  Window w = drawWindow();
  Tensor x = smallIntegers(DType::kF32, {2, w.channels, w.extent}, *seeds());
  Tensor f = smallIntegers(DType::kF32, {w.maps, w.channels / w.groups, w.kernel}, *seeds());
  Tensor y = call("Conv", {x, f}, w.asAttributes()), z = smallIntegers(DType::kF32, y.shape(), *seeds());
  // ConvTranspose takes the same weights read as [in = maps, out = channels / groups, k]; what the stride left over is output padding.
  int64_t reach = w.dilation * (w.kernel - 1) + 1, left = (w.extent + w.before + w.after - reach) % w.stride;
  Attributes back = w.asAttributes();
  back.set("output_padding", std::vector<int64_t>{left});
  Tensor xz = call("ConvTranspose", {z, f}, back);
  RC_ASSERT(inner(y, z) == inner(x, xz));
}

JINX_PROPERTY(HostNumberLaws, AveragePoolIsAConvolutionAndMaxPoolAMaximum, 200) {
  int64_t c = *extents(1, 4), h = *extents(1, 8), w = *extents(1, 8), kh = *rc::gen::inRange<int64_t>(1, 4), kw = *rc::gen::inRange<int64_t>(1, 4);
  int64_t sh = *rc::gen::inRange<int64_t>(1, 3), sw = *rc::gen::inRange<int64_t>(1, 3);
  RC_PRE(h >= kh && w >= kw);
  Tensor x = smallIntegers(DType::kF64, {2, c, h, w}, *seeds());
  Attributes a = attributes({{"kernel_shape", std::vector<int64_t>{kh, kw}}, {"strides", std::vector<int64_t>{sh, sw}}});
  Tensor ones = Tensor::make(DType::kF64, {c, 1, kh, kw});
  for (int64_t i = 0; i < ones.size(); ++i)
    ones.setDouble(i, 1);
  Attributes depthwise = a;
  depthwise.set("group", c);
  Tensor sums = call("Conv", {x, ones}, depthwise), count = Tensor::scalarDouble(static_cast<double>(kh * kw), DType::kF64);
  RC_ASSERT(distance(call("AveragePool", {x}, a), call("Div", {sums, count})) <= 8 * 16 * std::exp2(-53));
  // The maximum of maxima: first along one axis, then along the other.
  Attributes rows = attributes({{"kernel_shape", std::vector<int64_t>{kh, 1}}, {"strides", std::vector<int64_t>{sh, 1}}});
  Attributes columns = attributes({{"kernel_shape", std::vector<int64_t>{1, kw}}, {"strides", std::vector<int64_t>{1, sw}}});
  RC_ASSERT(sameBytes(call("MaxPool", {x}, a), call("MaxPool", {call("MaxPool", {x}, rows)}, columns)));
}

JINX_PROPERTY(HostNumberLaws, ARecurrenceMayBeInterrupted, 100) {
  bool lstm = *rc::gen::arbitrary<bool>();
  int64_t gates = lstm ? 4 : 3, steps = *rc::gen::inRange<int64_t>(2, 6), first = *rc::gen::inRange<int64_t>(1, steps);
  int64_t batch = *extents(1, 4), input = *extents(1, 5), hidden = *extents(1, 6);
  Tensor x = randomTensor(DType::kF32, {steps, batch, input}, *seeds()), w = randomTensor(DType::kF32, {1, gates * hidden, input}, *seeds());
  Tensor r = randomTensor(DType::kF32, {1, gates * hidden, hidden}, *seeds()), bias = randomTensor(DType::kF32, {1, 2 * gates * hidden}, *seeds());
  Attributes a = attributes({{"hidden_size", hidden}});
  if (!lstm) a.set("linear_before_reset", *rc::gen::inRange<int64_t>(0, 2));
  std::string op = lstm ? "LSTM" : "GRU";
  auto run = [&](const Tensor& steps, Tensor h, Tensor c) {
    std::vector<Tensor> in = {steps, w, r, bias, Tensor(), std::move(h)};
    if (lstm) in.push_back(std::move(c));
    return callAll(op, std::move(in), a, lstm ? 3 : 2);
  };
  auto part = [&](int64_t from, int64_t to) { return call("Slice", {x, i64({from}), i64({to}), i64({0})}); };
  std::vector<Tensor> whole = run(x, Tensor(), Tensor());
  std::vector<Tensor> one = run(part(0, first), Tensor(), Tensor());
  std::vector<Tensor> two = run(part(first, steps), one[1], lstm ? one[2] : Tensor());
  // The state is rounded to f32 where it is handed over, once; gates at these weights may magnify that.
  double tolerance = 64.0 * static_cast<double>(hidden + input) * std::exp2(-24);
  RC_ASSERT(distance(call("Concat", {one[0], two[0]}, attributes({{"axis", int64_t{0}}})), whole[0]) <= tolerance * std::exp2(static_cast<double>(steps)));
}

JINX_PROPERTY(HostNumberLaws, AFourierTransformIsUndoneAndKeepsTheEnergy, 200) {
  int64_t n = *extents(1, 40);
  Tensor x = randomTensor(DType::kF64, {2, n, 2}, *seeds());
  Tensor f = call("DFT", {x, Tensor(), Tensor::scalarInt(1)});
  Tensor back = call("DFT", {f, Tensor(), Tensor::scalarInt(1)}, attributes({{"inverse", int64_t{1}}}));
  double tolerance = 64 * static_cast<double>(n) * std::exp2(-53) * 16;
  RC_ASSERT(distance(back, x) <= tolerance);
  RC_ASSERT(std::fabs(inner(f, f) - static_cast<double>(n) * inner(x, x)) <= tolerance * static_cast<double>(n) * (1 + inner(x, x)));
}

JINX_PROPERTY(HostNumberLaws, BroadcastingIsExpandingFirst, 400) {
  // Two shapes that broadcast: some axes of either are 1, some are missing.
  Shape out, a, b;
  int rank = *rc::gen::inRange(0, 4);
  for (int i = 0; i < rank; ++i) {
    out.push_back(*extents(0, 6));
    int how = *rc::gen::inRange(0, 3);
    a.push_back(how == 1 ? 1 : out.back());
    b.push_back(how == 2 ? 1 : out.back());
  }
  if (*rc::gen::arbitrary<bool>() && !b.empty() && b[0] == 1) b.erase(b.begin());
  DType type = *rc::gen::element(DType::kF32, DType::kI64, DType::kI8, DType::kU8, DType::kF16);
  Tensor x = smallIntegers(type, a, *seeds()), y = smallIntegers(type, b, *seeds());
  Tensor wideX = call("Expand", {x, i64(out)}), wideY = call("Expand", {y, i64(out)});
  for (const char* op : {"Add", "Sub", "Mul", "Max", "Less", "Equal"})
    RC_ASSERT(sameBytes(call(op, {x, y}), call(op, {wideX, wideY})));
}

JINX_PROPERTY(HostNumberLaws, IntegerQuotientAndRemainderMakeTheDividend, 300) {
  DType type = *rc::gen::element(DType::kI8, DType::kI32, DType::kI64, DType::kU8, DType::kU32);
  Tensor x = randomBits(type, {*extents(0, 40)}, *seeds()), y = randomBits(type, x.shape(), *seeds());
  for (int64_t i = 0; i < y.size(); ++i)
    if (y.getInt(i) == 0) y.setInt(i, 1);
  // fmod = 1: the remainder of division towards zero, with the dividend's sign.
  Tensor q = call("Div", {x, y}), r = call("Mod", {x, y}, attributes({{"fmod", int64_t{1}}}));
  RC_ASSERT(sameBytes(call("Add", {call("Mul", {q, y}), r}), x));
}

} // namespace
} // namespace jinx::test
