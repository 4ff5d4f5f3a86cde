// Lanes that run over several dimensions: as rows, a result of a few channels has a few useful lanes a tile.
//
//   y [64, 224, 230, 4]     a program is one (n, h); its lanes are the 230 * 4 elements of a line, w = lane / 4, c = lane mod 4
//
// As many trailing dimensions as fit a tile are taken together. Coordinates are worked out for each lane, in 32 bits; operands are
// gathered, results stored side by side.
#include "codegen/schedules/cuda/GroupFlat.h"

#include "codegen/schedules/Expression.h"
#include "codegen/schedules/ScalarOps.h"
#include "llvm/Support/MathExtras.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kFew = 32;         // an innermost dimension of a warp's width is a row like any other
constexpr int64_t kTile = 1024;      // elements of a program at most
constexpr int64_t kWorthwhile = 64;  // elements of a program at least

/// The first of the trailing dimensions that are taken together, and how many elements they have.
struct Form {
  size_t first = 0;
  int64_t lanes = 1;
};

std::optional<Form> formOf(GroupOp group) {
  Block &body = group.getBody().front();
  bool moves = false;
  for (Operation &op : body.without_terminator()) {
    moves |= isa<PadOp, TransposeOp, SliceOp>(op);
    auto constant = dyn_cast<ConstantOp>(op);
    if (!(constant ? isEmittable(&op) : isElementwiseSupported(&op) || isa<BroadcastOp, PadOp, TransposeOp, SliceOp>(op))) return std::nullopt;
  }
  if (!moves) return std::nullopt;  // maps in place have one long dimension (Collapse.h)
  Sizes sizes = sizesOf(group.getResult(0).getType());
  for (Value v : group.getResults())
    if (sizesOf(v.getType()) != sizes) return std::nullopt;
  Form form{sizes.size(), 1};
  auto innermost = llvm::find_if(llvm::reverse(sizes), [](const SizeExpr &s) { return !s.isConstant(1); });
  if (innermost == sizes.rend() || innermost->constant().value_or(kFew) >= kFew) return std::nullopt;
  while (form.first > 0) {
    auto extent = sizes[form.first - 1].constant();
    if (!extent || form.lanes * *extent > kTile) break;
    form.lanes *= *extent;
    --form.first;
  }
  return form.lanes < kWorthwhile ? std::nullopt : std::optional(form);
}

}  // namespace

bool isFlatGroup(GroupOp group) { return formOf(group).has_value(); }

FailureOr<Scheduled> scheduleCudaFlat(GroupOp group, StringRef name, OpBuilder &builder) {
  const Form form = *formOf(group);
  KernelBuilder kb(builder, group.getLoc(), name, group);
  OpBuilder &b = kb.b();
  Location loc = kb.loc();
  Sizes space = sizesOf(group.getResult(0).getType());
  const int64_t width = int64_t(llvm::PowerOf2Ceil(uint64_t(form.lanes)));
  ExpressionEmitter emitter(kb, width);
  emitter.setLimit(form.lanes == width ? Value() : kb.constant(form.lanes));

  auto outer = ArrayRef(space).take_front(form.first);
  auto parts = kb.delinearize(tile::ProgramIdOp::create(b, loc, b.getIndexType()), outer);
  Coordinates at(space.size(), Coordinate{kb.constant(0), 0, {}}), stored = at;
  for (size_t d = 0; d < form.first; ++d) at[d] = stored[d] = {parts[d], 0, {}};
  stored.back() = {kb.constant(0), 1, {}};
  auto narrow = VectorType::get({width}, b.getI32Type()), wide = VectorType::get({width}, b.getIndexType());
  Value left = arith::IndexCastOp::create(b, loc, narrow, vector::StepOp::create(b, loc, wide));
  for (size_t d = space.size(); d-- > form.first;) {
    int64_t extent = *space[d].constant();
    if (extent == 1) continue;
    Value lanes = left;
    if (d > form.first) {
      Value by = arith::ConstantOp::create(b, loc, DenseElementsAttr::get(narrow, b.getI32IntegerAttr(int32_t(extent)).getValue()));
      lanes = arith::RemUIOp::create(b, loc, left, by);
      left = arith::DivUIOp::create(b, loc, left, by);
    }
    at[d] = {Value(), 0, arith::IndexCastOp::create(b, loc, wide, lanes)};
  }
  for (auto [i, v] : llvm::enumerate(group.getBody().front().getTerminator()->getOperands())) emitter.store(int64_t(i), emitter.evaluate(v, at), stored);
  SizeExpr programs = volume(outer);
  Scheduled scheduled = kb.finish(programs, 0, programs * SizeExpr(form.lanes));
  sayMultiples(kb.kernel(), scheduled.sizes);
  return scheduled;
}

}  // namespace jinx::schedules
