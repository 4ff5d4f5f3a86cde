// The geometry of a sliding window: what Conv and the pools have in common.
#pragma once

#include "runtime/hostops/Dense.h"

namespace jinx::dense {

/// Per spatial dimension. Output position o sees the input positions o * stride - padBegin + i * dilation, i in [0,
/// kernel).
struct Window {
  Shape in, kernel, stride, dilation, padBegin, padEnd, out;

  int64_t rank() const { return static_cast<int64_t>(in.size()); }
  int64_t inSize() const { return numElements(in); }
  int64_t outSize() const { return numElements(out); }
  int64_t kernelSize() const { return numElements(kernel); }
  int64_t extent(int64_t d) const { return (kernel[d] - 1) * dilation[d] + 1; } ///< of the dilated kernel
  bool isIdentity() const; ///< a kernel of 1, stride 1, no padding: output position = input position
};

/// Reads strides, dilations, pads and checks them; `kernel` is what kernel_shape must say (empty: it is required and
/// taken). `padBegin`, `padEnd` are the attribute pads; auto_pad and the output are left to the callers below.
Expected<Window> readWindow(const HostOpCall& call, Shape in, Shape kernel);

/// Output extents and automatic padding of a convolution.
Expected<Window> convWindow(const HostOpCall& call, Shape in, Shape kernel);

/// Output extents and automatic padding of a pool, which may round up (ceil_mode): a window then starts in the input or
/// in its begin padding, never past it.
Expected<Window> poolWindow(const HostOpCall& call, Shape in);

/// offsets[k * count + p]: where kernel element k of output position first + p reads in one input plane; -1 in the
/// padding.
std::vector<int64_t> windowOffsets(const Window& w, int64_t first, int64_t count);

} // namespace jinx::dense
