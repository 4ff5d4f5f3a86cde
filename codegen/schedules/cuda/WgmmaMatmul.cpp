// The wgmma matmul for sm_90a: persistent blocks of one producer and some consumer warpgroups over a ring of TMA copies.
//
// A block walks tiles of the result, grid-strided. Its producer thread fetches 128 bytes of k at a time: m rows of A, n rows of B. Its
// consumers hold m / consumers rows of accumulators each, keep one group of products in flight, and give a slot back once the group
// after it is issued. After the last slice they run the epilogue hole and store through swizzled shared memory and TMA, while the
// producer already fetches the next tile.
//
// Where the epilogue is long beside the products of a tile, consumers take turns: each has a tile of its own, the ring holds the slices of
// one tile after the other's, and one multiplies while the other runs its epilogue.
//
// Blocks of a cluster lie side by side (clusterM x clusterN tiles): those in a column share the slice of B, those in a row the slice of A;
// each fetches its part and multicasts it. Tiles are visited in bands, so that blocks that run together read few distinct rows of A and B
// and find them in the second-level cache. The matrices of a batch follow one another.
//
// Few tiles and a long k: a cluster works on one tile (splits), each block on its part of k. The blocks' sums are added up through shared
// memory, in the order of the blocks, each block doing so for a slice of the columns, which it also stores.
//
// What an epilogue reads as wide as it writes (a residual) comes in pieces of 64 rows by one swizzle span, through a ring of its own. Another
// thread of the producer's warpgroup fills it, since it runs ahead at another pace: it waits for epilogues, the producer for products. A
// warp takes its 16 rows of a piece into registers as it makes the patch that it stores there. Where consumers take turns, a piece is of one
// of them, and the ring holds all that a tile of each has: else the one whose products end first might wait a round too early.
//
// A gate and what it is multiplied with (WgmmaPair) are two products of one operand. A slot has as many rows of one matrix as of the other; nothing else changes in
// the loop. A thread's sums of both are of one place, so the epilogue makes one value of two. Where the matrices lie behind each other, a box of three
// dimensions fetches both (pairSource). Those of groups lie apart (WgmmaMatmul::other): each half of the slot has a copy of its own. Where two blocks share the
// weights, each fetches one matrix's, for both.
//
// On 8-bit floats a tensor core aligns products and old sums and keeps about 14 bits: over a long k errors of some thousandths build up (decision
// 0012). So a slot's products, 128 of k, get sums of their own, and f32 registers add these up (promotes) while the tensor core works for
// another warpgroup. That takes twice the registers, so tiles are smaller. All but the widest take two slots at a time: the second one's products run
// while the first one's are added up. `fast_sums` in the graph does without all this.
//
// What is added up apart can be scaled apart (PromotedLoop.h).
//
// An operand that is the plan's (WgmmaSource::isEarly) need not wait for the launch in front. It is fetched by a thread of its own, which fills its half of
// every slot: while a small kernel still computes what this one multiplies, the ring fills up with weights.
//
// Of f32 a tensor core sees the upper 19 bits, TF32. Three products make one of about 22 bits (highLow): a = a1 + a2, b = b1 + b2, and
// a2*b1 + a1*b2 + a1*b1. Consumers read A into registers and take it apart there; a splitter warpgroup writes b's low parts beside b. Sums are
// promoted, since tensor cores cut what they add up (decision 0021). `tf32` in the graph is one product of the upper bits.
#include <algorithm>
#include <cmath>
#include <limits>

#include "codegen/schedules/cuda/CudaMatmul.h"
#include "codegen/schedules/cuda/IndexBuilder.h"
#include "codegen/schedules/cuda/PromotedLoop.h"

using namespace mlir;

namespace jinx::schedules {

namespace {
constexpr int64_t kSlotBytes = 128;        // of k in a slot: one swizzle span
constexpr int64_t kMaxShared = 232448;
int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t bytesOf(Type type) { return type.getIntOrFloatBitWidth() / 8; }

/// Registers for the sums, and for the products of two slots. Beside scales wide tiles gain nothing by it (measured: 128 x 128 loses 2 %, and wins 4
/// without them).
bool takesPairs(const WgmmaTile &t) {
  const int64_t most = t.sharedColumns || t.consumers == 3 ? 128 : 192;
  return t.promotes && !t.highLow && 3 * t.n / 2 <= most;
}
}  // namespace

int64_t wgmmaStoreColumns(int64_t n, int64_t bytes) {
  for (int64_t span : {128, 64, 32})  // of a swizzle
    if (n % (span / bytes) == 0) return span / bytes;
  return 0;
}

int64_t wgmmaSharedBytes(const WgmmaTile &t) {
  int64_t stage = (t.m + (t.highLow ? 2 : 1) * t.n) * kSlotBytes, store = t.consumers * 4 * 2 * 16 * wgmmaStoreColumns(t.storedColumns(), t.storedBytes) * t.storedBytes;
  int64_t parts = t.splits > 1 ? t.m * t.n * 4 + 16 * t.consumers : 0, turns = t.turns ? 8 * t.consumers : 0;
  int64_t residuals = t.pieces * (t.residuals * t.pieceRows() * kSlotBytes + 2 * 8);
  return 1024 + t.stages * stage + store + parts + turns + (t.highLow ? 3 : 2) * 8 * t.stages + residuals;
}

std::string wgmmaInfeasible(const WgmmaTile &t) {
  if (t.consumers < 1 || t.consumers > 3 || t.rows() % 64 || t.m % t.rows()) return "each consumer takes a multiple of 64 rows";
  if (t.n % 8 || t.n > 256) return "n is a multiple of 8 up to 256";
  if (t.m / t.clusterN % 8 || t.n / t.clusterM % 8 || t.m % t.clusterN || t.n % t.clusterM) return "a block's slice is a multiple of 8 rows";
  if (t.m / t.clusterN > 256) return "a TMA box has at most 256 rows";
  if (t.cluster() > 8) return "a cluster has at most 8 blocks";
  if (t.pair == WgmmaPair::rows && t.rows() % 128) return "each consumer takes 64 rows of both products";
  if (t.pair == WgmmaPair::columns && (t.n % 16 || t.splits > 1)) return "half of the columns is a multiple of 8, of a tile of one block";
  if (t.pair != WgmmaPair::none && (t.promotes || t.sharedColumns || t.residuals)) return "sums of two products are plain sums, without pieces of residuals";
  if (t.splits > 1 && t.clusterM * t.clusterN > 1) return "the blocks of a cluster share either a tile or what they fetch";
  if (t.n % (8 * t.splits)) return "each block stores a multiple of 8 columns";
  if (t.turns && (t.splits > 1 || t.promotes)) return "consumers take turns at tiles, or blocks share a tile, or sums are promoted";
  if (t.promotes && t.rows() != 64) return "sums of slots are of 64 rows for a consumer";
  if (t.sharedColumns > 1 && t.sharedColumns % t.n) return "the columns of a tile share scales of blocks";
  if (t.rows() * t.n / 128 * (t.promotes ? 2 : 1) > 200) return "too many accumulators for a thread's registers";
  if (t.highLow && (t.consumers == 3 || t.n > 128)) return "high and low parts leave too few registers";
  if (t.consumers == 3 && t.rows() * t.n / 128 > 128 - 32) return "three consumers leave too few registers";
  if (t.stages < 2) return "a ring has at least 2 slots";
  if (t.residuals && (t.splits > 1 || t.n % t.pieceColumns())) return "residuals come for a tile of one block, a multiple of 128 bytes wide";
  if (t.residuals && t.pieces < (t.turns ? t.consumers * t.piecesOfTile() : 1)) return "by turns the ring of residuals holds a tile of each consumer";
  if (wgmmaSharedBytes(t) > kMaxShared) return "more shared memory than a block may have";
  return "";
}

/// The tile with a ring for residuals, at the cost of slots for operands; as it is where there is no room.
static WgmmaTile withResiduals(const WgmmaTile &tile, int64_t residuals, int64_t steps) {
  constexpr int64_t kLeastStages = 3, kLeastPieces = 2, kMostPieces = 4;
  WgmmaTile t = tile;
  t.residuals = residuals;
  if (residuals == 0 || t.n % t.pieceColumns()) return tile;
  t.pieces = t.turns ? t.consumers * t.piecesOfTile() : kLeastPieces;
  while (t.stages > kLeastStages && (wgmmaSharedBytes(t) > kMaxShared || t.stages > 2 * steps)) --t.stages;
  if (wgmmaSharedBytes(t) > kMaxShared) return tile;
  for (WgmmaTile more = t; !t.turns && more.pieces <= kMostPieces && wgmmaSharedBytes(more) <= kMaxShared; ++more.pieces) t = more;
  return t;
}

/// Tiles of 64 x 64, each by as many blocks as the machine has for it, where that shortens the loop over k.
static WgmmaTile splitTile(int64_t m, int64_t n, int64_t steps, int64_t matrices, int64_t sms, const WgmmaTile &best) {
  constexpr int64_t kLeastSteps = 3;  // of a part
  int64_t tiles = ceilDiv(m, 64) * ceilDiv(n, 64) * matrices;
  int64_t blocks = ceilDiv(m, best.m) * ceilDiv(n, best.n) * matrices;
  WgmmaTile t{64, 64, 2, 1, 1, 1, 64, true};
  t = t.as(best);
  while (t.splits < 8 && 2 * t.splits * tiles <= sms * 10 / 11 && steps >= 2 * t.splits * kLeastSteps) t.splits *= 2;
  if (t.splits == 1 || t.splits * tiles <= blocks) return best;
  for (WgmmaTile more = t; wgmmaSharedBytes(more) <= kMaxShared && more.stages <= ceilDiv(steps, t.splits) + 1; ++more.stages) t = more;
  return t;
}

/// An estimate of the time a product takes with a tile, in products of 16-bit floats of a block.
static double wgmmaCost(const WgmmaTile &t, int64_t m, int64_t n, int64_t steps, int64_t matrices, int64_t operations, int64_t sms) {
  constexpr double kEpilogue = 128.0 * 256 * 250;  // start and plain epilogue of a tile: some 4,000 cycles
  constexpr int64_t kHalves = 64;                  // a slot takes as long as this many halves of k, whatever it holds
  int64_t cluster = t.clusterM * t.clusterN, clusters = cluster == 4 ? sms / cluster * 30 / 33 : sms / cluster;
  int64_t tiles = ceilDiv(m, t.m * t.clusterM) * ceilDiv(n, t.n * t.clusterN) * matrices, waves = ceilDiv(tiles, std::max<int64_t>(1, clusters));
  // Products at the rate the operands can be read from shared memory: narrow tiles read more for each product.
  double elements = double(t.m) * t.n, reads = double(t.rows() + t.n) / (t.rows() * double(t.n));
  double traffic = 1.0 / (double(t.clusterN) * t.n) + 1.0 / (double(t.clusterM) * t.m);
  double products = elements * std::max<int64_t>(steps, 1) * kHalves * (1.0 + 12.0 * std::max(0.0, reads - 0.0117) + 4.0 * traffic);
  // Taking operands apart and adding up goes on beside another consumer's products (measured: 450 cycles a slot, 675 where two do so).
  constexpr double kParting = 450.0 * 2048;
  if (t.highLow) products = std::max(3 * products, 3 * products / t.consumers + double(steps) * kParting * (t.consumers + 1) / 2);
  double epilogue = kEpilogue + 8.0 * operations * elements;
  if (!t.turns) return waves * (products + epilogue);
  if (waves < 2) return std::numeric_limits<double>::infinity();  // a consumer has no tile
  // Two tiles run at a time, and only one of them multiplies; starts are covered. Each change of turns leaves the tensor cores idle for a while.
  products = products * 1.05 + kEpilogue / 4, epilogue -= kEpilogue / 4;
  return waves * std::max(products, (products + epilogue) / 2) + epilogue;
}

std::string textOf(const WgmmaTile &t) {
  auto pair = [](int64_t a, int64_t b) { return std::to_string(a) + "x" + std::to_string(b); };
  std::string text = "tile=" + pair(t.m, t.n) + " stages=" + std::to_string(t.stages) + " cluster=" + pair(t.clusterM, t.clusterN) +
                     " consumers=" + std::to_string(t.consumers) + " band=" + std::to_string(t.band) + (t.walkN ? "n" : "m");
  if (t.splits > 1) text += " splits=" + std::to_string(t.splits);
  return t.turns ? text + " turns" : text;
}

/// As many slots as fit, and as a block fills.
static WgmmaTile filledUp(WgmmaTile t, int64_t steps) {
  for (WgmmaTile more = t; wgmmaSharedBytes(more) <= kMaxShared && more.stages <= std::max<int64_t>(2, steps); ++more.stages) t = more;
  return t;
}

/// One tile high, what counts is how evenly the weights are dealt: a tile for each multiprocessor, or a few; where 64 columns are too many for
/// that, blocks share k.
static WgmmaTile fewRowsTile(int64_t m, int64_t n, int64_t steps, int64_t matrices, const WgmmaTile &like, int64_t sms) {
  WgmmaTile t{64, 64, 2, 1, 1, 1, 64, true};
  t = t.as(like);
  WgmmaTile shared = t.pair == WgmmaPair::none ? splitTile(m, n, steps, matrices, sms, t) : t;
  if (shared.splits > 1) return shared;
  const int64_t widest = t.promotes ? 128 : 256, waves = ceilDiv(n * matrices, sms * widest), even = ceilDiv(n * matrices, sms * waves);
  t.n = std::min(ceilDiv(even, 16) * 16, std::min(widest, ceilDiv(n, 16) * 16));
  while (t.sharedColumns > 1 && t.sharedColumns % t.n) t.n += 16;
  return filledUp(withResiduals(t, like.residuals, steps), steps * waves);
}

constexpr int64_t kHundreds = 256;  // rows of what a server decodes at a time

/// Some hundred rows: tiles that blocks share fetch half as much as as many narrow ones. Where two blocks for each of 128 x 128 leave hardly a multiprocessor idle, that is what is taken
/// (measured, 256 x 4096 x 14336: 57 us, as 64 x 128 72); the others are behind all, for a measurement to find.
static void addShared(std::vector<WgmmaCandidate> &found, int64_t m, int64_t n, int64_t steps, int64_t matrices, const WgmmaTile &like, int64_t sms) {
  constexpr int64_t kLeastSteps = 8;  // of a part of k
  if (m > kHundreds || like.pair != WgmmaPair::none) return;
  for (int64_t width : {128, 64})
    for (int64_t splits : {4, 2}) {
      WgmmaTile t{128, width, 2, 1, 1, 2, 8, false};
      t = t.as(like);
      t.splits = splits;
      const int64_t blocks = splits * ceilDiv(m, t.m) * ceilDiv(n, t.n) * matrices;
      if (blocks > sms || steps < splits * kLeastSteps) continue;
      t = filledUp(t, ceilDiv(steps, splits));
      if (!wgmmaInfeasible(t).empty()) continue;
      const bool isTaken = width == 128 && splits == 2 && blocks >= sms * 9 / 10 && t.elementBytes == 2 && !t.promotes;
      if (isTaken) found.insert(found.begin(), {t, found.front().cost});
      else found.push_back({t, found.back().cost});
    }
}

std::vector<WgmmaCandidate> wgmmaCandidates(int64_t m, int64_t n, int64_t steps, int64_t matrices, int64_t operations, const WgmmaTile &like, int64_t sms,
                                            ArrayRef<WgmmaTile> more) {
  constexpr int64_t kReads = 100;  // instructions that the read of a residual where it is used compares with
  constexpr double kTurnsOfPairs = 1.1;  // measured: 128 x 128 by turns takes 4 % longer for 2,048 x 2 x 8,192 x 2,048 than 256 x 128
  constexpr int64_t kTurnSteps = 8;  // of less the changes of turns are too many (ResNet-50: 3 % slower)
  // Measured over seven shapes: what wins anywhere is among these.
  static const WgmmaTile candidates[] = {
      {128, 256, 4, 2, 1, 2, 8, false}, {256, 160, 4, 1, 2, 2, 8, false}, {256, 128, 4, 1, 2, 2, 8, false}, {128, 192, 4, 2, 1, 2, 8, false},
      {128, 128, 6, 2, 1, 2, 8, false}, {128, 96, 7, 2, 1, 2, 16, false}, {64, 64, 13, 2, 1, 1, 64, true},  {128, 64, 8, 2, 1, 2, 16, true},
      {64, 128, 8, 1, 2, 1, 16, false}, {64, 64, 12, 1, 1, 1, 64, true},
      {128, 128, 6, 2, 1, 2, 8, false, 1, true}, {128, 64, 8, 2, 1, 2, 16, true, 1, true},
  };
  // Of some hundred rows: 256 x 3072 x 2048 takes 9.4 us where blocks share the weights, 10.7 where they share the rows.
  static const WgmmaTile hundreds[] = {{64, 128, 8, 2, 1, 1, 16, false}};
  std::vector<WgmmaCandidate> found;
  for (WgmmaTile t : llvm::concat<const WgmmaTile>(candidates, ArrayRef(hundreds).take_front(m <= kHundreds), more)) {
    t = t.as(like);
    while (t.highLow && t.stages > 3 && wgmmaSharedBytes(t) > kMaxShared) --t.stages;
    t = withResiduals(t, like.residuals, steps);
    if (!wgmmaInfeasible(t).empty() || (t.turns && (steps < kTurnSteps || t.elementBytes == 1))) continue;
    if (t.elementBytes == 1 && t.m > 128 && !t.sharedColumns) continue;  // measured: at 4096^3 by a fifth slower than 128 x 256
    double cost = wgmmaCost(t, m, n, steps, matrices, operations + kReads * (like.residuals - t.residuals), sms);
    if (t.turns && t.pair != WgmmaPair::none) cost *= kTurnsOfPairs;
    if (std::isfinite(cost)) found.push_back({t, cost});
  }
  std::stable_sort(found.begin(), found.end(), [](const WgmmaCandidate &a, const WgmmaCandidate &b) { return a.cost < b.cost; });
  // For few rows, and where blocks share tiles, a rule decides and no estimate: what it gives is before all others.
  const bool isFlat = m <= 64;
  WgmmaTile ruled = isFlat ? fewRowsTile(m, n, steps, matrices, like, sms) : like.pair == WgmmaPair::none ? splitTile(m, n, steps, matrices, sms, found.front().tile) : found.front().tile;
  if (isFlat || ruled.splits > 1) found.insert(found.begin(), {ruled, found.front().cost});
  if (!isFlat) addShared(found, m, n, steps, matrices, like, sms);
  return found;
}

/// The transposed tile of so many columns, as wide as `splits` blocks that share k need it: each stores a multiple of 8 columns.
static WgmmaTile sharedFlatTile(WgmmaTile t, int64_t columns, int64_t splits, int64_t steps, int64_t tiles, int64_t sms) {
  t.splits = splits;
  if (splits == 3) {
    t.n = ceilDiv(columns, 8 * splits) * 8 * splits;
  } else {
    for (t.n = 8; t.n < columns && t.n < 64;) t.n *= 2;
    t.n = std::max(t.n, 8 * splits);
  }
  return filledUp(t, ceilDiv(steps, splits) * ceilDiv(tiles, sms));
}

std::vector<WgmmaCandidate> flatWgmmaCandidates(int64_t columns, int64_t m, int64_t steps, int64_t matrices, const WgmmaTile &like, int64_t sms) {
  constexpr int64_t kLeastSteps = 8;     // of a part of k
  constexpr int64_t kMostSplits = 4;     // clusters of 8 cost more than they spare (64 x 1024 x 4096: by 4 6.5 us, by 8 9.8)
  constexpr int64_t kLeastOfGpc = 16;    // multiprocessors of a GPC: a cluster of 4 lies in one of them, and some have 18
  WgmmaTile t{64, 8, 2, 1, 1, 1, 64, true};
  t = t.as(like);
  if (t.pair == WgmmaPair::rows) t.m *= 2;
  // 14,336 rows: 224 tiles on 132 multiprocessors end later than 112 of twice the rows (5 %). 4,096: 64 tiles leave half of them idle (3 to 6 %).
  if (ceilDiv(m, t.m) * matrices > sms && !t.promotes) t.m *= 2, t.consumers *= 2;
  const int64_t tiles = ceilDiv(m, t.m) * matrices;
  auto fits = [&](int64_t splits) { return splits * tiles <= (splits > 2 ? sms / kLeastOfGpc * kLeastOfGpc : sms) && steps >= splits * kLeastSteps; };
  int64_t splits = 1;
  while (splits < kMostSplits && fits(2 * splits)) splits *= 2;
  // Clusters of 4 on nearly every multiprocessor wait for each other's GPC (measured, 2048 columns of a decode step: by 2 64 us a layer, by 3 61, by 4 65).
  if (splits == 4 && splits * tiles > sms / 2 && wgmmaInfeasible(sharedFlatTile(t, columns, 3, steps, tiles, sms)).empty()) splits = 3;
  std::vector<WgmmaCandidate> found;
  auto add = [&](const WgmmaTile &tile) {
    if (wgmmaInfeasible(tile).empty()) found.push_back({tile, double(found.size())});
  };
  add(sharedFlatTile(t, columns, splits, steps, tiles, sms));
  WgmmaTile other = found.front().tile;  // half as many blocks, or twice as many
  other.m = other.consumers == 1 ? 2 * other.m : other.m / 2, other.consumers = other.consumers == 1 ? 2 : 1, other.splits = 1;
  while (other.stages > 2 && wgmmaSharedBytes(other) > kMaxShared) --other.stages;
  add(other);
  // What a measurement may find: fewer blocks for a tile, or three.
  for (int64_t each = kMostSplits; each > 0; --each)
    if (each != splits && fits(each)) add(sharedFlatTile(t, columns, each, steps, tiles, sms));
  return found;
}

SizeExpr wgmmaPrograms(const WgmmaTile &t, const SizeExpr &m, const SizeExpr &n, const SizeExpr &matrices, int64_t sms) {
  int64_t cluster = t.cluster();
  SizeExpr tiles = ceilDiv(m, t.resultRows() * t.clusterM) * ceilDiv(n, t.resultColumns() * t.clusterN) * matrices;
  return SizeExpr(cluster) * min(tiles, SizeExpr(std::max<int64_t>(1, sms / cluster)));
}

static tile::TensorMapOp makeMap(OpBuilder &b, Value buffer, ArrayRef<std::string> dims, ArrayRef<int64_t> box, int64_t swizzle) {
  // Each dimension's stride is the one before it times its extent: the tensor is dense.
  SmallVector<StringRef> extents(dims.begin(), dims.end());
  int64_t bytes = bytesOf(cast<tile::PtrType>(buffer.getType()).getElement());
  std::vector<std::string> strides;
  std::string stride = std::to_string(bytes);
  for (const std::string &dim : dims.drop_back()) strides.push_back(stride = "(" + dim + ") * " + stride);
  SmallVector<StringRef> strideTexts(strides.begin(), strides.end());
  return tile::TensorMapOp::create(b, buffer.getLoc(), tile::TensorMapType::get(b.getContext()), buffer, b.getStrArrayAttr(extents),
                                   b.getStrArrayAttr(strideTexts), DenseI64ArrayAttr::get(b.getContext(), box), b.getI64IntegerAttr(swizzle),
                                   DenseI64ArrayAttr());
}

WgmmaSource matrixSource(Value buffer, const std::string &rows, const std::string &k, const std::string &matrices) {
  WgmmaSource source;
  const bool isBatch = !matrices.empty();
  const int64_t depth = kSlotBytes / bytesOf(cast<tile::PtrType>(buffer.getType()).getElement());
  source.map = [=](OpBuilder &b, int64_t boxRows) -> Value {
    if (isBatch) return makeMap(b, buffer, {k, rows, matrices}, {depth, boxRows, 1}, kSlotBytes);
    return makeMap(b, buffer, {k, rows}, {depth, boxRows}, kSlotBytes);
  };
  source.place = [=](OpBuilder &b, ValueRange begun, Value step) {
    WgmmaSource::Place place;
    place.at = {IndexBuilder{b, step.getLoc()}.mul(step, depth), begun[1]};
    if (isBatch) place.at.push_back(begun[0]);
    return place;
  };
  return source;
}

WgmmaSource pairSource(Value buffer, const std::string &rows, const std::string &k, bool isShared) {
  WgmmaSource source;
  source.isPair = true;
  const int64_t depth = kSlotBytes / bytesOf(cast<tile::PtrType>(buffer.getType()).getElement());
  source.map = [=](OpBuilder &b, int64_t boxRows) -> Value {
    return isShared ? makeMap(b, buffer, {k, rows, "2"}, {depth, boxRows, 1}, kSlotBytes) : makeMap(b, buffer, {k, rows, "2"}, {depth, boxRows / 2, 2}, kSlotBytes);
  };
  source.place = [=](OpBuilder &b, ValueRange begun, Value step) {
    IndexBuilder ix{b, step.getLoc()};
    WgmmaSource::Place place;
    place.at = {ix.mul(step, depth), begun[1], ix.c(0)};
    return place;
  };
  return source;
}

void emitWgmmaMatmul(OpBuilder &b, tile::KernelOp kernel, const WgmmaMatmul &p, const WgmmaTile &t, const EpilogueHole &hole) {
  Location loc = kernel.getLoc();
  MLIRContext *context = b.getContext();
  IndexBuilder ix{b, loc};
  int64_t cluster = t.cluster(), rows = t.rows();
  kernel->setAttr("cluster", DenseI64ArrayAttr::get(context, {t.clusterM, t.clusterN, t.splits}));

  // Of two matrices that lie apart a box is half of a slot.
  const bool isApartA = p.other && t.pair == WgmmaPair::rows, isApartB = p.other && t.pair == WgmmaPair::columns;
  Value mapA = p.a.map(b, isApartA ? t.m / 2 : t.m / t.clusterN), mapB = p.b.map(b, isApartB ? t.n / 2 : t.n / t.clusterM), mapOther, mapD;
  if (p.other) mapOther = p.other->map(b, (isApartA ? t.m : t.n) / 2);
  auto resultMap = [&](Value buffer, int64_t columns, int64_t boxRows) -> Value {
    int64_t swizzle = columns * bytesOf(cast<tile::PtrType>(buffer.getType()).getElement());
    if (p.matrices) return makeMap(b, buffer, {p.nText, p.mText, p.matricesText}, {columns, boxRows, 1}, swizzle);
    return makeMap(b, buffer, {p.nText, p.mText}, {columns, boxRows}, swizzle);
  };
  if (p.d) mapD = resultMap(p.d, wgmmaStoreColumns(t.storedColumns(), bytesOf(cast<tile::PtrType>(p.d.getType()).getElement())), 16);
  auto residualMaps = llvm::map_to_vector(p.residuals, [&](Value buffer) { return resultMap(buffer, t.pieceColumns(), 64); });

  Value zero = ix.c(0), one = ix.c(1);
  auto called = [&](Value v, StringRef name) {
    if (v.getDefiningOp() && !v.getDefiningOp<arith::ConstantOp>()) v.setLoc(nameLoc(b, loc, name));
    return v;
  };
  Value rankM = tile::ClusterRankOp::create(b, loc, b.getIndexType(), 0), rankN = tile::ClusterRankOp::create(b, loc, b.getIndexType(), 1);
  auto tilesOfM = [&](Value m) { return called(ix.tiles(m, t.resultRows() * t.clusterM), "tiles_m"); };
  auto tilesOfN = [&](Value n) { return called(ix.tiles(n, t.resultColumns() * t.clusterN), "tiles_n"); };
  // Of grouped products one of them is a matter of the group.
  const bool isMGrouped = p.groups && !p.areTokensColumns, isNGrouped = p.groups && p.areTokensColumns;
  Value allTilesM = isMGrouped ? Value() : tilesOfM(p.m), allTilesN = isNGrouped ? Value() : tilesOfN(p.n), each, count;
  if (!p.groups) each = ix.mul(allTilesM, allTilesN), count = p.matrices ? called(ix.mul(each, p.matrices), "tiles") : called(each, "tiles");
  Value part = t.splits > 1 ? called(ix.tiles(p.steps, t.splits), "steps_of_part") : Value();
  auto stepsOfBlock = [&]() -> std::pair<Value, Value> {
    if (!part) return {zero, p.steps};
    Value rankK = tile::ClusterRankOp::create(b, loc, b.getIndexType(), 2);
    Value first = called(ix.min(ix.mul(rankK, part), p.steps), "first_step");
    return {first, called(ix.min(ix.add(first, part), p.steps), "end_step")};
  };
  Value program = tile::ProgramIdOp::create(b, loc, b.getIndexType()), programs = tile::NumProgramsOp::create(b, loc, b.getIndexType());
  Value firstTile = called(ix.div(program, cluster), "first_tile"), stride = called(ix.div(programs, cluster), "tile_stride");

  // This block's tile within cluster tile `index` of a matrix: bands of t.band, crossed one way.
  auto placeIn = [&](TilePlace place, Value index, Value tilesM, Value tilesN) {
    Value across = t.walkN ? tilesN : tilesM, along = t.walkN ? tilesM : tilesN;
    Value bandSize = ix.mul(along, t.band), band = called(ix.div(index, bandSize), "band");
    Value within = called(ix.sub(index, ix.mul(band, bandSize)), "within");
    Value width = called(ix.min(ix.c(t.band), ix.sub(across, ix.mul(band, t.band))), "width");
    Value advanced = called(ix.div(within, width), "advanced");
    Value crossed = called(ix.sub(ix.add(ix.mul(band, t.band), within), ix.mul(advanced, width)), "crossed");
    Value m = t.walkN ? advanced : crossed, n = t.walkN ? crossed : advanced;
    place.row = called(ix.mul(ix.add(ix.mul(m, t.clusterM), rankM), t.resultRows()), "row");
    place.column = called(ix.mul(ix.add(ix.mul(n, t.clusterN), rankN), t.resultColumns()), "column");
    return place;
  };
  auto place = [&](Value index) {
    TilePlace place;
    if (p.matrices) {
      place.matrix = called(ix.div(index, each), "matrix");
      index = called(ix.sub(index, ix.mul(place.matrix, each)), "tile_of_matrix");
    }
    return placeIn(place, index, allTilesM, allTilesN);
  };

  auto bufferA = VectorType::get({t.m, kSlotBytes / bytesOf(p.elementA)}, p.elementA);
  auto bufferB = VectorType::get({t.n, kSlotBytes / bytesOf(p.elementB)}, p.elementB);
  SmallVector<Type> buffers = {bufferA, bufferB};
  SmallVector<StringRef> bufferNames = {"a", "b"};
  if (t.highLow) buffers.push_back(bufferB), bufferNames.push_back("b_low");
  auto ring = tile::RingOp::create(b, loc, tile::RingType::get(context), tile::RingKind::bulk, t.stages, b.getTypeArrayAttr(buffers),
                                   b.getStrArrayAttr(bufferNames), DenseI64ArrayAttr::get(context, {}));
  tile::RingOp pieces;
  if (!p.residuals.empty()) {
    auto types = llvm::map_to_vector(p.residuals, [&](Value buffer) -> Type {
      return VectorType::get({t.pieceRows(), t.pieceColumns()}, cast<tile::PtrType>(buffer.getType()).getElement());
    });
    SmallVector<StringRef> names = {"residual", "residual2"};
    pieces = tile::RingOp::create(b, loc, tile::RingType::get(context), tile::RingKind::bulk, t.pieces, b.getTypeArrayAttr(types),
                                  b.getStrArrayAttr(ArrayRef(names).take_front(types.size())), DenseI64ArrayAttr::get(context, {}));
    pieces->setAttr("pieces", b.getUnitAttr());
  }
  // Registers: 65,536 over the block; who fetches or splits needs few.
  int64_t producerRegisters = t.consumers == 3 ? 32 : 40, consumerRegisters = t.consumers == 1 ? 240 : t.consumers == 3 ? 160 : t.highLow ? 208 : 232;
  auto roles = tile::RolesOp::create(b, loc, t.consumers, producerRegisters, consumerRegisters, t.turns);
  Type slotType = tile::SlotType::get(context);
  auto loopOver = [&](Value from, Value to, Value step, ValueRange inits, StringRef name, auto body) {
    auto loop = scf::ForOp::create(b, loc, from, to, step, inits);
    loop.getInductionVar().setLoc(nameLoc(b, loc, name));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    body(loop);
    return loop;
  };

  // This block's tiles, `body` for each: it gets what works out the tile's place, and whether it has products (null: it has).
  auto walkGroups = [&](Value from, Value every, auto body) {
    auto groups = loopOver(zero, ix.add(p.groups->groups, 1), one, {zero, from}, "group", [&](scf::ForOp loop) {
      TilePlace group;
      group.matrix = loop.getInductionVar();
      Value begin = loop.getRegionIterArg(0), next = loop.getRegionIterArg(1);
      group.end = called(p.groups->end(b, loc, group.matrix, begin), "group_end");
      Value multiplies = called(p.groups->multiplies(b, loc, group.matrix), "multiplies"), size = ix.sub(group.end, begin);
      Value tilesM = isMGrouped ? tilesOfM(size) : allTilesM, tilesN = isNGrouped ? tilesOfN(size) : allTilesN;
      Value tiles = called(ix.mul(tilesM, tilesN), "tiles");
      auto placeOf = [&](Value index) {
        TilePlace at = placeIn(group, index, tilesM, tilesN);
        Value &token = isNGrouped ? at.column : at.row;
        token = called(ix.add(begin, token), isNGrouped ? "token_column" : "token_row");
        return at;
      };
      auto walk = loopOver(next, tiles, every, {next}, "tile", [&](scf::ForOp tileLoop) {
        body([&] { return placeOf(tileLoop.getInductionVar()); }, multiplies);
        scf::YieldOp::create(b, loc, ix.add(tileLoop.getInductionVar(), every));
      });
      walk.getRegionIterArg(0).setLoc(nameLoc(b, loc, "tile_behind"));
      scf::YieldOp::create(b, loc, ValueRange{group.end, ix.sub(walk.getResult(0), tiles)});
    });
    groups.getRegionIterArg(0).setLoc(nameLoc(b, loc, "group_begin"));
    groups.getRegionIterArg(1).setLoc(nameLoc(b, loc, "next_tile"));
    phase(groups, "Group after group: where one ends is data; `next_tile` counts from the group's first tile");
  };
  auto walk = [&](Value from, Value every, auto body) {
    if (p.groups) return walkGroups(from, every, body);
    loopOver(from, count, every, {}, "tile", [&](scf::ForOp loop) { body([&] { return place(loop.getInductionVar()); }, Value()); });
  };
  auto unlessEmpty = [&](Value multiplies, Value first, Value end) -> Value {
    return multiplies ? called(arith::SelectOp::create(b, loc, multiplies, end, first), "own_end_step") : end;
  };

  // Producer.
  b.setInsertionPointToStart(&roles.getProducer().emplaceBlock());
  auto [producerFirst, producerEnd] = stepsOfBlock();
  auto fetch = [&](bool early, auto placeOfTile, Value multiplies, Value firstStep, Value endStep) {
    TilePlace at = placeOfTile();
    auto begin = [&](const WgmmaSource &source, Value row) {
      if (source.isEarly != early) return SmallVector<Value>();
      return source.begin ? source.begin(b, at.matrix, row) : SmallVector<Value>{at.matrix, row};
    };
    auto begunA = begin(p.a, at.row), begunB = begin(p.b, at.column);
    loopOver(firstStep, unlessEmpty(multiplies, firstStep, endStep), one, {}, "step", [&](scf::ForOp stepLoop) {
      auto slot = tile::RingAcquireOp::create(b, loc, slotType, ring).getSlot();
      auto copy = [&](Value map, const WgmmaSource &source, ArrayRef<Value> begun, int64_t buffer, IntegerAttr across, int64_t apart) {
        if (source.isEarly != early) return;
        auto place = source.place(b, begun, stepLoop.getInductionVar());
        auto box = [&](Value map, IntegerAttr row, StringRef how) {
          auto copy = tile::CopyBulkOp::create(b, loc, map, place.at, place.tap, slot, b.getI64IntegerAttr(buffer), across, row);
          if (early) copy->setAttr("constant", b.getUnitAttr());
          if (!how.empty()) copy->setAttr(how, b.getUnitAttr());
        };
        if (!apart) return box(map, IntegerAttr(), source.isPair && across ? "halves" : "");
        if (!across) return box(map, IntegerAttr(), ""), box(mapOther, b.getI64IntegerAttr(apart), "");
        Value isFirst = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, buffer == 0 ? rankN : rankM, zero);
        auto branch = scf::IfOp::create(b, loc, isFirst, /*withElse=*/true);
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToStart(branch.thenBlock()), box(map, IntegerAttr(), "own");
        b.setInsertionPointToStart(branch.elseBlock()), box(mapOther, IntegerAttr(), "own");
      };
      copy(mapA, p.a, begunA, 0, t.clusterN > 1 ? b.getI64IntegerAttr(1) : IntegerAttr(), isApartA ? t.m / 2 : 0);
      copy(mapB, p.b, begunB, 1, t.clusterM > 1 ? b.getI64IntegerAttr(0) : IntegerAttr(), isApartB ? t.n / 2 : 0);
      tile::RingCommitOp::create(b, loc, slot);
    });
  };
  walk(firstTile, stride, [&, first = producerFirst, end = producerEnd](auto placeOfTile, Value multiplies) { fetch(false, placeOfTile, multiplies, first, end); });
  tile::RingDrainOp::create(b, loc, ring);
  if (p.a.isEarly || p.b.isEarly) {
    auto weights = loopOver(firstTile, count, stride, {}, "tile", [&](scf::ForOp loop) {
      auto [first, end] = stepsOfBlock();
      fetch(true, [&] { return place(loop.getInductionVar()); }, Value(), first, end);
    });
    weights->setAttr("aside", b.getUnitAttr());
  }

  // Residuals: the pieces of a tile in the order in which its patches are stored, fetched aside.
  if (pieces) {
    auto walk = loopOver(firstTile, count, stride, {}, "tile", [&](scf::ForOp tileLoop) {
      TilePlace at = place(tileLoop.getInductionVar());
      loopOver(zero, ix.c(t.piecesOfTile()), one, {}, "piece", [&](scf::ForOp pieceLoop) {
        const int64_t across = t.n / t.pieceColumns();
        Value piece = pieceLoop.getInductionVar(), block = ix.div(piece, across), patch = ix.sub(piece, ix.mul(block, across));
        Value row = called(ix.add(at.row, ix.mul(block, 64)), "piece_row"), column = called(ix.add(at.column, ix.mul(patch, t.pieceColumns())), "piece_column");
        auto slot = tile::RingAcquireOp::create(b, loc, slotType, pieces).getSlot();
        for (auto [i, map] : llvm::enumerate(residualMaps))
          for (int64_t box = 0; box < t.pieceRows() / 64; ++box) {
            SmallVector<Value> corner = {column, ix.add(row, box * rows)};
            if (at.matrix) corner.push_back(at.matrix);
            tile::CopyBulkOp::create(b, loc, map, corner, ValueRange(), slot, b.getI64IntegerAttr(int64_t(i)), IntegerAttr(), b.getI64IntegerAttr(box * 64));
          }
        tile::RingCommitOp::create(b, loc, slot);
      });
    });
    walk->setAttr("aside", b.getUnitAttr());
  }
  if (t.highLow) {
    b.setInsertionPointToStart(&roles.getSplitter().emplaceBlock());
    auto [splitterFirst, splitterEnd] = stepsOfBlock();
    walk(firstTile, stride, [&, splitterFirst = splitterFirst, splitterEnd = splitterEnd](auto, Value multiplies) {
      loopOver(splitterFirst, unlessEmpty(multiplies, splitterFirst, splitterEnd), one, {}, "step", [&](scf::ForOp) {
        auto slot = tile::RingWaitOp::create(b, loc, slotType, ring, 0).getSlot();
        tile::SplitLowOp::create(b, loc, slot, 1, kLow);
      });
    });
  }

  // Consumers.
  b.setInsertionPointToStart(&roles.getConsumer().emplaceBlock());
  auto [consumerFirst, consumerEnd] = stepsOfBlock();
  Value consumer = tile::ConsumerIdOp::create(b, loc, b.getIndexType());
  // Of a pair of A's rows each consumer has 64 from both halves of the tile.
  const bool ofTwo = t.pair == WgmmaPair::rows;
  Value firstRow = t.turns ? zero : called(ix.mul(consumer, ofTwo ? rows / 2 : rows), "first_row"), from = firstTile, every = stride;
  if (t.turns) {
    tile::RingSkipOp::create(b, loc, ring, ix.mul(consumer, p.steps));
    if (pieces) tile::RingSkipOp::create(b, loc, pieces, ix.mul(consumer, t.piecesOfTile()));
    from = called(ix.add(firstTile, ix.mul(consumer, stride)), "my_first_tile"), every = ix.mul(stride, t.consumers);
  }
  Type sumType = p.elementA.isInteger(8) ? Type(b.getI32Type()) : b.getF32Type();
  auto accType = VectorType::get({rows, t.n}, sumType);
  auto placeOfConsumer = [&](auto placeOfTile) {
    TilePlace at = placeOfTile();
    if (!t.turns) at.row = called(ix.add(at.row, firstRow), "my_row");
    return at;
  };
  auto multiply = [&](Value zeros, Value endStep) {
    auto loop = loopOver(consumerFirst, endStep, one, ValueRange{zeros}, "step", [&](scf::ForOp stepLoop) {
      auto slot = tile::RingWaitOp::create(b, loc, slotType, ring, 0).getSlot();
      Value next = tile::MmaOp::create(b, loc, accType, stepLoop.getRegionIterArg(0), slot, 0, 1, firstRow, 1, ofTwo ? t.m / 2 : 64).getResult();
      tile::RingReleaseOp::create(b, loc, ring, 1);
      scf::YieldOp::create(b, loc, next);
    });
    phase(loop, "Multiply: one group of products stays in flight, and a slot goes back once the group after it is issued");
    if (t.turns) {
      tile::TurnPassOp::create(b, loc);
      tile::RingSkipOp::create(b, loc, ring, ix.mul(p.steps, t.consumers - 1));
    }
    Value acc = tile::MmaWaitOp::create(b, loc, accType, loop.getResult(0)).getResult();
    tile::RingReleaseOp::create(b, loc, ring, 0);
    return acc;
  };
  walk(from, every, [&, consumerFirst = consumerFirst, consumerEnd = consumerEnd](auto placeOfTile, Value multiplies) {
    TilePlace at;
    if (p.begin) p.begin(b, loc, accType, at = placeOfConsumer(placeOfTile));
    if (t.turns) tile::TurnWaitOp::create(b, loc);
    Value zeros = arith::ConstantOp::create(b, loc, b.getZeroAttr(accType));
    Value endStep = unlessEmpty(multiplies, consumerFirst, consumerEnd);
    std::optional<promoted::ProductScales> scales;
    if (p.scalesA) {
      at = placeOfConsumer(placeOfTile);
      scales.emplace(promoted::ProductScales{{b, loc, *p.scalesA, 0, rows, at.row, p.m, at.matrix, p.steps}, {b, loc, *p.scalesB, 1, t.n, at.column, p.n, at.matrix, p.steps}, accType});
    }
    Value acc = t.promotes ? promoted::PromotedLoop{b, loc, ring, firstRow, accType, takesPairs(t), t.highLow, scales}.run(consumerFirst, endStep, zeros) : multiply(zeros, endStep);
    if (!p.begin && !p.scalesA) at = placeOfConsumer(placeOfTile);
    if (t.splits > 1) {
      acc = tile::ClusterReduceOp::create(b, loc, VectorType::get({rows, t.storedColumns()}, sumType), acc).getSlice();
      Value rankK = tile::ClusterRankOp::create(b, loc, b.getIndexType(), 2);
      at.column = called(ix.add(at.column, ix.mul(rankK, t.storedColumns())), "my_column");
    }
    Value result = hole(b, loc, acc, at);
    if (!result) return;
    SmallVector<Value> corner = {at.column, at.row};
    if (p.matrices) corner.push_back(at.matrix);
    OpBuilder::InsertionGuard guard(b);
    if (p.groups) {  // the copy engine would store into the next group
      Value isWhole = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sle, ix.add(at.row, rows), at.end);
      auto branch = scf::IfOp::create(b, loc, isWhole, /*withElse=*/true);
      b.setInsertionPointToStart(branch.elseBlock());
      Value offset = ix.add(ix.mul(at.row, p.n), at.column);
      phase(tile::StoreOp::create(b, loc, result, p.d, offset, ValueRange{p.n, one}, ValueRange{ix.sub(at.end, at.row), ix.sub(p.n, at.column)}),
            "The last rows of a group");
      b.setInsertionPointToStart(branch.thenBlock());
    }
    auto out = tile::StoreBulkOp::create(b, loc, result, mapD, corner);
    phase(out, "Epilogue, then patches of a warp's rows through swizzled shared memory");
    if (pieces && t.turns) tile::RingSkipOp::create(b, loc, pieces, ix.c(t.piecesOfTile() * (t.consumers - 1)));
  });
}

}  // namespace jinx::schedules
