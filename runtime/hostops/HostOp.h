// The reference implementation of every operator, on the host: what a plan falls back to when no kernel is generated for a
// node, what constant folding runs, and the oracle that generated kernels are tested against.
//
// So an implementation here is naive, obviously right, works for every element type the ONNX specification allows, and
// accumulates in double (integers exactly). It shares no code with the lowering. One file an operator family
// (Math.cpp, Reduce.cpp, …), each giving a table of rows {domain, name, first opset, function}; HostOpTable joins them.
//
// Worked example, the row {"", "Neg", 6, neg}:
//
//   Status neg(HostOpCall &call) {
//     JINX_TRY_ASSIGN(Tensor x, call.tensor(0));
//     Tensor y = Tensor::make(x.dtype(), x.shape());
//     for (int64_t i = 0; i < x.size(); ++i) ...
//     call.outputs[0] = y;
//     return Status::ok();
//   }
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/base/Attributes.h"
#include "runtime/base/Tensor.h"

namespace jinx {

/// One evaluation of one node. Inputs are in ONNX order; an omitted optional input is std::monostate (or beyond the end).
struct HostOpCall {
  std::string_view op;            ///< ONNX operator name
  std::string_view node;          ///< ONNX node name, for messages
  int64_t opset = 0;              ///< opset version of the operator's domain in the model
  const Attributes *attributes = nullptr;
  std::vector<Value> inputs;
  std::vector<Value> outputs;     ///< already sized to the node's outputs; the function fills the ones it is asked for

  bool has(size_t i) const { return i < inputs.size() && isPresent(inputs[i]); }
  /// Input `i` as a tensor; kInvalidArgument, naming op, node and position, when absent or not a tensor.
  Expected<Tensor> tensor(size_t i) const;
  /// A failure whose message starts with the op and node.
  Status error(std::string message) const;
};

using HostOpFn = Status (*)(HostOpCall &call);

/// A row of a family's table: valid from `sinceOpset` on, until a later row of the same name.
struct HostOpEntry {
  std::string_view domain;  ///< "" for ai.onnx, else "com.microsoft", "ai.onnx.ml", "ai.onnx.preview.training", "jinx" (ours)
  std::string_view name;
  int64_t sinceOpset;
  HostOpFn fn;
};

/// Finds the function for a node. Immutable once made; `standard()` has every family.
class HostOpTable {
 public:
  static HostOpTable standard();
  void add(std::span<const HostOpEntry> entries);
  /// Null when no row covers the opset.
  HostOpFn find(std::string_view domain, std::string_view name, int64_t opset) const;
  size_t size() const { return rows_.size(); }
  /// Every row, in no order.
  std::vector<HostOpEntry> rows() const;

 private:
  std::unordered_map<std::string, std::vector<HostOpEntry>> rows_;  // key: domain "::" name
};

// The families, one file each.
std::span<const HostOpEntry> mathHostOps();         // Math.cpp: elementwise unary, binary, n-ary, comparison, logic, bitwise, Clip, Where
std::span<const HostOpEntry> activationHostOps();   // Activation.cpp: Relu … Selu, Softmax family, Hardmax, PRelu, Gelu, Mish, Swish
std::span<const HostOpEntry> reduceHostOps();       // Reduce.cpp: Reduce*, ArgMax/ArgMin, CumSum, CumProd
std::span<const HostOpEntry> castHostOps();         // Cast.cpp: Cast, CastLike, BitCast, all 8/4/2-bit formats and strings
std::span<const HostOpEntry> tensorHostOps();       // Tensor.cpp: Reshape, Transpose, Slice, Concat, Split, Pad, Expand, Tile, Shape …
std::span<const HostOpEntry> indexHostOps();        // Index.cpp: Gather*, Scatter*, NonZero, OneHot, TopK, Unique, Compress, …
std::span<const HostOpEntry> matmulHostOps();       // Matmul.cpp: MatMul, Gemm, Einsum, Det, MatMulInteger, QLinearMatMul
std::span<const HostOpEntry> convHostOps();         // Conv.cpp: Conv, ConvTranspose, ConvInteger, QLinearConv, DeformConv, Col2Im
std::span<const HostOpEntry> poolHostOps();         // Pool.cpp: Max/Average/Lp/Global pools, MaxUnpool, RoiAlign, MaxRoiPool
std::span<const HostOpEntry> normHostOps();         // Norm.cpp: Batch/Layer/Instance/Group/RMS norm, LRN, MeanVariance, LpNormalization
std::span<const HostOpEntry> rnnHostOps();          // Rnn.cpp: RNN, GRU, LSTM, com.microsoft DynamicQuantizeLSTM
std::span<const HostOpEntry> recurrenceHostOps();   // Recurrence.cpp: lstm and gru of the graph dialect, domain "jinx"
std::span<const HostOpEntry> attentionHostOps();    // Attention.cpp: Attention, RotaryEmbedding, contrib attention ops
std::span<const HostOpEntry> quantHostOps();        // Quant.cpp: (De)QuantizeLinear, DynamicQuantizeLinear, contrib quantised ops
std::span<const HostOpEntry> imageHostOps();        // Image.cpp: Resize, Upsample, GridSample, AffineGrid, ImageDecoder, CenterCropPad …
std::span<const HostOpEntry> signalHostOps();       // Signal.cpp: DFT, STFT, windows, MelWeightMatrix
std::span<const HostOpEntry> randomHostOps();       // Random.cpp: Random*, Bernoulli, Multinomial, Dropout
std::span<const HostOpEntry> textHostOps();         // Text.cpp: string ops, TfIdf, LabelEncoder, ai.onnx.ml ops
std::span<const HostOpEntry> sequenceHostOps();     // Sequence.cpp: Sequence*, SplitToSequence, Optional*
std::span<const HostOpEntry> trainingHostOps();     // Training.cpp: losses, Adam, Adagrad, Momentum

}  // namespace jinx
