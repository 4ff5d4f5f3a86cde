// Matmul schedules for CUDA: builders that write tile programs with rings and roles (ir/Tile/TilePipelineOps.td).
//
// Three shapes of program, one hole. The hole gets the accumulators of a tile as one tile of rank 2, f32 or i32, with the place of its first
// element in the result, and gives the tile to store, or null when it has stored all it wants itself. It may load further operands with
// tile.load at rank 2: strides (0, 1) for a value per column, (1, 0) per row, (ld, 1) for a matrix; always with limits of (m - row,
// n - column), since tiles hang over the edges.
//
//   SIMT     f32, any strides of A, B in the packed panels of the CPU: the fallback for everything that tensor cores do not take
//   mma      16-bit floats and bytes on sm_80 and on: A [m, k] and B [n, k], any strides and any k; a block a tile, warps that all copy and all
//            multiply
//   wgmma    16-bit floats, 8-bit floats, bytes and f32 on sm_90a: A [m, k] and B [n, k] by rows, rows a multiple of 16 bytes; persistent
//            blocks, TMA producer, consumer warpgroups, clusters that share what they fetch. A tile of bytes is i32 and exact. Where A and B
//            come from is theirs to say (WgmmaSource): matrices of a batch, the window of a convolution
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "codegen/schedules/GroupedRows.h"
#include "ir/Tile/Tile.h"
#include "runtime/base/GpuArchitecture.h"
#include "runtime/base/SizeExpr.h"

namespace jinx::schedules {

struct TilePlace {
  mlir::Value matrix;  ///< of a batch, or a group; null where there is one
  mlir::Value row, column;
  mlir::Value end;     ///< of grouped products: where the rows of the group end
};
/// Called at the beginning of a tile of sums of this type: for loads (attribute `early`) that are under way while its products are waited for.
using TileBegin = std::function<void(mlir::OpBuilder &, mlir::Location, mlir::VectorType, const TilePlace &)>;
using EpilogueHole = std::function<mlir::Value(mlir::OpBuilder &, mlir::Location, mlir::Value acc, const TilePlace &)>;

// ---- SIMT -------------------------------------------------------------------------------------------------------------------------

struct SimtTile {
  int64_t m = 128, n = 128, k = 8;
  int64_t stages = 3;
};
/// c[i, j] = hole(sum over k of a(i, k) * b(k, j)) with
///   a(i, k) = a[aOffset + i*aRowStride + k*aColumnStride]
///   b(k, j) = b[bOffset + (j floordiv 16)*bPanel + k*16 + j mod 16]    (panels of 16 columns, the last one filled up)
///   c[cOffset + i*cRowStride + j]
/// Offsets and strides are `index` values in elements; a null offset is 0.
///
/// With `taps` the sum runs over several products of depth k, one after the other: product t reads A `tapOffset(t)` elements further on,
/// and rows t*k … t*k + k - 1 of B. A convolution is such a sum over the positions of its window.
struct SimtMatmul {
  mlir::Value a, aOffset, aRowStride, aColumnStride;
  mlir::Value b, bOffset, bPanel;
  mlir::Value c, cOffset, cRowStride;
  mlir::Value m, n, k;
  int64_t taps = 1;
  std::function<mlir::Value(mlir::OpBuilder &, mlir::Location, mlir::Value tap)> tapOffset;
  mlir::Value tile;  ///< which tile of the result this program computes: 0 … tiles - 1
};
/// A tile that suits the problem; unknown extents are 0.
SimtTile chooseSimtTile(int64_t m, int64_t n);
/// Writes the program at the insertion point. The kernel runs with 256 threads a block.
void emitSimtMatmul(mlir::OpBuilder &b, mlir::Location loc, const SimtMatmul &problem, const SimtTile &tile, const EpilogueHole &hole);
/// How many tiles: the extent of the grid for one matrix, for formulas m and n.
std::string simtPrograms(const SimtTile &tile, const std::string &m, const std::string &n);

// ---- mma --------------------------------------------------------------------------------------------------------------------------

struct MmaTile {
  int64_t m = 128, n = 128;
  int64_t warpsM = 2, warpsN = 2;
  int64_t stages = 3;  ///< slots of the ring, 128 bytes of k each
  int64_t band = 8;    ///< tile order: bands this many tiles of m wide, so that blocks that run together read few distinct rows
};
/// c[i, j] = hole(sum over k of a(i, k) * b(j, k)) with
///   a(i, k) = a[aOffset + i*aRowStride + k*aColumnStride]
///   b(j, k) = b[bOffset + j*bRowStride + k*bColumnStride]
///   c[cOffset + i*cRowStride + j]
/// Offsets and strides are `index` values in elements; a null offset is 0. `taps` as above; product t reads A `tapOffset(t)` and B t*bTap elements
/// further on.
struct MmaMatmul {
  mlir::Value a, aOffset, aRowStride, aColumnStride;
  mlir::Value b, bOffset, bRowStride, bColumnStride, bTap;
  mlir::Value c, cOffset, cRowStride;
  mlir::Value m, n, k;
  mlir::Type elementA, elementB;  ///< one 16-bit float, or integers of 8 bits, whose sums are i32
  int64_t taps = 1;
  std::function<mlir::Value(mlir::OpBuilder &, mlir::Location, mlir::Value tap)> tapOffset;
  mlir::Value tile;  ///< which tile of the result this program computes
};
/// Bytes of shared memory.
int64_t mmaSharedBytes(const MmaTile &tile);
/// A tile that suits the problem; unknown extents are 0.
/// \param areRowsAligned  both operands' are known to be multiples of 16 bytes
MmaTile chooseMmaTile(int64_t m, int64_t n, int64_t matrices, bool areRowsAligned, const GpuArchitecture &gpu);
/// Writes the program at the insertion point, and says on the kernel what its warps are.
void emitMmaMatmul(mlir::OpBuilder &b, tile::KernelOp kernel, const MmaMatmul &problem, const MmaTile &tile, const EpilogueHole &hole);

// ---- wgmma ------------------------------------------------------------------------------------------------------------------------

/// Two products of one operand, whose sums a thread has side by side: what is a pair in a tile (WgmmaMatmul).
enum class WgmmaPair {
  none,
  rows,     ///< of A: the tile's upper half is of the first matrix, its lower half of the second
  columns,  ///< rows of B: its left and its right half
};

struct WgmmaTile {
  int64_t m = 128, n = 256;        ///< rows and columns of the result a block computes at a time
  int64_t stages = 4;              ///< slots of the ring, 128 bytes of k each
  int64_t clusterM = 2, clusterN = 1;
  int64_t consumers = 2;           ///< warpgroups that multiply
  int64_t band = 8;                ///< tile order: bands this many cluster tiles wide
  bool walkN = false;              ///< bands lie along n and are crossed along m; true: the other way round
  int64_t splits = 1;              ///< blocks of a cluster that share a tile, each with a part of k (clusterM = clusterN = 1 then)
  bool turns = false;              ///< each consumer has a tile of its own and multiplies while the others run their epilogues
  bool promotes = false;           ///< a slot's products are summed apart, and those sums in f32: of 8-bit floats a product keeps 14 bits
  bool highLow = false;            ///< f32 in high and low parts of TF32, three products for one; promotes
  int64_t storedBytes = 2;         ///< of an element, where the block stores in bulk: it stages them in shared memory
  int64_t elementBytes = 2;        ///< of an operand's element
  int64_t residuals = 0;           ///< operands of the epilogue that come in pieces (WgmmaMatmul::residuals)
  int64_t pieces = 0;              ///< slots of their ring
  int64_t sharedColumns = 0;       ///< neighbouring columns of B^T that share scales of blocks (BlockScales); 0: there are none
  WgmmaPair pair = WgmmaPair::none;

  int64_t rows() const { return turns ? m : m / consumers; }  ///< of a consumer
  int64_t cluster() const { return clusterM * clusterN * splits; }
  int64_t resultRows() const { return pair == WgmmaPair::rows ? m / 2 : m; }        ///< of the result that a tile makes
  int64_t resultColumns() const { return pair == WgmmaPair::columns ? n / 2 : n; }
  int64_t storedColumns() const { return resultColumns() / splits; }                ///< that a block stores
  // A piece: 64 rows of the consumer whose turn it is, or of each, by 128 bytes of columns.
  int64_t pieceRows() const { return turns ? 64 : 64 * consumers; }
  int64_t pieceColumns() const { return 128 / storedBytes; }
  int64_t piecesOfTile() const { return rows() / 64 * (n / pieceColumns()); }
  /// The same with what is no matter of choice as `like` has it: how numbers are multiplied, and their bytes.
  WgmmaTile as(const WgmmaTile &like) const {
    WgmmaTile t = *this;
    t.promotes = like.promotes, t.highLow = like.highLow, t.storedBytes = like.storedBytes, t.elementBytes = like.elementBytes;
    t.sharedColumns = like.sharedColumns, t.pair = like.pair;
    return t;
  }
};

/// One operand as the producer fetches it: boxes of some rows and 128 bytes of k.
struct WgmmaSource {
  struct Place {
    llvm::SmallVector<mlir::Value> at, tap;  ///< as tile.copy_bulk takes them
  };
  /// The tensor map whose box has that many rows.
  std::function<mlir::Value(mlir::OpBuilder &, int64_t rows)> map;
  /// What is known of a tile before its first step: values that `place` wants. May be empty: {matrix, row}.
  std::function<llvm::SmallVector<mlir::Value>(mlir::OpBuilder &, mlir::Value matrix, mlir::Value row)> begin;
  /// Where the box of a step lies.
  std::function<Place(mlir::OpBuilder &, mlir::ValueRange begun, mlir::Value step)> place;
  /// Of the plan, and not of a group: a thread of its own fetches it, without waiting for the launch in front.
  bool isEarly = false;
  bool isPair = false;  ///< two matrices (pairSource)
};
/// Matrices [matrices, rows, k] of a buffer, by rows. Formulas are over the kernel's sizes.
WgmmaSource matrixSource(mlir::Value buffer, const std::string &rows, const std::string &k, const std::string &matrices = "");
/// Two matrices [rows, k] behind each other: a tile's rows are as many of the first, and then of the second from the same row on.
/// \param isShared  two blocks fetch a matrix each, for both
WgmmaSource pairSource(mlir::Value buffer, const std::string &rows, const std::string &k, bool isShared);

/// Scales of an operand's blocks, 128 bytes of k each: scale(row, step) = buffer[offset(matrix) + row / shared * steps + step].
struct BlockScales {
  mlir::Value buffer;      ///< of f32
  int64_t shared = 1;      ///< neighbouring rows that have one; 1, or what tiles of rows do not cross
  bool hasBatch = false;   ///< the matrices' scales follow one another
};

/// d = hole(a * b^T), for each matrix of a batch. Where the tile has a pair, a or b is one (WgmmaSource::isPair, or the first of two with `other`), m and n are
/// the result's, and the hole's sums are of both products (tile.unpair).
struct WgmmaMatmul {
  WgmmaSource a, b;
  std::optional<WgmmaSource> other;  ///< the second matrix of a pair, where it lies apart: its boxes are where those of the first are
  mlir::Value m, n, steps;         ///< rows and columns of the result; slices of 128 bytes of k
  mlir::Value matrices;            ///< in the batch; null: one
  mlir::Type elementA, elementB;   ///< one 16-bit float; 8-bit floats; integers of 8 bits, whose sums are i32; or f32
  mlir::Value d;                   ///< the result's buffer [matrices, m, n] where the hole returns tiles; rows are a multiple of 16 bytes then
  /// Buffers of d's shape and element size (residuals), for a tile that has room for them. The hole loads number i by a tile.load with the
  /// attribute `piece` i, and uses it for what it returns alone.
  llvm::SmallVector<mlir::Value> residuals;
  /// Grouped products: d[t] = hole(a[t] * b[g]^T) for the rows t of each group g. `m` are the rows of all, `matrices` is null. Where tokens are
  /// columns, that is a product of b's side: its tiles' columns are a group's, and a[g] the weights.
  std::optional<GroupedRows> groups;
  bool areTokensColumns = false;
  std::optional<BlockScales> scalesA, scalesB;  ///< both or none, of 8-bit floats: a step's products are multiplied by both before they add up
  TileBegin begin;                 ///< may be null; not with a tile that blocks share
  std::string mText, nText, matricesText;  ///< formulas over the kernel's sizes that say what m, n, matrices are; needed beside d
};
/// Blocks of the grid, of a target with `sms` multiprocessors.
SizeExpr wgmmaPrograms(const WgmmaTile &tile, const SizeExpr &m, const SizeExpr &n, const SizeExpr &matrices = 1, int64_t sms = 132);
/// Columns that a bulk store of elements of that many bytes takes at a time, of the `n` that a block stores; 0: there is no such store.
int64_t wgmmaStoreColumns(int64_t n, int64_t bytes);
/// Bytes of shared memory; at most 232448 fit.
int64_t wgmmaSharedBytes(const WgmmaTile &tile);
/// Why a tile cannot be had; empty if it can.
std::string wgmmaInfeasible(const WgmmaTile &tile);
/// "tile=128x256 stages=4 cluster=2x1 consumers=2 band=8m"
std::string textOf(const WgmmaTile &tile);
/// A tile with an estimate of the time that products, traffic from the second-level cache and epilogues take.
struct WgmmaCandidate {
  WgmmaTile tile;
  double cost = 0;
};
/// Tiles for known extents, the best one first.
/// \param operations  of the epilogue, instructions an element
/// \param like  says what is no matter of choice: what WgmmaTile::as takes over, and `residuals`, which are 0 in a tile that has no room for them
/// \param more  tiles beside the usual ones
std::vector<WgmmaCandidate> wgmmaCandidates(int64_t m, int64_t n, int64_t steps, int64_t matrices, int64_t operations, const WgmmaTile &like,
                                            int64_t sms = 132, llvm::ArrayRef<WgmmaTile> more = {});
/// The same for the transposed product of `columns` rows of an activation, at most 64, with m rows of weights: as many slots as fit.
std::vector<WgmmaCandidate> flatWgmmaCandidates(int64_t columns, int64_t m, int64_t steps, int64_t matrices, const WgmmaTile &like, int64_t sms = 132);
/// Writes the program at the insertion point, which is the end of `kernel`, and says what its cluster is.
void emitWgmmaMatmul(mlir::OpBuilder &b, tile::KernelOp kernel, const WgmmaMatmul &problem, const WgmmaTile &tile, const EpilogueHole &hole);

}  // namespace jinx::schedules
