// The activations that onnxruntime's graph optimizer folds into com.microsoft FusedConv and FusedGemm.
#pragma once

#include "runtime/hostops/Dense.h"

namespace jinx::dense {

/// Applies the activation called `name` ("" does nothing); `params` are its alpha, beta (Clip: min, max).
Status applyFusedActivation(const HostOpCall& call, const std::string& name, const std::vector<double>& params,
                            Doubles& values);

} // namespace jinx::dense
