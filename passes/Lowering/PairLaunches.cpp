// Two launches side by side, which are sequential, or on CUDA small:
//
//   %f = launch @forward(%x) programs "1"                %f, %b = launch @forward_beside_backward(%x, %y) programs "2"
//   %b = launch @backward(%y) programs "1"        ->     tile.kernel: if (program_id < 1) { forward } else { backward }
//
// The pair stands where its second launch stood; what needed the first one's results and came before moves below.
//
// A launch on CUDA takes some microseconds whatever it does. Those that read one result (what is made of q, k and v: rotations, rows of pages) and whose
// programs are warps, or all of them single threads, become one, however many there are.
#include "llvm/ADT/MapVector.h"
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

/// Launch or launches whose results `v` is, past views and slices.
Operation *madeBy(Value v) {
  Operation *def = v.getDefiningOp();
  while (auto reshape = dyn_cast_or_null<ReshapeOp>(def)) def = reshape.getX().getDefiningOp();
  return isa_and_nonnull<LaunchOp>(def) ? def : nullptr;
}

/// Threads of a program where those are warps or single threads, several to a block, and nothing else is said of the kernel; 0 otherwise.
int64_t threadsOfSmall(tile::KernelOp kernel) {
  constexpr int64_t kWarp = 32;
  auto threads = kernel->getAttrOfType<IntegerAttr>("threads");
  if (!threads || (threads.getInt() != kWarp && threads.getInt() != 1) || !kernel->hasAttr("programs_per_block") || kernel.getScratch() != "0") return 0;
  const bool isAll = llvm::all_of(kernel->getDiscardableAttrs(), [](NamedAttribute a) { return llvm::is_contained({"threads", "programs_per_block", "multiples"}, a.getName().getValue()); });
  return isAll ? threads.getInt() : 0;
}

struct PairLaunchesPass : impl::PairLaunchesBase<PairLaunchesPass> {
  using PairLaunchesBase::PairLaunchesBase;

  void runOnOperation() override {
    kernels_.clear();
    paired_.clear();
    cuda ? joinSmall() : pairSequential();
    for (tile::KernelOp kernel : llvm::make_early_inc_range(getOperation().getOps<tile::KernelOp>()))
      if (paired_.contains(kernel.getSymNameAttr()) && SymbolTable::symbolKnownUseEmpty(kernel, getOperation())) kernel.erase();
  }

  /// Those that read one result, from the last one on: the first kernel of a pair is then one of a launch that was there.
  void joinSmall() {
    llvm::MapVector<std::pair<Operation *, int64_t>, SmallVector<LaunchOp>> readers;  // by what they read, and threads of a program
    getOperation().walk([&](LaunchOp op) {
      const int64_t threads = threadsOfSmall(lookup(op));
      if (!threads) return;
      for (Value v : op.getInputs())
        if (Operation *producer = madeBy(v)) {
          readers[{producer, threads}].push_back(op);
          return;  // its first operand that is a result: what the launch is about
        }
    });
    for (auto &[producer, launches] : readers) {
      LaunchOp last = launches.pop_back_val();
      while (!launches.empty()) {
        LaunchOp first = launches.pop_back_val();
        LaunchOp pair = tryPair(first, last);
        last = pair ? pair : first;
      }
    }
  }

  void pairSequential() {
    SmallVector<LaunchOp> launches;
    getOperation().walk([&](LaunchOp op) {
      if (op.getSequential()) launches.push_back(op);
    });
    SmallVector<bool> isTaken(launches.size());
    for (size_t i = 0; i < launches.size(); ++i)
      for (size_t j = i + 1; j < launches.size() && !isTaken[i]; ++j)
        if (!isTaken[j] && tryPair(launches[i], launches[j])) isTaken[i] = isTaken[j] = true;
  }

  /// Null where one must run behind the other.
  LaunchOp tryPair(LaunchOp first, LaunchOp second) {
    if (first->getBlock() != second->getBlock()) return {};
    SmallVector<Operation *> below = dependentsBetween(first, second);
    if (llvm::is_contained(below, second.getOperation())) {
      say(missed(second, kArgument, "Dependent"), [&] { return ("needs the results of " + first.getKernel()).str(); });
      return {};
    }
    if (!llvm::all_of(below, isMemoryEffectFree)) {
      say(missed(second, kArgument, "Ordered"), [&] { return ("an effect stands between " + first.getKernel() + " and this").str(); });
      return {};
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
    return pair;
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
                                 sum(first.getWork(), second.getWork()), b.getArrayAttr(nodes), first.getSequential(),
                                 figure(first.getFlops(), second.getFlops()), figure(first.getBytes(), second.getBytes()), inPlaceOf(b, first, second), inputs);
    for (NamedAttribute mine : first->getDiscardableAttrs()) { // what tools attach is joined where it is a list
      auto x = dyn_cast<ArrayAttr>(mine.getValue()), y = second->getAttrOfType<ArrayAttr>(mine.getName());
      if (!x || !y) continue;
      SmallVector<Attribute> both(x.getValue());
      llvm::append_range(both, y.getValue());
      pair->setDiscardableAttr(mine.getName(), b.getArrayAttr(both));
    }
    return pair;
  }

  static DenseI64ArrayAttr inPlaceOf(OpBuilder &b, LaunchOp first, LaunchOp second) {
    if (!first.getInPlace() && !second.getInPlace()) return {};
    SmallVector<int64_t> memory;
    auto append = [&](LaunchOp launch, int64_t inputsBefore) {
      for (size_t i = 0; i < launch.getNumResults(); ++i) {
        const int64_t own = launch.getInPlace() ? (*launch.getInPlace())[i] : -1;
        memory.push_back(own < 0 ? -1 : own + inputsBefore);
      }
    };
    append(first, 0);
    append(second, int64_t(first.getInputs().size()));
    return b.getDenseI64ArrayAttr(memory);
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
    if (cuda) sayWarps(b, pair, first, second);
    return pair;
  }
  static void sayWarps(OpBuilder &b, tile::KernelOp pair, tile::KernelOp first, tile::KernelOp second) {
    auto perBlock = [](tile::KernelOp kernel) { return kernel->getAttrOfType<IntegerAttr>("programs_per_block").getInt(); };
    pair->setAttr("threads", first->getAttr("threads"));
    pair->setAttr("programs_per_block", b.getI64IntegerAttr(std::min(perBlock(first), perBlock(second))));
    SmallVector<int64_t> multiples;
    for (tile::KernelOp kernel : {first, second}) {
      auto own = kernel->getAttrOfType<DenseI64ArrayAttr>("multiples");
      for (int64_t i = 0; i < kernel.numSizes(); ++i) multiples.push_back(own ? own[i] : 1);
    }
    pair->setAttr("multiples", b.getDenseI64ArrayAttr(multiples));
  }

  /// A small kernel asks whether there is such a program: the branch has.
  static bool asksAgain(scf::IfOp guard, IRMapping &map, Value id, Value boundary) {
    auto compare = guard.getCondition().getDefiningOp<arith::CmpIOp>();
    return compare && guard.getNumResults() == 0 && guard.getElseRegion().empty() && compare.getPredicate() == arith::CmpIPredicate::slt &&
           map.lookupOrDefault(compare.getLhs()) == id && map.lookupOrDefault(compare.getRhs()) == boundary;
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
        } else if (auto guard = dyn_cast<scf::IfOp>(op); guard && program == id && asksAgain(guard, map, id, boundary)) {
          for (Operation &inner : guard.thenBlock()->without_terminator()) b.clone(inner, map);
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
