// The geometry of sliding windows, shared by convolutions and pools.
#pragma once

#include "frontends/onnx/Handlers.h"

namespace jinx::frontends {

struct Window {
  llvm::SmallVector<int64_t> kernel;
  GraphBuilder::ConvGeometry geometry;   ///< of constant pads
  Sizes low, high;                       ///< pads per spatial dimension; constants unless auto_pad meets dynamic sizes
  Sizes sizes;                           ///< result extents of a pool or convolution
  bool hasConstantPads = true;
  bool isExact = true; ///< false: high pads are what they may be at most; the windows are the same
};

/// Reads kernel_shape (or takes `kernel`), strides, dilations, pads, auto_pad and ceil_mode for an operand [n, c, spatial…].
/// nullopt after declining.
std::optional<Window> readWindow(Node &n, llvm::ArrayRef<SizeExpr> spatial, std::optional<llvm::SmallVector<int64_t>> kernel);

/// x with the window's pads around it, for pads that depend on dynamic sizes; the window then has none.
Value padDynamically(Node &n, Value x, Window &window, Value fill);

/// The convolution of x with w plus a bias: what Conv and its relatives have in common.
///
/// \param outside  what x is outside the image, a scalar; null: 0
Value convolve(Node &n, Value x, Value w, Value bias, Value outside = {});

} // namespace jinx::frontends
