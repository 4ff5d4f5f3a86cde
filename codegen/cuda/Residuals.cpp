// Residuals: what an epilogue reads as wide as it writes, from a ring of pieces into the registers of the patch that is stored.
//
// A ring with the attribute `pieces` has, in each slot, a patch of every warp for each of its buffers: 16 rows of 128 bytes, swizzled, those of
// a warpgroup one after the other, then those of the next. A loop of the producer with the attribute `aside` fills it, in a thread of its own.
// A tile.load with the attribute `piece` i is what buffer i brings: nothing is read where the load stands. tile.store_bulk takes a slot
// for each patch it makes, in the order of the patches; thread by thread, since a thread needs what its accumulators need: two neighbours
// in rows lane / 4 and lane / 4 + 8 of each 8 columns. Eight lanes' rows lie in different banks, by the swizzle.
#include "codegen/cuda/PipelineEmitter.h"

using namespace mlir;

namespace jinx::cuda {

namespace {
constexpr const char *kOctet = "j % (kStoreColumns / 8)";  // of a patch: j counts those of a tile
}  // namespace

/// Binds the load's tile to the registers that printPieces fills.
LogicalResult PipelineEmitter::emitPieceLoad(tile::LoadOp op) {
  auto ring = llvm::find_if(rings_, [](const RingInfo &r) { return r.pieces; });
  const int64_t buffer = op->getAttrOfType<IntegerAttr>("piece").getInt(), bytes = bytesOf(getElementTypeOrSelf(op.getTile().getType()));
  if (ring == rings_.end() || buffer >= int64_t(ring->buffers.size()) || !anyStoreBulk_ || bytes != storeBytes_ || storeColumns_ * bytes != 128 || (bytes != 2 && bytes != 4))
    return op.emitOpError("comes in pieces, expected a ring of them, and a bulk store in patches of 128 bytes of elements of 16 or 32 bits, as the tile's");
  Piece piece{buffer, e_.out_.unique(ring->buffers[buffer].name + "_pairs")};
  Bound bound;
  bound.kind = Bound::kRuns;
  std::string pair = piece.pairs + "[" + kOctet + "][h]";
  bound.expr = bytes == 2 ? call("half_of<" + cType(getElementTypeOrSelf(op.getTile().getType())) + ">", pair + ", e") : Expr{pair + "[e]"};
  e_.bound_[op.getTile()] = bound;
  pieces_.push_back(piece);
  return success();
}

/// At the beginning of a patch: its residuals come to registers, and their slot goes back. Ends with the meeting of the warp that the staging
/// buffer wants, too.
void PipelineEmitter::printPieces() {
  SourceWriter &out = e_.out_;
  auto found = llvm::find_if(rings_, [](const RingInfo &r) { return r.pieces; });
  if (found == rings_.end()) return out.line("warp_sync();");
  const RingInfo &ring = *found;
  const std::string take = named(ring, "take"), bytes = std::to_string(storeBytes_);
  out.line("mbar_wait(" + named(ring, "full") + " + " + take + ".slot * 8, " + take + ".parity);");
  for (const Piece &piece : pieces_) {
    const Buffer &b = ring.buffers[piece.buffer];
    std::string patch = out.unique(b.name + "_patch"), warps = takesTurns() ? "warp" : "(consumer * 4 + warp)";
    out.line("const u32 " + patch + " = " + slotAddress(ring, b) + " + " + warps + " * (kStoreRows * 128);");
    out.line((storeBytes_ == 2 ? "u32 " : "float ") + piece.pairs + "[kStoreColumns / 8][2]" + (storeBytes_ == 2 ? "" : "[2]") + ";");
    out.directive("#pragma unroll");
    out.open("for (int o = 0; o < kStoreColumns / 8; ++o)");
    out.directive("#pragma unroll");
    out.open("for (int h = 0; h < 2; ++h)");
    std::string at = patch + " + swizzled_byte(lane / 4 + h * 8, (o * 8 + lane % 4 * 2) * " + bytes + ", 128)", pair = piece.pairs + "[o][h]";
    out.line(storeBytes_ == 2 ? pair + " = shared_load_word(" + at + ");" : "shared_load_x2(" + pair + ", " + at + ");");
    out.close();
    out.close();
  }
  out.line("warp_sync();");
  out.line("if (lane == 0) mbar_arrive(" + named(ring, "empty") + " + " + take + ".slot * 8);  // the warp has its residuals");
  out.line("ring_advance(" + take + ", " + named(ring, "kStages") + ");");
}

/// A loop of the producer that runs beside the others: in the second warp.
LogicalResult PipelineEmitter::emitAside(Operation *op, int64_t fetcher) {
  SourceWriter &out = e_.out_;
  out.open("if (fetcher == " + std::to_string(fetcher) + " && elect_one())");
  const bool isEarly = op->walk([](tile::CopyBulkOp copy) { return copy->hasAttr("constant") ? WalkResult::interrupt() : WalkResult::advance(); }).wasInterrupted();
  if (waitsByRole() && !isEarly) out.line("grid_wait_previous();");
  printRingState(*op->getParentRegion(), true, op);
  if (failed(e_.emitOp(op))) return failure();
  out.close();
  return success();
}

}  // namespace jinx::cuda
