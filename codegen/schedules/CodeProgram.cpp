#include "codegen/schedules/CodeProgram.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {

DequantMatmulOp codeProductOf(GroupOp group) {
  DequantMatmulOp product;
  for (Operation &op : group.getBody().front())
    if (auto o = dyn_cast<DequantMatmulOp>(op)) product = o;
  return product && llvm::all_of(product->getOperands(), llvm::IsaPred<BlockArgument>) ? product : DequantMatmulOp();
}

CodeProgram::CodeProgram(GroupOp group, DequantMatmulOp product, StringRef name, OpBuilder &builder)
    : group_(group), product_(product), kb_(builder, group.getLoc(), name, group), out_(sizesOf(product.getY().getType())),
      rows_(volume(ArrayRef(out_).drop_back(1))), columns_(out_.back()), panels_(ceilDiv(columns_, kPanel)), groups_(sizesOf(product.getScales().getType())[1]) {}

Value CodeProgram::zero(Type element) { return arith::ConstantOp::create(b(), loc(), tileType(element), b().getZeroAttr(tileType(element))); }
Value CodeProgram::fma(Value x, Value y, Value sum) { return vector::FMAOp::create(b(), loc(), x, y, sum); }
Value CodeProgram::load(Value from, Type element, Value at) {
  return tile::LoadOp::create(b(), loc(), tileType(element), input(from), at, ValueRange{c(1)}, ValueRange());
}
Value CodeProgram::spreadFrom(Value from, Type element, Value at) {
  return tile::LoadOp::create(b(), loc(), tileType(element), input(from), at, ValueRange{c(0)}, ValueRange());
}
Value CodeProgram::parameter(Value parameters, Value panel, Value group) {
  Type element = cast<RankedTensorType>(parameters.getType()).getElementType();
  Value v = load(parameters, element, kb_.mul(kb_.add(kb_.mul(panel, kb_.size(groups_)), group), c(kPanel)));
  return element.isF32() ? v : Value(arith::ExtFOp::create(b(), loc(), tileType(f32()), v));
}

void CodeProgram::forPanels(Value first, Value end, int64_t n, function_ref<void(Value, int64_t)> step) {
  auto oneByOne = [&] { forLoop(first, end, c(1), [&](Value panel) { step(panel, 1); }); };
  auto whole = [&] {
    if (n == kBlockPanels) return step(first, n);
    forLoop(first, end, c(n), [&](Value panel) { step(panel, n); });
  };
  if (n == 1) return oneByOne();
  if (panels_.exactDivide(kBlockPanels)) return whole();
  either(compare(arith::CmpIPredicate::eq, kb_.sub(end, first), c(kBlockPanels)), whole, oneByOne);
}

void CodeProgram::store(ArrayRef<Value> sums, Value panel, Value firstRow, int64_t count, Value valid) {
  const int64_t panels = int64_t(sums.size()) / count;
  for (int64_t m = 0; m < count; ++m) {
    OpBuilder::InsertionGuard guard(b());
    if (valid && m > 0) {
      Value isValid = compare(arith::CmpIPredicate::slt, c(m), valid);
      b().setInsertionPointToStart(scf::IfOp::create(b(), loc(), isValid, /*withElse=*/false).thenBlock());
    }
    for (int64_t p = 0; p < panels; ++p) storeRow(sums[m * panels + p], kb_.add(panel, c(p)), kb_.add(firstRow, c(m)));
  }
}

void CodeProgram::storeRow(Value sums, Value panel, Value row) {
  const int64_t width = cast<VectorType>(sums.getType()).getDimSize(0);
  ExpressionEmitter emitter(kb_, width);
  Value column = kb_.mul(panel, c(kPanel));
  if (!columns_.exactDivide(width)) emitter.setLimit(kb_.sub(kb_.size(columns_), column));
  emitter.define(product_.getY(), sums);
  Coordinates at;
  for (Value v : kb_.delinearize(row, ArrayRef(out_).drop_back(1))) at.push_back({v, 0, {}});
  at.push_back({column, 1, {}});
  for (auto [r, v] : llvm::enumerate(group_.getBody().front().getTerminator()->getOperands())) emitter.store(r, emitter.evaluate(v, at), at);
}

void CodeProgram::inBlock(Block *block, function_ref<void()> body) {
  OpBuilder::InsertionGuard guard(b());
  b().setInsertionPointToStart(block);
  body();
}
void CodeProgram::forLoop(Value from, Value to, Value step, function_ref<void(Value)> body) {
  auto loop = scf::ForOp::create(b(), loc(), from, to, step);
  inBlock(loop.getBody(), [&] { body(loop.getInductionVar()); });
}
CodeProgram::Values CodeProgram::forLoop(Value from, Value to, Value step, ArrayRef<Value> init, function_ref<Values(Value, Values)> body) {
  auto loop = scf::ForOp::create(b(), loc(), from, to, step, init);
  inBlock(loop.getBody(), [&] {
    auto carried = loop.getRegionIterArgs();
    SmallVector<Value> next = body(loop.getInductionVar(), SmallVector<Value>(carried.begin(), carried.end()));
    scf::YieldOp::create(b(), loc(), next);
  });
  return SmallVector<Value>(loop.getResults());
}
void CodeProgram::either(Value condition, function_ref<void()> then, function_ref<void()> otherwise) {
  auto branch = scf::IfOp::create(b(), loc(), condition, /*withElse=*/true);
  inBlock(branch.thenBlock(), then);
  inBlock(branch.elseBlock(), otherwise);
}

}  // namespace jinx::schedules
