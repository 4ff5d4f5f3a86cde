// How are the tiles of a grouped product dealt to blocks, when only the device knows which rows are whose (GroupedRows.h)?
//
// A tile is of one group: ceil(size / m) x ceil(n / columns) tiles a group. Together they are at most floor(rows / m) + groups + 1 high, whatever
// the sizes: so large is the grid. The last tile of a group reads into the rows of the next one and stores its own.
//
//   wgmma        persistent blocks walk the groups one after the other, and each group's tiles by strides (WgmmaMatmul.cpp)
//   mma, SIMT    a program looks through the groups for the one whose tile it has; programs that are left over multiply nothing
//
// Two products of one operand and the same ends, a gate and what it is multiplied with, are a pair (WgmmaPair): a tile has sums of both. Experts' weights lie apart, a
// matrix of each for every group, so each product has a map of its own and fetches its half of a slot.
//
// A mixture of experts has many rows a group where a prompt is read, and few where one token follows another. Then weights are what takes the time,
// and each must be read once: the product is computed transposed, tokens are the columns of a tile, which holds all of most groups'.
#include "codegen/schedules/cuda/GroupedMatmul.h"

#include <cmath>

#include "codegen/schedules/Expression.h"
#include "codegen/schedules/GroupedRows.h"
#include "codegen/schedules/cuda/CudaMatmul.h"
#include "codegen/schedules/cuda/GpuOf.h"
#include "codegen/schedules/cuda/GroupEpilogue.h"
#include "codegen/schedules/cuda/IndexBuilder.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kPanel = 16;
constexpr int64_t kRowBytes = 16;        // that the copy engine's rows are a multiple of
constexpr int64_t kSlotBytes = 128;      // of k in a slot
constexpr int64_t kFewRows = 32;         // of a group on the average: up to here tokens are columns
constexpr int64_t kMostColumns = 64;
constexpr int64_t kFewEach = 8;          // rows of a group on the average, up to which rows that only the run knows have a kernel of their own
constexpr int64_t kUnknownRows = 1024, kUnknownSize = 2048, kUnknownSteps = 16;  // what tiles are chosen for when the extent is known only at run time
constexpr int64_t kMultiprocessors = 132;
constexpr int64_t kHighest = 128;
constexpr int64_t kMostStages = 24;
constexpr int64_t kWholeWaves = 64;  // times as many groups: how full the last wave of tiles is, is data
// Blocks of a cluster one above the other leave one of them nothing to do in every other group; side by side they have the same rows (8192 x 14336 x
// 4096 in 8 groups, sustained: 1,747 us and, one above the other, 1,831).
constexpr WgmmaTile kSideBySide[] = {{128, 256, 4, 1, 2, 2, 8, false}, {128, 192, 4, 1, 2, 2, 8, false}, {128, 256, 4, 1, 1, 2, 8, false}};

Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }
/// One, or both of a pair.
SmallVector<Operation *> productsOf(GroupOp group) {
  auto found = group.getBody().front().getOps<PackedGroupedMatmulOp>();
  return SmallVector<Operation *>(found.begin(), found.end());
}
/// Rows of both operands are multiples of what the copy engine moves.
bool areRowsAligned(PackedGroupedMatmulOp product) {
  return sizesOf(product.getX().getType())[1].exactDivide(kRowBytes * 8 / elementOf(product.getX()).getIntOrFloatBitWidth()).has_value();
}
bool isCopied(PackedGroupedMatmulOp product) { return product.getByRows() && gpuOf(product).hasCopyEngine() && areRowsAligned(product); }

class GroupedMatmul {
 public:
  GroupedMatmul(GroupOp group, StringRef name, const Target &target, OpBuilder &builder)
      : group_(group), target_(target), kb_(builder, group.getLoc(), name, group) {}

  FailureOr<Scheduled> run() {
    const SmallVector<Operation *> products = productsOf(group_);
    if (products.empty()) return group_.emitOpError("has no grouped product to schedule");
    product_ = cast<PackedGroupedMatmulOp>(products[0]);
    if (products.size() > 1) other_ = cast<PackedGroupedMatmulOp>(products[1]);
    Sizes x = sizesOf(product_.getX().getType()), w = sizesOf(product_.getW().getType()), y = sizesOf(product_.getY().getType());
    rows_ = x[0], depth_ = x[1], groups_ = w[0], columns_ = y[1];
    if (!llvm::all_of(product_->getOperands(), llvm::IsaPred<BlockArgument>)) return group_.emitOpError("operands of the product must be inputs of the group");
    grouped_ = {input(product_.getEnds()), kb_.size(groups_), kb_.size(rows_)};
    if (products.size() > 2 || (other_ && !arePaired())) return group_.emitOpError("has two grouped products, expected 16-bit floats by rows of one operand, of one shape, and a GPU with a copy engine");
    epilogue_.emplace(kb_, group_, products);
    const bool byRows = product_.getByRows(), isByCopies = isCopied(product_);
    if (byRows && !isByCopies && elementOf(product_.getX()).isF32())
      return group_.emitOpError("multiplies f32 by rows of ") << depth_.str() << " elements, expected a GPU with a copy engine and rows of a multiple of 16 bytes";
    isByCopies ? emitWgmma() : byRows ? emitMma() : emitSimt();
    Scheduled scheduled = kb_.finish(programs_, 0, rows_ * ceilDiv(columns_, kPanel) * depth_ * SizeExpr(other_ ? 2 : 1));
    if (byRows && !isByCopies) sayMultiples(scheduled.kernel, scheduled.sizes);
    scheduled.question = std::move(question_);
    return scheduled;
  }

 private:
  OpBuilder &b() { return kb_.b(); }
  Location loc() { return kb_.loc(); }
  Value input(Value operand) { return kb_.input(cast<BlockArgument>(operand)); }
  /// One kernel can have both products.
  bool arePaired() {
    return other_.getX() == product_.getX() && other_.getEnds() == product_.getEnds() && other_.getW().getType() == product_.getW().getType() &&
           isa<BlockArgument>(other_.getW()) && isCopied(product_) && isCopied(other_) && !elementOf(product_.getX()).isF32();
  }
  /// Tiles of that many rows, as many as there may be one above the other.
  SizeExpr tilesHigh(int64_t tileRows) { return floorDiv(rows_, tileRows) + groups_ + 1; }
  /// Rows of a group, on the average; at most, where the kernel is for a range of rows.
  int64_t expectedRows() {
    auto rows = rows_.constant(), groups = groups_.constant();
    if (!rows && target_.mostRows) rows = target_.mostRows;
    return rows && groups ? std::max<int64_t>(1, (*rows + *groups - 1) / std::max<int64_t>(1, *groups)) : kUnknownRows;
  }

  // ---- wgmma --------------------------------------------------------------------------------------------------------------------
  void emitWgmma() {
    chooseTile();
    WgmmaMatmul p;
    p.a = matrixSource(input(product_.getX()), kb_.formula(rows_), kb_.formula(depth_));
    p.b = matrixSource(input(product_.getW()), kb_.formula(columns_), kb_.formula(depth_), kb_.formula(groups_));
    p.m = kb_.size(rows_), p.n = kb_.size(columns_);
    p.steps = kb_.size(ceilDiv(depth_, kSlotBytes / tile_.elementBytes));
    p.elementA = p.elementB = elementOf(product_.getX());
    p.groups = grouped_, p.areTokensColumns = isTransposed_;
    if (other_) p.other = matrixSource(input(other_.getW()), kb_.formula(columns_), kb_.formula(depth_), kb_.formula(groups_));
    if (storesInBulk()) p.d = kb_.output(0), p.mText = kb_.formula(rows_), p.nText = kb_.formula(columns_);
    if (isTransposed_) std::swap(p.a, p.b), std::swap(p.m, p.n);
    epilogue_->setTransposed(isTransposed_);
    emitWgmmaMatmul(b(), kb_.kernel(), p, tile_, [&](OpBuilder &, Location, Value acc, const TilePlace &at) -> Value {
      Value row = isTransposed_ ? at.column : at.row, column = isTransposed_ ? at.row : at.column;
      GroupEpilogue::Tile place{{Value()}, row, column, kb_.sub(at.end, row), kb_.sub(kb_.size(columns_), column)};
      if (p.d) return epilogue_->evaluate(acc, place)[0];
      store(acc, place);
      return {};
    });
    const SizeExpr tiles = isTransposed_ ? tilesHigh(tile_.n) * ceilDiv(columns_, tile_.resultRows())
                                         : tilesHigh(tile_.m * tile_.clusterM) * ceilDiv(columns_, tile_.resultColumns() * tile_.clusterN);
    programs_ = SizeExpr(tile_.cluster()) * min(tiles, SizeExpr(kMultiprocessors / tile_.cluster()));
  }
  bool storesInBulk() {
    auto bytes = isTransposed_ ? std::nullopt : epilogue_->bulkStoreBytes(columns_);
    return bytes && wgmmaStoreColumns(tile_.storedColumns(), *bytes);
  }
  void store(Value acc, const GroupEpilogue::Tile &place) {
    for (auto [i, tile] : llvm::enumerate(epilogue_->evaluate(acc, place))) epilogue_->store(i, tile, place);
  }
  void chooseTile() {
    Type element = elementOf(product_.getX());
    tile_.elementBytes = element.getIntOrFloatBitWidth() / 8;
    tile_.storedBytes = std::max<int64_t>(1, elementOf(group_.getResult(0)).getIntOrFloatBitWidth() / 8);
    tile_.highLow = tile_.promotes = element.isF32() && !product_.getTf32();
    const int64_t rows = expectedRows(), groups = groups_.constant().value_or(1), columns = columns_.constant().value_or(kUnknownSize);
    auto depth = depth_.constant();
    const int64_t slice = kSlotBytes / tile_.elementBytes, steps = depth ? (*depth + slice - 1) / slice : kUnknownSteps;
    isTransposed_ = rows <= kFewRows;
    if (other_) tile_.pair = isTransposed_ ? WgmmaPair::rows : WgmmaPair::columns;
    const int64_t products = other_ ? 2 : 1;
    Choice<WgmmaTile> choice;
    // Groups differ: a tile that holds twice the average holds most of them.
    auto candidates = isTransposed_ ? flatCandidates(rows, columns, groups, steps)
                                    : wgmmaCandidates(rows, products * columns, steps, kWholeWaves * groups, epilogue_->operations() / products, tile_, kMultiprocessors, kSideBySide);
    for (WgmmaCandidate &candidate : candidates) {
      WgmmaTile &t = candidate.tile;
      // Measured: 256 x 160 is no faster than 128 x 256 that lose as many rows (8192 x 14336 x 4096 in 8 groups: 1,509 us and 1,488).
      if (t.turns || (t.splits > 1 && !isTransposed_) || t.resultRows() > kHighest) continue;
      // Of each group's last tile half is empty, on the average.
      const int64_t high = t.m * t.clusterM;
      if (!isTransposed_) candidate.cost *= (double(rows) / high + 0.5) / double((rows + high - 1) / high);
      choice.add(t, textOf(t), candidate.cost);
    }
    tile_ = choice.take(problem(), target_.measured, question_);
  }
  /// Tiles of tokens as columns. What counts is how evenly the weights are dealt, and how many of their bytes are under way.
  std::vector<WgmmaCandidate> flatCandidates(int64_t rows, int64_t columns, int64_t groups, int64_t steps) {
    constexpr int64_t kLeastSteps = 8;  // of a part of k
    std::vector<WgmmaCandidate> found;
    for (int64_t tokens : {2 * rows, 4 * rows, rows})
      for (int64_t m : {128, 64})
        for (int64_t splits : {1, 2}) {
          if (splits > 1 && steps < splits * kLeastSteps) continue;
          WgmmaTile t = WgmmaTile{other_ ? 2 * m : m, 8 * splits, 2, 1, 1, m / 64, 64, true}.as(tile_);  // a consumer has 64 rows of each product
          t.splits = splits;
          while (t.n < tokens && t.n < kMostColumns) t.n *= 2;
          for (WgmmaTile more = t; wgmmaInfeasible(more).empty() && more.stages <= kMostStages; ++more.stages) t = more;
          // The rule for tokens is before the estimate.
          if (wgmmaInfeasible(t).empty()) found.push_back({t, timeOf(t, columns, groups, steps) * (tokens == 2 * rows ? 1 : tokens > rows ? 2 : 4)});
        }
    return found;
  }
  /// Of a tile, as a multiple of what memory takes: blocks wait for the one with the most tiles, and those that share k for each other.
  double timeOf(const WgmmaTile &t, int64_t columns, int64_t groups, int64_t steps) {
    // Measured, one H200, 2048 x 1408 in 64 groups of 6 rows: a tile of two blocks takes 5.2 us, half a tile's slots 4.4.
    constexpr double kSharing = 3;  // slots of 64 rows
    const double slots = double(steps) / double(t.splits) * double(t.m) / 64;
    return unevenness(t, columns, groups) * (t.splits > 1 ? 1 + kSharing / slots : 1);
  }
  /// How much longer than on the average the block with the most tiles works. Rows are spread over groups by chance; of a range of rows as few count as many.
  double unevenness(const WgmmaTile &t, int64_t columns, int64_t groups) {
    const int64_t clusters = kMultiprocessors / t.splits, each = (columns + t.resultRows() - 1) / t.resultRows();
    const auto known = rows_.constant();
    const int64_t most = std::max<int64_t>(1, known.value_or(target_.mostRows));
    double sum = 0;
    int64_t count = 0;
    for (int64_t rows = known ? most : 1; rows <= most; rows *= 2, ++count) {
      const double chosen = double(groups) * (1 - std::pow(1 - 1 / double(groups), double(rows)));
      const int64_t tiles = each * std::max<int64_t>(1, std::llround(chosen)), waves = (tiles + clusters - 1) / clusters;
      sum += double(waves * clusters) / double(tiles);
    }
    return sum / double(count);
  }
  std::string problem() {
    std::string text = isTransposed_ ? "wgmma grouped transposed " : "wgmma grouped ";
    llvm::raw_string_ostream out(text);
    Type element = elementOf(product_.getX());
    out << element << " x " << element << " ->";
    for (Value result : group_.getResults()) out << " " << elementOf(result);
    out << ", rows=" << textOf(rows_) << " n=" << textOf(columns_) << " k=" << textOf(depth_) << " groups=" << textOf(groups_)
        << (rows_.constant() || !target_.mostRows ? "" : " up to " + std::to_string(target_.mostRows)) << " epilogue=" << epilogue_->operations() << " operands=" << group_.getInputs().size();
    if (tile_.promotes) out << " promoted";
    if (other_) out << " paired";
    return text;
  }

  // ---- mma and SIMT -------------------------------------------------------------------------------------------------------------
  void emitMma() {
    MmaTile tile = chooseMmaTile(expectedRows(), columns_.constant().value_or(0), groups_.constant().value_or(1), areRowsAligned(product_), gpuOf(group_));
    MmaMatmul p;
    find(tile.m, tile.n);
    describe(p);
    p.elementA = p.elementB = elementOf(product_.getX());
    p.bOffset = kb_.mul(ownGroup_, kb_.size(columns_ * depth_));
    p.bRowStride = kb_.size(depth_), p.bColumnStride = kb_.constant(1);
    emitMmaMatmul(b(), kb_.kernel(), p, tile, hole());
  }
  void emitSimt() {
    constexpr int64_t kSmallTile = 64;
    const int64_t rows = expectedRows();
    SimtTile tile = chooseSimtTile(rows <= kSmallTile ? rows : rows * groups_.constant().value_or(1), columns_.constant().value_or(0));
    SimtMatmul p;
    find(tile.m, tile.n);
    describe(p);
    p.bOffset = kb_.mul(ownGroup_, kb_.size(ceilDiv(columns_, kPanel) * depth_ * kPanel));
    p.bPanel = kb_.size(depth_ * kPanel);
    emitSimtMatmul(b(), loc(), p, tile, hole());
  }
  template <typename Problem>
  void describe(Problem &p) {
    p.tile = ownTile_;
    p.a = input(product_.getX()), p.b = input(product_.getW()), p.c = kb_.output(0);
    p.aOffset = kb_.mul(firstRow_, kb_.size(depth_));
    p.aRowStride = kb_.size(depth_), p.aColumnStride = kb_.constant(1);
    p.m = kb_.max(ownRows_, kb_.constant(1)), p.n = kb_.size(columns_);  // tiles are counted by it
    p.k = arith::SelectOp::create(b(), loc(), grouped_.multiplies(b(), loc(), ownGroup_), kb_.size(depth_), kb_.constant(0));
    p.cRowStride = kb_.size(columns_);
  }
  /// Looks for this program's tile: its group, where that begins, how many rows it has, and which of its tiles it is. A program that is left over
  /// gets the group behind the last, and no rows.
  void find(int64_t tileM, int64_t tileN) {
    const SizeExpr across = ceilDiv(columns_, tileN);
    programs_ = tilesHigh(tileM) * across;
    IndexBuilder ix{b(), loc()};
    Value zero = kb_.constant(0), program = tile::ProgramIdOp::create(b(), loc(), b().getIndexType());
    auto scan = scf::ForOp::create(b(), loc(), zero, kb_.add(grouped_.groups, kb_.constant(1)), kb_.constant(1),
                                   ValueRange{zero, zero, grouped_.groups, zero, zero, zero});
    phase(scan, "Whose is this tile? Each group has as many as its rows need");
    scan.getInductionVar().setLoc(nameLoc(b(), loc(), "group"));
    const char *const names[] = {"begin", "tiles_before", "own_group", "first_row", "own_rows", "own_tile"};
    for (auto [arg, name] : llvm::zip(scan.getRegionIterArgs(), names)) arg.setLoc(nameLoc(b(), loc(), name));
    {
      OpBuilder::InsertionGuard guard(b());
      b().setInsertionPointToStart(scan.getBody());
      auto carried = scan.getRegionIterArgs();
      Value group = scan.getInductionVar(), end = grouped_.end(b(), loc(), group, carried[0]), size = kb_.sub(end, carried[0]);
      Value tiles = kb_.mul(ix.tiles(size, tileM), kb_.size(across)), within = kb_.sub(program, carried[1]);
      Value isHere = arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::ult, within, tiles);
      auto choose = [&](Value found, Value before) { return arith::SelectOp::create(b(), loc(), isHere, found, before); };
      scf::YieldOp::create(b(), loc(), ValueRange{end, kb_.add(carried[1], tiles), choose(group, carried[2]), choose(carried[0], carried[3]),
                                                  choose(size, carried[4]), choose(within, carried[5])});
    }
    ownGroup_ = scan.getResult(2), firstRow_ = scan.getResult(3), ownRows_ = scan.getResult(4), ownTile_ = scan.getResult(5);
  }
  EpilogueHole hole() {
    return [this](OpBuilder &, Location, Value acc, const TilePlace &at) -> Value {
      GroupEpilogue::Tile place{{Value()}, kb_.add(firstRow_, at.row), at.column, kb_.sub(ownRows_, at.row), kb_.sub(kb_.size(columns_), at.column)};
      store(acc, place);
      return {};
    };
  }

  GroupOp group_;
  const Target &target_;
  KernelBuilder kb_;
  PackedGroupedMatmulOp product_, other_;  ///< other_: of a pair
  std::optional<GroupEpilogue> epilogue_;
  GroupedRows grouped_;
  SizeExpr rows_, columns_, depth_, groups_, programs_;
  bool isTransposed_ = false;
  WgmmaTile tile_;
  std::optional<Question> question_;
  Value ownGroup_, firstRow_, ownRows_, ownTile_;  ///< of a program of mma and SIMT
};

}  // namespace

std::optional<RowRanges> groupedRowRangesOf(GroupOp group) {
  const SmallVector<Operation *> products = productsOf(group);
  if (products.empty()) return std::nullopt;
  auto product = cast<PackedGroupedMatmulOp>(products[0]);
  const SizeExpr rows = sizesOf(product.getX().getType())[0], groups = sizesOf(product.getW().getType())[0];
  if (!isCopied(product) || rows.constant() || !groups.constant()) return std::nullopt;
  return RowRanges{rows, {kFewEach * *groups.constant()}};
}

FailureOr<Scheduled> scheduleCudaGrouped(GroupOp group, StringRef name, const Target &target, OpBuilder &builder) {
  return GroupedMatmul(group, name, target, builder).run();
}

}  // namespace jinx::schedules
