// How near is a quantized model to the float one? Both run on the samples, side by side.
#pragma once

#include "passes/Quant/QuantizeModel.h"
#include "tools/common/QuantizeReport.h"
#include "tools/driver/Dataset.h"
#include "tools/driver/ModelModule.h"

namespace jinx::driver {

/// Sums over tensors of signal and noise.
class SignalToNoise {
 public:
  void add(const Value& value, const Value& expected);
  /// 10 log10 of signal / noise; infinity where both are equal.
  double db() const;

 private:
  double signal_ = 0, noise_ = 0;
};

/// Fills in what the report says of layers' and the model's outputs, and of answers where the samples have some.
/// \param layers    of `model`, the float one
/// \param outcomes  the same layers in `quantized`
Status compareModels(ModelModule& model, const std::vector<passes::Layer>& layers, ModelModule& quantized, const std::vector<passes::LayerOutcome>& outcomes,
                     const Samples& samples, unsigned threads, tools::QuantizeReport& report);

} // namespace jinx::driver
