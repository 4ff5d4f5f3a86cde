#include "tools/driver/Probe.h"

#include <algorithm>

#include "ir/Graph/Graph.h"

namespace jinx::driver {
namespace {

/// The result that `value` is, added to the function's where it is none.
size_t resultOf(mlir::func::FuncOp main, mlir::Value value) {
  auto ret = mlir::cast<mlir::func::ReturnOp>(main.getBody().front().getTerminator());
  for (auto [i, operand] : llvm::enumerate(ret.getOperands()))
    if (operand == value) return i;
  const unsigned at = ret.getNumOperands();
  mlir::Builder b(main.getContext());
  auto name = b.getDictionaryAttr(b.getNamedAttr("jinx.name", b.getStringAttr("watched." + std::to_string(at))));
  (void)main.insertResult(at, value.getType(), name);
  ret->insertOperands(at, value);
  return at;
}

} // namespace

Expected<std::unique_ptr<Probe>> Probe::make(std::shared_ptr<ModelModule> model, const std::vector<mlir::Value>& watched, unsigned threads) {
  auto probe = std::make_unique<Probe>();
  mlir::func::FuncOp main = model->main();
  probe->ownOutputs_ = main.getNumResults();
  for (mlir::Value value : watched) {
    auto argument = mlir::dyn_cast<mlir::BlockArgument>(value);
    probe->places_.push_back(argument ? Place{true, argument.getArgNumber()} : Place{false, resultOf(main, value)});
  }
  CompileOptions options;
  options.portable = false;
  options.threads = threads;
  JINX_TRY_ASSIGN(probe->compiled_, compileModule(std::move(model), options), "compiling the model to look at its values");
  JINX_TRY_ASSIGN(probe->plan_, std::move(*probe->compiled_.plan).toMemory());
  JINX_TRY_ASSIGN(std::unique_ptr<Device> device, makeDevice("cpu", {.threads = static_cast<int>(threads)}));
  JINX_TRY_ASSIGN(probe->session_, Session::create(probe->plan_, std::move(device)));
  return probe;
}

Expected<Probe::Results> Probe::run(const std::vector<Value>& inputs) {
  std::vector<Value> outputs(session_->outputs().size());
  JINX_TRY(session_->run(inputs, outputs), "running the model");
  Results results;
  for (const Place& place : places_)
    results.watched.push_back(place.isInput ? inputs[place.index] : outputs[place.index]);
  outputs.resize(ownOutputs_);
  results.outputs = std::move(outputs);
  return results;
}

} // namespace jinx::driver
