// The walk over a tile kernel that prints it. Internal to codegen/cuda.
//
// Every value is bound to what stands for it in the text (Bound): an expression for scalars and for tiles whose elements are all equal,
// a register array for other tiles, a pointer. Elementwise operations on tiles are not printed where they stand but kept pending, by
// tile shape; the next operation that needs their values (a store, a reduction, a loop's yield) prints one loop over the elements of a
// thread with all that is pending in it (`flush`). So a chain of operations reads as one loop body, and intermediate tiles are scalars.
#pragma once

#include <functional>

#include "codegen/cuda/CudaTypes.h"
#include "codegen/cuda/EmitCuda.h"
#include "codegen/cuda/Expressions.h"
#include "codegen/cuda/SourceWriter.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SetVector.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/TypeUtilities.h"

namespace jinx::cuda {

using Shape = llvm::SmallVector<int64_t, 2>;

/// How the elements of a tile of one shape are spread over threads and their registers: a nest of loops over a thread's elements, and
/// the coordinates of the element at a point of that nest.
struct TileLayout {
  struct Loop {
    std::string variable;
    std::string extent;      ///< name of a constant
    int64_t count;
  };
  llvm::SmallVector<Loop, 3> loops;
  std::vector<std::string> subscripts;  ///< of a register array, in terms of the loop variables: "i", "4 * j + q"
  std::vector<std::string> extents;     ///< of that array
  Loop columnLoop;                      ///< the one that alone, beside the innermost, moves along columns, if there is one
  Expr row, column;                     ///< coordinates; rank 1 uses `column` alone
  bool complete = true;                 ///< every element of every thread lies in the tile
  std::string valid;                    ///< otherwise: the condition that it does
  int64_t elementsPerThread = 1;
  // Rank 1: runs of neighbours, `stride` elements from a thread's run to its next (constants' names beside the numbers).
  int64_t run = 1, runs = 1;
  std::string stride;
  /// Which thread holds an element of the tile.
  int64_t ownerOf(int64_t element) const;
  /// Where in its register array: "[1][3]".
  std::string placeOf(int64_t element) const;
  int64_t threads = 1;

  std::string declare(const std::string &name) const;
  std::string element(const std::string &name) const;
  /// Where the innermost loop begins: the column without its variable. That loop runs along neighbouring columns.
  Expr firstColumn() const { return {column.text.substr(0, column.text.rfind(" + " + loops.back().variable)), Expr::kAdd}; }
};

/// True when `v` is surely a multiple of `width`.
bool isMultiple(mlir::Value v, int64_t width, int depth = 0);

/// What stands for a value in the text.
struct Bound {
  enum Kind { kNone, kUniform, kStep, kArray, kPointer, kHandle, kRowNumber, kColumnNumber, kRowValue, kOperand, kRuns } kind = kNone;
  Expr expr;                     ///< kUniform, kPointer, kRowValue; kArray, kRuns, kHandle, kOperand: the name
  bool shared = false;           ///< kPointer: shared memory
  int64_t handle = -1;           ///< kHandle: index into a table (rings, maps)
};

class KernelEmitter {
 public:
  KernelEmitter(tile::KernelOp kernel, const EmitOptions &options);
  ~KernelEmitter();
  mlir::FailureOr<CudaKernel> run();

 private:
  friend class PipelineEmitter;
  /// The elements' expressions while one loop body is printed.
  using Lane = llvm::DenseMap<mlir::Value, Expr>;
  /// What ends a chain of elementwise operations: a use of some of their values inside the loop.
  struct Sink {
    mlir::Operation *op = nullptr;
    std::function<void()> beforeInner;
    std::function<void(Lane &)> body;
    std::function<void()> afterInner;
  };

  // KernelEmitter.cpp: the function's frame, structure, scalars
  void chooseThreads();
  void chooseRuns();
  /// True where `run` elements from `offset` on surely begin at a multiple of what they are accessed by.
  bool isRun(mlir::Value pointer, mlir::Value offset, mlir::Value stride, int64_t run);
  void bindArguments();
  /// A tile lies in the register array of that name.
  void bindArray(mlir::Value tile, const std::string &name) { bound_[tile] = {.kind = Bound::kArray, .expr = {name}}; }
  bool startsEarly() const;  ///< launches for the target may begin before the one in front has ended
  CudaKernel assemble();
  mlir::LogicalResult emitBlock(mlir::Block &block);
  mlir::LogicalResult emitOp(mlir::Operation *op);
  mlir::LogicalResult emitFor(mlir::scf::ForOp op);
  mlir::LogicalResult emitIf(mlir::scf::IfOp op);
  mlir::LogicalResult emitScalar(mlir::Operation *op);
  mlir::LogicalResult emitConstant(mlir::Operation *op, mlir::TypedAttr value);
  mlir::LogicalResult assignYielded(mlir::ValueRange values, llvm::ArrayRef<Bound> targets, mlir::Operation *yield);
  Bound declareCarried(mlir::Value like, mlir::Value init, llvm::StringRef hint);
  void phase(mlir::Operation *op);
  std::string summary(mlir::Operation *op);
  void define(mlir::Value value, const Expr &expr, bool keep = false);
  Expr scalar(mlir::Value value);
  std::string hint(mlir::Value value) const;
  mlir::LogicalResult unsupported(mlir::Operation *op, const llvm::Twine &why);

  // Elementwise.cpp: chains
  static bool isTile(mlir::Type type);
  static Shape shapeOf(mlir::Type type);
  bool isUniform(mlir::Value value) const;
  mlir::LogicalResult addPending(mlir::Operation *op);
  mlir::LogicalResult emitDivision(mlir::Operation *op);
  mlir::LogicalResult emitLaneCompare(mlir::Operation *op);
  mlir::LogicalResult emitBroadcast(mlir::Operation *op);
  mlir::LogicalResult flush(const Shape &shape, mlir::ValueRange wanted, Sink sink, llvm::StringRef name = "");
  mlir::LogicalResult flushAll();
  /// Prints what is pending of one shape and wanted by anybody.
  mlir::LogicalResult flushShape(const Shape &shape);
  /// Takes the pending operations that `wanted` depends on, in order.
  llvm::SmallVector<mlir::Operation *> takePending(const Shape &shape, mlir::ValueRange wanted);
  /// Declares register arrays for results that are used elsewhere than in `ops` and `sink`.
  void materialize(llvm::ArrayRef<mlir::Operation *> ops, const TileLayout &layout, mlir::Operation *sink, mlir::ValueRange wanted,
                   llvm::StringRef name);
  mlir::LogicalResult printLaneOps(llvm::ArrayRef<mlir::Operation *> ops, Lane &lane, const TileLayout &layout, mlir::Operation *sink);
  mlir::FailureOr<Expr> laneExpr(mlir::Value value, Lane &lane, const TileLayout &layout);
  std::pair<Expr, std::string> lanePlace(tile::LoadOp op, const Expr &row, const Expr &column);
  mlir::FailureOr<Expr> laneLoad(tile::LoadOp op, const TileLayout &layout);
  std::optional<std::pair<std::string, std::string>> runLoad(tile::LoadOp op, const TileLayout &layout);
  mlir::LogicalResult emitEarlyLoad(tile::LoadOp op);
  /// The register array that holds a tile, printed now if need be.
  mlir::FailureOr<std::string> arrayOf(mlir::Value value, llvm::StringRef name);
  void openLoops(const TileLayout &layout, size_t from, size_t to);
  void closeLoops(size_t count);
  TileLayout &layoutOf(const Shape &shape);
  TileLayout makeRowLayout(int64_t width);

  // RowMemory.cpp: rank-1 loads and stores, reductions, gathers
  mlir::LogicalResult emitLoad(tile::LoadOp op);
  void askAhead(jinx::tile::LoadOp op);
  bool isSum(mlir::Value pointer) const { return sum_ && pointer == tile::KernelOp(kernel_).buffer(sum_->buffer); }
  mlir::LogicalResult emitSummedLoad(tile::LoadOp op);
  mlir::LogicalResult emitStore(tile::StoreOp op);
  mlir::LogicalResult emitGather(tile::GatherOp op);
  mlir::LogicalResult emitReduce(tile::ReduceOp op);
  mlir::LogicalResult emitExtract(mlir::Operation *op);
  mlir::LogicalResult emitFromElements(mlir::Operation *op);
  mlir::LogicalResult emitFragmentStore(tile::StoreOp op);
  // LaneOps.cpp
  mlir::LogicalResult emitScan(tile::ScanOp op);
  mlir::LogicalResult emitSort(tile::SortOp op);
  mlir::LogicalResult emitScatter(tile::ScatterOp op);
  // FragmentRows.cpp
  mlir::LogicalResult emitRowBroadcast(mlir::Operation *op);
  mlir::LogicalResult emitRowStore(tile::StoreOp op);
  bool takesOver(mlir::Value init, mlir::Operation *loop);
  mlir::Value changedInPlace(mlir::scf::IfOp op, unsigned result);
  /// A load or store of rank 1: `load_runs_where(x_tile, p, stride, valid)` and its like; `tile` is the register array.
  std::string tileAccess(const std::string &verb, mlir::Value buffer, mlir::Value offset, mlir::Value stride, mlir::ValueRange limits,
                         int64_t width, const std::string &tile);
  Expr address(const Bound &pointer, llvm::ArrayRef<Expr> terms);
  // Who must see whose stores: shared memory, and buffers that are both read and written.
  bool isOrdered(mlir::Value pointer);
  bool isPrivate(mlir::Value pointer);
  mlir::Value rootOf(mlir::Value pointer);
  void beforeRead(mlir::Value pointer);
  void beforeWrite(mlir::Value pointer);
  struct MemoryState {
    bool written = false, read = false;
    void join(const MemoryState &o) { written |= o.written, read |= o.read; }
  };
  MemoryState accessesIn(mlir::Region &region);

  void needLibrary(const std::string &file) {
    if (!llvm::is_contained(libraries_, file)) libraries_.push_back(file);
  }
  /// Prints `constexpr int name = value;  // comment` above the function, once.
  void constant(const std::string &name, int64_t value, const std::string &comment);
  /// A line at the function's start, once.
  void prologue(const std::string &line) {
    if (!llvm::is_contained(prologue_, line)) prologue_.push_back(line);
  }

  tile::KernelOp kernel_;
  EmitOptions options_;
  std::optional<tile::SumOfRanks> sum_;
  SourceWriter out_{1};  ///< the function's body
  std::vector<std::string> constants_, prologue_;
  std::vector<std::string> ahead_; ///< statements that ask for constants, before the wait for the launch in front
  std::vector<std::string> libraries_;
  llvm::DenseMap<mlir::Value, Bound> bound_;
  llvm::SmallVector<std::pair<Shape, llvm::SmallVector<mlir::Operation *>>> pending_;
  std::vector<std::pair<Shape, TileLayout>> layouts_;
  int64_t threads_ = 0;           ///< of a program
  int64_t programsPerBlock_ = 1;  ///< more than 1: a program is a warp, or one thread
  llvm::DenseMap<int64_t, int64_t> runs_;  ///< by width of a tile of rank 1: how many neighbours a thread holds at a time
  mlir::Block *outer_ = nullptr;  ///< the program's statements
  bool usesSlots_ = false, usesScratch_ = false;
  int64_t sortBytes_ = 0;  ///< of shared memory: the keys of a sort
  llvm::DenseMap<mlir::Operation *, std::string> divisors_;  ///< of divisions of a tile by one value
  llvm::DenseMap<mlir::Operation *, std::string> laneCompares_;  ///< whether lanes lie before an end: the conditions
  std::string shift_;      ///< of the exponentials whose sum comes next (`by_warp`)
  std::string together_;   ///< the array of the sums that are `together`
  std::string lastPhase_;
  MemoryState memory_;
  std::string wrappers_;
  std::vector<TensorMapSpec> tensorMaps_;
  std::unique_ptr<class PipelineEmitter> pipeline_;
};

}  // namespace jinx::cuda
