#include "codegen/schedules/cuda/RowStrips.h"

#include "codegen/schedules/Expression.h"
#include "codegen/schedules/ScalarOps.h"
#include "codegen/schedules/cuda/IndexBuilder.h"
#include "codegen/schedules/cuda/RowParts.h"
#include "codegen/schedules/cuda/WidenHalves.h"
#include "ir/Graph/ValueInference.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kWarp = 32, kWarpsOfBlock = 4;
constexpr int64_t kStrip = 1024;    // elements of a warp: 128 bytes of f32 to a thread, all on their way together
constexpr int64_t kLongRow = 16384; // elements: what one block holds (Rows.cpp) stays one kernel
constexpr int64_t kManyRows =
    528; // keep a GPU busy, each as one block; where nothing is found twice each is read once anyway

Block& bodyOf(GroupOp group) { return group.getBody().front(); }
Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }

/// The constant that `v` is, in the group or as an operand of it.
ConstantOp constantOf(Value v) {
  if (auto arg = dyn_cast<BlockArgument>(v))
    v = cast<GroupOp>(arg.getOwner()->getParentOp()).getInputs()[arg.getArgNumber()];
  while (auto reshape = v.getDefiningOp<ReshapeOp>())
    v = reshape.getX();
  return v.getDefiningOp<ConstantOp>();
}
/// 0, 1, …, n - 1
bool countsUp(Value v, int64_t n) {
  ConstantOp constant = constantOf(v);
  auto numbers = constant ? readIntegers(constant.getValue(), n) : std::nullopt;
  if (!numbers || int64_t(numbers->size()) != n) return false;
  for (auto [i, number] : llvm::enumerate(*numbers))
    if (number != int64_t(i)) return false;
  return true;
}
bool isAtLeast(Value v, int64_t least) {
  ConstantOp constant = constantOf(v);
  auto one = constant ? readIntegers(constant.getValue(), 1) : std::nullopt;
  return one && one->size() == 1 && one->front() >= least;
}

class FormReader {
 public:
  explicit FormReader(GroupOp group) : body_(bodyOf(group)) {}

  std::optional<RowStrips> read() {
    auto reduces = llvm::to_vector(body_.getOps<ReduceOp>());
    if (reduces.empty() || !findLane(reduces[0])) return std::nullopt;
    for (Operation& op : body_.without_terminator()) {
      auto constant = dyn_cast<ConstantOp>(op);
      if (!isa<ReduceOp>(op) && !(constant ? isEmittable(&op) : isElementwiseSupported(&op))) return std::nullopt;
    }
    for (ReduceOp reduce : reduces) {
      if (sizesOf(reduce.getX().getType()) != space_ || reduce.getAxes() != reduces[0].getAxes()) return std::nullopt;
      bool isLater = false;
      operatorsBefore(body_, {reduce.getX()}, isLater);
      if (isLater ? !readPlace(reduce) : !readExtreme(reduce)) return std::nullopt;
    }
    if (!llvm::all_of(body_.getTerminator()->getOperands(), [&](Value v) { return isOfRow(v); })) return std::nullopt;
    SizeExpr rows = 1;
    for (size_t d = 0; d < space_.size(); ++d)
      if (d != strips_.lane) rows = rows * space_[d];
    if (strips_.places.empty() && rows.constant().value_or(1) >= kManyRows) return std::nullopt;
    findPartials();
    return strips_;
  }

 private:
  /// The innermost dimension of more than one element is the one that is reduced, and long.
  bool findLane(ReduceOp reduce) {
    space_ = sizesOf(reduce.getX().getType());
    strips_.lane = space_.size();
    for (size_t d = 0; d < space_.size(); ++d)
      if (!space_[d].isConstant(1)) strips_.lane = d;
    if (strips_.lane == space_.size() || !llvm::is_contained(reduce.getAxes(), int64_t(strips_.lane))) return false;
    for (int64_t axis : reduce.getAxes())
      if (size_t(axis) != strips_.lane && !space_[axis].isConstant(1)) return false;
    strips_.length = space_[strips_.lane];
    const int64_t length = strips_.length.constant().value_or(0);
    strips_.count = llvm::divideCeil(length, kStrip);
    return length > kLongRow;
  }
  /// One value for each row, or one for several.
  bool isOfRow(Value v) const {
    Sizes sizes = sizesOf(v.getType());
    const size_t fromEnd = space_.size() - strips_.lane;
    return sizes.size() < fromEnd || sizes[sizes.size() - fromEnd].isConstant(1);
  }
  bool readExtreme(ReduceOp reduce) {
    if (reduce.getKind() != ReduceKind::max && reduce.getKind() != ReduceKind::min) return false;
    if (elementOf(reduce.getX()).getIntOrFloatBitWidth() < 16) return false;
    strips_.extremes.push_back(reduce);
    return true;
  }
  /// min(x == extreme [and what is known of the row] ? numbers : other)
  bool readPlace(ReduceOp reduce) {
    auto choice = reduce.getX().getDefiningOp<SelectOp>();
    const int64_t length = *strips_.length.constant();
    if (!choice || reduce.getKind() != ReduceKind::min || !elementOf(reduce.getY()).isSignlessInteger()) return false;
    if (!countsUp(choice.getA(), length) || !isAtLeast(choice.getB(), length - 1)) return false;
    Value condition = choice.getCondition();
    if (auto both = condition.getDefiningOp<AndOp>())
      condition = isOfRow(both.getB()) ? both.getA() : isOfRow(both.getA()) ? both.getB() : condition;
    auto equal = condition.getDefiningOp<CompareOp>();
    if (!equal || equal.getPredicate() != ComparePredicate::eq) return false;
    for (auto [i, extreme] : llvm::enumerate(strips_.extremes))
      for (auto [x, y] : {std::pair(equal.getA(), equal.getB()), std::pair(equal.getB(), equal.getA())})
        if (x == extreme.getX() && y == extreme.getY()) {
          for (const RowStrips::Place& other : strips_.places) // one value cannot stand for what strips have of two
            if (other.numbers == choice.getA() ||
                (other.extreme != i && ReduceOp(strips_.extremes[other.extreme]).getX() == x))
              return false;
          strips_.places.push_back({reduce, i, choice.getA()});
          return true;
        }
    return false;
  }
  void findPartials() {
    SmallVector<Value> roots;
    for (ReduceOp reduce : strips_.extremes)
      roots.push_back(reduce.getX());
    bool isLater = false;
    SmallVector<Operation*> before = operatorsBefore(body_, roots, isLater);
    for (BlockArgument arg : body_.getArguments())
      if (llvm::is_contained(roots, arg) ||
          llvm::any_of(before, [&](Operation* op) { return llvm::is_contained(op->getOperands(), arg); }))
        strips_.inputs.push_back(arg.getArgNumber());
    Sizes sizes = space_;
    sizes[strips_.lane] = strips_.count;
    for (ReduceOp reduce : strips_.extremes)
      strips_.partials.push_back(tensorOf(sizes, elementOf(reduce.getX())));
    for (const RowStrips::Place& place : strips_.places)
      strips_.partials.push_back(tensorOf(sizes, elementOf(ReduceOp(place.reduce).getX())));
  }

  Block& body_;
  Sizes space_;
  RowStrips strips_;
};

/// Which of the extremes `op` finds, if any.
std::optional<unsigned> isExtreme(const RowStrips& strips, Operation* op) {
  for (auto [i, reduce] : llvm::enumerate(strips.extremes))
    if (ReduceOp(reduce) == op) return unsigned(i);
  return std::nullopt;
}
/// `type` with an element for each strip, where it has those of a row.
Type inStrips(Type type, const RowStrips& strips) {
  Sizes sizes = sizesOf(type);
  const size_t fromEnd = sizesOf(strips.partials[0]).size() - strips.lane;
  if (sizes.size() >= fromEnd && sizes[sizes.size() - fromEnd] == strips.length)
    sizes[sizes.size() - fromEnd] = strips.count;
  return tensorOf(sizes, cast<RankedTensorType>(type).getElementType());
}

/// A copy of `group` that ends with its extremes.
GroupOp groupOfExtremes(GroupOp group, const RowStrips& strips, OpBuilder& b) {
  Block& from = bodyOf(group);
  SmallVector<Value> roots, taken;
  SmallVector<Type> results;
  for (ReduceOp reduce : strips.extremes)
    roots.push_back(reduce.getX()), results.push_back(reduce.getY().getType());
  for (unsigned i : strips.inputs)
    taken.push_back(group.getInputs()[i]);
  auto copy = GroupOp::create(b, group.getLoc(), results, taken, group.getSchedule());
  OpBuilder::InsertionGuard guard(b);
  Block* to = b.createBlock(&copy.getBody());
  IRMapping mapping;
  for (unsigned i : strips.inputs)
    mapping.map(from.getArgument(i), to->addArgument(from.getArgument(i).getType(), from.getArgument(i).getLoc()));
  bool isLater = false;
  for (Operation* op : operatorsBefore(from, roots, isLater))
    b.clone(*op, mapping);
  SmallVector<Value> yielded;
  for (ReduceOp reduce : strips.extremes)
    yielded.push_back(b.clone(*reduce, mapping)->getResult(0));
  YieldOp::create(b, group.getLoc(), yielded);
  return copy;
}

/// A warp has a strip.
class StripsProgram {
 public:
  /// \param group  of the extremes alone
  StripsProgram(OpBuilder& builder, GroupOp group, StringRef name, const RowStrips& strips)
      : strips_(strips), kb_(builder, group.getLoc(), name, group, group.getInputs().getTypes(), strips.partials),
        emitter_(kb_, kStrip), reduces_(llvm::to_vector(bodyOf(group).getOps<ReduceOp>())),
        space_(sizesOf(reduces_[0].getX().getType())) {}

  Scheduled run() {
    SmallVector<SizeExpr> extents;
    for (size_t d = 0; d < space_.size(); ++d)
      if (d != strips_.lane) extents.push_back(space_[d]);
    extents.push_back(strips_.count);
    const SizeExpr programs = volume(extents);
    Value id = tile::ProgramIdOp::create(b(), loc(), b().getIndexType());
    when(arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::slt, id, kb_.size(programs)),
         [&] { emitStrip(id, extents); });
    kb_.kernel()->setAttr("threads", b().getI64IntegerAttr(kWarp));
    kb_.kernel()->setAttr("programs_per_block", b().getI64IntegerAttr(kWarpsOfBlock));
    Scheduled scheduled = kb_.finish(programs, 0, programs * SizeExpr(kStrip / 16));
    sayMultiples(kb_.kernel(), scheduled.sizes);
    return scheduled;
  }

 private:
  OpBuilder& b() { return kb_.b(); }
  Location loc() { return kb_.loc(); }
  void when(Value condition, function_ref<void()> then, function_ref<void()> otherwise = {}) {
    auto branch = scf::IfOp::create(b(), loc(), TypeRange(), condition, /*withElse=*/bool(otherwise));
    OpBuilder::InsertionGuard guard(b());
    b().setInsertionPointToStart(branch.thenBlock());
    then();
    if (!otherwise) return;
    b().setInsertionPointToStart(branch.elseBlock());
    otherwise();
  }

  /// The last strip of a row may have fewer elements.
  void emitStrip(Value id, ArrayRef<SizeExpr> extents) {
    auto parts = delinearizeSmall(kb_, id, extents);
    place_ = id;
    first_ = kb_.mul(parts.back(), kb_.constant(kStrip));
    first_.setLoc(nameLoc(b(), loc(), "first"));
    at_.assign(space_.size(), Coordinate{kb_.constant(0), 0, {}});
    size_t next = 0;
    for (size_t d = 0; d < space_.size(); ++d)
      if (d != strips_.lane) at_[d] = {parts[next++], 0, {}};
    at_[strips_.lane] = {first_, 1, {}};
    const int64_t length = *strips_.length.constant();
    if (length % kStrip == 0) return emitElements({});
    Value rest = kb_.sub(kb_.constant(length), first_);
    when(
        arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::sge, rest, kb_.constant(kStrip)),
        [&] { emitElements({}); }, [&] { emitElements(rest); });
  }

  /// \param limit  how many elements the strip has; null: all
  void emitElements(Value limit) {
    emitter_.setLimit(limit);
    for (auto [i, reduce] : llvm::enumerate(reduces_)) {
      Value x = emitter_.evaluate(reduce.getX(), at_);
      Type own = cast<VectorType>(x.getType()).getElementType();
      const bool isHalf = isa<FloatType>(own) && own.getIntOrFloatBitWidth() < 32,
                 isUnsigned = elementOf(reduce.getX()).isUnsignedInteger();
      Type wide = isHalf ? Type(b().getF32Type()) : own;
      if (isHalf) x = arith::ExtFOp::create(b(), loc(), VectorType::get({kStrip}, wide), x);
      if (limit)
        x = arith::SelectOp::create(b(), loc(), isBefore(limit), x,
                                    splat(neutralElement(b(), reduce.getKind(), wide, isUnsigned)));
      Value extreme = tile::ReduceOp::create(b(), loc(), wide, tile::ReduceKind(int(reduce.getKind())), x);
      Value narrow = isHalf ? Value(arith::TruncFOp::create(b(), loc(), own, extreme)) : extreme;
      for (auto [j, place] : llvm::enumerate(strips_.places))
        if (place.extreme == i)
          storeOne(placeOf(x, extreme, elementOf(ReduceOp(place.reduce).getX())), int64_t(reduces_.size() + j));
      storeOne(narrow, int64_t(i));
    }
    emitter_.clearCache();
  }
  /// The first place of `extreme` in the row; the greatest integer where none is equal to it.
  Value placeOf(Value x, Value extreme, Type element) {
    auto type = VectorType::get({kStrip}, element);
    Value isIt =
        isa<FloatType>(extreme.getType())
            ? Value(arith::CmpFOp::create(b(), loc(), arith::CmpFPredicate::OEQ, x, kb_.splat(extreme, kStrip)))
            : Value(arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::eq, x, kb_.splat(extreme, kStrip)));
    Value places = arith::AddIOp::create(b(), loc(), arith::IndexCastOp::create(b(), loc(), type, steps()),
                                         kb_.splat(arith::IndexCastOp::create(b(), loc(), element, first_), kStrip));
    Value none = splat(neutralElement(b(), ReduceKind::min, element, false));
    return tile::ReduceOp::create(b(), loc(), element, tile::ReduceKind::min,
                                  arith::SelectOp::create(b(), loc(), isIt, places, none));
  }
  Value steps() { return vector::StepOp::create(b(), loc(), VectorType::get({kStrip}, b().getIndexType())); }
  Value isBefore(Value limit) {
    return arith::CmpIOp::create(b(), loc(), arith::CmpIPredicate::slt, steps(), kb_.splat(limit, kStrip));
  }
  Value splat(TypedAttr value) {
    auto type = VectorType::get({kStrip}, value.getType());
    return arith::ConstantOp::create(b(), loc(), DenseElementsAttr::get(type, Attribute(value)));
  }
  void storeOne(Value scalar, int64_t result) {
    Value one = vector::BroadcastOp::create(b(), loc(), VectorType::get({1}, scalar.getType()), scalar);
    tile::StoreOp::create(b(), loc(), one, kb_.output(result), place_, ValueRange{kb_.constant(1)}, ValueRange());
  }

  const RowStrips& strips_;
  KernelBuilder kb_;
  ExpressionEmitter emitter_;
  SmallVector<ReduceOp> reduces_;
  Sizes space_;
  Coordinates at_;
  Value place_, first_; ///< of the strip among all; of its first element in the row
};

} // namespace

std::optional<RowStrips> rowStripsOf(GroupOp group) {
  return group.getSchedule() == "rows" ? FormReader(group).read() : std::nullopt;
}

FailureOr<Scheduled> scheduleRowStrips(GroupOp group, const RowStrips& strips, StringRef name, OpBuilder& builder) {
  OpBuilder b(group);
  GroupOp extremes = groupOfExtremes(group, strips, b);
  Scheduled scheduled = StripsProgram(builder, extremes, name, strips).run();
  widenHalves(scheduled.kernel);
  extremes.erase();
  return scheduled;
}

GroupOp restOfRowStrips(GroupOp group, const RowStrips& strips, ValueRange partials) {
  Block& from = bodyOf(group);
  const unsigned extremes = unsigned(strips.extremes.size());
  llvm::SmallDenseMap<Value, unsigned>
      given; // for lookup only: which of the partials stands where a row's elements or places did
  for (auto [i, place] : llvm::enumerate(strips.places)) {
    given[ReduceOp(strips.extremes[place.extreme]).getX()] = unsigned(place.extreme);
    given[place.numbers] = extremes + unsigned(i);
  }
  llvm::SmallSetVector<Value, 16> needed;
  SmallVector<Value> work(from.getTerminator()->getOperands());
  while (!work.empty()) {
    Value v = work.pop_back_val();
    if (given.contains(v) || !needed.insert(v) || !v.getDefiningOp() || isExtreme(strips, v.getDefiningOp())) continue;
    llvm::append_range(work, v.getDefiningOp()->getOperands());
  }
  SmallVector<Value> inputs(partials);
  SmallVector<BlockArgument> own;
  for (BlockArgument arg : from.getArguments())
    if (needed.contains(arg)) own.push_back(arg), inputs.push_back(group.getInputs()[arg.getArgNumber()]);
  OpBuilder b(group);
  auto rest = GroupOp::create(b, group.getLoc(), group.getResultTypes(), inputs, group.getSchedule());
  Block* to = b.createBlock(&rest.getBody());
  for (Value v : inputs)
    to->addArgument(v.getType(), v.getLoc());
  IRMapping mapping;
  for (auto [v, i] : given)
    mapping.map(v, to->getArgument(i));
  for (auto [i, arg] : llvm::enumerate(own))
    mapping.map(arg, to->getArgument(unsigned(partials.size() + i)));
  for (Operation& op : from) {
    if (op.getNumResults() && !llvm::any_of(op.getResults(), [&](Value v) { return needed.contains(v); })) continue;
    if (auto i = isExtreme(strips, &op)) {
      auto reduce = cast<ReduceOp>(op);
      mapping.map(reduce.getY(), ReduceOp::create(b, reduce.getLoc(), reduce.getY().getType(), reduce.getKind(),
                                                  to->getArgument(*i), reduce.getAxes())
                                     .getY());
      continue;
    }
    for (OpResult r : b.clone(op, mapping)->getResults())
      r.setType(cast<RankedTensorType>(inStrips(r.getType(), strips)));
  }
  return rest;
}

} // namespace jinx::schedules
