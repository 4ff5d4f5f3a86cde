// RNN, GRU, LSTM and com.microsoft DynamicQuantizeLSTM.
//
// The products with the inputs of all steps are one matrix product; then the steps run one after the other. Step s of
// sequence b is its input s, or from the end of the sequence in the reverse direction; past its length a sequence's
// outputs are zero and its state stands still. A sequence of length 0 ends in the zero state, as in onnxruntime.
//
// `clip` bounds the arguments of the gates' activations; like onnxruntime and OpenVINO, LSTM does not clip the argument
// of h.
#include "runtime/hostops/Rnn.h"

#include <algorithm>
#include <cmath>

namespace jinx {
namespace dense {
namespace {

double clipped(double x, double clip) { return clip > 0 ? std::clamp(x, -clip, clip) : x; }

/// Runs `cell(b, gates, h, c)` for each step and live sequence, with `gates` = x * w + biases; `recur(gates, h)` comes
/// before, once a step for all sequences.
template <typename Recur, typename Cell>
void runDirection(const RnnCall& rnn, int64_t d, const Doubles& inputBias, RnnResult& result, Recur recur, Cell cell) {
  const RnnDirection& dir = rnn.directions[d];
  const int64_t directions = static_cast<int64_t>(rnn.directions.size()), hidden = rnn.hidden, n = rnn.gates * hidden,
                batch = rnn.batch;
  const int64_t steps = rnn.lengths.empty() ? 0 : *std::max_element(rnn.lengths.begin(), rnn.lengths.end());
  Doubles fromInput(steps * batch * n);
  for (int64_t r = 0; r < steps * batch; ++r)
    std::copy(inputBias.begin(), inputBias.end(), fromInput.begin() + r * n);
  dir.w.addProduct(steps * batch, rnn.x.data(), 0, n, fromInput.data(), n);
  Doubles h(rnn.h0.begin() + d * batch * hidden, rnn.h0.begin() + (d + 1) * batch * hidden), c;
  if (!rnn.c0.empty()) c.assign(rnn.c0.begin() + d * batch * hidden, rnn.c0.begin() + (d + 1) * batch * hidden);
  Doubles gates(batch * n);
  for (int64_t s = 0; s < steps; ++s) {
    for (int64_t b = 0; b < batch; ++b) {
      const int64_t t = dir.reverse && s < rnn.lengths[b] ? rnn.lengths[b] - 1 - s : s;
      std::copy_n(fromInput.data() + (t * batch + b) * n, n, gates.data() + b * n);
    }
    recur(gates, h);
    for (int64_t b = 0; b < batch; ++b) {
      double* hb = h.data() + b * hidden;
      if (s >= rnn.lengths[b]) {
        std::fill_n(hb, hidden, 0.0); // from the next step on it no longer widens the range a quantized product sees
        continue;
      }
      cell(b, gates.data() + b * n, hb, c.empty() ? nullptr : c.data() + b * hidden);
      if (rnn.quantized)
        for (int64_t j = 0; j < hidden; ++j)
          hb[j] = static_cast<float>(hb[j]);
      const int64_t t = dir.reverse ? rnn.lengths[b] - 1 - s : s;
      std::copy_n(hb, hidden, result.y.data() + ((t * directions + d) * batch + b) * hidden);
      if (s + 1 == rnn.lengths[b]) {
        std::copy_n(hb, hidden, result.h.data() + (d * batch + b) * hidden);
        if (!c.empty()) std::copy_n(c.data() + b * hidden, hidden, result.c.data() + (d * batch + b) * hidden);
      }
    }
  }
}

RnnResult emptyResult(const RnnCall& rnn) {
  const int64_t state = static_cast<int64_t>(rnn.directions.size()) * rnn.batch * rnn.hidden;
  return {Doubles(rnn.seq * state, 0.0), Doubles(state, 0.0), Doubles(state, 0.0)};
}

/// Sum of both biases, gate by gate; zeros when absent.
Doubles summedBias(const RnnCall& rnn, const RnnDirection& dir) {
  const int64_t n = rnn.gates * rnn.hidden;
  Doubles bias(n, 0.0);
  for (int64_t i = 0; i < n && !dir.bias.empty(); ++i)
    bias[i] = dir.bias[i] + dir.bias[n + i];
  return bias;
}

/// Ht = f(Xt*W^T + Ht-1*R^T + Wb + Rb)
Status rnn(HostOpCall& call) {
  JINX_TRY_ASSIGN(RnnCall in, readRnn(call, 1, {"Tanh"}, false, false));
  RnnResult out = emptyResult(in);
  const int64_t hidden = in.hidden;
  for (size_t d = 0; d < in.directions.size(); ++d) {
    const RnnDirection& dir = in.directions[d];
    const RnnActivation f = dir.activations[0];
    runDirection(
        in, static_cast<int64_t>(d), summedBias(in, dir), out,
        [&](Doubles& gates, const Doubles& h) {
          dir.r.addProduct(in.batch, h.data(), 0, hidden, gates.data(), hidden);
        },
        [&](int64_t, const double* gates, double* h, double*) {
          for (int64_t j = 0; j < hidden; ++j)
            h[j] = f(clipped(gates[j], in.clip));
        });
  }
  giveRnn(call, in, out, false);
  return Status::ok();
}

/// Gates z, r, h. linear_before_reset multiplies r after the recurrent product and its bias, otherwise before.
Status gru(HostOpCall& call) {
  JINX_TRY_ASSIGN(RnnCall in, readRnn(call, 3, {"Sigmoid", "Tanh"}, false, false));
  RnnResult out = emptyResult(in);
  const int64_t hidden = in.hidden, n = 3 * hidden, batch = in.batch;
  const bool linear = call.attributes->getInt("linear_before_reset", 0) != 0;
  for (size_t d = 0; d < in.directions.size(); ++d) {
    const RnnDirection& dir = in.directions[d];
    const RnnActivation f = dir.activations[0], g = dir.activations[1];
    Doubles bias = summedBias(in, dir), hiddenBias(hidden, 0.0);
    if (linear && !dir.bias.empty())
      for (int64_t j = 0; j < hidden; ++j) {
        bias[2 * hidden + j] = dir.bias[2 * hidden + j];
        hiddenBias[j] = dir.bias[n + 2 * hidden + j];
      }
    Doubles recurrent(batch * hidden), reset(batch * hidden);
    runDirection(
        in, static_cast<int64_t>(d), bias, out,
        [&](Doubles& gates, const Doubles& h) {
          dir.r.addProduct(batch, h.data(), 0, 2 * hidden, gates.data(), n);
          for (int64_t b = 0; b < batch; ++b)
            for (int64_t j = 0; j < hidden; ++j) {
              double& r = gates[b * n + hidden + j];
              r = f(clipped(r, in.clip));
              reset[b * hidden + j] = linear ? h[b * hidden + j] : r * h[b * hidden + j];
              recurrent[b * hidden + j] = hiddenBias[j];
            }
          dir.r.addProduct(batch, reset.data(), 2 * hidden, hidden, recurrent.data(), hidden);
        },
        [&](int64_t b, const double* gates, double* h, double*) {
          for (int64_t j = 0; j < hidden; ++j) {
            const double z = f(clipped(gates[j], in.clip)), from = recurrent[b * hidden + j];
            const double next = g(clipped(gates[2 * hidden + j] + (linear ? gates[hidden + j] * from : from), in.clip));
            h[j] = (1 - z) * next + z * h[j];
          }
        });
  }
  giveRnn(call, in, out, false);
  return Status::ok();
}

/// Gates i, o, f, c; peepholes i, o, f. input_forget: f = 1 - i.
Status lstmOp(HostOpCall& call, bool quantized) {
  JINX_TRY_ASSIGN(RnnCall in, readRnn(call, 4, {"Sigmoid", "Tanh", "Tanh"}, true, quantized));
  RnnResult out = emptyResult(in);
  const int64_t hidden = in.hidden, n = 4 * hidden;
  const bool coupled = call.attributes->getInt("input_forget", 0) != 0;
  for (size_t d = 0; d < in.directions.size(); ++d) {
    const RnnDirection& dir = in.directions[d];
    const RnnActivation f = dir.activations[0], g = dir.activations[1], hAct = dir.activations[2];
    const Doubles peephole = dir.peephole.empty() ? Doubles(3 * hidden, 0.0) : dir.peephole;
    runDirection(
        in, static_cast<int64_t>(d), summedBias(in, dir), out,
        [&](Doubles& gates, const Doubles& h) { dir.r.addProduct(in.batch, h.data(), 0, n, gates.data(), n); },
        [&](int64_t, const double* gates, double* h, double* c) {
          for (int64_t j = 0; j < hidden; ++j) {
            const double i = f(clipped(gates[j] + peephole[j] * c[j], in.clip));
            const double forget =
                coupled ? 1 - i : f(clipped(gates[2 * hidden + j] + peephole[2 * hidden + j] * c[j], in.clip));
            c[j] = forget * c[j] + i * g(clipped(gates[3 * hidden + j], in.clip));
            const double o = f(clipped(gates[hidden + j] + peephole[hidden + j] * c[j], in.clip));
            h[j] = o * hAct(c[j]);
          }
        });
  }
  giveRnn(call, in, out, true);
  return Status::ok();
}

Status lstm(HostOpCall& call) { return lstmOp(call, false); }

/// W [direction][input][4 * hidden] and R [direction][hidden][4 * hidden] are 8-bit; X is quantized once over all
/// steps, the hidden state once a step over the batch. onnxruntime with several threads splits the batch and quantizes
/// each part by itself.
Status dynamicQuantizeLstm(HostOpCall& call) { return lstmOp(call, true); }

constexpr HostOpEntry kRows[] = {
    {"", "RNN", 1, rnn},
    {"", "GRU", 1, gru},
    {"", "LSTM", 1, lstm},
    {"com.microsoft", "DynamicQuantizeLSTM", 1, dynamicQuantizeLstm},
};

} // namespace
} // namespace dense

std::span<const HostOpEntry> rnnHostOps() { return dense::kRows; }

} // namespace jinx
