#include "codegen/schedules/cuda/WarpProgram.h"

#include <limits>

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace jinx::schedules {

namespace {
constexpr int64_t kWarp = 32, kWarpsOfBlock = 4;
constexpr double kLowest = -std::numeric_limits<double>::infinity();
} // namespace

WarpProgram::WarpProgram(OpBuilder& builder, graph::GroupOp group, StringRef name, TypeRange inputs, TypeRange results)
    : kb_(builder, group.getLoc(), name, group, inputs, results), f32_(builder.getF32Type()) {}

Value WarpProgram::number(double v) { return arith::ConstantOp::create(b(), loc(), b().getF32FloatAttr(float(v))); }
Value WarpProgram::lowest() { return number(kLowest); }
Value WarpProgram::called(Value v, StringRef name) {
  if (v.getDefiningOp() && !v.getDefiningOp<arith::ConstantOp>()) v.setLoc(nameLoc(b(), loc(), name));
  return v;
}
Value WarpProgram::compare(arith::CmpIPredicate predicate, Value x, Value y) {
  return arith::CmpIOp::create(b(), loc(), predicate, x, y);
}
Value WarpProgram::select(Value condition, Value x, Value y) {
  return arith::SelectOp::create(b(), loc(), condition, x, y);
}
Value WarpProgram::product(Value x, Value y) { return arith::MulFOp::create(b(), loc(), x, y); }
Value WarpProgram::sum(Value x, Value y) { return arith::AddFOp::create(b(), loc(), x, y); }
Value WarpProgram::scaled(Value tile, Value by) {
  return product(tile, kb_.splat(by, cast<VectorType>(tile.getType()).getDimSize(0)));
}
Value WarpProgram::power(Value x) {
  return math::Exp2Op::create(b(), loc(), x,
                              arith::FastMathFlagsAttr::get(b().getContext(), arith::FastMathFlags::afn));
}
Value WarpProgram::isNone(Value largest) {
  return arith::CmpFOp::create(b(), loc(), arith::CmpFPredicate::OEQ, largest, lowest());
}

Value WarpProgram::load(Type element, int64_t width, Value ptr, Value at, Value limit) {
  return tile::LoadOp::create(b(), loc(), vec(width, element), ptr, at, ValueRange{c(1)},
                              limit ? ValueRange(limit) : ValueRange());
}
Value WarpProgram::loadOne(Type element, Value ptr, Value at, Value limit) {
  return vector::ExtractOp::create(b(), loc(), load(element, 1, ptr, at, limit), ArrayRef<int64_t>{0});
}
Value WarpProgram::loadIndex(Value ptr, Value at, Value limit) {
  return arith::IndexCastOp::create(b(), loc(), b().getIndexType(), loadOne(b().getI32Type(), ptr, at, limit));
}
void WarpProgram::store(Value tile, Value ptr, Value at) {
  tile::StoreOp::create(b(), loc(), tile, ptr, at, ValueRange{c(1)}, ValueRange());
}
void WarpProgram::storeOne(Value scalar, Value ptr, Value at) {
  store(vector::BroadcastOp::create(b(), loc(), vec(1, scalar.getType()), scalar), ptr, at);
}
void WarpProgram::storeIndex(Value index, Value ptr, Value at) {
  storeOne(arith::IndexCastOp::create(b(), loc(), b().getI32Type(), index), ptr, at);
}

void WarpProgram::when(Value condition, function_ref<void()> then) {
  auto branch = scf::IfOp::create(b(), loc(), condition, /*withElse=*/false);
  OpBuilder::InsertionGuard guard(b());
  b().setInsertionPointToStart(branch.thenBlock());
  then();
}
Scheduled WarpProgram::run(const SizeExpr& programs, const SizeExpr& work, function_ref<void(Value program)> body) {
  Value program = tile::ProgramIdOp::create(b(), loc(), b().getIndexType());
  when(compare(arith::CmpIPredicate::slt, program, kb_.size(programs)), [&] { body(program); });
  kb_.kernel()->setAttr("threads", b().getI64IntegerAttr(kWarp));
  kb_.kernel()->setAttr("programs_per_block", b().getI64IntegerAttr(kWarpsOfBlock));
  Scheduled scheduled = kb_.finish(programs, SizeExpr(0), work);
  sayMultiples(kb_.kernel(), scheduled.sizes);
  return scheduled;
}

JoinedParts joinPart(OpBuilder& b, Location loc, const JoinedParts& before, Value out, Value logarithm,
                     function_ref<Value(Value)> spread) {
  auto constant = [&](double v) -> Value {
    Type type = logarithm.getType();
    Value one = arith::ConstantOp::create(b, loc, b.getF32FloatAttr(float(v)));
    return isa<VectorType>(type) ? Value(vector::BroadcastOp::create(b, loc, type, one)) : one;
  };
  auto named = [&](Value v, StringRef name) { return v.setLoc(nameLoc(b, loc, name)), v; };
  auto power = [&](Value x, StringRef name) {
    return named(
        math::Exp2Op::create(b, loc, x, arith::FastMathFlagsAttr::get(b.getContext(), arith::FastMathFlags::afn)),
        name);
  };
  Value next = named(arith::MaxNumFOp::create(b, loc, before.largest, logarithm), "next");
  Value none = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, next, constant(kLowest));
  Value shift = named(arith::SelectOp::create(b, loc, none, constant(0), next), "shift");
  Value factor = power(arith::SubFOp::create(b, loc, before.largest, shift), "factor");
  Value weight = power(arith::SubFOp::create(b, loc, logarithm, shift), "weight");
  Value total = named(math::FmaOp::create(b, loc, before.total, factor, weight), "total");
  Value kept = arith::MulFOp::create(b, loc, before.out, spread(factor));
  return {next, total, math::FmaOp::create(b, loc, spread(weight), out, kept)};
}

} // namespace jinx::schedules
