// How long do the float and the quantized model take, and each of their layers?
#pragma once

#include "tools/driver/Quantize.h"

namespace jinx::tools {

/// Runs both on this processor, in turns, on random inputs; the best time of each step counts, for every layer that it computes. Fills in the
/// report's times.
Status measureBoth(driver::Quantized& quantized, const driver::CompileOptions& compile);

} // namespace jinx::tools
