// The interleave schedule.
//
// x is seen as [outer, c, inner], y as [outer, inner, c] with c from 2 to 4. As rows, y has c useful lanes a vector, each from another
// place. Here 16 neighbours of each channel are loaded and shuffled into 16*c neighbours of y:
//
//   r0 r1 r2 …   g0 g1 g2 …   b0 b1 b2 …     ->     r0 g0 b0 r1 g1 b1 r2 g2 b2 …
#include "codegen/schedules/Interleave.h"

#include "codegen/schedules/Expression.h"
#include "codegen/schedules/ScalarOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kTile = 16;      // positions of one step
constexpr int64_t kChunk = 2048;   // positions of one program

TransposeOp onlyTranspose(GroupOp group) {
  auto ops = group.getBody().front().without_terminator();
  return llvm::hasSingleElement(ops) ? dyn_cast<TransposeOp>(*ops.begin()) : TransposeOp();
}

/// c tiles side by side, then lane i*c + k is lane i of tile k.
Value interleaved(OpBuilder &b, Location loc, ArrayRef<Value> tiles) {
  int64_t count = tiles.size(), width = 1;
  while (width < count) width *= 2;
  SmallVector<Value> level(tiles);
  level.resize(width, tiles.back());
  while (level.size() > 1) {
    SmallVector<Value> next;
    int64_t lanes = 2 * cast<VectorType>(level[0].getType()).getDimSize(0);
    for (size_t i = 0; i < level.size(); i += 2)
      next.push_back(vector::ShuffleOp::create(b, loc, level[i], level[i + 1], llvm::to_vector(llvm::seq<int64_t>(lanes))));
    level = next;
  }
  SmallVector<int64_t> mask;
  for (int64_t i = 0; i < kTile; ++i)
    for (int64_t k = 0; k < count; ++k) mask.push_back(k * kTile + i);
  return vector::ShuffleOp::create(b, loc, level[0], level[0], mask);
}

}  // namespace

bool isInterleaveGroup(GroupOp group) {
  TransposeOp op = onlyTranspose(group);
  if (!op || !isa<BlockArgument>(op.getX())) return false;
  auto type = cast<RankedTensorType>(op.getX().getType());
  ArrayRef<int64_t> perm = op.getPerm();
  auto channels = sizesOf(type)[perm.back()].constant();
  return type.getElementType().isF32() && type.getRank() >= 2 && channels && *channels >= 2 && *channels <= 4 && perm.back() + 1 < type.getRank() &&
         llvm::is_sorted(perm.drop_back());
}

FailureOr<Scheduled> scheduleInterleave(GroupOp group, StringRef name, OpBuilder &builder) {
  KernelBuilder kb(builder, group.getLoc(), name, group);
  Location loc = group.getLoc();
  TransposeOp op = onlyTranspose(group);
  Sizes sizes = sizesOf(op.getX().getType());
  int64_t axis = op.getPerm().back(), channels = *sizes[axis].constant();
  SizeExpr outer = volume(ArrayRef(sizes).take_front(axis)), inner = volume(ArrayRef(sizes).drop_front(axis + 1));
  SizeExpr chunks = ceilDiv(inner, kChunk);
  OpBuilder &b = kb.b();
  auto parts = kb.delinearize(tile::ProgramIdOp::create(b, loc, b.getIndexType()), {outer, chunks});
  Value from = kb.input(cast<BlockArgument>(op.getX())), to = kb.output(0), length = kb.size(inner);
  Value begin = kb.mul(parts[1], kb.constant(kChunk)), end = kb.min(kb.add(begin, kb.constant(kChunk)), length);
  auto type = VectorType::get({kTile}, b.getF32Type());

  auto step = [&](Value at, Value rest) {
    SmallVector<Value> tiles;
    for (int64_t k = 0; k < channels; ++k) {
      Value row = kb.add(kb.mul(parts[0], kb.constant(channels)), kb.constant(k));
      tiles.push_back(tile::LoadOp::create(b, loc, type, from, kb.add(kb.mul(row, length), at), ValueRange{kb.constant(1)}, rest ? ValueRange(rest) : ValueRange()));
    }
    Value target = kb.mul(kb.add(kb.mul(parts[0], length), at), kb.constant(channels));
    Value valid = rest ? kb.mul(rest, kb.constant(channels)) : Value();
    tile::StoreOp::create(b, loc, interleaved(b, loc, tiles), to, target, ValueRange{kb.constant(1)}, valid ? ValueRange(valid) : ValueRange());
  };
  Value whole = kb.add(begin, kb.mul(kb.floorDiv(kb.sub(end, begin), kb.constant(kTile)), kb.constant(kTile)));
  auto loop = scf::ForOp::create(b, loc, begin, whole, kb.constant(kTile));
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    step(loop.getInductionVar(), Value());
  }
  Value some = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, whole, end);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(scf::IfOp::create(b, loc, some, /*withElse=*/false).thenBlock());
    step(whole, kb.sub(end, whole));
  }
  return kb.finish(outer * chunks, 0, outer * ceilDiv(inner, kTile) * SizeExpr(4 * channels));
}

}  // namespace jinx::schedules
