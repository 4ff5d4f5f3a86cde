#include "MatmulKernels.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;

namespace jinx::cuda::testing {
namespace {

Value named(Value v, const char *name) {
  v.setLoc(NameLoc::get(StringAttr::get(v.getContext(), name)));
  return v;
}

/// relu(acc + bias[column])
Value biasRelu(OpBuilder &b, Location loc, Value acc, Value column, Value bias, Value columnsLeft, Value rowsLeft) {
  auto type = cast<VectorType>(acc.getType());
  Value zero = arith::ConstantIndexOp::create(b, loc, 0), one = arith::ConstantIndexOp::create(b, loc, 1);
  Value row = tile::LoadOp::create(b, loc, type, bias, column, ValueRange{zero, one}, ValueRange{rowsLeft, columnsLeft});
  Value sum = arith::AddFOp::create(b, loc, acc, row);
  Value zeros = arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, 0.0f));
  return arith::MaximumFOp::create(b, loc, sum, zeros);
}

/// Slices of k.
Value ceilSteps(OpBuilder &b, Location loc, Value k, int64_t elements = 64) {
  Value more = arith::AddIOp::create(b, loc, k, arith::ConstantIndexOp::create(b, loc, elements - 1));
  return named(arith::DivUIOp::create(b, loc, more, arith::ConstantIndexOp::create(b, loc, elements)), "steps");
}

}  // namespace

Built buildPairWgmma(const schedules::WgmmaTile &tile, int64_t sms, bool isApart) {
  OpBuilder b(&context());
  Location loc = b.getUnknownLoc();
  Built built;
  built.module = ModuleOp::create(loc);
  b.setInsertionPointToEnd(built.module->getBody());
  const bool ofRows = tile.pair == schedules::WgmmaPair::rows;
  Type bf16 = tile::PtrType::get(b.getContext(), b.getBF16Type());
  auto kernel = tile::KernelOp::create(b, loc, ofRows ? "wgmma_pair_rows" : "wgmma_pair", SmallVector<Type>(isApart ? 4 : 3, bf16), isApart ? 3 : 2, 3, "/mlp/gate, /mlp/up");
  b.setInsertionPointToEnd(&kernel.getBody().front());
  schedules::WgmmaMatmul p;
  p.a = schedules::matrixSource(named(kernel.buffer(0), "x"), "a0", "a2");
  if (isApart) {
    p.b = schedules::matrixSource(named(kernel.buffer(1), "w"), "a1", "a2");
    p.other = schedules::matrixSource(named(kernel.buffer(2), "w2"), "a1", "a2");
  } else {
    p.b = schedules::pairSource(named(kernel.buffer(1), "w"), "a1", "a2", tile.clusterM > 1);
  }
  Value d = named(kernel.buffer(isApart ? 3 : 2), "d"), m = named(kernel.size(0), "m"), n = named(kernel.size(1), "n");
  p.m = m, p.n = n, p.mText = "a0", p.nText = "a1";
  if (!ofRows) p.d = d;
  p.steps = ceilSteps(b, loc, named(kernel.size(2), "k"));
  p.elementA = p.elementB = b.getBF16Type();
  p.b.isEarly = ofRows;
  if (ofRows) std::swap(p.a, p.b), std::swap(p.m, p.n);
  const SizeExpr rows = SizeExpr::symbol("a0"), columns = SizeExpr::symbol("a1");
  kernel.setPrograms(schedules::wgmmaPrograms(tile, ofRows ? columns : rows, ofRows ? rows : columns, 1, sms).str());
  schedules::emitWgmmaMatmul(b, kernel, p, tile, [&](OpBuilder &b, Location loc, Value acc, const schedules::TilePlace &at) -> Value {
    auto whole = cast<VectorType>(acc.getType());
    auto half = VectorType::get({whole.getDimSize(0) / (ofRows ? 2 : 1), whole.getDimSize(1) / (ofRows ? 1 : 2)}, whole.getElementType());
    auto both = tile::UnpairOp::create(b, loc, half, half, acc);
    Value gate = arith::MaximumFOp::create(b, loc, both.getFirst(), arith::ConstantOp::create(b, loc, DenseElementsAttr::get(half, 0.0f)));
    Value gated = arith::TruncFOp::create(b, loc, VectorType::get(half.getShape(), b.getBF16Type()), arith::MulFOp::create(b, loc, gate, both.getSecond()));
    if (!ofRows) return gated;
    Value one = arith::ConstantIndexOp::create(b, loc, 1);
    Value offset = arith::AddIOp::create(b, loc, arith::MulIOp::create(b, loc, at.column, n), at.row);
    tile::StoreOp::create(b, loc, gated, d, offset, ValueRange{one, n}, ValueRange{arith::SubIOp::create(b, loc, n, at.row), arith::SubIOp::create(b, loc, m, at.column)});
    return {};
  });
  auto emitted = emitCuda(kernel);
  EXPECT_TRUE(succeeded(emitted));
  if (succeeded(emitted)) built.kernel = *emitted;
  return built;
}

Built buildSimt(const schedules::SimtTile &tile, bool withHole) {
  OpBuilder b(&context());
  Location loc = b.getUnknownLoc();
  Built built;
  built.module = ModuleOp::create(loc);
  b.setInsertionPointToEnd(built.module->getBody());
  Type ptr = tile::PtrType::get(b.getContext(), b.getF32Type());
  // x, packed weights, bias -> y; m, n, k, strides of x
  auto kernel = tile::KernelOp::create(b, loc, withHole ? "simt_bias_relu" : "simt", TypeRange{ptr, ptr, ptr, ptr}, 3, 5, "/fc/Gemm, /fc/Relu");
  kernel.setPrograms(schedules::simtPrograms(tile, "a0", "a1"));
  b.setInsertionPointToStart(&kernel.getBody().front());
  schedules::SimtMatmul p;
  p.a = named(kernel.buffer(0), "x");
  p.b = named(kernel.buffer(1), "weights");
  Value bias = named(kernel.buffer(2), "bias");
  p.c = named(kernel.buffer(3), "y");
  p.m = named(kernel.size(0), "m");
  p.n = named(kernel.size(1), "n");
  p.k = named(kernel.size(2), "k");
  p.aRowStride = named(kernel.size(3), "x_row");
  p.aColumnStride = arith::ConstantIndexOp::create(b, loc, 1);
  named(kernel.size(4), "x_column");
  if (!withHole) p.aColumnStride = kernel.size(4);
  p.bPanel = arith::MulIOp::create(b, loc, p.k, arith::ConstantIndexOp::create(b, loc, 16));
  p.cRowStride = p.n;
  p.tile = tile::ProgramIdOp::create(b, loc, b.getIndexType());
  schedules::emitSimtMatmul(b, loc, p, tile, [&](OpBuilder &b, Location loc, Value acc, const schedules::TilePlace &at) -> Value {
    if (!withHole) return acc;
    Value rows = arith::SubIOp::create(b, loc, p.m, at.row), columns = arith::SubIOp::create(b, loc, p.n, at.column);
    return biasRelu(b, loc, acc, at.column, bias, columns, rows);
  });
  auto emitted = emitCuda(kernel);
  EXPECT_TRUE(succeeded(emitted));
  if (succeeded(emitted)) built.kernel = *emitted;
  return built;
}

std::vector<float> packPanels(const std::vector<float> &b, int64_t k, int64_t n) {
  std::vector<float> packed((n + 15) / 16 * 16 * k, 0.0f);
  for (int64_t j = 0; j < n; ++j)
    for (int64_t i = 0; i < k; ++i) packed[(j / 16) * k * 16 + i * 16 + j % 16] = b[i * n + j];
  return packed;
}

Built buildWgmma(const schedules::WgmmaTile &tile, bool withHole, int64_t sms) {
  OpBuilder b(&context());
  Location loc = b.getUnknownLoc();
  Built built;
  built.module = ModuleOp::create(loc);
  b.setInsertionPointToEnd(built.module->getBody());
  Type bf16 = tile::PtrType::get(b.getContext(), b.getBF16Type()), f32 = tile::PtrType::get(b.getContext(), b.getF32Type());
  auto kernel = tile::KernelOp::create(b, loc, withHole ? "wgmma_bias_relu" : "wgmma", TypeRange{bf16, bf16, f32, bf16}, 3, 3, "/mlp/MatMul, /mlp/Relu");
  b.setInsertionPointToEnd(&kernel.getBody().front());
  schedules::WgmmaMatmul p;
  p.a = schedules::matrixSource(named(kernel.buffer(0), "a"), "a0", "a2");
  p.b = schedules::matrixSource(named(kernel.buffer(1), "b"), "a1", "a2");
  Value bias = named(kernel.buffer(2), "bias");
  p.d = named(kernel.buffer(3), "d");
  p.m = named(kernel.size(0), "m");
  p.n = named(kernel.size(1), "n");
  p.steps = ceilSteps(b, loc, named(kernel.size(2), "k"));
  p.elementA = p.elementB = b.getBF16Type();
  p.mText = "a0", p.nText = "a1";
  kernel.setPrograms(schedules::wgmmaPrograms(tile, SizeExpr::symbol("a0"), SizeExpr::symbol("a1"), 1, sms).str());
  schedules::emitWgmmaMatmul(b, kernel, p, tile, [&](OpBuilder &b, Location loc, Value acc, const schedules::TilePlace &at) -> Value {
    if (withHole) {
      Value rows = arith::SubIOp::create(b, loc, p.m, at.row), columns = arith::SubIOp::create(b, loc, p.n, at.column);
      acc = biasRelu(b, loc, acc, at.column, bias, columns, rows);
    }
    auto type = cast<VectorType>(acc.getType());
    return arith::TruncFOp::create(b, loc, VectorType::get(type.getShape(), b.getBF16Type()), acc);
  });
  auto emitted = emitCuda(kernel);
  EXPECT_TRUE(succeeded(emitted));
  if (succeeded(emitted)) built.kernel = *emitted;
  return built;
}

Built buildMma(const MmaProblem &problem) {
  OpBuilder b(&context());
  Location loc = b.getUnknownLoc();
  Built built;
  built.module = ModuleOp::create(loc);
  b.setInsertionPointToEnd(built.module->getBody());
  auto pointer = [&](Type element) { return tile::PtrType::get(b.getContext(), element); };
  schedules::MmaMatmul p;
  p.elementA = problem.ofBytes ? Type(b.getI8Type()) : b.getBF16Type();
  p.elementB = problem.ofBytes ? Type(IntegerType::get(b.getContext(), 8, IntegerType::Unsigned)) : b.getBF16Type();
  Type result = problem.ofBytes ? Type(b.getI32Type()) : b.getBF16Type();
  const char *name = problem.ofBytes ? "mma_s8" : problem.withHole ? "mma_bias_relu" : "mma";
  auto kernel = tile::KernelOp::create(b, loc, name, TypeRange{pointer(p.elementA), pointer(p.elementB), pointer(b.getF32Type()), pointer(result)}, 3, 3, "/mlp/MatMul, /mlp/Relu");
  kernel.setPrograms("((a0 + " + std::to_string(problem.tile.m - 1) + ") floordiv " + std::to_string(problem.tile.m) + ") * ((a1 + " +
                     std::to_string(problem.tile.n - 1) + ") floordiv " + std::to_string(problem.tile.n) + ")");
  b.setInsertionPointToEnd(&kernel.getBody().front());
  p.a = named(kernel.buffer(0), "a");
  p.b = named(kernel.buffer(1), "b");
  Value bias = named(kernel.buffer(2), "bias");
  p.c = named(kernel.buffer(3), "d");
  p.m = named(kernel.size(0), "m");
  p.n = named(kernel.size(1), "n");
  p.k = named(kernel.size(2), "k");
  Value one = arith::ConstantIndexOp::create(b, loc, 1);
  if (problem.k) p.k = arith::ConstantIndexOp::create(b, loc, *problem.k);
  p.aRowStride = p.k, p.aColumnStride = one;
  p.bRowStride = problem.isTurned ? one : p.k, p.bColumnStride = problem.isTurned ? p.n : one;
  p.cRowStride = p.n;
  p.tile = tile::ProgramIdOp::create(b, loc, b.getIndexType());
  schedules::emitMmaMatmul(b, kernel, p, problem.tile, [&](OpBuilder &b, Location loc, Value acc, const schedules::TilePlace &at) -> Value {
    if (problem.ofBytes) return acc;
    if (problem.withHole) {
      Value rows = arith::SubIOp::create(b, loc, p.m, at.row), columns = arith::SubIOp::create(b, loc, p.n, at.column);
      acc = biasRelu(b, loc, acc, at.column, bias, columns, rows);
    }
    return arith::TruncFOp::create(b, loc, cast<VectorType>(acc.getType()).clone(result), acc);
  });
  auto emitted = emitCuda(kernel, {.arch = problem.arch});
  EXPECT_TRUE(succeeded(emitted));
  if (succeeded(emitted)) built.kernel = *emitted;
  return built;
}

Built buildResidualWgmma(const schedules::WgmmaTile &tile, bool ofFloats, int64_t sms) {
  OpBuilder b(&context());
  Location loc = b.getUnknownLoc();
  Built built;
  built.module = ModuleOp::create(loc);
  b.setInsertionPointToEnd(built.module->getBody());
  Type element = ofFloats ? Type(b.getF32Type()) : b.getBF16Type();
  Type bf16 = tile::PtrType::get(b.getContext(), b.getBF16Type()), wide = tile::PtrType::get(b.getContext(), element);
  auto kernel = tile::KernelOp::create(b, loc, "wgmma_residual", TypeRange{bf16, bf16, wide, wide}, 3, 3, "/mlp/MatMul, /Add");
  b.setInsertionPointToEnd(&kernel.getBody().front());
  schedules::WgmmaMatmul p;
  p.a = schedules::matrixSource(named(kernel.buffer(0), "a"), "a0", "a2");
  p.b = schedules::matrixSource(named(kernel.buffer(1), "b"), "a1", "a2");
  Value residual = named(kernel.buffer(2), "x");
  p.residuals = {residual};
  p.d = named(kernel.buffer(3), "d");
  p.m = named(kernel.size(0), "m"), p.n = named(kernel.size(1), "n");
  p.steps = ceilSteps(b, loc, named(kernel.size(2), "k"));
  p.elementA = p.elementB = b.getBF16Type();
  p.mText = "a0", p.nText = "a1";
  kernel.setPrograms(schedules::wgmmaPrograms(tile, SizeExpr::symbol("a0"), SizeExpr::symbol("a1"), 1, sms).str());
  schedules::emitWgmmaMatmul(b, kernel, p, tile, [&](OpBuilder &b, Location loc, Value acc, const schedules::TilePlace &at) -> Value {
    auto type = cast<VectorType>(acc.getType()).clone(element);
    Value rows = arith::SubIOp::create(b, loc, p.m, at.row), columns = arith::SubIOp::create(b, loc, p.n, at.column);
    Value offset = arith::AddIOp::create(b, loc, arith::MulIOp::create(b, loc, at.row, p.n), at.column), one = arith::ConstantIndexOp::create(b, loc, 1);
    Value read = tile::LoadOp::create(b, loc, type, residual, offset, ValueRange{p.n, one}, ValueRange{rows, columns});
    read.getDefiningOp()->setAttr("piece", b.getI64IntegerAttr(0));
    if (!ofFloats) read = arith::ExtFOp::create(b, loc, acc.getType(), read);
    Value sum = arith::AddFOp::create(b, loc, acc, read);
    return ofFloats ? sum : Value(arith::TruncFOp::create(b, loc, type, sum));
  });
  auto emitted = emitCuda(kernel);
  EXPECT_TRUE(succeeded(emitted));
  if (succeeded(emitted)) built.kernel = *emitted;
  return built;
}

Built buildNarrowWgmma(const schedules::WgmmaTile &tile, Narrow kind, int64_t sms) {
  OpBuilder b(&context());
  Location loc = b.getUnknownLoc();
  Built built;
  built.module = ModuleOp::create(loc);
  b.setInsertionPointToEnd(built.module->getBody());
  auto pointer = [&](Type element) { return tile::PtrType::get(b.getContext(), element); };
  const bool ofBytes = kind != Narrow::kFloats;
  Type byte = b.getI8Type(), result = kind == Narrow::kBytes ? Type(b.getI32Type()) : kind == Narrow::kCutBytes ? byte : b.getBF16Type();
  auto kernel = tile::KernelOp::create(b, loc, ofBytes ? "wgmma_i8" : "wgmma_f8", TypeRange{pointer(byte), pointer(byte), pointer(result)}, 2, 3, "/mlp/MatMul");
  b.setInsertionPointToEnd(&kernel.getBody().front());
  schedules::WgmmaMatmul p;
  p.a = schedules::matrixSource(named(kernel.buffer(0), "a"), "a0", "a2");
  p.b = schedules::matrixSource(named(kernel.buffer(1), "b"), "a1", "a2");
  p.d = named(kernel.buffer(2), "d");
  p.m = named(kernel.size(0), "m"), p.n = named(kernel.size(1), "n");
  p.steps = ceilSteps(b, loc, named(kernel.size(2), "k"), 128);
  p.elementA = p.elementB = ofBytes ? byte : Type(Float8E4M3FNType::get(b.getContext()));
  p.mText = "a0", p.nText = "a1";
  kernel.setPrograms(schedules::wgmmaPrograms(tile, SizeExpr::symbol("a0"), SizeExpr::symbol("a1"), 1, sms).str());
  schedules::emitWgmmaMatmul(b, kernel, p, tile, [&](OpBuilder &b, Location loc, Value acc, const schedules::TilePlace &) -> Value {
    auto type = cast<VectorType>(acc.getType()).clone(result);
    if (kind == Narrow::kBytes) return acc;
    return ofBytes ? Value(arith::TruncIOp::create(b, loc, type, acc)) : arith::TruncFOp::create(b, loc, type, acc);
  });
  auto emitted = emitCuda(kernel);
  EXPECT_TRUE(succeeded(emitted));
  if (succeeded(emitted)) built.kernel = *emitted;
  return built;
}

Built buildFloatWgmma(const schedules::WgmmaTile &tile, int64_t sms) {
  OpBuilder b(&context());
  Location loc = b.getUnknownLoc();
  Built built;
  built.module = ModuleOp::create(loc);
  b.setInsertionPointToEnd(built.module->getBody());
  Type pointer = tile::PtrType::get(b.getContext(), b.getF32Type());
  auto kernel = tile::KernelOp::create(b, loc, tile.highLow ? "wgmma_f32" : "wgmma_tf32", TypeRange{pointer, pointer, pointer}, 2, 3, "/mlp/MatMul");
  b.setInsertionPointToEnd(&kernel.getBody().front());
  schedules::WgmmaMatmul p;
  p.a = schedules::matrixSource(named(kernel.buffer(0), "a"), "a0", "a2");
  p.b = schedules::matrixSource(named(kernel.buffer(1), "b"), "a1", "a2");
  p.d = named(kernel.buffer(2), "d");
  p.m = named(kernel.size(0), "m"), p.n = named(kernel.size(1), "n");
  p.steps = ceilSteps(b, loc, named(kernel.size(2), "k"), 32);
  p.elementA = p.elementB = b.getF32Type();
  p.mText = "a0", p.nText = "a1";
  kernel.setPrograms(schedules::wgmmaPrograms(tile, SizeExpr::symbol("a0"), SizeExpr::symbol("a1"), 1, sms).str());
  schedules::emitWgmmaMatmul(b, kernel, p, tile, [](OpBuilder &, Location, Value acc, const schedules::TilePlace &) { return acc; });
  auto emitted = emitCuda(kernel);
  EXPECT_TRUE(succeeded(emitted));
  if (succeeded(emitted)) built.kernel = *emitted;
  return built;
}

}  // namespace jinx::cuda::testing
