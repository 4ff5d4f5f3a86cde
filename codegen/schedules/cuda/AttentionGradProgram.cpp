#include "codegen/schedules/cuda/AttentionGradProgram.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace jinx::schedules {

namespace {

constexpr int64_t kPanel = 64;               // columns of a swizzle span of 128 bytes
constexpr int64_t kMaxShared = 232448;
constexpr int64_t kRegisters = 240;          // of a consumer's thread
constexpr int64_t kSectionBytes = 32 << 20;  // of streamed operands that the second-level cache keeps
constexpr double kLog2e = 1.4426950408889634;

int64_t alignTo(int64_t v, int64_t a) { return (v + a - 1) / a * a; }
/// With few columns a head weights take as long as products. Measured (H200, 64 columns): turns are a twelfth faster in either program; with 128
/// they change nothing.
bool takesTurns(int64_t headDim) { return headDim <= 64; }
int64_t storeColumns(int64_t headDim) { return headDim % 64 == 0 ? 64 : headDim % 32 == 0 ? 32 : 16; }

}  // namespace

int64_t wgmmaAttentionGradSharedBytes(GradOf what, const WgmmaAttentionGradTile &t, int64_t headDim) {
  const int64_t rowBytes = alignTo(headDim, kPanel) * 2, owned = 2 * t.rows * rowBytes;
  const bool ofKeys = what == GradOf::keys, turns = takesTurns(headDim);
  const int64_t first = t.stages + 1, second = t.stages + (ofKeys && turns), streamed = (first + second) * t.step * rowBytes;
  auto values = [&](int64_t stages) { return ofKeys ? alignTo(stages * alignTo(t.step * 4, 128), 1024) : 0; };
  const int64_t staging = t.rows / 64 * 4 * 2 * 16 * storeColumns(headDim) * 2;
  return owned + streamed + values(first) + values(second) + staging + 16 * (2 + first + second) + (turns ? 8 * t.rows / 64 : 0) + 1024;
}

std::string wgmmaAttentionGradInfeasible(GradOf what, const WgmmaAttentionGradTile &t, int64_t headDim) {
  if (headDim % 16 || headDim < 16 || headDim > 256) return "the head dimension is a multiple of 16 up to 256";
  if (t.rows % 64 || t.rows < 64 || t.rows > kAttentionGradRows) return "a block has one or two consumers of 64 rows";
  if (t.step % 16 || t.step < 16 || t.step > 256) return "a step takes a multiple of 16 rows, up to 256";
  if (t.stages < 1) return "a ring has at least one slot";
  // A thread's parts of the sums, of scores and their gradients, of what is rounded, here and from the step before; some 16 more registers for
  // everything else.
  const int64_t sums = (what == GradOf::keys ? 2 : 1) * headDim / 2;
  if (sums + t.step + 2 * t.step / 4 > kRegisters - 16) return "too many values for a thread's registers";
  if (wgmmaAttentionGradSharedBytes(what, t, headDim) > kMaxShared) return "more shared memory than a block may have";
  return "";
}

WgmmaAttentionGradTile chooseWgmmaAttentionGradTile(GradOf what, int64_t headDim) {
  WgmmaAttentionGradTile tile;
  tile.step = takesTurns(headDim) ? 96 : 64;
  tile.stages = what == GradOf::queries && headDim > 64 ? 3 : 2;
  return tile;
}

std::string wgmmaAttentionGradPrograms(GradOf what, const WgmmaAttentionGrad &p, const WgmmaAttentionGradTile &t) {
  const bool ofKeys = what == GradOf::keys;
  std::string heads = ofKeys && p.group > 1 ? "((" + p.heads.text + ") floordiv " + std::to_string(p.group) + ")" : "(" + p.heads.text + ")";
  return "(" + p.batch.text + ") * " + heads + " * (((" + (ofKeys ? p.keys : p.queries).text + ") + " + std::to_string(t.rows - 1) + ") floordiv " +
         std::to_string(t.rows) + ")";
}

void emitWgmmaAttentionGrad(OpBuilder &b, tile::KernelOp kernel, GradOf what, const WgmmaAttentionGrad &problem, const WgmmaAttentionGradTile &tile) {
  (what == GradOf::keys ? emitAttentionGradKeys : emitAttentionGradQueries)(b, kernel, problem, tile);
}

AttentionGradProgram::AttentionGradProgram(OpBuilder &b, tile::KernelOp kernel, GradOf what, const WgmmaAttentionGrad &problem,
                                           const WgmmaAttentionGradTile &tile)
    : kernel_(kernel), b_(b), loc_(kernel.getLoc()), ix_{b_, loc_}, what_(what), p_(problem), t_(tile), turns_(takesTurns(problem.headDim)) {
  element_ = cast<tile::PtrType>(p_.q.data.getType()).getElement();
  slotType_ = tile::SlotType::get(b_.getContext());
  Type f32 = b_.getF32Type(), i32 = b_.getI32Type();
  scoreType_ = VectorType::get({64, t_.step}, f32);
  outType_ = VectorType::get({64, p_.headDim}, f32);
  rowType_ = VectorType::get({64, 1}, f32);
  columnType_ = VectorType::get({1, t_.step}, f32);
  rowIndexType_ = VectorType::get({64, 1}, i32);
  scoreIndexType_ = VectorType::get({64, t_.step}, i32);
  kernel_.setPrograms(wgmmaAttentionGradPrograms(what_, p_, t_));
  toLog2_ = number(p_.scale * kLog2e, "toLog2");
  minusLog2e_ = number(-kLog2e, "minusLog2e");
  scale_ = number(p_.scale, "scale");
  zero_ = number(0.0, "");
  program_ = tile::ProgramIdOp::create(b_, loc_, b_.getIndexType());
  padded_ = called(ix_.mul(ix_.tiles(p_.queries.value, kAttentionGradRows), kAttentionGradRows), "padded_rows");
}

void AttentionGradProgram::writeRoles(llvm::function_ref<void()> produce, llvm::function_ref<void()> consume) {
  auto roles = tile::RolesOp::create(b_, loc_, t_.rows / 64, 24, 240);
  b_.setInsertionPointToStart(&roles.getProducer().emplaceBlock());
  produce();
  b_.setInsertionPointToStart(&roles.getConsumer().emplaceBlock());
  firstRow_ = called(ix_.mul(tile::ConsumerIdOp::create(b_, loc_, b_.getIndexType()), 64), "first_row");
  consume();
}

// ---- maps and rings -----------------------------------------------------------------------------------------------------------------

std::string AttentionGradProgram::paddedRows() const {
  std::string n = std::to_string(kAttentionGradRows);
  return "(((" + p_.queries.text + ") + " + std::to_string(kAttentionGradRows - 1) + ") floordiv " + n + ") * " + n;
}

Value AttentionGradProgram::map(const AttentionTensor &x, const AttentionSize &rows, const std::string &heads, int64_t boxColumns, int64_t boxRows) {
  auto bytes = [](const AttentionSize &stride) { return "(" + stride.text + ") * 2"; };
  return tile::TensorMapOp::create(b_, loc_, tile::TensorMapType::get(b_.getContext()), x.data,
                                   b_.getStrArrayAttr({std::to_string(p_.headDim), rows.text, heads, p_.batch.text}),
                                   b_.getStrArrayAttr({bytes(x.rowStride), bytes(x.headStride), bytes(x.batchStride)}),
                                   DenseI64ArrayAttr::get(b_.getContext(), {boxColumns, boxRows, 1, 1}), b_.getI64IntegerAttr(boxColumns * 2),
                                   DenseI64ArrayAttr())
      .getMap();
}
Value AttentionGradProgram::storeMap(const AttentionTensor &x, const AttentionSize &rows, const std::string &heads) {
  return map(x, rows, heads, storeColumns(p_.headDim), 16);
}
Value AttentionGradProgram::rowMap(Value data) {
  std::string heads = "(" + p_.batch.text + ") * (" + p_.heads.text + ")";
  return tile::TensorMapOp::create(b_, loc_, tile::TensorMapType::get(b_.getContext()), data, b_.getStrArrayAttr({paddedRows(), heads}),
                                   b_.getStrArrayAttr({"(" + paddedRows() + ") * 4"}), DenseI64ArrayAttr::get(b_.getContext(), {alignTo(t_.step, 32), 1}),
                                   b_.getI64IntegerAttr(0), DenseI64ArrayAttr())
      .getMap();
}

Value AttentionGradProgram::ring(int64_t stages, int64_t rows, StringRef name, StringRef values) {
  SmallVector<Type> buffers = {VectorType::get({rows, p_.headDim}, element_)};
  SmallVector<StringRef> names = {name};
  if (!values.empty()) {
    buffers.push_back(VectorType::get({1, rows}, b_.getF32Type()));
    names.push_back(values);
  }
  return tile::RingOp::create(b_, loc_, tile::RingType::get(b_.getContext()), tile::RingKind::bulk, stages, b_.getTypeArrayAttr(buffers),
                              b_.getStrArrayAttr(names), DenseI64ArrayAttr::get(b_.getContext(), {}));
}

void AttentionGradProgram::fetch(Value ring, ArrayRef<Fetch> copies) {
  auto slot = tile::RingAcquireOp::create(b_, loc_, slotType_, ring).getSlot();
  for (auto [i, copy] : llvm::enumerate(copies))
    tile::CopyBulkOp::create(b_, loc_, copy.map, copy.at, ValueRange{}, slot, b_.getI64IntegerAttr(i), IntegerAttr());
  tile::RingCommitOp::create(b_, loc_, slot);
}
Value AttentionGradProgram::wait(Value ring) { return tile::RingWaitOp::create(b_, loc_, slotType_, ring, 0).getSlot(); }

// ---- tiles --------------------------------------------------------------------------------------------------------------------------

AttentionGradProgram::Place AttentionGradProgram::place(Value heads, Value tiles, Value streamedRows) {
  Value allHeads = called(ix_.mul(p_.batch.value, heads), "all_heads");
  Value fitting = max(ix_.div(ix_.c(kSectionBytes / (p_.headDim * 4)), streamedRows), 1);
  if (what_ == GradOf::queries) fitting = ix_.mul(fitting, p_.group);
  Value section = called(ix_.min(fitting, allHeads), "section");
  Value firstHead = called(ix_.mul(ix_.div(program_, ix_.mul(section, tiles)), section), "first_head");
  Value width = called(ix_.min(section, ix_.sub(allHeads, firstHead)), "width");
  Value within = called(ix_.sub(program_, ix_.mul(firstHead, tiles)), "within");
  Value advanced = called(ix_.div(within, width), "advanced");
  Place at;
  at.allHead = called(ix_.add(firstHead, ix_.sub(within, ix_.mul(advanced, width))), "batch_head");
  at.batch = called(ix_.div(at.allHead, heads), "batch");
  at.head = called(ix_.sub(at.allHead, ix_.mul(at.batch, heads)), "head");
  // A causal tile is the longer the less lies before it: the first keys, the last queries.
  at.number = called(what_ == GradOf::keys ? advanced : ix_.sub(ix_.sub(tiles, ix_.c(1)), advanced), "tile");
  at.row = called(ix_.mul(at.number, t_.rows), "row");
  return at;
}

// ---- products and weights -----------------------------------------------------------------------------------------------------------

Value AttentionGradProgram::shiftOf(Value lse) {
  return called(arith::MulFOp::create(b_, loc_, lse, splat(minusLog2e_, cast<VectorType>(lse.getType()))), "shift");
}
Value AttentionGradProgram::weights(Value scores, Value shift) {
  Value exponent = math::FmaOp::create(b_, loc_, scores, splat(toLog2_, scoreType_), splat(shift, scoreType_));
  return called(math::Exp2Op::create(b_, loc_, exponent, arith::FastMathFlagsAttr::get(b_.getContext(), arith::FastMathFlags::afn)), "weights");
}
Value AttentionGradProgram::where(Value step, Value end, Value p, llvm::function_ref<Value()> masked) {
  auto choice = scf::IfOp::create(b_, loc_, scoreType_, arith::CmpIOp::create(b_, loc_, arith::CmpIPredicate::slt, step, end), true);
  OpBuilder::InsertionGuard guard(b_);
  b_.setInsertionPointToStart(choice.thenBlock());
  scf::YieldOp::create(b_, loc_, masked());
  b_.setInsertionPointToStart(choice.elseBlock());
  scf::YieldOp::create(b_, loc_, p);
  return choice.getResult(0);
}
Value AttentionGradProgram::gradientOfScores(Value weights, Value dp, Value delta) {
  Value rest = arith::SubFOp::create(b_, loc_, dp, splat(delta, scoreType_));
  return called(arith::MulFOp::create(b_, loc_, weights, rest), "d_scores");
}
void AttentionGradProgram::storeTile(Value out, Value map, Value row, Value head, Value batch, bool scales, StringRef comment) {
  if (scales) out = arith::MulFOp::create(b_, loc_, out, splat(scale_, outType_));
  out = arith::TruncFOp::create(b_, loc_, VectorType::get(outType_.getShape(), element_), out);
  phase(tile::StoreBulkOp::create(b_, loc_, out, map, ValueRange{ix_.c(0), row, head, batch}), comment);
}

// ---- short names --------------------------------------------------------------------------------------------------------------------

Value AttentionGradProgram::called(Value v, StringRef name) {
  if (v.getDefiningOp() && !v.getDefiningOp<arith::ConstantOp>()) v.setLoc(nameLoc(b_, loc_, name));
  return v;
}
Value AttentionGradProgram::number(double v, StringRef name) {
  Location loc = name.empty() ? loc_ : nameLoc(b_, loc_, name);
  return arith::ConstantOp::create(b_, loc, b_.getF32FloatAttr(static_cast<float>(v)));
}
Value AttentionGradProgram::splat(Value v, VectorType type) { return vector::BroadcastOp::create(b_, v.getLoc(), type, v); }

scf::ForOp AttentionGradProgram::loopOver(Value from, Value to, ValueRange inits, StringRef name, ArrayRef<StringRef> carried) {
  auto loop = scf::ForOp::create(b_, loc_, from, to, ix_.c(1), inits);
  loop.getInductionVar().setLoc(nameLoc(b_, loc_, name));
  for (auto [arg, of] : llvm::zip(loop.getRegionIterArgs(), carried)) arg.setLoc(nameLoc(b_, loc_, of));
  return loop;
}

}  // namespace jinx::schedules
