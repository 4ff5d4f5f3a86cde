#include "codegen/schedules/cuda/GroupEpilogue.h"

#include "codegen/schedules/ScalarOps.h"
#include "codegen/schedules/cuda/IndexBuilder.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace jinx::graph;

namespace jinx::schedules {
namespace {
constexpr const char *kPhase = "Epilogue and store";
Type elementOf(Value v) { return cast<RankedTensorType>(v.getType()).getElementType(); }
}  // namespace

/// Its first or its second half of columns; nothing where the slice is another one.
static std::optional<int> halfOf(SliceOp slice, Value whole) {
  const Sizes from = sizesOf(whole.getType()), to = sizesOf(slice.getY().getType());
  const std::optional<int64_t> columns = from.back().constant();
  if (from.size() != 2 || !(to[0] == from[0]) || !columns || *columns % 2 || !to[1].isConstant(*columns / 2) || llvm::any_of(slice.getSteps(), [](int64_t step) { return step != 1; })) return {};
  const auto starts = llvm::to_vector(slice.getStarts().getAsValueRange<StringAttr>());
  if (starts[0] != "0") return {};
  if (starts[1] == "0") return 0;
  return starts[1] == std::to_string(*columns / 2) ? std::optional(1) : std::nullopt;
}

bool isPairOfProducts(Operation *product) {
  if (!isa<PackedMatmulOp>(product)) return false;
  Value whole = product->getResult(0);
  return !whole.use_empty() && llvm::all_of(whole.getUsers(), [&](Operation *user) {
    auto slice = dyn_cast<SliceOp>(user);
    return slice && halfOf(slice, whole);
  });
}

GroupEpilogue::GroupEpilogue(KernelBuilder &kb, GroupOp group, ArrayRef<Operation *> products)
    : kb_(kb), group_(group), products_(products), out_(sizesOf((isPairOfProducts(products[0]) ? group : products[0])->getResult(0).getType())), rowBegin_(out_.size() - 2), rowEnd_(out_.size() - 1) {}

size_t GroupEpilogue::firstRowDim(size_t end) {
  size_t begin = end - 1;
  for (; begin > 0; --begin) {
    bool allFollow = llvm::all_of(group_.getBody().front().getArguments(), [&](BlockArgument arg) {
      if (isOperand(arg)) return true;
      Sizes sizes = sizesOf(arg.getType());
      bool hasAll = true, hasNone = true;
      for (size_t o = begin - 1; o < end; ++o) {
        int64_t d = int64_t(o) - int64_t(out_.size() - sizes.size());
        SizeExpr size = d < 0 ? SizeExpr(1) : sizes[d];
        hasAll &= size == out_[o];
        hasNone &= size.isConstant(1);
      }
      return hasAll || hasNone;
    });
    if (!allFollow) break;
  }
  return begin;
}

SmallVector<BlockArgument> GroupEpilogue::residuals(int64_t bytes) {
  SmallVector<BlockArgument> found;
  for (BlockArgument arg : group_.getBody().front().getArguments())
    if (!isOperand(arg) && sizesOf(arg.getType()) == out_ && isa<FloatType>(elementOf(arg)) && elementOf(arg).getIntOrFloatBitWidth() == 8 * bytes)
      found.push_back(arg);
  return found;
}

void GroupEpilogue::takePieces(ArrayRef<BlockArgument> residuals) {
  for (auto [i, arg] : llvm::enumerate(residuals)) pieces_[arg] = int64_t(i);
}

int64_t GroupEpilogue::operations() {
  int64_t sum = 0;
  for (Operation &op : group_.getBody().front().without_terminator()) {
    if (isProduct(&op) || !op.hasTrait<Elementwise>()) continue;
    sum += llvm::TypeSwitch<Operation *, int64_t>(&op)
               .Case<ErfOp, TanhOp, SigmoidOp, AtanOp, SinOp, CosOp, PowOp>([](auto) { return 24; })
               .Case<ExpOp, Expm1Op, LogOp, Log1pOp, DivOp, SqrtOp, RsqrtOp, ModOp>([](auto) { return 12; })
               .Default([](Operation *) { return 1; });
  }
  return sum;
}

GroupEpilogue::Place GroupEpilogue::placeOf(const Sizes &sizes, const Tile &at) {
  auto strides = kb_.strides(sizes);
  Place place{kb_.constant(0), kb_.constant(0), kb_.constant(0)};
  auto step = [&](Value coordinate, Value stride) { place.offset = kb_.add(place.offset, kb_.mul(coordinate, stride)); };
  bool hasRows = false;
  for (size_t d = 0; d < sizes.size(); ++d) {
    size_t o = d + out_.size() - sizes.size();
    bool isOne = sizes[d].isConstant(1);
    if (o + 1 == out_.size()) {
      if (isOne) continue;
      place.columnStride = kb_.size(strides[d]);
      step(at.column, place.columnStride);
    } else if (o >= rowBegin_ && o < rowEnd_) {
      hasRows |= !isOne;
      if (o + 1 != rowEnd_ || !hasRows) continue;
      place.rowStride = kb_.size(strides[d]);
      step(at.row, place.rowStride);
    } else if (!isOne) {
      step(at.outer[o], kb_.size(strides[d]));
    }
  }
  return place;
}

SmallVector<Value> GroupEpilogue::ordered(Value rows, Value columns) const {
  if (isTransposed_) std::swap(rows, columns);
  return {rows, columns};
}

/// Has one value for each column of the result.
bool GroupEpilogue::isPerColumn(BlockArgument arg) {
  Sizes sizes = sizesOf(arg.getType());
  return !sizes.empty() && sizes.back() == out_.back() && llvm::all_of(ArrayRef(sizes).drop_back(), [](const SizeExpr &s) { return s.isConstant(1); });
}

std::optional<int64_t> GroupEpilogue::bulkStoreBytes(const SizeExpr &columns) {
  constexpr int64_t kAlignment = 16;  // bytes that a bulk store's rows are a multiple of
  if (group_.getNumResults() != 1) return std::nullopt;
  Type element = elementOf(group_.getResult(0));
  int64_t bits = element.getIntOrFloatBitWidth(), bytes = bits / 8;
  const bool isStored = bits == 8 || bits == 32 || (bits == 16 && isa<FloatType>(element));
  if (!isStored || !columns.exactDivide(kAlignment / bytes)) return std::nullopt;
  return bytes;
}

bool GroupEpilogue::readsColumns() {
  return llvm::any_of(group_.getBody().front().getArguments(), [&](BlockArgument arg) { return !isOperand(arg) && isPerColumn(arg); });
}

void GroupEpilogue::loadColumns(VectorType sums, const Tile &at) {
  early_.clear();
  for (BlockArgument arg : group_.getBody().front().getArguments()) {
    if (isOperand(arg) || !isPerColumn(arg)) continue;
    Value tile = early_[arg] = load(arg, sums, at);
    auto loaded = tile.getDefiningOp<tile::LoadOp>();
    if (!loaded) continue;
    loaded->setAttr("early", kb_.b().getUnitAttr());
    phase(loaded, "Values of columns, for the epilogue");
  }
}

SmallVector<Value> GroupEpilogue::sumsOfEach(Value sums) {
  if (products_.size() == 1 && !isPairOfProducts(products_[0])) return {sums};
  auto type = cast<VectorType>(sums.getType());
  auto half = VectorType::get({type.getDimSize(0) / (isTransposed_ ? 2 : 1), type.getDimSize(1) / (isTransposed_ ? 1 : 2)}, type.getElementType());
  auto both = tile::UnpairOp::create(kb_.b(), kb_.loc(), half, half, sums);
  return {both.getFirst(), both.getSecond()};
}

SmallVector<Value> GroupEpilogue::evaluate(Value all, const Tile &at) {
  OpBuilder &b = kb_.b();
  const SmallVector<Value> sums = sumsOfEach(all);
  auto shape = cast<VectorType>(sums[0].getType());
  llvm::DenseMap<Value, Value> tiles;
  Value anchor = products_[0]->getResult(0);
  Type element = registerType(elementOf(anchor));
  auto rounded = [&](Value sum) { return element == shape.getElementType() ? sum : Value(arith::TruncFOp::create(b, kb_.loc(), shape.clone(element), sum)); };
  if (sums.size() == products_.size()) {
    for (auto [product, sum] : llvm::zip(products_, sums)) tiles[product->getResult(0)] = rounded(sum);
  } else {
    const Value halves[] = {rounded(sums[0]), rounded(sums[1])};
    for (Operation *user : anchor.getUsers()) tiles[user->getResult(0)] = halves[*halfOf(cast<SliceOp>(user), anchor)];
  }
  Block &body = group_.getBody().front();
  for (BlockArgument arg : body.getArguments())
    if (!isOperand(arg)) tiles[arg] = early_.contains(arg) ? early_.lookup(arg) : load(arg, shape, at);
  for (Operation &op : body.without_terminator()) {
    if (isProduct(&op) || op.getNumResults() != 1 || tiles.contains(op.getResult(0))) continue;
    if (auto constant = dyn_cast<ConstantOp>(op)) {
      tiles[constant.getY()] = kb_.splatTile(constant, shape);
      continue;
    }
    SmallVector<Value> operands;
    for (Value v : op.getOperands()) operands.push_back(tiles.lookup(v));
    tiles[op.getResult(0)] = buildElementwise(b, kb_.loc(), &op, operands);
  }
  SmallVector<Value> results;
  for (Value v : body.getTerminator()->getOperands()) results.push_back(tiles.lookup(v));
  return results;
}

Value GroupEpilogue::load(BlockArgument arg, VectorType shape, const Tile &at) {
  Place place = placeOf(sizesOf(arg.getType()), at);
  auto piece = pieces_.find(arg);
  Value tile = kb_.loadTile(arg, shape, place.offset, ordered(place.rowStride, place.columnStride), ordered(at.rows, at.columns),
                            piece == pieces_.end() ? kPhase : "");
  if (piece != pieces_.end()) tile.getDefiningOp()->setAttr("piece", kb_.b().getI64IntegerAttr(piece->second));
  return tile;
}

void GroupEpilogue::store(int64_t index, Value tile, const Tile &at) {
  OpBuilder &b = kb_.b();
  Value result = group_.getResult(index);
  Sizes sizes = sizesOf(result.getType());
  Place place = placeOf(sizes, at);
  if (elementOf(result).isInteger(1))
    tile = arith::ExtUIOp::create(b, kb_.loc(), cast<VectorType>(tile.getType()).clone(b.getI8Type()), tile);
  // A row's columns are neighbours even where there is one column, and one row lies anywhere.
  Value rowStride = kb_.size(kb_.strides(sizes)[rowEnd_ - 1]);
  phase(tile::StoreOp::create(b, kb_.loc(), tile, kb_.output(index), place.offset, ordered(rowStride, kb_.constant(1)), ordered(at.rows, at.columns)),
        kPhase);
}

}  // namespace jinx::schedules
