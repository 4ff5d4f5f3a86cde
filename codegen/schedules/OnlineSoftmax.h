// What programs of attention on the CPU keep of a tile of rows while keys pass by in blocks: the online softmax (Milakov & Gimelshein 2018, algorithm 3).
// Attention.cpp has the algorithm and a worked example; PagedAttention.cpp does the same where keys lie in pages.
#pragma once

#include <array>

#include "codegen/schedules/Expression.h"

namespace jinx::schedules {

class OnlineSoftmax {
 protected:
  static constexpr int64_t kPanel = 16;
  static constexpr int64_t kLanes = 32;       ///< of a tile of logits
  static constexpr int64_t kRowNumbers = 16;  ///< m, l, … of a tile's rows, as one vector
  static constexpr int64_t kSkew = 16;        ///< elements between rows in scratch, so that they fall into different sets of the cache

  OnlineSoftmax(mlir::OpBuilder &builder, mlir::Location loc, llvm::StringRef name, graph::GroupOp group)
      : kb_(builder, loc, name, group), element_(builder.getF32Type()) {}

  mlir::OpBuilder &b() { return kb_.b(); }
  mlir::Location loc() { return kb_.loc(); }
  mlir::Value c(int64_t v) { return kb_.constant(v); }

  // ---- scratch ------------------------------------------------------------------------------------------------------------------
  /// Room for so many f32 in scratch: where it begins, in bytes.
  SizeExpr take(const SizeExpr &elements);
  /// Room for the numbers of rows.
  void takeRowNumbers() {
    for (SizeExpr &offset : rowOffsets_) offset = take(kRowNumbers);
  }
  mlir::Value scratch(const SizeExpr &offset, mlir::Type element = {});
  void findRowNumbers() {
    for (auto [ptr, offset] : llvm::zip(rowNumbers_, rowOffsets_)) ptr = scratch(offset);
  }

  // ---- tiles of f32 -------------------------------------------------------------------------------------------------------------
  mlir::VectorType vec(int64_t width) { return mlir::VectorType::get({width}, element_); }
  mlir::VectorType tileType(int64_t rows, int64_t panels) { return mlir::VectorType::get({rows, panels * kPanel}, element_); }
  mlir::Value splat(int64_t width, double v);
  mlir::Value minusInfinity(int64_t width);
  mlir::Value load(int64_t width, mlir::Value ptr, mlir::Value offset, mlir::Value limit = {});
  /// One number in every lane.
  mlir::Value loadSpread(int64_t width, mlir::Value ptr, mlir::Value offset);
  void store(mlir::Value tile, mlir::Value ptr, mlir::Value offset, mlir::Value limit = {});
  /// A scalar at one place.
  void storeOne(mlir::Value scalar, mlir::Value ptr, mlir::Value offset);
  /// One instruction on x86, where a maximum that keeps NaN is five. A NaN that is lost here makes its weight NaN, and that its row.
  mlir::Value larger(mlir::Value x, mlir::Value y);
  /// The largest lane, as a tile of one.
  mlir::Value largestLane(mlir::Value tile);

  // ---- loops --------------------------------------------------------------------------------------------------------------------
  void forRange(mlir::Value begin, mlir::Value end, int64_t step, llvm::function_ref<void(mlir::Value)> body);
  /// With one value that goes from step to step, kLanes at a time.
  mlir::Value carry(mlir::Value begin, mlir::Value end, mlir::Value init, llvm::function_ref<mlir::Value(mlir::Value at, mlir::Value sofar)> body);
  /// Lanes [0, extent): whole tiles in a loop, then what is left, with a limit.
  void forLanes(mlir::Value extent, int64_t width, llvm::function_ref<void(mlir::Value at, mlir::Value limit)> body);
  /// Panels [0, count) of a product, two at a time where `pairs`, the odd one alone.
  void forPanels(mlir::Value count, bool pairs, llvm::function_ref<void(mlir::Value panel, int64_t panels)> body);

  // ---- the softmax --------------------------------------------------------------------------------------------------------------
  /// m = -inf, l = 0, and 0 in `count` elements of the context, whole panels.
  void start(mlir::Value context, mlir::Value count);
  /// The new m, what rows are shifted by, and the factor c of what was summed with the old m.
  void rescale();
  /// p in place of the logits of `rows` rows, and l. Past the last key, up to whole tiles, are logits of -inf, so p is 0 there.
  void computeWeights(mlir::Value score, int64_t scoreStride, mlir::Value rows, mlir::Value keys);

  mlir::Value largest() { return rowNumbers_[0]; }
  mlir::Value blockLargest() { return rowNumbers_[1]; }
  mlir::Value shifts() { return rowNumbers_[2]; }
  mlir::Value factors() { return rowNumbers_[3]; }
  mlir::Value sum() { return rowNumbers_[4]; }
  mlir::Value blockSum() { return rowNumbers_[5]; }

  KernelBuilder kb_;
  mlir::Type element_;
  SizeExpr scratchBytes_ = 0;

 private:
  std::array<SizeExpr, 6> rowOffsets_;
  std::array<mlir::Value, 6> rowNumbers_;  ///< of the tile that is being written
};

}  // namespace jinx::schedules
