#include "tools/driver/Fidelity.h"

#include <cmath>
#include <limits>

#include "mlir/IR/IRMapping.h"
#include "tools/driver/Probe.h"

namespace jinx::driver {
namespace {

bool isWatchable(ModelModule& model, const passes::Layer& layer) { return layer.op->getBlock() == &model.main().getBody().front(); }

/// The same layers in a copy of the model, whatever has become of their operands.
std::vector<mlir::Operation*> layerOperations(mlir::func::FuncOp main) {
  std::vector<mlir::Operation*> ops;
  for (const passes::Layer& layer : passes::layersOf(main, passes::Scheme::kInt8, 0))
    ops.push_back(layer.op);
  return ops;
}

Expected<std::unique_ptr<Probe>> watchOutputs(ModelModule& model, const std::vector<size_t>& layers, unsigned threads) {
  auto copy = model.clone();
  const std::vector<mlir::Operation*> ops = layerOperations(copy->main());
  std::vector<mlir::Value> watched;
  for (size_t layer : layers)
    watched.push_back(ops[layer]->getResult(0));
  return Probe::make(std::move(copy), watched, threads);
}

/// Rows along the last axis whose largest element is the label's.
struct TopOne {
  int64_t right = 0, rows = 0;

  Status add(const Tensor& scores, const Tensor& labels, int64_t first) {
    if (scores.rank() == 0 || scores.dim(-1) == 0) return invalidArgument("'labels' are about the last axis of the first output, which has none");
    const int64_t classes = scores.dim(-1);
    for (int64_t row = 0; row < scores.size() / classes; ++row, ++rows) {
      if (first + row >= labels.size()) return invalidArgument("'labels' has " + std::to_string(labels.size()) + " numbers, the first output has more rows");
      int64_t best = 0;
      for (int64_t c = 1; c < classes; ++c)
        if (scores.getDouble(row * classes + c) > scores.getDouble(row * classes + best)) best = c;
      right += best == labels.getInt(first + row);
    }
    return Status::ok();
  }
};

/// Cosine of all elements together.
struct Cosine {
  double products = 0, squares = 0, expectedSquares = 0;

  Status add(const Tensor& got, const Tensor& expected) {
    if (got.size() != expected.size()) return invalidArgument("is " + expected.describe() + ", the model gives " + got.describe());
    for (int64_t i = 0; i < got.size(); ++i) {
      const double a = got.getDouble(i), b = expected.getDouble(i);
      products += a * b;
      squares += a * a;
      expectedSquares += b * b;
    }
    return Status::ok();
  }
  double value() const { return squares > 0 && expectedSquares > 0 ? products / std::sqrt(squares * expectedSquares) : 0; }
};

/// Answers of both models beside the known ones.
class Answers {
 public:
  Answers(const Samples& samples, std::vector<Port> outputs) : samples_(samples), outputs_(std::move(outputs)), cosines_(outputs_.size()) {}

  Status add(size_t sample, const std::vector<Value>& inFloat, const std::vector<Value>& quantized) {
    for (int side = 0; side < 2; ++side) {
      const std::vector<Value>& results = side == 0 ? inFloat : quantized;
      const Tensor* first = tensorOrNull(results[0]);
      if (samples_.labels.valid() && first) JINX_TRY(top_[side].add(*first, samples_.labels, top_[side].rows));
      for (size_t o = 0; o < outputs_.size(); ++o)
        if (auto found = samples_.expected.find(outputs_[o].name); found != samples_.expected.end())
          JINX_TRY(cosines_[o][side].add(*tensorOrNull(results[o]), found->second[sample]), "'expected_" + outputs_[o].name + "'");
    }
    return Status::ok();
  }

  Expected<std::vector<tools::Accuracy>> finish() const {
    std::vector<tools::Accuracy> accuracy;
    if (samples_.labels.valid() && top_[0].rows != samples_.labels.size())
      return invalidArgument("'labels' has " + std::to_string(samples_.labels.size()) + " numbers, the first output has " + std::to_string(top_[0].rows) + " rows");
    if (top_[0].rows > 0) {
      const auto rows = static_cast<double>(top_[0].rows);
      accuracy.push_back({"top-1", static_cast<double>(top_[0].right) / rows, static_cast<double>(top_[1].right) / rows, top_[0].rows});
    }
    for (size_t o = 0; o < outputs_.size(); ++o)
      if (samples_.expected.count(outputs_[o].name))
        accuracy.push_back({"cosine of " + outputs_[o].name, cosines_[o][0].value(), cosines_[o][1].value(), static_cast<int64_t>(samples_.inputs.size())});
    return accuracy;
  }

 private:
  const Samples& samples_;
  std::vector<Port> outputs_;
  TopOne top_[2];
  std::vector<std::array<Cosine, 2>> cosines_;
};

} // namespace

void SignalToNoise::add(const Value& value, const Value& expected) {
  const Tensor *got = tensorOrNull(value), *want = tensorOrNull(expected);
  if (!got || !want || got->size() != want->size() || !isFloat(want->dtype())) return;
  const bool isPlain = got->dtype() == DType::kF32 && want->dtype() == DType::kF32;
  for (int64_t i = 0; i < want->size(); ++i) {
    const double a = isPlain ? got->as<float>()[i] : got->getDouble(i), b = isPlain ? want->as<float>()[i] : want->getDouble(i);
    signal_ += b * b;
    noise_ += (a - b) * (a - b);
  }
}

double SignalToNoise::db() const { return noise_ == 0 ? std::numeric_limits<double>::infinity() : 10 * std::log10(signal_ / noise_); }

Status compareModels(ModelModule& model, const std::vector<passes::Layer>& layers, ModelModule& quantized, const std::vector<passes::LayerOutcome>& outcomes,
                     const Samples& samples, unsigned threads, tools::QuantizeReport& report) {
  std::vector<size_t> watched;
  for (size_t i = 0; i < outcomes.size(); ++i)
    if (isWatchable(model, layers[i])) watched.push_back(i);
  JINX_TRY_ASSIGN(auto floats, watchOutputs(model, watched, threads));
  JINX_TRY_ASSIGN(auto codes, watchOutputs(quantized, watched, threads));
  std::vector<SignalToNoise> ofLayers(watched.size()), ofOutputs(floats->outputs().size());
  Answers answers(samples, floats->outputs());
  for (size_t s = 0; s < samples.inputs.size(); ++s) {
    JINX_TRY_ASSIGN(Probe::Results expected, floats->run(samples.inputs[s]), "sample " + std::to_string(s));
    JINX_TRY_ASSIGN(Probe::Results got, codes->run(samples.inputs[s]), "sample " + std::to_string(s) + ", quantized");
    for (size_t i = 0; i < watched.size(); ++i)
      ofLayers[i].add(got.watched[i], expected.watched[i]);
    for (size_t o = 0; o < ofOutputs.size(); ++o)
      ofOutputs[o].add(got.outputs[o], expected.outputs[o]);
    JINX_TRY(answers.add(s, expected.outputs, got.outputs), report.model);
  }
  for (size_t i = 0; i < watched.size(); ++i)
    report.layers[watched[i]].outputDb = ofLayers[i].db();
  report.outputs.clear();
  for (size_t o = 0; o < ofOutputs.size(); ++o)
    if (isFloat(floats->outputs()[o].dtype)) report.outputs.emplace_back(floats->outputs()[o].name, ofOutputs[o].db());
  JINX_TRY_ASSIGN(report.accuracy, answers.finish());
  return Status::ok();
}

} // namespace jinx::driver
