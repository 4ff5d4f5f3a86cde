// Erases operators that nothing needs. A use is not only an SSA use: a host step defines the symbols in its results' types, and
// types and formulas elsewhere may speak of them.
#include "frontends/onnx/Importer.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::frontends {
namespace {

bool isHostStep(Operation *op) { return isa<HostCallOp, IfOp, LoopOp, ScanOp, SequenceMapOp>(op); }

Sizes dynamicSizes(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && !tensor.hasStaticShape() ? sizesOf(tensor) : Sizes();
}

class Eraser {
public:
  explicit Eraser(const Symbols &symbols) : symbols_(symbols) {}

  std::set<std::string> run(func::FuncOp main) {
    main.walk<WalkOrder::PreOrder>([&](Operation *op) { findDefinitions(op); });
    sweep(main.getBody().front());
    for (Type type : main.getArgumentTypes()) need(type);
    return std::move(needed_);
  }

private:
  /// A step defines the symbols that are exactly an extent of a result and that no earlier operator has.
  void findDefinitions(Operation *op) {
    if (!isHostStep(op)) return;
    for (Type type : op->getResultTypes())
      for (const SizeExpr &size : dynamicSizes(type))
        if (size.isSymbol() && symbols_.isDefinedByStep(size.str()) && seen_.insert(size.str()).second)
          definitions_[op].push_back(size.str());
  }

  bool isUsed(Operation *op) {
    if (!op->use_empty() || op->hasTrait<OpTrait::IsTerminator>()) return true;
    auto defined = definitions_.find(op);
    return defined != definitions_.end() && llvm::any_of(defined->second, [&](const auto &name) { return needed_.count(name) != 0; });
  }

  /// Backwards, so that every user is seen before what it uses, and formulas before the steps that define their symbols.
  void sweep(Block &block) {
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block))) {
      if (!isUsed(&op)) {
        op.erase();
        continue;
      }
      for (Region &region : op.getRegions())
        for (Block &inner : llvm::reverse(region)) {
          sweep(inner);
          for (Type type : inner.getArgumentTypes()) need(type);
        }
      needFormulas(&op);
      for (Type type : op.getOperandTypes()) need(type);
      for (Type type : op.getResultTypes()) need(type);
    }
  }

  void need(const SizeExpr &size) {
    for (std::string &name : size.symbols()) needed_.insert(std::move(name));
  }
  void need(Type type) {
    for (const SizeExpr &size : dynamicSizes(type)) need(size);
  }
  void needFormulas(Operation *op) {
    ArrayAttr formulas;
    if (auto sizes = dyn_cast<SizesOp>(op)) formulas = sizes.getExprs();
    if (auto slice = dyn_cast<SliceOp>(op)) formulas = slice.getStarts();
    if (auto pad = dyn_cast<PadOp>(op)) formulas = pad.getLow();
    if (!formulas) return;
    for (Attribute text : formulas)
      if (auto expr = SizeExpr::parse(cast<StringAttr>(text).getValue())) need(*expr);
  }

  const Symbols &symbols_;
  std::set<std::string> seen_, needed_;
  llvm::DenseMap<Operation *, std::vector<std::string>> definitions_;
};

} // namespace

std::set<std::string> eraseUnused(func::FuncOp main, const Symbols &symbols) { return Eraser(symbols).run(main); }

} // namespace jinx::frontends
