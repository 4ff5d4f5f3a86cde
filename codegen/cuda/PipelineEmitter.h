// Prints what tiles of rank 2 need: rings, roles, products, fragments. Internal to codegen/cuda; part of KernelEmitter's walk.
//
// Tiles of rank 2 are spread over threads as their product wants it (TileLayout), and every tile of rank 2 in the kernel follows:
//
//   SIMT product    threads stand in a grid of (threads / 16) x 16; each holds rows in groups of 4 and columns in groups of 4, so that it
//                   reads its operands from shared memory 16 bytes at a time without bank conflicts
//   rows            in a kernel with tile.mma_shared: the same without blocks, and row and column tiles beside it (FragmentRows.cpp)
//   warps           in a kernel with the attribute `warps`: as mma.sync has it (WarpFragments.h)
//   codes           in a kernel with tile.dot_codes: parts of sums as its transposed instructions have them, of rank 3; sums in runs of four
//                   neighbours of a row (CodeProducts.cpp)
//   wgmma           the C fragment: of each 64 x 8 block, thread t of the warpgroup holds rows 16*(t/32) + (t%32)/4 (+8) and columns
//                   2*(t%4) (+1)
//
// The loops of a layout run over a thread's elements; its innermost loop runs along columns that are neighbours in memory.
#pragma once

#include "codegen/cuda/KernelEmitter.h"
#include "codegen/cuda/WarpFragments.h"

namespace jinx::cuda {

class PipelineEmitter {
 public:
  explicit PipelineEmitter(KernelEmitter &emitter) : e_(emitter) {}

  /// Looks over the kernel: roles, rings, cluster, products. Fails with a diagnostic where they do not fit together.
  mlir::LogicalResult prepare();
  /// Prints constants, once arguments are bound.
  mlir::LogicalResult declare();

  int64_t threads() const;      ///< that roles or products fix; 0: any
  /// Producers give registers to consumers. Up to 256 threads share 65,536: each may have all that it can name, nothing to move. Unless there are two
  /// such blocks to a multiprocessor (the kernel's attribute `blocks`).
  bool movesRegisters() const { return roles_ && threads() * blocks_ > 256; }
  int64_t sharedBytes() const { return sharedBytes_; }
  int64_t clusterSize() const { return clusterM_ * clusterN_ * clusterK_; }
  const std::vector<std::string> &mapParameters() const { return mapParameters_; }
  /// to = the operand of a product.
  mlir::LogicalResult moveOperand(mlir::Value operand, const std::string &to);
  bool hasFragments() const { return fragments_; }
  bool startsGrid() const;  ///< it prints where the launch before is waited for: behind its barriers, or behind loads of constants
  bool hasAnything() const { return roles_ || !rings_.empty() || codes_; }

  bool handles(mlir::Operation *op) const;
  mlir::LogicalResult emit(mlir::Operation *op);
  /// A tile that comes in pieces.
  static bool isPiece(tile::LoadOp op) { return op->hasAttr("piece"); }
  mlir::LogicalResult emitPieceLoad(tile::LoadOp op);
  /// In the producer, what another thread does.
  static bool isAside(mlir::Operation *op) { return op->hasAttr("aside"); }
  /// True where `user` writes through `pointer`.
  bool writes(mlir::Operation *user, mlir::Value pointer) const;
  TileLayout makeFragmentLayout(const Shape &shape);
  /// A short loop whose first product on tensor cores overwrites what the loop carries, instead of adding to zeros: unrolled, zeros would be
  /// moved into registers that products already have, and ptxas makes products wait (C7517).
  static bool beginsAnew(mlir::scf::ForOp loop, mlir::Value init);

 private:
  struct Buffer {
    std::string name;    ///< "a"
    std::string suffix;  ///< "A", for constants
    int64_t rows = 0, columns = 0, elementBytes = 0, pad = 0, offset = 0;
    int64_t stageBytes() const { return rows * (columns + pad) * elementBytes; }
    Operand operand = Operand::kA;  ///< of a product of warps
    // Bulk rings: panels of 128 bytes, one after the other; one row lies as it is.
    bool isRow = false;
    bool isMade = false;  ///< by the splitter, not fetched
    bool isEarly = false; ///< fetched by a thread that does not wait for the launch in front
    int64_t panelBytes() const { return isRow ? stageBytes() : rows * 128; }
    int64_t panels() const { return stageBytes() / panelBytes(); }
    int64_t slices = 1;
    int64_t across = -1;  ///< cluster axis that shares it
  };
  struct RingInfo {
    tile::RingOp op;
    std::vector<Buffer> buffers;
    std::string suffix;  ///< of its buffers' identifiers, where another ring has buffers of these names
    std::string tag;     ///< of its own, when a kernel has several
    int64_t stages = 0;
    bool bulk = false, lagging = false;
    bool readByThreads = false;  ///< one of its buffers is: each warp gives a slot back
    bool pieces = false;         ///< of residuals (Residuals.cpp)
    bool isSplit = false;        ///< a splitter adds low parts: a third barrier says that they are there
    bool isEarly() const { return llvm::any_of(buffers, [](const Buffer &b) { return b.isEarly; }); }
    bool hasRow() const { return llvm::any_of(buffers, [](const Buffer &b) { return b.isRow; }); }
    int64_t barrierOffset = 0;
    int64_t stageBytes() const {
      int64_t bytes = 0;
      for (const Buffer &b : buffers) bytes += b.stageBytes();
      return bytes;
    }
  };
  RingInfo &ringOf(mlir::Value ringOrSlot);
  /// "full", "kStages", …: in a kernel of several rings "full_q", "kStagesQ".
  std::string named(const RingInfo &ring, const char *what) const;

  mlir::LogicalResult emitRing(tile::RingOp op);
  mlir::LogicalResult emitAcquire(tile::RingAcquireOp op);
  mlir::LogicalResult emitCopy(tile::CopyOp op);
  mlir::LogicalResult emitCopyBulk(tile::CopyBulkOp op);
  mlir::LogicalResult emitCommit(tile::RingCommitOp op);
  mlir::LogicalResult emitWait(tile::RingWaitOp op);
  mlir::LogicalResult emitClearRows(tile::ClearRowsOp op);
  mlir::LogicalResult emitRelease(tile::RingReleaseOp op);
  mlir::LogicalResult emitDrain(tile::RingDrainOp op);
  mlir::LogicalResult emitSkip(tile::RingSkipOp op);
  mlir::LogicalResult emitTurnWait(tile::TurnWaitOp op);
  mlir::LogicalResult emitTurnPass(tile::TurnPassOp op);
  mlir::LogicalResult emitRoles(tile::RolesOp op);
  mlir::LogicalResult printSplitter(tile::RolesOp op);
  void printBarrierInit();
  /// Threads of roles wait for the launch in front each for itself, since one of them does not.
  bool waitsByRole() const { return e_.startsEarly() && llvm::any_of(rings_, [](const RingInfo &ring) { return ring.isEarly(); }); }
  void printRingState(mlir::Region &region, bool producer, mlir::Operation *aside = nullptr);
  mlir::LogicalResult emitMma(tile::MmaOp op);
  mlir::LogicalResult emitWgmma(tile::MmaOp op, RingInfo &ring, const std::string &acc);
  mlir::LogicalResult emitSimtMma(tile::MmaOp op, RingInfo &ring, const std::string &acc);
  mlir::LogicalResult emitMmaWait(tile::MmaWaitOp op);
  // WarpProducts.cpp
  mlir::LogicalResult readWarps();
  TileLayout warpLayout(const Shape &shape);
  void declareWords();
  void printWarpProducts(const std::string &acc, const std::string &step);
  mlir::LogicalResult emitRowsCopy(tile::CopyOp op, RingInfo &ring, const Buffer &b);
  mlir::LogicalResult emitWarpMma(tile::MmaOp op, RingInfo &ring, const std::string &acc);
  // CodeProducts.cpp
  mlir::LogicalResult readCodes();
  void declareCodes();
  void startCodes(tile::DotCodesOp op);
  TileLayout codeLayout(const Shape &shape);
  mlir::LogicalResult emitDotCodes(tile::DotCodesOp op);
  void printOwnSums(const std::string &left);
  mlir::LogicalResult emitSumWarps(tile::SumWarpsOp op);
  mlir::LogicalResult emitStoreBulk(tile::StoreBulkOp op);
  mlir::LogicalResult printHalves(llvm::ArrayRef<mlir::Operation *> ops, mlir::Value stored, bool isBf16, bool packs, const TileLayout &layout, mlir::Operation *at);
  mlir::LogicalResult printPair(llvm::ArrayRef<mlir::Operation *> ops, mlir::Value stored, const std::string &type, const TileLayout &layout, mlir::Operation *at);
  mlir::LogicalResult printPairs(llvm::ArrayRef<mlir::Operation *> ops, mlir::Value stored, const TileLayout &layout, mlir::Operation *at);
  mlir::LogicalResult emitClusterReduce(tile::ClusterReduceOp op);
  mlir::LogicalResult emitUnpair(tile::UnpairOp op);
  /// Whether each slot is one consumer's; consumers that read slots together may have turns all the same (anyTurns_).
  bool takesTurns() const { return roles_ && const_cast<tile::RolesOp &>(roles_).getTurns(); }
  /// Blocks that share what they fetch: the cluster, but for its blocks along k.
  int64_t sharers() const { return clusterM_ * clusterN_; }
  mlir::FailureOr<std::string> takeAccumulator(mlir::Value acc, mlir::Value result);
  // Residuals.cpp
  mlir::LogicalResult emitAside(mlir::Operation *op, int64_t fetcher);
  void printPieces();
  // FragmentProducts.cpp, FragmentRows.cpp
  mlir::LogicalResult emitMmaShared(tile::MmaSharedOp op);
  mlir::LogicalResult emitMmaRegisters(tile::MmaRegistersOp op);
  mlir::LogicalResult emitMmaOperand(tile::MmaOperandOp op);
  mlir::LogicalResult emitMmaHighLow(tile::MmaHighLowOp op);
  mlir::LogicalResult emitSplitLow(tile::SplitLowOp op);
  /// The operation is the splitter's.
  bool isSplitter(mlir::Operation *op) const {
    return hasSplitter() && const_cast<tile::RolesOp &>(roles_).getSplitter().isAncestor(op->getParentRegion());
  }
  bool hasSplitter() const { return roles_ && !const_cast<tile::RolesOp &>(roles_).getSplitter().empty(); }
  mlir::LogicalResult emitRowReduce(tile::RowReduceOp op);
  mlir::LogicalResult emitRowCombine(tile::RowCombineOp op);
  mlir::LogicalResult emitWarpAny(tile::WarpAnyOp op);
  mlir::LogicalResult emitIota(tile::IotaOp op);
  mlir::LogicalResult emitColumnLoad(tile::ColumnLoadOp op);
  mlir::LogicalResult printRows(mlir::Value value, const std::string &text);
  void nameRings();
  void needPin(int64_t count);
  std::string slotAddress(const RingInfo &ring, const Buffer &b, int64_t lag = 0, llvm::StringRef from = "smem");
  mlir::Type elementOf(const RingInfo &ring, int64_t buffer) const {
    auto types = const_cast<RingInfo &>(ring).op.getBuffers();
    return mlir::cast<mlir::VectorType>(mlir::cast<mlir::TypeAttr>(types[buffer]).getValue()).getElementType();
  }
  TileLayout rowsLayout(const Shape &shape);
  std::pair<std::string, std::string> fragmentPlace(int64_t columns);
  TileLayout wgmmaLayout(const Shape &shape);
  TileLayout simtLayout(const Shape &shape);
  std::string coordinates(mlir::ValueRange at);

  KernelEmitter &e_;
  tile::RolesOp roles_;
  std::vector<RingInfo> rings_;
  std::optional<WarpGrid> warps_;  ///< of a kernel whose products are computed by warps
  std::string wordsA_, wordsB_, warpProduct_;
  /// Of a kernel that multiplies codes: a block's tile, and the grid of its warps.
  struct CodeGrid {
    int64_t rows, columns, warpsN, warpsK;
    bool hasTable;  ///< of pairs of levels, in shared memory; sums lie behind it
    int64_t blocks() const { return columns / warpsN / 16; }  ///< of 16 channels that a warp multiplies
    int64_t octets() const { return rows / 8; }
    int64_t line() const { return columns + 4; }              ///< of the sums that warps leave: neighbouring rows in different banks
    int64_t tableBytes() const { return hasTable ? 256 * 128 : 0; }
    int64_t partBytes() const { return warpsK * rows * line() * 4; }
    int64_t threads() const { return warpsN * warpsK * 32; }
  };
  std::optional<CodeGrid> codes_;
  bool constantCodes_ = false;  ///< of the plan
  std::vector<tile::TensorMapOp> maps_;
  struct Piece {
    int64_t buffer;     ///< of the ring
    std::string pairs;  ///< registers: a patch's elements, two in each
  };
  std::vector<Piece> pieces_;
  std::vector<std::string> mapParameters_;
  int64_t blocks_ = 1;  ///< of a multiprocessor, as the kernel says
  bool fragments_ = false;  ///< tiles are 64 rows of a warpgroup, of any width
  bool wgmma_ = false, anyBulk_ = false, anyStoreBulk_ = false, anyTurns_ = false;
  int64_t clusterM_ = 1, clusterN_ = 1, clusterK_ = 1;
  int64_t partBytes_ = 0, partOffset_ = 0, partBarriers_ = 0;  ///< of tile.cluster_reduce: a warpgroup's part, where parts and barriers lie
  int64_t turnBarriers_ = 0;
  int64_t sharedBytes_ = 0, storeOffset_ = 0, storeColumns_ = 0, storeBytes_ = 2;  ///< storeBytes_: of an element
  llvm::SmallVector<int64_t, 4> wgmmaShapes_;  ///< whose wrappers are printed already
  int64_t wgmmaRows_ = 0;                      ///< of the accumulator of a product of buffers
};

}  // namespace jinx::cuda
