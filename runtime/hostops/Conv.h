// Convolution on double buffers, shared by the float, quantized and special convolutions (Conv.cpp, ConvOther.cpp).
#pragma once

#include "runtime/hostops/Window.h"

namespace jinx::dense {

/// x: [batch][channels][in...], w: [maps][channels / groups][kernel...], result: [batch][maps][out...].
Doubles convolve(const Window& window, int64_t batch, int64_t channels, int64_t maps, int64_t groups, const Doubles& x,
                 const Doubles& w);
/// Adds bias[m] to every position of map m.
void addChannelBias(Doubles& y, const Doubles& bias, int64_t positions);
/// Checks X, W and group against each other; names them in its failures.
Status checkConv(const HostOpCall& call, const Tensor& x, const Tensor& w, int64_t group);
/// Operand `i` as `maps` doubles; empty when absent.
Expected<Doubles> channelOperand(const HostOpCall& call, size_t i, int64_t maps, const char* name);

// ConvOther.cpp
Status deformConv(HostOpCall& call);
Status col2Im(HostOpCall& call);
Status causalConvWithState(HostOpCall& call);
Status convTranspose(HostOpCall& call);

} // namespace jinx::dense
