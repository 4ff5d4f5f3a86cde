// Products of codes (ir/Tile/TileCodeOps.td): what a block's warps hold, a loop over chunks of k, and the sum over the warps that share k.
//
// A warp holds blocks of 16 channels by octets of rows (tokens), as the transposed mma.sync leaves them: sum q of lane l is channel l / 4 * 2 + q / 2 of the
// block, row l % 4 * 2 + q % 2 of the octet. Its products of one block and one group of k begin at zero; the scale of the group multiplies their sum. So no
// weight is rounded twice, and a scale costs an operation for each 32 products or more.
//
// Every lane loads what it multiplies, and nothing but that, 16 bytes at a time into registers: no shared memory, and no barrier in the loop. Codes and scales
// are fetched kAhead rounds before they are multiplied, activations one, as registers come free; what sixteen warps of a multiprocessor have under way covers
// the latency. Codes that are constants of the plan (attribute `constant`) do not wait for the launch before: nobody writes them, and the first are there
// when it ends.
#include "codegen/cuda/PipelineEmitter.h"
#include "llvm/Support/FormatVariadic.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;

namespace jinx::cuda {

namespace {
constexpr int64_t kChunk = 64, kBlock = 16, kOctet = 8, kPiece = 16;  // k of a warp at a time; channels; rows; bytes of a load
constexpr int64_t kRun = 4;                                           // neighbours that a thread has of the sums
constexpr int64_t kPanel = 4;                                         // blocks whose codes of a chunk are one run

std::string str(int64_t v) { return std::to_string(v); }
std::string hex(uint32_t v) { return llvm::formatv("0x{0:X-8}", v).str(); }
bool isPower(int64_t v) { return v > 0 && (v & (v - 1)) == 0; }
/// The bits of a number as f16 or bf16.
uint32_t bitsOf(double value, Type type) {
  APFloat number(value);
  bool isInexact;
  number.convert(cast<FloatType>(type).getFloatSemantics(), APFloat::rmNearestTiesToEven, &isInexact);
  return uint32_t(number.bitcastToAPInt().getZExtValue());
}
Type pointedAt(Value pointer) { return cast<tile::PtrType>(pointer.getType()).getElement(); }
}  // namespace

LogicalResult PipelineEmitter::readCodes() {
  WalkResult walk = e_.kernel_.walk([&](tile::DotCodesOp op) {
    auto type = cast<VectorType>(op.getParts().getType());
    auto threads = e_.kernel_->getAttrOfType<IntegerAttr>("threads");
    CodeGrid grid{type.getDimSize(1), type.getDimSize(2), threads ? threads.getInt() / 32 / type.getDimSize(0) : 1, type.getDimSize(0), op.getLevels().has_value()};
    const bool fits = rings_.empty() && !codes_ && isPower(grid.warpsK) && isPower(grid.warpsN) && isPower(grid.rows) && isPower(grid.columns) && grid.rows >= kOctet &&
                      grid.columns >= kBlock * grid.warpsN && grid.columns <= kRun * grid.threads();
    if (!fits || (threads && threads.getInt() != grid.threads()))
      return op.emitOpError("expects a tile of powers of two, from 8 rows and 16 columns a warp on, the attribute `threads` of the kernel, and no ring beside it"),
             WalkResult::interrupt();
    const int64_t eachA = kPiece / bytesOf(pointedAt(op.getA()));
    if (!isHalf(pointedAt(op.getA()))) return op.emitOpError("multiplies 16-bit floats, got ") << pointedAt(op.getA()), WalkResult::interrupt();
    if (!isMultiple(op.getAOffset(), eachA) || !isMultiple(op.getAStride(), eachA) || !isMultiple(op.getDepth(), eachA))
      return op.emitOpError("reads rows of a at multiples of 16 bytes"), WalkResult::interrupt();
    for (Value v : {Value(op.getScales()), Value(op.getOffsets())})
      if (v && !pointedAt(v).isF32() && !isHalf(pointedAt(v))) return op.emitOpError("has scales of ") << pointedAt(v) << ", expected f32, f16 or bf16", WalkResult::interrupt();
    codes_ = grid, constantCodes_ = op->hasAttr("constant");
    return WalkResult::advance();
  });
  return failure(walk.wasInterrupted());
}

void PipelineEmitter::declareCodes() {
  const CodeGrid &grid = *codes_;
  e_.constant("kRows", grid.rows, "of a block's tile");
  e_.constant("kWarpsK", grid.warpsK, "warps that share a tile, each with every such chunk of 64 k");
  e_.constant("kBlocks", grid.blocks(), "of 16 columns that a warp multiplies");
  e_.constant("kOctets", grid.octets(), "of rows");
  e_.constant("kOffsetParts", partOffset_, "sums that warps leave, in shared memory");
  e_.constant("kLineParts", grid.line(), "of those, in floats: neighbouring rows begin in different banks");
  if (clusterK_ > 1) {
    e_.constant("kOffsetPartBarriers", partBarriers_, "parts are there, parts were read");
    e_.prologue("const int rank_k = cluster_rank();");
  }
  e_.prologue("const int lane = threadIdx.x % 32;");
  e_.prologue("const int warp = warp_uniform(threadIdx.x / 32);");
  e_.prologue(grid.warpsK == 1 ? "const int warp_k = 0;" : "const int warp_k = warp % kWarpsK;");
  e_.prologue(grid.warpsN == 1 ? "const int warp_n = 0;" : "const int warp_n = warp / kWarpsK;");
  for (const char *name : {"smem", "lane", "warp", "warp_k", "warp_n", "run_row", "run_column"}) e_.out_.reserve(name);
}

/// What is in shared memory from the start: barriers for sums over the blocks of a cluster, the table of pairs.
void PipelineEmitter::startCodes(tile::DotCodesOp op) {
  SourceWriter &out = e_.out_;
  out.line("u8* const smem = dynamic_shared();");
  if (clusterK_ > 1) {
    out.line("const u32 parts_there = smem_address(smem + kOffsetPartBarriers), parts_read = parts_there + 8;");
    out.open("if (threadIdx.x == 0)");
    out.line("mbar_init(parts_there, kSplits);");
    out.line("mbar_init(parts_read, kSplits);");
    out.line("mbar_init_fence();");
    out.close();
    out.line("cluster_arrive_relaxed();");
    out.line("cluster_wait();");
  }
  if (startsGrid()) out.line("grid_release_next();");
  if (!op.getLevels()) return;
  // By bytes: the low ones of levels 0 to 3, 4 to 7, …, then the high ones.
  uint32_t words[8] = {};
  for (auto [i, level] : llvm::enumerate(*op.getLevels())) {
    const uint32_t bits = bitsOf(double(level), pointedAt(op.getA()));
    words[i / 4] |= (bits & 0xFF) << 8 * (i % 4), words[4 + i / 4] |= (bits >> 8) << 8 * (i % 4);
  }
  std::string text = "const u32 level_bytes[8] = {";
  for (auto [i, word] : llvm::enumerate(words)) text += (i ? ", " : "") + hex(word);
  out.comment("What pairs of codes stand for.");
  out.line(text + "};");
  out.line("fill_pairs<kThreads>(smem, level_bytes);");
  out.line("block_sync();");
}

TileLayout PipelineEmitter::codeLayout(const Shape &shape) {
  const CodeGrid &grid = *codes_;
  TileLayout layout;
  if (shape.size() == 3) {  // parts: nobody but the product and tile.sum_warps asks where an element is
    layout.loops = {{"i", "kBlocks", grid.blocks()}, {"j", "kOctets", grid.octets()}, {"q", "4", 4}};
    layout.subscripts = {"i", "j", "q"};
    layout.extents = {"kBlocks", "kOctets", "4"};
    layout.elementsPerThread = grid.blocks() * grid.octets() * 4;
    return layout;
  }
  const int64_t across = shape[1] / kRun, runs = llvm::divideCeil(shape[0] * across, grid.threads());
  e_.constant("kRuns", runs, "of 4 neighbours of a row that a thread has");
  e_.constant("kRowStep", grid.threads() / across, "rows from one run to the next");
  e_.prologue("const int run_row = threadIdx.x / " + str(across) + ";");
  e_.prologue("const int run_column = threadIdx.x % " + str(across) + " * 4;");
  layout.loops = {{"r", "kRuns", runs}, {"e", "4", kRun}};
  layout.subscripts = {"r", "e"};
  layout.extents = {"kRuns", "4"};
  layout.row = runs == 1 ? Expr{"run_row"} : Expr{"run_row + r * kRowStep", Expr::kAdd};
  layout.column = {"run_column + e", Expr::kAdd};
  layout.elementsPerThread = runs * kRun;
  return layout;
}

/// Whether a warp's registers hold a chunk of codes more beside its sums, of 16 x 8 each: what ptxas was seen to allot without a spill (decision 0029).
static bool holdsTwoChunks(tile::DotCodesOp op, int64_t sums, int64_t sections, bool inCluster) {
  if (op.getBits() != 4 || op.getOffsets()) return false;
  if (op.getLevels()) return sums <= 4 && sections == 1;  // levels are a table, in registers too
  return sums <= (sections == 2 && inCluster ? 4 : 8);
}

LogicalResult PipelineEmitter::emitDotCodes(tile::DotCodesOp op) {
  const CodeGrid &grid = *codes_;
  const Type element = pointedAt(op.getA());
  const int64_t bits = op.getBits(), group = op.getGroup(), sections = group % kChunk ? 2 : 1, each = kPiece / bytesOf(pointedAt(op.getCodes()));
  const int64_t chunkSize = kBlock * kChunk * bits / 8 / bytesOf(pointedAt(op.getCodes()));
  const bool ofBf16 = element.isBF16(), isWhole = isMultiple(op.getDepth(), kChunk);
  const std::string half = ofBf16 ? "bf16" : "f16", product = "mma_m16n8k16_" + half, typeA = cType(element), typeCodes = cType(pointedAt(op.getCodes()));
  startCodes(op);
  SourceWriter &out = e_.out_;
  const std::string rowsAt = out.unique("rows_at"), codesAt = out.unique("codes_at"), heldRows = out.unique("held_rows"), heldCodes = out.unique("held_codes");
  const std::string lastBlock = out.unique("last_block"), firstChunk = out.unique("first_chunk"), fetch = out.unique("fetch"), fetchRows = out.unique("fetch_rows");
  auto unrolled = [&](const std::string &loop) {
    out.directive("#pragma unroll");
    out.open("for (int " + loop + ")");
  };
  e_.constant("kGroup", group, "of k with one scale");
  // A group that ends within the 64 k of a chunk does so after 32 of them.
  e_.constant("kSections", sections, "of a chunk, each with one scale");
  e_.constant("kSteps", 4 / sections, "of 16 k in a section");
  const int64_t sums = grid.blocks() * grid.octets();
  e_.constant("kAhead", holdsTwoChunks(op, sums, sections, clusterK_ > 1) ? 2 : 1, "chunks of codes that a warp has fetched or fetches");
  if (!op.getLevels() && bits == 4) {
    const uint32_t less = bitsOf(-((ofBf16 ? 128.0 : 1024.0) + double(op.getZero())), element);
    e_.constants_.push_back("constexpr u32 kLess = " + hex(less << 16 | less) + ";  // minus " + str((ofBf16 ? 128 : 1024) + op.getZero()) + ", twice");
  }
  // ---- where this lane reads ----
  struct Scaling {
    Value pointer;
    std::string at, held, type;
  };
  SmallVector<Scaling> scalings;
  for (Value v : {Value(op.getScales()), Value(op.getOffsets())})
    if (v) scalings.push_back({v, out.unique(scalings.empty() ? "scales_at" : "offsets_at"), out.unique(scalings.empty() ? "held_scales" : "held_offsets"), cType(pointedAt(v))});
  out.comment("Chunks of 64 k: what a lane multiplies is loaded as registers come free.");
  const std::string rows = e_.scalar(op.getRows()).in(Expr::kAdd);
  out.line("const " + typeA + "* " + rowsAt + "[kOctets];");
  unrolled("j = 0; j < kOctets; ++j");
  out.line(rowsAt + "[j] = " + add(e_.bound_[op.getA()].expr, e_.scalar(op.getAOffset())).text + " + least<i64>(j * 8 + lane / 4, " + rows + " - 1) * " +
           e_.scalar(op.getAStride()).in(Expr::kMultiply) + " + lane % 4 * 8;");
  out.close();
  const std::string codesLine = e_.scalar(op.getCodesLine()).in(Expr::kMultiply), scalesLine = e_.scalar(op.getScalesLine()).in(Expr::kMultiply);
  out.line("const " + typeCodes + "* const " + codesAt + " = " + add(e_.bound_[op.getCodes()].expr, e_.scalar(op.getCodesOffset())).text + " + lane * " + str(each) + ";");
  // Two sections' scales of four blocks are many registers: each lane loads the pair of one block, and they are exchanged where they multiply.
  const bool sharesScales = sections == 2 && bits == 4 && grid.blocks() == 4 && isHalf(pointedAt(op.getScales()));
  for (const Scaling &s : scalings)
    out.line("const " + s.type + "* const " + s.at + " = " + add(e_.bound_[s.pointer].expr, e_.scalar(op.getScalesOffset())).text +
             (sharesScales && &s == &scalings[0] ? " + lane % 8 * 2;" : " + lane / 4 * 2;"));
  std::string block = "warp_n * kBlocks + i", blockOfLane = "warp_n * kBlocks + lane / 8";
  if (op.getBlocks()) {
    out.line("const int " + lastBlock + " = static_cast<int>(least<i64>(" + e_.scalar(op.getBlocks()).text + ", " + str(grid.columns / kBlock) + ")) - 1;");
    block = "least<int>(" + block + ", " + lastBlock + ")", blockOfLane = "least<int>(" + blockOfLane + ", " + lastBlock + ")";
  }
  // The second half of the last chunk may lie behind the last group: its rows are zeros, its scale must be a number.
  const std::string groupAt = sections == 2 ? "(chunk * 64 + g * 32) / kGroup" : "chunk * 64 / kGroup";
  const bool mayPass = sections == 2 && !isWhole;
  const std::string groupNumber = mayPass ? "least<i64>(" + groupAt + ", " + "(" + e_.scalar(op.getDepth()).text + " - 1) / kGroup)" : groupAt;
  const auto depth = getConstantIntValue(op.getDepth());
  const bool isOneGroup = depth && *depth <= group;
  const std::string load = startsGrid() ? "_constant(" : "(";
  auto loadScaling = [&](const Scaling &s, const std::string &ofBlock) {
    return "load_two" + load + s.at + " + (" + ofBlock + ") * " + scalesLine + (isOneGroup ? "" : " + " + groupNumber + " * 16") + ")";
  };
  const std::string words = bits == 8 ? "[2][4]" : "[4]";
  out.line("u32 " + heldRows + "[2][kOctets][4], " + heldCodes + "[kAhead][kBlocks]" + words + ";");
  out.line("Pack<" + str(2 * bytesOf(pointedAt(op.getScales()))) + ", " + scalings[0].type + "> " + scalings[0].held + (sharesScales ? "[kAhead][kSections];" : "[kAhead][kSections][kBlocks];"));
  // ---- a chunk's loads ----
  out.open("const auto " + fetch + " = [&](int ahead, int chunk)");
  unrolled("i = 0; i < kBlocks; ++i");
  const std::string inRun = " + (" + block + ") * " + str(chunkSize), inRuns = " + (" + block + ") / 4 * " + codesLine + " + (" + block + ") % 4 * " + str(chunkSize);
  const std::string from = codesAt + (grid.columns <= kPanel * kBlock ? inRun : inRuns) + " + chunk * " + str(kPanel * chunkSize), loadWords = startsGrid() ? "load_words_constant(" : "load_words_once(";
  if (bits == 8) {
    unrolled("h = 0; h < 2; ++h");
    out.line(loadWords + heldCodes + "[ahead][i][h], " + from + " + h * " + str(chunkSize / 2) + ");");
    out.close();
  } else {
    out.line(loadWords + heldCodes + "[ahead][i], " + from + ");");
  }
  out.close();
  unrolled("g = 0; g < kSections; ++g");
  if (sharesScales) {
    out.line(scalings[0].held + "[ahead][g] = " + loadScaling(scalings[0], blockOfLane) + ";");
  } else {
    unrolled("i = 0; i < kBlocks; ++i");
    out.line(scalings[0].held + "[ahead][g][i] = " + loadScaling(scalings[0], block) + ";");
    out.close();
  }
  out.close();
  out.close(";");
  out.open("const auto " + fetchRows + " = [&](int chunk)");
  unrolled("h = 0; h < 2; ++h");
  unrolled("j = 0; j < kOctets; ++j");
  out.line(isWhole ? "load_words(" + heldRows + "[h][j], " + rowsAt + "[j] + chunk * 64 + h * 32);"
                   : "load_words_where(" + heldRows + "[h][j], " + rowsAt + "[j] + chunk * 64 + h * 32, chunk * 64 + h * 32 + lane % 4 * 8 < " + e_.scalar(op.getDepth()).in(Expr::kShift) + ");");
  out.close();
  out.close();
  out.close(";");
  // ---- the loop ----
  const std::string parts = out.unique("parts"), end = e_.scalar(op.getTo()).in(Expr::kShift);
  out.line("float " + parts + "[kBlocks][kOctets][4] = {};");
  out.line("const int " + firstChunk + " = " + (getConstantIntValue(op.getFrom()) == 0 ? "warp_k;" : "static_cast<int>(" + e_.scalar(op.getFrom()).text + ") + warp_k;"));
  unrolled("ahead = 0; ahead < kAhead; ++ahead");
  out.line("if (" + firstChunk + " + ahead * kWarpsK < " + end + ") " + fetch + "(ahead, " + firstChunk + " + ahead * kWarpsK);");
  out.close();
  if (startsGrid()) out.line("grid_wait_previous();");
  out.line("if (" + firstChunk + " < " + end + ") " + fetchRows + "(" + firstChunk + ");");
  if (op.getLevels()) out.line("const u32 bank = lane * 4;");
  out.directive("#pragma unroll 1");
  out.open("for (int round = " + firstChunk + "; round < " + end + "; round += kAhead * kWarpsK)");
  unrolled("ahead = 0; ahead < kAhead; ++ahead");
  out.line("const int chunk = round + ahead * kWarpsK;");
  out.line("if (kAhead > 1 && chunk >= " + end + ") break;");
  if (op.getOffsets()) {
    out.comment("Sums of activations, which offsets multiply: products with ones.");
    out.line("float totals[kSections][kOctets][4] = {};");
    const std::string one = hex(bitsOf(1.0, element) * 0x10001u);
    out.line("const u32 ones[4] = {" + one + ", " + one + ", " + one + ", " + one + "};");
    unrolled("s = 0; s < 4; ++s");
    unrolled("j = 0; j < kOctets; ++j");
    out.line(product + "(totals[s / kSteps][j], ones, " + heldRows + "[s / 2][j] + s % 2 * 2);");
    out.close();
    out.close();
  }
  unrolled("i = 0; i < kBlocks; ++i");
  unrolled("g = 0; g < kSections; ++g");
  out.line("float part[kOctets][4] = {};");
  unrolled("s = g * kSteps; s < (g + 1) * kSteps; ++s");
  out.line("u32 weights[4];");
  if (op.getLevels()) {
    out.line("weights_pairs(weights, " + heldCodes + "[ahead][i][s], smem, bank);");
  } else if (bits == 4) {
    out.line("weights_i4_" + half + "(weights, " + heldCodes + "[ahead][i][s], kLess);");
  } else {
    out.line("weights_i8_" + half + "(weights, " + heldCodes + "[ahead][i][s / 2] + s % 2 * 2);");
  }
  unrolled("j = 0; j < kOctets; ++j");
  out.line(product + "(part[j], weights, " + heldRows + "[s / 2][j] + s % 2 * 2);");
  out.close();
  out.close();
  if (op.getOffsets()) out.line("const auto offset = " + loadScaling(scalings[1], block) + ";");
  if (sharesScales) out.line("const auto scale = two_of_lane(" + scalings[0].held + "[ahead][g], i * 8 + lane / 4);");
  unrolled("j = 0; j < kOctets; ++j");
  out.line("add_scaled<" + scalings[0].type + ">(" + parts + "[i][j], part[j], " + (sharesScales ? "scale" : scalings[0].held + "[ahead][g][i]") + ");");
  if (op.getOffsets()) out.line("add_scaled<" + scalings[1].type + ">(" + parts + "[i][j], totals[g][j], offset);");
  out.close();
  out.close();
  out.close();
  out.line("if (chunk + kWarpsK < " + end + ") " + fetchRows + "(chunk + kWarpsK);");
  out.line("if (chunk + kAhead * kWarpsK < " + end + ") " + fetch + "(ahead, chunk + kAhead * kWarpsK);");
  out.close();
  out.close();
  e_.bindArray(op.getParts(), parts);
  return success();
}

/// What the warps of this block have becomes one tile, where the first of them left its own: another block then reads a sum of each, not all that it is made of.
void PipelineEmitter::printOwnSums(const std::string &left) {
  const CodeGrid &grid = *codes_;
  SourceWriter &out = e_.out_;
  const std::string across = str(grid.columns / kRun);
  out.open("for (int run = threadIdx.x; run < kRows * " + across + "; run += kThreads)");
  out.line("float own[4] = {};");
  out.line("float* const at = " + left + " + run / " + across + " * kLineParts + run % " + across + " * 4;");
  out.directive("#pragma unroll");
  out.open("for (int w = 0; w < kWarpsK; ++w)");
  out.line("shared_add_x4(own, at + w * kRows * kLineParts);");
  out.close();
  out.line("shared_store_x4(smem_address(at), own);");
  out.close();
  out.line("block_sync();");
}

LogicalResult PipelineEmitter::emitSumWarps(tile::SumWarpsOp op) {
  auto acc = takeAccumulator(op.getParts(), op.getSums());
  if (failed(acc)) return failure();
  auto parts = cast<VectorType>(op.getParts().getType()), sums = cast<VectorType>(op.getSums().getType());
  const CodeGrid &grid = *codes_;
  if (parts.getDimSize(0) != grid.warpsK || parts.getDimSize(1) != grid.rows || parts.getDimSize(2) != grid.columns ||
      sums.getDimSize(1) * clusterK_ != grid.columns || sums.getDimSize(1) < kRun)
    return op.emitOpError("expects what tile.dot_codes gives, and as its result a slice of the columns for each of ") << clusterK_ << " blocks along k";
  TileLayout layout = e_.layoutOf(Shape(sums.getShape()));
  const bool isWhole = grid.rows * sums.getDimSize(1) / kRun % grid.threads() == 0;
  SourceWriter &out = e_.out_;
  auto unrolled = [&](const std::string &loop) {
    out.directive("#pragma unroll");
    out.open("for (int " + loop + ")");
  };
  out.comment("Each warp leaves its sums; a thread adds up runs of a row.");
  const std::string left = out.unique("left");
  out.line("float* const " + left + " = reinterpret_cast<float*>(smem + kOffsetParts);");
  unrolled("i = 0; i < kBlocks; ++i");
  unrolled("j = 0; j < kOctets; ++j");
  unrolled("e = 0; e < 2; ++e");
  out.line("shared_store_two(" + left + " + (warp_k * kRows + j * 8 + lane % 4 * 2 + e) * kLineParts + (warp_n * kBlocks + i) * 16 + lane / 4 * 2, " + *acc + "[i][j][e], " + *acc + "[i][j][2 + e]);");
  out.close();
  out.close();
  out.close();
  out.line("block_sync();");
  if (clusterK_ > 1) {
    if (grid.warpsK > 1) printOwnSums(left);
    out.line("if (threadIdx.x < kSplits) mbar_arrive_publish(parts_there, threadIdx.x);");
    out.line("mbar_wait_cluster(parts_there, 0);");
  }
  const std::string name = out.unique("sums"), row = layout.row.text;
  out.line("float " + layout.declare(name) + " = {};");
  unrolled("r = 0; r < kRuns; ++r");
  if (!isWhole) out.open("if (" + row + " < kRows)");
  if (clusterK_ > 1) {
    unrolled("split = 0; split < kSplits; ++split");
    out.line("cluster_add_x4(" + name + "[r], smem_address(" + left + " + " + layout.row.in(Expr::kMultiply) + " * kLineParts + rank_k * " + str(sums.getDimSize(1)) + " + run_column), split);");
  } else {
    unrolled("w = 0; w < kWarpsK; ++w");
    out.line("shared_add_x4(" + name + "[r], " + left + " + (w * kRows + " + row + ") * kLineParts + run_column);");
  }
  out.close();
  if (!isWhole) out.close();
  out.close();
  if (clusterK_ > 1) {
    out.line("block_sync();");
    out.line("if (threadIdx.x < kSplits) mbar_arrive_publish(parts_read, threadIdx.x);");
    out.line("mbar_wait_cluster(parts_read, 0);  // shared memory outlives its last reader");
  }
  e_.bindArray(op.getSums(), name);
  return success();
}

}  // namespace jinx::cuda
