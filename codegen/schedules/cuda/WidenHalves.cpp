#include "codegen/schedules/cuda/WidenHalves.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace jinx::schedules {
namespace {

bool isHalf(Type type) { return getElementTypeOrSelf(type).isF16() || getElementTypeOrSelf(type).isBF16(); }
Type widened(Type type) {
  Type f32 = Float32Type::get(type.getContext());
  auto vector = dyn_cast<VectorType>(type);
  return vector ? Type(vector.clone(f32)) : f32;
}

bool isArithmetic(Operation *op) {
  if (isa<arith::ExtFOp, arith::TruncFOp, arith::BitcastOp, arith::ConstantOp>(op)) return false;
  if (!isa<arith::ArithDialect, math::MathDialect>(op->getDialect()) && !isa<vector::BroadcastOp>(op)) return false;
  return op->getNumResults() == 1 && (isHalf(op->getResult(0).getType()) || isa<arith::CmpFOp>(op)) &&
         llvm::any_of(op->getOperandTypes(), isHalf);
}

/// Where a little less or more makes a step: to the next integer, or to the next 8-bit float. Such an operator gets what memory would have.
bool isStep(Operation *op) {
  if (isa<math::RoundEvenOp, math::FloorOp, math::CeilOp, arith::FPToSIOp, arith::FPToUIOp>(op)) return true;
  return isa<arith::TruncFOp>(op) && getElementTypeOrSelf(op->getResult(0).getType()).getIntOrFloatBitWidth() < 16;
}

bool isConstant(Value v) { return matchPattern(v, m_Constant()); }

/// \param rounded  the value as memory would have it
Value widen(OpBuilder &b, Value v, bool rounded) {
  if (!isHalf(v.getType())) return v;
  Type wide = widened(v.getType());
  auto truncation = v.getDefiningOp<arith::TruncFOp>();
  if (truncation && !rounded && truncation.getIn().getType() == wide) return truncation.getIn();
  DenseElementsAttr dense;
  FloatAttr scalar;
  auto toF32 = [&](APFloat x) {
    bool loses;
    x.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &loses);
    return x;
  };
  if (matchPattern(v, m_Constant(&dense)) && dense.isSplat())
    return arith::ConstantOp::create(b, v.getLoc(), DenseElementsAttr::get(cast<VectorType>(wide), toF32(dense.getSplatValue<APFloat>())));
  if (matchPattern(v, m_Constant(&scalar))) return arith::ConstantOp::create(b, v.getLoc(), FloatAttr::get(wide, toF32(scalar.getValue())));
  return arith::ExtFOp::create(b, v.getLoc(), wide, v);
}

/// A function whose value is rounded to 16 bits at once needs no more: `afn`, as long as that rounding still says so. Of a sigmoid the
/// division is that function, and the power under it.
void markShort(tile::KernelOp kernel) {
  constexpr auto kShort = arith::FastMathFlags::afn;
  kernel.walk([](arith::TruncFOp rounding) {
    Operation *function = rounding.getIn().getDefiningOp();
    if (!isHalf(rounding.getType()) || !function || !function->hasOneUse()) return;
    if (auto erf = dyn_cast<math::ErfOp>(function)) erf.setFastmath(kShort);
    if (auto exp = dyn_cast<math::ExpOp>(function)) exp.setFastmath(kShort);
    auto division = dyn_cast<arith::DivFOp>(function);
    if (!division || !matchPattern(division.getLhs(), m_OneFloat())) return;
    division.setFastmath(kShort);
    auto sum = division.getRhs().getDefiningOp<arith::AddFOp>();
    if (!sum || !sum->hasOneUse()) return;
    for (Value term : sum->getOperands())
      if (auto exp = term.getDefiningOp<math::ExpOp>(); exp && exp->hasOneUse()) exp.setFastmath(kShort);
  });
}

// ---- short functions of a softmax -------------------------------------------------------------------------------------------------
// In f32 an exponential and a division cost 8 instructions each, and a row of a softmax waits for them. Where all that becomes of them is
// products, quotients and values of 16 bits, an error of 2^-17 relative is lost in the last rounding.

/// True when every use leads to a rounding to 16 bits, through products and quotients alone: relative errors stay what they are.
bool isRounded(Value v, int depth = 0) {
  return depth < 6 && llvm::all_of(v.getUsers(), [&](Operation *user) {
           if (isa<arith::TruncFOp>(user)) return isHalf(user->getResult(0).getType());
           return isa<arith::MulFOp, arith::DivFOp, vector::BroadcastOp>(user) && isRounded(user->getResult(0), depth + 1);
         });
}

/// The value beneath conversions, broadcasts, and the choice that hides lanes past a row's end.
Value beneath(Value v) {
  while (Operation *op = v.getDefiningOp()) {
    if (isa<arith::ExtFOp, arith::TruncFOp, vector::BroadcastOp>(op)) {
      v = op->getOperand(0);
    } else if (auto select = dyn_cast<arith::SelectOp>(op)) {
      v = select.getTrueValue();
    } else {
      break;
    }
  }
  return v;
}

/// exp(x - max x) of a row: none is above 1, their sum is 1 at least. So nothing is lost that 2^x cannot have: it gives 0 below 2^-126.
bool isOfSoftmax(math::ExpOp op) {
  auto less = op.getOperand().getDefiningOp<arith::SubFOp>();
  auto largest = less ? beneath(less.getRhs()).getDefiningOp<tile::ReduceOp>() : tile::ReduceOp();
  if (!largest || largest.getKind() != tile::ReduceKind::max || beneath(largest.getTile()) != beneath(less.getLhs())) return false;
  return llvm::all_of(op->getUsers(), [&](Operation *user) {
    if (auto select = dyn_cast<arith::SelectOp>(user)) user = select->hasOneUse() ? *select->user_begin() : user;
    if (auto sum = dyn_cast<tile::ReduceOp>(user)) return sum.getKind() == tile::ReduceKind::sum && isRounded(sum.getScalar());
    return isa<arith::MulFOp, arith::DivFOp>(user) && isRounded(user->getResult(0));
  });
}

/// Where nothing but y = e / sum e sees a softmax's maximum and sum, y is the same for any shift, and each warp takes its own (block.cuh):
/// the two reductions, marked `by_warp`, meet once.
void shiftByWarp(math::ExpOp op) {
  tile::ReduceOp sum;
  SmallVector<Operation *> divisions;
  for (Operation *user : op->getUsers()) {
    if (isa<arith::DivFOp>(user)) {
      divisions.push_back(user);
      continue;
    }
    if (isa<arith::SelectOp>(user) && user->hasOneUse()) user = *user->user_begin();
    if (!isa<tile::ReduceOp>(user) || sum) return;
    sum = cast<tile::ReduceOp>(user);
  }
  auto largest = beneath(op.getOperand().getDefiningOp<arith::SubFOp>().getRhs()).getDefiningOp<tile::ReduceOp>();
  // One use each, through broadcasts and conversions.
  auto isOnlyFor = [](Value v, function_ref<bool(Operation *)> isWanted) {
    while (v.hasOneUse() && isa<vector::BroadcastOp, arith::ExtFOp, arith::TruncFOp>(*v.user_begin())) v = (*v.user_begin())->getResult(0);
    return llvm::all_of(v.getUsers(), isWanted);
  };
  Operation *less = op.getOperand().getDefiningOp();
  if (!sum || divisions.empty() || op->getBlock() != largest->getBlock() || !isOnlyFor(largest.getScalar(), [&](Operation *user) { return user == less; })) return;
  if (!less->getResult(0).hasOneUse() || !isOnlyFor(sum.getScalar(), [&](Operation *user) { return llvm::is_contained(divisions, user); })) return;
  for (Operation *division : divisions)
    if (division->getOperand(0) != op.getResult() || beneath(division->getOperand(1)) != sum.getScalar()) return;
  for (tile::ReduceOp reduce : {largest, sum}) reduce->setAttr("by_warp", UnitAttr::get(op.getContext()));
}

void shortenSoftmax(tile::KernelOp kernel) {
  SmallVector<math::ExpOp> exponentials;
  kernel.walk([&](Operation *op) {
    auto exp = dyn_cast<math::ExpOp>(op);
    if (exp && getElementTypeOrSelf(exp.getType()).isF32() && isOfSoftmax(exp)) exponentials.push_back(exp);
    auto division = dyn_cast<arith::DivFOp>(op);
    if (division && getElementTypeOrSelf(division.getType()).isF32() && isRounded(division)) division.setFastmath(arith::FastMathFlags::afn);
  });
  if (exponentials.size() == 1) shiftByWarp(exponentials[0]);
  for (math::ExpOp op : exponentials) {
    OpBuilder b(op);
    auto type = cast<VectorType>(op.getType());
    Value log2e = arith::ConstantOp::create(b, op.getLoc(), DenseElementsAttr::get(type, 1.44269504f));
    Value power = arith::MulFOp::create(b, op.getLoc(), op.getOperand(), log2e);
    op.replaceAllUsesWith(Value(math::Exp2Op::create(b, op.getLoc(), power, arith::FastMathFlagsAttr::get(b.getContext(), arith::FastMathFlags::afn))));
    op.erase();
  }
}

void widenOperation(Operation *op) {
  OpBuilder b(op);
  bool comparesComputed = isa<arith::CmpFOp>(op) && !isConstant(op->getOperand(0)) && !isConstant(op->getOperand(1));
  IRMapping map;
  for (Value v : op->getOperands()) map.map(v, widen(b, v, comparesComputed || isStep(op)));
  Operation *wide = b.clone(*op, map);
  Value result = op->getResult(0);
  if (isHalf(result.getType())) {
    wide->getResult(0).setType(widened(result.getType()));
    result.replaceAllUsesWith(arith::TruncFOp::create(b, op->getLoc(), result.getType(), wide->getResult(0)));
  } else {
    result.replaceAllUsesWith(wide->getResult(0));
  }
  op->erase();
}

}  // namespace

void widenHalves(tile::KernelOp kernel) {
  SmallVector<Operation *> arithmetic;
  kernel.walk([&](Operation *op) {
    if (isArithmetic(op)) arithmetic.push_back(op);
  });
  markShort(kernel);
  for (Operation *op : arithmetic) widenOperation(op);
  // What reads in f32 what was rounded a moment ago reads it before.
  SmallVector<Operation *> extensions;
  kernel.walk([&](arith::ExtFOp op) { extensions.push_back(op); });
  for (Operation *op : extensions) {
    auto truncation = op->getOperand(0).getDefiningOp<arith::TruncFOp>();
    bool needsRounding = llvm::any_of(op->getUsers(), [](Operation *user) { return isa<arith::CmpFOp>(user) || isStep(user); });
    if (truncation && !needsRounding && truncation.getIn().getType() == op->getResult(0).getType()) op->getResult(0).replaceAllUsesWith(truncation.getIn());
  }
  SmallVector<Operation *> conversions;
  kernel.walk([&](Operation *op) {
    if (isa<arith::ExtFOp, arith::TruncFOp, arith::ConstantOp>(op)) conversions.push_back(op);
  });
  for (Operation *op : llvm::reverse(conversions))
    if (op->use_empty()) op->erase();
  shortenSoftmax(kernel);
}

}  // namespace jinx::schedules
