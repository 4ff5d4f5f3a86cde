#include "codegen/schedules/cuda/Pieces.h"

#include "codegen/schedules/ScalarOps.h"
#include "codegen/schedules/cuda/IndexBuilder.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kAccess = 16; // bytes
constexpr int64_t kMostRun = 8; // elements
constexpr int64_t kLeastRun = 2;
constexpr int64_t kShortRow = 256; // elements, where a warp a row would have no wide accesses

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }
int64_t bytesOf(Value v) { return std::max(1u, memoryType(elementOf(v)).getIntOrFloatBitWidth() / 8); }
SizeExpr innermostOf(Value v) {
  Sizes sizes = sizesOf(v.getType());
  return sizes.empty() ? SizeExpr(1) : sizes.back();
}

/// A part of the innermost dimension, elements as they lie, or parts of others.
bool isPart(SliceOp op) { return op.getSteps().empty() || op.getSteps().back() == 1; }
bool mayFollow(Operation* op) {
  auto constant = dyn_cast<ConstantOp>(op);
  if (constant) return isEmittable(op);
  if (auto slice = dyn_cast<SliceOp>(op)) return isPart(slice);
  return isElementwiseSupported(op) || isa<BroadcastOp>(op);
}

/// The one joining along the innermost dimension that `rows` follow from by elementwise operators; false where there is
/// another one.
/// \param ends  receives where else those operators begin
bool findJoin(Value rows, ConcatOp& join, SmallVectorImpl<Value>& ends) {
  llvm::SmallSetVector<Value, 16> seen;
  SmallVector<Value> work = {rows};
  while (!work.empty()) {
    Value v = work.pop_back_val();
    if (!seen.insert(v)) continue;
    Operation* op = v.getDefiningOp();
    if (auto concat = dyn_cast_or_null<ConcatOp>(op)) {
      const Sizes sizes = sizesOf(v.getType());
      if (join || sizes != sizesOf(rows.getType()) || int64_t(concat.getAxis()) + 1 != int64_t(sizes.size()))
        return false;
      join = concat;
    } else if (op && isElementwiseSupported(op)) {
      llvm::append_range(work, op->getOperands());
    } else {
      ends.push_back(v);
    }
  }
  return true;
}

/// The group's operands that `roots` are made of; false where an operator other than mayFollow is in between.
bool findOperands(ArrayRef<Value> roots, llvm::SmallSetVector<Value, 8>& operands) {
  llvm::SmallSetVector<Value, 16> seen;
  SmallVector<Value> work(roots);
  while (!work.empty()) {
    Value v = work.pop_back_val();
    if (!seen.insert(v)) continue;
    Operation* op = v.getDefiningOp();
    if (!op) {
      operands.insert(v);
      continue;
    }
    if (!mayFollow(op)) return false;
    llvm::append_range(work, op->getOperands());
  }
  return true;
}

} // namespace

std::optional<Pieces> piecesOf(Value rows) {
  Pieces pieces;
  llvm::SmallSetVector<Value, 8> operands;
  SmallVector<Value> ends;
  const auto length = innermostOf(rows).constant();
  if (!length || !findJoin(rows, pieces.join, ends)) return std::nullopt;
  if (pieces.join) llvm::append_range(ends, pieces.join.getXs());
  if (!findOperands(ends, operands)) return std::nullopt;
  pieces.extent = *length;
  if (pieces.join) {
    pieces.count = int64_t(pieces.join.getXs().size());
    pieces.extent = *length / pieces.count;
    if (!llvm::all_of(pieces.join.getXs(), [&](Value x) { return innermostOf(x).isConstant(pieces.extent); }))
      return std::nullopt;
  }
  int64_t bytes = bytesOf(rows);
  for (Value v : operands)
    if (!innermostOf(v).isConstant(1)) bytes = std::min(bytes, bytesOf(v));
  pieces.run = std::min(kMostRun, kAccess / bytes);
  while (pieces.run > 1 && pieces.extent % pieces.run)
    pieces.run /= 2;
  return pieces.run < kLeastRun ? std::nullopt : std::optional(pieces);
}

void forPieces(KernelBuilder& kb, ExpressionEmitter& emitter, const Pieces& pieces, Value rows, Coordinates at,
               Value thread, function_ref<void(Value tile, const Coordinates& at)> use) {
  Coordinates inPiece(at);
  inPiece.back() = {kb.mul(thread, kb.constant(pieces.run)), 1, {}};
  for (int64_t i = 0; i < pieces.count; ++i) {
    at.back() = {kb.add(inPiece.back().base, kb.constant(i * pieces.extent)), 1, {}};
    ConcatOp join = pieces.join;
    if (join)
      emitter.define(join.getY(),
                     emitter.evaluate(join.getXs()[i], inPiece)); // what pieces share is evaluated once, at one place
    use(emitter.evaluate(rows, at), at);
  }
  if (pieces.join) emitter.undefine(ConcatOp(pieces.join).getY());
}

bool isPiecesGroup(GroupOp group) {
  Block& body = group.getBody().front();
  if (group->getNumResults() != 1) return false;
  for (Operation& op : body.without_terminator())
    if (!isa<ConcatOp>(op) && !mayFollow(&op)) return false;
  auto pieces = piecesOf(body.getTerminator()->getOperand(0));
  const bool isShort = pieces && pieces->extent <= kShortRow && !body.getOps<SliceOp>().empty();
  return pieces && (pieces->count > 1 || isShort);
}

FailureOr<Scheduled> schedulePieces(GroupOp group, StringRef name, OpBuilder& builder) {
  Value rows = group.getBody().front().getTerminator()->getOperand(0);
  const Pieces pieces = *piecesOf(rows);
  KernelBuilder kb(builder, group.getLoc(), name, group);
  OpBuilder& b = kb.b();
  Sizes extents = sizesOf(rows.getType());
  extents.back() = pieces.threads();
  const SizeExpr programs = volume(extents);
  Value id = tile::ProgramIdOp::create(b, kb.loc(), b.getIndexType());
  auto branch = scf::IfOp::create(b, kb.loc(),
                                  arith::CmpIOp::create(b, kb.loc(), arith::CmpIPredicate::slt, id, kb.size(programs)),
                                  /*withElse=*/false);
  b.setInsertionPointToStart(branch.thenBlock());
  auto parts = kb.delinearize(id, extents);
  Coordinates at;
  for (Value part : parts)
    at.push_back({part, 0, {}});
  ExpressionEmitter emitter(kb, pieces.run);
  forPieces(kb, emitter, pieces, rows, at, parts.back(),
            [&](Value tile, const Coordinates& place) { emitter.store(0, tile, place); });
  kb.kernel().walk([&](tile::StoreOp store) { store->setAttr("whole", b.getUnitAttr()); });
  sayThreads(kb.kernel());
  Scheduled scheduled = kb.finish(programs, 0, programs * SizeExpr(pieces.count));
  sayMultiples(kb.kernel(), scheduled.sizes);
  return scheduled;
}

void sayThreads(tile::KernelOp kernel) {
  auto number = [&](int64_t v) { return IntegerAttr::get(IntegerType::get(kernel.getContext(), 64), v); };
  kernel->setAttr("threads", number(1));
  kernel->setAttr("programs_per_block", number(kThreadsOfPieces));
}

} // namespace jinx::schedules
