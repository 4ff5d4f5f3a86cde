#include "tools/driver/Budget.h"

#include <algorithm>
#include <limits>

#include "tools/driver/Fidelity.h"
#include "tools/driver/Probe.h"

namespace jinx::driver {
namespace {

constexpr size_t kMostSamples = 16;

int64_t sizeOf(const std::vector<Value>& outputs) {
  int64_t size = 0;
  for (const Value& output : outputs)
    if (const Tensor* tensor = tensorOrNull(output)) size += tensor->size();
  return size;
}

/// The model with switches, and what it computes in float.
class Trials {
 public:
  static Expected<Trials> make(ModelModule& model, const passes::Recipe& recipe, int64_t minWeights, const Samples& samples, int64_t numbers) {
    Trials trials;
    auto copy = model.clone();
    passes::Recipe switched = recipe;
    switched.hasSwitches = true;
    JINX_TRY_ASSIGN(auto outcomes, passes::quantizeLayers(copy->main(), passes::layersOf(copy->main(), recipe.scheme, minWeights), switched));
    for (size_t i = 0; i < outcomes.size(); ++i)
      if (outcomes[i].keep.empty()) trials.layers_.push_back(i);
    JINX_TRY_ASSIGN(trials.probe_, Probe::make(std::move(copy), {}, recipe.threads));
    const std::vector<Port> outputs = trials.probe_->outputs();
    if (std::none_of(outputs.begin(), outputs.end(), [](const Port& port) { return isFloat(port.dtype); }))
      return invalidArgument("--budget is about outputs of floats, the model has none");
    for (int64_t seen = 0; const auto& inputs : samples.inputs) {
      if (trials.inputs_.size() == kMostSamples || seen >= numbers) break;
      JINX_TRY_ASSIGN(Probe::Results results, trials.probe_->run(trials.withSwitches(inputs, std::vector<bool>(trials.layers_.size()))));
      seen += sizeOf(results.outputs);
      trials.inputs_.push_back(inputs);
      trials.expected_.push_back(std::move(results.outputs));
    }
    return trials;
  }

  const std::vector<size_t>& layers() const { return layers_; }

  /// Signal to noise of the worst output when these layers are quantized.
  Expected<double> run(const std::vector<bool>& isQuantized) {
    std::vector<SignalToNoise> outputs(probe_->outputs().size());
    for (size_t s = 0; s < inputs_.size(); ++s) {
      JINX_TRY_ASSIGN(Probe::Results results, probe_->run(withSwitches(inputs_[s], isQuantized)));
      for (size_t o = 0; o < outputs.size(); ++o)
        outputs[o].add(results.outputs[o], expected_[s][o]);
    }
    double worst = std::numeric_limits<double>::infinity();
    for (const SignalToNoise& output : outputs)
      worst = std::min(worst, output.db());
    return worst;
  }

 private:
  static std::vector<Value> withSwitches(std::vector<Value> inputs, const std::vector<bool>& isQuantized) {
    for (bool on : isQuantized)
      inputs.push_back(Tensor::scalarInt(on, DType::kBool));
    return inputs;
  }

  std::vector<size_t> layers_;
  std::unique_ptr<Probe> probe_;
  std::vector<std::vector<Value>> inputs_, expected_;
};

} // namespace

double worstDb(const std::vector<std::pair<std::string, double>>& outputs) {
  double worst = std::numeric_limits<double>::infinity();
  for (const auto& [name, db] : outputs)
    worst = std::min(worst, db);
  return worst;
}

Expected<Damage> findDamage(ModelModule& model, const passes::Recipe& recipe, int64_t minWeights, const Samples& samples, int64_t numbers, std::optional<double> budgetDb) {
  JINX_TRY_ASSIGN(Trials trials, Trials::make(model, recipe, minWeights, samples, numbers));
  const size_t count = trials.layers().size();
  std::vector<std::pair<double, size_t>> damage; // and place among the quantized layers
  for (size_t i = 0; i < count; ++i) {
    std::vector<bool> only(count);
    only[i] = true;
    JINX_TRY_ASSIGN(double db, trials.run(only));
    damage.emplace_back(db, i);
  }
  std::sort(damage.begin(), damage.end());
  Damage found;
  std::vector<bool> on(count, true);
  for (const auto& [db, i] : damage) {
    found.order.push_back(trials.layers()[i]);
    found.alone.push_back(db);
  }
  for (; budgetDb && found.kept < count; ++found.kept) {
    JINX_TRY_ASSIGN(double db, trials.run(on));
    if (db >= *budgetDb) return found;
    on[damage[found.kept].second] = false;
  }
  return found;
}

} // namespace jinx::driver
