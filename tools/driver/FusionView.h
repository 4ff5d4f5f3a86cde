// The graph on both sides of fusion, for people: which operators there were, and which step of the plan computes each.
#pragma once

#include <map>

#include "mlir/Pass/PassInstrumentation.h"
#include "tools/driver/Compiler.h"

namespace jinx::driver {

/// Listens to a pass manager and fills `view`. Operators are numbered by an attribute before the passes that copy them
/// into groups with it (jinx-form-attention, jinx-fuse); groups are numbered for jinx-schedule, which hands their
/// attributes to the launches. After that pass the attributes are gone.
class FusionView : public mlir::PassInstrumentation {
 public:
  explicit FusionView(GraphView& view) : view_(view) {}
  void runBeforePass(mlir::Pass* pass, mlir::Operation* op) override;
  void runAfterPass(mlir::Pass* pass, mlir::Operation* op) override;

 private:
  void addOperators(mlir::Operation* root);
  void addGroups(mlir::Operation* root);
  void addSteps(mlir::Operation* root);

  GraphView& view_;
  std::vector<GraphView::Step> groups_;
};

} // namespace jinx::driver
