// The schedule of jinx.split_digits: each group of k becomes whole numbers with a unit of their own, and those words of four digits.
//
// A program has some groups of a row. Lanes are sixteen neighbours along k; a group is walked twice, for its largest magnitude and for its digits.
// A number's signed digits are the bytes of v + 0x808080, each with its highest bit turned: what is added makes every digit unsigned.
//
//   v = -3 in two digits:  -3 + 0x8080 = 0x807d,  ^ 0x8080 = 0x00fd:  digits 0 and -3
//
// The bytes of sixteen numbers are then put in the order that products want them in (ir/Graph/Codes.h), all at once.
#include "codegen/schedules/SplitDigits.h"

#include "codegen/schedules/Expression.h"
#include "ir/Graph/Codes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kTile = 16, kGroupsOfProgram = 32;
constexpr float kLeast = 0x1p-100f;  // of a group's largest magnitude: below it there is nothing to divide by

class SplitDigitsSchedule {
 public:
  SplitDigitsSchedule(GroupOp group, StringRef name, OpBuilder &builder) : group_(group), kb_(builder, group.getLoc(), name, group) {}

  FailureOr<Scheduled> run() {
    for (Operation &op : group_.getBody().front())
      if (auto o = dyn_cast<SplitDigitsOp>(op)) op_ = o;
    if (!op_) return group_.emitOpError("has no split_digits to schedule");
    Sizes a = sizesOf(op_.getA().getType());
    depth_ = a.back(), rows_ = volume(ArrayRef(a).drop_back(1)), groups_ = ceilDiv(depth_, op_.getGroup());
    digits_ = op_.getDigits();
    const SizeExpr blocks = ceilDiv(groups_, kGroupsOfProgram), programs = rows_ * blocks;
    SmallVector<Value> at = kb_.delinearize(tile::ProgramIdOp::create(b(), loc(), b().getIndexType()), {rows_, blocks});
    Value first = kb_.mul(at[1], c(kGroupsOfProgram)), end = kb_.min(kb_.add(first, c(kGroupsOfProgram)), kb_.size(groups_));
    forLoop(first, end, c(1), {}, [&](Value g, ArrayRef<Value>) { return splitGroup(at[0], g), SmallVector<Value>(); });
    return kb_.finish(programs, SizeExpr(0), rows_ * ceilDiv(depth_, kTile) * SizeExpr(16));
  }

 private:
  OpBuilder &b() { return kb_.b(); }
  Location loc() { return kb_.loc(); }
  Value c(int64_t v) { return kb_.constant(v); }
  VectorType floats() { return VectorType::get({kTile}, b().getF32Type()); }
  VectorType ints(int64_t lanes = kTile) { return VectorType::get({lanes}, b().getI32Type()); }
  Value number(VectorType type, double v) {
    Type element = type.getElementType();
    return arith::ConstantOp::create(b(), loc(), DenseElementsAttr::get(type, isa<FloatType>(element) ? Attribute(b().getFloatAttr(element, v)) : Attribute(b().getIntegerAttr(element, int64_t(v)))));
  }
  Value number(double v) { return arith::ConstantOp::create(b(), loc(), b().getF32FloatAttr(float(v))); }
  Value splat(Value scalar) { return vector::BroadcastOp::create(b(), loc(), VectorType::get({kTile}, scalar.getType()), scalar); }
  int64_t group() { return op_.getGroup(); }

  void splitGroup(Value row, Value g) {
    Value from = kb_.mul(g, c(group())), count = depth_.exactDivide(group()) ? c(group()) : kb_.min(c(group()), kb_.sub(kb_.size(depth_), from));
    Value base = kb_.add(kb_.mul(row, kb_.size(depth_)), from);
    auto part = [&](Value k) { return tile::LoadOp::create(b(), loc(), floats(), kb_.input(cast<BlockArgument>(op_.getA())), kb_.add(base, k), ValueRange{c(1)}, isWhole() ? ValueRange() : ValueRange{kb_.sub(count, k)}); };
    Value largest = forLoop(c(0), c(group()), c(kTile), {number(floats(), 0)}, [&](Value k, ArrayRef<Value> carried) {
      return SmallVector<Value>{arith::MaximumFOp::create(b(), loc(), carried[0], math::AbsFOp::create(b(), loc(), part(k)))};
    })[0];
    Value magnitude = tile::ReduceOp::create(b(), loc(), b().getF32Type(), tile::ReduceKind::max, largest);
    // Ordered comparisons: false of NaN.
    Value isFinite = compare(arith::CmpFPredicate::OLT, magnitude, number(std::numeric_limits<double>::infinity()));
    Value counts = arith::AndIOp::create(b(), loc(), isFinite, compare(arith::CmpFPredicate::OGE, magnitude, number(kLeast)));
    const double limit = double(limitOfDigits(digits_));
    Value unit = arith::DivFOp::create(b(), loc(), magnitude, number(limit)), inverse = arith::DivFOp::create(b(), loc(), number(limit), magnitude);
    unit = select(counts, unit, select(isFinite, number(0), number(std::numeric_limits<double>::quiet_NaN())));
    inverse = select(counts, inverse, number(0));

    const int64_t words = wordsOfDigits(group(), digits_);
    Value out = kb_.mul(kb_.add(kb_.mul(row, kb_.size(groups_)), g), c(words));
    Value isCounted = splat(counts);
    SmallVector<Value> sums = forLoop(c(0), c(group()), c(kTile), SmallVector<Value>(digits_, number(ints(), 0)), [&](Value k, ArrayRef<Value> carried) {
      // A NaN beside zero is no number to convert.
      Value scaled = arith::SelectOp::create(b(), loc(), isCounted, arith::MulFOp::create(b(), loc(), part(k), splat(inverse)), number(floats(), 0));
      Value v = arith::FPToSIOp::create(b(), loc(), ints(), math::RoundEvenOp::create(b(), loc(), scaled));
      Value bytes = digitsOf(v);
      storeWords(bytes, out, k);
      SmallVector<Value> next;
      for (int64_t d = 0; d < digits_; ++d) next.push_back(arith::AddIOp::create(b(), loc(), carried[d], digit(bytes, d)));
      return next;
    });
    storeSums(sums, kb_.add(out, c(words - digits_)), unit, kb_.mul(kb_.add(kb_.mul(row, kb_.size(groups_)), g), c(2)));
  }
  /// No group ends within a tile.
  bool isWhole() { return group() % kTile == 0 && depth_.exactDivide(group()); }

  /// The signed digits of whole numbers as bytes of words, the lowest first.
  Value digitsOf(Value v) {
    if (digits_ == 1) return v;
    Value turn = number(ints(), digits_ == 2 ? 0x8080 : 0x808080);
    return arith::XOrIOp::create(b(), loc(), arith::AddIOp::create(b(), loc(), v, turn), turn);
  }
  /// Digit d, from the highest on.
  Value digit(Value bytes, int64_t d) {
    const int64_t above = 24 - 8 * (digits_ - 1 - d);
    return arith::ShRSIOp::create(b(), loc(), arith::ShLIOp::create(b(), loc(), bytes, number(ints(), above)), number(ints(), 24));
  }
  /// Sixteen k are two eights, each with two words a digit: those of its even k and those of its odd k.
  void storeWords(Value bytes, Value out, Value k) {
    SmallVector<int64_t> order;
    for (int64_t word = 0; word < 4 * digits_; ++word) {
      const int64_t eight = word / (2 * digits_), d = word % (2 * digits_) / 2, odd = word % 2;
      for (int64_t j = 0; j < 4; ++j) order.push_back(4 * (8 * eight + 2 * j + odd) + digits_ - 1 - d);
    }
    order.resize(4 * kTile, 0);
    Value source = vector::BitCastOp::create(b(), loc(), VectorType::get({4 * kTile}, b().getI8Type()), bytes);
    Value words = vector::BitCastOp::create(b(), loc(), ints(), vector::ShuffleOp::create(b(), loc(), source, source, order));
    Value limit = group() % kTile == 0 ? c(4 * digits_) : kb_.min(c(4 * digits_), kb_.mul(kb_.floorDiv(kb_.sub(c(group()), k), c(8)), c(2 * digits_)));
    tile::StoreOp::create(b(), loc(), words, kb_.output(0), kb_.add(out, kb_.mul(kb_.floorDiv(k, c(8)), c(2 * digits_))), ValueRange{c(1)}, ValueRange{limit});
  }
  /// What a group's products begin with, its unit, and the sum of its numbers.
  void storeSums(ArrayRef<Value> sums, Value out, Value unit, Value factors) {
    auto one = VectorType::get({1}, b().getI32Type());
    Value whole;
    for (int64_t d = 0; d < digits_; ++d) {
      Value sum = tile::ReduceOp::create(b(), loc(), b().getI32Type(), tile::ReduceKind::sum, sums[d]);
      Value begin = arith::MulIOp::create(b(), loc(), sum, arith::ConstantOp::create(b(), loc(), b().getI32IntegerAttr(-int32_t(op_.getZero()))));
      tile::StoreOp::create(b(), loc(), vector::BroadcastOp::create(b(), loc(), one, begin), kb_.output(0), kb_.add(out, c(d)), ValueRange{c(1)}, ValueRange());
      Value f = arith::SIToFPOp::create(b(), loc(), b().getF32Type(), sum);
      whole = whole ? Value(math::FmaOp::create(b(), loc(), whole, number(256), f)) : f;
    }
    auto store = [&](Value v, int64_t i) {
      tile::StoreOp::create(b(), loc(), vector::BroadcastOp::create(b(), loc(), VectorType::get({1}, b().getF32Type()), v), kb_.output(1), kb_.add(factors, c(i)), ValueRange{c(1)}, ValueRange());
    };
    store(unit, 0);
    store(arith::MulFOp::create(b(), loc(), unit, whole), 1);
  }

  Value compare(arith::CmpFPredicate predicate, Value x, Value y) { return arith::CmpFOp::create(b(), loc(), predicate, x, y); }
  Value select(Value condition, Value x, Value y) { return arith::SelectOp::create(b(), loc(), condition, x, y); }
  SmallVector<Value> forLoop(Value from, Value to, Value step, ArrayRef<Value> init, function_ref<SmallVector<Value>(Value, ArrayRef<Value>)> body) {
    auto loop = scf::ForOp::create(b(), loc(), from, to, step, init);
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(loop.getBody());
    SmallVector<Value> carried(loop.getRegionIterArgs());
    SmallVector<Value> next = body(loop.getInductionVar(), carried);
    if (!init.empty()) scf::YieldOp::create(b(), loc(), next);
    return SmallVector<Value>(loop.getResults());
  }

  GroupOp group_;
  KernelBuilder kb_;
  SplitDigitsOp op_;
  SizeExpr depth_, rows_, groups_;
  int64_t digits_ = 1;
};

}  // namespace

FailureOr<Scheduled> scheduleSplitDigits(GroupOp group, StringRef name, OpBuilder &builder) { return SplitDigitsSchedule(group, name, builder).run(); }

}  // namespace jinx::schedules
