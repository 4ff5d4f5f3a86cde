#include "frontends/native/CheckModule.h"

#include "frontends/native/SymbolTable.h"
#include "ir/Dist/Forms.h"
#include "ir/Graph/Constants.h"
#include "ir/Graph/Graph.h"
#include "llvm/Support/raw_ostream.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace jinx::frontends {
namespace {

using namespace jinx::graph;

constexpr size_t kMostProblems = 50;

std::string print(Type type) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  type.print(stream);
  return text;
}

std::string where(Location loc) {
  if (auto at = loc->findInstanceOf<FileLineColLoc>())
    return at.getFilename().str() + ":" + std::to_string(at.getLine()) + ":" + std::to_string(at.getColumn()) + ": ";
  return "";
}

/// Empty when values may have this type, else what is wrong with it.
std::string faultOf(Type type) {
  if (auto sequence = dyn_cast<SequenceType>(type)) return faultOf(sequence.getElement());
  if (auto optional = dyn_cast<OptionalType>(type)) return faultOf(optional.getElement());
  if (isa<graph::NoneType>(type)) return "";
  if (auto pending = dyn_cast<dist::PendingType>(type)) return faultOf(pending.getValue());
  auto tensor = dyn_cast<TensorType>(type);
  if (!tensor) return "is no tensor, sequence or optional";
  if (dtypeOf(tensor.getElementType()) == DType::kInvalid) return "has an element type that Jinx does not know";
  auto ranked = dyn_cast<RankedTensorType>(type);
  if (!ranked) return "";
  if (ranked.getEncoding() && !isa<DimsAttr>(ranked.getEncoding())) return "has an encoding other than #jinx.dims";
  for (const SizeExpr &size : sizesOf(ranked))
    if (size.isInvalid()) return "has a dynamic dimension without a formula (#jinx.dims)";
  return volume(sizesOf(ranked)).isInvalid() ? "has too many elements" : "";
}

class Checker {
public:
  explicit Checker(ModuleOp module) : module_(module) {}

  std::vector<std::string> run() {
    auto main = module_.lookupSymbol<func::FuncOp>("main");
    if (!main) return {"has no function @main"};
    if (main.isDeclaration()) return {"has no body for @main"};
    main_ = main;
    for (StringRef form : {dist::kAnnotated, dist::kPlaced, dist::kOwn})
      if (main->hasAttr(form)) add(main, "@main is " + form.str() + ", expected the program of one rank: what jinx-place-values, jinx-partition and jinx-rank-program make of it");
    if (!main.getBody().hasOneBlock()) add(main, "@main has " + std::to_string(main.getBody().getBlocks().size()) + " blocks, expected one");
    for (std::string &problem : findSymbolProblems(module_)) problems_.push_back(std::move(problem));
    // What kernels are chosen by is the compiler's to say.
    if (module_->hasAttr("jinx.gpu")) add(module_, "attribute 'jinx.gpu' is set by the compiler for its target, it is no part of a model");
    module_->walk([&](Operation *op) { check(op); });
    return std::move(problems_);
  }

private:
  void add(Operation *op, const std::string &problem) {
    if (problems_.size() < kMostProblems) problems_.push_back(where(op->getLoc()) + problem);
  }

  void check(Operation *op) {
    std::string name = "'" + op->getName().getStringRef().str() + "'";
    if (isa<GroupOp, LaunchOp, PackOp, PackedMatmulOp, PackedGroupedMatmulOp, PackedConvOp, PackCodesOp, SplitDigitsOp, DequantMatmulOp, ScaledMatmulOp>(op))
      add(op, name + " is made by passes, it is no part of a model");
    else if (isa<dist::DistDialect>(op->getDialect()))
      checkOnWire(op, name);
    else if (!isa<GraphDialect>(op->getDialect()) && !isa<func::FuncOp, func::ReturnOp>(op) && op != module_)
      add(op, name + " is no operator of a model");
    if (auto decode = dyn_cast<DecodeBlocksOp>(op)) check(decode);
    for (Type type : op->getResultTypes()) check(op, type);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (Type type : block.getArgumentTypes()) check(op, type);
  }

  /// Collectives are in the main program of one rank, where all ranks come to them.
  void checkOnWire(Operation *op, const std::string &name) {
    if (isa<dist::MeshOp>(op)) return;
    if (!main_->hasAttr(dist::kRanked) || (!dist::isOnWire(op) && !isa<dist::RowsOp, dist::JoinRowsOp>(op))) return add(op, name + " is no operator of a model, or @main is not dist.ranked");
    if (op->getParentOp() != main_) add(op, name + " stands in " + op->getParentOp()->getName().getStringRef().str() + ", expected @main itself: each rank must come to it");
  }

  /// Blocks are taken apart when a model is compiled.
  void check(DecodeBlocksOp op) {
    auto constant = op.getBlocks().getDefiningOp<ConstantOp>();
    if (!constant || !tensorOf(constant.getValue())) add(op, "'jinx.decode_blocks' has blocks that are no constant, expected the weights of a model");
  }

  void check(Operation *op, Type type) {
    if (!seen_.insert(type).second) return;
    if (std::string fault = faultOf(type); !fault.empty()) add(op, print(type) + " " + fault);
  }

  ModuleOp module_;
  func::FuncOp main_;
  llvm::DenseSet<Type> seen_;
  std::vector<std::string> problems_;
};

} // namespace

std::vector<std::string> findModuleProblems(ModuleOp module) { return Checker(module).run(); }

} // namespace jinx::frontends
