// The epilogue hole of a group's product on CUDA: what the other operators of the group make of a tile of sums, and where it is stored.
//
// The product's result [outer…, rows…, n] is seen as matrices of rows x n: `rows` are some neighbouring dimensions taken as one, the others
// are outer. An operand of the epilogue is aligned with the result on the right. Seen as one dimension, the rows must be a matter of one
// stride for every operand: it has all of them, or none (`firstRowDim` finds how far that goes).
//
//   y [8, 56, 56, 64], bias [64], scale [8, 1, 1, 64]      rows = 56 * 56, outer = 8
#pragma once

#include "codegen/schedules/Expression.h"

namespace jinx::schedules {

/// A dense product with two matrices behind each other, of which nothing is read but its two halves of columns (jinx.slice): the group's other operators read both at
/// the same place, and its results have half of the product's columns.
bool isPairOfProducts(mlir::Operation *product);

class GroupEpilogue {
 public:
  /// \param products  the group's product, or both of two that read one operand and have results of one shape; their operands are no operands of the epilogue
  GroupEpilogue(KernelBuilder &kb, graph::GroupOp group, llvm::ArrayRef<mlir::Operation *> products);
  GroupEpilogue(KernelBuilder &kb, graph::GroupOp group, mlir::Operation *product) : GroupEpilogue(kb, group, llvm::ArrayRef(product)) {}

  /// The first of the dimensions that end before `end` and can be rows together.
  size_t firstRowDim(size_t end);
  void setRows(size_t begin, size_t end) { rowBegin_ = begin, rowEnd_ = end; }
  /// Tiles are of the transposed result: their rows are its columns.
  void setTransposed(bool transposed) { isTransposed_ = transposed; }

  /// Operands that have an element of that many bytes for each of the result (residuals).
  llvm::SmallVector<mlir::BlockArgument> residuals(int64_t bytes);
  /// Those come in pieces, each with its number (WgmmaMatmul::residuals).
  void takePieces(llvm::ArrayRef<mlir::BlockArgument> residuals);

  /// About how many instructions an element takes beside its store.
  int64_t operations();

  struct Tile {
    llvm::SmallVector<mlir::Value> outer;  ///< place in each dimension but the last; ignored where it is a row
    mlir::Value row, column;               ///< of the first element, in the result
    mlir::Value rows, columns;             ///< how many there are behind it, as an upper bound of both
  };
  /// Begins to read what has one value for each column (a bias), for a tile whose sums are not there yet. Once a column and thread, not once
  /// an element; and its latency is hidden. (Not so residuals: read early, as two bytes beside each other, they made ResNet-50 a quarter
  /// slower.)
  void loadColumns(mlir::VectorType sums, const Tile &at);
  bool readsColumns();
  /// Bytes of an element of the result, if there is one result, of rows of `columns` that tensor maps can address.
  std::optional<int64_t> bulkStoreBytes(const SizeExpr &columns);
  /// The group's results for a tile of sums; of a pair of products (isPairOfProducts, or two of them) those of both, as the tile has them.
  llvm::SmallVector<mlir::Value> evaluate(mlir::Value sums, const Tile &at);
  void store(int64_t result, mlir::Value tile, const Tile &at);

 private:
  struct Place {
    mlir::Value offset, rowStride, columnStride;
  };
  Place placeOf(const graph::Sizes &sizes, const Tile &at);
  bool isPerColumn(mlir::BlockArgument arg);
  mlir::Value load(mlir::BlockArgument arg, mlir::VectorType shape, const Tile &at);
  llvm::SmallVector<mlir::Value> ordered(mlir::Value rows, mlir::Value columns) const;
  /// The sums of each product, all of one place.
  llvm::SmallVector<mlir::Value> sumsOfEach(mlir::Value sums);
  bool isProduct(mlir::Operation *op) const { return llvm::is_contained(products_, op); }
  /// Read by nobody but products.
  bool isOperand(mlir::BlockArgument arg) const {
    return llvm::all_of(arg.getUsers(), [&](mlir::Operation *user) { return isProduct(user); });
  }

  KernelBuilder &kb_;
  graph::GroupOp group_;
  llvm::SmallVector<mlir::Operation *, 2> products_;
  graph::Sizes out_;
  llvm::DenseMap<mlir::Value, mlir::Value> early_;  ///< of the tile at hand
  llvm::DenseMap<mlir::Value, int64_t> pieces_;     ///< the number of a residual that comes so
  size_t rowBegin_ = 0, rowEnd_ = 0;
  bool isTransposed_ = false;
};

}  // namespace jinx::schedules
