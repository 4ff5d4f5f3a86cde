// Transposes through shared memory: both sides walk memory along its lines.
//
// t = transpose(x) has x's innermost dimension at position q, and another one, p, innermost. A program is one warp and has a tile of
// kTile x kTile elements of t, for one position of the other dimensions:
//
//   first    for each l of the tile along p:   scratch[l][·] = t along q     a line of x: 32 threads, 4 bytes each or one element
//   then     for each k of the tile along q:   y = f(t)      along p         t = scratch[·][k]; other operands as they are
//
// A line of scratch has one element more than a tile, so that neither direction meets a bank twice. Loads of the first loop overlap: they
// are unrolled by kAhead, 4 KB in flight for a warp, and the 27 to 32 warps that a multiprocessor holds have more than 100 KB.
//
// That is for extents of any size. Where both are multiples of 16 bytes, TransposeBlocks.cpp is faster.
#include "codegen/schedules/cuda/GroupTranspose.h"

#include "codegen/schedules/Collapse.h"
#include "codegen/schedules/Expression.h"
#include "codegen/schedules/ScalarOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kWarp = 32, kAhead = 32;
constexpr int64_t kFew = 16;  // a dimension of fewer elements leaves most of a tile empty

std::optional<TransposeForm> formOf(GroupOp group) {
  TransposeForm form;
  Block &body = group.getBody().front();
  for (Operation &op : body.without_terminator()) {
    if (auto transpose = dyn_cast<TransposeOp>(op)) {
      if (form.transpose) return std::nullopt;
      form.transpose = transpose;
      continue;
    }
    auto constant = dyn_cast<ConstantOp>(op);
    if (!(constant ? isEmittable(&op) : isElementwiseSupported(&op) || isa<BroadcastOp>(op))) return std::nullopt;
  }
  if (!form.transpose) return std::nullopt;
  Sizes sizes = sizesOf(form.transpose.getType());
  ArrayRef<int64_t> perm = form.transpose.getPerm();
  form.lane = int64_t(sizes.size()) - 1;
  form.line = llvm::find(perm, form.lane) - perm.begin();
  if (form.line == form.lane || sizes.empty()) return std::nullopt;
  for (int64_t d : {form.line, form.lane})
    if (sizes[d].constant().value_or(kFew) < kFew) return std::nullopt;
  for (Value v : body.getTerminator()->getOperands())
    if (sizesOf(v.getType()) != sizes) return std::nullopt;
  Type element = cast<RankedTensorType>(form.transpose.getType()).getElementType();
  if (element.getIntOrFloatBitWidth() < 8) return std::nullopt;  // a bool is not in registers as it is in memory
  // Neither what is transposed nor what follows changes coordinates otherwise.
  return form;
}

class GroupTranspose {
 public:
  GroupTranspose(GroupOp group, StringRef name, OpBuilder &builder, const TransposeForm &form)
      : group_(group), kb_(builder, group.getLoc(), name, group), form_(form), moved_(form_.transpose.getResult()),
        element_(registerType(cast<RankedTensorType>(moved_.getType()).getElementType())), space_(sizesOf(moved_.getType())),
        tile_(kWarp * std::max<int64_t>(1, 4 * 8 / element_.getIntOrFloatBitWidth())), emitter_(kb_, tile_) {}

  FailureOr<Scheduled> run() {
    SmallVector<SizeExpr> extents;
    SmallVector<int64_t> outer;
    for (int64_t d = 0; d < int64_t(space_.size()); ++d)
      if (d != form_.line && d != form_.lane) outer.push_back(d), extents.push_back(space_[d]);
    extents.push_back(ceilDiv(space_[form_.line], tile_));
    extents.push_back(ceilDiv(space_[form_.lane], tile_));
    auto parts = kb_.delinearize(tile::ProgramIdOp::create(b(), loc(), b().getIndexType()), extents);
    at_.assign(space_.size(), Coordinate{kb_.constant(0), 0, {}});
    for (auto [d, part] : llvm::zip(outer, parts)) at_[d] = {part, 0, {}};
    firstLine_ = kb_.mul(parts[outer.size()], kb_.constant(tile_));
    firstLane_ = kb_.mul(parts[outer.size() + 1], kb_.constant(tile_));
    scratch_ = tile::ScratchOp::create(b(), loc(), tile::PtrType::get(b().getContext(), element_), kb_.constant(0));
    emitTile();
    kb_.kernel()->setAttr("threads", b().getI64IntegerAttr(kWarp));
    SizeExpr programs = 1, elements = 1;
    for (const SizeExpr &extent : extents) programs = programs * extent;
    for (const SizeExpr &size : space_) elements = elements * size;
    Scheduled scheduled = kb_.finish(programs, tile_ * (tile_ + 1) * element_.getIntOrFloatBitWidth() / 8, elements);
    sayMultiples(kb_.kernel(), scheduled.sizes);
    return scheduled;
  }

 private:
  OpBuilder &b() { return kb_.b(); }
  Location loc() { return kb_.loc(); }

  /// Whether a tile is whole is decided once.
  void emitTile() {
    Value lines = kb_.sub(kb_.size(space_[form_.line]), firstLine_), lanes = kb_.sub(kb_.size(space_[form_.lane]), firstLane_);
    auto divides = [&](int64_t d) { return space_[d].constant().value_or(1) % tile_ == 0; };
    if (divides(form_.line) && divides(form_.lane)) return emitLoops({}, {});
    Value whole;
    for (auto [d, rest] : {std::pair{form_.line, lines}, {form_.lane, lanes}}) {
      if (divides(d)) continue;
      Value is = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::sge, rest, kb_.constant(tile_));
      whole = whole ? Value(arith::AndIOp::create(b(), loc(), whole, is)) : is;
    }
    auto branch = scf::IfOp::create(b(), loc(), TypeRange(), whole, /*withElse=*/true);
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(branch.thenBlock());
    emitLoops({}, {});
    b().setInsertionPointToStart(branch.elseBlock());
    emitLoops(lines, lanes);
  }

  /// \param lines, lanes  how many are left from the tile's first on; null: a tile at least
  void emitLoops(Value lines, Value lanes) {
    auto upTo = [&](Value left) { return left ? kb_.min(left, kb_.constant(tile_)) : kb_.constant(tile_); };
    auto loop = [&](Value count, const char *phase, function_ref<void(Value)> emit) {
      auto op = scf::ForOp::create(b(), loc(), kb_.constant(0), count, kb_.constant(1));
      op->setAttr("unroll", b().getI64IntegerAttr(kAhead));
      op->setAttr("phase", b().getStringAttr(phase));
      OpBuilder::InsertionGuard guard(b());
      b().setInsertionPointToStart(op.getBody());
      emit(op.getInductionVar());
    };
    Value pitch = kb_.constant(tile_ + 1), one = kb_.constant(1);
    loop(upTo(lanes), "lines of what is transposed, to scratch", [&](Value l) {
      Coordinates at(at_);
      at[form_.line] = {firstLine_, 1, {}};
      at[form_.lane] = {kb_.add(firstLane_, l), 0, {}};
      emitter_.setLimit(lines);
      tile::StoreOp::create(b(), loc(), emitter_.evaluate(moved_, at), scratch_, kb_.mul(l, pitch), ValueRange{one}, ValueRange());
    });
    loop(upTo(lines), "lines of the result, from columns of scratch", [&](Value k) {
      Coordinates at(at_);
      at[form_.line] = {kb_.add(firstLine_, k), 0, {}};
      at[form_.lane] = {firstLane_, 1, {}};
      emitter_.setLimit(lanes);
      auto type = VectorType::get({tile_}, element_);
      emitter_.define(moved_, tile::LoadOp::create(b(), loc(), type, scratch_, k, ValueRange{pitch}, lanes ? ValueRange(lanes) : ValueRange()));
      for (auto [i, v] : llvm::enumerate(group_.getBody().front().getTerminator()->getOperands())) emitter_.store(i, emitter_.evaluate(v, at), at);
      emitter_.undefine(moved_);
    });
    emitter_.clearCache();
  }

  GroupOp group_;
  KernelBuilder kb_;
  TransposeForm form_;
  Value moved_;  // the transpose's result
  Type element_;
  Sizes space_;
  int64_t tile_;
  ExpressionEmitter emitter_;
  Coordinates at_;
  Value firstLine_, firstLane_, scratch_;
};

}  // namespace

bool isTransposeGroup(GroupOp group) {
  GroupOp collapsed = collapseTransposed(group);
  bool is = formOf(collapsed).has_value();
  eraseCollapsed(collapsed, group);
  return is;
}

FailureOr<Scheduled> scheduleCudaTranspose(GroupOp group, StringRef name, OpBuilder &builder) {
  GroupOp collapsed = collapseTransposed(group);
  TransposeForm form = *formOf(collapsed);
  FailureOr<Scheduled> scheduled = failure();
  if (transposeRun(form)) {
    scheduled = scheduleTransposeBlocks(collapsed, name, builder, form);
  } else {
    scheduled = GroupTranspose(collapsed, name, builder, form).run();
  }
  eraseCollapsed(collapsed, group);
  return scheduled;
}

}  // namespace jinx::schedules
