#include "tools/jinx/Comparison.h"

#include <algorithm>
#include <map>
#include <set>

#include "tools/common/Preview.h"

namespace jinx::tools {
namespace {

using Result = driver::GraphView::Result;

/// What a value shows in another shape, down to what a step writes.
Result writtenAs(const driver::GraphView& view, Result result) {
  while (result.op >= 0 && view.operators[static_cast<size_t>(result.op)].viewOf.op >= 0)
    result = view.operators[static_cast<size_t>(result.op)].viewOf;
  return result;
}

Tolerance toleranceFor(DType type, Tolerance tolerance, bool given) {
  if (!given && isFloat(type) && bitWidth(type) <= 16) tolerance.relative = 2e-2;
  return tolerance;
}

TensorRow compareRow(std::string name, int step, const Value& got, const Value& expected, const Tolerance& given,
                     bool isGiven) {
  const Tensor *a = tensorOrNull(got), *b = tensorOrNull(expected);
  const Tolerance tolerance = a ? toleranceFor(a->dtype(), given, isGiven) : given;
  TensorRow row{std::move(name), describeValue(got), step, compareValues(got, expected, tolerance).message(), {}};
  if (a && b && a->dtype() == b->dtype() && a->shape() == b->shape()) row.difference = differenceOf(*a, *b, tolerance);
  return row;
}

/// Values of the fused plan, waiting for those of the unfused one. A step in a loop writes several.
struct Written {
  uint32_t step;
  Result result;
  Tensor tensor;
  bool met = false;
};

class ValueCollector {
 public:
  Status collect(Side& side) {
    const auto steps = side.graphSteps();
    return side.runOnce(nullptr, [&](uint32_t step, size_t output, const Value& value) {
      const Tensor* tensor = tensorOrNull(value);
      if (!tensor || !steps[step] || output >= steps[step]->results.size()) return Status::ok();
      const Result result = writtenAs(side.view, steps[step]->results[output]);
      if (result.op < 0) return Status::ok();
      places_[result].push_back(written_.size());
      written_.push_back({step, result, tensor->clone()});
      return Status::ok();
    });
  }

  /// Calls `compare` for every value that is there.
  Status meet(Side& side, const std::function<void(const Written&, const Tensor&)>& compare) {
    const auto steps = side.graphSteps();
    std::map<Result, size_t> times;
    return side.runOnce(nullptr, [&](uint32_t step, size_t output, const Value& value) {
      const Tensor* tensor = tensorOrNull(value);
      if (!tensor || !steps[step] || output >= steps[step]->results.size()) return Status::ok();
      const Result result = writtenAs(side.view, steps[step]->results[output]);
      const auto place = places_.find(result);
      if (place == places_.end()) return Status::ok();
      const size_t time = times[result]++;
      if (time >= place->second.size()) return Status::ok();
      Written& written = written_[place->second[time]];
      written.met = true;
      compare(written, *tensor);
      return Status::ok();
    });
  }

  int alone() const {
    return static_cast<int>(std::count_if(written_.begin(), written_.end(), [](const Written& w) { return !w.met; }));
  }

 private:
  std::vector<Written> written_;
  std::map<Result, std::vector<size_t>> places_; ///< in written_
};

bool isWorse(const TensorRow& a, const TensorRow& b) {
  if (a.problem.empty() != b.problem.empty()) return !a.problem.empty();
  return a.difference.signalToNoiseDb < b.difference.signalToNoiseDb;
}

/// The fused step that computes an operator, if it is one.
std::map<int, size_t> homesOf(const Side& fused) {
  std::map<int, std::set<size_t>> homes;
  const auto steps = fused.graphSteps();
  for (size_t i = 0; i < steps.size(); ++i)
    if (steps[i])
      for (int op : steps[i]->operators)
        homes[op].insert(i);
  std::map<int, size_t> single;
  for (const auto& [op, where] : homes)
    if (where.size() == 1) single[op] = *where.begin();
  return single;
}

} // namespace

std::vector<const driver::GraphView::Step*> Side::graphSteps() const {
  std::vector<std::string> kinds;
  for (const TraceStep& step : steps)
    kinds.push_back(step.kind);
  return view.match(kinds);
}

Status Side::runOnce(Trace* trace, const StepObserver& observer) {
  Session& session = *loaded.session;
  for (size_t k = 0; k < outputs.size(); ++k)
    if (!isReusable(session.plan(), static_cast<int>(k))) outputs[k] = {};
  Timer timer;
  JINX_TRY(session.run(inputs, outputs, trace, observer));
  runMs.push_back(timer.ms());
  return Status::ok();
}

Expected<Comparison> compareValuesOf(Side& fused, Side& unfused, const Tolerance& tolerance, bool given) {
  Comparison comparison;
  ValueCollector values;
  JINX_TRY(values.collect(fused), "running the fused plan");
  auto compare = [&](const Written& written, const Tensor& expected) {
    Tensor got = written.tensor;
    if (got.size() == expected.size()) got = Tensor::wrap(got.dtype(), expected.shape(), got.data(), got.storage());
    const auto& op = fused.view.operators[static_cast<size_t>(written.result.op)];
    comparison.tensors.push_back(compareRow(op.node, static_cast<int>(written.step), got, expected, tolerance, given));
  };
  JINX_TRY(values.meet(unfused, compare), "running the unfused plan");
  std::stable_sort(comparison.tensors.begin(), comparison.tensors.end(),
                   [](const TensorRow& a, const TensorRow& b) { return a.step < b.step; });
  comparison.alone = values.alone();
  for (size_t k = 0; k < fused.outputs.size(); ++k)
    comparison.outputs.push_back(compareRow(fused.loaded.session->outputs()[k].name, -1, fused.outputs[k],
                                            unfused.outputs[k], tolerance, given));
  return comparison;
}

std::vector<KernelRow> compareKernels(const Side& fused, const Side& unfused, const Comparison& comparison) {
  std::map<size_t, KernelRow> rows;
  for (const auto& [index, ms] : fused.stepMs) {
    rows[index].step = index;
    rows[index].fusedMs = ms;
  }
  const std::map<int, size_t> homes = homesOf(fused);
  const auto unfusedSteps = unfused.graphSteps();
  for (const auto& [index, ms] : unfused.stepMs) {
    if (!unfusedSteps[index] || unfusedSteps[index]->operators.size() != 1) continue;
    const auto home = homes.find(unfusedSteps[index]->operators[0]);
    const auto row = home == homes.end() ? rows.end() : rows.find(home->second);
    if (row == rows.end()) continue;
    row->second.unfusedMs += ms;
    ++row->second.unfusedSteps;
    const std::optional<int64_t> bytes = unfused.figures[index].bytes;
    row->second.unfusedBytes = bytes && row->second.unfusedBytes ? std::optional(*row->second.unfusedBytes + *bytes) : std::nullopt;
  }
  for (const TensorRow& tensor : comparison.tensors)
    if (auto row = rows.find(static_cast<size_t>(tensor.step)); row != rows.end())
      if (!row->second.worst || isWorse(tensor, *row->second.worst)) row->second.worst = &tensor;
  std::vector<KernelRow> sorted;
  for (const auto& [index, row] : rows)
    sorted.push_back(row);
  std::sort(sorted.begin(), sorted.end(), [](const KernelRow& a, const KernelRow& b) {
    return a.fusedMs > b.fusedMs || (a.fusedMs == b.fusedMs && a.step < b.step);
  });
  return sorted;
}

} // namespace jinx::tools
