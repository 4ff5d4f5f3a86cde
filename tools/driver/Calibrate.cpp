#include "tools/driver/Calibrate.h"

#include <algorithm>
#include <cmath>

#include "tools/driver/Probe.h"

namespace jinx::driver {
namespace {

using passes::Layer;

bool isQuantized(const Layer& layer, const passes::LayerRecipe& entry) { return layer.whyNot.empty() && entry.keep.empty(); }

/// Layers that read the same value share what is known of it.
struct Input {
  mlir::Value value;
  std::vector<size_t> layers;
  Histogram histogram;
  std::shared_ptr<passes::SecondMoments> moments;
};

std::vector<Input> inputsOf(const std::vector<Layer>& layers, const passes::Recipe& recipe, bool gptq) {
  std::vector<Input> inputs;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (!isQuantized(layers[i], recipe.layers[i])) continue;
    auto known = std::find_if(inputs.begin(), inputs.end(), [&](const Input& input) { return input.value == layers[i].input(); });
    if (known == inputs.end()) known = inputs.insert(inputs.end(), Input{layers[i].input(), {}, {}, nullptr});
    known->layers.push_back(i);
    if (gptq && !layers[i].isConvolution && !known->moments) known->moments = std::make_shared<passes::SecondMoments>(layers[i].k);
  }
  return inputs;
}

std::vector<float> floatsOf(const Tensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.size()));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = tensor.dtype() == DType::kF32 ? tensor.as<float>()[i] : static_cast<float>(tensor.getDouble(static_cast<int64_t>(i)));
  return values;
}

/// A copy of the model that shows what each of `inputs` is.
Expected<std::unique_ptr<Probe>> watch(ModelModule& model, const std::vector<Input>& inputs, const passes::Recipe& recipe) {
  auto copy = model.clone();
  std::vector<Layer> copied = passes::layersOf(copy->main(), recipe.scheme, 0); // found again by their number
  std::vector<mlir::Value> watched;
  for (const Input& input : inputs)
    watched.push_back(copied[input.layers.front()].input());
  return Probe::make(std::move(copy), watched, recipe.threads);
}

} // namespace

Expected<Samples> readSamples(const std::string& dataset, ModelModule& model, unsigned threads) {
  JINX_TRY_ASSIGN(Dataset data, readDataset(dataset));
  JINX_TRY_ASSIGN(auto probe, Probe::make(model.clone(), {}, threads));
  return samplesOf(data, probe->inputs(), probe->outputs());
}

Status calibrate(ModelModule& model, const std::vector<Layer>& layers, const Samples& samples, const CalibrateOptions& options, passes::Recipe& recipe) {
  const bool needsRanges = passes::needsRanges(recipe.scheme);
  if (!needsRanges && !options.gptq) return Status::ok();
  std::vector<Input> inputs = inputsOf(layers, recipe, options.gptq);
  JINX_TRY_ASSIGN(auto probe, watch(model, inputs, recipe));
  for (size_t s = 0; s < samples.inputs.size(); ++s) {
    JINX_TRY_ASSIGN(Probe::Results results, probe->run(samples.inputs[s]), "sample " + std::to_string(s));
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Tensor* tensor = tensorOrNull(results.watched[i]);
      const Layer& layer = layers[inputs[i].layers.front()];
      JINX_TRY(inputs[i].histogram.add(*tensor), "in sample " + std::to_string(s) + " the input of '" + layer.node + "'");
      if (inputs[i].moments) inputs[i].moments->add(floatsOf(*tensor), tensor->size() / layer.k, recipe.threads);
    }
  }
  for (const Input& input : inputs)
    for (size_t layer : input.layers) {
      if (needsRanges) recipe.layers[layer].input = input.histogram.range(options.method, recipe.scheme == passes::Scheme::kFp8);
      recipe.layers[layer].moments = input.moments;
    }
  return Status::ok();
}

Expected<std::vector<passes::SmoothedInput>> measureColumns(ModelModule& model, const std::vector<Layer>& layers, const Samples& samples, const passes::Recipe& recipe) {
  std::vector<Input> inputs = inputsOf(layers, recipe, /*gptq=*/false);
  std::erase_if(inputs, [&](const Input& input) { return std::any_of(input.layers.begin(), input.layers.end(), [&](size_t i) { return layers[i].isConvolution; }); });
  JINX_TRY_ASSIGN(auto probe, watch(model, inputs, recipe));
  std::vector<passes::SmoothedInput> found;
  for (const Input& input : inputs) {
    found.emplace_back();
    for (size_t layer : input.layers)
      found.back().layers.push_back(layers[layer]);
    found.back().largest.resize(static_cast<size_t>(layers[input.layers.front()].k));
  }
  for (size_t s = 0; s < samples.inputs.size(); ++s) {
    JINX_TRY_ASSIGN(Probe::Results results, probe->run(samples.inputs[s]), "sample " + std::to_string(s));
    for (size_t i = 0; i < found.size(); ++i) {
      const std::vector<float> values = floatsOf(*tensorOrNull(results.watched[i]));
      std::vector<float>& largest = found[i].largest;
      for (size_t e = 0; e < values.size(); ++e)
        largest[e % largest.size()] = std::max(largest[e % largest.size()], std::abs(values[e]));
    }
  }
  return found;
}

} // namespace jinx::driver
