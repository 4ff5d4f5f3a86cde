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
         (group > 1 ? "_group" + std::to_string(group) : "") + (headsInRows ? "_rows" : "");
}

Built buildAttention(const AttentionCase &what) {
  OpBuilder b(&context());
  Location loc = b.getUnknownLoc();
  auto named = [&](Value v, const char *name) {
    v.setLoc(NameLoc::get(b.getStringAttr(name)));
    return v;
  };
  Built built;
  built.module = ModuleOp::create(loc);
  b.setInsertionPointToEnd(built.module->getBody());
  auto pointer = [](Type element) { return tile::PtrType::get(element.getContext(), element); };
  Type half = pointer(what.bf16 ? Type(b.getBF16Type()) : b.getF16Type()), f32 = pointer(b.getF32Type());
  auto kernel = tile::KernelOp::create(b, loc, what.name(), TypeRange{half, half, half, f32, half, f32}, 4, 4,
                                       "/attention/MatMul, /attention/Softmax, /attention/MatMul_1");
  b.setInsertionPointToStart(&kernel.getBody().front());
  const char *buffers[] = {"q", "k", "v", "extra", "o", "lse"}, *sizes[] = {"batch", "heads", "queries", "keys"};
  for (int i = 0; i < 6; ++i) named(kernel.buffer(i), buffers[i]);
  for (int i = 0; i < 4; ++i) named(kernel.size(i), sizes[i]);

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
  p.o = tensor(4, "a2", p.queries.value, 1);
  if (what.logSumExp) p.logSumExp = kernel.buffer(5);

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
  auto tile = what.tile.rows ? what.tile : schedules::chooseWgmmaAttentionTile(what.headDim);
  EXPECT_EQ(schedules::wgmmaAttentionInfeasible(tile, what.headDim), "");
  schedules::emitWgmmaAttention(kernel, p, tile, what.hole == Hole::kNone ? schedules::ScoreHole() : hole);
  auto emitted = emitCuda(kernel);
  EXPECT_TRUE(succeeded(emitted));
  if (succeeded(emitted)) {
    built.kernel = *emitted;
    EXPECT_EQ(evaluate(emitted->sharedBytes, {}), schedules::wgmmaAttentionSharedBytes(tile, what.headDim));
  }
  return built;
}

}  // namespace jinx::cuda::testing
