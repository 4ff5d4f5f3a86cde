// Two sequential launches side by side:
//
//   %f = launch @forward(%x) programs "1"                %f, %b = launch @forward_beside_backward(%x, %y) programs "2"
//   %b = launch @backward(%y) programs "1"        ->     tile.kernel: if (program_id < 1) { forward } else { backward }
//
// The pair stands where its second launch stood; what needed the first one's results and came before moves below.
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
#define GEN_PASS_DEF_PAIRLAUNCHES
#include "passes/Passes.h.inc"

namespace {

constexpr StringRef kArgument = "jinx-pair-launches";

/// Operations after `first` and before `last` in their block that need a result of `first`, directly or through others.
SmallVector<Operation *> dependentsBetween(Operation *first, Operation *last) {
  llvm::SetVector<Operation *> dependents;
  auto needs = [&](Operation *op) {
    return op->walk([&](Operation *inner) {
      return llvm::any_of(inner->getOperands(), [&](Value v) {
        Operation *def = v.getDefiningOp();
        return def && (def == first || dependents.contains(def));
      }) ? WalkResult::interrupt() : WalkResult::advance();
    }).wasInterrupted();
  };
  for (Operation *op = first->getNextNode(); op != last; op = op->getNextNode())
    if (needs(op)) dependents.insert(op);
  if (needs(last)) dependents.insert(last);
  return dependents.takeVector();
}

SizeExpr formula(StringRef text) {
  auto parsed = SizeExpr::parse(std::string_view(text.data(), text.size()));
  assert(parsed && "the verifier has read it");
  return *parsed;
}

struct PairLaunchesPass : impl::PairLaunchesBase<PairLaunchesPass> {
  void runOnOperation() override {
    kernels_.clear();
    paired_.clear();
    SmallVector<LaunchOp> launches;
    getOperation().walk([&](LaunchOp op) {
      if (op.getSequential()) launches.push_back(op);
    });
    SmallVector<bool> isTaken(launches.size());
    for (size_t i = 0; i < launches.size(); ++i)
      for (size_t j = i + 1; j < launches.size() && !isTaken[i]; ++j)
        if (!isTaken[j] && tryPair(launches[i], launches[j])) isTaken[i] = isTaken[j] = true;
    for (tile::KernelOp kernel : llvm::make_early_inc_range(getOperation().getOps<tile::KernelOp>()))
      if (paired_.contains(kernel.getSymNameAttr()) && SymbolTable::symbolKnownUseEmpty(kernel, getOperation())) kernel.erase();
  }

  bool tryPair(LaunchOp first, LaunchOp second) {
    if (first->getBlock() != second->getBlock()) return false;
    SmallVector<Operation *> below = dependentsBetween(first, second);
    if (llvm::is_contained(below, second.getOperation())) {
      say(missed(second, kArgument, "Dependent"), [&] { return ("needs the results of " + first.getKernel()).str(); });
      return false;
    }
    if (!llvm::all_of(below, isMemoryEffectFree)) {
      say(missed(second, kArgument, "Ordered"), [&] { return ("an effect stands between " + first.getKernel() + " and this").str(); });
      return false;
    }
    OpBuilder b(second);
    LaunchOp pair = launchOf(b, first, second, kernelOf(first, second));
    for (Operation *op : llvm::reverse(below)) op->moveAfter(pair);
    ++numPaired;
    say(passed(pair, kArgument, "Paired"), [&] { return (first.getKernel() + " runs beside " + second.getKernel()).str(); });
    auto results = pair.getResults();
    first->replaceAllUsesWith(results.take_front(first.getNumResults()));
    second->replaceAllUsesWith(results.drop_front(first.getNumResults()));
    first.erase();
    second.erase();
    return true;
  }

  LaunchOp launchOf(OpBuilder &b, LaunchOp first, LaunchOp second, tile::KernelOp kernel) {
    SmallVector<Attribute> sizes(first.getSizes().getValue()), nodes(first.getNodes().getValue());
    llvm::append_range(sizes, second.getSizes().getValue());
    for (Attribute node : second.getNodes())
      if (!llvm::is_contained(nodes, node)) nodes.push_back(node);
    SmallVector<Value> inputs(first.getInputs());
    llvm::append_range(inputs, second.getInputs());
    SmallVector<Type> types(first.getResultTypes());
    llvm::append_range(types, second.getResultTypes());
    auto sum = [&](StringRef x, StringRef y) { return (formula(x) + formula(y)).str(); };
    auto figure = [&](std::optional<StringRef> x, std::optional<StringRef> y) { return x && y ? b.getStringAttr(sum(*x, *y)) : StringAttr(); };
    auto pair = LaunchOp::create(b, b.getFusedLoc({first.getLoc(), second.getLoc()}), types, kernel.getSymName(), b.getArrayAttr(sizes),
                                 sum(first.getPrograms(), second.getPrograms()), sum(first.getScratch(), second.getScratch()),
                                 sum(first.getWork(), second.getWork()), b.getArrayAttr(nodes), /*sequential=*/true,
                                 figure(first.getFlops(), second.getFlops()), figure(first.getBytes(), second.getBytes()),
                                 /*in_place=*/DenseI64ArrayAttr(), inputs);
    for (NamedAttribute mine : first->getDiscardableAttrs()) { // what tools attach is joined where it is a list
      auto x = dyn_cast<ArrayAttr>(mine.getValue()), y = second->getAttrOfType<ArrayAttr>(mine.getName());
      if (!x || !y) continue;
      SmallVector<Attribute> both(x.getValue());
      llvm::append_range(both, y.getValue());
      pair->setDiscardableAttr(mine.getName(), b.getArrayAttr(both));
    }
    return pair;
  }

  /// The kernel whose first programs are `first`'s; pairs of the same two kernels share one.
  tile::KernelOp kernelOf(LaunchOp first, LaunchOp second) {
    tile::KernelOp &pair = kernels_[{first.getKernelAttr().getAttr(), second.getKernelAttr().getAttr()}];
    if (!pair) pair = merge(lookup(first), lookup(second));
    return pair;
  }
  tile::KernelOp lookup(LaunchOp launch) { return getOperation().lookupSymbol<tile::KernelOp>(launch.getKernelAttr()); }

  tile::KernelOp merge(tile::KernelOp first, tile::KernelOp second) {
    paired_.insert(first.getSymNameAttr());
    paired_.insert(second.getSymNameAttr());
    OpBuilder b(&getContext());
    b.setInsertionPointAfter(second);
    int64_t inputs[] = {int64_t(first.getNumInputs()), int64_t(second.getNumInputs())};
    SmallVector<Type> buffers;
    auto append = [&](tile::KernelOp kernel, int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i) buffers.push_back(kernel.buffer(i).getType());
    };
    append(first, 0, inputs[0]);
    append(second, 0, inputs[1]);
    append(first, inputs[0], first.getNumBuffers());
    append(second, inputs[1], second.getNumBuffers());
    std::string name = (first.getSymName() + "_beside_" + second.getSymName()).str();
    auto pair = tile::KernelOp::create(b, b.getFusedLoc({first.getLoc(), second.getLoc()}), name, buffers, inputs[0] + inputs[1],
                                       first.numSizes() + second.numSizes(), (first.getProvenance() + "; " + second.getProvenance()).str());
    // Formulas of the second are over its own parameters, which come after the first one's.
    auto shifted = [&](StringRef text) {
      return formula(text).substitute([&](std::string_view symbol) -> std::optional<SizeExpr> {
        return SizeExpr::symbol("a" + std::to_string(std::stoll(std::string(symbol.substr(1))) + first.numSizes()));
      });
    };
    pair.setPrograms((formula(first.getPrograms()) + shifted(second.getPrograms())).str());
    pair.setScratch((formula(first.getScratch()) + shifted(second.getScratch())).str());
    IRMapping a, z;
    for (int64_t i = 0; i < int64_t(first.getNumBuffers()); ++i) a.map(first.buffer(i), pair.buffer(i < inputs[0] ? i : i + inputs[1]));
    for (int64_t i = 0; i < int64_t(second.getNumBuffers()); ++i)
      z.map(second.buffer(i), pair.buffer(i < inputs[1] ? inputs[0] + i : first.getNumBuffers() + i));
    for (int64_t i = 0; i < first.numSizes(); ++i) a.map(first.size(i), pair.size(i));
    for (int64_t i = 0; i < second.numSizes(); ++i) z.map(second.size(i), pair.size(first.numSizes() + i));
    b.setInsertionPointToStart(&pair.getBody().front());
    emitBranches(b, pair, first, second, a, z);
    return pair;
  }

  void emitBranches(OpBuilder &b, tile::KernelOp pair, tile::KernelOp first, tile::KernelOp second, IRMapping &a, IRMapping &z) {
    Location loc = pair.getLoc();
    Value id = tile::ProgramIdOp::create(b, loc, b.getIndexType());
    SizeExpr programs = formula(first.getPrograms());
    Value boundary = programs.constant() ? Value(arith::ConstantIndexOp::create(b, loc, *programs.constant()))
                                         : pair.size(std::stoll(programs.str().substr(1)));
    Value isFirst = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, id, boundary);
    auto branch = scf::IfOp::create(b, loc, isFirst, /*withElse=*/true);
    auto fill = [&](tile::KernelOp kernel, IRMapping &map, Value program) {
      for (Operation &op : kernel.getBody().front()) {
        if (auto own = dyn_cast<tile::ProgramIdOp>(op)) {
          map.map(own.getId(), program);
        } else {
          b.clone(op, map);
        }
      }
    };
    b.setInsertionPointToStart(branch.thenBlock());
    fill(first, a, id);
    b.setInsertionPointToStart(branch.elseBlock());
    fill(second, z, arith::SubIOp::create(b, loc, id, boundary));
  }

  llvm::DenseMap<std::pair<StringAttr, StringAttr>, tile::KernelOp> kernels_;  // for lookup only
  llvm::DenseSet<StringAttr> paired_;
};

}  // namespace
}  // namespace jinx::passes
