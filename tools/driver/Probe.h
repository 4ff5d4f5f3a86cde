// A model that runs here and shows values from its middle: a plan whose results are the model's and, behind them, those asked for.
#pragma once

#include "runtime/executor/Executor.h"
#include "tools/driver/ModelModule.h"

namespace jinx::driver {

class Probe {
 public:
  /// Compiles the model for this processor. The module is used up.
  /// \param watched  values of its main function, outside of branches and loops
  static Expected<std::unique_ptr<Probe>> make(std::shared_ptr<ModelModule> model, const std::vector<mlir::Value>& watched, unsigned threads);

  std::vector<Port> inputs() const { return {session_->inputs().begin(), session_->inputs().end()}; }
  /// The model's own.
  std::vector<Port> outputs() const { return {session_->outputs().begin(), session_->outputs().begin() + static_cast<long>(ownOutputs_)}; }

  struct Results {
    std::vector<Value> outputs, watched;
  };
  Expected<Results> run(const std::vector<Value>& inputs);

 private:
  /// Where a watched value is found: among inputs or results.
  struct Place {
    bool isInput = false;
    size_t index = 0;
  };

  Compiled compiled_;
  std::shared_ptr<const PlanFile> plan_;
  std::unique_ptr<Session> session_;
  size_t ownOutputs_ = 0;
  std::vector<Place> places_;
};

} // namespace jinx::driver
