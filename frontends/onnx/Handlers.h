// The table: which handler imports which operator, from which opset on.
#pragma once

#include <span>

#include "frontends/onnx/Node.h"

namespace jinx::frontends {

/// Valid for opsets `since` to `until` of the domain, both included.
struct HandlerRow {
  std::string_view domain; ///< "" for ai.onnx
  std::string_view name;
  int64_t since;
  int64_t until;
  Handler handler;
  /// True for handlers that look at operands' types themselves: unranked tensors, strings, sequences and element types without
  /// kernels come through.
  bool anyType = false;
  /// True for handlers that always decline: they say what the results of an operator are that ONNX has no schema for.
  bool typesOnly = false;
};
inline constexpr int64_t kAnyOpset = 1 << 30;

/// Null when the table has no row for it.
const HandlerRow *findHandler(std::string_view domain, std::string_view name, int64_t opset);
/// Every row, family by family.
std::vector<const HandlerRow *> handlerRows();

// The families, one file each.
std::span<const HandlerRow> mathHandlers();        // Math.cpp: elementwise arithmetic, comparison, logic, Cast, Where, Clip
std::span<const HandlerRow> activationHandlers();  // Activation.cpp: Relu … Mish, Softmax family
std::span<const HandlerRow> shapeHandlers();       // Shape.cpp: Reshape, Transpose, Squeeze, Expand, Tile, Shape, Constant, Range …
std::span<const HandlerRow> movementHandlers();    // Movement.cpp: Slice, Split, Concat, Pad, Gather, DepthToSpace, Trilu, OneHot …
std::span<const HandlerRow> indexHandlers();       // Index.cpp: GatherElements, GatherND, Scatter*, CumSum, TopK
std::span<const HandlerRow> reduceHandlers();      // Reduce.cpp
std::span<const HandlerRow> contractionHandlers(); // Contraction.cpp: MatMul, Gemm, Einsum
std::span<const HandlerRow> convHandlers();        // Conv.cpp: Conv, ConvTranspose, pools
std::span<const HandlerRow> normHandlers();        // Norm.cpp: Batch, Layer, RMS, Instance, Group normalization, LRN
std::span<const HandlerRow> rnnHandlers();         // Rnn.cpp: LSTM, GRU
std::span<const HandlerRow> quantHandlers();       // Quant.cpp: quantize, dequantize, MatMulInteger
std::span<const HandlerRow> weightCodeHandlers();  // WeightCodes.cpp: MatMulNBits, MatMulBnb4
std::span<const HandlerRow> imageHandlers();       // Image.cpp: Resize, Upsample
std::span<const HandlerRow> controlHandlers();     // Control.cpp: If, Loop, Scan, SequenceMap, Identity of anything
std::span<const HandlerRow> attentionHandlers();   // Attention.cpp: Attention, RotaryEmbedding
std::span<const HandlerRow> microsoftHandlers();   // Microsoft.cpp: com.microsoft

/// Imports the node through its schema's function body: for operators whose body is made of what kernels exist for.
bool expandFunction(Node &n);

} // namespace jinx::frontends
