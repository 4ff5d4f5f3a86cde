#include "AttentionKernels.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace jinx::cuda::testing {

const char *nameOf(Hole hole) {
  const char *names[] = {"", "_softcap", "_bias", "_mask"};
  return names[static_cast<int>(hole)];
}

std::string AttentionCase::name() const {
  return std::string("attention_") + (causal ? "causal" : "full") + "_hd" + std::to_string(headDim) + (bf16 ? "" : "_f16") + nameOf(hole) +
         (group > 1 ? "_group" + std::to_string(group) : "") + (headsInRows ? "_rows" : "") +
         (partKeys ? "_parts" + std::to_string(partKeys) : "");
}

namespace {

Value named(OpBuilder &b, Value v, const char *name) {
  v.setLoc(NameLoc::get(b.getStringAttr(name)));
  return v;
}
schedules::AttentionSize product(OpBuilder &b, const schedules::AttentionSize &x, const schedules::AttentionSize &y) {
  return {b.createOrFold<arith::MulIOp>(b.getUnknownLoc(), x.value, y.value), "(" + x.text + ") * (" + y.text + ")"};
}

/// [batch, heads, queries, parts]
void setPlaces(OpBuilder &b, schedules::AttentionParts &parts, const schedules::AttentionSize &heads, const schedules::AttentionSize &queries) {
  parts.rowStride = parts.count;
  parts.headStride = product(b, parts.rowStride, queries);
  parts.batchStride = product(b, parts.headStride, heads);
}

}  // namespace

Built buildAttention(const AttentionCase &what) {
  OpBuilder b(&context());
  Location loc = b.getUnknownLoc();
  Built built;
  built.module = ModuleOp::create(loc);
  b.setInsertionPointToEnd(built.module->getBody());
  auto pointer = [](Type element) { return tile::PtrType::get(element.getContext(), element); };
  Type half = pointer(what.bf16 ? Type(b.getBF16Type()) : b.getF16Type()), f32 = pointer(b.getF32Type());
  auto kernel = tile::KernelOp::create(b, loc, what.name(), TypeRange{half, half, half, f32, what.partKeys ? f32 : half, f32}, 4, 4,
                                       "/attention/MatMul, /attention/Softmax, /attention/MatMul_1");
  b.setInsertionPointToStart(&kernel.getBody().front());
  const char *buffers[] = {"q", "k", "v", "extra", "o", "lse"}, *sizes[] = {"batch", "heads", "queries", "keys"};
  for (int i = 0; i < 6; ++i) named(b, kernel.buffer(i), buffers[i]);
  for (int i = 0; i < 4; ++i) named(b, kernel.size(i), sizes[i]);

  schedules::WgmmaAttention p;
  p.batch = {kernel.size(0), "a0"};
  p.heads = {kernel.size(1), "a1"};
  p.queries = {kernel.size(2), "a2"};
  p.keys = {kernel.size(3), "a3"};
  p.headDim = what.headDim;
  p.group = what.group;
  p.causal = what.causal;
  p.scale = what.scale();
  p.sms = what.sms;
  auto constant = [&](int64_t v) { return arith::ConstantIndexOp::create(b, loc, v).getResult(); };
  auto mul = [&](Value x, Value y) { return b.createOrFold<arith::MulIOp>(loc, x, y); };
  auto tensor = [&](int64_t buffer, const std::string &rows, Value rowCount, int64_t headsPer) {
    std::string d = std::to_string(what.headDim), heads = "a1 floordiv " + std::to_string(headsPer);
    Value dim = constant(what.headDim), headCount = b.createOrFold<arith::DivUIOp>(loc, p.heads.value, constant(headsPer));
    schedules::AttentionTensor t;
    t.data = kernel.buffer(buffer);
    t.batchStride = {mul(mul(headCount, rowCount), dim), "(" + heads + ") * " + rows + " * " + d};
    t.headStride = what.headsInRows ? schedules::AttentionSize{dim, d} : schedules::AttentionSize{mul(rowCount, dim), rows + " * " + d};
    t.rowStride = what.headsInRows ? schedules::AttentionSize{mul(headCount, dim), "(" + heads + ") * " + d} : schedules::AttentionSize{dim, d};
    return t;
  };
  p.q = tensor(0, "a2", p.queries.value, 1);
  p.k = tensor(1, "a3", p.keys.value, what.group);
  p.v = tensor(2, "a3", p.keys.value, what.group);
  if (what.partKeys) {
    std::string each = std::to_string(what.partKeys);
    Value count = b.createOrFold<arith::DivUIOp>(loc, b.createOrFold<arith::AddIOp>(loc, p.keys.value, constant(what.partKeys - 1)), constant(what.partKeys));
    p.parts.keys = what.partKeys;
    p.parts.count = {count, "(a3 + " + std::to_string(what.partKeys - 1) + ") floordiv " + each};
    setPlaces(b, p.parts, p.heads, p.queries);
    p.parts.out = kernel.buffer(4), p.parts.logSumExp = kernel.buffer(5);
  } else {
    p.o = tensor(4, "a2", p.queries.value, 1);
    if (what.logSumExp) p.logSumExp = kernel.buffer(5);
  }

  auto hole = [&](OpBuilder &b, Location loc, Value x, const schedules::ScorePlace &at) -> Value {
    auto type = cast<VectorType>(x.getType());
    auto splat = [&](float v) { return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, v)).getResult(); };
    if (what.hole == Hole::kSoftcap)
      return arith::MulFOp::create(b, loc, splat(2.0f), math::TanhOp::create(b, loc, arith::MulFOp::create(b, loc, x, splat(0.5f))));
    // extra[head or batch, row, column]
    auto product = [&](Value p, Value q) { return arith::MulIOp::create(b, loc, p, q).getResult(); };
    auto sum = [&](Value p, Value q) { return arith::AddIOp::create(b, loc, p, q).getResult(); };
    Value matrix = what.hole == Hole::kBias ? at.head : at.batch, keys = p.keys.value;
    Value offset = sum(product(sum(product(matrix, p.queries.value), at.row), keys), at.column);
    Value rowsLeft = arith::SubIOp::create(b, loc, p.queries.value, at.row), columnsLeft = arith::SubIOp::create(b, loc, keys, at.column);
    Value one = arith::ConstantIndexOp::create(b, loc, 1);
    Value more = tile::LoadOp::create(b, loc, type, kernel.buffer(3), offset, ValueRange{keys, one}, ValueRange{rowsLeft, columnsLeft});
    return arith::AddFOp::create(b, loc, x, more);
  };
  auto tile = what.tile.rows ? what.tile : what.partKeys ? schedules::chooseSplitAttentionTile(what.headDim) : schedules::chooseWgmmaAttentionTile(what.headDim);
  EXPECT_EQ(schedules::wgmmaAttentionInfeasible(tile, what.headDim), "");
  schedules::emitWgmmaAttention(kernel, p, tile, what.hole == Hole::kNone ? schedules::ScoreHole() : hole);
  auto emitted = emitCuda(kernel);
  EXPECT_TRUE(succeeded(emitted));
  if (succeeded(emitted)) {
    built.kernel = *emitted;
    EXPECT_EQ(evaluate(emitted->sharedBytes, {}), schedules::wgmmaAttentionSharedBytes(tile, what.headDim, what.partKeys > 0));
  }
  return built;
}

Built buildAttentionMerge(const AttentionCase &what) {
  OpBuilder b(&context());
  Location loc = b.getUnknownLoc();
  Built built;
  built.module = ModuleOp::create(loc);
  b.setInsertionPointToEnd(built.module->getBody());
  auto pointer = [](Type element) { return tile::PtrType::get(element.getContext(), element); };
  Type f32 = pointer(b.getF32Type());
  auto kernel = tile::KernelOp::create(b, loc, what.name() + "_merge", TypeRange{f32, f32, pointer(what.bf16 ? Type(b.getBF16Type()) : b.getF16Type())}, 2, 4,
                                       "/attention/MatMul_1");
  b.setInsertionPointToStart(&kernel.getBody().front());
  const char *buffers[] = {"parts", "lse", "o"}, *sizes[] = {"batch", "heads", "queries", "count"};
  for (int i = 0; i < 3; ++i) named(b, kernel.buffer(i), buffers[i]);
  for (int i = 0; i < 4; ++i) named(b, kernel.size(i), sizes[i]);
  schedules::AttentionMerge p;
  p.batch = {kernel.size(0), "a0"}, p.heads = {kernel.size(1), "a1"}, p.queries = {kernel.size(2), "a2"};
  p.headDim = what.headDim;
  p.parts.out = kernel.buffer(0), p.parts.logSumExp = kernel.buffer(1);
  p.parts.count = {kernel.size(3), "a3"};
  setPlaces(b, p.parts, p.heads, p.queries);
  const schedules::AttentionSize dim{arith::ConstantIndexOp::create(b, loc, what.headDim), std::to_string(what.headDim)};
  p.o.data = kernel.buffer(2);
  p.o.rowStride = what.headsInRows ? product(b, dim, p.heads) : dim;
  p.o.headStride = what.headsInRows ? dim : product(b, dim, p.queries);
  p.o.batchStride = product(b, product(b, dim, p.heads), p.queries);
  kernel.setPrograms("a0 * a1 * a2");
  schedules::emitAttentionMerge(b, kernel, p);
  auto emitted = emitCuda(kernel);
  EXPECT_TRUE(succeeded(emitted));
  if (succeeded(emitted)) built.kernel = *emitted;
  return built;
}

}  // namespace jinx::cuda::testing
