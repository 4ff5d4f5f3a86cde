// Holes: evaluates any value of a group at given coordinates, as a tile.
//
// A tile is `width` lanes of one value. Where the lanes lie is said by one `Coordinate` per dimension of the value: lane l is at
// base + l*step, or, where the path is irregular (a reshape that splits the lanes, a gather), at lanes[l]. Walking from a value to
// its operands maps coordinates: a transpose permutes them, a slice scales and shifts, a broadcast sends a dimension to 0, a
// concatenation chooses an operand. At a group input the coordinates become an address: one broadcast scalar when no lane moves,
// a contiguous load when they move by one element, a strided or gathered load otherwise.
//
//   y = transpose(x, [1, 0]) + bias          y at (i, j + l):   x at (j + l, i)  -> strided load
//                                                               bias at (j + l)  -> contiguous load
#pragma once

#include <map>

#include "codegen/schedules/Schedules.h"

namespace jinx::schedules {

struct Coordinate {
  /// Every valid lane's coordinate lies in [begin, end).
  struct Range {
    SizeExpr begin, end;
    Range shifted(const SizeExpr &by) const { return {begin + by, end + by}; }
    bool isWithin(const SizeExpr &from, const SizeExpr &to) const { return (begin - from).isAtLeast(0) && (to - end).isAtLeast(0); }
  };
  mlir::Value base;   ///< index; coordinate of lane 0 (unused when `lanes` is set)
  int64_t step = 0;   ///< what each further lane adds
  mlir::Value lanes;  ///< vector of index, one per lane, or null
  std::optional<Range> range = std::nullopt;  ///< known of lanes that move by 1 in a loop that is cut into parts (LaneBreaks.h)
};
using Coordinates = llvm::SmallVector<Coordinate, 5>;

/// Grows a kernel: its operands, its size parameters, small index arithmetic.
class KernelBuilder {
 public:
  KernelBuilder(mlir::OpBuilder &builder, mlir::Location loc, llvm::StringRef name, graph::GroupOp group)
      : KernelBuilder(builder, loc, name, group, group.getInputs().getTypes(), group.getResultTypes()) {}
  /// One of several kernels of a group, with these operands and results.
  KernelBuilder(mlir::OpBuilder &builder, mlir::Location loc, llvm::StringRef name, graph::GroupOp group, mlir::TypeRange inputs, mlir::TypeRange results);

  mlir::OpBuilder &b() { return builder_; }
  mlir::Location loc() const { return loc_; }
  tile::KernelOp kernel() { return kernel_; }
  graph::GroupOp group() { return group_; }

  /// Buffer of a group input (block argument) or of a result.
  mlir::Value input(mlir::BlockArgument arg) { return kernel_.buffer(arg.getArgNumber()); }
  mlir::Value output(int64_t i) { return kernel_.buffer(int64_t(kernel_.getNumInputs()) + i); }
  /// A size as an index value: a constant, or a size parameter that the runtime evaluates.
  mlir::Value size(const SizeExpr &expr);
  /// From here on sizes that `factor` divides are written as multiples of `multiple`: for a place in the kernel where that was asked of
  /// `factor`. 1 ends it.
  void assumeMultiple(const SizeExpr &factor, int64_t multiple) { factor_ = factor, multiple_ = multiple; }
  mlir::Value constant(int64_t v);
  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value sub(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, mlir::Value y);
  mlir::Value min(mlir::Value x, mlir::Value y);
  mlir::Value max(mlir::Value x, mlir::Value y);
  mlir::Value floorDiv(mlir::Value x, mlir::Value y);  ///< operands not negative
  mlir::Value rem(mlir::Value x, mlir::Value y);       ///< operands not negative
  mlir::Value splat(mlir::Value scalar, int64_t width);
  /// The integer at `at` of a buffer, as an index.
  mlir::Value loadIndex(mlir::Value ptr, mlir::Value at);
  /// Splits a linear index into one per extent, the last fastest.
  llvm::SmallVector<mlir::Value> delinearize(mlir::Value linear, llvm::ArrayRef<SizeExpr> extents);
  /// Row-major strides of a shape, in elements.
  llvm::SmallVector<SizeExpr> strides(llvm::ArrayRef<SizeExpr> sizes);
  /// Those of an input: of its shape, unless `setStrides` says otherwise.
  llvm::SmallVector<SizeExpr> stridesOf(mlir::BlockArgument arg);
  void setStrides(mlir::BlockArgument arg, llvm::SmallVector<SizeExpr> strides) { strides_[arg.getArgNumber()] = std::move(strides); }

  /// A size as a formula over the kernel's own parameters: a number, or "a3".
  std::string formula(const SizeExpr &expr);
  /// A constant of one value as a tile of that shape.
  mlir::Value splatTile(graph::ConstantOp op, mlir::VectorType shape);
  /// A tile of rank 2 of an input, as registers have it: bools are bytes in memory.
  mlir::Value loadTile(mlir::BlockArgument arg, mlir::VectorType shape, mlir::Value offset, mlir::ValueRange strides, mlir::ValueRange limits,
                       llvm::StringRef phase = "");

  Scheduled finish(const SizeExpr &programs, const SizeExpr &scratchBytes, const SizeExpr &work);

 private:
  mlir::OpBuilder &builder_;
  mlir::Location loc_;
  graph::GroupOp group_;
  tile::KernelOp kernel_;
  llvm::SmallVector<SizeExpr> sizes_;
  std::map<std::string, mlir::Value> sizeValues_;
  SizeExpr factor_ = 1;
  int64_t multiple_ = 1;
  std::map<std::pair<std::string, int64_t>, mlir::Value> multiples_;  ///< sizes so written
  std::map<int64_t, mlir::Value> constants_;
  std::map<unsigned, llvm::SmallVector<SizeExpr>> strides_;
  mlir::Operation *lastPrelude_ = nullptr;  // constants live at the top of the kernel, in order of first use
};

/// Writes on a kernel for CUDA what powers of two its sizes are multiples of: so are offsets that hold them, and accesses there are wide.
void sayMultiples(tile::KernelOp kernel, llvm::ArrayRef<SizeExpr> sizes);

class ExpressionEmitter {
 public:
  ExpressionEmitter(KernelBuilder &kb, int64_t width) : kb_(kb), width_(width) {}

  /// Number of valid lanes from here on; null: all of them. Invalid lanes hold anything and are never stored.
  void setLimit(mlir::Value limit) {
    limit_ = limit;
    clearCache();
  }
  /// Fixes the tile or scalar that `value` has, whatever its coordinates (results of reductions, anchors).
  void define(mlir::Value value, mlir::Value tile) { defined_[value] = tile; }
  void undefine(mlir::Value value) { defined_.erase(value); }
  /// Forgets tiles computed so far; needed when the insertion point leaves their scope.
  void clearCache() { cache_.clear(); }

  /// The tile of `value` at `at` (one coordinate per dimension).
  mlir::Value evaluate(mlir::Value value, llvm::ArrayRef<Coordinate> at);
  /// Stores a tile of the group's result number `index` at `at`.
  void store(int64_t index, mlir::Value tile, llvm::ArrayRef<Coordinate> at);
  int64_t width() const { return width_; }

  /// Coordinates of an operand that broadcasts to a value at `at`.
  Coordinates broadcastCoordinates(mlir::Value operand, llvm::ArrayRef<Coordinate> at);

 private:
  mlir::Value evaluateUncached(mlir::Value value, llvm::ArrayRef<Coordinate> at);
  mlir::Value loadInput(mlir::BlockArgument arg, llvm::ArrayRef<Coordinate> at);
  mlir::Value emitConstant(graph::ConstantOp op);
  mlir::Value emitReshape(graph::ReshapeOp op, llvm::ArrayRef<Coordinate> at);
  mlir::Value emitSlice(graph::SliceOp op, llvm::ArrayRef<Coordinate> at);
  mlir::Value emitConcat(graph::ConcatOp op, llvm::ArrayRef<Coordinate> at);
  /// What `read` gives, but for an empty extent, where there is nothing to read and an index that is clamped lies outside.
  mlir::Value unlessEmpty(const SizeExpr &extent, mlir::Type type, llvm::function_ref<mlir::Value()> read, llvm::function_ref<mlir::Value()> otherwise);
  mlir::Value emitPad(graph::PadOp op, llvm::ArrayRef<Coordinate> at);
  mlir::Value emitGather(graph::GatherOp op, llvm::ArrayRef<Coordinate> at);
  mlir::Value emitGatherElements(graph::GatherElementsOp op, llvm::ArrayRef<Coordinate> at);
  mlir::Value emitGatherNd(graph::GatherNdOp op, llvm::ArrayRef<Coordinate> at);
  /// The coordinate that `indices` name at `at`, in a dimension of this extent: a negative one counts from the end, and it is clamped.
  Coordinate indexCoordinate(mlir::Value indices, llvm::ArrayRef<Coordinate> at, const SizeExpr &extent);
  /// `at`, clamped into `extent` unless it surely lies there: `own` is the extent that it comes from.
  Coordinate within(const Coordinate &at, const SizeExpr &own, const SizeExpr &extent);
  mlir::Value emitIota(graph::IotaOp op, llvm::ArrayRef<Coordinate> at);
  mlir::Value emitSizes(graph::SizesOp op, llvm::ArrayRef<Coordinate> at);
  mlir::Value emitPool(graph::PoolOp op, llvm::ArrayRef<Coordinate> at);
  mlir::Value emitDepthwise(graph::DepthwiseConvOp op, llvm::ArrayRef<Coordinate> at);
  mlir::Value emitResize(graph::ResizeOp op, llvm::ArrayRef<Coordinate> at);
  mlir::Value emitPack(graph::PackOp op, llvm::ArrayRef<Coordinate> at);
  mlir::Value emitSample(graph::ResizeOp op, llvm::ArrayRef<Coordinate> at, size_t dim, Coordinates &mapped);
  /// Loops over the kernel offsets whose window element lies inside x (or all, masked, where lanes move along a spatial dimension).
  /// `body` gets the accumulator, the kernel offsets and the coordinates of the spatial dimensions. Gives the final accumulator;
  /// `count` receives the number of elements inside, as a scalar index or null when it differs between lanes.
  struct Window {
    llvm::ArrayRef<int64_t> kernel, strides, pads, dilations;
    llvm::SmallVector<SizeExpr> extents;  ///< of x's spatial dimensions
    llvm::ArrayRef<Coordinate> at;        ///< of y's spatial dimensions
  };
  using WindowBody = llvm::function_ref<mlir::Value(mlir::Value acc, llvm::ArrayRef<mlir::Value> k, llvm::ArrayRef<Coordinate> x, mlir::Value inside)>;
  mlir::Value emitWindow(const Window &window, mlir::Value init, WindowBody body);
  llvm::SmallVector<std::pair<mlir::Value, mlir::Value>> windowBounds(const Window &window);

  mlir::VectorType tileType(mlir::Type element) { return mlir::VectorType::get({width_}, element); }
  mlir::Value lanesOf(const Coordinate &c);                           ///< the coordinate as a vector of index
  bool isScalar(const Coordinate &c) { return !c.lanes && c.step == 0; }
  mlir::Value allLanes(bool valid);
  mlir::Value limitMask();
  /// Runs `then` or `otherwise` by a scalar condition, as tiles of `type`.
  mlir::Value branch(mlir::Value condition, mlir::Type type, llvm::function_ref<mlir::Value()> then, llvm::function_ref<mlir::Value()> otherwise);

  KernelBuilder &kb_;
  int64_t width_;
  mlir::Value limit_;
  llvm::DenseMap<mlir::Value, mlir::Value> defined_;
  std::map<std::vector<const void *>, mlir::Value> cache_;
};

}  // namespace jinx::schedules
