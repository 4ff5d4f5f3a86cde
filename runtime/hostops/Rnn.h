// What RNN, GRU and LSTM share: operands in one layout, weights as products, activations. Rnn.cpp has the operators'
// step loops.
#pragma once

#include <string>

#include "runtime/hostops/Dense.h"

namespace jinx::dense {

/// An activation of the recurrent operators with its constants.
struct RnnActivation {
  enum class Kind {
    kAffine,
    kRelu,
    kLeakyRelu,
    kThresholdedRelu,
    kTanh,
    kScaledTanh,
    kSigmoid,
    kHardSigmoid,
    kElu,
    kSoftsign,
    kSoftplus
  };
  Kind kind = Kind::kTanh;
  double alpha = 0, beta = 0;
  double operator()(double x) const;
};

/// c += a * w for a gate weight: [n][k] as ONNX stores it, or [k][n] quantized with scales (one, or one a column) when
/// `scale` is not empty. A quantized product quantizes `a` to u8 over all its rows, and then adds exact integers times
/// both scales.
struct GateWeight {
  int64_t n = 0, k = 0;
  Doubles values;
  Doubles scale;
  void addProduct(int64_t m, const double* a, int64_t firstCol, int64_t cols, double* c, int64_t ldc) const;
};

/// One direction's weights; bias and peepholes are empty when absent.
struct RnnDirection {
  GateWeight w, r;
  Doubles bias;     ///< [2 * gates * hidden]: of w, then of r
  Doubles peephole; ///< [3 * hidden]: input, output, forget
  std::vector<RnnActivation> activations;
  bool reverse = false;
};

/// A call in layout 0: x [seq][batch][input], states [direction][batch][hidden].
struct RnnCall {
  DType type = DType::kInvalid;
  int64_t seq = 0, batch = 0, input = 0, hidden = 0, gates = 0;
  bool batchFirst = false; ///< layout = 1: outputs are transposed back
  bool quantized = false;
  double clip = 0; ///< 0: none
  Doubles x, h0, c0;
  std::vector<int64_t> lengths; ///< of each sequence
  std::vector<RnnDirection> directions;
};

/// Reads and checks the operands; `defaults` names the activations of one direction. `isLstm` adds initial_c and P.
Expected<RnnCall> readRnn(const HostOpCall& call, int64_t gates, const std::vector<std::string>& defaults, bool isLstm,
                          bool quantized);

/// Results of all directions: y [seq][direction][batch][hidden], the final states [direction][batch][hidden].
struct RnnResult {
  Doubles y, h, c;
};
void giveRnn(HostOpCall& call, const RnnCall& rnn, const RnnResult& result, bool isLstm);

} // namespace jinx::dense
