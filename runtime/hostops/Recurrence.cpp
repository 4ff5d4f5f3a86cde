// jinx.lstm and jinx.gru of the graph dialect: one direction over input projections that are already there. What a target without a
// recurrent schedule runs; ir/Graph/GraphContractionOps.td says what they compute.
//
// Unlike Rnn.cpp, which reads ONNX's operators, nothing is optional here but `r_scale`, and weights are [gates * h, h].
#include <algorithm>
#include <cmath>

#include "runtime/hostops/Dense.h"

namespace jinx {
namespace dense {
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

struct Recurrence {
  DType type = DType::kInvalid;
  int64_t steps = 0, batch = 0, hidden = 0, gates = 0;
  Doubles xw, r, h, ys;

  /// Operands xw [t, n, gates*h], r [gates*h, h], and the state's first value, operand `h0`.
  static Expected<Recurrence> read(HostOpCall& call, int64_t gates, size_t h0) {
    Recurrence in;
    in.gates = gates;
    JINX_TRY_ASSIGN(Tensor xw, call.tensor(0));
    JINX_TRY_ASSIGN(Tensor r, call.tensor(1));
    JINX_TRY_ASSIGN(Tensor h, call.tensor(h0));
    if (xw.rank() != 3 || r.rank() != 2 || h.rank() != 2) return call.error("expected xw [t, n, gates*h], r [gates*h, h] and h0 [n, h]");
    in.type = xw.dtype();
    in.steps = xw.shape()[0], in.batch = xw.shape()[1], in.hidden = h.shape()[1];
    if (xw.shape()[2] != gates * in.hidden || r.shape()[0] != gates * in.hidden || r.shape()[1] != in.hidden || h.shape()[0] != in.batch)
      return call.error("the sizes of xw, r and h0 do not fit together");
    in.xw = toDoubles(xw), in.r = toDoubles(r), in.h = toDoubles(h);
    in.ys.assign(in.steps * in.batch * in.hidden, 0.0);
    return in;
  }
  double x(int64_t t, int64_t b, int64_t gate, int64_t j) const { return xw[(t * batch + b) * gates * hidden + gate * hidden + j]; }
  /// Row `gate`, j of r times a vector.
  double times(const double* v, int64_t gate, int64_t j) const {
    double sum = 0;
    for (int64_t k = 0; k < hidden; ++k) sum += r[(gate * hidden + j) * hidden + k] * v[k];
    return sum;
  }
  double& y(int64_t t, int64_t b, int64_t j) { return ys[(t * batch + b) * hidden + j]; }
};

/// As DynamicQuantizeLinear: what unsigned 8 bits over the whole of `h` hold, minus the zero point, and the scale.
std::pair<Doubles, double> quantized(const Doubles& h) {
  float low = 0, high = 0;
  for (double v : h) low = std::min(low, float(v)), high = std::max(high, float(v));
  const float scale = high > low ? (high - low) / 255.0f : 1.0f;
  const double zero = std::clamp<double>(std::nearbyint(-low / scale), 0, 255);
  Doubles q(h.size());
  for (size_t i = 0; i < h.size(); ++i) q[i] = std::clamp<double>(std::nearbyint(float(h[i]) / scale) + zero, 0, 255) - zero;
  return {q, scale};
}

/// Gates i, o, f, c.
Status lstm(HostOpCall& call) {
  JINX_TRY_ASSIGN(Recurrence in, Recurrence::read(call, 4, 2));
  JINX_TRY_ASSIGN(Tensor c0, call.tensor(3));
  if (c0.shape() != Shape{in.batch, in.hidden}) return call.error("c0 is not shaped as h0");
  Doubles c = toDoubles(c0), scales;
  if (call.has(4)) {
    JINX_TRY_ASSIGN(Tensor scale, call.tensor(4));
    if (scale.size() != 4 * in.hidden) return call.error("r_scale has " + str(scale.size()) + " elements, expected " + str(4 * in.hidden));
    scales = toDoubles(scale);
  }
  const bool reverse = call.attributes->getInt("reverse", 0) != 0;
  for (int64_t s = 0; s < in.steps; ++s) {
    const int64_t t = reverse ? in.steps - 1 - s : s;
    Doubles from = in.h;
    double hScale = 1;
    if (!scales.empty()) std::tie(from, hScale) = quantized(in.h);
    for (int64_t b = 0; b < in.batch; ++b)
      for (int64_t j = 0; j < in.hidden; ++j) {
        double gate[4];
        for (int64_t g = 0; g < 4; ++g) {
          const double scale = scales.empty() ? 1.0 : scales[g * in.hidden + j] * hScale;
          gate[g] = in.x(t, b, g, j) + scale * in.times(from.data() + b * in.hidden, g, j);
        }
        double& state = c[b * in.hidden + j];
        state = sigmoid(gate[2]) * state + sigmoid(gate[0]) * std::tanh(gate[3]);
        in.y(t, b, j) = sigmoid(gate[1]) * std::tanh(state);
      }
    std::copy_n(in.ys.begin() + t * in.batch * in.hidden, in.batch * in.hidden, in.h.begin());
    if (!scales.empty())
      for (double& v : in.h) v = static_cast<float>(v);
  }
  const Shape state = {in.batch, in.hidden};
  give(call, 0, fromDoubles(in.type, {in.steps, in.batch, in.hidden}, in.ys));
  give(call, 1, fromDoubles(in.type, state, in.h));
  give(call, 2, fromDoubles(in.type, state, c));
  return Status::ok();
}

/// Gates z, r, h.
Status gru(HostOpCall& call) {
  JINX_TRY_ASSIGN(Recurrence in, Recurrence::read(call, 3, 3));
  JINX_TRY_ASSIGN(Tensor rb, call.tensor(2));
  if (rb.size() != 3 * in.hidden) return call.error("rb has " + str(rb.size()) + " elements, expected " + str(3 * in.hidden));
  const Doubles bias = toDoubles(rb);
  const bool reverse = call.attributes->getInt("reverse", 0) != 0, linear = call.attributes->getInt("linear_before_reset", 0) != 0;
  const int64_t hidden = in.hidden;
  Doubles z(hidden), r(hidden), reset(hidden);
  for (int64_t s = 0; s < in.steps; ++s) {
    const int64_t t = reverse ? in.steps - 1 - s : s;
    for (int64_t b = 0; b < in.batch; ++b) {
      const double* h = in.h.data() + b * hidden;
      for (int64_t j = 0; j < hidden; ++j) {
        z[j] = sigmoid(in.x(t, b, 0, j) + in.times(h, 0, j) + bias[j]);
        r[j] = sigmoid(in.x(t, b, 1, j) + in.times(h, 1, j) + bias[hidden + j]);
        reset[j] = r[j] * h[j];
      }
      for (int64_t j = 0; j < hidden; ++j) {
        const double recurrent = in.times(linear ? h : reset.data(), 2, j) + bias[2 * hidden + j];
        const double next = std::tanh(in.x(t, b, 2, j) + (linear ? r[j] * recurrent : recurrent));
        in.y(t, b, j) = (1 - z[j]) * next + z[j] * h[j];
      }
    }
    std::copy_n(in.ys.begin() + t * in.batch * hidden, in.batch * hidden, in.h.begin());
  }
  give(call, 0, fromDoubles(in.type, {in.steps, in.batch, hidden}, in.ys));
  give(call, 1, fromDoubles(in.type, {in.batch, hidden}, in.h));
  return Status::ok();
}

constexpr HostOpEntry kRows[] = {
    {"jinx", "lstm", 1, lstm},
    {"jinx", "gru", 1, gru},
};

} // namespace
} // namespace dense

std::span<const HostOpEntry> recurrenceHostOps() { return dense::kRows; }

} // namespace jinx
