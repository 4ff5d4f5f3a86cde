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
  p.readsOnce = what.partKeys && what.group == 1;
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
  auto tile = what.tile.rows ? what.tile : what.partKeys ? schedules::chooseFewRowsAttentionTile(what.headDim) : schedules::chooseWgmmaAttentionTile(what.headDim);
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

std::string PagedCase::name() const {
  return "attention_hd" + std::to_string(headDim) + (pageKeys ? "_pages" + std::to_string(pageKeys) : "_shared") + (causal ? "_causal" : "");
}

namespace {

/// A kernel of a module of its own, with named operands.
struct NewKernel {
  NewKernel(Built &built, OpBuilder &b, const std::string &name, ArrayRef<std::pair<const char *, Type>> buffers, int64_t inputs, ArrayRef<const char *> sizes) {
    built.module = ModuleOp::create(b.getUnknownLoc());
    b.setInsertionPointToEnd(built.module->getBody());
    SmallVector<Type> types;
    for (auto [_, element] : buffers) types.push_back(tile::PtrType::get(b.getContext(), element));
    op = tile::KernelOp::create(b, b.getUnknownLoc(), name, types, inputs, int64_t(sizes.size()), "/attention");
    b.setInsertionPointToStart(&op.getBody().front());
    for (auto [i, buffer] : llvm::enumerate(buffers)) named(b, op.buffer(int64_t(i)), buffer.first);
    for (auto [i, size] : llvm::enumerate(sizes)) named(b, op.size(int64_t(i)), size);
  }
  schedules::AttentionSize size(int64_t i) { return {op.size(i), "a" + std::to_string(i)}; }
  void emit(Built &built) {
    auto emitted = emitCuda(op);
    EXPECT_TRUE(succeeded(emitted));
    if (succeeded(emitted)) built.kernel = *emitted;
  }
  tile::KernelOp op;
};
schedules::AttentionSize number(OpBuilder &b, int64_t v) { return {arith::ConstantIndexOp::create(b, b.getUnknownLoc(), v), std::to_string(v)}; }

/// Places of a kernel whose batch is sequences, or one sequence of all their rows.
schedules::AttentionParts pagedPlaces(OpBuilder &b, const PagedCase &what, const schedules::AttentionSize &batch, Value out, Value logSumExp) {
  schedules::AttentionParts parts;
  parts.keys = what.partKeys, parts.out = out, parts.logSumExp = logSumExp;
  parts.rowStride = number(b, PagedCase::kPlaces);
  parts.batchStride = number(b, PagedCase::kPlaces * what.rows);
  parts.headStride = product(b, parts.batchStride, batch);
  if (what.before) parts.before = number(b, what.before);
  return parts;
}

}  // namespace

Built buildPagedAttention(const PagedCase &what) {
  OpBuilder b(&context());
  Built built;
  Type half = b.getBF16Type(), i32 = b.getI32Type(), f32 = b.getF32Type();
  NewKernel kernel(built, b, what.name(), {{"q", half}, {"k", half}, {"v", half}, {"table", i32}, {"lengths", i32}, {"parts", f32}, {"lse", f32}}, 5,
                   {"batch", "heads", "keys", "pages"});
  auto batch = kernel.size(0), dim = number(b, what.headDim);
  schedules::WgmmaAttention p;
  p.heads = kernel.size(1), p.keys = kernel.size(2);
  p.headDim = what.headDim, p.causal = what.causal, p.sms = what.sms, p.readsOnce = what.pageKeys > 0, p.scale = 1.0 / std::sqrt(double(what.headDim));
  auto sequence = product(b, dim, number(b, what.rows)), head = product(b, sequence, batch);
  p.q = {kernel.op.buffer(0), sequence, head, dim};
  p.parts = pagedPlaces(b, what, batch, kernel.op.buffer(5), kernel.op.buffer(6));
  std::string more = std::to_string(what.partKeys - 1), each = std::to_string(what.partKeys);
  Value count = b.createOrFold<arith::AddIOp>(b.getUnknownLoc(), p.keys.value, number(b, what.partKeys - 1).value);
  p.parts.count = {b.createOrFold<arith::DivUIOp>(b.getUnknownLoc(), count, number(b, what.partKeys).value), "(a2 + " + more + ") floordiv " + each};
  if (what.pageKeys) {
    p.batch = batch, p.queries = number(b, what.rows);
    auto page = product(b, dim, number(b, what.pageKeys)), pages = product(b, page, p.heads);
    p.k = {kernel.op.buffer(1), pages, page, dim}, p.v = {kernel.op.buffer(2), pages, page, dim};
    p.pages.lengths = kernel.op.buffer(4), p.pages.table = kernel.op.buffer(3), p.pages.count = kernel.size(3), p.pages.keys = what.pageKeys;
    Value stride = b.createOrFold<arith::DivUIOp>(b.getUnknownLoc(), p.keys.value, number(b, what.pageKeys).value);
    p.pages.tableStride = {stride, "a2 floordiv " + std::to_string(what.pageKeys)};
  } else {
    p.batch = number(b, 1), p.queries = product(b, batch, number(b, what.rows));
    auto matrix = product(b, dim, p.keys);
    p.k = {kernel.op.buffer(1), matrix, matrix, dim}, p.v = {kernel.op.buffer(2), matrix, matrix, dim};
  }
  auto tile = what.tile.rows ? what.tile : schedules::chooseFewRowsAttentionTile(what.headDim);
  EXPECT_EQ(schedules::attentionPagesInfeasible(p.pages, tile), "");
  schedules::emitWgmmaAttention(kernel.op, p, tile, {});
  kernel.emit(built);
  return built;
}

Built buildPagedMerge(const PagedCase &what) {
  OpBuilder b(&context());
  Built built;
  Type half = b.getBF16Type(), i32 = b.getI32Type(), f32 = b.getF32Type();
  NewKernel kernel(built, b, what.name() + "_merge", {{"parts", f32}, {"lse", f32}, {"lengths", i32}, {"o", half}}, 3, {"batch", "heads"});
  auto batch = kernel.size(0), dim = number(b, what.headDim);
  schedules::AttentionMerge p;
  p.batch = batch, p.heads = kernel.size(1), p.queries = number(b, what.rows);
  p.headDim = what.headDim, p.lengths = kernel.op.buffer(2);
  p.parts = pagedPlaces(b, what, batch, kernel.op.buffer(0), kernel.op.buffer(1));
  p.parts.count = number(b, PagedCase::kPlaces - what.before);
  auto sequence = product(b, dim, number(b, what.rows));
  p.o = {kernel.op.buffer(3), sequence, product(b, sequence, batch), dim};
  kernel.op.setPrograms("a0 * a1 * " + std::to_string(what.rows));
  schedules::emitAttentionMerge(b, kernel.op, p);
  kernel.emit(built);
  return built;
}

}  // namespace jinx::cuda::testing
