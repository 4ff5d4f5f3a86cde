// What do a model's layers read? The float model runs on samples, and its layers' inputs are looked at.
#pragma once

#include "passes/Quant/Layers.h"
#include "passes/Quant/Smooth.h"
#include "tools/driver/Dataset.h"
#include "tools/driver/ModelModule.h"
#include "tools/driver/Observers.h"

namespace jinx::driver {

/// A data set's samples for a model. The model is compiled to know its inputs' shapes.
Expected<Samples> readSamples(const std::string& dataset, ModelModule& model, unsigned threads);

struct CalibrateOptions {
  Method method = Method::kMinMax;
  bool gptq = false;
};

/// Fills in ranges, where the scheme needs them, and second moments of products' inputs for GPTQ.
/// \param layers  of `model`, as many as the recipe has
/// \returns kInvalidArgument where a layer's input is not finite, with the sample's number
Status calibrate(ModelModule& model, const std::vector<passes::Layer>& layers, const Samples& samples, const CalibrateOptions& options, passes::Recipe& recipe);

/// Products that are to be quantized, those that read one value together, with the largest size of each of its columns over the samples.
Expected<std::vector<passes::SmoothedInput>> measureColumns(ModelModule& model, const std::vector<passes::Layer>& layers, const Samples& samples, const passes::Recipe& recipe);

} // namespace jinx::driver
