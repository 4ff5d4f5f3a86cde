// An all_reduce and the kernel that reads its result: the kernel adds up what ranks have, where it reads it.
//
//   %s = dist.all_reduce sum %p over ["tp"]                    %s = dist.all_reduce sum %p over ["tp"]
//   %y = launch @k10_reduce(%s, %x, %w)                  ->    %y = launch @k10_reduce_summed(%s, %x, %w, %p)
//
//   tile.kernel @k10_reduce_summed(%s, %x, %w, %p, %y) inputs 4 sums [0, 3, 2] …         buffer 0 is the sum of what 2 ranks have in buffer 3
//
// On GPUs an all_reduce of few rows is a launch that waits for others, and what reads it is one more: each takes microseconds whatever it does. The
// all_reduce stays: where ranks do not reach each other's memory, it is made (decision 0055). Where they do, its step does nothing, the launch behind it is
// the call, and the kernel writes the sum, too, for those that read it later.
//
// The kernel must read the sum once, a row a program, whole rows behind each other: so each element is added up once, by the thread that goes on with it.
#include <map>

#include "ir/Dist/Dist.h"
#include "ir/Dist/Forms.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/SymbolTable.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::passes {
#define GEN_PASS_DEF_FUSESUMS
#include "passes/Passes.h.inc"

namespace {

constexpr StringRef kArgument = "jinx-fuse-sums";
constexpr int64_t kMostRanks = 8;  // PeerTable of runtime/device

Value pastReshapes(Value v) {
  while (auto reshape = v.getDefiningOp<ReshapeOp>()) v = reshape.getX();
  return v;
}

/// The first operation behind `op` that does something.
Operation *nextStep(Operation *op) {
  do op = op->getNextNode();
  while (isa_and_nonnull<ReshapeOp, ConstantOp, NoneOp>(op));
  return op;
}

/// How many elements a program reads of the buffer, if it reads them as a sum must be read; else `reason` says what is in the way.
std::optional<int64_t> elementsOfProgram(tile::KernelOp kernel, int64_t buffer, std::string &reason) {
  auto refuse = [&](const std::string &why) {
    reason = "the kernel " + why;
    return std::nullopt;
  };
  Value pointer = kernel.buffer(buffer);
  if (kernel->hasAttr("programs_per_block")) return refuse("has a warp or a thread a row, where a block is expected");
  if (tile::sumOfRanks(kernel)) return refuse("adds up another value already");
  auto load = pointer.hasOneUse() ? dyn_cast<tile::LoadOp>(*pointer.user_begin()) : tile::LoadOp();
  if (!load) return refuse("reads the sum at several places, or by gathers");
  auto type = cast<VectorType>(load.getTile().getType());
  const std::optional<int64_t> limit = load.getLimits().empty() ? type.getDimSize(0) : getConstantIntValue(load.getLimits().back());
  if (type.getRank() != 1 || load->getBlock() != &kernel.getBody().front() || !limit || *limit > type.getDimSize(0) || getConstantIntValue(load.getStrides().back()) != 1)
    return refuse("does not read a whole row of the sum at once");
  const int64_t width = *limit;
  auto row = load.getOffset().getDefiningOp<arith::MulIOp>();
  auto isRow = [&](Value id, Value elements) { return id.getDefiningOp<tile::ProgramIdOp>() && getConstantIntValue(elements) == width; };
  const bool isOnlyRow = getConstantIntValue(load.getOffset()) == 0 && kernel.getPrograms() == "1";
  if (!isOnlyRow && !(row && (isRow(row.getLhs(), row.getRhs()) || isRow(row.getRhs(), row.getLhs())))) return refuse("does not read row after row of the sum");
  return width;
}

struct FuseSumsPass : impl::FuseSumsBase<FuseSumsPass> {
  FuseSumsPass() = default;
  explicit FuseSumsPass(KernelCheck canEmit) : canEmit_(std::move(canEmit)) {}

  struct Summed {
    tile::KernelOp kernel;
    std::string reason;  ///< why there is none
  };

  void runOnOperation() override {
    summed_.clear();
    auto main = getOperation().lookupSymbol<func::FuncOp>("main");
    mesh_ = main ? dist::meshOf(main, dist::kRanked) : dist::MeshOp();
    if (!mesh_) return;
    for (auto sum : llvm::make_early_inc_range(main.getBody().front().getOps<dist::AllReduceOp>())) fuse(sum);
    for (const auto &[origin, summed] : summed_)
      if (auto old = getOperation().lookupSymbol<tile::KernelOp>(std::get<0>(origin)); old && SymbolTable::symbolKnownUseEmpty(old, getOperation())) old.erase();
  }

  void fuse(dist::AllReduceOp sum) {
    std::string reason;
    if (fuseBehind(sum, reason)) return;
    say(missed(sum, kArgument, "NotFused"), [&] { return reason; });
  }

  bool fuseBehind(dist::AllReduceOp sum, std::string &reason) {
    auto refuse = [&](const Twine &why) {
      reason = why.str();
      return false;
    };
    auto type = dyn_cast<RankedTensorType>(sum.getY().getType());
    const std::optional<int64_t> ranks = dist::groupSize(sum, sum.getAxes(), mesh_);
    if (sum.getKind() != ReduceKind::sum || !type) return refuse("is no sum, or only starts");
    if (Type element = type.getElementType(); !element.isF32() && !element.isF16() && !element.isBF16()) return refuse("is a sum of " + nameOf(element) + ", expected f32, f16 or bf16");
    if (!ranks || *ranks < 2 || *ranks > kMostRanks) return refuse("is a sum of " + Twine(ranks.value_or(0)) + " ranks, expected 2 to " + Twine(kMostRanks));
    auto launch = dyn_cast_or_null<LaunchOp>(nextStep(sum));
    SmallVector<int64_t> reads;
    if (launch)
      for (auto [i, v] : llvm::enumerate(launch.getInputs()))
        if (pastReshapes(v) == sum.getY()) reads.push_back(int64_t(i));
    if (reads.size() != 1) return refuse("what stands behind it is no kernel that reads it as one operand");
    auto kernel = getOperation().lookupSymbol<tile::KernelOp>(launch.getKernelAttr());
    const std::optional<int64_t> width = elementsOfProgram(kernel, reads[0], reason);
    if (!width) return false;
    const SizeExpr programs = *SizeExpr::parse(launch.getPrograms().str());
    if (!(programs * SizeExpr(*width) - volume(sizesOf(type))).isConstant(0))
      return refuse("the kernel reads " + Twine(*width) + " elements a program, " + programs.str() + " programs, of " + volume(sizesOf(type)).str());
    tile::KernelOp summed = summedKernel(kernel, {reads[0], int64_t(launch.getInputs().size()), *ranks}, reason);
    if (!summed) return false;
    ++numFused;
    launch.setKernel(summed.getSymName());
    launch.getInputsMutable().append(sum.getX());
    say(passed(sum, kArgument, "Fused"), [&] { return (summed.getSymName() + " adds up what " + Twine(*ranks) + " ranks have").str(); });
    return true;
  }
  static std::string nameOf(Type type) {
    std::string text;
    llvm::raw_string_ostream(text) << type;
    return text;
  }

  /// The kernel with one more operand, what this rank has: the last input. Launches of one kernel that sum the same operand share one.
  tile::KernelOp summedKernel(tile::KernelOp kernel, const tile::SumOfRanks &sum, std::string &reason) {
    Summed &summed = summed_[{kernel.getSymName().str(), sum.buffer, sum.ranks}];
    if (!summed.kernel && summed.reason.empty()) makeSummed(kernel, sum, summed);
    reason = summed.reason;
    return summed.kernel;
  }
  void makeSummed(tile::KernelOp kernel, const tile::SumOfRanks &sum, Summed &to) {
    OpBuilder b(kernel);
    b.setInsertionPointAfter(kernel);
    SmallVector<Value> buffers;
    for (int64_t i = 0; i < int64_t(kernel.getNumBuffers()); ++i) buffers.push_back(kernel.buffer(i));
    buffers.insert(buffers.begin() + sum.part, buffers[sum.buffer]);
    to.kernel = tile::KernelOp::create(b, kernel.getLoc(), uniqueName(kernel.getSymName()), ValueRange(buffers).getTypes(), int64_t(kernel.getNumInputs()) + 1, kernel.numSizes(),
                                       kernel.getProvenance());
    to.kernel.setPrograms(kernel.getPrograms());
    to.kernel.setScratch(kernel.getScratch());
    for (NamedAttribute attribute : kernel->getDiscardableAttrs()) to.kernel->setDiscardableAttr(attribute.getName(), attribute.getValue());
    to.kernel.setSums(ArrayRef<int64_t>{sum.buffer, sum.part, sum.ranks});
    IRMapping map;
    for (BlockArgument arg : kernel.getBody().getArguments()) {
      BlockArgument own = to.kernel.getBody().getArgument(arg.getArgNumber() + (arg.getArgNumber() >= sum.part));
      own.setLoc(arg.getLoc());
      map.map(arg, own);
    }
    b.setInsertionPointToStart(&to.kernel.getBody().front());
    for (Operation &op : kernel.getBody().front()) b.clone(op, map);
    ScopedDiagnosticHandler quiet(&getContext(), [&](Diagnostic &d) {
      if (to.reason.empty()) to.reason = d.str();
      return success();
    });
    if (!canEmit_ || canEmit_(to.kernel)) return;
    to.kernel.erase();
    to.kernel = {};
  }
  std::string uniqueName(StringRef kernel) {
    std::string name = (kernel + "_summed").str();
    while (getOperation().lookupSymbol(name)) name += "_";
    return name;
  }

  dist::MeshOp mesh_;
  KernelCheck canEmit_;
  std::map<std::tuple<std::string, int64_t, int64_t>, Summed> summed_;  ///< by the kernel they are made of, which operand is a sum, and of how many ranks
};

}  // namespace

std::unique_ptr<Pass> createFuseSums(KernelCheck canEmit) { return std::make_unique<FuseSumsPass>(std::move(canEmit)); }

}  // namespace jinx::passes
