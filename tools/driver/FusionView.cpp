#include "tools/driver/FusionView.h"

#include "ir/Graph/Graph.h"
#include "ir/Tile/Tile.h"
#include "mlir/Pass/Pass.h"
#include "tools/driver/Remarks.h"
#include "llvm/ADT/DenseMap.h"

namespace jinx::driver {
namespace {

constexpr const char* kOperator = "jinx.view.operator";
constexpr const char* kGroup = "jinx.view.group";

/// Weights and small constants are inputs of the picture, not part of it.
bool isShown(mlir::Operation* op) {
  return op->getNumResults() > 0 && llvm::isa_and_present<graph::GraphDialect>(op->getDialect()) &&
         !llvm::isa<graph::ConstantOp, graph::NoneOp>(op);
}

std::optional<int> numberOf(mlir::Operation* op, const char* name) {
  auto number = op->getAttrOfType<mlir::IntegerAttr>(name);
  return number ? std::optional(static_cast<int>(number.getInt())) : std::nullopt;
}

bool isNumbered(mlir::Operation* root) {
  return root->walk([](mlir::Operation* op) {
               return op->hasAttr(kOperator) ? mlir::WalkResult::interrupt() : mlir::WalkResult::advance();
             })
      .wasInterrupted();
}

void setNumber(mlir::Operation* op, const char* name, size_t number) {
  op->setAttr(name, mlir::Builder(op->getContext()).getI64IntegerAttr(static_cast<int64_t>(number)));
}

/// The operator, by its number, that makes a value.
GraphView::Result resultOf(mlir::Value value) {
  auto result = llvm::dyn_cast<mlir::OpResult>(value);
  const auto number = result ? numberOf(result.getOwner(), kOperator) : std::nullopt;
  return number ? GraphView::Result{*number, static_cast<int>(result.getResultNumber())} : GraphView::Result{};
}

void append(GraphView::Step& step, const GraphView::Step& more) {
  step.operators.insert(step.operators.end(), more.operators.begin(), more.operators.end());
  step.results.insert(step.results.end(), more.results.begin(), more.results.end());
}

GraphView::Operator describe(mlir::Operation* op) {
  GraphView::Operator shown;
  shown.kind = op->getName().stripDialect().str();
  if (auto host = llvm::dyn_cast<graph::HostCallOp>(op)) shown.kind = host.getOp().str();
  shown.node = locationName(op->getLoc());
  if (auto reshape = llvm::dyn_cast<graph::ReshapeOp>(op)) shown.viewOf = resultOf(reshape.getX());
  if (auto tensor = llvm::dyn_cast<mlir::RankedTensorType>(op->getResult(0).getType())) {
    shown.ranked = true;
    for (const SizeExpr& size : graph::sizesOf(tensor))
      shown.dims.push_back(size.str());
  }
  return shown;
}

} // namespace

void FusionView::runBeforePass(mlir::Pass* pass, mlir::Operation* root) {
  if (pass->getArgument() == "jinx-form-attention" || (pass->getArgument() == "jinx-fuse" && !isNumbered(root)))
    addOperators(root);
  if (pass->getArgument() == "jinx-schedule") addGroups(root);
}

void FusionView::runAfterPass(mlir::Pass* pass, mlir::Operation* root) {
  // Launches that run in pairs carry the groups of both.
  if (pass->getArgument() == "jinx-schedule" || pass->getArgument() == "jinx-pair-launches") addSteps(root);
}

void FusionView::addOperators(mlir::Operation* root) {
  llvm::DenseMap<mlir::Operation*, int> numbers;
  root->walk<mlir::WalkOrder::PreOrder>([&](mlir::Operation* op) {
    if (!isShown(op)) return;
    numbers[op] = static_cast<int>(view_.operators.size());
    setNumber(op, kOperator, view_.operators.size());
    GraphView::Operator shown = describe(op);
    if (auto around = numbers.find(op->getParentOp()); around != numbers.end()) shown.inside = around->second;
    for (mlir::Value operand : op->getOperands())
      if (auto made = numbers.find(operand.getDefiningOp()); operand.getDefiningOp() && made != numbers.end())
        shown.reads.push_back(made->second);
    view_.operators.push_back(std::move(shown));
  });
}

void FusionView::addGroups(mlir::Operation* root) {
  root->walk([&](graph::GroupOp group) {
    mlir::Builder b(group.getContext());
    group->setAttr(kGroup, b.getArrayAttr({b.getI64IntegerAttr(static_cast<int64_t>(groups_.size()))}));
    GraphView::Step& step = groups_.emplace_back();
    group.getBody().walk([&](mlir::Operation* op) {
      if (auto number = numberOf(op, kOperator)) step.operators.push_back(*number);
    });
    for (mlir::Value result : group.getBody().front().getTerminator()->getOperands())
      step.results.push_back(resultOf(result));
  });
}

void FusionView::addSteps(mlir::Operation* root) {
  view_.launches.clear();
  view_.controls.clear();
  view_.hostCalls.clear();
  root->walk<mlir::WalkOrder::PreOrder>([&](mlir::Operation* op) {
    if (llvm::isa<tile::KernelOp>(op)) return mlir::WalkResult::skip();
    GraphView::Step step;
    if (auto groups = op->getAttrOfType<mlir::ArrayAttr>(kGroup))
      for (mlir::Attribute group : groups)
        append(step, groups_[static_cast<size_t>(llvm::cast<mlir::IntegerAttr>(group).getInt())]);
    if (auto number = numberOf(op, kOperator)) {
      step.operators = {*number};
      for (mlir::Value result : op->getResults())
        step.results.push_back(resultOf(result));
    }
    if (llvm::isa<graph::LaunchOp>(op))
      view_.launches.push_back(std::move(step));
    else if (llvm::isa<graph::IfOp, graph::LoopOp, graph::ScanOp, graph::SequenceMapOp>(op))
      view_.controls.push_back(std::move(step));
    else if (isShown(op) && !llvm::isa<graph::ReshapeOp>(op))
      view_.hostCalls.push_back(std::move(step));
    return mlir::WalkResult::advance();
  });
}

std::vector<const GraphView::Step*> GraphView::match(const std::vector<std::string>& kinds) const {
  std::vector<const Step*> matched;
  std::map<std::string, size_t> next;
  for (const std::string& kind : kinds) {
    const std::vector<Step>* steps = kind == "launch"    ? &launches
                                     : kind == "host"    ? &hostCalls
                                     : kind == "control" ? &controls
                                                         : nullptr;
    const size_t i = next[kind]++;
    matched.push_back(steps && i < steps->size() ? &(*steps)[i] : nullptr);
  }
  return matched;
}

} // namespace jinx::driver
