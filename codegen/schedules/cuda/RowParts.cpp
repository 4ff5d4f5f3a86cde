#include "codegen/schedules/cuda/RowParts.h"

#include "codegen/schedules/Collapse.h"
#include "codegen/schedules/ScalarOps.h"
#include "codegen/schedules/cuda/ColumnStrips.h"
#include "codegen/schedules/cuda/WidenHalves.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/MathExtras.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {

constexpr int64_t kFewRows = 256;         // up to here the second launch costs more than it saves.
// Up to here sums of floats keep the order of the rows, which is that of other runtimes: a model that works out a variance as a difference of
// two such sums (magika: 2.5 % off in float32) answers as they do, though parts would be nearer to the truth (0.3 %).
constexpr int64_t kFewSummedRows = 1024;
constexpr int64_t kBlocks = 4 * 132;      // of strips that a GPU holds
constexpr int64_t kLeastPart = 64;        // rows of a part
constexpr int64_t kPartRows = 32;         // it is a multiple of: the teams of a block, most of the time
constexpr int64_t kAll = -1;
constexpr int64_t kPartOfAny = 256;       // where the model does not say how many there are

Block &bodyOf(GroupOp group) { return group.getBody().front(); }

SmallVector<ReduceOp> reducesOf(GroupOp group) { return llvm::to_vector(bodyOf(group).getOps<ReduceOp>()); }
SmallVector<Value> operandsOf(ArrayRef<ReduceOp> reduces) {
  return llvm::map_to_vector(reduces, [](ReduceOp op) -> Value { return ReduceOp(op).getX(); });
}

Type partialElement(Type element) { return isa<FloatType>(element) && element.getIntOrFloatBitWidth() < 32 ? Type(Float32Type::get(element.getContext())) : element; }

/// The reduced dimension of more than one element, if there is one only, and lanes behind it.
std::optional<size_t> rowDimension(const Sizes &space, ArrayRef<int64_t> axes) {
  std::optional<size_t> rows;
  for (int64_t axis : axes) {
    if (space[axis].isConstant(1)) continue;
    if (rows) return std::nullopt;
    rows = size_t(axis);
  }
  if (!rows || llvm::all_of(ArrayRef(space).drop_front(*rows + 1), [](const SizeExpr &s) { return s.isConstant(1); })) return std::nullopt;
  return rows;
}

/// Rows of a part; kAll where strips of all rows keep a GPU busy, 0 where rows are few.
/// \param strip  what a block has
/// \param isSum  of floats: another order gives another result
int64_t chooseEach(const Sizes &space, size_t rows, const StripShape &strip, bool isSum) {
  auto columns = volume(ArrayRef(space).drop_front(rows + 1)).constant(), count = space[rows].constant();
  int64_t blocks = columns ? llvm::divideCeil(*columns, strip.columns()) : 1;
  if (auto outer = volume(ArrayRef(space).take_front(rows)).constant()) blocks *= *outer;
  if (count && *count < (isSum ? kFewSummedRows : kFewRows)) return 0;
  if (blocks >= kBlocks) return kAll;
  if (!count) return kPartOfAny;
  int64_t each = llvm::alignTo(llvm::divideCeil(*count, kBlocks / blocks), kPartRows);
  each = std::max({each, kLeastPart, strip.teams});
  for (int64_t even = each; even <= each + each / 2; even += kPartRows)  // as many for every part, where that is near
    if (*count % even == 0) {
      each = even;
      break;
    }
  return *count < 2 * each ? 0 : each;
}

/// Dimension `d`, in parts: two in its place. One that is 1 stays so.
Type inParts(Type type, size_t d, const RowParts &parts) {
  Sizes sizes = sizesOf(type);
  bool one = sizes[d].isConstant(1);
  sizes[d] = one ? SizeExpr(1) : SizeExpr(parts.each);
  sizes.insert(sizes.begin() + d, one ? SizeExpr(1) : parts.count());
  return tensorOf(sizes, cast<RankedTensorType>(type).getElementType());
}

/// A copy of the collapsed group that ends with its reductions, over one part each. Its operands have more dimensions than the values they
/// stand for, and the last part may have fewer rows: who writes the kernel knows.
GroupOp partialGroup(GroupOp collapsed, size_t d, const RowParts &parts, OpBuilder &b) {
  auto reduces = reducesOf(collapsed);
  const size_t rank = sizesOf(reduces[0].getX().getType()).size();
  auto aligned = [&](Type type) {  // leading 1s, so that dimension d is the same for all
    Sizes sizes = sizesOf(type);
    sizes.insert(sizes.begin(), rank - sizes.size(), SizeExpr(1));
    return inParts(tensorOf(sizes, cast<RankedTensorType>(type).getElementType()), d, parts);
  };
  SmallVector<Value> inputs;
  for (unsigned i : parts.inputs) inputs.push_back(collapsed.getInputs()[i]);
  SmallVector<Type> results;
  for (ReduceOp reduce : reduces) {
    auto type = cast<RankedTensorType>(aligned(reduce.getX().getType()));
    Sizes sizes = sizesOf(type);
    for (int64_t axis : reduce.getAxes()) sizes[axis + (axis >= int64_t(d))] = 1;
    results.push_back(tensorOf(sizes, partialElement(type.getElementType())));
  }
  auto copy = GroupOp::create(b, collapsed.getLoc(), results, inputs, collapsed.getSchedule());
  OpBuilder::InsertionGuard guard(b);
  Block *body = b.createBlock(&copy.getBody());
  IRMapping mapping;
  for (unsigned i : parts.inputs) {
    BlockArgument arg = bodyOf(collapsed).getArgument(i);
    mapping.map(arg, body->addArgument(aligned(arg.getType()), arg.getLoc()));
  }
  bool reduced = false;
  for (Operation *op : operatorsBefore(bodyOf(collapsed), operandsOf(reduces), reduced)) {
    Operation *clone = b.clone(*op, mapping);
    if (isa<ConstantOp>(op)) continue;
    for (OpResult r : clone->getResults()) r.setType(cast<RankedTensorType>(aligned(r.getType())));
  }
  SmallVector<Value> yielded;
  for (auto [reduce, type] : llvm::zip(reduces, results)) {
    Value x = mapping.lookup(ReduceOp(reduce).getX());
    Type element = cast<RankedTensorType>(type).getElementType();
    auto full = cast<RankedTensorType>(x.getType());
    if (element != full.getElementType()) x = CastOp::create(b, reduce.getLoc(), tensorOf(sizesOf(full), element), x);
    SmallVector<int64_t> axes;
    for (int64_t axis : reduce.getAxes()) axes.push_back(axis + (axis >= int64_t(d)));
    yielded.push_back(ReduceOp::create(b, reduce.getLoc(), type, reduce.getKind(), x, axes));
  }
  YieldOp::create(b, collapsed.getLoc(), yielded);
  return copy;
}

}  // namespace

SmallVector<Operation *> operatorsBefore(Block &body, ArrayRef<Value> roots, bool &meetsReduction) {
  llvm::SmallSetVector<Operation *, 16> needed;
  SmallVector<Value> work(roots);
  while (!work.empty()) {
    Operation *op = work.pop_back_val().getDefiningOp();
    if (!op) continue;
    if (isa<ReduceOp>(op)) {
      meetsReduction = true;
    } else if (needed.insert(op)) {
      llvm::append_range(work, op->getOperands());
    }
  }
  SmallVector<Operation *> ordered;
  for (Operation &op : body)
    if (needed.contains(&op)) ordered.push_back(&op);
  return ordered;
}

std::optional<RowParts> rowPartsOf(GroupOp group) {
  auto reduces = reducesOf(group);
  if (group.getSchedule() != "rows" || reduces.empty()) return std::nullopt;
  Block &body = bodyOf(group);
  for (Operation &op : body.without_terminator()) {
    auto constant = dyn_cast<ConstantOp>(op);
    if (!isa<ReduceOp>(op) && !(constant ? isEmittable(&op) : isElementwiseSupported(&op))) return std::nullopt;
  }
  const Sizes y = sizesOf(reduces[0].getY().getType()), x = sizesOf(reduces[0].getX().getType());
  for (ReduceOp reduce : reduces) {
    Type element = cast<RankedTensorType>(reduce.getX().getType()).getElementType();
    if (reduce.getAxes() != reduces[0].getAxes() || sizesOf(reduce.getX().getType()) != x || element.getIntOrFloatBitWidth() < 16) return std::nullopt;
  }
  for (Value v : body.getTerminator()->getOperands())
    if (sizesOf(v.getType()) != y) return std::nullopt;
  RowParts parts;
  bool inPhases = false;
  auto before = operatorsBefore(body, operandsOf(reduces), inPhases);
  if (inPhases) return std::nullopt;

  GroupOp collapsed = collapseDimensions(group);
  ReduceOp first = reducesOf(collapsed)[0];
  Sizes space = sizesOf(first.getX().getType());
  auto rows = rowDimension(space, first.getAxes());
  bool isSum = llvm::any_of(reduces, [](ReduceOp reduce) {
    bool ordered = reduce.getKind() == ReduceKind::sum || reduce.getKind() == ReduceKind::prod;
    return ordered && isa<FloatType>(cast<RankedTensorType>(reduce.getX().getType()).getElementType());
  });
  if (rows) parts.each = chooseEach(space, *rows, stripShape(collapsed), isSum), parts.rows = space[*rows];
  eraseCollapsed(collapsed, group);
  if (parts.each == 0) return std::nullopt;
  if (parts.each == kAll) return RowParts();

  for (BlockArgument arg : body.getArguments())
    if (llvm::any_of(reduces, [&](ReduceOp r) { return r.getX() == arg; }) ||
        llvm::any_of(before, [&](Operation *op) { return llvm::is_contained(op->getOperands(), arg); }))
      parts.inputs.push_back(arg.getArgNumber());
  auto axis = llvm::find_if(reduces[0].getAxes(), [&](int64_t a) { return !x[a].isConstant(1); });
  for (ReduceOp reduce : reduces) {
    Sizes sizes = y;
    sizes[*axis] = parts.count();
    parts.partials.push_back(tensorOf(sizes, partialElement(cast<RankedTensorType>(reduce.getX().getType()).getElementType())));
  }
  return parts;
}

FailureOr<Scheduled> scheduleRowParts(GroupOp group, const RowParts &parts, StringRef name, OpBuilder &builder) {
  GroupOp collapsed = collapseDimensions(group);
  ReduceOp reduce = reducesOf(collapsed)[0];
  const size_t d = *rowDimension(sizesOf(reduce.getX().getType()), reduce.getAxes());
  OpBuilder b(group);
  GroupOp partial = partialGroup(collapsed, d, parts, b);
  auto scheduled = scheduleColumnStrips(partial, name, {int64_t(d) + 1, parts.rows}, builder);
  if (succeeded(scheduled)) widenHalves(scheduled->kernel);
  partial.erase();
  eraseCollapsed(collapsed, group);
  return scheduled;
}

GroupOp restOfRowParts(GroupOp group, ValueRange partials) {
  auto reduces = reducesOf(group);
  SmallVector<Operation *> after;  // what the results are made of beside the reductions
  bool reduced = false;
  Block &body = bodyOf(group);
  after = operatorsBefore(body, SmallVector<Value>(body.getTerminator()->getOperands()), reduced);
  SmallVector<BlockArgument> own;
  for (BlockArgument arg : body.getArguments())
    if (llvm::is_contained(body.getTerminator()->getOperands(), arg) ||
        llvm::any_of(after, [&](Operation *op) { return llvm::is_contained(op->getOperands(), arg); }))
      own.push_back(arg);
  SmallVector<Value> inputs(partials);
  for (BlockArgument arg : own) inputs.push_back(group.getInputs()[arg.getArgNumber()]);
  OpBuilder b(group);
  auto rest = GroupOp::create(b, group.getLoc(), group.getResultTypes(), inputs, group.getSchedule());
  Block *to = b.createBlock(&rest.getBody());
  for (Value v : inputs) to->addArgument(v.getType(), v.getLoc());
  IRMapping mapping;
  for (auto [i, arg] : llvm::enumerate(own)) mapping.map(arg, to->getArgument(partials.size() + i));
  for (auto [i, reduce] : llvm::enumerate(reduces)) {
    auto result = cast<RankedTensorType>(reduce.getY().getType());
    Value part = to->getArgument(i);
    Type wide = tensorOf(sizesOf(result), cast<RankedTensorType>(part.getType()).getElementType());
    Value y = ReduceOp::create(b, reduce.getLoc(), wide, reduce.getKind(), part, reduce.getAxes());
    if (y.getType() != result) y = CastOp::create(b, reduce.getLoc(), result, y);
    mapping.map(reduce.getY(), y);
  }
  for (Operation *op : after) b.clone(*op, mapping);
  b.clone(*body.getTerminator(), mapping);
  return rest;
}

FailureOr<Scheduled> scheduleAllRows(GroupOp group, StringRef name, OpBuilder &builder) {
  GroupOp collapsed = collapseDimensions(group);
  auto scheduled = scheduleColumnStrips(collapsed, name, {}, builder);
  if (succeeded(scheduled)) widenHalves(scheduled->kernel);
  eraseCollapsed(collapsed, group);
  return scheduled;
}

}  // namespace jinx::schedules
