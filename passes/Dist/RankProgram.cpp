// The program of one rank, as the graph passes take it: coordinates become numbers, states go.
//
// What is left of the mesh are collectives and their axes. Slices of constants fold from here on, so each rank's plan has its own part of the weights and no other's; masks of what is
// filled up fold to constants, and on most ranks to nothing.
#include "passes/Dist/OwnValues.h"
#include "passes/Dist/DistPasses.h"
#include "ir/Dist/Forms.h"

using namespace mlir;
using namespace jinx::dist;

namespace jinx::passes {
#define GEN_PASS_DEF_RANKPROGRAM
#include "passes/Dist/DistPasses.h.inc"

namespace {

struct RankProgram : impl::RankProgramBase<RankProgram> {
  using RankProgramBase::RankProgramBase;

  void runOnOperation() override {
    func::FuncOp function = getOperation();
    MeshOp mesh = meshOf(function, kOwn);
    if (!mesh || function.isExternal()) return;
    if (rank < 0 || rank >= mesh.getRanks()) {
      function.emitError("rank is ") << int64_t(rank) << ", expected 0.." << mesh.getRanks() - 1 << " (ranks of @" << mesh.getSymName() << ")";
      return signalPassFailure();
    }
    findCoordinates(mesh);
    recordCoordinates(function, mesh);
    function.getBody().walk([&](Operation *op) { numFormulas += writeCoordinates(op, coordinates_); });
    dropStates(function);
    function->setAttr(kRanked, function->getAttr(kOwn));
    function->removeAttr(kOwn);
    dropLonely(function, mesh);
  }

 private:
  void findCoordinates(MeshOp mesh) {
    coordinates_.clear();
    int64_t rest = rank;
    for (auto [axis, size] : llvm::reverse(llvm::zip_equal(mesh.getAxes().getAsRange<StringAttr>(), mesh.getSizes()))) {
      coordinates_[coordinateSymbol(axis)] = rest % size;
      rest /= size;
    }
  }

  /// The coordinates that stand in the program: ranks that have them in common have it in common.
  void recordCoordinates(func::FuncOp function, MeshOp mesh) {
    Builder b(function.getContext());
    NamedAttrList entries(function->getAttrOfType<DictionaryAttr>(kCoordinates));  // of a stage
    for (StringAttr axis : axesRead(function, mesh)) entries.set(axis, b.getI64IntegerAttr(coordinates_[coordinateSymbol(axis)]));
    function->setAttr(kCoordinates, entries.getDictionary(function.getContext()));
  }

  static Type plain(Type type) {
    if (auto tensor = dyn_cast<RankedTensorType>(type)) return withoutStates(tensor);
    if (auto pending = dyn_cast<PendingType>(type)) return PendingType::get(type.getContext(), withoutStates(pending.getValue()));
    return type;
  }
  static void dropStates(func::FuncOp function) {
    for (BlockArgument argument : function.getArguments()) argument.setType(plain(argument.getType()));
    function.getBody().walk([](Operation *op) {
      for (Value result : op->getResults()) result.setType(plain(result.getType()));
    });
    Block &body = function.getBody().front();
    function.setType(FunctionType::get(function.getContext(), body.getArgumentTypes(), body.getTerminator()->getOperandTypes()));
  }

  /// Passes on what it has to itself, where the group is one rank: a permute without a source gives zeros, and rows that are counted are cut.
  static bool isLonely(Collective op, MeshOp mesh) {
    auto permute = dyn_cast<PermuteOp>(op.getOperation());
    return !isa<AllToAllVOp>(op) && !(permute && permute.getSources()[0] < 0) && *groupSize(op, op.getAxes(), mesh) == 1;
  }
  /// A group of one rank has nothing to pass on.
  void dropLonely(func::FuncOp function, MeshOp mesh) {
    SmallVector<Collective> lonely;
    function.getBody().walk([&](Collective op) {
      if (isLonely(op, mesh)) lonely.push_back(op);
    });
    numLonely += lonely.size();
    for (Collective op : lonely) {
      Value operand = op->getOperand(0), result = op->getResult(0);
      if (isa<PendingType>(result.getType())) {
        auto wait = cast<WaitOp>(*result.user_begin());
        result = wait.getY();
        result.replaceAllUsesWith(operand);
        wait.erase();
      } else {
        result.replaceAllUsesWith(operand);
      }
      op.erase();
    }
  }

  Coordinates coordinates_;
};

}  // namespace
}  // namespace jinx::passes
