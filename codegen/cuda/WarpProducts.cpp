// Products of warps (mma.sync): the tile of sums in registers, copies of operands into swizzled rows, and the products of a slot.
//
// A kernel with the attribute `warps` [m, n] has its products computed by so many warps; where what lies follows from WarpFragments.h.
#include "codegen/cuda/PipelineEmitter.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;

namespace jinx::cuda {

namespace {
std::string str(int64_t v) { return std::to_string(v); }
bool isConstant(Value v, int64_t c) { return getConstantIntValue(v) == c; }
constexpr int64_t kRowBytes = 128, kChunk = 16, kStepBytes = 32;  // kChunk: of the widest copy

/// Word `number` of a thread in parts: the bits from 2 on count the rows of an instruction, or the groups of 16 columns.
std::vector<std::pair<std::string, std::vector<int>>> beyondOneRead(const Layout &layout, const std::string &name) {
  std::vector<int> bits;
  for (int b = 2; int64_t(1) << b < layout.extentOf("register"); ++b) bits.push_back(b);
  return {{name, bits}};
}
}  // namespace

LogicalResult PipelineEmitter::readWarps() {
  auto attr = e_.kernel_->getAttrOfType<DenseI64ArrayAttr>("warps");
  if (!attr) return success();
  if (attr.size() != 2 || attr[0] < 1 || attr[1] < 1 || (attr[0] & (attr[0] - 1)) || (attr[1] & (attr[1] - 1)))
    return e_.kernel_.emitOpError("attribute `warps` is ") << attr << ", expected two powers of two (m, n)";
  warps_ = WarpGrid{attr[0], attr[1], 0, 0};
  WalkResult walk = e_.kernel_.walk([&](tile::MmaOp op) {
    auto type = cast<VectorType>(op.getAcc().getType());
    warps_->rows = type.getDimSize(0), warps_->columns = type.getDimSize(1);
    RingInfo &ring = ringOf(op.getSlot());
    Buffer &a = ring.buffers[op.getA()], &b = ring.buffers[op.getB()];
    a.operand = Operand::kA, b.operand = Operand::kB;
    auto isPower = [](int64_t v) { return v > 0 && (v & (v - 1)) == 0; };
    auto ofRows = [&](const Buffer &buffer) { return buffer.columns * buffer.elementBytes == kRowBytes && !buffer.pad; };
    if (ring.bulk || !ofRows(a) || !ofRows(b) || a.rows != warps_->rows || b.rows != warps_->columns || !isPower(a.rows) || !isPower(b.rows) ||
        warps_->warpRows() < 16 || warps_->warpColumns() < 32)
      return op.emitOpError("of warps expects an async ring, buffers of rows of 128 bytes, as many as the accumulator has rows and columns, and "
                            "powers of two of at least 16 rows and 32 columns for each warp"),
             WalkResult::interrupt();
    return WalkResult::advance();
  });
  return failure(walk.wasInterrupted());
}

TileLayout PipelineEmitter::warpLayout(const Shape &shape) {
  const WarpGrid &grid = *warps_;
  const int64_t blocks = grid.warpRows() / 16, groups = grid.warpColumns() / 32;
  std::vector<int> ofGroup, ofBlock;
  for (int bit = 4; int64_t(1) << (bit - 4) < groups; ++bit) ofGroup.push_back(bit);
  for (int bit = 4 + int(ofGroup.size()), end = bit; int64_t(1) << (bit - end) < blocks; ++bit) ofBlock.push_back(bit);
  const Layout sums = sumsLayout(grid).split("register", {{"c", {0, 2, 3}}, {"h", {1}}, {"g", ofGroup}, {"i", ofBlock}});
  const Layout::Texts thread = {{"warp", "warp"}, {"lane", "lane"}};
  e_.prologue("const int lane = threadIdx.x % 32;");
  e_.prologue("const int warp = warp_uniform(threadIdx.x / 32);");
  e_.out_.reserve("lane"), e_.out_.reserve("warp");
  e_.constant("kRowBlocks", blocks, "of 16 rows that a warp multiplies");
  e_.constant("kColumnGroups", groups, "of 32 columns: four products, and 8 neighbours of each row in a thread");
  e_.constant("kOctets", 4 * groups, "products side by side");
  e_.prologue("const int fragment_row = " + sums.text("row", thread) + ";");
  e_.prologue("const int fragment_column = " + sums.text("column", thread) + ";");
  TileLayout layout;
  layout.loops = {{"i", "kRowBlocks", blocks}, {"h", "2", 2}, {"g", "kColumnGroups", groups}, {"c", "8", 8}};
  layout.subscripts = {"i", "4 * g + c / 2", "2 * h + c % 2"};
  layout.extents = {"kRowBlocks", "kOctets", "4"};
  layout.columnLoop = layout.loops[2];
  layout.row = {"fragment_row + " + sums.text("row", {{"i", "i"}, {"h", "h"}}), Expr::kAdd};
  layout.column = {"fragment_column + " + sums.text("column", {{"g", "g"}, {"c", "c"}}), Expr::kAdd};
  layout.elementsPerThread = shape[0] * shape[1] / (grid.m * grid.n * 32);
  return layout;
}

/// Bytes that the places of a copy's rows are surely multiples of; 1: that shows when the kernel runs. Below 4 no asynchronous copy can be had.
static int64_t alignmentOf(tile::CopyOp op, int64_t elementBytes) {
  for (int64_t bytes = kChunk; bytes >= 4; bytes /= 2)
    if (isMultiple(op.getOffset(), bytes / elementBytes) && isMultiple(op.getStrides()[0], bytes / elementBytes)) return bytes;
  auto stride = getConstantIntValue(op.getStrides()[0]);
  return stride && *stride * elementBytes % 4 ? 2 : 1;
}

LogicalResult PipelineEmitter::emitRowsCopy(tile::CopyOp op, RingInfo &ring, const Buffer &b) {
  if (op.getPanel()) return op.emitOpError("into rows of 128 bytes takes no panels");
  const std::string suffix = b.suffix + ring.suffix;
  const bool isRun = isConstant(op.getStrides()[1], 1);
  std::string key;
  const Layout keys = swizzleKey(b.operand, b.rows);
  for (int64_t bit : {1, 2, 4})
    for (int row = 0; int64_t(1) << row < b.rows; ++row)
      if (keys.at("key", {{"row", int64_t(1) << row}}) == bit) key += (key.empty() ? "" : ", ") + str(row);
  e_.constant("kRows" + suffix, b.rows, "of " + b.name + " in a slot, 128 bytes each");
  std::string text = isRun ? "copy_rows<kRows" + suffix + ", kThreads, " + str(alignmentOf(op, b.elementBytes)) + ", RowKey<" + key + ">>("
                           : "copy_rows_apart<kRows" + suffix + ", kThreads, RowKey<" + key + ">>(";
  text += "smem + kOffset" + suffix + " + " + named(ring, "fill") + " * kStageBytes" + suffix + ", ";
  text += add(e_.bound_[op.getPtr()].expr, e_.scalar(op.getOffset())).text;
  for (Value stride : isRun ? op.getStrides().take_front(1) : op.getStrides()) text += ", " + e_.scalar(stride).text;
  for (Value limit : op.getLimits()) text += ", " + e_.scalar(limit).text;
  e_.out_.line(text + ");");
  return success();
}

/// The words of two steps along k: one is fetched while the other is multiplied, from slot to slot.
void PipelineEmitter::declareWords() {
  wordsA_ = e_.out_.unique("words_a"), wordsB_ = e_.out_.unique("words_b");
  e_.out_.line("u32 " + wordsA_ + "[2][kRowBlocks][4] = {}, " + wordsB_ + "[2][kOctets / 2][4] = {};  // one step along k is fetched while the other is multiplied");
}

void PipelineEmitter::printWarpProducts(const std::string &acc, const std::string &step) {
  e_.out_.directive("#pragma unroll");
  e_.out_.open("for (int i = 0; i < kRowBlocks; ++i)");
  e_.out_.directive("#pragma unroll");
  e_.out_.open("for (int j = 0; j < kOctets; ++j)");
  e_.out_.line(warpProduct_ + "(" + acc + "[i][j], " + wordsA_ + "[" + step + "][i], " + wordsB_ + "[" + step + "][j / 2] + j % 2 * 2);");
  e_.out_.close();
  e_.out_.close();
}

LogicalResult PipelineEmitter::emitWarpMma(tile::MmaOp op, RingInfo &ring, const std::string &acc) {
  const Buffer &a = ring.buffers[op.getA()], &b = ring.buffers[op.getB()];
  const std::string typeA = tensorCoreType(elementOf(ring, op.getA())), typeB = tensorCoreType(elementOf(ring, op.getB()));
  const bool ofBytes = a.elementBytes == 1;
  const bool isKnown = ofBytes ? (typeA == "s8" || typeA == "u8") && (typeB == "s8" || typeB == "u8") : typeA == typeB && (typeA == "bf16" || typeA == "f16");
  if (!isKnown || cType(getElementTypeOrSelf(op.getAcc().getType())) != (ofBytes ? "i32" : "float"))
    return op.emitOpError("of warps multiplies 16-bit floats of one type with f32 sums, or bytes with i32 sums");
  if (op.getPending() != 1) return op.emitOpError("of warps leaves its last step to tile.mma_wait, expected pending 1");
  SourceWriter &out = e_.out_;
  e_.constant("kSteps", kRowBytes / kStepBytes, "along k in one slot, of 32 bytes");
  warpProduct_ = "mma_m16n8k" + str(kStepBytes / a.elementBytes) + "_" + (typeA == typeB ? typeA : typeA + "_" + typeB);
  // Where this lane's rows begin in a slot; what else a read's place depends on is added, or XORed into the chunk.
  auto first = [&](const Buffer &buffer) {
    const Layout rows = matrixRows(buffer.operand, *warps_);
    const std::string row = buffer.name + "_row", at = buffer.name + "_first";
    e_.prologue("const int " + row + " = " + rows.text("row", {{"warp", "warp"}, {"lane", "lane"}}) + ";");
    e_.prologue("const int " + at + " = " + row + " * 128 + (" + rows.text("byte", {{"lane", "lane"}}) + " ^ (" +
                swizzleKey(buffer.operand, buffer.rows).text("key", {{"row", row}}) + ") * 16);");
    return at;
  };
  const std::string take = named(ring, "take");
  auto fetch = [&](const Buffer &buffer, const std::string &words, const std::string &variable, const std::string &extent) {
    const Layout layout = wordsLayout(buffer.operand, *warps_);
    const std::string next = layout.split("register", beyondOneRead(layout, variable)).text("row", {{variable, variable}}), suffix = buffer.suffix + ring.suffix;
    const std::string at = "smem + kOffset" + suffix + " + " + take + " * kStageBytes" + suffix + " + (" + first(buffer) + " ^ kk * 32)";
    out.directive("#pragma unroll");
    out.open("for (int " + variable + " = 0; " + variable + " < " + extent + "; ++" + variable + ")");
    out.line("ldmatrix_x4(" + words + "[kk % 2][" + variable + "], " + at + (next == "0" ? "" : " + (" + next + ") * 128") + ");");
    out.close();
  };
  out.directive("#pragma unroll");
  out.open("for (int kk = 0; kk < kSteps; ++kk)");
  fetch(a, wordsA_, "i", "kRowBlocks");
  fetch(b, wordsB_, "p", "kOctets / 2");
  printWarpProducts(acc, "(kk + 1) % 2");
  out.close();
  return success();
}

}  // namespace jinx::cuda
