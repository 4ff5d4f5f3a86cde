// Maps whose innermost dimension is short: a program is a thread, which moves runs of 16 bytes.
//
//   y [8, 32, 2048, 64] = x [8, 2048, 32, 64], [0, 2, 1, 3]     of bf16: a line of 64 is 8 runs of 8, and neighbouring threads have
//                                                               neighbouring runs: 8 threads read a line of 128 bytes
//
// As rows, a line of 64 would be a warp's, 4 bytes a thread. Here no lane is idle, whatever the extent: threads count runs of the result,
// and each works out where its own begins, in 32 bits where the model fixes how many there are. One run a thread, not several: on an H200 a
// copy of 268 MB takes 66.7 us with one load of 16 bytes a thread, 69.0 with two, 70.9 with four.
#include "codegen/schedules/cuda/GroupRuns.h"

#include "codegen/schedules/Collapse.h"
#include "codegen/schedules/Expression.h"
#include "codegen/schedules/ScalarOps.h"
#include "codegen/schedules/cuda/IndexBuilder.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kShort = 2048;       // bytes of a line: four warps read it at once
constexpr int64_t kLeastRun = 8;       // bytes worth a thread of their own
constexpr int64_t kWidest = 16;
constexpr int64_t kThreads = 256;      // of a block
constexpr int64_t kFill = 132 * 2048;  // threads that a GPU holds

int64_t bytesOf(Value v) {
  Type element = memoryType(cast<RankedTensorType>(v.getType()).getElementType());
  return std::max<int64_t>(1, element.getIntOrFloatBitWidth() / 8);
}

/// Elements of a run; 0 for a group of another form.
int64_t runOf(GroupOp group) {
  Block &body = group.getBody().front();
  for (Operation &op : body.without_terminator()) {
    if (auto transpose = dyn_cast<TransposeOp>(op)) {
      ArrayRef<int64_t> perm = transpose.getPerm();
      if (perm.empty() || perm.back() != int64_t(perm.size()) - 1) return 0;
      continue;
    }
    auto constant = dyn_cast<ConstantOp>(op);
    if (!(constant ? isEmittable(&op) : isElementwiseSupported(&op) || isa<BroadcastOp>(op))) return 0;
  }
  Sizes sizes = sizesOf(group.getResult(0).getType());
  for (Value v : group.getResults())
    if (sizesOf(v.getType()) != sizes) return 0;
  if (sizes.size() < 2) return 0;
  auto extent = sizes.back().constant();
  if (!extent || *extent <= 1) return 0;
  int64_t narrowest = kWidest;
  auto visit = [&](Value v) {
    Sizes own = sizesOf(v.getType());
    if (!own.empty() && !own.back().isConstant(1)) narrowest = std::min(narrowest, bytesOf(v));
  };
  for (Value v : body.getArguments()) visit(v);
  for (Value v : group.getResults()) visit(v);
  if (*extent * narrowest >= kShort) return 0;
  int64_t run = std::min<int64_t>(8, kWidest / narrowest);
  while (run > 1 && *extent % run) run /= 2;
  return run * narrowest < kLeastRun || run < 2 ? 0 : run;
}

class GroupRuns {
 public:
  GroupRuns(GroupOp group, StringRef name, OpBuilder &builder)
      : group_(group), kb_(builder, group.getLoc(), name, group), run_(runOf(group)), space_(sizesOf(group.getResult(0).getType())), emitter_(kb_, run_) {}

  Scheduled run() {
    SmallVector<SizeExpr> extents(space_.begin(), space_.end());
    extents.back() = *space_.back().constant() / run_;
    SizeExpr programs = volume(extents);
    kb_.kernel()->setAttr("threads", b().getI64IntegerAttr(1));
    int64_t perBlock = programs.constant().value_or(kFill) < kFill / 4 ? 64 : kThreads;
    kb_.kernel()->setAttr("programs_per_block", b().getI64IntegerAttr(perBlock));
    Value id = tile::ProgramIdOp::create(b(), kb_.loc(), b().getIndexType());
    if (programs.constant().value_or(1) % perBlock != 0) {
      Value is = arith::CmpIOp::create(b(), kb_.loc(), arith::CmpIPredicate::slt, id, kb_.size(programs));
      auto branch = scf::IfOp::create(b(), kb_.loc(), TypeRange(), is, /*withElse=*/false);
      b().setInsertionPointToStart(branch.thenBlock());
    }
    auto parts = delinearizeSmall(kb_, id, extents);
    Coordinates at;
    for (Value part : parts) at.push_back({part, 0, {}});
    at.back() = {kb_.mul(parts.back(), kb_.constant(run_)), 1, {}};
    for (auto [i, v] : llvm::enumerate(group_.getBody().front().getTerminator()->getOperands())) emitter_.store(int64_t(i), emitter_.evaluate(v, at), at);
    SizeExpr elements = volume(space_);
    Scheduled scheduled = kb_.finish(programs, 0, elements);
    sayMultiples(kb_.kernel(), scheduled.sizes);
    return scheduled;
  }

 private:
  OpBuilder &b() { return kb_.b(); }

  GroupOp group_;
  KernelBuilder kb_;
  int64_t run_;
  Sizes space_;
  ExpressionEmitter emitter_;
};

}  // namespace

bool isRunsGroup(GroupOp group) {
  GroupOp collapsed = collapseDimensions(group);
  bool is = runOf(collapsed) > 0;
  eraseCollapsed(collapsed, group);
  return is;
}

FailureOr<Scheduled> scheduleCudaRuns(GroupOp group, StringRef name, OpBuilder &builder) {
  GroupOp collapsed = collapseDimensions(group);
  Scheduled scheduled = GroupRuns(collapsed, name, builder).run();
  eraseCollapsed(collapsed, group);
  return scheduled;
}

}  // namespace jinx::schedules
