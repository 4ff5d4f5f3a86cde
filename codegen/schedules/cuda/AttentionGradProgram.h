// What the two programs of the gradients of attention share: types, maps, rings, the order of tiles, the weights. Internal to
// codegen/schedules/cuda.
#pragma once

#include "codegen/schedules/cuda/CudaAttentionGrad.h"
#include "codegen/schedules/cuda/IndexBuilder.h"

namespace jinx::schedules {

class AttentionGradProgram {
 protected:
  AttentionGradProgram(mlir::OpBuilder &b, tile::KernelOp kernel, GradOf what, const WgmmaAttentionGrad &problem, const WgmmaAttentionGradTile &tile);

  /// Roles: `produce` and `consume` write one tile's part of each.
  void writeRoles(llvm::function_ref<void()> produce, llvm::function_ref<void()> consume);

  // ---- maps and rings -------------------------------------------------------------------------------------------------------------
  mlir::Value map(const AttentionTensor &x, const AttentionSize &rows, const std::string &heads, int64_t boxColumns, int64_t boxRows);
  mlir::Value queryMap(const AttentionTensor &x, int64_t rows) { return map(x, p_.queries, p_.heads.text, 64, rows); }
  mlir::Value keyMap(const AttentionTensor &x, int64_t rows) { return map(x, p_.keys, sharedHeads(), 64, rows); }
  mlir::Value storeMap(const AttentionTensor &x, const AttentionSize &rows, const std::string &heads);
  /// Of lse or delta: one row of `step_` at a time.
  mlir::Value rowMap(mlir::Value data);
  std::string sharedHeads() const { return p_.group == 1 ? p_.heads.text : "(" + p_.heads.text + ") floordiv " + std::to_string(p_.group); }
  std::string paddedRows() const;
  /// Of tiles of `rows` rows; with `values`, each slot has one f32 for each row too.
  mlir::Value ring(int64_t stages, int64_t rows, llvm::StringRef name, llvm::StringRef values = "");
  struct Fetch {
    mlir::Value map;
    llvm::SmallVector<mlir::Value, 4> at;
  };
  /// Fills the next slot of a ring, buffer by buffer.
  void fetch(mlir::Value ring, llvm::ArrayRef<Fetch> copies);
  mlir::Value wait(mlir::Value ring);
  void release(mlir::Value ring, int64_t lag = 0) { tile::RingReleaseOp::create(b_, loc_, ring, lag); }

  // ---- tiles ----------------------------------------------------------------------------------------------------------------------
  /// The place of this block's tile: `number` of a head's tiles, the longest first. Heads come in sections whose streamed operands fit the
  /// second-level cache together.
  struct Place {
    mlir::Value batch, head, allHead;  ///< head: of k for dk and dv, of q for dq
    mlir::Value number, row;           ///< the tile's number in its head, its first row
  };
  Place place(mlir::Value heads, mlir::Value tiles, mlir::Value streamedRows);

  // ---- products and weights -------------------------------------------------------------------------------------------------------
  mlir::Value multiplyShared(mlir::Value a, mlir::Value b, llvm::StringRef name) {
    return tile::MmaSharedOp::create(b_, nameLoc(b_, loc_, name), scoreType_, a, 0, firstRow_, b, 0);
  }
  mlir::Value multiplyRegisters(mlir::Value acc, mlir::Value a, mlir::Value slot, int64_t lag = 0) {
    return tile::MmaRegistersOp::create(b_, loc_, outType_, acc, a, slot, 0, lag);
  }
  mlir::Value rounded(mlir::Value tile, llvm::StringRef name) {
    return tile::MmaOperandOp::create(b_, nameLoc(b_, loc_, name), mlir::VectorType::get(scoreType_.getShape(), element_), tile);
  }
  mlir::Value landed(mlir::Value running, int64_t pending, mlir::Value behind = {}) {
    return tile::MmaWaitOp::create(b_, loc_, running.getType(), running, pending, behind);
  }
  /// 2^(scale log2(e) x + shift), with shift = -lse log2(e), a row or a column tile.
  mlir::Value weights(mlir::Value scores, mlir::Value shift);
  mlir::Value shiftOf(mlir::Value lse);
  /// p `masked` in all steps, in none, or, by a branch, in those before `end`. A branch saves copies of the loop, each of which costs NVRTC as much as
  /// the first; but the weights do not run beside what follows it, which is a tenth of the time where they take as long as products.
  enum class Masked { none, some, all };
  mlir::Value where(Masked which, mlir::Value step, mlir::Value end, mlir::Value p, llvm::function_ref<mlir::Value()> masked);
  /// p (dp - delta)
  mlir::Value gradientOfScores(mlir::Value weights, mlir::Value dp, mlir::Value delta);
  void storeTile(mlir::Value out, mlir::Value map, mlir::Value row, mlir::Value head, mlir::Value batch, bool scales, llvm::StringRef comment);

  // ---- short names ----------------------------------------------------------------------------------------------------------------
  mlir::Value called(mlir::Value v, llvm::StringRef name);
  mlir::Value number(double v, llvm::StringRef name);
  mlir::Value splat(mlir::Value v, mlir::VectorType type);
  mlir::Value narrow(mlir::Value v) { return b_.createOrFold<mlir::arith::IndexCastOp>(loc_, b_.getI32Type(), v); }
  mlir::Value max(mlir::Value v, int64_t least) { return b_.createOrFold<mlir::arith::MaxSIOp>(loc_, v, ix_.c(least)); }
  mlir::scf::ForOp loopOver(mlir::Value from, mlir::Value to, mlir::ValueRange inits, llvm::StringRef name, llvm::ArrayRef<llvm::StringRef> carried = {});

  tile::KernelOp kernel_;
  mlir::OpBuilder &b_;
  mlir::Location loc_;
  IndexBuilder ix_;
  GradOf what_;
  const WgmmaAttentionGrad &p_;
  WgmmaAttentionGradTile t_;
  bool turns_;  ///< consumers issue a step's products in turns
  mlir::Type element_, slotType_;
  mlir::VectorType scoreType_, outType_, rowType_, columnType_, rowIndexType_, scoreIndexType_;
  mlir::Value program_, firstRow_, zero_, toLog2_, minusLog2e_, scale_;
  mlir::Value padded_;  ///< columns of lse and delta
};

/// The programs themselves (AttentionGradKeys.cpp, AttentionGradQueries.cpp).
void emitAttentionGradKeys(mlir::OpBuilder &b, tile::KernelOp kernel, const WgmmaAttentionGrad &problem, const WgmmaAttentionGradTile &tile);
void emitAttentionGradQueries(mlir::OpBuilder &b, tile::KernelOp kernel, const WgmmaAttentionGrad &problem, const WgmmaAttentionGradTile &tile);

}  // namespace jinx::schedules
