#include "passes/Dist/MarkStages.h"

#include "ir/Dist/Forms.h"
#include "mlir/IR/Builders.h"
#include "passes/Dist/ValueNames.h"

using namespace mlir;

namespace jinx::passes {

/// Larger numbers are dates and the like.
constexpr int64_t kMostLayers = 1 << 20;

int64_t layerOf(StringRef node) {
  static constexpr StringLiteral kWords[] = {"blk", "block", "blocks", "h", "layer", "layers"};
  bool follows = false;  // the word in front is one for layers
  while (!node.empty()) {
    StringRef word = node.take_until([](char c) { return c == '.' || c == '/' || c == '_'; });
    node = node.drop_front(std::min(node.size(), word.size() + 1));
    int64_t number = 0;
    if (follows && !word.getAsInteger(10, number) && number >= 0 && number < kMostLayers) return number;
    follows = llvm::is_contained(kWords, word);
  }
  return -1;
}

namespace {
/// What depends on an argument.
std::vector<Operation *> varyingOps(func::FuncOp function) {
  llvm::DenseSet<Value> varying(function.getArguments().begin(), function.getArguments().end());
  std::vector<Operation *> ops;
  for (Operation &op : function.getBody().front().without_terminator()) {
    if (llvm::none_of(op.getOperands(), [&](Value operand) { return varying.contains(operand); })) continue;
    varying.insert(op.result_begin(), op.result_end());
    ops.push_back(&op);
  }
  return ops;
}
}  // namespace

Status markStages(func::FuncOp function, const std::vector<std::vector<std::string>> &stages) {
  const std::vector<Operation *> ops = varyingOps(function);
  Builder b(function.getContext());
  for (auto [stage, patterns] : llvm::enumerate(stages))
    for (const std::string &pattern : patterns) {
      bool fits = false;
      for (Operation *op : ops) {
        if (!matchesGlob(pattern, nodeName(op->getLoc()))) continue;
        op->setAttr(dist::kStage, b.getI64IntegerAttr(int64_t(stage)));
        fits = true;
      }
      if (!fits)
        return notFound("stages[" + std::to_string(stage) + "], \"" + pattern + "\", fits no node that depends on an input; names that are written like it: " + nearNames(pattern, namedValues(function)));
    }
  return Status::ok();
}

Expected<int64_t> markStages(func::FuncOp function, int64_t stages) {
  std::vector<std::pair<Operation *, int64_t>> found;
  int64_t layers = 0;
  for (Operation *op : varyingOps(function)) {
    int64_t layer = layerOf(nodeName(op->getLoc()));
    if (layer < 0) continue;
    found.push_back({op, layer});
    layers = std::max(layers, layer + 1);
  }
  if (layers < stages)
    return invalidArgument("pp=" + std::to_string(stages) + ": the model has " + std::to_string(layers) + " layers that names tell (blk.0., /layer.0/, …), expected one for each stage at least");
  Builder b(function.getContext());
  for (auto [op, layer] : found) op->setAttr(dist::kStage, b.getI64IntegerAttr(layer * stages / layers));
  return layers;
}

}  // namespace jinx::passes
